package access

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/crypt"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/event"
)

// recorder stands for the ledger: it runs the effect in a transaction and keeps the event if that commits.
type recorder struct {
	db   *sqldb.DB
	mu   sync.Mutex
	by   map[string][]*event.Event
	fail error
}

func (r *recorder) Record(ctx context.Context, tenant string, e *event.Event, effect func(context.Context, *sql.Tx) error) error {
	if r.fail != nil {
		return r.fail
	}
	if err := e.Normalise(time.Now()); err != nil {
		return err
	}
	if err := r.db.Write(ctx, func(tx *sql.Tx) error { return effect(ctx, tx) }); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by[tenant] = append(r.by[tenant], e)
	return nil
}

func (r *recorder) RecordLater(ctx context.Context, tenant string, e *event.Event, effect func(context.Context, *sql.Tx) error) error {
	return r.Record(ctx, tenant, e, effect)
}

func (r *recorder) last(t *testing.T, tenant string) *event.Event {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.by[tenant]) == 0 {
		t.Fatal("nothing was recorded")
	}
	return r.by[tenant][len(r.by[tenant])-1]
}

func (r *recorder) count(tenant, action string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.by[tenant] {
		if e.Action == action {
			n++
		}
	}
	return n
}

// world is two tenants, each with an admin, behind a real server.
type world struct {
	t     *testing.T
	db    *sqldb.DB
	s     *Service
	rec   *recorder
	api   *api.API
	srv   *httptest.Server
	logs  *lockedBuffer
	mu    sync.Mutex
	clock time.Time
	keys  map[string]*crypt.Tenant
	admin map[string]User
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const goodPassword = "a-rather-long-passphrase-7"

// testOrigin is the address of the server, whatever the Host header says.
const testOrigin = "https://audit.example"

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func newWorld(t *testing.T, tenants ...string) *world {
	t.Helper()
	ctx := context.Background()
	dir := t.TempDir()
	db := sqldbtest.Open(t)
	kms, err := crypt.CreateFileKMS(filepath.Join(dir, "master.json"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, logs: &lockedBuffer{}, clock: time.Now().Truncate(time.Microsecond), keys: map[string]*crypt.Tenant{}, admin: map[string]User{}}
	w.rec = &recorder{db: db, by: map[string][]*event.Event{}}
	if len(tenants) == 0 {
		tenants = []string{"acme", "globex"}
	}
	for _, id := range tenants {
		keys, wrapped, err := crypt.NewTenant(ctx, kms, id)
		if err != nil {
			t.Fatal(err)
		}
		w.keys[id] = keys
		err = db.Write(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO tenant (id, no, name, keyset, created_at) VALUES ($1, (SELECT COUNT(*) + 1 FROM tenant), $2, $3, $4)`, id, strings.ToUpper(id), wrapped, sqldb.Now())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.s, err = New(ctx, Options{DB: db, Recorder: w.rec, KMS: kms, Logger: log, Now: w.now, Secure: true, PublicURL: testOrigin, Instance: "test",
		TenantKeys: func(_ context.Context, id string) (*crypt.Tenant, error) { return w.keys[id], nil }})
	if err != nil {
		t.Fatal(err)
	}
	proxies, _ := api.ParseProxies([]string{"127.0.0.1", "::1"})
	w.api = api.New(api.Options{Logger: log, Auth: w.s, StepUp: w.s.StepUpPolicy(), StillThere: w.s.StillThere, PublicOrigin: testOrigin, Proxies: api.Proxies{Trusted: proxies}})
	w.s.Register(w.api)
	w.srv = httptest.NewServer(w.api)
	t.Cleanup(w.srv.Close)
	for _, id := range tenants {
		w.admin[id] = w.user(id, "admin@"+id+".example", actor.RoleAdmin)
	}
	return w
}

func (w *world) user(tenant, email, role string) User {
	w.t.Helper()
	u, err := w.s.CreateUser(context.Background(), actor.System(tenant), NewUser{Email: email, Name: "Person of " + tenant, Role: role, Password: goodPassword})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// browser is a client with a cookie and a CSRF token, or an application with a key.
type browser struct {
	w       *world
	cookie  string
	csrf    string
	key     string
	ip      string
	headers map[string]string
}

type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (b *browser) do(method, path string, body any) reply {
	b.w.t.Helper()
	var r io.Reader
	if s, ok := body.(string); ok {
		r = strings.NewReader(s)
	} else if body != nil {
		j, err := json.Marshal(body)
		if err != nil {
			b.w.t.Fatal(err)
		}
		r = bytes.NewReader(j)
	}
	req, err := http.NewRequest(method, b.w.srv.URL+path, r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if b.cookie != "" {
		req.AddCookie(&http.Cookie{Name: api.SessionCookie, Value: b.cookie})
	}
	if b.csrf != "" {
		req.Header.Set(api.CSRFHeader, b.csrf)
	}
	if b.key != "" {
		req.Header.Set("Authorization", "Bearer "+b.key)
	}
	if b.ip != "" {
		req.Header.Set("X-Forwarded-For", b.ip)
	}
	for k, v := range b.headers {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.w.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.w.t.Fatal(err)
	}
	out := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &out.body)
	return out
}

func (b *browser) want(status int, method, path string, body any) reply {
	b.w.t.Helper()
	r := b.do(method, path, body)
	if r.status != status {
		b.w.t.Fatalf("%s %s: %d, want %d: %s", method, path, r.status, status, r.raw)
	}
	return r
}

func (r reply) cookie(t *testing.T) *http.Cookie {
	t.Helper()
	for _, c := range (&http.Response{Header: r.header}).Cookies() {
		if c.Name == api.SessionCookie {
			return c
		}
	}
	t.Fatal("no session cookie in the answer")
	return nil
}

func (w *world) login(email string) *browser {
	w.t.Helper()
	b := &browser{w: w}
	r := b.want(200, "POST", "/api/session", map[string]string{"email": email, "password": goodPassword})
	b.cookie, b.csrf = r.cookie(w.t).Value, r.body["csrf_token"].(string)
	return b
}

func (w *world) key(tenant string, scopes ...string) (Key, string) {
	w.t.Helper()
	k, text, err := w.s.CreateKey(context.Background(), actor.System(tenant), NewKey{Name: "k", Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	return k, text
}

func TestSession(t *testing.T) { sqldbtest.Each(t, testSession) }

func testSession(t *testing.T) {
	w := newWorld(t)
	b := &browser{w: w}
	b.want(401, "GET", "/api/session", nil)
	r := b.want(200, "POST", "/api/session", map[string]string{"email": " Admin@ACME.example ", "password": goodPassword})
	user, tenant := r.body["user"].(map[string]any), r.body["tenant"].(map[string]any)
	if user["role"] != "admin" || user["email"] != "admin@acme.example" || len(user["permissions"].([]any)) != len(actor.Permissions()) || tenant["name"] != "ACME" || tenant["id"] != "acme" {
		t.Fatalf("%s", r.raw)
	}
	c := r.cookie(t)
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) != 43 {
		t.Fatalf("cookie %v", c)
	}
	b.cookie, b.csrf = c.Value, r.body["csrf_token"].(string)
	if got := b.want(200, "GET", "/api/session", nil); got.body["csrf_token"] != b.csrf || got.body["expires_at"] != r.body["expires_at"] {
		t.Fatalf("%s", got.raw)
	}
	e := w.rec.last(t, "acme")
	if e.Action != "session.login" || e.Category != "auth" || e.Outcome.Status != "success" || e.Actor.ID != w.admin["acme"].ID || e.Context.SessionID == "" ||
		strings.Contains(c.Value, e.Context.SessionID) || e.Context.IP != "127.0.0.1" || e.Context.RequestID == "" {
		t.Fatalf("%+v", e)
	}
	out := b.want(204, "DELETE", "/api/session", nil)
	if out.cookie(t).MaxAge >= 0 {
		t.Fatal("signing out deletes the cookie")
	}
	b.want(401, "GET", "/api/session", nil)
	if w.rec.last(t, "acme").Action != "session.logout" {
		t.Fatal("logout not recorded")
	}
}

func TestSessionEnds(t *testing.T) { sqldbtest.Each(t, testSessionEnds) }

func testSessionEnds(t *testing.T) {
	w := newWorld(t)
	b := w.login("admin@acme.example")
	for range 10 { // kept alive by use, across flushes
		w.pass(29 * time.Minute)
		b.want(200, "GET", "/api/session", nil)
		if err := w.s.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(31 * time.Minute)
	b.want(401, "GET", "/api/session", nil)

	b = w.login("admin@acme.example")
	for range 24 {
		w.pass(29 * time.Minute)
		b.want(200, "GET", "/api/session", nil)
	}
	w.pass(29 * time.Minute) // 12 h 5 min after signing in
	b.want(401, "GET", "/api/session", nil)
	if err := w.s.Sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := w.db.Read(context.Background()).QueryRow(`SELECT COUNT(*) FROM session`).Scan(&n); err != nil || n != 0 {
		t.Fatalf("%d sessions left: %v", n, err)
	}
}

func TestKeys(t *testing.T) { sqldbtest.Each(t, testKeys) }

func testKeys(t *testing.T) {
	w := newWorld(t)
	b := w.login("admin@acme.example")
	r := b.want(201, "POST", "/api/keys", map[string]any{"name": "booking", "scopes": []string{"access.manage", "ledger.append", "ledger.append"}, "sources": []string{"booking.*"}})
	text, prefix := r.body["secret"].(string), r.body["prefix"].(string)
	if len(text) != 55 || !strings.HasPrefix(text, prefix+"_") || len(r.body["scopes"].([]any)) != 2 {
		t.Fatalf("%s", r.raw)
	}
	app := &browser{w: w, key: text}
	list := app.want(200, "GET", "/api/keys", nil)
	if strings.Contains(list.raw, text) || !strings.Contains(list.raw, prefix) || strings.Contains(list.raw, "last_used_at") {
		t.Fatalf("%s", list.raw)
	}
	if err := w.s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if list = app.want(200, "GET", "/api/keys", nil); !strings.Contains(list.raw, "last_used_at") {
		t.Fatalf("%s", list.raw)
	}
	// Application keys need no CSRF token, and have no session.
	app.want(401, "DELETE", "/api/session", nil)
	p, err := w.s.byKey(context.Background(), text)
	if err != nil || !p.MayWriteAs("booking.api") || p.MayWriteAs("shop") || p.Can(actor.LedgerSearch) || p.TenantID != "acme" {
		t.Fatalf("%+v %v", p, err)
	}
	b.want(204, "DELETE", "/api/keys/"+r.body["id"].(string), nil)
	app.want(401, "GET", "/api/keys", nil)
	b.want(404, "DELETE", "/api/keys/"+r.body["id"].(string), nil)
	if w.rec.count("acme", "api_key.create") != 1 || w.rec.count("acme", "api_key.revoke") != 1 {
		t.Fatal("not recorded once each")
	}
	for name, bad := range map[string]map[string]any{
		"no scopes":      {"name": "x", "scopes": []string{}},
		"unknown scope":  {"name": "x", "scopes": []string{"root"}},
		"bad source":     {"name": "x", "scopes": []string{"ledger.append"}, "sources": []string{"A b"}},
		"past expiry":    {"name": "x", "scopes": []string{"ledger.append"}, "expires_at": "2020-01-01T00:00:00Z"},
		"no name":        {"name": " ", "scopes": []string{"ledger.append"}},
		"unknown member": {"name": "x", "scopes": []string{"ledger.append"}, "tenant_id": "globex"},
	} {
		if r := b.do("POST", "/api/keys", bad); r.status != 400 || r.body["code"] != "invalid" {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
}

func TestKeyExpires(t *testing.T) { sqldbtest.Each(t, testKeyExpires) }

func testKeyExpires(t *testing.T) {
	w := newWorld(t)
	_, text, err := w.s.CreateKey(context.Background(), actor.System("acme"), NewKey{Name: "k", Scopes: []string{actor.AccessManage}, ExpiresAt: w.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	app := &browser{w: w, key: text}
	app.want(200, "GET", "/api/keys", nil)
	w.pass(time.Hour)
	app.want(401, "GET", "/api/keys", nil)
}

func TestUsers(t *testing.T) { sqldbtest.Each(t, testUsers) }

func testUsers(t *testing.T) {
	w := newWorld(t)
	b := w.login("admin@acme.example")
	r := b.want(201, "POST", "/api/users", map[string]string{"email": "Ana@Acme.example", "name": "Ana", "role": "auditor", "password": goodPassword})
	id := r.body["id"].(string)
	if r.body["email"] != "ana@acme.example" || strings.Contains(r.raw, "password") {
		t.Fatalf("%s", r.raw)
	}
	b.want(409, "POST", "/api/users", map[string]string{"email": "ana@ACME.example", "name": "Ana", "role": "auditor", "password": goodPassword})
	ana := w.login("ana@acme.example")
	ana.want(403, "GET", "/api/users", nil)

	// A changed role counts from the next request on.
	b.want(200, "PATCH", "/api/users/"+id, map[string]string{"role": "admin"})
	e := w.rec.last(t, "acme")
	if e.Action != "user.update" || len(e.Changes) != 1 || string(e.Changes[0].Before) != `"auditor"` || string(e.Changes[0].After) != `"admin"` || e.Subject.ID != id {
		t.Fatalf("%+v", e)
	}
	key := ana.want(201, "POST", "/api/keys", map[string]any{"name": "x", "scopes": []string{"access.manage"}}).body["secret"].(string)
	app := &browser{w: w, key: key}
	app.want(200, "GET", "/api/users", nil)

	// Locking ends sessions, keys and logins at once; the session does not come back with the unlocking.
	b.want(200, "PATCH", "/api/users/"+id, map[string]bool{"locked": true})
	app.want(401, "GET", "/api/users", nil)
	ana.want(401, "GET", "/api/session", nil)
	if e := w.rec.last(t, "acme"); e.Action != "user.lock" || e.Activity != "lock" {
		t.Fatalf("%+v", e)
	}
	if r := (&browser{w: w}).do("POST", "/api/session", map[string]string{"email": "ana@acme.example", "password": goodPassword}); r.status != 401 || strings.Contains(r.raw, "lock") {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	b.want(200, "PATCH", "/api/users/"+id, map[string]bool{"locked": false})
	app.want(200, "GET", "/api/users", nil)
	ana.want(401, "GET", "/api/session", nil)

	// Nobody can be left without an admin.
	me := w.admin["acme"].ID
	b.want(409, "PATCH", "/api/users/"+me, map[string]bool{"locked": true})
	b.want(409, "PATCH", "/api/users/"+me, map[string]string{"role": "writer"})
	sys := actor.System("acme")
	locked, writer := true, "writer"
	if _, err := w.s.UpdateUser(context.Background(), sys, id, UserChange{Locked: &locked}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []UserChange{{Locked: &locked}, {Role: &writer}} {
		if _, err := w.s.UpdateUser(context.Background(), sys, me, c); err == nil || !strings.Contains(err.Error(), "last admin") {
			t.Fatalf("%v", err)
		}
	}
	for name, bad := range map[string]map[string]string{
		"display name": {"email": "Ana <ana2@acme.example>", "name": "A", "role": "auditor", "password": goodPassword},
		"no at":        {"email": "ana2", "name": "A", "role": "auditor", "password": goodPassword},
		"role":         {"email": "ana2@acme.example", "name": "A", "role": "root", "password": goodPassword},
		"control":      {"email": "ana2@acme.example", "name": "A\u0000", "role": "auditor", "password": goodPassword},
		"short":        {"email": "ana2@acme.example", "name": "A", "role": "auditor", "password": "sh0rtie"},
		"is e-mail":    {"email": "ana2@acme.example", "name": "A", "role": "auditor", "password": "ANA2@acme.example"},
		"common":       {"email": "ana2@acme.example", "name": "A", "role": "auditor", "password": "Password1234"},
		"repeats":      {"email": "ana2@acme.example", "name": "A", "role": "auditor", "password": "aaaaaaaaaaab"},
	} {
		r := b.do("POST", "/api/users", bad)
		if r.status != 400 || strings.Contains(r.raw, bad["password"]) {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
}

func TestChangePassword(t *testing.T) { sqldbtest.Each(t, testChangePassword) }

func testChangePassword(t *testing.T) {
	w := newWorld(t)
	one, two := w.login("admin@acme.example"), w.login("admin@acme.example")
	const next = "another-fine-passphrase-9"
	if r := one.want(400, "POST", "/api/session/password", map[string]string{"current": "not-the-password", "new": next}); !strings.Contains(r.raw, "/current") {
		t.Fatalf("%s", r.raw)
	}
	if e := w.rec.last(t, "acme"); e.Action != "user.password_change" || e.Outcome.Status != "failure" {
		t.Fatalf("%+v", e)
	}
	one.want(400, "POST", "/api/session/password", map[string]string{"current": goodPassword, "new": "short"})
	one.want(204, "POST", "/api/session/password", map[string]string{"current": goodPassword, "new": next})
	one.want(200, "GET", "/api/session", nil)
	two.want(401, "GET", "/api/session", nil)
	b := &browser{w: w}
	b.want(401, "POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": goodPassword})
	b.want(200, "POST", "/api/session", map[string]string{"email": "admin@acme.example", "password": next})

	if err := w.s.ResetPassword(context.Background(), actor.System("acme"), "admin@acme.example", goodPassword, "test"); err != nil {
		t.Fatal(err)
	}
	one.want(401, "GET", "/api/session", nil)
	w.login("admin@acme.example")
	if err := w.s.ResetPassword(context.Background(), actor.Principal{TenantID: "acme", UserID: "u", Permissions: actor.Permissions()}, "admin@acme.example", next, "test"); err == nil {
		t.Fatal("only the operator resets")
	}
}

func TestNothingHappensWithoutItsEvent(t *testing.T) {
	sqldbtest.Each(t, testNothingHappensWithoutItsEvent)
}

func testNothingHappensWithoutItsEvent(t *testing.T) {
	w := newWorld(t)
	b := w.login("admin@acme.example")
	w.rec.fail = errUnavailable
	b.want(503, "POST", "/api/keys", map[string]any{"name": "x", "scopes": []string{"ledger.append"}})
	b.want(503, "POST", "/api/users", map[string]string{"email": "x@acme.example", "name": "X", "role": "writer", "password": goodPassword})
	w.rec.fail = nil
	if r := b.want(200, "GET", "/api/keys", nil); !strings.Contains(r.raw, `"items":[]`) {
		t.Fatalf("%s", r.raw)
	}
	if r := b.want(200, "GET", "/api/users", nil); strings.Contains(r.raw, "x@acme") {
		t.Fatalf("%s", r.raw)
	}
	b.want(200, "GET", "/api/session", nil)
}

func setHash(t *testing.T, w *world, id, hash string) {
	t.Helper()
	ctx := context.Background()
	err := w.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE account SET password_hash = $1 WHERE id = $2`, hash, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
