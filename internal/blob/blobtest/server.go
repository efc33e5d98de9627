package blobtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"probity.dev/internal/blob"
)

// Server is a MinIO server with an empty folder of its own.
type Server struct {
	Address              string // host:port
	AccessKey, SecretKey string
	// Client is another program's view of the server, with all rights.
	Client *minio.Client

	t       testing.TB
	binary  string
	dir     string
	mu      sync.Mutex
	process *exec.Cmd
	buckets int
}

// Start starts a server that ends with the test. Without the server's program, which scripts/minio.sh builds, the test fails: what it says about stores would be known to nobody.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, binary: program(t), dir: t.TempDir(), AccessKey: "probity-test", SecretKey: "not-a-secret-1234"}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = l.Addr().String()
	l.Close()
	s.Client, err = minio.New(s.Address, &minio.Options{Creds: credentials.NewStaticV4(s.AccessKey, s.SecretKey, ""), Region: blob.DefaultRegion})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.Restart()
	return s
}

// program finds bin/minio above the working directory.
func program(t testing.TB) string {
	t.Helper()
	if p := os.Getenv("PROBITY_TEST_MINIO"); p != "" {
		return p
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "scripts", "minio.sh")); err != nil {
			continue
		}
		p := filepath.Join(dir, "bin", "minio")
		if _, err := os.Stat(p); err != nil {
			t.Fatal("this test needs an S3 server: run scripts/minio.sh, which builds bin/minio once, or set PROBITY_TEST_MINIO to a MinIO program")
		}
		return p
	}
	t.Fatal("the test runs outside of the repository: set PROBITY_TEST_MINIO to a MinIO program")
	return ""
}

// Restart starts the server again after [Server.Stop], on the same address and with the same content.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = exec.Command(s.binary, "server", s.dir, "--address", s.Address, "--quiet")
	s.process.Env = append(os.Environ(), "MINIO_ROOT_USER="+s.AccessKey, "MINIO_ROOT_PASSWORD="+s.SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "HOME="+s.dir, "GOMEMLIMIT=256MiB")
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(filepath.Join(s.t.TempDir(), "minio.log"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r, err := http.Get("http://" + s.Address + "/minio/health/live")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			b, _ := os.ReadFile(log.Name())
			s.t.Fatalf("the S3 server does not start: %v\n%s", err, b)
		}
	}
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
func (s *Server) Bucket(lock bool, days uint) blob.Location {
	s.t.Helper()
	s.buckets++
	name := fmt.Sprintf("bucket-%d", s.buckets)
	ctx := context.Background()
	if err := s.Client.MakeBucket(ctx, name, minio.MakeBucketOptions{ObjectLocking: lock}); err != nil {
		s.t.Fatal(err)
	}
	if days > 0 {
		mode, unit := minio.Governance, minio.Days
		if err := s.Client.SetObjectLockConfig(ctx, name, &mode, &days, &unit); err != nil {
			s.t.Fatal(err)
		}
	}
	return blob.Location{Endpoint: s.Address, Region: blob.DefaultRegion, Bucket: name, Prefix: "at/" + strconv.Itoa(s.buckets) + "/"}
}

// URL is a location as a setting says it.
func URL(l blob.Location) string {
	return "s3://" + l.Bucket + "/" + l.Prefix + "?endpoint=http://" + l.Endpoint
}

// Open opens a store in a bucket of the server.
func (s *Server) Open(l blob.Location, change ...func(*blob.S3Options)) *blob.S3 {
	s.t.Helper()
	o := blob.S3Options{Location: l, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Spool: filepath.Join(s.t.TempDir(), "spool")}
	for _, c := range change {
		c(&o)
	}
	store, err := blob.OpenS3(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// Versions counts the versions of an object as another program sees them, delete markers included.
func (s *Server) Versions(l blob.Location, name string) (n int) {
	s.t.Helper()
	for v := range s.Client.ListObjects(context.Background(), l.Bucket, minio.ListObjectsOptions{Prefix: l.Prefix + name, WithVersions: true, Recursive: true}) {
		if v.Err != nil {
			s.t.Fatal(v.Err)
		}
		if v.Key == l.Prefix+name {
			n++
		}
	}
	return n
}
