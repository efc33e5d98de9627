package alert

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/notify/send"
)

var denied = Filter{"action": {"door.denied"}}

func threshold(n int64, window time.Duration, by string) *Threshold {
	return &Threshold{MoreThan: n, WindowSeconds: int64(window / time.Second), GroupBy: by}
}

// TestThreshold follows a rule from its first crossing over another to its end.
func TestThreshold(t *testing.T) { sqldbtest.Each(t, testThreshold) }

func testThreshold(t *testing.T) {
	w := newWorld(t)
	w.channel("All")
	quiet := time.Minute
	r := w.create(Draft{Filter: denied, Threshold: threshold(20, 5*time.Minute, ByActor), CoolDown: &quiet, Severity: send.Error})
	for i := range 20 {
		w.happen("door.denied", "ana")
		w.happen("door.denied", fmt.Sprint("u", i))
		w.happen("door.open", "ana")
	}
	w.turn()
	if got := w.list(Selection{}); len(got) != 0 {
		t.Fatalf("20 are not more than 20: %+v", got[0])
	}
	w.happen("door.denied", "ana")
	crossed := int64(len(w.log) - 1)
	w.turn()
	w.turn()
	got := w.list(Selection{})
	if len(got) != 1 {
		t.Fatalf("%d alerts", len(got))
	}
	a := got[0]
	if a.State != Firing || a.Events != 21 || a.FirstSeq != crossed || a.Samples[0] != crossed || len(a.Samples) != maxSamples || a.Group != "user ana" || a.Rule != "Many denied" || a.RuleID != r.ID || !a.Notified {
		t.Errorf("%+v", a)
	}
	// While it lasts, and within the cool-down, further events belong to it.
	w.happen("door.denied", "ana")
	w.turn()
	w.skip(4*time.Minute + 40*time.Second)
	w.turn()
	w.happen("door.denied", "ana")
	w.turn()
	w.skip(persistEvery)
	w.turn()
	if a := w.list(Selection{State: Firing}); len(a) != 1 || a[0].Events != 23 {
		t.Fatalf("%d alerts: %+v", len(a), a[0])
	}
	if w.skip(time.Hour); w.told() != "alert.error" {
		t.Error(w.told())
	}
	w.turn()
	a = w.list(Selection{State: Resolved})[0]
	// The second of 22 left the window 5 minutes after it came; the cool-down follows.
	if want := w.log[1*3].at.Add(5*time.Minute + quiet); a.ResolvedAt == nil || !a.ResolvedAt.Equal(want) || w.told() != "alert.error alert.resolved" {
		t.Errorf("resolved at %v, want %v; %s", a.ResolvedAt, want, w.told())
	}
	// And another crossing is another alert.
	for range 21 {
		w.happen("door.denied", "ana")
	}
	w.turn()
	if n := len(w.list(Selection{})); n != 2 {
		t.Errorf("%d alerts", n)
	}
	if got := w.actions(); got != "notification_channel.create/u-adm alert_rule.create/u-adm alert.fire/probity alert.resolve/probity alert.fire/probity" {
		t.Error(got)
	}
	if r, err := w.s.Rule(context.Background(), admin, r.ID); err != nil || r.Open != 1 || r.Behind != 0 || r.LastFiredAt == nil {
		t.Errorf("%+v %v", r, err)
	}
}

// TestEveryEvent: without a threshold every event is an alert, one for each cool-down; what happened before the rule was made is none.
func TestEveryEvent(t *testing.T) { sqldbtest.Each(t, testEveryEvent) }

func testEveryEvent(t *testing.T) {
	w := newWorld(t)
	w.happen("role.grant", "ana")
	none := time.Duration(0)
	w.create(Draft{Filter: Filter{"action": {"role.grant"}}, CoolDown: &none})
	w.create(Draft{Name: "Calm", Filter: Filter{"action": {"role.grant"}}})
	for range 3 {
		w.happen("role.grant", "ana")
	}
	w.turn()
	if got := w.list(Selection{}); len(got) != 4 {
		t.Errorf("%d alerts, want three and one", len(got))
	}
}

// TestCrashes kills the server at every kind of moment: between rounds, before and after an alert is committed. Each crossing must have been told once.
func TestCrashes(t *testing.T) { sqldbtest.Each(t, testCrashes) }

func testCrashes(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t)
			w.channel("All")
			rnd := rand.New(rand.NewPCG(seed, 7))
			n, window, quiet := rnd.Int64N(5), time.Duration(5+rnd.IntN(40))*time.Second, time.Duration(rnd.IntN(60))*time.Second
			w.create(Draft{Filter: denied, Threshold: threshold(n, window, ByActor), CoolDown: &quiet})
			crash := errors.New("killed")
			for range 60 {
				for range rnd.IntN(12) {
					w.happen([]string{"door.denied", "door.open"}[rnd.IntN(2)], []string{"ana", "bo", "cy"}[rnd.IntN(3)])
					if rnd.IntN(15) == 0 {
						w.skip(2 * time.Minute)
					}
				}
				w.Refuse(nil)
				if rnd.IntN(3) == 0 {
					w.Refuse(func() error { return crash })
				}
				w.turn()
				if rnd.IntN(3) == 0 { // the process is gone, with all that it knew; its leases run out
					w.s = w.service()
					w.skip(leaseTime + time.Second)
				}
			}
			w.Refuse(nil)
			w.skip(time.Hour)
			w.turn()
			w.turn()
			var hits []hit
			var keys []string
			for seq, e := range w.log {
				if e.action == "door.denied" {
					hits, keys = append(hits, hit{uint64(seq), e.at.UnixMicro()}), append(keys, e.user)
				}
			}
			want, _ := naive(hits, keys, n, window.Microseconds(), quiet.Microseconds())
			got := w.list(Selection{})
			if len(got) != len(want) || len(got) == 0 {
				t.Fatalf("%d alerts, want %d", len(got), len(want))
			}
			events := int64(0)
			for i, a := range got {
				if a.FirstSeq != int64(want[i].seq) || a.State != Resolved {
					t.Errorf("alert %d: %+v, want %+v", i, a, want[i])
				}
				events += a.Events
			}
			if told := w.told(); len(want) < 90 && (strings.Count(told, "alert.warning") != len(want) || strings.Count(told, "alert.resolved") != len(want)) {
				t.Errorf("%d alerts; told: %s", len(want), told)
			}
			// What belongs to an alert does not depend on the crashes either.
			calm := w.calm(n, window, quiet)
			if events != calm {
				t.Errorf("alerts have %d events, want %d", events, calm)
			}
		})
	}
}

// calm counts the events of alerts in one go.
func (w *world) calm(n int64, window, quiet time.Duration) (events int64) {
	c := newCounter(n, window.Microseconds(), quiet.Microseconds())
	for seq, e := range w.log {
		if e.action != "door.denied" {
			continue
		}
		_, ended, err := c.add(e.user, hit{uint64(seq), e.at.UnixMicro()})
		if err != nil {
			w.t.Fatal(err)
		}
		if ended != nil {
			events += ended.events
		}
	}
	for _, s := range c.open {
		events += s.events
	}
	return events
}

// TestTwoServers: only one of them follows a rule, and the other takes over when it is gone.
func TestTwoServers(t *testing.T) { sqldbtest.Each(t, testTwoServers) }

func testTwoServers(t *testing.T) {
	w := newWorld(t)
	none := time.Duration(0)
	w.create(Draft{Filter: denied, CoolDown: &none})
	second := w.service()
	w.happen("door.denied", "ana")
	w.turn()
	w.happen("door.denied", "ana")
	w.turnOf(second)
	if n := len(w.list(Selection{})); n != 1 {
		t.Fatalf("%d alerts: both servers follow the rule", n)
	}
	w.skip(leaseTime + time.Second)
	w.turnOf(second)
	w.happen("door.denied", "ana")
	w.turn() // it still holds what it knew, and must notice that it has lost the rule
	w.turnOf(second)
	w.skip(leaseTime + time.Second)
	w.happen("door.denied", "ana")
	w.turn()
	w.turn()
	if n := len(w.list(Selection{})); n != 4 {
		t.Errorf("%d alerts, want 4", n)
	}
}

// TestMuteChannelsAcknowledge: a muted rule sends nothing, chosen channels get what others do not, and an alert is acknowledged once.
func TestMuteChannelsAcknowledge(t *testing.T) { sqldbtest.Each(t, testMuteChannelsAcknowledge) }

func testMuteChannelsAcknowledge(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.channel("Critical only", "alert.critical")
	soc := w.channel("SOC", "export.*")
	none := time.Duration(0)
	r := w.create(Draft{Filter: denied, CoolDown: &none, Channels: []string{soc.ID}})
	if _, err := w.s.Mute(ctx, admin, r.ID, w.clock().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.happen("door.denied", "ana")
	w.turn()
	if got := w.list(Selection{}); len(got) != 1 || got[0].Notified || w.told() != "" {
		t.Fatalf("%+v %s", got, w.told())
	}
	w.skip(2 * time.Hour)
	if r, err := w.s.Rule(ctx, admin, r.ID); err != nil || r.MutedUntil != nil {
		t.Errorf("%+v %v", r, err)
	}
	w.happen("door.denied", "ana")
	w.turn()
	if w.told() != "alert.warning" {
		t.Error(w.told())
	}
	a := w.list(Selection{State: Firing})
	if len(a) == 0 {
		t.Fatal("nothing fires")
	}
	got, err := w.s.Acknowledge(ctx, admin, a[0].ID, "it was the locksmith")
	if err != nil || got.State != Acknowledged || got.Note != "it was the locksmith" || got.AcknowledgedBy != "Ada Canary" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := w.s.Acknowledge(ctx, admin, a[0].ID, "again"); errs.CodeOf(err) != errs.Conflict {
		t.Error(err)
	}
	if _, err := w.s.Acknowledge(ctx, auditor, a[0].ID, ""); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
	if got := w.actions(); got != "notification_channel.create/u-adm notification_channel.create/u-adm alert_rule.create/u-adm alert_rule.mute/u-adm alert.fire/probity alert.resolve/probity alert.fire/probity alert.acknowledge/u-adm" {
		t.Error(got)
	}
}

// TestChanges: a rule that is changed, disabled or deleted ends what is open, says so, and keeps its history.
func TestChanges(t *testing.T) { sqldbtest.Each(t, testChanges) }

func testChanges(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.channel("All")
	d := Draft{Name: "Denied", Filter: denied, Enabled: true}
	r := w.create(d)
	fire := func() {
		t.Helper()
		w.happen("door.denied", "ana")
		w.turn()
		if n := len(w.list(Selection{State: Firing})); n != 1 {
			t.Fatalf("%d alerts fire", n)
		}
	}
	ended := func(because string) {
		t.Helper()
		open := w.list(Selection{State: Firing})
		all := w.list(Selection{State: Resolved})
		if len(open) != 0 || all[len(all)-1].ResolvedBecause != because {
			t.Errorf("%d open; %+v", len(open), all[len(all)-1])
		}
	}
	replace := func() {
		t.Helper()
		if _, err := w.s.Replace(ctx, admin, r.ID, d); err != nil {
			t.Fatal(err)
		}
	}
	fire()
	d.Name = "Denied entries"
	replace()
	w.turn()
	if n := len(w.list(Selection{State: Firing})); n != 1 {
		t.Error("a new name ended the alert")
	}
	d.Threshold = threshold(0, time.Minute, ByActor)
	replace()
	ended("the rule was changed")
	fire()
	d.Enabled = false
	replace()
	ended("the rule was disabled")
	w.happen("door.denied", "ana")
	w.turn()
	d.Enabled = true
	replace()
	w.turn()
	if n := len(w.list(Selection{State: Firing})); n != 0 {
		t.Error("it told of what happened while it was disabled")
	}
	w.skip(time.Hour)
	fire()
	if err := w.s.Delete(ctx, admin, r.ID); err != nil {
		t.Fatal(err)
	}
	ended("the rule was deleted")
	w.turn()
	if told := w.told(); strings.Count(told, "alert.warning") != 3 || strings.Count(told, "alert.resolved") != 3 {
		t.Error(told)
	}
	if got := w.list(Selection{}); len(got) != 3 || got[0].Rule != "Denied" || got[2].Rule != "Denied entries" {
		t.Errorf("%+v", got)
	}
}

// TestTooMany: a rule that raises alerts without end is stopped, and somebody is told.
func TestTooMany(t *testing.T) { sqldbtest.Each(t, testTooMany) }

func testTooMany(t *testing.T) {
	w := newWorld(t)
	w.channel("All")
	r := w.create(Draft{Filter: denied, Threshold: threshold(0, time.Hour, ByActor)})
	for i := range maxOpen + 10 {
		w.happen("door.denied", fmt.Sprint("u", i))
		w.skip(-time.Second)
	}
	w.turn()
	w.turn()
	got, err := w.s.Rule(context.Background(), admin, r.ID)
	if err != nil || got.Stopped == "" || got.Open != 0 || !strings.Contains(w.told(), "alert.rule_stopped") {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := w.s.Replace(context.Background(), admin, r.ID, Draft{Name: "Few", Filter: denied, Threshold: threshold(1000, time.Hour, ByActor), Enabled: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := w.s.Rule(context.Background(), admin, r.ID); err != nil || got.Stopped != "" {
		t.Errorf("%+v %v", got, err)
	}
}

// TestPreview agrees with what the rule does.
func TestPreview(t *testing.T) { sqldbtest.Each(t, testPreview) }

func testPreview(t *testing.T) {
	w := newWorld(t)
	none := time.Duration(0)
	d := Draft{Name: "Denied", Filter: denied, Threshold: threshold(2, time.Minute, ByActor), CoolDown: &none}
	for range 3 {
		for range 4 {
			w.happen("door.denied", "ana")
			w.happen("door.denied", "bo")
		}
		w.skip(36 * time.Hour)
	}
	p, err := w.s.Preview(context.Background(), admin, d, 7)
	if err != nil || p.Alerts != 6 || p.Matches != 24 || p.Partial || len(p.Newest) != 6 || p.Newest[0].Group != "user bo" {
		t.Errorf("%+v %v", p, err)
	}
	if p, err := w.s.Preview(context.Background(), admin, d, 2); err != nil || p.Alerts != 2 {
		t.Errorf("%+v %v", p, err)
	}
	if len(w.list(Selection{})) != 0 || w.actions() != "" {
		t.Error("a preview left something behind")
	}
}

// TestSecrets: nothing that a rule names can be read in the database.
func TestSecrets(t *testing.T) { sqldbtest.Each(t, testSecrets) }

func testSecrets(t *testing.T) {
	w := newWorld(t)
	w.create(Draft{Name: "Watch Canary", Filter: Filter{"actor": {"canary@example.com"}}})
	w.happen("door.denied", "ana")
	w.turn()
	a := w.list(Selection{})
	if len(a) != 1 {
		t.Fatal(len(a))
	}
	if _, err := w.s.Acknowledge(context.Background(), admin, a[0].ID, "Canary again"); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"alert_rule", "alert"} {
		var n int
		if err := w.db.Read(context.Background()).QueryRow(`SELECT COUNT(*) FROM ` + table + ` WHERE CAST(body AS TEXT) LIKE '%anary%'`).Scan(&n); err != nil && !strings.Contains(err.Error(), "encoding") || n != 0 {
			t.Errorf("%s: %d %v", table, n, err)
		}
	}
	if m, err := w.s.Explain(context.Background(), tenant, a[0].ID); err != nil || m["rule"] != "Watch Canary" {
		t.Error(m, err)
	}
}

// TestStartClose: the service finds out by itself, and stores its place when it ends.
func TestStartClose(t *testing.T) { sqldbtest.Each(t, testStartClose) }

func testStartClose(t *testing.T) {
	w := newWorld(t)
	r := w.create(Draft{Filter: denied})
	w.s.Start(context.Background())
	w.happen("door.open", "ana")
	w.happen("door.denied", "ana")
	for range 500 {
		if len(w.list(Selection{})) == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.happen("door.open", "ana")
	time.Sleep(2 * pollEvery)
	w.s.Close()
	stored, err := getRule(context.Background(), w.db.Read(context.Background()), tenant, r.ID)
	if err != nil || stored.next != 3 || stored.owner != "" || len(w.list(Selection{})) != 1 {
		t.Errorf("%+v %v", stored, err)
	}
}
