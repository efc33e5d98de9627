package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// User is the superuser of every server that is made here. Whoever reaches the server may be it.
const User = "probity"

// ErrAbsent means that no PostgreSQL server binaries are installed.
var ErrAbsent = errors.New("no PostgreSQL server binaries found (Debian package postgresql)")

// Server is a PostgreSQL server of our own.
type Server struct {
	dir  string // everything of this server
	bin  string
	port int
	who  *syscall.SysProcAttr
	cmd  *exec.Cmd
	done chan error
	log  *os.File
	// guard outlives this process, if need be.
	guard *guard
	// settings are given on the command line; of two of the same name the later counts.
	settings [][2]string
}

// FindBin returns the directory of the newest installed server binaries, or [ErrAbsent].
func FindBin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	sort.Slice(found, func(i, j int) bool { return major(found[i]) > major(found[j]) })
	if len(found) > 0 {
		return filepath.Dir(found[0]), nil
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(p), nil
	}
	return "", ErrAbsent
}

func major(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// Create makes a new database cluster in a new directory under parent (the system's temporary directory when empty) and starts
// it with the given settings, which are names and values of postgresql.conf. Close removes it.
func Create(ctx context.Context, parent string, settings [][2]string) (*Server, error) {
	bin, err := FindBin()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, "probity-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin, settings: settings}
	if err := s.create(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) create(ctx context.Context) error {
	if os.Geteuid() == 0 {
		who, err := unprivileged()
		if err != nil {
			return err
		}
		s.who = &syscall.SysProcAttr{Credential: who}
		if err := os.Chown(s.dir, int(who.Uid), int(who.Gid)); err != nil {
			return err
		}
	}
	initdb := exec.CommandContext(ctx, filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", User, "-A", "trust", "-E", "UTF8",
		"--locale=C.UTF-8", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = s.who, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return s.Start(ctx)
}

// unprivileged returns the credential of a user that may run a server.
func unprivileged() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("running as root, and neither a user postgres nor nobody exists to run the server as")
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Start starts the server and waits until it answers. It does nothing when the server runs.
func (s *Server) Start(ctx context.Context) error {
	if s.cmd != nil {
		return nil
	}
	var err error
	if s.port == 0 { // kept over a restart, so that addresses stay right
		if s.port, err = freePort(ctx); err != nil {
			return err
		}
	}
	args := []string{"-D", s.data(), "-k", s.dir, "-p", strconv.Itoa(s.port)}
	for _, kv := range s.settings {
		args = append(args, "-c", kv[0]+"="+kv[1])
	}
	if s.log == nil {
		if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(s.bin, "postgres"), args...)
	cmd.SysProcAttr, cmd.Dir, cmd.Stdout, cmd.Stderr = s.who, s.dir, s.log, s.log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.done = cmd, make(chan error, 1)
	go func() { s.done <- cmd.Wait() }()
	return s.await(ctx)
}

func (s *Server) await(ctx context.Context) error {
	deadline := time.After(60 * time.Second)
	for {
		c, err := s.Connect(ctx)
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case werr := <-s.done:
			s.cmd = nil
			said, _ := os.ReadFile(s.log.Name())
			return fmt.Errorf("the server stopped at once (%w): %s", werr, bytes.TrimSpace(said))
		case <-deadline:
			return fmt.Errorf("the server did not answer within a minute: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Connect opens a connection through the unix socket.
func (s *Server) Connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, s.URL("postgres"))
}

// URL returns the address of a database of the running server.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(User), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}, "port": {strconv.Itoa(s.port)}, "sslmode": {"disable"}}.Encode()}
	return u.String()
}

// PID returns the process id of the running server, or 0.
func (s *Server) PID() int {
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Stop shuts the server down in order (committed data is kept) and waits for it.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	_ = cmd.Process.Signal(syscall.SIGINT) // "fast": sessions are ended, a checkpoint is written
	select {
	case err := <-s.done:
		return err
	case <-time.After(60 * time.Second):
		_ = cmd.Process.Signal(syscall.SIGQUIT) // "immediate": PostgreSQL ends its children itself
	}
	select {
	case err := <-s.done:
		return err
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		return <-s.done
	}
}

// Crash ends the server at once: sessions are cut, nothing is written, and the next start recovers.
func (s *Server) Crash() error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	_ = cmd.Process.Signal(syscall.SIGQUIT) // "immediate"
	select {
	case err := <-s.done:
		return err
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		return <-s.done
	}
}

// Close stops the server and removes all its files.
func (s *Server) Close() error {
	err := s.Stop()
	if s.log != nil {
		_ = s.log.Close()
	}
	if s.guard != nil {
		s.guard.dismiss()
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// DiskBytes returns the size of the whole data directory without the write-ahead log.
func (s *Server) DiskBytes() (int64, error) {
	var sum int64
	err := filepath.WalkDir(s.data(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a running server drops files
			}
			return err
		}
		if d.IsDir() && d.Name() == "pg_wal" {
			return filepath.SkipDir
		}
		if info, err := d.Info(); err == nil && !d.IsDir() {
			sum += info.Size()
		}
		return nil
	})
	return sum, err
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
