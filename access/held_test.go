package access

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"probity.dev/internal/actor"
	"probity.dev/internal/sqldb/sqldbtest"
)

// TestSignInWhileNothingCanBeRecorded signs in, reads and signs out while the ledger and the database take nothing.
func TestSignInWhileNothingCanBeRecorded(t *testing.T) {
	sqldbtest.Each(t, testSignInWhileNothingCanBeRecorded)
}

func testSignInWhileNothingCanBeRecorded(t *testing.T) {
	w := newWorld(t)
	before := w.login("admin@acme.example")
	logins := w.rec.count("acme", actionLogin)
	w.rec.fail = errUnavailable
	b := w.login("admin@acme.example")
	if r := b.want(200, "GET", "/api/session", nil); !strings.Contains(r.raw, `"notices":["The database takes nothing`) {
		t.Errorf("the person is not told: %s", r.raw)
	}
	b.want(200, "GET", "/api/users", nil)
	b.want(503, "POST", "/api/keys", map[string]any{"name": "x", "scopes": []string{"ledger.append"}})
	other := w.login("admin@acme.example")
	other.want(204, "DELETE", "/api/session", nil)
	other.want(401, "GET", "/api/session", nil)
	before.want(204, "DELETE", "/api/session", nil)
	before.want(401, "GET", "/api/session", nil)
	(&browser{w: w}).want(401, "POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": "wrong"})
	if err := w.s.Flush(context.Background()); err == nil {
		t.Error("what is held was written")
	}
	if n := w.rec.count("acme", actionLogin); n != logins {
		t.Errorf("%d sign-ins are recorded, want %d", n, logins)
	}

	w.rec.fail = nil
	if err := w.s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n := w.rec.count("acme", actionLogin); n != logins+3 {
		t.Errorf("%d sign-ins are recorded, want %d", n, logins+3)
	}
	if n := w.rec.count("acme", actionLogout); n != 2 {
		t.Errorf("%d sign-outs are recorded", n)
	}
	if r := b.want(200, "GET", "/api/session", nil); strings.Contains(r.raw, "notices") {
		t.Errorf("the person is still told: %s", r.raw)
	}
	other.want(401, "GET", "/api/session", nil)
	var sessions int
	if err := w.db.Read(context.Background()).QueryRow(`SELECT COUNT(*) FROM session`).Scan(&sessions); err != nil || sessions != 1 {
		t.Errorf("%d sessions: %v", sessions, err)
	}
}

// TestHeldSignInOfLockedAccount refuses afterwards what was only held.
func TestHeldSignInOfLockedAccount(t *testing.T) { sqldbtest.Each(t, testHeldSignInOfLockedAccount) }

func testHeldSignInOfLockedAccount(t *testing.T) {
	w := newWorld(t)
	u := w.user("acme", "ana@acme.example", actor.RoleAuditor)
	w.rec.fail = errUnavailable
	b := w.login("ana@acme.example")
	err := w.db.Write(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE account SET locked_at = 1 WHERE id = $1`, u.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b.want(401, "GET", "/api/session", nil)
	w.rec.fail = nil
	if err := w.s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	b.want(401, "GET", "/api/session", nil)
}

// TestHeldAttemptsAreSlowedDown counts attempts in memory while the database takes none.
func TestHeldAttemptsAreSlowedDown(t *testing.T) { sqldbtest.Each(t, testHeldAttemptsAreSlowedDown) }

func testHeldAttemptsAreSlowedDown(t *testing.T) {
	w := newWorld(t)
	list := w.s.throttlesOf("admin@acme.example", ClientOf(context.Background()).IP)
	w.s.held.mu.Lock()
	for range freePerAccount {
		if err := w.s.chargeIn(context.Background(), heldThrottles{&w.s.held, w.db}, list); err != nil {
			t.Fatal(err)
		}
	}
	err := w.s.chargeIn(context.Background(), heldThrottles{&w.s.held, w.db}, list)
	w.s.held.mu.Unlock()
	if err == nil {
		t.Fatal("attempts are not slowed down")
	}
	if err := w.s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	(&browser{w: w}).want(429, "POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": goodPassword})
}
