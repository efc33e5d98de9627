package access

import (
	"context"
	"net/http"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/sqldb/sqldbtest"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

func TestSessions(t *testing.T) { sqldbtest.Each(t, testSessions) }

func testSessions(t *testing.T) {
	w := newWorld(t)
	ana := w.user("acme", "ana@acme.example", actor.RoleAuditor)
	from := &browser{w: w, ip: "198.51.100.7", headers: map[string]string{"User-Agent": firefox}}
	from.in(from.want(200, "POST", "/api/session", map[string]string{"email": "ana@acme.example", "password": goodPassword}))
	w.pass(time.Minute)
	two, admin, foreign := w.login("ana@acme.example"), w.login("admin@acme.example"), w.login("admin@globex.example")
	items := list(two.want(200, "GET", "/api/sessions", nil).body["items"])
	if len(items) != 2 || items[0].(map[string]any)["current"] != true || items[1].(map[string]any)["current"] != nil ||
		items[1].(map[string]any)["device"] != "Firefox on Linux" || items[1].(map[string]any)["address"] != "198.51.100.7" {
		t.Fatal(items)
	}
	old := items[1].(map[string]any)["id"].(string)
	// Nobody sees or ends another's, unless they manage access in the same tenant.
	two.want(403, "GET", "/api/sessions?user_id="+w.admin["acme"].ID, nil)
	two.want(403, "DELETE", "/api/sessions?user_id="+w.admin["acme"].ID, nil)
	foreign.want(404, "GET", "/api/sessions?user_id="+ana.ID, nil)
	foreign.want(404, "DELETE", "/api/sessions?user_id="+ana.ID, nil)
	foreign.want(404, "DELETE", "/api/sessions/"+old, nil)
	adminSession := list(admin.want(200, "GET", "/api/sessions", nil).body["items"])[0].(map[string]any)["id"].(string)
	two.want(404, "DELETE", "/api/sessions/"+adminSession, nil)
	(&browser{w: w, cookie: two.cookie}).want(403, "DELETE", "/api/sessions/"+old, nil) // without the CSRF token
	(&browser{w: w, cookie: old}).want(401, "GET", "/api/session", nil)                 // an id is no token
	_, key := w.key("acme", actor.LedgerSearch)
	(&browser{w: w, key: key}).want(403, "GET", "/api/sessions", nil)

	two.want(204, "DELETE", "/api/sessions/"+old, nil)
	from.want(401, "GET", "/api/session", nil)
	two.want(404, "DELETE", "/api/sessions/"+old, nil)
	if e := w.rec.last(t, "acme"); e.Action != actionSessionRevoke || e.Resource.ID != old || e.Subject.ID != ana.ID {
		t.Fatalf("%+v", e)
	}
	three := w.login("ana@acme.example")
	two.want(204, "DELETE", "/api/sessions", nil)
	three.want(401, "GET", "/api/session", nil)
	two.want(200, "GET", "/api/session", nil)
	admin.want(204, "DELETE", "/api/sessions?user_id="+ana.ID, nil)
	two.want(401, "GET", "/api/session", nil)
	admin.want(200, "GET", "/api/session", nil)
	// What has ended is not listed, swept or not.
	w.login("ana@acme.example")
	w.pass(29 * time.Minute)
	admin.want(200, "GET", "/api/session", nil)
	w.pass(2 * time.Minute)
	if items := list(admin.want(200, "GET", "/api/sessions?user_id="+ana.ID, nil).body["items"]); len(items) != 0 {
		t.Fatal(items)
	}
}

// TestLockOnEveryServer has two servers on one database. On the one, a person follows a stream and an application uses a key; on the other, the person is locked.
func TestLockOnEveryServer(t *testing.T) { sqldbtest.Each(t, testLockOnEveryServer) }

func testLockOnEveryServer(t *testing.T) {
	w := newWorld(t)
	ana := w.user("acme", "ana@acme.example", actor.RoleAdmin)
	o := w.s.o
	o.Now = time.Now
	second, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	w.s.o.Now, w.s.keys.now = time.Now, time.Now
	began, ended := make(chan bool), make(chan time.Time, 1)
	w.api.Handle("GET /follow", api.Rule{Streaming: true}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		ended <- time.Now()
	}))
	b := w.login("ana@acme.example")
	b.want(201, "POST", "/api/keys", map[string]any{"name": "x", "scopes": []string{"access.manage"}})
	app := &browser{w: w, key: b.want(201, "POST", "/api/keys", map[string]any{"name": "x", "scopes": []string{"access.manage"}}).body["secret"].(string)}
	app.want(200, "GET", "/api/users", nil)
	go b.do("GET", "/follow", nil) //nolint:staticcheck // its failures end this goroutine, and the test notices that nothing began
	<-began
	yes, no := true, false
	start := time.Now()
	if _, err := second.UpdateUser(context.Background(), actor.System("acme"), ana.ID, UserChange{Locked: &yes, Reason: "seen at night", Entry: 42}); err != nil {
		t.Fatal(err)
	}
	if e := w.rec.last(t, "acme"); e.Action != actionUserLock || e.Reason != "seen at night" || len(e.Data) != 1 || string(e.Data[0].Value) != "42" {
		t.Fatalf("%+v", e)
	}
	b.want(401, "GET", "/api/session", nil)
	select {
	case at := <-ended:
		if took := at.Sub(start); took > 1500*time.Millisecond { // a second, and what a busy machine adds
			t.Errorf("the stream went on for %v", took)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the stream goes on")
	}
	for time.Since(start) < 1100*time.Millisecond {
		time.Sleep(10 * time.Millisecond)
	}
	app.want(401, "GET", "/api/users", nil)
	if _, err := second.UpdateUser(context.Background(), actor.System("acme"), ana.ID, UserChange{Locked: &no}); err != nil {
		t.Fatal(err)
	}
	b.want(401, "GET", "/api/session", nil) // unlocking brings no session back
	w.login("ana@acme.example")
}

func TestDeviceName(t *testing.T) {
	for agent, want := range map[string]string{firefox: "Firefox on Linux", "": "Unknown device", "curl/8.5.0": "curl", "\x00<script>\n": "<script>",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1": "Safari on iOS iPhone"} {
		if got := DeviceName(agent); got != want {
			t.Errorf("%q: %q, want %q", agent, got, want)
		}
	}
}
