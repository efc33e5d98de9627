package access

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/sqldb/sqldbtest"
)

// forgot asks for a link, and has what was asked looked into.
func (b *browser) forgot(email string) reply {
	b.w.t.Helper()
	r := b.want(202, "POST", "/api/session/forgotten", map[string]string{"email": email})
	if err := b.w.s.AnswerForgotten(context.Background()); err != nil {
		b.w.t.Fatal(err)
	}
	return r
}

func (b *browser) redeem(token, password string, status int) {
	b.w.t.Helper()
	b.want(status, "POST", "/api/session/reset", map[string]string{"token": token, "password": password})
}

func TestPasswordReset(t *testing.T) { sqldbtest.Each(t, testPasswordReset) }

func testPasswordReset(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	ana := w.user("acme", "ana@acme.example", actor.RoleAuditor)
	in := w.login("ana@acme.example")
	totp, _ := in.enrolTOTP()
	guest := &browser{w: w, headers: map[string]string{"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}}
	guest.forgot(" Ana@ACME.example ")
	l, token := box.letter(t, 1)
	if l.To != "ana@acme.example" || !strings.HasPrefix(l.URL, testOrigin+"/reset#") || len(token) != 43 || strings.Contains(l.Text+l.Subject, "evil") {
		t.Fatalf("%+v", l)
	}
	if e := w.rec.last(t, "acme"); e.Action != "user.password_forgotten" || e.Actor.Type != "anonymous" || e.Resource.ID != ana.ID || e.Context.IP != "127.0.0.1" {
		t.Fatalf("%+v", e)
	}
	for table, content := range sqldbtest.Stored(t, w.db) {
		if strings.Contains(string(content), token) {
			t.Errorf("%s holds the token", table)
		}
	}
	for _, method := range []string{"GET", "HEAD"} {
		if r := guest.do(method, "/api/session/reset", nil); r.status < 400 {
			t.Errorf("%s: %d", method, r.status)
		}
	}
	guest.redeem(token, "short", 400)
	guest.redeem(token, "ana-acme-2026", 400)
	guest.redeem(token[:42]+"A", newPassphrase, 404)
	// Whatever else is sent leads nowhere, and nobody is signed in, whosever cookie the browser had.
	guest.want(400, "POST", "/api/session/reset", map[string]string{"token": token, "password": newPassphrase, "next": "https://evil.example"})
	guest.cookie = strings.Repeat("A", 43)
	if r := guest.want(204, "POST", "/api/session/reset", map[string]string{"token": token, "password": newPassphrase}); len(r.header["Set-Cookie"]) > 0 || r.header.Get("Location") != "" {
		t.Errorf("%v", r.header)
	}
	guest.cookie = ""
	if n, _ := box.letter(t, 2); n.To != "ana@acme.example" || !strings.Contains(n.Text, "was set anew") || strings.Contains(n.URL, "#") {
		t.Errorf("%+v", n)
	}
	in.want(401, "GET", "/api/session", nil) // her other sessions have ended
	if e := w.rec.last(t, "acme"); e.Action != "user.password_reset" || e.Outcome.Status != "success" {
		t.Errorf("%+v", e)
	}
	guest.redeem(token, "another long passphrase", 404)
	if e := w.rec.last(t, "acme"); e.Action != "user.password_reset" || e.Outcome.Status != "denied" {
		t.Errorf("%+v", e)
	}
	guest.want(401, "POST", "/api/session", map[string]string{"email": "ana@acme.example", "password": goodPassword})
	// Factors stay: the new password alone signs nobody in.
	wait := guest.want(202, "POST", "/api/session", map[string]string{"email": "ana@acme.example", "password": newPassphrase})
	w.pass(time.Minute)
	guest.want(200, "POST", "/api/session/second-factor", map[string]string{"token": wait.body["token"].(string), "code": w.code(totp)})
}

// TestForgottenTellsNothing: answers are the same whoever has the address, and nobody gets a link who may not have one.
func TestForgottenTellsNothing(t *testing.T) { sqldbtest.Each(t, testForgottenTellsNothing) }

func testForgottenTellsNothing(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	ctx := context.Background()
	known := w.user("acme", "known@acme.example", actor.RoleAuditor)
	locked := w.user("acme", "locked@acme.example", actor.RoleAuditor)
	yes := true
	if _, err := w.s.UpdateUser(ctx, actor.System("acme"), locked.ID, UserChange{Locked: &yes}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Provision(ctx, actor.System("acme"), "elsewhere@acme.example", "E", actor.RoleAuditor, "oidc_provider/x", func(context.Context, *sql.Tx, string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var same string
	for i, email := range []string{"known@acme.example", "locked@acme.example", "elsewhere@acme.example", "nobody@acme.example", "not an address", ""} {
		b := &browser{w: w, ip: fmt.Sprintf("198.51.100.%d", i)}
		r := b.forgot(email)
		for _, h := range []string{"Date", "X-Request-Id"} {
			r.header.Del(h)
		}
		if got := fmt.Sprint(r.status, r.header, r.raw); same == "" {
			same = got
		} else if got != same {
			t.Errorf("%q is answered with\n%s, another with\n%s", email, got, same)
		}
	}
	if l, _ := box.letter(t, 1); l.To != "known@acme.example" {
		t.Errorf("%+v", l)
	}
	reasons := map[string]bool{}
	for _, e := range w.rec.by["acme"] {
		if e.Action == "user.password_forgotten" {
			reasons[e.Outcome.Reason] = true
		}
	}
	if !reasons["account locked"] || !reasons["the account has no password here"] || w.rec.count("acme", "user.password_forgotten") != 3 || box.count() != 1 {
		t.Errorf("%v, %d letters", reasons, box.count())
	}

	// Locked between the letter and the click.
	_, token := box.letter(t, 1)
	if _, err := w.s.UpdateUser(ctx, actor.System("acme"), known.ID, UserChange{Locked: &yes}); err != nil {
		t.Fatal(err)
	}
	(&browser{w: w}).redeem(token, newPassphrase, 404)
	no := false
	if _, err := w.s.UpdateUser(ctx, actor.System("acme"), known.ID, UserChange{Locked: &no}); err != nil {
		t.Fatal(err)
	}
	(&browser{w: w}).redeem(token, newPassphrase, 404)
}

// TestForgottenDoesTheSameWork: what the request does does not depend on who has the address; the rest happens after the answer.
func TestForgottenDoesTheSameWork(t *testing.T) {
	w := newWorld(t)
	w.mailed()
	w.user("acme", "known@acme.example", actor.RoleAuditor)
	before := len(w.rec.by["acme"])
	for i, email := range []string{"known@acme.example", "nobody@acme.example"} {
		(&browser{w: w, ip: fmt.Sprintf("198.51.100.%d", i)}).want(202, "POST", "/api/session/forgotten", map[string]string{"email": email})
		var waiting int
		if err := w.db.Read(t.Context()).QueryRowContext(t.Context(), `SELECT COUNT(*) FROM password_request`).Scan(&waiting); err != nil || waiting != i+1 || len(w.rec.by["acme"]) != before {
			t.Errorf("%s: %d wait, %d events, %v", email, waiting, len(w.rec.by["acme"])-before, err)
		}
	}
}

// TestLinksOfASuspendedTenant: none works, and none is made.
func TestLinksOfASuspendedTenant(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	w.user("acme", "ana@acme.example", actor.RoleAuditor)
	guest := &browser{w: w}
	w.login("admin@acme.example").want(201, "POST", "/api/invitations", invitation("nia@acme.example", actor.RoleAuditor))
	_, invited := box.letter(t, 1)
	guest.forgot("ana@acme.example")
	_, forgotten := box.letter(t, 2)
	w.s.o.AtWork = func(context.Context, string) error { return errUnavailable }
	guest.redeem(forgotten, newPassphrase, 404)
	guest.want(404, "POST", "/api/session/invitation", map[string]string{"token": invited})
	guest.want(404, "POST", "/api/session/invitation/accept", map[string]string{"token": invited, "password": newPassphrase})
	guest.forgot("ana@acme.example")
	if e := w.rec.last(t, "acme"); e.Outcome.Reason != "tenant suspended" || box.count() != 2 {
		t.Errorf("%+v, %d letters", e, box.count())
	}
	w.s.o.AtWork = nil
	guest.redeem(forgotten, newPassphrase, 204)
}

// TestRequestsDoNotPile: what cannot be answered is given up when the person has long asked again.
func TestRequestsDoNotPile(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	w.user("acme", "ana@acme.example", actor.RoleAuditor)
	b := &browser{w: w}
	w.rec.fail = errUnavailable
	b.want(202, "POST", "/api/session/forgotten", map[string]string{"email": "ana@acme.example"})
	if err := w.s.AnswerForgotten(t.Context()); err == nil {
		t.Fatal("answered without a record")
	}
	w.pass(31 * time.Minute)
	if err := w.s.AnswerForgotten(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.rec.fail = nil
	if err := w.s.AnswerForgotten(t.Context()); err != nil || box.count() != 0 {
		t.Errorf("%v, %d letters", err, box.count())
	}
}

// TestNobodyIsKeptFromHisPassword: who asks in somebody's name slows down himself, neither the sign-in nor the links of the other.
func TestNobodyIsKeptFromHisPassword(t *testing.T) {
	sqldbtest.Each(t, testNobodyIsKeptFromHisPassword)
}

func testNobodyIsKeptFromHisPassword(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	w.user("acme", "ana@acme.example", actor.RoleAuditor)
	attacker := &browser{w: w, ip: "203.0.113.9"}
	throttled := 0
	for range 12 {
		if r := attacker.do("POST", "/api/session/forgotten", map[string]string{"email": "ana@acme.example"}); r.status == 429 {
			throttled++
		}
		if err := w.s.AnswerForgotten(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if throttled == 0 {
		t.Error("nobody slows the attacker down")
	}
	ana := &browser{w: w, ip: "198.51.100.1"}
	ana.forgot("ana@acme.example") // dropped: three links work
	ana.want(200, "POST", "/api/session", map[string]string{"email": "ana@acme.example", "password": goodPassword})
	var tokens []string
	for i := range 3 {
		_, token := box.letter(t, i+1)
		tokens = append(tokens, token)
	}
	w.pass(29 * time.Minute)
	ana.redeem(tokens[0], newPassphrase, 204)
	box.letter(t, 4) // the notice
	if box.count() != 4 {
		t.Errorf("%d letters", box.count())
	}
	for _, token := range tokens { // one use ends all
		ana.redeem(token, "another long passphrase", 404)
	}
	// Time ends a link.
	ana.forgot("ana@acme.example")
	_, late := box.letter(t, 5)
	w.pass(30 * time.Minute)
	ana.redeem(late, "another long passphrase", 404)
	// A password that is changed meanwhile ends them too.
	in := &browser{w: w}
	r := in.want(200, "POST", "/api/session", map[string]string{"email": "ana@acme.example", "password": newPassphrase})
	in.cookie, in.csrf = r.cookie(t).Value, r.body["csrf_token"].(string)
	w.pass(20 * time.Minute) // so that the address may ask again
	ana.forgot("ana@acme.example")
	_, token := box.letter(t, 6)
	in.want(204, "POST", "/api/session/step-up", map[string]string{"password": newPassphrase})
	in.want(204, "POST", "/api/session/password", map[string]string{"current": newPassphrase, "new": "another long passphrase"})
	ana.redeem(token, "a third long passphrase", 404)
}

// TestResetLinkIsUsedOnce redeems one link many times at once.
func TestResetLinkIsUsedOnce(t *testing.T) { sqldbtest.Each(t, testResetLinkIsUsedOnce) }

func testResetLinkIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	w.user("acme", "ana@acme.example", actor.RoleAuditor)
	(&browser{w: w}).forgot("ana@acme.example")
	_, token := box.letter(t, 1)
	var mu sync.Mutex
	var all sync.WaitGroup
	done := map[int]int{}
	for i := range 6 {
		all.Go(func() {
			r := (&browser{w: w, ip: fmt.Sprintf("203.0.113.%d", i)}).do("POST", "/api/session/reset", map[string]string{"token": token, "password": fmt.Sprintf("long passphrase number %d", i)})
			mu.Lock()
			defer mu.Unlock()
			done[r.status]++
		})
	}
	all.Wait()
	if done[204] != 1 || done[404] != 5 {
		t.Errorf("%v", done)
	}
}
