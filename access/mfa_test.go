package access

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"probity.dev/access/mfa/mfatest"
	"probity.dev/internal/actor"
	"probity.dev/internal/sqldb/sqldbtest"
)

// code is what an authenticator app shows now.
func (w *world) code(secret string) string {
	w.t.Helper()
	c, err := totp.GenerateCode(secret, w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// enrolTOTP gives the person of a browser an authenticator app, and returns its key and the recovery codes.
func (b *browser) enrolTOTP() (secret string, codes []string) {
	b.w.t.Helper()
	r := b.want(201, "POST", "/api/session/factors", map[string]string{"kind": "totp", "name": "Phone"})
	secret = r.body["totp"].(map[string]any)["secret"].(string)
	done := b.want(200, "POST", "/api/session/factors/"+r.body["id"].(string)+"/confirm", map[string]string{"code": b.w.code(secret)})
	for _, c := range list(done.body["recovery_codes"]) {
		codes = append(codes, c.(string))
	}
	return secret, codes
}

func list(v any) []any { l, _ := v.([]any); return l }

// enrolPasskey gives the person of a browser a passkey on a device.
func (b *browser) enrolPasskey(d *mfatest.Device) reply {
	b.w.t.Helper()
	r := b.want(201, "POST", "/api/session/factors", map[string]string{"kind": "passkey", "name": "Laptop"})
	return b.want(200, "POST", "/api/session/factors/"+r.body["id"].(string)+"/confirm", map[string]any{"passkey": d.Create(b.w.t, raw(r.body["public_key"]))})
}

func raw(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// password takes the first step of a sign-in and returns the token that waits.
func (b *browser) password(email string) string {
	b.w.t.Helper()
	r := b.want(202, "POST", "/api/session", map[string]string{"email": email, "password": goodPassword})
	if strings.Contains(r.header.Get("Set-Cookie"), "probity_session") {
		b.w.t.Fatal("the first step sets a session")
	}
	return r.body["token"].(string)
}

// in takes over the session of an answer.
func (b *browser) in(r reply) {
	b.cookie = r.cookie(b.w.t).Value
	if s, ok := r.body["session"].(map[string]any); ok {
		b.csrf = s["csrf_token"].(string)
		return
	}
	b.csrf = r.body["csrf_token"].(string)
}

func TestTOTP(t *testing.T) { sqldbtest.Each(t, testTOTP) }

func testTOTP(t *testing.T) {
	w := newWorld(t)
	first := w.login("admin@acme.example")
	secret, codes := first.enrolTOTP()
	if len(codes) != 10 || w.rec.last(t, "acme").Action != actionFactorAdd {
		t.Fatal(len(codes), w.rec.last(t, "acme").Action)
	}
	// The code that confirmed the factor is used up.
	b := &browser{w: w}
	token := b.password("admin@acme.example")
	if w.rec.last(t, "acme").Action != actionPassword {
		t.Fatal("that the password was right is not recorded")
	}
	b.want(401, "POST", "/api/session/second-factor", map[string]string{"token": token, "code": w.code(secret)})
	if e := w.rec.last(t, "acme"); e.Outcome.Status != "failure" || e.Outcome.Reason != "second factor used again" || e.Actor.Type != "anonymous" {
		t.Fatalf("%+v", e)
	}
	w.pass(30 * time.Second)
	r := b.want(200, "POST", "/api/session/second-factor", map[string]string{"token": token, "code": w.code(secret)})
	b.in(r)
	b.want(200, "GET", "/api/session", nil)
	if e := w.rec.last(t, "acme"); e.Action != actionLogin || !strings.Contains(fmt.Sprint(e.Data), "password+totp") {
		t.Fatalf("%+v", e)
	}
	// The token ends with the sign-in.
	w.pass(30 * time.Second)
	b.want(401, "POST", "/api/session/second-factor", map[string]string{"token": token, "code": w.code(secret)})
	// A recovery code works once, in whatever spelling.
	for i, want := range []int{200, 401} {
		x := &browser{w: w}
		if got := x.do("POST", "/api/session/second-factor", map[string]string{"token": x.password("admin@acme.example"), "code": strings.ToUpper(strings.ReplaceAll(codes[3], "-", " "))}); got.status != want {
			t.Fatalf("%d: %d %s", i, got.status, got.raw)
		}
	}
	if f := b.want(200, "GET", "/api/session/factors", nil); f.body["recovery_codes"] != float64(9) || strings.Contains(f.raw, secret) {
		t.Fatal(f.raw)
	}
	// New codes replace the old ones.
	fresh := list(b.want(200, "POST", "/api/session/recovery-codes", nil).body["recovery_codes"])
	x := &browser{w: w}
	token = x.password("admin@acme.example")
	x.want(401, "POST", "/api/session/second-factor", map[string]string{"token": token, "code": codes[0]})
	x.want(200, "POST", "/api/session/second-factor", map[string]any{"token": token, "code": fresh[0]})
	// Without a factor, the password is enough again, and no recovery code is left.
	id := list(b.want(200, "GET", "/api/session/factors", nil).body["items"])[0].(map[string]any)["id"].(string)
	b.want(204, "DELETE", "/api/session/factors/"+id, nil)
	if f := b.want(200, "GET", "/api/session/factors", nil); f.body["recovery_codes"] != float64(0) {
		t.Fatal(f.raw)
	}
	w.login("admin@acme.example")
}

func TestTOTPInParallel(t *testing.T) { sqldbtest.Each(t, testTOTPInParallel) }

// testTOTPInParallel shows one code from many sign-ins at once; one gets in.
func testTOTPInParallel(t *testing.T) {
	w := newWorld(t)
	secret, codes := w.login("admin@acme.example").enrolTOTP()
	for _, what := range []string{"totp", "recovery"} {
		w.pass(time.Hour)
		code := w.code(secret)
		if what == "recovery" {
			code = codes[0]
		}
		var mu sync.Mutex
		got := map[int]int{}
		var wg sync.WaitGroup
		tokens := make([]string, 5)
		for i := range tokens {
			tokens[i] = (&browser{w: w}).password("admin@acme.example")
		}
		for i, token := range tokens {
			wg.Go(func() {
				r := (&browser{w: w, ip: fmt.Sprintf("203.0.113.%d", i)}).do("POST", "/api/session/second-factor", map[string]string{"token": token, "code": code})
				mu.Lock()
				defer mu.Unlock()
				got[r.status]++
			})
		}
		wg.Wait()
		if got[200] != 1 || got[401] != 4 {
			t.Fatalf("%s: %v", what, got)
		}
	}
}

func TestPendingIsNoSession(t *testing.T) { sqldbtest.Each(t, testPendingIsNoSession) }

func testPendingIsNoSession(t *testing.T) {
	w := newWorld(t)
	w.user("acme", "ana@acme.example", actor.RoleAuditor)
	secret, _ := w.login("admin@acme.example").enrolTOTP()
	w.pass(time.Minute)
	token := (&browser{w: w}).password("admin@acme.example")
	for _, b := range []*browser{{w: w, cookie: token}, {w: w, key: token}, {w: w, cookie: strings.TrimPrefix(token, pendingPrefix)}} {
		b.want(401, "GET", "/api/session", nil)
		b.want(401, "GET", "/api/users", nil)
	}
	// Nor does it enrol anything for somebody who has a factor.
	b := &browser{w: w}
	b.want(401, "POST", "/api/session/enrolment", map[string]string{"token": token, "kind": "totp", "name": "Mine"})
	// It ends: with time, with a new password, with a lock.
	ends := map[string]func(){
		"time":     func() { w.pass(pendingLife) },
		"password": func() { reset(t, w, "another-long-passphrase-8"); reset(t, w, goodPassword) },
		"lock":     func() { lock(t, w, true) },
	}
	w.user("acme", "second@acme.example", actor.RoleAdmin)
	for what, end := range ends {
		token := b.password("admin@acme.example")
		end()
		b.want(401, "POST", "/api/session/second-factor", map[string]string{"token": token, "code": w.code(secret)})
		if what == "lock" {
			lock(t, w, false)
		}
		w.pass(time.Minute)
	}
	// Five wrong codes end it, although the account is not blocked yet.
	token = b.password("admin@acme.example")
	for range pendingAttempts {
		b.want(401, "POST", "/api/session/second-factor", map[string]string{"token": token, "code": "aaaa-bbbb-cccc-dddd"})
	}
	b.want(401, "POST", "/api/session/second-factor", map[string]string{"token": token, "code": w.code(secret)})
	token = b.password("admin@acme.example")
	b.want(200, "POST", "/api/session/second-factor", map[string]string{"token": token, "code": w.code(secret)})
}

func reset(t *testing.T, w *world, password string) {
	t.Helper()
	if err := w.s.ResetPassword(context.Background(), actor.System("acme"), "admin@acme.example", password, "test"); err != nil {
		t.Fatal(err)
	}
}

func lock(t *testing.T, w *world, locked bool) {
	t.Helper()
	if _, err := w.s.UpdateUser(context.Background(), actor.System("acme"), w.admin["acme"].ID, UserChange{Locked: &locked}); err != nil {
		t.Fatal(err)
	}
}

func TestGuessingCodes(t *testing.T) { sqldbtest.Each(t, testGuessingCodes) }

// testGuessingCodes has somebody who knows the password guess codes from many addresses.
func testGuessingCodes(t *testing.T) {
	w := newWorld(t)
	d := mfatest.New(testOrigin)
	victim := w.login("admin@acme.example")
	secret, codes := victim.enrolTOTP()
	victim.enrolPasskey(d)
	w.pass(time.Minute)
	judged := 0
	for i := range 60 {
		b := &browser{w: w, ip: fmt.Sprintf("203.0.113.%d", i)}
		r := b.do("POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": goodPassword})
		if r.status != 202 {
			t.Fatal(r.raw)
		}
		if r := b.do("POST", "/api/session/second-factor", map[string]string{"token": r.body["token"].(string), "code": fmt.Sprintf("%06d", i)}); r.status == 401 {
			judged++
		}
	}
	if judged != freeCodes {
		t.Fatalf("%d guesses were judged", judged)
	}
	// The victim's session steps up all the same, and the victim gets in with a passkey and with a recovery code.
	w.pass(31 * time.Second)
	victim.want(204, "POST", "/api/session/step-up", map[string]string{"code": w.code(secret)})
	b := &browser{w: w, ip: "198.51.100.1"}
	b.want(200, "POST", "/api/session/second-factor", map[string]string{"token": b.password("admin@acme.example"), "code": codes[0]})
	token := b.password("admin@acme.example")
	options := b.want(200, "POST", "/api/session/second-factor/passkey", map[string]string{"token": token})
	b.want(200, "POST", "/api/session/second-factor", map[string]any{"token": token, "passkey": d.Get(t, raw(options.body["public_key"]))})
}

func TestPasskeySignIn(t *testing.T) { sqldbtest.Each(t, testPasskeySignIn) }

func testPasskeySignIn(t *testing.T) {
	w := newWorld(t)
	d, other := mfatest.New(testOrigin), mfatest.New(testOrigin)
	me := w.login("admin@acme.example")
	if r := me.enrolPasskey(d); len(list(r.body["recovery_codes"])) != 10 {
		t.Fatal(r.raw)
	}
	if r := me.enrolPasskey(other); len(list(r.body["recovery_codes"])) != 0 {
		t.Fatal("recovery codes are given twice")
	}
	ask := func() json.RawMessage {
		// Whatever the Host header says, the passkey is asked for the configured name.
		b := &browser{w: w, headers: map[string]string{"X-Forwarded-Host": "evil.example"}}
		r := b.want(200, "POST", "/api/session/passkey/ask", nil)
		if pk := r.body["public_key"].(map[string]any); pk["rpId"] != "audit.example" || pk["userVerification"] != "required" || pk["allowCredentials"] != nil {
			t.Fatal(r.raw)
		}
		return raw(r.body["public_key"])
	}
	b := &browser{w: w}
	answer := d.Get(t, ask())
	r := b.want(200, "POST", "/api/session/passkey", map[string]any{"passkey": answer})
	b.in(r)
	if b.want(200, "GET", "/api/session", nil).body["user"].(map[string]any)["id"] != w.admin["acme"].ID {
		t.Fatal("signed in as somebody else")
	}
	// The same answer again, and one of a copied passkey.
	(&browser{w: w}).want(401, "POST", "/api/session/passkey", map[string]any{"passkey": answer})
	if e := w.rec.last(t, "acme"); e.Outcome.Status != "failure" {
		t.Fatalf("%+v", e)
	}
	copied := *d
	copied.Count = 0
	b.want(401, "POST", "/api/session/passkey", map[string]any{"passkey": copied.Get(t, ask())})
	// An unknown passkey, one of another site, a locked person.
	stranger := mfatest.New(testOrigin)
	stranger.Handle = d.Handle
	(&browser{w: w}).want(401, "POST", "/api/session/passkey", map[string]any{"passkey": stranger.Get(t, ask())})
	evil := *d
	evil.Origin = "https://evil.example"
	(&browser{w: w}).want(401, "POST", "/api/session/passkey", map[string]any{"passkey": evil.Get(t, ask())})
	w.user("acme", "second@acme.example", actor.RoleAdmin)
	lock(t, w, true)
	(&browser{w: w}).want(401, "POST", "/api/session/passkey", map[string]any{"passkey": d.Get(t, ask())})
	lock(t, w, false)
	(&browser{w: w}).want(200, "POST", "/api/session/passkey", map[string]any{"passkey": d.Get(t, ask())})
}

func TestPasskeyInParallel(t *testing.T) { sqldbtest.Each(t, testPasskeyInParallel) }

// testPasskeyInParallel sends one answer of a passkey that does not count many times at once.
func testPasskeyInParallel(t *testing.T) {
	w := newWorld(t)
	d := mfatest.New(testOrigin)
	d.NoCount = true
	w.login("admin@acme.example").enrolPasskey(d)
	r := (&browser{w: w}).want(200, "POST", "/api/session/passkey/ask", nil)
	answer := d.Get(t, raw(r.body["public_key"]))
	var mu sync.Mutex
	got := map[int]int{}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			r := (&browser{w: w, ip: fmt.Sprintf("203.0.113.%d", i)}).do("POST", "/api/session/passkey", map[string]any{"passkey": answer})
			mu.Lock()
			defer mu.Unlock()
			got[r.status]++
		})
	}
	wg.Wait()
	if got[200] != 1 || got[401] != 5 {
		t.Fatal(got)
	}
}

func TestFactorsAreTheirPersons(t *testing.T) { sqldbtest.Each(t, testFactorsAreTheirPersons) }

func testFactorsAreTheirPersons(t *testing.T) {
	w := newWorld(t)
	w.user("acme", "second@acme.example", actor.RoleAdmin)
	d := mfatest.New(testOrigin)
	mine := w.login("admin@acme.example")
	secret, codes := mine.enrolTOTP()
	mine.enrolPasskey(d)
	ids := []string{}
	for _, f := range list(mine.want(200, "GET", "/api/session/factors", nil).body["items"]) {
		ids = append(ids, f.(map[string]any)["id"].(string))
	}
	started := mine.want(201, "POST", "/api/session/factors", map[string]string{"kind": "totp", "name": "Tablet"})
	for _, email := range []string{"second@acme.example", "admin@globex.example"} {
		b := w.login(email)
		for _, id := range ids {
			b.want(404, "DELETE", "/api/session/factors/"+id, nil)
		}
		b.want(404, "POST", "/api/session/factors/"+started.body["id"].(string)+"/confirm", map[string]string{"code": w.code(started.body["totp"].(map[string]any)["secret"].(string))})
		// Another's proof is none.
		b.enrolTOTP()
		w.pass(time.Minute)
		for _, code := range []string{codes[0], w.code(secret)} {
			if r := b.do("POST", "/api/session/step-up", map[string]string{"code": code}); r.status != 400 {
				t.Fatalf("%s: %d %s", email, r.status, r.raw)
			}
		}
		b.want(404, "POST", "/api/session/step-up/passkey", nil)
		asked := mine.want(200, "POST", "/api/session/step-up/passkey", nil)
		b.want(400, "POST", "/api/session/step-up", map[string]any{"passkey": d.Get(t, raw(asked.body["public_key"]))})
	}
	(&browser{w: w}).password("second@acme.example") // needs its own code now
}

func TestDemandedFactor(t *testing.T) { sqldbtest.Each(t, testDemandedFactor) }

func testDemandedFactor(t *testing.T) {
	w := newWorld(t)
	w.user("acme", "ana@acme.example", actor.RoleAuditor)
	admin := w.login("admin@acme.example")
	admin.want(400, "PUT", "/api/access/sign-in-policy", map[string]any{"second_factor_of": []string{"root"}})
	admin.want(200, "PUT", "/api/access/sign-in-policy", map[string]any{"second_factor_of": []string{"auditor"}})
	if e := w.rec.last(t, "acme"); e.Action != actionFactorDemand || string(e.Changes[0].Before) != "[]" || string(e.Changes[0].After) != `["auditor"]` {
		t.Fatalf("%+v", e)
	}
	w.login("admin@acme.example") // not an auditor
	w.login("admin@globex.example")
	b := &browser{w: w}
	r := b.want(202, "POST", "/api/session", map[string]string{"email": "ana@acme.example", "password": goodPassword})
	if r.body["enrol"] != true || len(list(r.body["ways"])) != 0 {
		t.Fatal(r.raw)
	}
	token, thief := r.body["token"].(string), b.password("ana@acme.example")
	b.want(401, "POST", "/api/session/second-factor", map[string]string{"token": token, "code": "123456"})
	start := b.want(200, "POST", "/api/session/enrolment", map[string]string{"token": token, "kind": "totp", "name": "Phone"})
	secret := start.body["totp"].(map[string]any)["secret"].(string)
	confirm := "/api/session/enrolment/" + start.body["id"].(string) + "/confirm"
	b.want(400, "POST", confirm, map[string]string{"token": token, "code": "000000"})
	stolen := (&browser{w: w}).want(200, "POST", "/api/session/enrolment", map[string]string{"token": thief, "kind": "totp", "name": "Thief"})
	done := b.want(200, "POST", confirm, map[string]string{"token": token, "code": w.code(secret)})
	if len(list(done.body["recovery_codes"])) != 10 {
		t.Fatal(done.raw)
	}
	b.in(done)
	b.want(200, "GET", "/api/session", nil)
	// Whoever knows the password too and began at the same time comes too late.
	(&browser{w: w}).want(401, "POST", "/api/session/enrolment/"+stolen.body["id"].(string)+"/confirm",
		map[string]string{"token": thief, "code": w.code(stolen.body["totp"].(map[string]any)["secret"].(string))})
	// The last factor stays while it is demanded.
	items := list(b.want(200, "GET", "/api/session/factors", nil).body["items"])
	b.want(409, "DELETE", "/api/session/factors/"+items[0].(map[string]any)["id"].(string), nil)
	// An administrator helps somebody who has lost the device; nobody else does.
	ana := done.body["session"].(map[string]any)["user"].(map[string]any)["id"].(string)
	b.want(403, "POST", "/api/users/"+w.admin["acme"].ID+"/factors/reset", map[string]string{"reason": "x"})
	w.login("admin@globex.example").want(404, "POST", "/api/users/"+ana+"/factors/reset", map[string]string{"reason": "x"})
	admin.want(204, "POST", "/api/users/"+ana+"/factors/reset", map[string]string{"reason": "lost the phone"})
	if e := w.rec.last(t, "acme"); e.Action != actionFactorReset || e.Reason != "lost the phone" || e.Subject.ID != ana {
		t.Fatalf("%+v", e)
	}
	b.want(401, "GET", "/api/session", nil)
	if r := (&browser{w: w}).want(202, "POST", "/api/session", map[string]string{"email": "ana@acme.example", "password": goodPassword}); r.body["enrol"] != true {
		t.Fatal(r.raw)
	}
	// The operator can, too.
	if err := w.s.ResetFactorsOf(context.Background(), actor.System("acme"), "ana@acme.example", "x"); err == nil {
		t.Fatal("there was nothing to reset")
	}
}
