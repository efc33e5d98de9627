package flag

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/selfaudit/selfaudittest"
)

func admin(tenant string) actor.Principal {
	return actor.Principal{TenantID: tenant, UserID: "u-" + tenant, Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions()}
}

func newService(t *testing.T) (*Service, *selfaudittest.Ledger, *sqldb.DB) {
	t.Helper()
	db := sqldbtest.Open(t)
	l := selfaudittest.New(t, db, "acme", "globex")
	return New(db, l, l, nil), l, db
}

func TestEvaluate(t *testing.T) {
	now := time.Now()
	past, ahead := now.Add(-time.Hour), now.Add(time.Hour)
	for name, c := range map[string]struct {
		d     Definition
		user  string
		roles []string
		on    bool
		why   Reason
	}{
		"all":                    {Definition{Percentage: 100}, "u", nil, true, Selected},
		"all, unnamed":           {Definition{Percentage: 100}, "", nil, true, Selected},
		"none":                   {Definition{}, "u", nil, false, NotInShare},
		"none but by default":    {Definition{Default: true}, "u", nil, true, NotInShare},
		"killed":                 {Definition{Percentage: 100, Default: true, Killed: true}, "u", nil, false, Killed},
		"killed and expired":     {Definition{Default: true, Killed: true, ExpiresAt: &past}, "u", nil, false, Killed},
		"expired":                {Definition{Percentage: 100, ExpiresAt: &past}, "u", nil, false, Expired},
		"not expired":            {Definition{Percentage: 100, ExpiresAt: &ahead}, "u", nil, true, Selected},
		"role":                   {Definition{Percentage: 100, Roles: []string{"a", "b"}}, "u", []string{"b"}, true, Selected},
		"another role":           {Definition{Percentage: 100, Roles: []string{"a"}}, "u", []string{"b"}, false, RoleLacking},
		"role but not in share":  {Definition{Roles: []string{"a"}}, "u", []string{"a"}, false, NotInShare},
		"unnamed is in no share": {Definition{Percentage: 99.99}, "", nil, false, NotInShare},
	} {
		f := Flag{Name: "f", tenant: "t", Definition: c.d}
		if on, why := f.Evaluate(c.user, c.roles, now); on != c.on || why != c.why {
			t.Errorf("%s: %v %s", name, on, why)
		}
	}
}

// TestShare counts users of a share, keeps them as it grows, and selects others for another flag.
func TestShare(t *testing.T) {
	const users = 20_000
	f, g := Flag{Name: "f", tenant: "t"}, Flag{Name: "g", tenant: "t"}
	g.Percentage = 10
	before := map[string]bool{}
	for _, share := range []float64{0, 0.5, 10, 33.33, 99, 100} {
		f.Percentage = share
		n, both := 0, 0
		for i := range users {
			u := fmt.Sprint("user-", i)
			on, _ := f.Evaluate(u, nil, time.Now())
			if again, _ := f.Evaluate(u, nil, time.Now()); again != on {
				t.Fatal("not stable")
			}
			if before[u] && !on {
				t.Fatalf("%s is out at %v %%", u, share)
			}
			before[u] = on
			if on {
				n++
				if other, _ := g.Evaluate(u, nil, time.Now()); other {
					both++
				}
			}
		}
		if got := 100 * float64(n) / users; math.Abs(got-share) > 1.2 {
			t.Errorf("%v %% are selected, want %v", got, share)
		}
		if share == 10 && both > users/50 {
			t.Errorf("flags select the same users: %d of %d", both, n)
		}
	}
}

func TestFlags(t *testing.T) { sqldbtest.Each(t, testFlags) }

func testFlags(t *testing.T) {
	s, l, db := newService(t)
	ctx := t.Context()
	if _, err := s.Set(ctx, admin("acme"), "scribe.notes", Definition{Description: "Notes", Owner: "Zebulon Canary", Percentage: 12.345, Roles: []string{"b", "a", "a"}}); err != nil {
		t.Fatal(err)
	}
	e := l.Drain()
	if len(e) != 1 || e[0].Action != "feature_flag.create" || e[0].Resource.ID != "scribe.notes" || len(e[0].Changes) != 6 || e[0].Changes[0].Op != "add" {
		t.Errorf("%+v", e)
	}
	list, err := s.Flags(ctx, admin("acme"))
	if err != nil || len(list) != 1 || list[0].Percentage != 12.35 || len(list[0].Roles) != 2 || list[0].Owner != "Zebulon Canary" {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := s.Set(ctx, admin("acme"), "scribe.notes", list[0].Definition); err != nil || len(l.Drain()) != 0 {
		t.Errorf("nothing changed, and an event: %v", err)
	}
	d := list[0].Definition
	d.Killed = true
	if _, err := s.Set(ctx, admin("acme"), "scribe.notes", d); err != nil {
		t.Fatal(err)
	}
	if e := l.Drain(); len(e) != 1 || len(e[0].Changes) != 1 || e[0].Changes[0].Path != "/killed" || string(e[0].Changes[0].Before) != "false" || string(e[0].Changes[0].After) != "true" {
		t.Errorf("%+v", e)
	}
	v, err := s.Evaluate(ctx, "acme", "u", nil, []string{"scribe.notes", "nothing"})
	if err != nil || v["scribe.notes"] != (Value{false, Killed}) || v["nothing"] != (Value{false, UnknownFlag}) {
		t.Errorf("%v %v", v, err)
	}
	// Another tenant.
	if v, err := s.Evaluate(ctx, "globex", "u", nil, nil); err != nil || len(v) != 0 {
		t.Errorf("%v %v", v, err)
	}
	if err := s.Remove(ctx, admin("globex"), "scribe.notes"); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("globex removes acme's flag: %v", err)
	}
	if _, err := s.Set(ctx, admin("globex"), "scribe.notes", Definition{}); err != nil {
		t.Errorf("a name is free in another tenant: %v", err)
	}
	if err := s.Remove(ctx, admin("acme"), "scribe.notes"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "Upper", "1st", "a b", "a/b", "über"} {
		if _, err := s.Set(ctx, admin("acme"), name, Definition{}); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%q: %v", name, err)
		}
	}
	reader := actor.Principal{TenantID: "acme", UserID: "u", Permissions: []string{actor.LedgerSearch}}
	if _, err := s.Set(ctx, reader, "x", Definition{}); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
	if _, err := s.Flags(ctx, reader); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
	for name, b := range sqldbtest.Stored(t, db) {
		if bytes.Contains(b, []byte("Zebulon")) {
			t.Errorf("the owner's name is readable in %s", name)
		}
	}
}
