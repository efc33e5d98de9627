package access

import (
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/access/breached"
	"probity.dev/access/mfa/mfatest"
	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb/sqldbtest"
)

// letterBox takes what is mailed.
type letterBox struct {
	mu      sync.Mutex
	letters []Letter
	refuse  error
}

func (b *letterBox) Mail(_ context.Context, l Letter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	b.letters = append(b.letters, l)
	return nil
}

func (b *letterBox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.letters)
}

// mailed lets the world send letters.
func (w *world) mailed() *letterBox {
	w.t.Helper()
	box := &letterBox{}
	j := jobs.New(jobs.Options{DB: w.db, Owner: "test", Alone: true, Poll: 5 * time.Millisecond, Queues: map[string]jobs.Queue{"mail": {Workers: 1}}})
	w.s.SetPost(j, "mail", box)
	if err := j.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := j.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
	return box
}

// letter waits for the nth letter and returns it with the token of its link.
func (b *letterBox) letter(t *testing.T, n int) (Letter, string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); b.count() < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d letters, waited for %d", b.count(), n)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.letters[n-1]
	_, token, _ := strings.Cut(l.URL, "#")
	return l, token
}

const newPassphrase = "seven slow grey herons"

func invitation(email string, roles ...string) map[string]any {
	return map[string]any{"email": email, "name": "Nia Okoro", "roles": roles}
}

func TestInvitation(t *testing.T) { sqldbtest.Each(t, testInvitation) }

func testInvitation(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	admin := w.login("admin@acme.example")
	admin.headers = map[string]string{"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
	made := admin.want(201, "POST", "/api/invitations", invitation("Nia@Acme.example", actor.RoleAuditor))
	if made.body["link"] != nil || made.body["state"] != "open" || made.body["email"] != "nia@acme.example" {
		t.Fatalf("%s", made.raw)
	}
	id := made.body["id"].(string)
	l, token := box.letter(t, 1)
	if l.To != "nia@acme.example" || !strings.HasPrefix(l.URL, testOrigin+"/invitation#") || len(token) != 43 || !strings.Contains(l.Text, "ACME") {
		t.Fatalf("%+v", l)
	}
	e := w.rec.last(t, "acme")
	if e.Action != "user.invite" || e.Resource.ID != id || len(e.Changes) != 5 || e.Changes[0].Path != "/email" {
		t.Fatalf("%+v", e)
	}
	// Neither the token nor the address is in the database, in a log line, or in what an admin gets.
	for table, content := range sqldbtest.Stored(t, w.db) {
		if s := string(content); strings.Contains(s, token) || strings.Contains(s, "nia@acme") || strings.Contains(s, "Okoro") {
			t.Errorf("%s holds the token or the person", table)
		}
	}
	if list := admin.want(200, "GET", "/api/invitations", nil); strings.Contains(list.raw, token) || strings.Contains(w.logs.String(), token) || !strings.Contains(list.raw, `"mails":true`) {
		t.Errorf("%s", list.raw)
	}
	admin.want(409, "POST", "/api/invitations", invitation("nia@acme.example", actor.RoleAuditor))
	admin.want(409, "POST", "/api/invitations", invitation("admin@acme.example", actor.RoleAuditor))
	w.login("admin@globex.example").want(201, "POST", "/api/invitations", invitation("nia@acme.example", actor.RoleAuditor))

	// What a scanner of mail fetches spends nothing.
	guest := &browser{w: w, ip: "198.51.100.7"}
	for _, method := range []string{"GET", "HEAD"} {
		for _, path := range []string{"/api/session/invitation", "/api/session/invitation/accept", "/api/session/invitation?token=" + token} {
			if r := guest.do(method, path, nil); r.status < 400 {
				t.Errorf("%s %s: %d", method, path, r.status)
			}
		}
	}
	body := map[string]string{"token": token, "password": newPassphrase}
	look := guest.want(200, "POST", "/api/session/invitation", map[string]string{"token": token})
	if look.body["organisation"] != "ACME" || look.body["email"] != "nia@acme.example" {
		t.Errorf("%s", look.raw)
	}
	for _, bad := range []string{"short", "nia.okoro@acme.example", "Nia-Okoro-2026", "probity acme 1", "111111111111111", "abcdefghijklmnop"} {
		guest.want(400, "POST", "/api/session/invitation/accept", map[string]string{"token": token, "password": bad})
	}
	planted := strings.Repeat("A", 43)
	guest.cookie = planted
	in := guest.want(200, "POST", "/api/session/invitation/accept", body)
	c := in.cookie(t)
	if c.Value == planted || !c.HttpOnly || !c.Secure {
		t.Errorf("%+v", c)
	}
	guest.cookie, guest.csrf = c.Value, in.body["csrf_token"].(string)
	if who := guest.want(200, "GET", "/api/session", nil); who.body["user"].(map[string]any)["role"] != actor.RoleAuditor {
		t.Errorf("%s", who.raw)
	}
	(&browser{w: w, ip: "198.51.100.8"}).want(404, "POST", "/api/session/invitation/accept", body)
	(&browser{w: w, ip: "198.51.100.8"}).want(404, "POST", "/api/session/invitation", map[string]string{"token": token})
	if last := w.rec.last(t, "acme"); last.Action != "user.invite_accept" || last.Outcome.Status != "denied" || last.Actor.Type != "anonymous" {
		t.Errorf("%+v", last)
	}
	if w.rec.count("acme", "user.create") != 2 || !strings.Contains(admin.want(200, "GET", "/api/invitations", nil).raw, `"state":"accepted"`) {
		t.Error("not accepted")
	}
	admin.want(409, "POST", "/api/invitations/"+id+"/resend", nil)
	admin.want(409, "DELETE", "/api/invitations/"+id, nil)
	w.login("admin@globex.example").want(404, "DELETE", "/api/invitations/"+id, nil)
}

func TestInvitationsEnd(t *testing.T) { sqldbtest.Each(t, testInvitationsEnd) }

func testInvitationsEnd(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	admin := w.login("admin@acme.example")
	guest := &browser{w: w}
	accept := func(token string, status int) {
		t.Helper()
		guest.want(status, "POST", "/api/session/invitation/accept", map[string]string{"token": token, "password": newPassphrase})
	}
	id := admin.want(201, "POST", "/api/invitations", invitation("a@acme.example", actor.RoleAuditor)).body["id"].(string)
	_, first := box.letter(t, 1)
	w.pass(time.Minute)
	admin.want(200, "POST", "/api/invitations/"+id+"/resend", nil)
	accept(first, 404) // dead before the new one is written
	_, second := box.letter(t, 2)
	if first == second {
		t.Fatal("the same link again")
	}
	admin.want(204, "DELETE", "/api/invitations/"+id, nil)
	accept(second, 404)
	if e := w.rec.last(t, "acme"); e.Outcome.Status != "denied" || w.rec.count("acme", "user.invite_withdraw") != 1 {
		t.Errorf("%+v", e)
	}

	// One that nobody takes in time is over at that moment, and the sweep records it once.
	id = admin.want(201, "POST", "/api/invitations", invitation("b@acme.example", actor.RoleAuditor)).body["id"].(string)
	_, third := box.letter(t, 3)
	w.pass(72*time.Hour + time.Second)
	accept(third, 404)
	for range 2 {
		if err := w.s.Sweep(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.rec.count("acme", "user.invite_expire"); n != 1 {
		t.Errorf("%d recorded", n)
	}
	admin = w.login("admin@acme.example")
	admin.want(409, "POST", "/api/invitations/"+id+"/resend", nil)
	admin.want(201, "POST", "/api/invitations", invitation("b@acme.example", actor.RoleAuditor)) // a new one
	_, fourth := box.letter(t, 4)

	// Whoever has invited and may not any more has invited nobody.
	w.user("acme", "boss@acme.example", actor.RoleAdmin)
	locked := true
	if _, err := w.s.UpdateUser(context.Background(), actor.System("acme"), w.admin["acme"].ID, UserChange{Locked: &locked}); err != nil {
		t.Fatal(err)
	}
	accept(fourth, 404)
	if users, err := w.s.Users(context.Background(), actor.System("acme")); err != nil || len(users) != 2 {
		t.Errorf("%d users, %v", len(users), err)
	}
}

// TestNobodyInvitesBeyondHimself: neither to roles that he could not give, nor past the approval that they need.
func TestNobodyInvitesBeyondHimself(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	asked := &asks{armed: true}
	w.s.Roles().SetApprovals(asked)
	p := actor.Principal{TenantID: "acme", UserID: w.user("acme", "hr@acme.example", actor.RoleAuditor).ID, Permissions: []string{actor.AccessManage}}
	if _, err := w.s.Invite(context.Background(), p, Invited{"x@acme.example", "X", []string{actor.RoleAdmin}}); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("%v", err)
	}
	if e := w.rec.last(t, "acme"); e.Action != "user.invite" || e.Outcome.Status != "denied" {
		t.Errorf("%+v", e)
	}
	(&browser{w: w}).want(401, "POST", "/api/invitations", invitation("x@acme.example", actor.RoleAuditor))
	w.login("hr@acme.example").want(403, "POST", "/api/invitations", invitation("x@acme.example", actor.RoleAuditor))
	admin := w.login("admin@acme.example")
	admin.want(400, "POST", "/api/invitations", invitation("x@acme.example", "no-such-role"))
	admin.want(201, "POST", "/api/invitations", invitation("x@acme.example", actor.RoleSupport, actor.RoleAdmin))
	_, token := box.letter(t, 1)
	in := (&browser{w: w}).want(200, "POST", "/api/session/invitation/accept", map[string]string{"token": token, "password": newPassphrase})
	user := in.body["user"].(map[string]any)
	if fmt.Sprint(user["roles"]) != "[support]" || len(asked.roles) != 1 || asked.roles[0] != actor.RoleAdmin+" for "+user["id"].(string)+" by "+w.admin["acme"].ID {
		t.Errorf("%v %v", user, asked.roles)
	}
}

// asks notes what is asked for and approves nothing.
type asks struct {
	armed bool
	roles []string
}

func (a *asks) Armed(context.Context, string) (bool, error) { return a.armed, nil }

func (a *asks) Ask(_ context.Context, p actor.Principal, g role.Grant, _ *role.Role) (string, error) {
	a.roles = append(a.roles, g.RoleID+" for "+g.UserID+" by "+p.UserID)
	return "waits", nil
}

func TestInvitationWithoutMail(t *testing.T) {
	w := newWorld(t)
	admin := w.login("admin@acme.example")
	made := admin.want(201, "POST", "/api/invitations", invitation("a@acme.example", actor.RoleAuditor))
	_, token, _ := strings.Cut(made.body["link"].(string), testOrigin+"/invitation#")
	if list := admin.want(200, "GET", "/api/invitations", nil); strings.Contains(list.raw, `"link"`) || !strings.Contains(list.raw, `"mails":false`) {
		t.Errorf("%s", list.raw)
	}
	again := admin.want(200, "POST", "/api/invitations/"+made.body["id"].(string)+"/resend", nil)
	_, newer, _ := strings.Cut(again.body["link"].(string), "#")
	guest := &browser{w: w}
	guest.want(404, "POST", "/api/session/invitation", map[string]string{"token": token})
	guest.want(200, "POST", "/api/session/invitation/accept", map[string]string{"token": newer, "password": newPassphrase})
	if r := guest.want(409, "POST", "/api/session/forgotten", map[string]string{"email": "a@acme.example"}); !strings.Contains(r.raw, "sends no e-mail") {
		t.Errorf("%s", r.raw)
	}
	w.s.o.PublicURL = ""
	if r := admin.want(409, "POST", "/api/invitations", invitation("b@acme.example", actor.RoleAuditor)); !strings.Contains(r.raw, "public-url") {
		t.Errorf("%s", r.raw)
	}
}

func TestUndeliverableInvitation(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	box.refuse = jobs.Permanent(errs.New(errs.Unavailable, "the mail server refused the recipient"))
	admin := w.login("admin@acme.example")
	admin.want(201, "POST", "/api/invitations", invitation("a@acme.example", actor.RoleAuditor))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if strings.Contains(admin.want(200, "GET", "/api/invitations", nil).raw, `"problem":"the mail server refused the recipient"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody is told that the letter could not be delivered")
		}
	}
}

// TestInvitationWithPasskey: the link works until the passkey is there, and the account that waits for it opens nothing.
func TestInvitationWithPasskey(t *testing.T) { sqldbtest.Each(t, testInvitationWithPasskey) }

func testInvitationWithPasskey(t *testing.T) {
	w := newWorld(t)
	box := w.mailed()
	admin := w.login("admin@acme.example")
	admin.want(201, "POST", "/api/invitations", invitation("a@acme.example", actor.RoleAuditor))
	_, token := box.letter(t, 1)
	guest := &browser{w: w}
	var pending string
	for range 2 { // given up and begun again
		pending = guest.want(202, "POST", "/api/session/invitation/accept", map[string]string{"token": token}).body["token"].(string)
	}
	guest.want(401, "POST", "/api/session", map[string]string{"email": "a@acme.example", "password": ""})
	if w.rec.count("acme", "user.create") != 2 {
		t.Error("made twice")
	}
	start := guest.want(200, "POST", "/api/session/enrolment", map[string]string{"token": pending, "kind": "passkey", "name": "Phone"})
	options, err := json.Marshal(start.body["public_key"])
	if err != nil {
		t.Fatal(err)
	}
	answer := mfatest.New(testOrigin).Create(t, options)
	done := guest.want(200, "POST", "/api/session/enrolment/"+start.body["id"].(string)+"/confirm", map[string]any{"token": pending, "passkey": answer})
	if done.cookie(t).Value == "" || !strings.Contains(admin.want(200, "GET", "/api/invitations", nil).raw, `"state":"accepted"`) {
		t.Errorf("%s", done.raw)
	}
	guest.want(404, "POST", "/api/session/invitation/accept", map[string]string{"token": token, "password": newPassphrase})
	guest.want(404, "POST", "/api/session/invitation/accept", map[string]string{"token": token})

	// Or a password after all.
	admin.want(201, "POST", "/api/invitations", invitation("b@acme.example", actor.RoleAuditor))
	_, token = box.letter(t, 2)
	guest.want(202, "POST", "/api/session/invitation/accept", map[string]string{"token": token})
	guest.want(200, "POST", "/api/session/invitation/accept", map[string]string{"token": token, "password": newPassphrase})
	guest.want(404, "POST", "/api/session/invitation/accept", map[string]string{"token": token, "password": newPassphrase})
	guest.want(200, "POST", "/api/session", map[string]string{"email": "b@acme.example", "password": newPassphrase})
}

func TestBreachedPasswords(t *testing.T) {
	w := newWorld(t)
	var lines []string
	for _, p := range []string{"correct horse staple battery", "another that leaked"} {
		lines = append(lines, fmt.Sprintf("%X:%d", sha1.Sum([]byte(p)), 7))
	}
	slices.Sort(lines)
	path := filepath.Join(t.TempDir(), "pwned.txt")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := breached.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	w.s.o.Breached = list
	admin := w.login("admin@acme.example")
	refused := admin.want(400, "POST", "/api/session/password", map[string]string{"current": goodPassword, "new": "correct horse staple battery"})
	if !strings.Contains(refused.raw, `"breached"`) || !strings.Contains(refused.raw, "in a breach") || strings.Contains(refused.raw, "staple") {
		t.Errorf("%s", refused.raw)
	}
	admin.want(400, "POST", "/api/users", map[string]string{"email": "n@acme.example", "name": "N", "role": "auditor", "password": "another that leaked"})
	admin.want(204, "POST", "/api/session/password", map[string]string{"current": goodPassword, "new": newPassphrase})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	// A password that could not be compared is not set.
	admin.want(503, "POST", "/api/session/password", map[string]string{"current": newPassphrase, "new": "yet another long one"})
}
