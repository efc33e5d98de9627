package alert

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
)

// end is what an event says of the end of an alert.
type end struct {
	Rule    string    `json:"rule_id"`
	Fired   time.Time `json:"fired_at"`
	Ended   time.Time `json:"resolved_at"`
	Events  int64     `json:"events"`
	Because string    `json:"resolved_because"`
	alert   string
	by      string
}

// ends takes the recorded events and returns those of alerts that ended.
func (w *world) ends() (list []end) {
	w.t.Helper()
	for _, e := range w.Drain() {
		if e.Action != "alert.resolve" {
			continue
		}
		members := map[string]json.RawMessage{}
		for _, m := range e.Data {
			members[m.Name] = json.RawMessage(m.Value)
		}
		text, err := json.Marshal(members)
		x := end{alert: e.Resource.ID, by: e.Actor.ID}
		if err == nil {
			err = json.Unmarshal(text, &x)
		}
		if err != nil || len(members) != 5 || e.Category != "security" || e.Resource.Type != "alert" {
			w.t.Fatalf("%+v %v", e, err)
		}
		if all, err := json.Marshal(e); err != nil || e.Actor.ID == "probity" && strings.Contains(string(all), "ana") || strings.Contains(string(all), "Many denied") {
			w.t.Errorf("a value is in the event: %s %v", all, err)
		}
		list = append(list, x)
	}
	return list
}

// like demands that an event says of an alert what its row does.
func (x *end) like(t *testing.T, a *Alert, by string) {
	t.Helper()
	if x.alert != a.ID || x.Rule != a.RuleID || !x.Fired.Equal(a.FiredAt) || a.ResolvedAt == nil || !x.Ended.Equal(*a.ResolvedAt) || x.Events != a.Events || x.Because != a.ResolvedBecause || x.by != by {
		t.Errorf("the event says %+v, the alert is %+v", *x, *a)
	}
}

// TestEndIsRecorded: when alerts end by themselves, each end is an event, recorded with it or not at all.
func TestEndIsRecorded(t *testing.T) { sqldbtest.Each(t, testEndIsRecorded) }

func testEndIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.channel("All")
	w.create(Draft{Filter: denied, Threshold: threshold(1, time.Minute, ByActor)})
	for _, user := range []string{"ana", "bo"} {
		w.happen("door.denied", user)
		w.happen("door.denied", user)
	}
	w.happen("door.denied", "ana")
	w.turn()
	if w.ends() != nil || len(w.list(Selection{State: Firing})) != 2 {
		t.Fatal("two alerts should fire")
	}
	w.skip(time.Hour)
	left := 1 // the first end is stored, the second is not
	w.Refuse(func() error {
		if left--; left < 0 {
			return errors.New("the disk is full")
		}
		return nil
	})
	w.turn()
	first := w.ends()
	ended := w.list(Selection{State: Resolved})
	if len(first) != 1 || len(ended) != 1 || len(w.list(Selection{State: Firing})) != 1 || w.told() != "alert.warning alert.warning alert.resolved" {
		t.Fatalf("%+v %+v %s", first, ended, w.told())
	}
	first[0].like(t, ended[0], "probity")
	if first[0].Events != 3 || first[0].Because != heldNoMore {
		t.Errorf("%+v", first[0])
	}
	w.Refuse(nil)
	w.s = w.service() // another process goes on
	w.skip(time.Minute)
	w.turn()
	second := w.ends()
	ended = w.list(Selection{State: Resolved})
	if len(second) != 1 || len(ended) != 2 || w.told() != "alert.warning alert.warning alert.resolved alert.resolved" {
		t.Fatalf("%+v %+v %s", second, ended, w.told())
	}
	second[0].like(t, ended[1], "probity")
	if second[0].Events != 2 {
		t.Errorf("%+v", second[0])
	}
	w.turn()
	if again := w.ends(); again != nil {
		t.Errorf("an end is told twice: %+v", again)
	}
}

// TestEndBeforeTheNext: an event that shows that an alert has ended, and raises the next, lets both be recorded in this order, also when the process dies between them.
func TestEndBeforeTheNext(t *testing.T) { sqldbtest.Each(t, testEndBeforeTheNext) }

func testEndBeforeTheNext(t *testing.T) {
	w := newWorld(t)
	none := time.Duration(0)
	w.create(Draft{Filter: denied, CoolDown: &none})
	w.happen("door.denied", "ana")
	w.turn()
	w.skip(time.Hour)
	w.happen("door.denied", "ana")
	w.actions()
	alive := true
	w.Refuse(func() error {
		if !alive {
			return errors.New("killed")
		}
		alive = false // from the first commit on
		return nil
	})
	w.turn()
	if got := w.actions(); got != "alert.resolve/probity" {
		t.Fatal(got)
	}
	w.Refuse(nil)
	w.s = w.service()
	w.skip(time.Minute)
	w.turn()
	if got := w.actions(); !strings.HasPrefix(got, "alert.fire/probity") {
		t.Error(got)
	}
	if n := len(w.list(Selection{})); n != 2 {
		t.Errorf("%d alerts", n)
	}
}

// TestEndBySomebody: whoever changes, disables or deletes a rule ends its alerts, each of which is an event of theirs in the same transaction.
func TestEndBySomebody(t *testing.T) { sqldbtest.Each(t, testEndBySomebody) }

func testEndBySomebody(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	d := Draft{Name: "Many denied", Filter: denied, Threshold: threshold(0, time.Minute, ByActor), Enabled: true}
	r := w.create(d)
	replace := func(change func(d *Draft)) func() error {
		return func() error {
			d := d
			change(&d)
			_, err := w.s.Replace(ctx, admin, r.ID, d)
			return err
		}
	}
	for _, c := range []struct {
		because string
		act     func() error
	}{
		{"the rule was changed", replace(func(d *Draft) { d.Threshold = threshold(0, 2*time.Minute, ByActor) })},
		{"the rule was disabled", replace(func(d *Draft) { d.Enabled = false })},
		{"the rule was deleted", func() error { return w.s.Delete(ctx, admin, r.ID) }},
	} {
		r = w.create(d)
		w.happen("door.denied", "ana")
		w.happen("door.denied", "bo")
		w.turn()
		w.turn()
		open := w.list(Selection{RuleID: r.ID, State: Firing})
		if len(open) != 2 {
			t.Fatalf("%d alerts fire", len(open))
		}
		w.ends()
		// Before the first attempt is stored, an alert grows; nothing of the attempt may last.
		w.Refuse(func() error {
			w.Refuse(nil)
			return w.db.Write(ctx, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE alert SET events = events + 7 WHERE id = $1`, open[0].ID)
				return err
			})
		})
		if err := c.act(); err != nil {
			t.Fatal(err)
		}
		got, now := w.ends(), w.list(Selection{RuleID: r.ID, State: Resolved})
		if len(got) != 2 || len(now) != 2 {
			t.Fatalf("%s: %+v %+v", c.because, got, now)
		}
		for i := range got {
			got[i].like(t, now[i], admin.UserID)
		}
		if got[0].Because != c.because || got[0].Events != open[0].Events+7 {
			t.Errorf("%+v", got[0])
		}
	}
}
