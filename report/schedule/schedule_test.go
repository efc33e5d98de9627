package schedule

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api/apitest"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/selfaudit/selfaudittest"
	"probity.dev/report/export"
)

const tenant = "t-1"

var (
	ana   = actor.Principal{TenantID: tenant, UserID: "u-ana", Permissions: []string{actor.ExportsCreate}}
	bob   = actor.Principal{TenantID: tenant, UserID: "u-bob", Permissions: []string{actor.ExportsCreate}}
	admin = actor.Principal{TenantID: tenant, UserID: "u-adm", Permissions: actor.Permissions()}
)

// world is what schedules stand on: a database, a clock, and somebody who makes exports.
type world struct {
	t *testing.T
	*selfaudittest.Ledger
	db *sqldb.DB

	mu     sync.Mutex
	now    time.Time
	made   map[string]export.Request
	by     []string
	broken error
	locked map[string]bool
	mails  bool
}

func newWorld(t *testing.T) *world {
	db := sqldbtest.Open(t)
	return &world{t: t, Ledger: selfaudittest.New(t, db, tenant), db: db, now: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), made: map[string]export.Request{}, locked: map[string]bool{}}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// actions returns what was recorded.
func (w *world) actions() (list []string) {
	for _, e := range w.Events() {
		list = append(list, strings.TrimPrefix(e.Action, "schedule."))
	}
	return list
}

func (w *world) Check(_ context.Context, _ actor.Principal, r *export.Request) error {
	if r.Format == "docx" {
		return errs.Field("/format", "unknown_format", "The format is unknown.")
	}
	return nil
}

func (w *world) CreateAs(_ context.Context, by actor.Principal, id string, r export.Request) (*export.Export, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return nil, w.broken
	}
	w.made[id] = r
	w.by = append(w.by, by.UserID)
	return &export.Export{ID: id}, nil
}

func (w *world) present(_ context.Context, asked actor.Principal) (actor.Principal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.locked[asked.UserID] {
		return actor.Principal{}, errs.New(errs.Forbidden, "locked")
	}
	return asked, nil
}

func (w *world) service() *Service {
	run := jobs.New(jobs.Options{DB: w.db, Owner: rand.Text(), Alone: true, Queues: map[string]jobs.Queue{"q": {Workers: 2}}, Poll: 5 * time.Millisecond, Logger: slog.New(slog.DiscardHandler), Recorder: w})
	s := New(Options{DB: w.db, Recorder: w, Sealer: w, Exports: w, Jobs: run, Queue: "q", Mails: w.mails, Present: w.present, Logger: slog.New(slog.DiscardHandler), Now: w.clock,
		Zone: func(context.Context, string) (*time.Location, error) { return time.LoadLocation("Asia/Kolkata") }})
	if err := run.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { run.Close(context.Background()) }) //nolint:errcheck // the test ends
	return s
}

// at sets the clock and does what is due.
func (w *world) at(s *Service, text string) {
	w.t.Helper()
	now, err := time.Parse(time.RFC3339, text)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.now = now
	w.mu.Unlock()
	if err := s.Tick(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// history waits until no run of a schedule waits, and returns when they were due and what became of them, oldest first.
func (w *world) history(s *Service, id string) (lines []string) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		list, err := s.Runs(w.t.Context(), admin, id)
		if err != nil {
			w.t.Fatal(err)
		}
		if slices.ContainsFunc(list, func(r *Run) bool { return r.Status == runWaiting }) {
			if time.Now().After(deadline) {
				w.t.Fatalf("%+v", list)
			}
			continue
		}
		slices.Reverse(list)
		for _, r := range list {
			lines = append(lines, r.DueAt.Format("01-02T15:04")+" "+r.Cause+" "+r.Status)
		}
		return lines
	}
}

func (w *world) create(s *Service, by actor.Principal, change func(*Definition)) *Schedule {
	w.t.Helper()
	d := Definition{Name: "Monthly to the auditor", Format: "csv", Filter: export.Filter{Action: []string{"invoice.*"}, Actor: []string{"ada.canary@example.com"}}, Period: PreviousDay, Timing: Timing{Every: Daily, At: "06:30"}}
	if change != nil {
		change(&d)
	}
	c, err := s.Create(w.t.Context(), by, d)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestSchedule(t *testing.T) { sqldbtest.Each(t, testSchedule) }

func testSchedule(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	c := w.create(s, ana, nil)
	if c.Definition.Timing.Zone != "Asia/Kolkata" || c.NextAt == nil || c.NextAt.Format(time.RFC3339) != "2026-03-11T01:00:00Z" {
		t.Fatalf("%+v next %v", c.Definition, c.NextAt)
	}
	w.at(s, "2026-03-11T00:59:59Z")
	w.at(s, "2026-03-11T01:00:00Z")
	w.at(s, "2026-03-11T01:00:01Z")
	if got := w.history(s, c.ID); !slices.Equal(got, []string{"03-11T01:00 time started"}) {
		t.Fatal(got)
	}
	list, err := s.Runs(t.Context(), ana, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := w.made[list[0].ExportID]
	if !ok || r.Filter.From != "2026-03-10T00:00:00+05:30" || r.Filter.To != "2026-03-11T00:00:00+05:30" || r.Format != "csv" || r.Filter.Action[0] != "invoice.*" || r.Title != c.Definition.Name {
		t.Errorf("%+v", w.made)
	}
	var text string
	row := w.db.Read(t.Context()).QueryRowContext(t.Context(), `SELECT CAST(definition AS TEXT) FROM schedule`)
	if err := row.Scan(&text); err != nil || strings.Contains(text, "canary") {
		t.Errorf("the definition can be read in the database: %q %v", text, err)
	}
	if got, err := s.Get(t.Context(), ana, c.ID); err != nil || got.NextAt.Format(time.RFC3339) != "2026-03-12T01:00:00Z" || got.LastAt.Format(time.RFC3339) != "2026-03-11T01:00:00Z" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestMissed(t *testing.T) { sqldbtest.Each(t, testMissed) }

func testMissed(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	once := w.create(s, ana, func(d *Definition) { d.Period = SinceLast })
	skip := w.create(s, ana, func(d *Definition) { d.Missed = MissedSkip })
	w.at(s, "2026-03-14T12:00:00Z")
	if got := w.history(s, once.ID); !slices.Equal(got, []string{"03-14T01:00 time started"}) {
		t.Error(got)
	}
	if got := w.history(s, skip.ID); !slices.Equal(got, []string{"03-14T01:00 time skipped"}) {
		t.Error(got)
	}
	for _, r := range w.made { // since the schedule was made
		if r.Filter.From != "2026-03-10T17:30:00+05:30" || r.Filter.To != "2026-03-14T06:30:00+05:30" {
			t.Errorf("%+v", r.Filter)
		}
	}
	// A little late is not missed.
	w.at(s, "2026-03-15T01:10:00Z")
	if got := w.history(s, skip.ID); got[1] != "03-15T01:00 time started" {
		t.Error(got)
	}
}

func TestPauseRunDelete(t *testing.T) { sqldbtest.Each(t, testPauseRunDelete) }

func testPauseRunDelete(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	s := w.service()
	c := w.create(s, ana, nil)
	for range 2 { // again changes nothing
		if p, err := s.Pause(ctx, ana, c.ID); err != nil || p.Paused != pausedByUser || p.NextAt != nil {
			t.Fatalf("%+v %v", p, err)
		}
	}
	w.at(s, "2026-03-12T01:00:00Z")
	if _, err := s.RunNow(ctx, ana, c.ID); err != nil {
		t.Fatal(err)
	}
	if got := w.history(s, c.ID); !slices.Equal(got, []string{"03-12T01:00 asked started"}) {
		t.Error(got)
	}
	if p, err := s.Resume(ctx, ana, c.ID); err != nil || p.NextAt.Format(time.RFC3339) != "2026-03-13T01:00:00Z" {
		t.Errorf("%+v %v", p, err)
	}
	if err := s.Delete(ctx, ana, c.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, ana, c.ID); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("%v", err)
	}
	w.at(s, "2026-03-14T01:00:00Z")
	if len(w.made) != 1 {
		t.Errorf("a deleted schedule ran: %v", w.made)
	}
	if got := strings.Join(w.actions(), " "); got != "create pause run resume delete" {
		t.Error(got)
	}
}

func TestOwners(t *testing.T) { sqldbtest.Each(t, testOwners) }

func testOwners(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	s := w.service()
	c := w.create(s, ana, nil)
	for _, call := range []func() error{
		func() error { _, err := s.Get(ctx, bob, c.ID); return err },
		func() error { _, err := s.RunNow(ctx, bob, c.ID); return err },
		func() error { _, err := s.Pause(ctx, bob, c.ID); return err },
		func() error { _, err := s.Update(ctx, bob, c.ID, c.Definition); return err },
		func() error { return s.Delete(ctx, bob, c.ID) },
		func() error { _, err := s.Runs(ctx, bob, c.ID); return err },
	} {
		if err := call(); errs.CodeOf(err) != errs.NotFound {
			t.Errorf("a stranger: %v", err)
		}
	}
	if list, err := s.List(ctx, bob); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	other := ana
	other.TenantID = "t-2"
	if _, err := s.Get(ctx, other, c.ID); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("another tenant: %v", err)
	}
	if _, err := s.Create(ctx, actor.Principal{TenantID: tenant, UserID: "u-w", Permissions: []string{actor.LedgerAppend}}, c.Definition); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("a writer: %v", err)
	}
	// The owner is locked: nothing is exported, and the schedule says why it stands still.
	w.mu.Lock()
	w.locked["u-ana"] = true
	w.mu.Unlock()
	w.at(s, "2026-03-11T01:00:00Z")
	if got := w.history(s, c.ID); !slices.Equal(got, []string{"03-11T01:00 time failed"}) || len(w.made) != 0 {
		t.Error(got, w.made)
	}
	got, err := s.Get(ctx, admin, c.ID)
	if err != nil || got.Paused != pausedOwner || got.NextAt != nil {
		t.Fatalf("%+v %v", got, err)
	}
	// Whoever saves it takes it over, with their rights.
	if got, err = s.Update(ctx, admin, c.ID, got.Definition); err != nil || got.Owner != "u-adm" || got.Paused != "" || got.NextAt == nil {
		t.Fatalf("%+v %v", got, err)
	}
	w.at(s, "2026-03-12T01:00:00Z")
	if w.history(s, c.ID); !slices.Equal(w.by, []string{"u-adm"}) {
		t.Error(w.by)
	}
}

func TestFailedExport(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	c := w.create(s, ana, nil)
	w.broken = errs.New(errs.Forbidden, "The settings of your organisation do not allow exports in this format.")
	w.at(s, "2026-03-11T01:00:00Z")
	if got := w.history(s, c.ID); got[0] != "03-11T01:00 time failed" {
		t.Error(got)
	}
	if list, _ := s.Runs(t.Context(), ana, c.ID); !strings.Contains(list[0].Problem, "do not allow") {
		t.Errorf("%+v", list[0])
	}
	if got, _ := s.Get(t.Context(), ana, c.ID); got.NextAt == nil {
		t.Error("it does not go on")
	}
}

func TestFire(t *testing.T) { sqldbtest.Each(t, testFire) }

func testFire(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	c := w.create(s, ana, func(d *Definition) {
		d.Timing, d.Period = Timing{Every: OnEvent, Event: TriggerVerificationFailed}, SinceLast
	})
	w.create(s, ana, nil)
	undone := errors.New("undone")
	for _, e := range []error{undone, nil} {
		err := w.db.Write(t.Context(), func(tx *sql.Tx) error {
			return errors.Join(s.Fire(t.Context(), tx, tenant, TriggerVerificationFailed), s.Fire(t.Context(), tx, "t-2", TriggerVerificationFailed), s.Fire(t.Context(), tx, tenant, "other"), e)
		})
		if !errors.Is(err, e) {
			t.Fatal(err)
		}
	}
	if got := w.history(s, c.ID); !slices.Equal(got, []string{"03-10T12:00 event started"}) || len(w.made) != 1 {
		t.Error(got, w.made)
	}
	// The next one goes on where this one ended.
	w.mu.Lock()
	w.now = w.now.Add(2 * time.Hour)
	w.made = map[string]export.Request{}
	w.mu.Unlock()
	if err := w.db.Write(t.Context(), func(tx *sql.Tx) error { return s.Fire(t.Context(), tx, tenant, TriggerVerificationFailed) }); err != nil {
		t.Fatal(err)
	}
	w.history(s, c.ID)
	for _, r := range w.made {
		if r.Filter.From != "2026-03-10T17:30:00+05:30" || r.Filter.To != "2026-03-10T19:30:00+05:30" {
			t.Errorf("%+v", r.Filter)
		}
	}
	if len(w.made) != 1 {
		t.Errorf("%d exports", len(w.made))
	}
}

// TestManyProcesses lets several services see the same schedule due at the same moment.
func TestManyProcesses(t *testing.T) { sqldbtest.Each(t, testManyProcesses) }

func testManyProcesses(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	c := w.create(s, ana, nil)
	w.mu.Lock()
	w.now = time.Date(2026, 3, 11, 1, 0, 0, 0, time.UTC)
	w.mu.Unlock()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := s.Tick(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := w.history(s, c.ID); len(got) != 1 {
		t.Error(got)
	}
}

// TestMailIsRefused demands that nobody waits for an e-mail which no server sends.
func TestMailIsRefused(t *testing.T) {
	w := newWorld(t)
	d := Definition{Name: "x", Format: "csv", Period: Everything, Timing: Timing{Every: Daily, At: "06:30"}, Mail: true}
	if _, err := w.service().Create(t.Context(), ana, d); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("without a mail server: %v", err)
	}
	w.mails = true
	key := actor.Principal{TenantID: tenant, KeyID: "k-1", Permissions: ana.Permissions}
	if _, err := w.service().Create(t.Context(), key, d); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("for a key: %v", err)
	}
	if _, err := w.service().Create(t.Context(), ana, d); err != nil {
		t.Error(err)
	}
}

func TestHTTP(t *testing.T) {
	w := newWorld(t)
	s := w.service()
	a := apitest.Callers{"ana": ana, "bob": bob}.API()
	s.Register(a)
	call := func(who, method, path, body string) (int, string) {
		rec := apitest.Do(a, who, method, path, body)
		return rec.Code, rec.Body.String()
	}
	for body, want := range map[string]string{
		`{"name":"x","format":"csv","period":"previous_day","timing":{"every":"day","at":"26:00"}}`:                                 `"/timing/at"`,
		`{"name":"x","format":"csv","period":"last_moon","timing":{"every":"day","at":"06:00"}}`:                                    `"/period"`,
		`{"name":" ","format":"csv","period":"all","timing":{"every":"day","at":"06:00"}}`:                                          `"/name"`,
		`{"name":"x","format":"csv","period":"all","filter":{"from":"2026-01-01T00:00:00Z"},"timing":{"every":"day","at":"06:00"}}`: `"/filter"`,
		`{"name":"x","format":"csv","period":"all","timing":{"every":"cron","cron":"* * * * *"}}`:                                   `too_often`,
		`{"name":"x","format":"csv","period":"all","timing":{"every":"week","at":"06:00","weekday":1,"time_zone":"../etc/passwd"}}`: `"/timing/time_zone"`,
	} {
		if code, got := call("ana", "POST", "/api/schedules", body); code != 400 && code != 422 || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", body, code, got)
		}
	}
	code, got := call("ana", "POST", "/api/schedules", `{"name":"x","format":"csv","period":"all","filter":{"action":"a.*"},"timing":{"every":"week","at":"06:00","weekday":1}}`)
	if code != 201 || !strings.Contains(got, `"next_at":"2026-03-16T00:30:00Z"`) {
		t.Fatalf("%d %s", code, got)
	}
	list, err := s.List(t.Context(), ana)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	path := "/api/schedules/" + list[0].ID
	for _, c := range []struct {
		who, method, path, body string
		code                    int
		want                    string
	}{
		{"ana", "GET", path, "", 200, `"action":["a.*"]`},
		{"bob", "GET", path, "", 404, "no such schedule"},
		{"ana", "POST", path + "/pause", "", 200, `"paused":"by_user"`},
		{"ana", "POST", path + "/resume", "", 200, `"next_at"`},
		{"ana", "POST", path + "/run", "", 202, `"cause":"asked"`},
		{"ana", "GET", path + "/runs", "", 200, `"items":[{`},
		{"ana", "GET", "/api/schedules", "", 200, `"items":[{`},
		{"bob", "GET", "/api/schedules", "", 200, `"items":[]`},
		{"ana", "POST", "/api/schedules/preview", `{"timing":{"every":"cron","cron":"0 6 * * 1"}}`, 200, `"times":["2026-03-16T00:30:00Z"`},
		{"ana", "POST", "/api/schedules/preview", `{"timing":{"every":"event","event":"verification.failed"}}`, 200, `"times":[]`},
		{"ana", "PUT", path, `{"name":"y","format":"pdf","period":"all","timing":{"every":"day","at":"07:00"}}`, 200, `"format":"pdf"`},
		{"ana", "DELETE", path, "", 204, ""},
		{"ana", "DELETE", path, "", 404, ""},
		{"", "GET", "/api/schedules", "", 401, ""},
	} {
		if code, got := call(c.who, c.method, c.path, c.body); code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, code, got)
		}
	}
}
