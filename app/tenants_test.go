package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/access"
	"probity.dev/access/tenant"
	"probity.dev/internal/actor"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/verify"
)

// landlord is the first tenant of an installation, which operates it.
type landlord struct {
	*site
	h    http.Handler
	boss *occupant
}

func newLandlord(t *testing.T) *landlord {
	s := newSite(t, func(c *config.Config) { c.SealAfter = 24 * time.Hour })
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	boss := &occupant{t: t, http: &http.Client{Transport: inProcess{h}}, id: s.tenant, email: "boss@example.com", password: "a-rather-long-passphrase-7", ids: map[string]string{}}
	hireWith(t, s.App, s.tenant, boss.email, boss.password)
	boss.signIn()
	return &landlord{s, h, boss}
}

func (l *landlord) tenantInfo(t *testing.T, res got) (info struct {
	ID, Name, State, Problem string
	Events                   int
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(res.body), &info); err != nil {
		t.Fatal(res.status, res.body)
	}
	return info
}

func (o *occupant) want(status int, how credential, method, path, body string) got {
	o.t.Helper()
	res := o.send(how, method, path, "application/json", body)
	if res.status != status {
		o.t.Fatalf("%v: %s %s: %d, want %d: %s", how, method, path, res.status, status, res.body)
	}
	return res
}

// TestTenants makes a tenant over the API, suspends it and lets it go on.
func TestTenants(t *testing.T) { sqldbtest.Each(t, testTenants) }

func testTenants(t *testing.T) {
	l := newLandlord(t)
	other := newOccupant(t, l.App, l.h, "other")
	var made struct {
		Tenant   struct{ ID, LogID string }
		Password string `json:"admin_password"`
	}
	res := l.boss.want(201, bySession, "POST", "/api/tenants", `{"name":"North Clinic","admin_email":"nora@north.example","admin_name":"Nora"}`)
	if err := json.Unmarshal([]byte(res.body), &made); err != nil || made.Password == "" || !strings.Contains(res.text, "no-store") {
		t.Fatal(res.text, err)
	}
	l.boss.want(409, bySession, "POST", "/api/tenants", `{"name":"north clinic","admin_email":"nora@north.example","admin_name":"Nora"}`)
	// Whatever they may do at home, others manage no tenants.
	for _, how := range []credential{bySession, byKey} {
		other.want(403, how, "GET", "/api/tenants", "")
		other.want(403, how, "POST", "/api/tenants", `{"name":"x","admin_email":"x@x.example","admin_name":"x"}`)
		other.want(403, how, "POST", "/api/tenants/"+l.tenant+"/suspend", `{"reason":"x"}`)
	}
	nora := &occupant{t: t, http: l.boss.http, id: made.Tenant.ID, email: "nora@north.example", password: made.Password, ids: map[string]string{}}
	nora.signIn()
	nora.key = nora.make("POST", "/api/keys", `{"name":"app","scopes":["ledger.append","ledger.search","exports.create","jobs.view"]}`, "secret", "key")
	nora.want(201, byKey, "POST", "/api/events", `{"source":"x","action":"a.b","actor":{"type":"user","id":"u"}}`)
	path := "/api/tenants/" + nora.id

	l.boss.want(400, bySession, "POST", path+"/suspend", `{"reason":" "}`)
	l.boss.want(409, bySession, "POST", path+"/resume", `{"reason":"x"}`)
	l.boss.want(409, bySession, "POST", "/api/tenants/"+l.tenant+"/suspend", `{"reason":"x"}`)
	l.boss.want(404, bySession, "POST", "/api/tenants/none/suspend", `{"reason":"x"}`)
	second := tenant.NewService(tenant.Options{DB: l.db, Ledger: tenantLedger{l.App}, Recorder: recorder{l.Ledger}, Sealer: sealer{l.Ledger}, Denials: l.denials}) // as another server would know it
	if err := second.Check(t.Context(), nora.id); err != nil {
		t.Fatal(err)
	}
	nora.want(202, byKey, "POST", "/api/exports", `{"format":"csv"}`) // waits: no job runs yet
	l.boss.want(200, bySession, "POST", path+"/suspend", `{"reason":"unpaid"}`)
	start := time.Now()
	for second.Check(t.Context(), nora.id) == nil {
		if time.Since(start) > time.Second {
			t.Fatal("another server does not know it after a second")
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, how := range []credential{bySession, byKey} {
		if res := nora.want(403, how, "GET", "/api/events", ""); !strings.Contains(res.body, "problem-tenant_suspended") {
			t.Error(res.body)
		}
		nora.want(403, how, "POST", "/api/events", `{"source":"x","action":"a.b","actor":{"type":"user","id":"u"}}`)
	}
	if res := nora.want(403, byNobody, "POST", "/api/session", `{"email":"nora@north.example","password":"`+nora.password+`"}`); !strings.Contains(res.body, "tenant_suspended") {
		t.Error(res.body)
	}
	nora.want(401, byNobody, "POST", "/api/session", `{"email":"nora@north.example","password":"not the password"}`) // only who knows it is told
	nora.want(200, bySession, "GET", "/healthz", "")
	if err := l.Access.StillThere(t.Context(), actor.Principal{}); err != nil {
		t.Error(err)
	}
	if err := l.stillThere(t.Context(), actor.Principal{TenantID: nora.id, KeyID: "x"}); errs.CodeOf(err) != errs.Forbidden {
		t.Error("streams go on: ", err)
	}
	// Others are not concerned, and background work of the tenant waits.
	other.want(201, byKey, "POST", "/api/events", `{"source":"x","action":"a.b","actor":{"type":"user","id":"u"}}`)
	if err := errors.Join(l.exports.Service.Start(t.Context()), l.jobs.Start(t.Context())); err != nil {
		t.Fatal(err)
	}
	defer l.exports.Service.Close()
	defer l.stopJobs()
	other.want(202, byKey, "POST", "/api/exports", `{"format":"csv"}`)
	other.first("/api/exports", "download_url", "file")
	if state := l.scalar(t, `SELECT status FROM export WHERE tenant_id = $1`, nora.id); state != "queued" {
		t.Errorf("the export of a suspended tenant is %s", state)
	}
	l.boss.want(200, bySession, "POST", path+"/resume", `{"reason":"paid"}`)
	nora.want(200, bySession, "GET", "/api/events", "")
	nora.first("/api/exports", "download_url", "file")
	for who, query := range map[*occupant]string{l.boss: "?action=tenant.*", nora: "?action=tenant.state"} {
		list := who.want(200, bySession, "GET", "/api/events"+query, "").body
		if !strings.Contains(list, "unpaid") || !strings.Contains(list, "paid") || strings.Contains(list, "boss@") && who == nora {
			t.Error(list)
		}
	}
	if list := other.want(200, bySession, "GET", "/api/events?action=tenant.*", "").body; strings.Count(list, `"denied"`) < 2 {
		t.Error("refused attempts are not recorded: " + list)
	}
}

func (s *site) scalar(t *testing.T, query string, args ...any) (text string) {
	t.Helper()
	if err := s.db.Read(t.Context()).QueryRowContext(t.Context(), query, args...).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// flawed is a ledger that is held, or fails at the end of its work, when that is asked for.
type flawed struct {
	tenant.Ledger
	held int
	fail error
}

func (f *flawed) Held(context.Context, string) (int, error) { return f.held, nil }

func (f *flawed) Forget(ctx context.Context, id string) error {
	return errors.Join(f.Ledger.Forget(ctx, id), f.fail)
}

// TestTenantIsDeleted gives a tenant up: what can be deleted is, once its time has come and no hold keeps it, whatever interrupts that; its log can be verified before and after a restart, and a backup holds it.
func TestTenantIsDeleted(t *testing.T) { sqldbtest.Each(t, testTenantIsDeleted) }

func testTenantIsDeleted(t *testing.T) {
	l := newLandlord(t)
	gone := newOccupant(t, l.App, l.h, "a")
	gone.ids["tenant"], gone.ids["log"] = gone.id, gone.log
	gone.make("POST", "/api/events", `{"source":"src","action":"act.do","actor":{"type":"user","id":"actor-zkanary","name":"Ana zkanary","email":"ana@zkanary.example"}}`, "", "")
	gone.make("POST", "/api/schedules", `{"name":"s","format":"csv","period":"all","timing":{"every":"day","at":"03:00","time_zone":"UTC"}}`, "id", "schedule")
	gone.make("POST", "/api/exports", `{"format":"csv"}`, "id", "export")
	gone.make("POST", "/api/session/factors", `{"kind":"totp","name":"phone"}`, "id", "factor")
	f, now := &flawed{Ledger: tenantLedger{l.App}, held: 1}, time.Now()
	s := tenant.NewService(tenant.Options{DB: l.db, Ledger: f, Recorder: recorder{l.Ledger}, Sealer: sealer{l.Ledger}, Denials: l.denials, Now: func() time.Time { return now }})
	by, ctx := actor.System(l.tenant), context.Background()
	if _, err := s.GiveUp(ctx, by, gone.id, "a", "closed", 30); errs.CodeOf(err) != errs.Conflict || !strings.Contains(err.Error(), "legal hold") {
		t.Fatal(err)
	}
	f.held = 0
	path := "/api/tenants/" + gone.id
	l.boss.want(400, bySession, "DELETE", path, `{"confirm":"b","reason":"closed"}`)
	if info := l.tenantInfo(t, l.boss.want(200, bySession, "DELETE", path, `{"confirm":"a","reason":"closed","grace_days":1}`)); info.State != "leaving" {
		t.Fatal(info)
	}
	gone.want(403, byKey, "GET", "/api/events", "")
	l.boss.want(200, bySession, "POST", path+"/take-back", `{"reason":"a mistake"}`)
	l.boss.want(200, bySession, "POST", path+"/resume", `{"reason":"a mistake"}`)
	gone.want(200, byKey, "GET", "/api/events", "")
	l.boss.want(200, bySession, "DELETE", path, `{"confirm":"a","reason":"closed","grace_days":1}`)

	state := func() string { return l.tenantInfo(t, l.boss.want(200, bySession, "GET", path, "")).State }
	sweep := func() error {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) { // until everything is signed
			if err := s.Sweep(ctx); errs.CodeOf(err) != errs.Unavailable || time.Now().After(end) {
				return err
			}
		}
	}
	if err := sweep(); err != nil || state() != "leaving" {
		t.Fatal("before its time: ", err, state())
	}
	now = now.Add(25 * time.Hour)
	f.held = 2
	if err := errors.Join(sweep(), sweep()); err != nil || state() != "leaving" {
		t.Fatal(err)
	}
	if info := l.tenantInfo(t, l.boss.want(200, bySession, "GET", path, "")); !strings.Contains(info.Problem, "2 legal holds") {
		t.Error(info)
	}
	f.held, f.fail = 0, errors.New("the power failed")
	if err := sweep(); !errors.Is(err, f.fail) || state() != "leaving" {
		t.Fatal(err)
	}
	f.fail = nil
	if err := sweep(); err != nil || state() != "deleted" {
		t.Fatal(err, state())
	}
	for action, want := range map[string]int{"tenant.delete": 1, "tenant.delete_blocked": 1} {
		if list := l.boss.want(200, bySession, "GET", "/api/events?action="+action, "").body; strings.Count(list, `"action":"`+action+`"`) != want {
			t.Errorf("%s: %s", action, list)
		}
	}
	l.nothingLeft(t, gone)
	l.provable(t, gone)
	l.boss.want(409, bySession, "POST", path+"/take-back", `{"reason":"too late"}`)
	if res := gone.send(byKey, "GET", "/api/events", "", ""); res.status != 401 && res.status != 403 { // for a moment, the key is still known
		t.Error(res.status)
	}
	if _, err := l.Ledger.Tenant(ctx, gone.id); err != nil {
		t.Error(err)
	}
	// After a restart, and from a backup.
	l.backUp(t)
	cfg := l.cfg
	l.stop(t)
	a, err := Open(ctx, cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	l.App = a
	l.provable(t, gone)
}

// nothingLeft looks into every table that has a tenant's column.
func (l *landlord) nothingLeft(t *testing.T, gone *occupant) {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range columnsOf(t, l.db) {
		query := `SELECT COUNT(*) FROM ` + c.table + ` WHERE tenant_id = $1`
		if c.name == "tenant_no" {
			query = `SELECT COUNT(*) FROM ` + c.table + ` WHERE tenant_no = (SELECT no FROM tenant WHERE id = $1)`
		} else if c.name != "tenant_id" {
			continue
		}
		seen[c.table] = true
		if n := l.scalar(t, query, gone.id); n != "0" && !slices.Contains(tenant.Kept(), c.table) {
			t.Errorf("%s rows of the deleted tenant are left in %s", n, c.table)
		}
	}
	for _, table := range append(tenant.Forgotten(), tenant.Kept()...) {
		if !seen[table] {
			t.Errorf("no table of tenants is called %s", table)
		}
	}
	if n := l.scalar(t, `SELECT COUNT(*) FROM tenant_secret WHERE tenant_id = $1 AND kind = 'period' AND secret IS NOT NULL`, gone.id); n != "0" {
		t.Errorf("%s secrets of months are left", n)
	}
	if n := l.scalar(t, `SELECT (SELECT COUNT(*) FROM hot_working WHERE log_id = $1) + (SELECT COUNT(*) FROM dedupe WHERE log_id = $1)`, gone.log); n != "0" {
		t.Errorf("%s batches are left", n)
	}
	var path string
	if err := l.db.Read(t.Context()).QueryRowContext(t.Context(), `SELECT working_path FROM segment WHERE log_id = $1`, gone.log).Scan(&path); err != nil {
		t.Fatal(err)
	}
	if _, err := l.storage.working.Stat(t.Context(), path); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("the working copies are there: %v", err)
	}
}

// provable verifies all logs, with what working copies there are.
func (l *landlord) provable(t *testing.T, gone *occupant) {
	t.Helper()
	sources, err := l.Sources(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Dir(t.Context(), l.cfg.Data, sources, verify.Options{})
	if err != nil || !r.OK {
		t.Fatal(r, err)
	}
	for i := range r.Logs {
		if strings.Contains(r.Logs[i].Origin, gone.log) {
			if r.Logs[i].Size < 4 || r.Logs[i].Working != 0 {
				t.Errorf("%+v", r.Logs[i])
			}
			return
		}
	}
	t.Errorf("the log of the deleted tenant was not verified: %+v", r)
}

// hireWith makes an administrator of a tenant with a password.
func hireWith(t *testing.T, a *App, tenantID, email, password string) {
	t.Helper()
	if _, err := a.Access.CreateUser(t.Context(), actor.System(tenantID), access.NewUser{Email: email, Name: "Boss", Role: actor.RoleAdmin, Password: password}); err != nil {
		t.Fatal(err)
	}
}
