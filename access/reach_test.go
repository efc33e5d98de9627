package access

import (
	"context"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

// tenantsOf are the ids of the tenants between which a session may switch.
func tenantsOf(r reply) (out []string) {
	for _, x := range list(r.body["tenants"]) {
		out = append(out, x.(map[string]any)["id"].(string))
	}
	return out
}

// TestSwitchTenant: the password of the sign-in opens the other tenant, once for each switch, under a new token; what is recorded tells neither tenant of the other.
func TestSwitchTenant(t *testing.T) { sqldbtest.Each(t, testSwitchTenant) }

func testSwitchTenant(t *testing.T) {
	w := newWorld(t)
	w.user("acme", "ana@example.com", actor.RoleAuditor)
	there := w.user("globex", "ana@example.com", actor.RoleAdmin)
	b := &browser{w: w}
	b.in(b.want(200, "POST", "/api/session", map[string]string{"email": "ana@example.com", "password": goodPassword}))
	first := b.want(200, "GET", "/api/session", nil)
	if got := tenantsOf(first); len(got) != 2 || first.body["tenant"].(map[string]any)["id"] != "acme" {
		t.Fatal(first.raw)
	}
	old := *b
	w.pass(time.Minute)
	(&browser{w: w, cookie: b.cookie}).want(403, "POST", "/api/session/switch", map[string]string{"tenant_id": "globex"}) // without the CSRF token
	b.want(404, "POST", "/api/session/switch", map[string]string{"tenant_id": "acme"})                                    // one is there already
	b.want(404, "POST", "/api/session/switch", map[string]string{"tenant_id": "nowhere"})
	res := b.want(200, "POST", "/api/session/switch", map[string]string{"tenant_id": "globex"})
	b.in(res)
	if b.cookie == old.cookie || res.body["tenant"].(map[string]any)["id"] != "globex" || res.body["user"].(map[string]any)["id"] != there.ID || res.body["stepped_up_at"] != nil {
		t.Fatal(res.raw)
	}
	if res.body["expires_at"] != first.body["expires_at"] {
		t.Errorf("the session lasts until %v, the one before until %v", res.body["expires_at"], first.body["expires_at"])
	}
	old.want(401, "GET", "/api/session", nil)
	if e := w.rec.last(t, "acme"); e.Action != actionSessionSwitch || strings.Contains(string(e.Data[0].Value), "globex") {
		t.Errorf("%+v", e)
	}
	if e := w.rec.last(t, "globex"); e.Action != actionLogin || string(e.Data[0].Value) != `"switch"` {
		t.Errorf("%+v", e)
	}
	b.want(200, "GET", "/api/users", nil) // an administrator there, and none here
	b.in(b.want(200, "POST", "/api/session/switch", map[string]string{"tenant_id": "acme"}))
	b.want(403, "GET", "/api/users", nil)
	// An API key has no session to exchange.
	_, key := w.key("acme", actor.AccessManage)
	(&browser{w: w, key: key}).want(401, "POST", "/api/session/switch", map[string]string{"tenant_id": "globex"})
	// Locked there, or with another password since: out of reach.
	yes, no := true, false
	change := func(c UserChange) {
		t.Helper()
		if _, err := w.s.UpdateUser(context.Background(), actor.System("globex"), there.ID, c); err != nil {
			t.Fatal(err)
		}
	}
	change(UserChange{Locked: &yes, Reason: "x"})
	b.want(404, "POST", "/api/session/switch", map[string]string{"tenant_id": "globex"})
	if got := tenantsOf(b.want(200, "GET", "/api/session", nil)); len(got) != 0 {
		t.Error(got)
	}
	change(UserChange{Locked: &no})
	if got := tenantsOf(b.want(200, "GET", "/api/session", nil)); len(got) != 2 {
		t.Error(got)
	}
	other := &browser{w: w}
	other.in(other.want(200, "POST", "/api/session", map[string]string{"email": "ana@example.com", "password": goodPassword, "tenant_id": "globex"}))
	other.want(204, "POST", "/api/session/password", map[string]string{"current": goodPassword, "new": "another-long-passphrase-8"})
	b.want(404, "POST", "/api/session/switch", map[string]string{"tenant_id": "globex"})
	if n := w.rec.count("acme", actionSessionSwitch); n < 5 { // those that were refused are recorded too
		t.Errorf("%d events", n)
	}
}

// TestAddressIsNoProof: whoever manages a tenant makes an account in it under somebody's address and signs in with it. That opens nothing of that person elsewhere.
func TestAddressIsNoProof(t *testing.T) {
	w := newWorld(t)
	w.user("acme", "ana@example.com", actor.RoleAdmin)
	if _, err := w.s.CreateUser(context.Background(), actor.System("globex"), NewUser{Email: "ana@example.com", Name: "Ana", Role: actor.RoleAdmin, Password: "known-to-the-thief-77"}); err != nil {
		t.Fatal(err)
	}
	b := &browser{w: w}
	b.in(b.want(200, "POST", "/api/session", map[string]string{"email": "ana@example.com", "password": "known-to-the-thief-77"}))
	s := b.want(200, "GET", "/api/session", nil)
	if got := tenantsOf(s); len(got) != 0 || s.body["tenant"].(map[string]any)["id"] != "globex" || strings.Contains(s.raw, "acme") {
		t.Fatal(s.raw)
	}
	b.want(404, "POST", "/api/session/switch", map[string]string{"tenant_id": "acme"})
}

// TestSwitchToSecondFactor: a tenant that asks for a second factor gets it before anybody is let in, and the session so far goes on until then.
func TestSwitchToSecondFactor(t *testing.T) {
	w := newWorld(t)
	w.user("acme", "ana@example.com", actor.RoleAuditor)
	w.user("globex", "ana@example.com", actor.RoleAdmin)
	b := &browser{w: w}
	b.in(b.want(200, "POST", "/api/session", map[string]string{"email": "ana@example.com", "password": goodPassword, "tenant_id": ""}))
	admin := w.login("admin@globex.example")
	admin.want(200, "PUT", "/api/access/sign-in-policy", map[string]any{"second_factor_of": []string{"*"}})
	res := b.want(202, "POST", "/api/session/switch", map[string]string{"tenant_id": "globex"})
	if res.body["token"] == nil || res.body["enrol"] != true || res.header.Get("Set-Cookie") != "" {
		t.Fatal(res.raw)
	}
	b.want(200, "GET", "/api/session", nil)
	row, _, err := w.s.pending(context.Background(), res.body["token"].(string))
	if err != nil || row.tenant != "globex" {
		t.Fatal(row, err)
	}
	list, err := reachOf(context.Background(), w.db.Read(context.Background()), row.id, w.now().UnixMicro())
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
}

// TestTenantNotAtWork: nobody signs in to, or goes on in, a tenant that is shut out, and only who knows the password is told why.
func TestTenantNotAtWork(t *testing.T) {
	w := newWorld(t)
	w.user("acme", "ana@example.com", actor.RoleAuditor)
	w.user("globex", "ana@example.com", actor.RoleAdmin)
	b := &browser{w: w}
	b.in(b.want(200, "POST", "/api/session", map[string]string{"email": "ana@example.com", "password": goodPassword}))
	shut := "globex"
	w.s.o.AtWork = func(_ context.Context, tenantID string) error {
		if tenantID == shut {
			return &errs.Error{Code: errs.Forbidden, Kind: errs.TenantSuspended, Message: "shut"}
		}
		return nil
	}
	b.want(403, "POST", "/api/session/switch", map[string]string{"tenant_id": "globex"})
	c := &browser{w: w}
	c.want(403, "POST", "/api/session", map[string]string{"email": "admin@globex.example", "password": goodPassword})
	c.want(401, "POST", "/api/session", map[string]string{"email": "admin@globex.example", "password": "wrong"})
	// The other account of the same person is.
	shut = "acme"
	s := c.want(200, "POST", "/api/session", map[string]string{"email": "ana@example.com", "password": goodPassword})
	if s.body["tenant"].(map[string]any)["id"] != "globex" {
		t.Error(s.raw)
	}
}
