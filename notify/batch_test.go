package notify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/notify/send"
)

// storm says n notifications before anybody delivers.
func (w *world) storm(n int) {
	w.t.Helper()
	for i := range n {
		w.say(ready(fmt.Sprintf("e-%02d", i)))
	}
}

// order returns the numbers of the notifications that came to a path, in the order in which they came.
func (w *world) order(path string) (list []string) {
	for _, r := range w.requests(path) {
		_, rest, _ := strings.Cut(r.body, `"cause":{"type":"export","id":"e-`)
		list = append(list, rest[:2])
	}
	return list
}

// shape returns the status and the attempts of the deliveries of a channel, in the order in which they were made.
func (w *world) shape(channelID string) string {
	w.t.Helper()
	var list []string
	for _, d := range w.deliveries(channelID) {
		list = append(list, fmt.Sprint(d.Status, d.Attempts))
	}
	return strings.Join(list, " ")
}

// repeat is the shape of n deliveries of one status.
func repeat(n int, word string) string { return strings.TrimSuffix(strings.Repeat(word+" ", n), " ") }

// claimed takes a batch of a certain size, which will be sent to its end however long that takes.
func (w *world) claimed(size int) []*delivery {
	w.t.Helper()
	w.s.batchTime = time.Minute
	batch, err := w.s.claim(w.t.Context())
	if err != nil || len(batch) != size {
		w.t.Fatalf("%d deliveries, want %d: %v", len(batch), size, err)
	}
	return batch
}

// TestBatch takes what waits apart: a worker has one channel, a channel one worker, and what comes is in the order of creation.
func TestBatch(t *testing.T) { sqldbtest.Each(t, testBatch) }

func testBatch(t *testing.T) {
	w := newWorld(t)
	a, _ := w.webhook("/a")
	b, _ := w.webhook("/b")
	w.storm(20)
	one, two := w.claimed(batchSize), w.claimed(batchSize)
	for _, batch := range [][]*delivery{one, two} {
		for _, d := range batch {
			if d.channel != batch[0].channel || d.attempt != 0 {
				t.Errorf("%+v", d)
			}
		}
	}
	if one[0].channel == two[0].channel {
		t.Error("a channel has two workers")
	}
	w.claimed(0)
	w.s.try(t.Context(), one)
	w.s.try(t.Context(), two)
	for _, c := range []string{a.ID, b.ID} {
		if got := w.shape(c); got != repeat(16, "delivered1")+" "+repeat(4, "queued0") {
			t.Error(got)
		}
	}
	w.start()
	w.status(a.ID, 19, statusDelivered)
	w.status(b.ID, 19, statusDelivered)
	for _, path := range []string{"/a", "/b"} {
		if got := w.order(path); len(got) != 20 || !slices.IsSorted(got) {
			t.Error(got)
		}
	}
}

// TestBatchOfASlowReceiver: what does not fit into the time of a batch goes back as if nothing had been.
func TestBatchOfASlowReceiver(t *testing.T) { sqldbtest.Each(t, testBatchOfASlowReceiver) }

func testBatchOfASlowReceiver(t *testing.T) {
	w := newWorld(t)
	c, _ := w.webhook("/a")
	w.answers(func(request) (int, string) { time.Sleep(700 * time.Millisecond); return 200, "" })
	w.storm(6)
	batch := w.claimed(6)
	w.s.batchTime = time.Second
	due := batch[5].before
	w.s.try(t.Context(), batch)
	if got := w.shape(c.ID); got != repeat(2, "delivered1")+" "+repeat(4, "queued0") {
		t.Error(got)
	}
	if again := w.claimed(4); again[3].before != due || again[3].before != again[3].createdAt {
		t.Errorf("%+v", again[3])
	}
}

// TestFailureInABatch: the rest waits with the channel, and no attempt is counted that was not made.
func TestFailureInABatch(t *testing.T) { sqldbtest.Each(t, testFailureInABatch) }

func testFailureInABatch(t *testing.T) {
	w := newWorld(t)
	c, _ := w.webhook("/a")
	w.answers(func(r request) (int, string) {
		if strings.Contains(r.body, "e-03") {
			return 503, ""
		}
		return 200, ""
	})
	w.storm(8)
	w.s.try(t.Context(), w.claimed(8))
	if got := w.shape(c.ID); got != repeat(3, "delivered1")+" queued1 "+repeat(4, "queued0") {
		t.Error(got)
	}
	if got, err := w.s.Channel(t.Context(), admin, c.ID); err != nil || got.Failures != 1 || got.LastOKAt == nil || got.LastProblem == "" {
		t.Errorf("%+v %v", got, err)
	}
	w.claimed(0)
	w.answers(nil)
	w.skip(8 * time.Second)
	w.start()
	w.until("all", func() bool {
		return w.shape(c.ID) == repeat(3, "delivered1")+" delivered2 "+repeat(4, "delivered1")
	})
	if got := w.order("/a"); !slices.Equal(got, []string{"00", "01", "02", "03", "04", "05", "06", "07", "03"}) {
		t.Error(got)
	}
}

// TestRefusedInABatch: a message that is refused for good does not keep the others.
func TestRefusedInABatch(t *testing.T) { sqldbtest.Each(t, testRefusedInABatch) }

func testRefusedInABatch(t *testing.T) {
	w := newWorld(t)
	c, _, err := w.s.Create(t.Context(), admin, NewChannel{Name: "Chat", Kind: send.Slack, Settings: send.Settings{URL: w.url("/a")}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	w.answers(func(request) (int, string) {
		if n++; n == 2 {
			return 400, ""
		}
		return 200, ""
	})
	w.storm(4)
	w.s.try(t.Context(), w.claimed(4))
	if got := w.shape(c.ID); got != "delivered1 dead1 delivered1 delivered1" {
		t.Error(got)
	}
}

// TestCrashInABatch kills the process after some of a batch have been sent: what it did not store is sent again under the same ids, nothing is lost, and should the process only have stood still, what it has to
// say afterwards counts no more.
func TestCrashInABatch(t *testing.T) { sqldbtest.Each(t, testCrashInABatch) }

func testCrashInABatch(t *testing.T) {
	w := newWorld(t)
	c, _ := w.webhook("/a")
	w.storm(6)
	lost := w.claimed(6)
	ended := []*outcome{}
	for _, d := range lost[:3] {
		o := &outcome{d: d, startedAt: w.s.now()}
		if o.Outcome, _ = w.s.attempt(t.Context(), d, &line{}); !o.OK {
			t.Fatal(o.Problem)
		}
		ended = append(ended, o)
	}
	standing := w.s
	w.s = w.service(nil)
	w.start()
	w.say(ready("e-99"))
	w.skip(leaseTime + time.Second)
	w.until("all", func() bool { return w.shape(c.ID) == repeat(7, "delivered1") })
	if got := w.order("/a"); !slices.Equal(got, []string{"00", "01", "02", "00", "01", "02", "03", "04", "05", "99"}) {
		t.Error(got)
	}
	ids := map[string]bool{}
	for _, r := range w.requests("/a") {
		ids[r.id] = true
	}
	if len(ids) != 7 {
		t.Errorf("%d ids", len(ids))
	}
	if err := standing.finish(t.Context(), lost, ended); err != nil {
		t.Fatal(err)
	}
	if got := w.shape(c.ID); got != repeat(7, "delivered1") {
		t.Error(got)
	}
	for _, d := range w.deliveries(c.ID) {
		if _, history, err := w.s.Delivery(t.Context(), admin, d.ID); err != nil || len(history) != 1 {
			t.Errorf("%+v %v", history, err)
		}
	}
}

// TestChangedInABatch pauses, mutes and deletes a channel, and gives it another key, while a batch is on its way.
func TestChangedInABatch(t *testing.T) { sqldbtest.Each(t, testChangedInABatch) }

func testChangedInABatch(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w *world, id string) error
		want string
	}{
		{"paused", func(w *world, id string) error {
			yes := true
			_, err := w.s.Update(t.Context(), admin, id, ChannelChange{Paused: &yes})
			return err
		}, repeat(3, "delivered1") + " " + repeat(3, "dead0")},
		// What was said before is sent; what comes later is noted.
		{"muted", func(w *world, id string) error {
			until := time.Now().Add(time.Hour)
			_, err := w.s.Update(t.Context(), admin, id, ChannelChange{MutedUntil: &until})
			return err
		}, repeat(6, "delivered1")},
		{"deleted", func(w *world, id string) error { return w.s.Delete(t.Context(), admin, id) }, repeat(6, "discarded0")},
		{"rotated", func(w *world, id string) error {
			_, _, err := w.s.Rotate(t.Context(), admin, id)
			return err
		}, repeat(6, "delivered1")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			ch, _ := w.webhook("/a")
			n := 0
			w.answers(func(request) (int, string) {
				if n++; n == 3 {
					if err := c.do(w, ch.ID); err != nil {
						t.Error(err)
					}
				}
				return 200, ""
			})
			w.storm(6)
			w.s.try(t.Context(), w.claimed(6))
			if got := w.shape(ch.ID); got != c.want {
				t.Error(got)
			}
			if got := w.requests("/a"); c.name == "rotated" && strings.Count(got[5].header.Get("webhook-signature"), "v1,") != 2 {
				t.Errorf("signed with %s", got[5].header.Get("webhook-signature"))
			}
			w.claimed(0)
		})
	}
}

// TestGoneInABatch: a receiver that wants no more gets no more, not even what is on its way.
func TestGoneInABatch(t *testing.T) { sqldbtest.Each(t, testGoneInABatch) }

func testGoneInABatch(t *testing.T) {
	w := newWorld(t)
	c, _ := w.webhook("/a")
	w.answers(func(request) (int, string) { return 410, "" })
	w.storm(4)
	w.s.try(t.Context(), w.claimed(4))
	if got := w.shape(c.ID); got != "dead1 "+repeat(3, "dead0") || len(w.requests("/a")) != 1 {
		t.Error(got)
	}
}

// TestStopInABatch stops the server while a message is on its way: that one and the rest wait, and go at once after the next start.
func TestStopInABatch(t *testing.T) { sqldbtest.Each(t, testStopInABatch) }

func testStopInABatch(t *testing.T) {
	w := newWorld(t)
	c, _ := w.webhook("/a")
	reached, block, n := make(chan struct{}), make(chan struct{}), 0
	w.answers(func(request) (int, string) {
		if n++; n == 3 {
			close(reached)
			<-block
		}
		return 200, ""
	})
	w.storm(6)
	w.s.Start(context.Background())
	<-reached
	w.s.Close()
	close(block)
	if got := w.shape(c.ID); got != repeat(2, "delivered1")+" "+repeat(4, "queued0") {
		t.Error(got)
	}
	w.answers(nil)
	w.s = w.service(nil)
	w.start()
	w.until("all", func() bool { return w.shape(c.ID) == repeat(6, "delivered1") })
	if got := w.order("/a"); !slices.Equal(got, []string{"00", "01", "02", "02", "03", "04", "05"}) {
		t.Error(got)
	}
}
