package access

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/testdata"
)

var errUnavailable = errs.New(errs.Unavailable, "the log is frozen")

func TestSessionFixation(t *testing.T) { sqldbtest.Each(t, testSessionFixation) }

func testSessionFixation(t *testing.T) {
	w := newWorld(t)
	// A token that the server did not make is not adopted.
	planted := strings.Repeat("A", 43)
	b := &browser{w: w, cookie: planted}
	r := b.want(200, "POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": goodPassword})
	first := r.cookie(t).Value
	if first == planted {
		t.Fatal("the planted token was adopted")
	}
	(&browser{w: w, cookie: planted}).want(401, "GET", "/api/session", nil)
	// Signing in again makes a new token and ends the old session: an attacker's own session that a victim signs in over is gone.
	b.cookie, b.csrf = first, r.body["csrf_token"].(string)
	second := b.want(200, "POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": goodPassword}).cookie(t).Value
	if second == first {
		t.Fatal("the token was not changed")
	}
	b.want(401, "GET", "/api/session", nil)
	(&browser{w: w, cookie: second}).want(200, "GET", "/api/session", nil)
}

func TestTwoCookiesOrHeadersAreRefused(t *testing.T) {
	sqldbtest.Each(t, testTwoCookiesOrHeadersAreRefused)
}

func testTwoCookiesOrHeadersAreRefused(t *testing.T) {
	w := newWorld(t)
	b := w.login("admin@acme.example")
	b.headers = map[string]string{"Cookie": api.SessionCookie + "=" + b.cookie + "; " + api.SessionCookie + "=" + strings.Repeat("B", 43)}
	b.cookie = ""
	b.want(401, "GET", "/api/session", nil)

	_, key := w.key("acme", actor.AccessManage)
	req, _ := http.NewRequest("GET", w.srv.URL+"/api/keys", nil)
	req.Header["Authorization"] = []string{"Bearer " + key, "Bearer " + key}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 401 {
		t.Fatal(res.StatusCode)
	}
}

func TestCSRF(t *testing.T) { sqldbtest.Each(t, testCSRF) }

func testCSRF(t *testing.T) {
	w := newWorld(t)
	b := w.login("admin@acme.example")
	other := w.login("admin@globex.example")
	body := map[string]any{"name": "x", "scopes": []string{"ledger.append"}}
	for name, c := range map[string]struct {
		csrf    string
		headers map[string]string
		want    int
	}{
		"token":                      {b.csrf, nil, 201},
		"no token":                   {"", nil, 403},
		"another session's token":    {other.csrf, nil, 403},
		"token, other site":          {b.csrf, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"token, sibling site":        {b.csrf, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"token, own page":            {b.csrf, map[string]string{"Sec-Fetch-Site": "same-origin"}, 201},
		"token, foreign origin":      {b.csrf, map[string]string{"Origin": "https://evil.example"}, 403},
		"token, null origin":         {b.csrf, map[string]string{"Origin": "null"}, 403},
		"token, own origin":          {b.csrf, map[string]string{"Origin": w.srv.URL}, 201},
		"token, look-alike origin":   {b.csrf, map[string]string{"Origin": w.srv.URL + ".evil.example"}, 403},
		"no token, own page":         {"", map[string]string{"Sec-Fetch-Site": "same-origin"}, 403},
		"invented header, no cookie": {"x", nil, 403},
	} {
		x := &browser{w: w, cookie: b.cookie, csrf: c.csrf, headers: c.headers}
		if r := x.do("POST", "/api/keys", body); r.status != c.want {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	// Signing in from another site is refused as well: it would put the victim into the attacker's session.
	x := &browser{w: w, headers: map[string]string{"Origin": "https://evil.example"}}
	x.want(403, "POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": goodPassword})
	// Reading needs no token, and changes nothing.
	(&browser{w: w, cookie: b.cookie, headers: map[string]string{"Sec-Fetch-Site": "cross-site"}}).want(200, "GET", "/api/session", nil)
}

func TestTenantsAreSeparate(t *testing.T) { sqldbtest.Each(t, testTenantsAreSeparate) }

func testTenantsAreSeparate(t *testing.T) {
	w := newWorld(t)
	theirKey, _ := w.key("globex", actor.LedgerAppend)
	them := w.admin["globex"]
	mine := w.login("admin@acme.example")
	_, text := w.key("acme", actor.AccessManage)
	before := w.rec.count("globex", actionKeyRevoke) + w.rec.count("globex", actionUserLock)
	for _, b := range []*browser{mine, {w: w, key: text}} {
		b.want(404, "DELETE", "/api/keys/"+theirKey.ID, nil)
		b.want(404, "PATCH", "/api/users/"+them.ID, map[string]bool{"locked": true})
		b.want(404, "PATCH", "/api/users/"+them.ID, map[string]string{"role": "writer"})
		for _, path := range []string{"/api/keys", "/api/users"} {
			if r := b.want(200, "GET", path, nil); strings.Contains(r.raw, "globex") || strings.Contains(r.raw, theirKey.ID) {
				t.Errorf("%s shows another tenant: %s", path, r.raw)
			}
		}
	}
	if after := w.rec.count("globex", actionKeyRevoke) + w.rec.count("globex", actionUserLock); after != before {
		t.Error("something was recorded for the other tenant")
	}
	// The same address may exist in both, without either noticing; each password opens its own.
	mine.want(201, "POST", "/api/users", map[string]string{"email": "admin@globex.example", "name": "Twin", "role": "writer", "password": "the-twin's-own-passphrase"})
	r := (&browser{w: w}).want(200, "POST", "/api/session", map[string]string{"email": "admin@globex.example", "password": "the-twin's-own-passphrase"})
	if r.body["tenant"].(map[string]any)["id"] != "acme" {
		t.Fatalf("%s", r.raw)
	}
	r = (&browser{w: w}).want(200, "POST", "/api/session", map[string]string{"email": "admin@globex.example", "password": goodPassword})
	if r.body["tenant"].(map[string]any)["id"] != "globex" {
		t.Fatalf("%s", r.raw)
	}
	(&browser{w: w}).want(401, "POST", "/api/session", map[string]string{"email": "admin@globex.example", "password": goodPassword, "tenant_id": "acme"})
}

func TestPrivilegesDoNotGrow(t *testing.T) { sqldbtest.Each(t, testPrivilegesDoNotGrow) }

func testPrivilegesDoNotGrow(t *testing.T) {
	w := newWorld(t)
	_, manage := w.key("acme", actor.AccessManage)
	b := &browser{w: w, key: manage}
	r := b.do("POST", "/api/keys", map[string]any{"name": "x", "scopes": []string{"ledger.view_unmasked"}})
	if r.status != 403 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	w.user("acme", "auditor@acme.example", actor.RoleAuditor)
	w.user("acme", "writer@acme.example", actor.RoleWriter)
	for _, email := range []string{"auditor@acme.example", "writer@acme.example"} {
		b := w.login(email)
		b.want(403, "GET", "/api/keys", nil)
		b.want(403, "POST", "/api/keys", map[string]any{"name": "x", "scopes": []string{"ledger.append"}})
		b.want(403, "GET", "/api/users", nil)
		b.want(403, "PATCH", "/api/users/"+w.admin["acme"].ID, map[string]bool{"locked": true})
	}
	// The service refuses by itself, whatever is in front of it.
	p := actor.Principal{TenantID: "acme", UserID: "u", Permissions: actor.RolePermissions(actor.RoleAuditor)}
	ctx := context.Background()
	_, err1 := w.s.Users(ctx, p)
	_, err2 := w.s.Keys(ctx, p)
	_, err3 := w.s.CreateUser(ctx, p, NewUser{})
	_, _, err4 := w.s.CreateKey(ctx, p, NewKey{})
	_, err5 := w.s.UpdateUser(ctx, p, "x", UserChange{})
	for i, err := range []error{err1, err2, err3, err4, err5, w.s.RevokeKey(ctx, p, "x")} {
		if errs.CodeOf(err) != errs.Forbidden {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestBruteForce(t *testing.T) { sqldbtest.Each(t, testBruteForce) }

func testBruteForce(t *testing.T) {
	w := newWorld(t)
	try := func(email, ip string) reply {
		return (&browser{w: w, ip: ip}).do("POST", "/api/session", map[string]string{"email": email, "password": "wrong-wrong-wrong"})
	}
	for _, email := range []string{"admin@acme.example", "nobody@acme.example"} {
		// Both addresses are slowed down alike, however the addresses of the attacker vary.
		var statuses []int
		var waits []int
		for i := range 12 {
			r := try(email, fmt.Sprintf("203.0.113.%d", i))
			statuses = append(statuses, r.status)
			if r.status == 429 {
				n, err := strconv.Atoi(r.header.Get("Retry-After"))
				if err != nil {
					t.Fatal("429 without Retry-After")
				}
				waits = append(waits, n)
				w.pass(time.Duration(n) * time.Second)
			}
		}
		if fmt.Sprint(statuses) != "[401 401 401 429 401 429 401 429 401 429 401 429]" || fmt.Sprint(waits) != "[1 2 4 8 16]" {
			t.Fatalf("%s: %v %v", email, statuses, waits)
		}
	}
	// The right password does not get through early, and works after the wait; then the account starts afresh.
	right := func() reply {
		return (&browser{w: w, ip: "198.51.100.7"}).do("POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": goodPassword})
	}
	try("admin@acme.example", "203.0.113.99")
	if r := right(); r.status != 429 {
		t.Fatal(r.status)
	}
	w.pass(time.Minute)
	if r := right(); r.status != 200 {
		t.Fatal(r.status)
	}
	if r := try("admin@acme.example", "203.0.113.1"); r.status != 401 {
		t.Fatal(r.status)
	}
}

func TestPasswordSpraying(t *testing.T) { sqldbtest.Each(t, testPasswordSpraying) }

func testPasswordSpraying(t *testing.T) {
	w := newWorld(t)
	refused := 0
	for i := range 40 {
		// A forged left part of X-Forwarded-For does not give the attacker a new address.
		b := &browser{w: w, ip: fmt.Sprintf("10.9.8.%d, 203.0.113.5", i)}
		if r := b.do("POST", "/api/session", map[string]string{"email": fmt.Sprintf("user%d@acme.example", i), "password": "wrong-wrong-wrong"}); r.status == 429 {
			refused++
		}
	}
	if refused != 20 {
		t.Fatalf("%d of 40 attempts from one address were refused", refused)
	}
	// Somebody with one valid account cannot use it to reset the address.
	w.pass(time.Minute)
	b := &browser{w: w, ip: "203.0.113.5"}
	b.want(200, "POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": goodPassword})
	w.pass(3 * time.Second)
	b.want(401, "POST", "/api/session", map[string]string{"email": "user91@acme.example", "password": "wrong-wrong-wrong"})
	b.want(429, "POST", "/api/session", map[string]string{"email": "user92@acme.example", "password": "wrong-wrong-wrong"})
}

func TestParallelGuessesDoNotOutrunTheCounter(t *testing.T) {
	sqldbtest.Each(t, testParallelGuessesDoNotOutrunTheCounter)
}

func testParallelGuessesDoNotOutrunTheCounter(t *testing.T) {
	w := newWorld(t)
	var judged sync.Map
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			r := (&browser{w: w, ip: fmt.Sprintf("203.0.113.%d", i)}).do("POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": "wrong-wrong-wrong"})
			if r.status == 401 {
				judged.Store(i, true)
			}
		})
	}
	wg.Wait()
	n := 0
	judged.Range(func(any, any) bool { n++; return true })
	if n != freePerAccount {
		t.Fatalf("%d guesses were judged", n)
	}
	if got := w.rec.count("acme", actionLogin); got != freePerAccount {
		t.Fatalf("%d failures recorded", got)
	}
}

// TestTimingDoesNotTell compares the median time of a refusal for an account that exists and one that does not. A missing dummy hash would make a
// difference of a factor of ten or more.
func TestTimingDoesNotTell(t *testing.T) { sqldbtest.Each(t, testTimingDoesNotTell) }

func testTimingDoesNotTell(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	attempt := func(email string) time.Duration {
		w.pass(time.Hour * 2) // no throttling
		start := time.Now()
		if _, err := w.s.Login(ctx, email, "wrong-wrong-wrong", "", ""); errs.CodeOf(err) != errs.Unauthorized {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	// The shortest of several attempts by turns is what the work takes; other programs can only lengthen it. If an account that does not exist cost no hashing, it would be quicker every time.
	exists, missing := time.Hour, time.Hour
	for range 30 {
		exists, missing = min(exists, attempt("admin@acme.example")), min(missing, attempt("nobody@acme.example"))
		if ratio := float64(exists) / float64(missing); ratio < 2 && ratio > 0.5 {
			return
		}
	}
	t.Fatalf("an account that exists: %v, one that does not: %v", exists, missing)
}

func TestUnknownAccountIsRecordedWhereItCanBe(t *testing.T) {
	sqldbtest.Each(t, testUnknownAccountIsRecordedWhereItCanBe)
}

func testUnknownAccountIsRecordedWhereItCanBe(t *testing.T) {
	const typed = "hunter2-typed-into-the-wrong-field"
	for _, tenants := range [][]string{{"acme"}, {"acme", "globex"}} {
		w := newWorld(t, tenants...)
		(&browser{w: w}).want(401, "POST", "/api/session", map[string]string{"email": typed, "password": "wrong-wrong-wrong"})
		want := 0
		if len(tenants) == 1 {
			want = 1
			if e := w.rec.last(t, "acme"); strings.Contains(fmt.Sprintf("%+v", *e), "hunter2") || e.Actor.Type != "anonymous" || e.Outcome.Status != "failure" {
				t.Fatalf("%+v", e)
			}
		}
		if got := w.rec.count("acme", actionLogin); got != want {
			t.Fatalf("%d tenants: %d events", len(tenants), got)
		}
	}
}

// TestSecretsAreNotKept looks for what must not be stored or logged in the log, every table and every file of the database.
func TestSecretsAreNotKept(t *testing.T) { sqldbtest.Each(t, testSecretsAreNotKept) }

func testSecretsAreNotKept(t *testing.T) {
	w := newWorld(t)
	b := w.login("admin@acme.example")
	key := b.want(201, "POST", "/api/keys", map[string]any{"name": "x", "scopes": []string{"ledger.append"}}).body["secret"].(string)
	b.want(201, "POST", "/api/users", map[string]string{"email": "canary-mail@acme.example", "name": "Canary Name", "role": "writer", "password": "canary-password-1"})
	(&browser{w: w}).do("POST", "/api/session", map[string]string{"email": "canary-mail@acme.example", "password": "canary-wrong-pass"})
	(&browser{w: w}).do("POST", "/api/session", `{"email": "canary-mail@acme.example", "password": {"canary-nested": 1}}`)
	(&browser{w: w}).do("POST", "/api/session?password=canary-in-query", map[string]string{"email": "x"})
	(&browser{w: w, key: key}).do("GET", "/api/keys", nil)
	if err := w.s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{"password": goodPassword, "token": b.cookie, "csrf": b.csrf, "key": key, "key secret": key[12:], "canary": "canary", "address": "admin@acme.example", "name": "Person of"}
	logs := w.logs.String()
	if !strings.Contains(logs, `"route":"/api/session"`) {
		t.Fatal("the access log is missing")
	}
	for what, s := range secrets {
		if strings.Contains(strings.ToLower(logs), strings.ToLower(s)) {
			t.Errorf("the log holds the %s", what)
		}
	}
	for name, raw := range sqldbtest.Stored(t, w.db) {
		for what, s := range secrets {
			if bytes.Contains(bytes.ToLower(raw), []byte(strings.ToLower(s))) {
				t.Errorf("%s holds the %s", name, what)
			}
		}
	}
	for _, e := range w.rec.by["acme"] {
		text := fmt.Sprintf("%+v", *e)
		for _, c := range e.Changes {
			text += string(c.Before) + string(c.After)
		}
		for _, what := range []string{"password", "token", "key", "key secret"} {
			if strings.Contains(text, secrets[what]) {
				t.Errorf("event %s holds the %s", e.Action, what)
			}
		}
	}
}

func TestHostileText(t *testing.T) { sqldbtest.Each(t, testHostileText) }

func testHostileText(t *testing.T) {
	w := newWorld(t)
	hostile := []string{"'; DROP TABLE account; --", "' OR '1'='1", "admin@acme.example' --", "\" OR 1=1", "%", "_", "\\", "$1", "?", "${jndi:ldap://x}", "<script>alert(1)</script>",
		"\u202e", "a\u0000b", "../../etc/passwd", strings.Repeat("A", 5000), "🦄", "İ", "ﬀ"}
	for _, s := range hostile {
		tryHostile(t, w, s)
	}
	w.login("admin@acme.example").want(200, "GET", "/api/users", nil)
	var n int
	if err := w.db.Read(context.Background()).QueryRow(`SELECT COUNT(*) FROM account`).Scan(&n); err != nil || n != 2 {
		t.Fatalf("%d accounts: %v", n, err)
	}
}

// tryHostile puts s wherever text goes in; nothing may crash, sign in, or reach another tenant.
func tryHostile(t *testing.T, w *world, s string) {
	t.Helper()
	w.pass(2 * time.Hour)
	ctx := context.Background()
	if _, err := w.s.Login(ctx, s, s, s, s); errs.CodeOf(err) != errs.Unauthorized {
		t.Errorf("login %q: %v", s, err)
	}
	for _, auth := range []string{s, "pk_" + s, "pk_abcdefgh_" + s} {
		if p, err := w.s.byKey(ctx, auth); err == nil || p.TenantID != "" {
			t.Errorf("key %q accepted", auth)
		}
	}
	if p, err := w.s.bySession(ctx, s); err == nil || p.TenantID != "" {
		t.Errorf("token %q accepted", s)
	}
	sys := actor.System("acme")
	if err := w.s.RevokeKey(ctx, sys, s); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("revoke %q: %v", s, err)
	}
	locked := true
	if _, err := w.s.UpdateUser(ctx, sys, s, UserChange{Locked: &locked}); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("lock %q: %v", s, err)
	}
	k, _, err := w.s.CreateKey(ctx, sys, NewKey{Name: s, Scopes: []string{actor.LedgerAppend}})
	if err == nil {
		keys, err := w.s.Keys(ctx, sys)
		if err != nil || !slices.ContainsFunc(keys, func(x Key) bool { return x.ID == k.ID && x.Name == strings.TrimSpace(s) }) {
			t.Errorf("key name %q was not kept as it is: %v", s, err)
		}
	} else if errs.CodeOf(err) != errs.Invalid {
		t.Errorf("key name %q: %v", s, err)
	}
}

func TestHostileCorpora(t *testing.T) { sqldbtest.Each(t, testHostileCorpora) }

func testHostileCorpora(t *testing.T) {
	dir := testdata.Dir(t)
	w := newWorld(t)
	b := w.login("admin@acme.example")
	n := 0
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || n > 400 || !(strings.Contains(path, "sql") || strings.Contains(path, "blns")) || !strings.HasSuffix(path, ".txt") {
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(raw), "\n") {
			if i%5 == 0 && line != "" && !strings.HasPrefix(line, "#") && n <= 400 {
				n++
				if !tryQuick(t, w, line) {
					t.Errorf("%s:%d", path, i+1)
				}
			}
		}
		return nil
	})
	b.want(200, "GET", "/api/users", nil)
	t.Logf("%d lines tried", n)
}

// tryQuick is tryHostile without the parts that hash passwords.
func tryQuick(t *testing.T, w *world, s string) bool {
	t.Helper()
	ctx := context.Background()
	_, err1 := w.s.byKey(ctx, "pk_abcdefgh_"+s)
	_, err2 := w.s.bySession(ctx, s)
	err3 := w.s.RevokeKey(ctx, actor.System("acme"), s)
	found, err4 := accountsByEmail(ctx, w.db.Read(ctx), w.s.emailIndex(s), s)
	return err1 != nil && err2 != nil && errs.CodeOf(err3) == errs.NotFound && err4 == nil && len(found) == 0
}

func TestPasswordHash(t *testing.T) {
	h := newHasher()
	ctx := context.Background()
	phc, err := h.hash(ctx, "pässwörd-long-enough")
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(phc, err)
	}
	for password, want := range map[string]bool{"pässwörd-long-enough": true, "pa\u0308sswo\u0308rd-long-enough": true, "passwörd-long-enough": false, "": false} {
		if ok, err := h.verify(ctx, phc, password); err != nil || ok != want {
			t.Errorf("%q: %v %v", password, ok, err)
		}
	}
	// The dummy is no account's password, even for whoever finds its preimage.
	if ok, err := h.verify(ctx, "", "anything"); ok || err != nil {
		t.Fatal(ok, err)
	}
	for _, bad := range []string{"x", "$argon2id$v=19$m=9999999,t=2,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2i$v=19$m=64,t=2,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=2,p=1$!$!"} {
		if ok, err := h.verify(ctx, bad, "x"); ok || errs.CodeOf(err) != errs.Internal {
			t.Errorf("%s: %v %v", bad, ok, err)
		}
	}
}

func TestOutdatedHashIsRenewed(t *testing.T) { sqldbtest.Each(t, testOutdatedHashIsRenewed) }

func testOutdatedHashIsRenewed(t *testing.T) {
	w := newWorld(t)
	salt := []byte("0123456789abcdef")
	old := strings.Replace(encodePHC(salt, argon2.IDKey([]byte(goodPassword), salt, 1, 8<<10, 1, 32)), "m=19456,t=2", "m=8192,t=1", 1)
	setHash(t, w, w.admin["acme"].ID, old)
	w.login("admin@acme.example")
	a, err := in(w.db.Read(context.Background()), "acme").account(context.Background(), w.admin["acme"].ID)
	if err != nil || outdated(a.hash) {
		t.Fatal("the hash was not renewed", err)
	}
	w.login("admin@acme.example")
}

func TestKeyText(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		text, prefix, hash := newKeyText()
		if got, ok := splitKey(text); !ok || got != prefix || len(hash) != 32 || seen[text] {
			t.Fatal(text, prefix)
		}
		seen[text] = true
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		if p, ok := splitKey(s); ok && (len(s) != keyLength || !strings.HasPrefix(s, p)) {
			t.Fatal(s)
		}
	})
}

func TestWaits(t *testing.T) {
	for failures, want := range map[int64]time.Duration{0: 0, 2: 0, 3: time.Second, 4: 2 * time.Second, 10: 128 * time.Second, 13: maxWait, 1 << 40: maxWait} {
		if got := waitAfter(failures, freePerAccount); got != want {
			t.Errorf("%d: %v", failures, got)
		}
	}
}
