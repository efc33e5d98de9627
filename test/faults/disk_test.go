package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"probity.dev/app"
	"probity.dev/test/instance"
)

// within says that the test runs in a mount namespace of its own already.
const within = "PROBITY_TEST_MOUNTS"

// smallDisk mounts a file system of its own, of size megabytes. Where the process may not mount, the test runs once more in a namespace in which it may, and done says that
// nothing is left to do here.
func smallDisk(t *testing.T, megabytes int) (dir string, done bool) {
	t.Helper()
	dir = t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=700,size="+strconv.Itoa(megabytes)+"m")
	if err == nil {
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", dir, err)
			}
		})
		return dir, false
	}
	if !errors.Is(err, syscall.EPERM) || os.Getenv(within) != "" {
		instance.Missing(t, "no file system can be mounted here: %v", err)
	}
	c := exec.Command("unshare", "--user", "--map-root-user", "--mount", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), within+"=1", "PROBITY_BIN="+instance.Binary())
	out, err := c.CombinedOutput()
	t.Logf("in a namespace of its own:\n%s", out)
	switch {
	case err != nil && !strings.Contains(string(out), "=== RUN"):
		instance.Missing(t, "no file system can be mounted here, and no namespace made: %v", err)
	case err != nil:
		t.Error(err)
	case strings.Contains(string(out), "--- SKIP"):
		instance.Missing(t, "no file system can be mounted, in a namespace of its own neither")
	}
	return "", true
}

// TestFullDisk fills the disk under a server that is written to. It says so, loses nothing, serves readers meanwhile, and goes on as soon as there is room.
func TestFullDisk(t *testing.T) {
	disk, done := smallDisk(t, 24)
	if done {
		return
	}
	dir := filepath.Join(disk, "data")
	founded := instance.Init(t, dir)
	book := instance.NewBook(t, founded.VKey)
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := instance.Start(t, dir, founded.APIKey, "--seal-after", "100ms")
	full := fill(t, s, book)
	refused(t, s)
	if n := s.Masked().Count("source=filler&action=order.update&limit=1000"); n != book.Acked() {
		t.Errorf("on the full disk %d of %d events are found", n, book.Acked())
	}
	if n := shown(t, s); n != 20 {
		t.Errorf("on the full disk an admin is shown %d of 20 events", n)
	}
	signInFull(t, s, founded)
	time.Sleep(1500 * time.Millisecond) // checkpoints and sealing fail as well, and must not break anything
	if !s.Alive() {
		t.Fatal("the server ended on a full disk")
	}
	s.Kill() // and now it must start on a full disk, or say why not
	s, said := instance.TryStart(t, dir, founded.APIKey)
	if s == nil && !strings.Contains(said, "disk") {
		t.Errorf("the server does not start on a full disk and does not say why: %q", said)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if s == nil {
		s = instance.Start(t, dir, founded.APIKey)
	}
	s.Until(15*time.Second, "events were accepted again", func() bool {
		a := s.Do("POST", "/api/events", batch("filler", full, 10), "Content-Type", "application/json")
		return a.Status == 201
	})
	book.Receipt("filler", s.Append(batch("filler", full, 500)))
	signIn := s.Do("POST", "/api/session", credentials(founded), "Content-Type", "application/json")
	if signIn.Status != 200 || strings.Contains(string(signIn.Body), "notices") {
		t.Errorf("signing in when there is room again: %d %s", signIn.Status, signIn.Body)
	}
	book.Check(s)
	s.Stop()
	r := book.Verify(dir)
	t.Logf("full after %d events; log of %d verified", full, r.Logs[0].Size)
}

// fill writes until the disk is full and returns the number of the first event that was not recorded.
func fill(t *testing.T, s *instance.Server, book *instance.Book) int {
	t.Helper()
	for n := 0; n < 400_000; n += 500 {
		a := s.Do("POST", "/api/events", batch("filler", n, 500), "Content-Type", "application/json")
		if a.Status == 201 {
			r := new(instance.Receipt)
			a.JSON(s, r)
			book.Receipt("filler", r)
			continue
		}
		var p instance.Problem
		a.JSON(s, &p)
		if a.Status != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(p.Detail, "disk is full") || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("a full disk answers %d, Retry-After %q: %s", a.Status, a.Header.Get("Retry-After"), a.Body)
		}
		return n
	}
	t.Fatal("the disk does not fill up")
	return 0
}

// refused demands that a full disk refuses everything of some size, always in the same way.
func refused(t *testing.T, s *instance.Server) {
	t.Helper()
	for i := range 20 {
		a := s.Do("POST", "/api/events", batch("late", i*500, 500), "Content-Type", "application/json")
		if a.Status != 503 {
			t.Errorf("attempt %d on a full disk: %d %.200s", i, a.Status, a.Body)
			return
		}
	}
	if a := s.Do("GET", "/healthz", nil); a.Status != 200 {
		t.Errorf("health: %d", a.Status)
	}
}

func credentials(founded *app.InitResult) []byte {
	return fmt.Appendf(nil, `{"email":%q,"password":%q}`, founded.Email, founded.Password)
}

// signInFull signs in on a full disk, reads, and signs out again.
func signInFull(t *testing.T, s *instance.Server, founded *app.InitResult) {
	t.Helper()
	a := s.Do("POST", "/api/session", credentials(founded), "Content-Type", "application/json")
	if a.Status != 200 {
		t.Errorf("signing in on a full disk: %d %s", a.Status, a.Body)
		return
	}
	var v struct {
		CSRF string `json:"csrf_token"`
	}
	a.JSON(s, &v)
	cookie, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	browser := s.As("")
	if a := browser.Do("GET", "/api/events?limit=1", nil, "Cookie", cookie); a.Status != 200 {
		t.Errorf("searching on a full disk: %d %s", a.Status, a.Body)
	}
	if a := browser.Do("DELETE", "/api/session", nil, "Cookie", cookie, "X-CSRF-Token", v.CSRF); a.Status != 204 {
		t.Errorf("signing out on a full disk: %d %s", a.Status, a.Body)
	}
	if a := browser.Do("GET", "/api/session", nil, "Cookie", cookie); a.Status != 401 {
		t.Errorf("a session that was ended on a full disk: %d %s", a.Status, a.Body)
	}
}

// shown is how many events of a short page an admin is shown while hardly anything can be recorded: masked, unless there was room for the record of what he is shown as it is.
func shown(t *testing.T, s *instance.Server) int {
	t.Helper()
	a := s.Do("GET", "/api/events?limit=20&source=filler", nil)
	if a.Status != 200 || bytes.Contains(a.Body, []byte(`"error"`)) {
		t.Errorf("a page on the full disk: %d, masked %q: %.300s", a.Status, a.Header.Get("Probity-Masked"), a.Body)
	}
	var page struct{ Items []json.RawMessage }
	a.JSON(s, &page)
	return len(page.Items)
}
