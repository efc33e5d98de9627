package faults

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/app"
	"probity.dev/test/instance"
)

// TestTwoServers starts a second server on the data directory of a first, and a command that would write to it.
func TestTwoServers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	founded := instance.Init(t, dir)
	s := instance.Start(t, dir, founded.APIKey)
	for _, args := range [][]string{{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, {"tenant", "add", "Other", "--data", dir}} {
		out, errOut, code := instance.Run(t, args...)
		if code != 3 || !strings.Contains(errOut, "another probity (process ") || !strings.Contains(errOut, "works on "+dir) || out != "" {
			t.Errorf("%v ended with %d, printed %q and said %q", args[0], code, out, errOut)
		}
	}
	if r := s.Append(batch("one", 0, 10)); r.Accepted != 10 {
		t.Errorf("the first server suffered: %+v", r)
	}
	s.Kill()
	s = instance.Start(t, dir, founded.APIKey) // the lock of a killed server is gone with it
	s.Stop()
}

// two makes a data directory with two tenants.
func two(t *testing.T, dir string) (a, b *app.InitResult) {
	t.Helper()
	a = instance.Init(t, dir)
	x := instance.OpenApp(t, dir, os.Stderr)
	b, err := x.AddTenant(context.Background(), app.InitOptions{Tenant: "Other", Email: "other@example.com", Name: "Other", Password: "correct horse battery staple", KeyName: "first"})
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// frozen demands that a log takes nothing, says why everywhere, and can be read; and that other tenants do not notice.
func frozen(t *testing.T, s *instance.Server, other, why string, events int) {
	t.Helper()
	a := s.Do("POST", "/api/events", batch("late", 0, 3), "Content-Type", "application/json")
	if a.Status != 503 || !strings.Contains(string(a.Body), "frozen") || !strings.Contains(string(a.Body), why) {
		t.Errorf("an append to a frozen log answers %d %s", a.Status, a.Body)
	}
	if n := s.Count("source=shop"); n != events {
		t.Errorf("%d events can be read, want %d", n, events)
	}
	st := s.State()
	if !strings.Contains(st.Frozen, why) {
		t.Errorf("the log says it is frozen because %q", st.Frozen)
	}
	if a := s.Do("GET", "/api/log/checkpoint", nil); a.Status != 200 {
		t.Errorf("checkpoint: %d %s", a.Status, a.Body)
	}
	if a := s.Do("GET", "/metrics", nil); a.Status != 200 || !strings.Contains(string(a.Body), `probity_log_frozen{log_id="`+st.LogID+`"} 1`) {
		t.Errorf("no alarm in the metrics: %d", a.Status)
	}
	if log := s.Log(); !strings.Contains(log, `"level":"ERROR","msg":"log frozen","log_id":"`+st.LogID+`"`) {
		t.Errorf("no alarm in the log:\n%s", log)
	}
	if r := s.As(other).Append(batch("shop", 300, 5)); r.Accepted != 5 && r.Duplicates != 5 {
		t.Errorf("another tenant: %+v", r)
	}
	if a := s.Do("GET", "/readyz", nil); a.Status != 200 {
		t.Errorf("one frozen log of two makes the node unready: %d", a.Status)
	}
}

// TestRestoredDatabase puts an old copy of the database under a newer high-water mark.
func TestRestoredDatabase(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	founded, other := two(t, dir)
	s := instance.Start(t, dir, founded.APIKey)
	s.Append(batch("shop", 0, 300))
	s.As(other.APIKey).Append(batch("shop", 0, 300))
	s.Stop()
	instance.CopyDir(t, dir, backup)
	s = instance.Start(t, dir, founded.APIKey)
	s.Append(batch("shop", 300, 300))
	s.Leaves()
	s.Stop()

	put(t, backup, dir, "probity.db")
	s = instance.Start(t, dir, founded.APIKey)
	frozen(t, s, other.APIKey, "older than the last signed checkpoint", 300)
	signIn(t, s, founded)
	s.Stop()
	acceptRefused(t, dir)

	// The same number of events and more, but other ones: a history that was rewritten.
	forged := filepath.Join(t.TempDir(), "forged")
	instance.CopyDir(t, dir, forged)
	if err := os.Remove(filepath.Join(forged, "highwater.json")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Test", "Other"} {
		if out, errOut, code := instance.Run(t, "log", "accept-database", "--data", forged, "--tenant", name, "--reason", "forgery", "--yes"); code != 0 {
			t.Fatalf("accept-database: %d %s %s", code, out, errOut)
		}
	}
	s = instance.Start(t, forged, founded.APIKey)
	s.Append(batch("shop", 5000, 400))
	s.Leaves()
	s.Stop()
	put(t, forged, dir, "probity.db")
	s = instance.Start(t, dir, founded.APIKey)
	frozen(t, s, other.APIKey, "does not extend the last signed checkpoint", 700)
	s.Stop()

	// A database that knows nothing of the log is refused as a whole.
	strange := filepath.Join(t.TempDir(), "strange")
	instance.Init(t, strange)
	put(t, strange, dir, "probity.db")
	put(t, strange, dir, "keys/master.key")
	if s, said := instance.TryStart(t, dir, founded.APIKey); s != nil || !strings.Contains(said, "which this database does not have") {
		t.Errorf("another database is served, or refused with %q", said)
	}
}

// signIn demands that people can sign in to see what has happened, and are told.
func signIn(t *testing.T, s *instance.Server, founded *app.InitResult) {
	t.Helper()
	b := fmt.Sprintf(`{"email":%q,"password":%q}`, founded.Email, founded.Password)
	if a := s.Do("POST", "/api/session", []byte(b), "Content-Type", "application/json"); a.Status != 200 || !strings.Contains(string(a.Body), `"notices":["The log is frozen`) {
		t.Errorf("signing in: %d %s", a.Status, a.Body)
	}
	b = fmt.Sprintf(`{"email":%q,"password":"something else"}`, founded.Email)
	if a := s.Do("POST", "/api/session", []byte(b), "Content-Type", "application/json"); a.Status != 401 {
		t.Errorf("signing in with a wrong password: %d %s", a.Status, a.Body)
	}
}

// acceptRefused demands that a database which contradicts its high-water mark cannot be accepted.
func acceptRefused(t *testing.T, dir string) {
	t.Helper()
	if _, errOut, code := instance.Run(t, "log", "accept-database", "--data", dir, "--tenant", "Test", "--reason", "x", "--yes"); code == 0 || !strings.Contains(errOut, "for another reason") {
		t.Errorf("accept-database: %d %s", code, errOut)
	}
}

// put replaces a file of a data directory by another's; the side files of a database go.
func put(t *testing.T, from, to, name string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, side := range []string{"-wal", "-shm"} {
		if b, err := os.ReadFile(filepath.Join(from, name+side)); err == nil && len(b) > 0 && side == "-wal" {
			t.Fatalf("%s has a write-ahead log after an orderly stop", name)
		}
		os.Remove(filepath.Join(to, name+side))
	}
}

// TestClockBackwards runs a server whose clock lies behind that of its past: by hours, and by so much that it is another month.
func TestClockBackwards(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"hours": 3 * time.Hour, "months": 70 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			founded := instance.Init(t, dir)
			book := instance.NewBook(t, founded.VKey)
			setClock(t, dir, time.Now().Add(ahead))
			s := instance.Start(t, dir, founded.APIKey)
			for i := range 3 {
				book.Receipt("shop", s.Append(batch("shop", i*20, 20)))
			}
			book.Check(s)
			last := ""
			s.Walk("", func(v *instance.View) {
				var e struct {
					At string `json:"recorded_at"`
				}
				if err := unmarshal(v.JSON, &e); err != nil || e.At < last {
					t.Errorf("seq %d: recorded at %s, after %s: %v", v.Seq, e.At, last, err)
				}
				last = e.At
			})
			s.Stop()
			book.Verify(dir)
		})
	}
}

// setClock makes the past of a log lie in the future: its newest event was recorded at t. For the server that is the same as a clock that has gone back.
func setClock(t *testing.T, dir string, at time.Time) {
	t.Helper()
	db, err := sql.Open("sqlite3", filepath.Join(dir, "probity.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE log SET recorded_at = ?`, at.UnixMicro()); err != nil {
		t.Fatal(err)
	}
}
