package minioserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"probity.dev/internal/blob"
)

// ErrAbsent means that the program is not there.
var ErrAbsent = errors.New("no S3 server: run scripts/minio.sh, which builds bin/minio once, or set PROBITY_TEST_MINIO to a MinIO program")

// startPatience is how long a server may take to answer.
const startPatience = time.Minute

// Server is a MinIO server. Whoever reaches it and knows its keys, which are no secret, may do everything.
type Server struct {
	Address              string // host:port
	AccessKey, SecretKey string
	// Client is another program's view of the server, with all rights.
	Client *minio.Client

	program string
	dir     string
	mu      sync.Mutex
	process *exec.Cmd
	buckets int
}

// Find returns the path of the program: what PROBITY_TEST_MINIO says, or bin/minio of the repository that the working directory is in, or [ErrAbsent].
func Find() (string, error) {
	if p := os.Getenv("PROBITY_TEST_MINIO"); p != "" {
		return p, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "scripts", "minio.sh")); err != nil {
			continue
		}
		p := filepath.Join(dir, "bin", "minio")
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", ErrAbsent
}

// Create makes a server that keeps everything in dir, an empty folder, and starts it.
func Create(ctx context.Context, dir string) (*Server, error) {
	program, err := Find()
	if err != nil {
		return nil, err
	}
	s := &Server{program: program, dir: dir, AccessKey: "probity-test", SecretKey: "not-a-secret-1234"}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.Address = l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	s.Client, err = minio.New(s.Address, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: blob.DefaultRegion})
	if err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// Start starts the server, after [Server.Stop] on the same address and with the same content, and waits until it answers.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	log, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	content := filepath.Join(s.dir, "content")
	if err := os.MkdirAll(content, 0o700); err != nil {
		return err
	}
	p := exec.CommandContext(context.WithoutCancel(ctx), s.program, "server", content, "--address", s.Address, "--quiet")
	p.Env = append(os.Environ(), "MINIO_ROOT_USER="+s.AccessKey, "MINIO_ROOT_PASSWORD="+s.SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "HOME="+s.dir, "GOMEMLIMIT=256MiB")
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.Stdout, p.Stderr = log, log
	if err := p.Start(); err != nil {
		return err
	}
	s.process = p
	for end := time.Now().Add(startPatience); ; time.Sleep(50 * time.Millisecond) {
		if s.answers(ctx) {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(end) {
			b, _ := os.ReadFile(log.Name())
			return errors.Join(fmt.Errorf("the S3 server does not start: %s", b), ctx.Err())
		}
	}
}

func (s *Server) answers(ctx context.Context) bool {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address+"/minio/health/live", nil)
	if err != nil {
		return false
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return false
	}
	return r.Body.Close() == nil && r.StatusCode == http.StatusOK
}

// Stop kills the server. What it has acknowledged stays.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.Process.Kill() //nolint:errcheck // it may have ended
		s.process.Wait()         //nolint:errcheck // killed
		s.process = nil
	}
}

// Bucket makes a bucket, with Object Lock when lock is true, that keeps every object for the given number of days when that is not 0.
func (s *Server) Bucket(ctx context.Context, lock bool, days uint) (blob.Location, error) {
	s.mu.Lock()
	s.buckets++
	n := strconv.Itoa(s.buckets)
	s.mu.Unlock()
	name := "bucket-" + n
	if err := s.Client.MakeBucket(ctx, name, minio.MakeBucketOptions{ObjectLocking: lock}); err != nil {
		return blob.Location{}, err
	}
	if days > 0 {
		mode, unit := minio.Governance, minio.Days
		if err := s.Client.SetObjectLockConfig(ctx, name, &mode, &days, &unit); err != nil {
			return blob.Location{}, err
		}
	}
	return blob.Location{Endpoint: s.Address, Region: blob.DefaultRegion, Bucket: name, Prefix: "at/" + n + "/"}, nil
}

// URL is a location as a setting says it.
func URL(l blob.Location) string {
	return "s3://" + l.Bucket + "/" + l.Prefix + "?endpoint=http://" + l.Endpoint
}
