package approval

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit/selfaudittest"
)

const tenant, other = "t-1", "t-2"

// world is what approvals stand on: a database, a clock, people, and something that is done when it is approved.
type world struct {
	*selfaudittest.Ledger
	db *sqldb.DB
	s  *Service

	mu       sync.Mutex
	now      time.Time
	people   map[string]Standing
	makers   map[string]string // of API keys
	done     []string          // changes that were applied
	told     []State
	reminded []string
	grants   []Grant
	fail     error // of the next applications
	between  func()
}

func newWorld(t *testing.T) *world {
	db := sqldbtest.Open(t)
	w := &world{Ledger: selfaudittest.New(t, db, tenant, other), db: db, now: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), people: map[string]Standing{}, makers: map[string]string{}}
	long := w.now.AddDate(-1, 0, 0)
	for _, id := range []string{"ana", "bob", "cleo", "dan"} {
		w.people[id] = Standing{May: true, Since: long, MadeAt: long, Alias: id + "@"}
	}
	w.s = w.service()
	return w
}

// service is another server over the same database.
func (w *world) service() *Service {
	s := New(Options{DB: w.db, Recorder: w.Ledger, Sealer: w.Ledger, People: w, Now: w.clock, Told: func(_ context.Context, _ *sql.Tx, r *Request) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, r.State)
		return nil
	}, Remind: func(_ context.Context, _ *sql.Tx, r *Request) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.reminded = append(w.reminded, r.ID)
		return nil
	}})
	s.Add(Kind{Name: "role.assign", Title: "Give a role", Needed: 2, Window: time.Hour, Apply: w.apply})
	s.AddElevations(1, w)
	s.AddRules()
	return s
}

func (w *world) apply(ctx context.Context, r *Request, done Done) error {
	w.mu.Lock()
	err, between := w.fail, w.between
	w.mu.Unlock()
	if err != nil {
		return err
	}
	if between != nil {
		between()
	}
	return w.Record(ctx, r.TenantID, &event.Event{Source: "probity", Action: "role.assign", Actor: event.Actor{Type: "system", ID: "system"}}, func(ctx context.Context, tx *sql.Tx) error {
		if err := done(ctx, tx); err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done = append(w.done, string(r.Change))
		return nil
	})
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) Standing(_ context.Context, tenantID, user string) (Standing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if tenantID != tenant {
		return Standing{}, nil
	}
	return w.people[user], nil
}

func (w *world) Behind(_ context.Context, p actor.Principal) (string, error) {
	if p.KeyID != "" {
		return w.makers[p.KeyID], nil
	}
	return p.UserID, nil
}

func (w *world) Approvers(_ context.Context, tenantID string) (ids []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, st := range w.people {
		if tenantID == tenant && st.May {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (w *world) Deciders(_ context.Context, tenantID string) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if tenantID == tenant {
		n = len(w.people)
	}
	return n, nil
}

func (w *world) Tenants(context.Context) ([]string, error) { return []string{tenant, other}, nil }

func (w *world) Names(_ context.Context, _ string, ids []string) (map[string]string, error) {
	out := map[string]string{}
	for _, id := range ids {
		out[id] = strings.ToUpper(id)
	}
	return out, nil
}

func (w *world) Grant(ctx context.Context, _ actor.Principal, g Grant, done Done) error {
	return w.db.Write(ctx, func(tx *sql.Tx) error {
		w.grants = append(w.grants, g)
		if done != nil {
			return done(ctx, tx)
		}
		return nil
	})
}

func (w *world) Withdraw(_ context.Context, _ actor.Principal, g Grant) error {
	w.grants = slices.DeleteFunc(w.grants, func(have Grant) bool { return have == g })
	return nil
}

func user(id string) actor.Principal {
	return actor.Principal{TenantID: tenant, UserID: id, SessionID: "s-" + id, Permissions: []string{actor.AccessApprove, actor.AccessBreakGlass, actor.LedgerSearch}}
}

func (w *world) ask(t *testing.T, by actor.Principal) *Request {
	t.Helper()
	r, err := w.s.Ask(t.Context(), by, "role.assign", "Make Eve an admin", map[string]string{"userId": "eve", "role": "admin"}, "she takes over on Monday")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) decide(t *testing.T, by, id string, approve bool) *Request {
	t.Helper()
	r, err := w.s.Decide(t.Context(), user(by), id, approve, "seen")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTwoOthersApprove(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.ask(t, user("ana"))
		if r = w.decide(t, "bob", r.ID, true); r.State != Pending || len(w.done) != 0 {
			t.Fatalf("one approval of two: %+v", r)
		}
		if _, err := w.s.Decide(t.Context(), user("bob"), r.ID, true, ""); errs.CodeOf(err) != errs.Conflict {
			t.Errorf("one person counts twice: %v", err)
		}
		r = w.decide(t, "cleo", r.ID, true)
		if r.State != Approved || r.AppliedAt == nil || len(w.done) != 1 || w.done[0] != `{"role":"admin","userId":"eve"}` {
			t.Fatalf("%+v %v", r, w.done)
		}
		if r.Decisions[0].Name != "BOB" || r.Decisions[0].Comment != "seen" || r.RequesterName != "ANA" {
			t.Errorf("%+v", r)
		}
		if _, err := w.s.Decide(t.Context(), user("dan"), r.ID, false, "too late"); errs.CodeOf(err) != errs.Conflict {
			t.Errorf("decided after the end: %v", err)
		}
		if err := w.s.Sweep(t.Context()); err != nil || len(w.done) != 1 {
			t.Errorf("applied again: %v %v", w.done, err)
		}
		var actions []string
		for _, e := range w.Events() {
			if e.Action == actionArm {
				continue
			}
			actions = append(actions, e.Action+" "+e.Outcome.Status)
		}
		if got := strings.Join(actions, ", "); got != "approval.request success, approval.approve success, approval.approve success, role.assign success" {
			t.Error(got)
		}
		if last := w.Events()[2]; len(last.Changes) != 1 || string(last.Changes[0].After) != `"approved"` {
			t.Errorf("the event does not say what the request became: %+v", last.Changes)
		}
		if !slices.Equal(w.told, []State{Pending, Approved}) {
			t.Errorf("people were told of %v", w.told)
		}
	})
}

// TestNobodyApprovesForHimself tries the ways round the second person.
func TestNobodyApprovesForHimself(t *testing.T) {
	w := newWorld(t)
	w.makers["k-1"] = "ana"
	key := actor.Principal{TenantID: tenant, KeyID: "k-1", Permissions: []string{actor.AccessApprove}}
	asked := w.clock()
	for name, c := range map[string]struct {
		ask, decide actor.Principal
		set         func()
	}{
		"himself":                    {user("ana"), user("ana"), nil},
		"what his key asked for":     {key, user("ana"), nil},
		"with a key":                 {user("bob"), key, nil},
		"what he would get":          {user("bob"), user("eve"), func() { w.people["eve"] = Standing{May: true, Alias: "e@"} }},
		"without a session":          {user("bob"), actor.Principal{TenantID: tenant, UserID: "ana", Permissions: []string{actor.AccessApprove}}, nil},
		"with a second account":      {user("ana"), user("ana2"), func() { w.people["ana2"] = Standing{May: true, Alias: "ana@"} }},
		"with an account made since": {user("ana"), user("new"), func() { w.people["new"] = Standing{May: true, MadeAt: asked.Add(time.Minute), Alias: "n@"} }},
		"with a right given since":   {user("ana"), user("bob"), func() { w.people["bob"] = Standing{May: true, Since: asked.Add(time.Minute), Alias: "b@"} }},
		"with a friend given it just then": {user("ana"), user("bob"), func() {
			w.people["bob"] = Standing{May: true, Since: asked.Add(-time.Hour), GivenBy: "ana", Alias: "b@"}
		}},
		"with a right that was taken away":  {user("ana"), user("bob"), func() { w.people["bob"] = Standing{Alias: "b@"} }},
		"a stranger of another tenant":      {user("ana"), actor.Principal{TenantID: other, UserID: "bob", SessionID: "s", Permissions: []string{actor.AccessApprove}}, nil},
		"a key of somebody else made by it": {key, actor.Principal{TenantID: tenant, KeyID: "k-2", Permissions: []string{actor.AccessApprove}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w.people["bob"] = Standing{May: true, Since: asked.AddDate(-1, 0, 0), Alias: "bob@"}
			if c.set != nil {
				c.set()
			}
			r := w.ask(t, c.ask)
			w.Drain()
			w.pass(2 * time.Minute)
			defer w.pass(-2 * time.Minute)
			_, err := w.s.Decide(t.Context(), c.decide, r.ID, true, "fine")
			if c.decide.TenantID == other {
				if errs.CodeOf(err) != errs.NotFound {
					t.Errorf("%v", err)
				}
				return
			}
			if errs.CodeOf(err) != errs.Forbidden {
				t.Errorf("%v", err)
			}
			if e := w.Drain(); len(e) != 1 || e[0].Outcome.Status != "denied" {
				t.Errorf("the attempt is not recorded: %+v", e)
			}
			now, err := w.s.Get(t.Context(), user("cleo"), r.ID)
			if err != nil || now.State != Pending || len(now.Decisions) != 0 {
				t.Errorf("%+v %v", now, err)
			}
			if shown, err := w.s.Get(t.Context(), c.decide, r.ID); err == nil && (shown.MayDecide || shown.WhyNot == "") {
				t.Error("the page offers what is refused")
			}
		})
	}
}

func TestDenyCancelExpire(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.ask(t, user("ana"))
		if _, err := w.s.Decide(t.Context(), user("bob"), r.ID, false, " "); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("denied without saying why: %v", err)
		}
		if r = w.decide(t, "bob", r.ID, false); r.State != Denied || r.EndedAt == nil {
			t.Errorf("%+v", r)
		}
		r = w.ask(t, user("ana"))
		reader := user("dan")
		reader.Permissions = nil
		if _, err := w.s.Cancel(t.Context(), reader, r.ID); errs.CodeOf(err) != errs.NotFound {
			t.Errorf("a stranger: %v", err)
		}
		if _, err := w.s.Cancel(t.Context(), user("bob"), r.ID); errs.CodeOf(err) != errs.Forbidden {
			t.Errorf("an approver takes it back: %v", err)
		}
		for range 2 { // safe to repeat
			if r, err := w.s.Cancel(t.Context(), user("ana"), r.ID); err != nil || r.State != Cancelled {
				t.Errorf("%+v %v", r, err)
			}
		}
		r = w.ask(t, user("ana"))
		w.decide(t, "bob", r.ID, true)
		w.pass(time.Hour)
		if _, err := w.s.Decide(t.Context(), user("cleo"), r.ID, true, ""); errs.CodeOf(err) != errs.Conflict {
			t.Errorf("approved when the time was over: %v", err)
		}
		for range 2 {
			if err := w.s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := w.s.Get(t.Context(), user("ana"), r.ID); err != nil || r.State != Expired {
			t.Errorf("%+v %v", r, err)
		}
		if len(w.done) != 0 {
			t.Errorf("applied: %v", w.done)
		}
		n := 0
		for _, e := range w.Events() {
			if e.Action == actionExpire {
				n++
			}
		}
		if n != 1 {
			t.Errorf("the end was recorded %d times", n)
		}
		all, more, err := w.s.List(t.Context(), user("bob"), Page{Limit: 2})
		if err != nil || len(all) != 2 || !more || all[0].State != Expired {
			t.Errorf("%v %v %v", all, more, err)
		}
		if all, more, err = w.s.List(t.Context(), user("bob"), Page{Limit: 2, Before: all[1].ID}); err != nil || len(all) != 1 || more || all[0].State != Denied {
			t.Errorf("%v %v %v", all, more, err)
		}
		if all, _, err = w.s.List(t.Context(), reader, Page{Limit: 9}); err != nil || len(all) != 0 {
			t.Errorf("somebody else's requests: %v %v", all, err)
		}
	})
}

// TestAppliedOnce: what was approved is applied though the server died in between, though two try at once, and never twice.
func TestAppliedOnce(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.ask(t, user("ana"))
		w.decide(t, "bob", r.ID, true)
		w.fail = errs.New(errs.Unavailable, "the disk is full")
		if r = w.decide(t, "cleo", r.ID, true); r.State != Approved || r.AppliedAt != nil || r.Problem != "" {
			t.Fatalf("%+v", r)
		}
		w.fail = nil
		again := false
		w.between = func() { // another server applies it in the very moment
			if again {
				return
			}
			again = true
			if err := w.service().Sweep(context.Background()); err != nil {
				t.Error(err)
			}
		}
		if err := w.s.Sweep(t.Context()); err != nil || len(w.done) != 1 {
			t.Errorf("%v %v", w.done, err)
		}
		// One that cannot be done says why, and is not tried for ever.
		w.between, w.fail = nil, errs.New(errs.NotFound, "There is no role %q.", "admin")
		r = w.ask(t, user("ana"))
		w.decide(t, "bob", r.ID, true)
		if r = w.decide(t, "cleo", r.ID, true); r.Problem != `There is no role "admin".` {
			t.Errorf("%+v", r)
		}
		w.fail = nil
		if err := w.s.Sweep(t.Context()); err != nil || len(w.done) != 1 {
			t.Errorf("%v %v", w.done, err)
		}
	})
}

// TestDecideAtOnce: of many who decide in the same moment, each counts once, and the change is made once.
func TestDecideAtOnce(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.ask(t, user("ana"))
		servers := []*Service{w.s, w.service()}
		var wg sync.WaitGroup
		var failed sync.Map
		for i := range 6 {
			wg.Go(func() {
				by := []string{"bob", "cleo", "dan"}[i%3]
				_, err := servers[i%2].Decide(context.Background(), user(by), r.ID, true, "")
				if err != nil && errs.CodeOf(err) != errs.Conflict {
					failed.Store(i, err)
				}
			})
		}
		wg.Wait()
		failed.Range(func(_, err any) bool { t.Error(err); return true })
		r, err := w.s.Get(t.Context(), user("ana"), r.ID)
		if err != nil || r.State != Approved || len(r.Decisions) != 2 || len(w.done) != 1 {
			t.Errorf("%+v %v %v", r, w.done, err)
		}
	})
}

func TestElevation(t *testing.T) {
	w := newWorld(t)
	for _, minutes := range []int{0, 4, 481} {
		if _, err := w.s.Elevate(t.Context(), user("ana"), minutes, "INC-7", ""); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%d minutes: %v", minutes, err)
		}
	}
	if _, err := w.s.Elevate(t.Context(), actor.Principal{TenantID: tenant, KeyID: "k", Permissions: []string{actor.LedgerSearch}}, 60, "INC-7", ""); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("a key: %v", err)
	}
	r, err := w.s.Elevate(t.Context(), user("ana"), 60, "who opened the file", "INC-7")
	if err != nil || len(w.grants) != 0 {
		t.Fatal(err, w.grants)
	}
	w.pass(3 * time.Hour)
	if r = w.decide(t, "bob", r.ID, true); r.AppliedAt == nil || len(w.grants) != 1 {
		t.Fatalf("%+v %v", r, w.grants)
	}
	if g := w.grants[0]; g.UserID != "ana" || g.RoleID != actor.RoleElevated || !g.Until.Equal(w.clock().Add(time.Hour)) || g.Critical {
		t.Errorf("the time does not begin with the approval: %+v", g)
	}
}

func TestBreakGlass(t *testing.T) {
	w := newWorld(t)
	if _, err := w.s.BreakGlass(t.Context(), user("ana"), 60, "urgent"); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("no justification: %v", err)
	}
	may := user("ana")
	may.Permissions = []string{actor.LedgerSearch}
	if _, err := w.s.BreakGlass(t.Context(), may, 60, "a patient is unconscious and unknown"); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("without the permission: %v", err)
	}
	r, err := w.s.BreakGlass(t.Context(), user("ana"), 60, "a patient is unconscious and unknown")
	if err != nil || len(w.grants) != 1 || !w.grants[0].Critical {
		t.Fatalf("%v %+v", err, w.grants)
	}
	for _, who := range []actor.Principal{user("ana"), manager("ana"), manager("bob")} {
		if _, err := w.s.Cancel(t.Context(), who, r.ID); errs.CodeOf(err) != errs.Forbidden {
			t.Errorf("%s takes the review back", who.UserID)
		}
	}
	if _, err := w.s.Decide(t.Context(), user("ana"), r.ID, true, "it was"); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("reviews himself: %v", err)
	}
	if r = w.decide(t, "bob", r.ID, false); r.State != Denied || len(w.grants) != 0 {
		t.Errorf("a break-glass that was not justified goes on: %+v %v", r, w.grants)
	}
	r, err = w.s.BreakGlass(t.Context(), user("ana"), 60, "a patient is unconscious and unknown")
	if err != nil {
		t.Fatal(err)
	}
	if r = w.decide(t, "bob", r.ID, true); r.State != Approved || r.AppliedAt == nil || len(w.grants) != 1 {
		t.Errorf("%+v %v", r, w.grants)
	}
}

// TestNothingInClear: what is asked for and why, and what was said to it, is nowhere in the database as it is.
func TestNothingInClear(t *testing.T) {
	w := newWorld(t)
	r, err := w.s.Ask(t.Context(), user("ana"), "role.assign", "for Zbigniew", map[string]string{"user": "Zbigniew"}, "Zbigniew asked")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Decide(t.Context(), user("bob"), r.ID, false, "not Zbigniew"); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`SELECT body FROM approval`, `SELECT comment FROM approval_decision`} {
		var b []byte
		if err := w.db.Read(t.Context()).QueryRowContext(t.Context(), q).Scan(&b); err != nil || len(b) == 0 || strings.Contains(string(b), "Zbigniew") {
			t.Errorf("%s: %q %v", q, b, err)
		}
	}
}

// TestSameRequest: asked for again, what waits already is returned.
func TestSameRequest(t *testing.T) {
	w := newWorld(t)
	r := w.ask(t, user("ana"))
	if again := w.ask(t, user("ana")); again.ID != r.ID {
		t.Error("a second request for the same")
	}
	if theirs := w.ask(t, user("bob")); theirs.ID == r.ID {
		t.Error("somebody else's request")
	}
}

// TestArmed: with one person who may decide nothing waits; from the second on everything does, also when the first is alone again.
func TestArmed(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		w := newWorld(t)
		all := w.people
		w.people = map[string]Standing{"ana": all["ana"]}
		if is, err := w.s.Armed(t.Context(), tenant); is || err != nil {
			t.Errorf("%v %v", is, err)
		}
		w.people = all
		if is, err := w.s.Armed(t.Context(), tenant); !is || err != nil {
			t.Errorf("%v %v", is, err)
		}
		w.people = map[string]Standing{"ana": all["ana"]}
		for _, s := range []*Service{w.s, w.service()} {
			if is, err := s.Armed(t.Context(), tenant); !is || err != nil {
				t.Errorf("%v %v", is, err)
			}
		}
		if e := w.Events(); len(e) != 1 || e[0].Action != actionArm {
			t.Errorf("%+v", e)
		}
	})
}

func TestTooManyWait(t *testing.T) {
	w := newWorld(t)
	for i := range maxPending {
		if _, err := w.s.Ask(t.Context(), user("ana"), "role.assign", "x", i, "more"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.s.Ask(t.Context(), user("ana"), "role.assign", "x", -1, "more"); errs.CodeOf(err) != errs.Conflict {
		t.Error(err)
	}
	w.Refuse(func() error { return errors.New("frozen") })
	if _, err := w.s.Ask(t.Context(), user("bob"), "role.assign", "x", 1, "more"); err == nil {
		t.Error("asked for without a record")
	}
}
