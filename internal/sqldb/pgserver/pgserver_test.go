package pgserver

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestGuard starts a process that starts a server and dies without a word, and expects server and files to be gone soon.
func TestGuard(t *testing.T) {
	if MeantAbsent() {
		t.Skip(AbsentVar + " says that PostgreSQL is absent")
	}
	if os.Getenv("PGSERVER_CHILD") != "" {
		s, err := Create(context.Background(), "", [][2]string{{"fsync", "off"}, {"listen_addresses", ""}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Guard(); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("\nserver in " + s.dir + "\n")
		os.Exit(3)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestGuard$")
	cmd.Env = append(os.Environ(), "PGSERVER_CHILD=1", "TMPDIR="+open(t))
	out, err := cmd.Output()
	if x, ok := errors.AsType[*exec.ExitError](err); !ok || x.ExitCode() != 3 {
		t.Fatalf("%v: %s", err, out)
	}
	_, dir, _ := strings.Cut(string(out), "server in ")
	dir = strings.TrimSpace(dir)
	if dir == "" {
		t.Fatalf("the child said %q", out)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", dir)
		}
	}
}

// open makes a directory that every user may reach.
func open(t *testing.T) string {
	dir, err := os.MkdirTemp("", "guard-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { //nolint:gosec // a server's user must get through
		t.Fatal(err)
	}
	return dir
}

func TestCloseRemovesEverything(t *testing.T) {
	if MeantAbsent() {
		t.Skip(AbsentVar + " says that PostgreSQL is absent")
	}
	ctx := context.Background()
	s, err := Create(ctx, "", [][2]string{{"fsync", "off"}})
	if err != nil {
		t.Fatal(err)
	}
	dir := s.dir
	if err := s.Guard(); err != nil {
		t.Error(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := s.Start(ctx); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there", dir)
	}
}
