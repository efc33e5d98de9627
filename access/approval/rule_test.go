package approval

import (
	"slices"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

func manager(id string) actor.Principal {
	p := user(id)
	p.Permissions = append(p.Permissions, actor.AccessManage)
	return p
}

// TestRules: a number is changed by as many as it was, for what is asked from then on.
func TestRules(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		w := newWorld(t)
		old := w.ask(t, user("ana")) // needs 2
		r, err := w.s.ChangeRule(t.Context(), manager("ana"), "role.assign", 3, "the auditors ask for it")
		if err != nil || r.Needed != 2 || r.Kind != KindRule {
			t.Fatalf("%+v %v", r, err)
		}
		if r = w.decide(t, "bob", r.ID, true); r.State != Pending || r.Given != 1 {
			t.Fatalf("one of two changes the rule: %+v", r)
		}
		if rules, err := w.s.Rules(t.Context(), user("bob")); err != nil || len(rules) != 3 || rules[2].Needed != 2 {
			t.Errorf("%+v %v", rules, err)
		}
		if r = w.decide(t, "cleo", r.ID, true); r.State != Approved || r.AppliedAt == nil {
			t.Fatalf("%+v", r)
		}
		if rules, err := w.s.Rules(t.Context(), user("bob")); err != nil || rules[2].Kind != "role.assign" || rules[2].Needed != 3 || rules[2].Default != 2 {
			t.Errorf("%+v %v", rules, err)
		}
		events := w.Events()
		if e := events[len(events)-1]; e.Action != "approval.rule_change" || string(e.Changes[0].Before) != "2" || string(e.Changes[0].After) != "3" {
			t.Errorf("%+v", e)
		}
		w.decide(t, "bob", old.ID, true)
		if old = w.decide(t, "cleo", old.ID, true); old.State != Approved || old.Needed != 2 {
			t.Errorf("what waited already: %+v", old)
		}
		three := w.ask(t, user("ana"))
		for _, id := range []string{"bob", "cleo"} {
			if three = w.decide(t, id, three.ID, true); three.State != Pending {
				t.Fatalf("%+v", three)
			}
		}
		// Lowering it takes three, and helps nothing that waits.
		down, err := w.s.ChangeRule(t.Context(), manager("ana"), "role.assign", 1, "too slow")
		if err != nil || down.Needed != 3 {
			t.Fatalf("%+v %v", down, err)
		}
		for _, id := range []string{"bob", "cleo", "dan"} {
			down = w.decide(t, id, down.ID, true)
		}
		if down.State != Approved || down.AppliedAt == nil {
			t.Fatalf("%+v", down)
		}
		if three, err = w.s.Get(t.Context(), user("dan"), three.ID); err != nil || three.State != Pending || three.Needed != 3 || three.Given != 2 {
			t.Errorf("%+v %v", three, err)
		}
		if three = w.decide(t, "dan", three.ID, true); three.State != Approved {
			t.Errorf("%+v", three)
		}
		if one := w.ask(t, user("ana")); one.Needed != 1 {
			t.Errorf("%+v", one)
		}
	})
}

func TestRulesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		by     actor.Principal
		kind   string
		needed int
		code   errs.Code
	}{
		"not a manager": {user("ana"), "role.assign", 1, errs.Forbidden}, "more than there are": {manager("ana"), "role.assign", 4, errs.Invalid}, "none": {manager("ana"), "role.assign", 0, errs.Invalid},
		"six": {manager("ana"), "role.assign", 6, errs.Invalid}, "as it is": {manager("ana"), "role.assign", 2, errs.Conflict}, "unknown": {manager("ana"), "x", 1, errs.NotFound}, "the rule of rules": {manager("ana"), KindRule, 2, errs.NotFound},
	} {
		if _, err := w.s.ChangeRule(t.Context(), c.by, c.kind, c.needed, "why"); errs.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Two changes of one number: the second does not fit any more what it was asked for.
	a, err := w.s.ChangeRule(t.Context(), manager("ana"), "role.assign", 3, "a")
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.s.ChangeRule(t.Context(), manager("bob"), "role.assign", 1, "b")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"cleo", "dan"} {
		a, b = w.decide(t, id, a.ID, true), w.decide(t, id, b.ID, true)
	}
	if a.AppliedAt == nil || b.AppliedAt != nil || b.Problem == "" {
		t.Errorf("%+v\n%+v", a, b)
	}
	if _, err := w.s.Decide(t.Context(), manager("ana"), a.ID, true, ""); errs.CodeOf(err) == "" {
		t.Error("decided his own")
	}
	other := manager("ana")
	other.TenantID = "t-2"
	if rules, err := w.s.Rules(t.Context(), other); err != nil || rules[2].Needed != 2 {
		t.Errorf("another tenant: %+v %v", rules, err)
	}
}

// TestCalled: those who may decide now are told, once more before the end, and nobody when it is over.
func TestCalled(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		w := newWorld(t)
		r := w.ask(t, user("ana"))
		called := func(want ...string) {
			t.Helper()
			_, users, err := w.s.Called(t.Context(), tenant, r.ID)
			if err != nil || !slices.Equal(users, want) {
				t.Errorf("%v, want %v: %v", users, want, err)
			}
		}
		called("bob", "cleo", "dan")
		w.decide(t, "bob", r.ID, true)
		w.people["dan"] = Standing{} // locked
		called("cleo")
		for _, step := range []time.Duration{44 * time.Minute, 2 * time.Minute, 2 * time.Minute} {
			w.pass(step)
			if err := w.s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if early := step == 44*time.Minute; early != (len(w.reminded) == 0) {
				t.Errorf("after %s: %v", step, w.reminded)
			}
		}
		if !slices.Equal(w.reminded, []string{r.ID}) {
			t.Errorf("%v", w.reminded)
		}
		w.pass(time.Hour)
		called()
		if err := w.s.Sweep(t.Context()); err != nil || len(w.reminded) != 1 {
			t.Errorf("%v %v", w.reminded, err)
		}
	})
}
