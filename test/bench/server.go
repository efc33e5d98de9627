package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// build compiles the server into a temporary directory; clean removes it.
func build(ctx context.Context, parent string) (bin string, clean func(), err error) {
	say("building the server")
	dir, err := os.MkdirTemp(parent, "probity-bench-bin-")
	if err != nil {
		return "", nil, err
	}
	clean = func() { _ = os.RemoveAll(dir) }
	bin = filepath.Join(dir, "probity")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "probity.dev/cmd/probity").CombinedOutput(); err != nil {
		clean()
		return "", nil, fmt.Errorf("go build: %w: %s", err, bytes.TrimSpace(out))
	}
	return bin, clean, nil
}

// server is a server process of our own on a temporary data directory.
type server struct {
	dir, data string
	addr, key string
	cmd       *exec.Cmd
	done      chan error
	log       *os.File
	services  *services // nil for the embedded shape
}

// startServer initialises a data directory and serves it, on services of its own when they are asked for.
func startServer(ctx context.Context, bin string, o options) (*server, error) {
	dir, err := os.MkdirTemp(o.data, "probity-bench-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, data: filepath.Join(dir, "data")}
	if o.shape == serverShape {
		if s.services, err = startServices(ctx, o); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	if err := s.start(ctx, bin, o.prepare); err != nil {
		_ = s.close()
		return nil, err
	}
	return s, nil
}

func (s *server) start(ctx context.Context, bin string, prepare func(ctx context.Context, data string) error) error {
	var stderr bytes.Buffer
	initialise := exec.CommandContext(ctx, bin, "init", "--data", s.data, "--output", "json")
	initialise.Stderr, initialise.Env = &stderr, append(os.Environ(), s.services.env()...)
	out, err := initialise.Output()
	if err != nil {
		return fmt.Errorf("probity init: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	if s.key = findKey(out); s.key == "" {
		return errors.New("probity init printed no api_key")
	}
	if prepare != nil {
		if err := prepare(ctx, s.data); err != nil {
			return err
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	_ = l.Close()
	if s.log, err = os.Create(filepath.Join(s.dir, "log")); err != nil {
		return err
	}
	cmd := exec.Command(bin, "serve", "--data", s.data, "--listen", s.addr)
	cmd.Stdout, cmd.Stderr, cmd.Env = s.log, s.log, append(os.Environ(), s.services.env()...)
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.done = cmd, make(chan error, 1)
	go func() { s.done <- cmd.Wait() }()
	return s.await(ctx)
}

// await waits until the server says that it is ready.
func (s *server) await(ctx context.Context) error {
	deadline := time.After(60 * time.Second)
	for {
		if c, err := dial(s.addr, s.key); err == nil {
			a, err := c.do("GET", "/readyz", nil)
			_ = c.close()
			if err == nil && a.status == 200 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.done:
			s.cmd = nil
			return fmt.Errorf("the server stopped at once (%v): %s", err, s.lastWords())
		case <-deadline:
			return fmt.Errorf("the server was not ready within a minute: %s", s.lastWords())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lastWords returns the end of the server's log.
func (s *server) lastWords() string {
	if s.log == nil {
		return ""
	}
	b, _ := os.ReadFile(s.log.Name())
	return string(bytes.TrimSpace(b[max(0, len(b)-2000):]))
}

// close stops the server and removes its files.
func (s *server) close() error {
	var err error
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err = <-s.done:
		case <-time.After(60 * time.Second):
			_ = s.cmd.Process.Kill()
			<-s.done
			err = errors.New("the server did not stop within a minute and was killed")
		}
		s.cmd = nil
	}
	if s.log != nil {
		_ = s.log.Close()
	}
	return errors.Join(err, s.services.close(), os.RemoveAll(s.dir))
}

// findKey looks for an API key anywhere in JSON text: the member api_key or key, or its member secret.
func findKey(b []byte) string {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return ""
	}
	var walk func(v any) string
	walk = func(v any) string {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range []string{"api_key", "secret", "key"} {
				if s, ok := v[name].(string); ok && s != "" {
					return s
				}
				if s := walk(v[name]); s != "" {
					return s
				}
			}
			for _, name := range []string{"credentials", "tenant", "keys"} {
				if s := walk(v[name]); s != "" {
					return s
				}
			}
		case []any:
			for _, e := range v {
				if s := walk(e); s != "" {
					return s
				}
			}
		}
		return ""
	}
	return walk(v)
}

// storage adds up the bytes under the data directory, and those of the services, by what they are.
func (s *server) storage(ctx context.Context) (map[string]int64, error) {
	sums := make(map[string]int64)
	if s.services != nil {
		return sums, s.services.addStorage(ctx, sums)
	}
	err := filepath.WalkDir(s.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // compaction removes files
			}
			return err
		}
		if d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(s.data, path)
		sums[kindOf(rel)] += info.Size()
		return nil
	})
	return sums, err
}

// kindOf tells from a file's name below the data directory what it holds.
func kindOf(path string) string {
	p := strings.ToLower(filepath.ToSlash(path))
	switch {
	case strings.Contains(p, "evidence"):
		return "evidence"
	case strings.Contains(p, "working"):
		return "working"
	case strings.Contains(p, "tile"):
		return "tiles"
	case strings.Contains(p, ".db") || strings.Contains(p, "sqlite"):
		return "database"
	}
	return "other"
}
