package notify

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/client"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/notify/send"
)

func TestSchedule(t *testing.T) {
	total := time.Duration(0)
	for n := int64(1); ; n++ {
		least, most := maxWait, time.Duration(0)
		wait, again := time.Duration(0), false
		for range 200 {
			if wait, again = nextTry(n, 0); !again {
				break
			}
			least, most = min(least, wait), max(most, wait)
		}
		if !again {
			if n != 12 {
				t.Errorf("%d attempts", n)
			}
			break
		}
		base := schedule[n-1]
		if least < base*8/10-1 || most > min(base*12/10+1, maxWait) || least == most {
			t.Errorf("attempt %d waits %v to %v", n, least, most)
		}
		total += base
	}
	if total < 70*time.Hour || total > 80*time.Hour {
		t.Errorf("given up after %v", total)
	}
	if wait, _ := nextTry(1, time.Hour); wait != time.Hour {
		t.Errorf("asked for an hour, waits %v", wait)
	}
	if wait, _ := nextTry(1, 90*24*time.Hour); wait != maxWait {
		t.Errorf("asked for ever, waits %v", wait)
	}
}

func TestKinds(t *testing.T) {
	s := New(Options{Instance: "i"})
	for _, k := range Kinds() {
		params := `{`
		for i, p := range k.Params {
			if i > 0 {
				params += ","
			}
			params += `"` + p + `":"v-` + p + `"`
		}
		m, err := s.message(context.Background(), &delivery{id: "d"}, &notification{kind: k.Name, topic: "t", causeType: "c", causeID: "1", params: params + "}"})
		if err != nil || m.Title == "" || m.Text == "" || m.Severity == "" || strings.Contains(m.Title+m.Text, "{{") || strings.Contains(m.Title+m.Text, "<no value>") || m.Link != "" {
			t.Errorf("%s: %+v %v", k.Name, m, err)
		}
		if k.Label == "" || k.About == "" || (m.Action == send.Resolve) != (k.Name == KindLogResumed || k.Name == KindAlertResolved || k.Name == KindApprovalEnded || k.Name == KindReviewClosed) {
			t.Errorf("%+v", k)
		}
	}
	if err := checkTopics([]string{"export.*", "log.frozen", "*"}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "invoice.*", "export.Ready", "export.ready; DROP"} {
		if checkTopics([]string{bad}) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// TestNothingPersonalFits tries to put what must not be there into a notification.
func TestNothingPersonalFits(t *testing.T) { sqldbtest.Each(t, testNothingPersonalFits) }

func testNothingPersonalFits(t *testing.T) {
	w := newWorld(t)
	for _, v := range []string{"ana@example.org", "Jürgen", "O'Neill", "<b>", "a\nb", strings.Repeat("a", 129), `"`, "名前"} {
		n := ready("e-1")
		n.Params["rows"] = v
		if err := w.s.Say(t.Context(), tenant, n); err == nil || strings.Contains(err.Error(), v) {
			t.Errorf("%q: %v", v, err)
		}
		n = ready(v)
		if err := w.s.Say(t.Context(), tenant, n); err == nil {
			t.Errorf("%q as a cause", v)
		}
	}
	n := ready("e-1")
	delete(n.Params, "rows")
	if w.s.Say(t.Context(), tenant, n) == nil || w.s.Say(t.Context(), tenant, Notification{Kind: "unheard.of"}) == nil {
		t.Error("an incomplete notification was taken")
	}
}

func TestDelivery(t *testing.T) { sqldbtest.Each(t, testDelivery) }

func testDelivery(t *testing.T) {
	w := newWorld(t)
	w.start()
	c, secret := w.webhook("/a", "export.*")
	logs, _ := w.webhook("/b", "log.*")
	w.say(ready("e-1"))
	d := w.status(c.ID, 0, statusDelivered)
	if d.Attempts != 1 || d.Code != 200 || d.Problem != "" || d.Kind != KindExportReady || d.Cause != (Cause{"export", "e-1"}) || d.FinishedAt == nil {
		t.Errorf("%+v", d)
	}
	r := w.requests("/a")[0]
	if id, err := client.VerifyWebhook(r.header, []byte(r.body), secret); err != nil || id != d.ID {
		t.Errorf("%q %v", id, err)
	}
	if _, err := client.VerifyWebhook(r.header, []byte(r.body), c.PublicKeys...); err != nil {
		t.Error(err)
	}
	for _, part := range []string{`"type":"export.ready"`, `"rows":"12"`, `"link":"https://audit.test/exports"`, `"tenant_id":"t-1"`, `"cause":{"type":"export","id":"e-1"}`} {
		if !strings.Contains(r.body, part) {
			t.Errorf("%s lacks %s", r.body, part)
		}
	}
	_, history, err := w.s.Delivery(t.Context(), auditor, d.ID)
	if err != nil || len(history) != 1 || history[0].Number != 1 || history[0].Code != 200 {
		t.Errorf("%+v %v", history, err)
	}
	if len(w.deliveries(logs.ID)) != 0 {
		t.Error("a channel got what it does not want")
	}
	if got, err := w.s.Channel(t.Context(), auditor, c.ID); err != nil || got.LastOKAt == nil || got.Failures != 0 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestSaidOnceAndOnlyIfItHappened(t *testing.T) {
	sqldbtest.Each(t, testSaidOnceAndOnlyIfItHappened)
}

func testSaidOnceAndOnlyIfItHappened(t *testing.T) {
	w := newWorld(t)
	c, _ := w.webhook("/a")
	n := ready("e-1")
	n.Once = "export e-1"
	no := errors.New("no")
	if err := w.db.Write(t.Context(), func(tx *sql.Tx) error { return errors.Join(w.s.Notify(t.Context(), tx, tenant, n), no) }); !errors.Is(err, no) {
		t.Fatal(err)
	}
	if len(w.deliveries(c.ID)) != 0 {
		t.Fatal("a notification of what did not happen")
	}
	for range 3 {
		w.say(n)
	}
	if got := w.deliveries(c.ID); len(got) != 1 || got[0].Status != statusQueued {
		t.Errorf("%d deliveries", len(got))
	}
}

func TestRetries(t *testing.T) { sqldbtest.Each(t, testRetries) }

func testRetries(t *testing.T) {
	w := newWorld(t)
	w.start()
	c, _ := w.webhook("/a")
	quick, _ := w.webhook("/b")
	n := 0
	w.answers(func(r request) (int, string) {
		if r.path == "/b" {
			return 204, ""
		}
		switch n++; n {
		case 1:
			return 503, ""
		case 2:
			return 429, "3600"
		}
		return 200, ""
	})
	w.say(ready("e-1"))
	d := w.status(c.ID, 0, statusQueued)
	w.until("the first attempt", func() bool { d = w.deliveries(c.ID)[0]; return d.Attempts == 1 && d.Status == statusQueued })
	if d.NextAt == nil || d.Code != 503 || d.Problem != "the receiver failed" {
		t.Fatalf("%+v", d)
	}
	if wait := time.Until(*d.NextAt); wait < 3*time.Second || wait > 7*time.Second {
		t.Errorf("waits %v", wait)
	}
	// What else goes over the channel waits with it; another channel does not.
	w.say(ready("e-2"))
	w.status(quick.ID, 1, statusDelivered)
	if d := w.deliveries(c.ID)[1]; d.Status != statusQueued || d.Attempts != 0 {
		t.Errorf("%+v", d)
	}
	w.skip(8 * time.Second)
	w.until("the second attempt", func() bool { return len(w.requests("/a")) == 2 })
	w.until("its end", func() bool { got, _ := w.s.Channel(t.Context(), admin, c.ID); return got.Failures == 2 })
	// Asked to stay away for an hour.
	w.skip(50 * time.Minute)
	time.Sleep(700 * time.Millisecond)
	if n := len(w.requests("/a")); n != 2 {
		t.Errorf("%d requests within the hour", n)
	}
	w.skip(11 * time.Minute)
	w.status(c.ID, 0, statusDelivered)
	w.status(c.ID, 1, statusDelivered)
	ids := map[string]int{}
	for _, r := range w.requests("/a") {
		ids[r.id]++
	}
	if len(ids) != 2 {
		t.Errorf("two deliveries came under %d ids", len(ids))
	}
	if got, _ := w.s.Channel(t.Context(), admin, c.ID); got.Failures != 0 || got.LastProblem != "" {
		t.Errorf("%+v", got)
	}
}

func TestGivenUp(t *testing.T) { sqldbtest.Each(t, testGivenUp) }

func testGivenUp(t *testing.T) {
	w := newWorld(t)
	w.start()
	c, _ := w.webhook("/a")
	w.answers(func(request) (int, string) { return 500, "" })
	w.say(ready("e-1"))
	for n := range int64(len(schedule) + 1) {
		w.until("attempt", func() bool {
			d := w.deliveries(c.ID)[0]
			return d.Attempts == n+1 && d.Status != statusSending
		})
		if n < int64(len(schedule)) {
			w.skip(schedule[n] * 5 / 4)
		}
	}
	d := w.status(c.ID, 0, statusDead)
	if d.Attempts != 12 || d.NextAt != nil {
		t.Errorf("%+v", d)
	}
	// It has failed for more than three days and ten times in a row.
	w.until("the pause", func() bool { got, _ := w.s.Channel(t.Context(), admin, c.ID); return got.Paused != "" })
	if got := w.actions(); got != "create/u-adm pause/probity" {
		t.Error(got)
	}
}

func TestDeadLetters(t *testing.T) { sqldbtest.Each(t, testDeadLetters) }

func testDeadLetters(t *testing.T) {
	w := newWorld(t)
	w.start()
	c, _, err := w.s.Create(t.Context(), admin, NewChannel{Name: "Chat", Kind: send.Slack, Settings: send.Settings{URL: w.url("/a")}})
	if err != nil {
		t.Fatal(err)
	}
	w.answers(func(request) (int, string) { return 400, "" })
	for _, id := range []string{"e-1", "e-2", "e-3"} {
		w.say(ready(id))
	}
	var dead []*Delivery
	w.until("three dead letters", func() bool {
		dead, _, err = w.s.Deliveries(t.Context(), auditor, DeliveryFilter{Status: statusDead, Limit: 10})
		return len(dead) == 3
	})
	if err != nil || dead[0].Code != 400 || dead[0].Attempts != 1 {
		t.Fatalf("%+v %v", dead[0], err)
	}
	if got, _ := w.s.Channel(t.Context(), admin, c.ID); got.DeadLetters != 3 {
		t.Errorf("%+v", got)
	}
	w.actions()
	if err := w.s.Discard(t.Context(), admin, dead[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := w.s.Discard(t.Context(), admin, dead[0].ID); errs.CodeOf(err) != errs.NotFound {
		t.Error(err)
	}
	w.answers(nil)
	if n, err := w.s.Replay(t.Context(), admin, dead[1].ID, ""); err != nil || n != 1 {
		t.Fatalf("%d %v", n, err)
	}
	w.until("the replay", func() bool {
		d, history, err := w.s.Delivery(t.Context(), admin, dead[1].ID)
		return err == nil && d.Status == statusDelivered && d.Attempts == 2 && len(history) == 2 && history[1].Code == 200
	})
	if n, err := w.s.Replay(t.Context(), admin, "", c.ID); err != nil || n != 1 {
		t.Fatalf("%d %v", n, err)
	}
	w.until("the rest", func() bool { got, _ := w.s.Channel(t.Context(), admin, c.ID); return got.DeadLetters == 0 })
	if n, err := w.s.Replay(t.Context(), admin, "", ""); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("%d %v", n, err)
	}
	if _, err := w.s.Replay(t.Context(), admin, dead[1].ID, ""); errs.CodeOf(err) != errs.NotFound {
		t.Error(err)
	}
	if got := w.actions(); got != "dead_letter.discard/u-adm dead_letter.replay/u-adm dead_letter.replay/u-adm" {
		t.Error(got)
	}
}

func TestGone(t *testing.T) { sqldbtest.Each(t, testGone) }

func testGone(t *testing.T) {
	w := newWorld(t)
	w.start()
	c, _ := w.webhook("/gone", "export.*")
	watch, _ := w.webhook("/watch", "channel.*")
	w.answers(func(r request) (int, string) {
		if r.path == "/gone" {
			return 410, ""
		}
		return 200, ""
	})
	w.say(ready("e-1"))
	w.status(c.ID, 0, statusDead)
	w.until("the pause", func() bool { got, _ := w.s.Channel(t.Context(), admin, c.ID); return got.Paused != "" })
	d := w.status(watch.ID, 0, statusDelivered)
	if d.Kind != KindChannelPaused || d.Cause.ID != c.ID || len(w.deliveries(c.ID)) != 1 {
		t.Errorf("%+v", d)
	}
	// Nothing more goes there, and nothing is lost.
	w.say(ready("e-2"))
	if d := w.status(c.ID, 1, statusDead); d.Attempts != 0 || d.Problem != "the channel is paused" || len(w.requests("/gone")) != 1 {
		t.Errorf("%+v", d)
	}
	if _, err := w.s.Replay(t.Context(), admin, w.deliveries(c.ID)[1].ID, ""); errs.CodeOf(err) != errs.Conflict {
		t.Error(err)
	}
	w.answers(nil)
	no := false
	if got, err := w.s.Update(t.Context(), admin, c.ID, ChannelChange{Paused: &no}); err != nil || got.Paused != "" || got.Failures != 0 {
		t.Fatalf("%+v %v", got, err)
	}
	if n, err := w.s.Replay(t.Context(), admin, "", c.ID); err != nil || n != 2 {
		t.Errorf("%d %v", n, err)
	}
	w.status(c.ID, 0, statusDelivered)
	w.status(c.ID, 1, statusDelivered)
	if got := w.actions(); got != "create/u-adm create/u-adm pause/probity resume/u-adm dead_letter.replay/u-adm" {
		t.Error(got)
	}
}

func TestMutedPausedAndDeleted(t *testing.T) { sqldbtest.Each(t, testMutedPausedAndDeleted) }

func testMutedPausedAndDeleted(t *testing.T) {
	w := newWorld(t)
	c, _ := w.webhook("/a")
	until := time.Now().Add(time.Hour)
	if got, err := w.s.Update(t.Context(), admin, c.ID, ChannelChange{MutedUntil: &until}); err != nil || got.MutedUntil == nil {
		t.Fatalf("%+v %v", got, err)
	}
	w.say(ready("e-1"))
	w.status(c.ID, 0, statusMuted)
	w.skip(2 * time.Hour)
	w.say(ready("e-2"))
	w.status(c.ID, 1, statusQueued)
	yes := true
	if _, err := w.s.Update(t.Context(), admin, c.ID, ChannelChange{Paused: &yes}); err != nil {
		t.Fatal(err)
	}
	w.status(c.ID, 1, statusDead)
	// The test button works on a paused channel, and leaves it paused.
	if d, history, err := w.s.Test(t.Context(), admin, c.ID); err != nil || d.Status != statusDelivered || len(history) != 1 {
		t.Errorf("%+v %v", d, err)
	}
	w.answers(func(request) (int, string) { return 500, "" })
	if d, history, err := w.s.Test(t.Context(), admin, c.ID); err != nil || d.Status != statusFailed || d.Problem != "the receiver failed" || len(history) != 1 || d.NextAt != nil {
		t.Errorf("%+v %v", d, err)
	}
	if got, _ := w.s.Channel(t.Context(), admin, c.ID); got.Paused == "" || got.Failures != 0 {
		t.Errorf("%+v", got)
	}
	if err := w.s.Delete(t.Context(), admin, c.ID); err != nil {
		t.Fatal(err)
	}
	w.status(c.ID, 1, statusDiscarded)
	if _, err := w.s.Channel(t.Context(), admin, c.ID); errs.CodeOf(err) != errs.NotFound {
		t.Error(err)
	}
	if got := w.actions(); got != "create/u-adm mute/u-adm pause/u-adm test/u-adm test/u-adm delete/u-adm" {
		t.Error(got)
	}
}

func TestChangedByTwo(t *testing.T) { sqldbtest.Each(t, testChangedByTwo) }

func testChangedByTwo(t *testing.T) {
	w := newWorld(t)
	c, _ := w.webhook("/a")
	row, err := getChannel(t.Context(), w.db.Read(t.Context()), tenant, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	name := "Another name"
	if got, err := w.s.Update(t.Context(), admin, c.ID, ChannelChange{Name: &name}); err != nil || got.Name != name {
		t.Fatalf("%+v %v", got, err)
	}
	if err := w.db.Write(t.Context(), func(tx *sql.Tx) error { return updateChannel(t.Context(), tx, row, w.s.now()) }); errs.CodeOf(err) != errs.Conflict {
		t.Error(err)
	}
}

func TestRotation(t *testing.T) { sqldbtest.Each(t, testRotation) }

func testRotation(t *testing.T) {
	w := newWorld(t)
	w.start()
	c, first := w.webhook("/a")
	rotated, second, err := w.s.Rotate(t.Context(), admin, c.ID)
	if err != nil || second == first || len(rotated.PublicKeys) != 2 || rotated.PublicKeys[1] != c.PublicKeys[0] {
		t.Fatalf("%+v %v", rotated, err)
	}
	check := func(i int, key string, want bool) {
		t.Helper()
		r := w.requests("/a")[i]
		// Requests are sent with the present time, whatever the clock of the service says.
		if _, err := client.VerifyWebhook(r.header, []byte(r.body), key); (err == nil) != want {
			t.Errorf("request %d: %v", i, err)
		}
	}
	w.say(ready("e-1"))
	w.status(c.ID, 0, statusDelivered)
	check(0, first, true)
	check(0, second, true)
	w.skip(25 * time.Hour)
	if got, err := w.s.Channel(t.Context(), admin, c.ID); err != nil || !slices.Equal(got.PublicKeys, rotated.PublicKeys[:1]) {
		t.Errorf("%+v %v", got, err)
	}
	chat, _, err := w.s.Create(t.Context(), admin, NewChannel{Name: "Chat", Kind: send.Discord, Settings: send.Settings{URL: w.url("/d")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.s.Rotate(t.Context(), admin, chat.ID); errs.CodeOf(err) != errs.Conflict {
		t.Error(err)
	}
}

// TestCrash leaves an attempt without an end, as a killed process does; and stops the service in the middle of one.
func TestCrash(t *testing.T) { sqldbtest.Each(t, testCrash) }

func testCrash(t *testing.T) {
	w := newWorld(t)
	c, _ := w.webhook("/a")
	w.say(ready("e-1"))
	if batch, err := w.s.claim(t.Context()); err != nil || len(batch) != 1 {
		t.Fatal(err)
	}
	if batch, err := w.s.claim(t.Context()); err != nil || batch != nil {
		t.Fatalf("it was taken twice: %v", err)
	}
	// From here on another process.
	block := make(chan struct{})
	w.answers(func(request) (int, string) { <-block; return 200, "" })
	w.s = w.service(nil)
	w.s.Start(context.Background())
	time.Sleep(600 * time.Millisecond)
	if n := len(w.requests("/a")); n != 0 {
		t.Fatalf("%d requests while the lease lasts", n)
	}
	w.skip(leaseTime + time.Second)
	w.until("the second attempt", func() bool { return len(w.requests("/a")) == 1 })
	w.s.Close()
	close(block)
	if d := w.deliveries(c.ID)[0]; d.Status != statusQueued || d.Attempts != 0 {
		t.Errorf("%+v", d)
	}
	w.answers(nil)
	w.s = w.service(nil)
	w.start()
	d := w.status(c.ID, 0, statusDelivered)
	if r := w.requests("/a"); len(r) != 2 || r[0].id != r[1].id || r[1].id != d.ID {
		t.Errorf("%+v", r)
	}
}

func TestFrozenLog(t *testing.T) { sqldbtest.Each(t, testFrozenLog) }

func testFrozenLog(t *testing.T) {
	w := newWorld(t)
	w.start()
	c, _ := w.webhook("/a")
	w.Refuse(func() error { return context.DeadlineExceeded })
	w.say(Notification{Kind: KindLogFrozen, Cause: Cause{"log", "l-1"}})
	w.status(c.ID, 0, statusDelivered)
	if !strings.Contains(w.requests("/a")[0].body, `"severity":"critical"`) {
		t.Error(w.requests("/a")[0].body)
	}
}

type port struct{ jobs chan string }

func (p port) Enqueue(_ context.Context, _ *sql.Tx, tenantID, id string, at time.Time) error {
	p.jobs <- tenantID + " " + id + " " + time.Until(at).Round(time.Second).String()
	return nil
}

// TestQueue drives deliveries through the port as a job queue does.
func TestQueue(t *testing.T) { sqldbtest.Each(t, testQueue) }

func testQueue(t *testing.T) {
	w := newWorld(t)
	p := port{make(chan string, 10)}
	w.s = w.service(p)
	w.start()
	c, _ := w.webhook("/a")
	w.say(ready("e-1"))
	d := w.status(c.ID, 0, statusQueued)
	if job := <-p.jobs; job != tenant+" "+d.ID+" 0s" {
		t.Error(job)
	}
	w.answers(func(request) (int, string) { return 429, "60" })
	for range 2 { // the second comes too early, and does nothing
		if err := w.s.Deliver(t.Context(), tenant, d.ID); err != nil {
			t.Fatal(err)
		}
	}
	if job := <-p.jobs; job != tenant+" "+d.ID+" 1m0s" || len(p.jobs) != 0 {
		t.Error(job)
	}
	if err := w.s.Deliver(t.Context(), stranger, d.ID); err != nil || len(w.requests("/a")) != 1 {
		t.Error("another tenant's job took it")
	}
	w.answers(nil)
	w.skip(2 * time.Minute)
	// Stopped in the middle: there is a job again, due at once.
	stopping, stop := context.WithCancel(t.Context())
	w.answers(func(request) (int, string) { stop(); time.Sleep(50 * time.Millisecond); return 200, "" })
	if err := w.s.Deliver(stopping, tenant, d.ID); err != nil {
		t.Fatal(err)
	}
	if job, got := <-p.jobs, w.deliveries(c.ID)[0]; !strings.HasPrefix(job, tenant+" "+d.ID) || got.Status != statusQueued || got.Attempts != 1 {
		t.Errorf("%s %+v", job, got)
	}
	w.answers(nil)
	if err := w.s.Deliver(t.Context(), tenant, d.ID); err != nil {
		t.Fatal(err)
	}
	w.status(c.ID, 0, statusDelivered)
}

// TestSoon measures how long notifications take to arrive.
func TestSoon(t *testing.T) { sqldbtest.Each(t, testSoon) }

func testSoon(t *testing.T) {
	w := newWorld(t)
	w.start()
	for _, p := range []string{"/a", "/b", "/c", "/d"} {
		w.webhook(p)
	}
	// One receiver that never answers must not hold up the others.
	slow, _ := w.webhook("/slow")
	w.answers(func(r request) (int, string) {
		if r.path == "/slow" {
			time.Sleep(2500 * time.Millisecond)
		}
		return 200, ""
	})
	said := map[string]time.Time{}
	for i := range 50 {
		id := "e-" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		said[id] = time.Now()
		w.say(ready(id))
	}
	var took []time.Duration
	w.until("all", func() bool {
		return len(w.requests("/a"))+len(w.requests("/b"))+len(w.requests("/c"))+len(w.requests("/d")) == 200
	})
	for _, p := range []string{"/a", "/b", "/c", "/d"} {
		for _, r := range w.requests(p) {
			_, rest, _ := strings.Cut(r.body, `"cause":{"type":"export","id":"`)
			took = append(took, r.at.Sub(said[rest[:4]]))
		}
	}
	slices.Sort(took)
	t.Logf("p50 %v, p99 %v, worst %v", took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	if took[len(took)*99/100] > 5*time.Second {
		t.Error("too slow")
	}
	if n := len(w.requests("/slow")); n > 8 {
		t.Errorf("%d requests at once to a channel that does not answer", n)
	}
	if err := w.s.Delete(t.Context(), admin, slow.ID); err != nil {
		t.Fatal(err)
	}
}

// TestNothingSecretIsStored looks for everything that a channel was set up with in the database and in the log.
func TestNothingSecretIsStored(t *testing.T) { sqldbtest.Each(t, testNothingSecretIsStored) }

func testNothingSecretIsStored(t *testing.T) {
	w := newWorld(t)
	w.start()
	mail, err := send.NewMail(send.MailOptions{Server: "127.0.0.1:1", From: "probity@audit.test"})
	if err != nil {
		t.Fatal(err)
	}
	w.sender.Mail = mail
	w.answers(func(request) (int, string) { return 400, "" })
	hook, secret := w.webhook("/CANARYPATH")
	for _, n := range []NewChannel{
		{Name: "Canaryname Lopez", Kind: send.Email, Settings: send.Settings{Recipients: []string{"canary.person@example.org"}}},
		{Name: "Canaryname Slack", Kind: send.Slack, Settings: send.Settings{Token: "xoxb-CANARYTOKEN", Channel: "#canarychannel"}},
		{Name: "Canaryname Pager", Kind: send.PagerDuty, Settings: send.Settings{RoutingKey: "CANARYROUTING0000000000000000000"}},
	} {
		if _, _, err := w.s.Create(t.Context(), admin, n); err != nil {
			t.Fatal(err)
		}
	}
	w.say(ready("e-1"))
	w.until("attempts", func() bool { return len(w.requests("/CANARYPATH")) > 0 })
	w.status(hook.ID, 0, statusQueued)
	all := []string{"CANARYPATH", "Canaryname", "canary.person", "CANARYTOKEN", "canarychannel", "CANARYROUTING", secret[6:], "ada.canary"}
	w.s.Close()
	found := false
	for f, b := range sqldbtest.Stored(t, w.db) {
		found = found || strings.Contains(string(b), hook.ID)
		for _, c := range all {
			if strings.Contains(strings.ToLower(string(b)), strings.ToLower(c)) {
				t.Errorf("%s is in %s", c, f)
			}
		}
	}
	if !found {
		t.Error("the channel is in none of the files: nothing was looked through")
	}
	for _, c := range all {
		if strings.Contains(w.logs.String(), c) {
			t.Errorf("%s is in the log", c)
		}
	}
	for _, e := range w.Events() {
		for _, m := range e.Data {
			for _, c := range all[2:7] {
				if strings.Contains(string(m.Value), c) {
					t.Errorf("%s is in the event %s", c, e.Action)
				}
			}
		}
	}
}
