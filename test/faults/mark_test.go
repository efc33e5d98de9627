package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/test/instance"
	"probity.dev/verify"
)

// TestMissingMark takes highwater.json away: nothing is signed until somebody decides, people can sign in meanwhile, and what they did is recorded afterwards.
func TestMissingMark(t *testing.T) { sqldbtest.Each(t, testMissingMark) }

func testMissingMark(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	founded := instance.Init(t, dir)
	s := instance.Start(t, dir, founded.APIKey)
	s.Append(batch("shop", 0, 50))
	s.Leaves()
	s.Stop()
	mark := filepath.Join(dir, "highwater.json")
	text, err := os.ReadFile(mark)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	s = instance.Start(t, dir, founded.APIKey)
	st := s.State()
	if !strings.Contains(st.Frozen, "highwater.json") || !strings.Contains(st.Frozen, "accept-database") {
		t.Errorf("frozen because %q", st.Frozen)
	}
	if a := s.Do("POST", "/api/events", batch("late", 0, 3), "Content-Type", "application/json"); a.Status != 503 {
		t.Errorf("a log without its mark takes events: %d", a.Status)
	}
	if n := s.Count("source=shop"); n != 50 {
		t.Errorf("%d events can be read", n)
	}
	signIn(t, s, founded)
	s.Stop()
	if _, err := os.Stat(mark); !os.IsNotExist(err) {
		t.Errorf("a mark was made: %v", err)
	}

	// The file comes back: the log goes on as if nothing had been, and records the sign-ins.
	if err := os.WriteFile(mark, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s = instance.Start(t, dir, founded.APIKey)
	signedIn(t, s, 1)
	s.Stop()

	// It does not: somebody decides.
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	if _, errOut, code := instance.Run(t, "log", "accept-database", "--data", dir, "--reason", "lost in the move"); code != 2 || !strings.Contains(errOut, "--yes") {
		t.Errorf("without a terminal and without --yes: %d %s", code, errOut)
	}
	out, errOut, code := instance.Run(t, "log", "accept-database", "--data", dir, "--reason", "lost in the move", "--yes")
	if code != 0 {
		t.Fatalf("accept-database: %d %s %s", code, out, errOut)
	}
	s = instance.Start(t, dir, founded.APIKey)
	s.Append(batch("shop", 50, 50))
	if n := s.Count("action=log.mark_accepted"); n != 1 {
		t.Errorf("the decision is recorded %d times", n)
	}
	if why := s.State().Frozen; why != "" {
		t.Errorf("still frozen: %s", why)
	}
	s.Stop()
	instance.VerifyDir(t, dir, verify.Options{})
	if _, err := os.Stat(mark); err != nil {
		t.Error(err)
	}
}

// signedIn waits until n sign-ins, and as many failed ones, are in the log.
func signedIn(t *testing.T, s *instance.Server, n int) {
	t.Helper()
	s.Until(15*time.Second, "the sign-ins were recorded", func() bool {
		return s.Count("action=session.login&outcome=success") == n && s.Count("action=session.login&outcome=failure") == n
	})
}
