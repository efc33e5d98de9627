package access

import (
	"context"
	"strings"
	"testing"
	"time"

	"probity.dev/access/mfa/mfatest"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

var someKey = map[string]any{"name": "x", "scopes": []string{"ledger.append"}}

func TestStepUp(t *testing.T) { sqldbtest.Each(t, testStepUp) }

func testStepUp(t *testing.T) {
	w := newWorld(t)
	b, other := w.login("admin@acme.example"), w.login("admin@acme.example")
	b.want(201, "POST", "/api/keys", someKey) // soon after signing in
	w.pass(5 * time.Minute)
	r := b.want(401, "POST", "/api/keys", someKey)
	if r.body["type"] != "/api/docs#problem-step_up_required" || r.body["code"] != "unauthorized" || len(list(r.body["ways"])) != 1 || list(r.body["ways"])[0] != "password" {
		t.Fatal(r.raw)
	}
	b.want(200, "GET", "/api/keys", nil) // what is not grave goes on
	for _, op := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/api/users", map[string]string{"email": "x@acme.example", "name": "X", "role": "auditor", "password": goodPassword}},
		{"PATCH", "/api/users/" + w.admin["acme"].ID, map[string]string{"name": "X"}},
		{"POST", "/api/session/password", map[string]string{"current": goodPassword, "new": "another-long-passphrase-8"}},
		{"POST", "/api/session/factors", map[string]string{"kind": "totp", "name": "x"}},
		{"POST", "/api/session/factors/x/confirm", map[string]string{"code": "123456"}},
		{"DELETE", "/api/session/factors/x", nil},
		{"POST", "/api/session/recovery-codes", nil},
		{"PUT", "/api/access/sign-in-policy", map[string]any{"second_factor_of": []string{}}},
		{"POST", "/api/users/x/factors/reset", map[string]string{"reason": "x"}},
	} {
		if r := b.do(op.method, op.path, op.body); r.status != 401 || r.body["type"] != "/api/docs#problem-step_up_required" {
			t.Errorf("%s %s: %d %s", op.method, op.path, r.status, r.raw)
		}
	}
	b.want(400, "POST", "/api/session/step-up", map[string]string{"password": "wrong-wrong-wrong"})
	if e := w.rec.last(t, "acme"); e.Action != actionStepUp || e.Outcome.Status != "failure" || e.Context.SessionID == "" {
		t.Fatalf("%+v", e)
	}
	b.want(204, "POST", "/api/session/step-up", map[string]string{"password": goodPassword})
	if e := w.rec.last(t, "acme"); e.Action != actionStepUp || e.Outcome.Status != "success" {
		t.Fatalf("%+v", e)
	}
	b.want(201, "POST", "/api/keys", someKey)
	other.want(401, "POST", "/api/keys", someKey) // per session
	// An API key cannot step up and need not; nobody else's session can be stepped up with it.
	_, key := w.key("acme", actor.AccessManage, actor.LedgerAppend)
	app := &browser{w: w, key: key}
	app.want(201, "POST", "/api/keys", someKey)
	app.want(403, "POST", "/api/session/step-up", map[string]string{"password": goodPassword})
	// A request from another site steps nothing up.
	for _, f := range []*browser{{w: w, cookie: other.cookie}, {w: w, cookie: other.cookie, csrf: b.csrf}, {w: w, cookie: other.cookie, csrf: other.csrf, headers: map[string]string{"Sec-Fetch-Site": "cross-site"}}} {
		f.want(403, "POST", "/api/session/step-up", map[string]string{"password": goodPassword})
		f.want(403, "POST", "/api/session/step-up/passkey", nil)
		f.want(403, "POST", "/api/session/factors", map[string]string{"kind": "totp", "name": "x"})
		f.want(403, "DELETE", "/api/session/factors/x", nil)
		f.want(403, "POST", "/api/session/recovery-codes", nil)
		f.want(403, "PUT", "/api/access/sign-in-policy", map[string]any{"second_factor_of": []string{}})
	}
}

func TestStepUpWithFactors(t *testing.T) { sqldbtest.Each(t, testStepUpWithFactors) }

func testStepUpWithFactors(t *testing.T) {
	w := newWorld(t)
	d := mfatest.New(testOrigin)
	b := w.login("admin@acme.example")
	secret, codes := b.enrolTOTP()
	b.enrolPasskey(d)
	w.pass(6 * time.Minute)
	r := b.want(401, "POST", "/api/keys", someKey)
	if got := raw(r.body["ways"]); string(got) != `["passkey","totp","recovery_code"]` {
		t.Fatal(string(got))
	}
	b.want(400, "POST", "/api/session/step-up", map[string]string{"password": goodPassword})
	b.want(401, "POST", "/api/keys", someKey)
	code := w.code(secret)
	b.want(204, "POST", "/api/session/step-up", map[string]string{"code": code})
	b.want(400, "POST", "/api/session/step-up", map[string]string{"code": code})
	b.want(201, "POST", "/api/keys", someKey)

	// What one session asked for, another cannot answer; nor does it sign anybody in.
	other := &browser{w: w}
	other.in(other.want(200, "POST", "/api/session/second-factor", map[string]string{"token": other.password("admin@acme.example"), "code": codes[0]}))
	w.pass(6 * time.Minute)
	answer := d.Get(t, raw(b.want(200, "POST", "/api/session/step-up/passkey", nil).body["public_key"]))
	other.want(400, "POST", "/api/session/step-up", map[string]any{"passkey": answer})
	stranger := &browser{w: w}
	stranger.want(401, "POST", "/api/session/passkey", map[string]any{"passkey": answer})
	stranger.want(401, "POST", "/api/session/second-factor", map[string]any{"token": stranger.password("admin@acme.example"), "passkey": answer})
	other.want(401, "POST", "/api/keys", someKey)
	b.want(204, "POST", "/api/session/step-up", map[string]any{"passkey": answer})
	b.want(201, "POST", "/api/keys", someKey)
	b.want(400, "POST", "/api/session/step-up", map[string]any{"passkey": answer})

	// Guessing is slowed down.
	w.pass(6 * time.Minute)
	judged := 0
	for range 30 {
		if r := b.do("POST", "/api/session/step-up", map[string]string{"code": "000000"}); r.status == 400 {
			judged++
		}
	}
	if judged != freeCodes-1 { // one was the code that came twice
		t.Fatalf("%d guesses were judged", judged)
	}
}

func TestRestrictedSession(t *testing.T) { sqldbtest.Each(t, testRestrictedSession) }

func testRestrictedSession(t *testing.T) {
	w := newWorld(t)
	b := w.login("admin@acme.example")
	p, err := w.s.bySession(context.Background(), b.cookie)
	if err != nil {
		t.Fatal(err)
	}
	ctx, sys := context.Background(), actor.System("acme")
	if err := w.s.Restrict(ctx, actor.System("globex"), p.SessionID, true, "x"); errs.CodeOf(err) != errs.NotFound {
		t.Fatal("another tenant restricts a session:", err)
	}
	if err := w.s.Restrict(ctx, sys, p.SessionID, true, "impossible journey"); err != nil {
		t.Fatal(err)
	}
	if e := w.rec.last(t, "acme"); e.Action != actionSessionRestrict || e.Reason != "impossible journey" || e.Resource.ID != p.SessionID {
		t.Fatalf("%+v", e)
	}
	if r := b.want(200, "GET", "/api/session", nil); r.body["restricted"] != true {
		t.Fatal(r.raw)
	}
	for _, path := range []string{"/api/users", "/api/keys", "/api/session/factors"} {
		if r := b.want(403, "GET", path, nil); !strings.HasSuffix(r.body["type"].(string), "#problem-session_restricted") {
			t.Fatal(r.raw)
		}
	}
	b.want(403, "POST", "/api/keys", someKey)
	b.want(204, "POST", "/api/session/step-up", map[string]string{"password": goodPassword})
	b.want(403, "GET", "/api/users", nil)
	if err := w.s.Restrict(ctx, sys, p.SessionID, false, "stepped up"); err != nil {
		t.Fatal(err)
	}
	b.want(200, "GET", "/api/users", nil)
	if err := w.s.Restrict(ctx, sys, p.SessionID, true, "again"); err != nil {
		t.Fatal(err)
	}
	b.want(204, "DELETE", "/api/session", nil)
}
