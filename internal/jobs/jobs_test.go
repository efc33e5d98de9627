package jobs

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

func TestJobAppearsWithItsCauseOrNotAtAll(t *testing.T) {
	sqldbtest.Each(t, testJobAppearsWithItsCauseOrNotAtAll)
}

func testJobAppearsWithItsCauseOrNotAtAll(t *testing.T) {
	var ran atomic.Int32
	w := world1(t, Queue{Workers: 2}, Kind[task]{Work: func(context.Context, *Run, task) error { ran.Add(1); return nil }})
	undone := errors.New("undone")
	err := w.db.Write(t.Context(), func(tx *sql.Tx) error {
		if _, err := w.s.Enqueue(t.Context(), tx, "a", task{Name: "never"}, Enqueuing{}); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	id := w.enqueue("a", "x", Enqueuing{RequestedBy: "u-1"})
	j := w.wait("a", id, StateDone)
	if j.RequestedBy != "u-1" || j.Attempt != 1 || strings.ReplaceAll(string(j.Args), " ", "") != `{"name":"x"}` || j.Kind != "test.task" {
		t.Errorf("the job is shown as %+v", j)
	}
	if n := ran.Load(); n != 1 {
		t.Errorf("%d jobs ran", n)
	}
	if _, err := w.s.Get(t.Context(), "b", id); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("another tenant sees the job: %v", err)
	}
	if list, _, err := w.s.List(t.Context(), "b", Filter{Limit: 10}); err != nil || len(list) != 0 {
		t.Errorf("another tenant sees %d jobs (%v)", len(list), err)
	}
}

func TestFailedJobIsTriedAgainAndThenADeadLetter(t *testing.T) {
	sqldbtest.Each(t, testFailedJobIsTriedAgainAndThenADeadLetter)
}

func testFailedJobIsTriedAgainAndThenADeadLetter(t *testing.T) {
	var fail atomic.Bool
	fail.Store(true)
	var given atomic.Int32
	w := world1(t, Queue{Workers: 1}, Kind[task]{Attempts: 3,
		Work: func(context.Context, *Run, task) error {
			if fail.Load() {
				return errors.New("canary.person@example.com cannot be reached")
			}
			return nil
		},
		Failed: func(_ context.Context, r *Run, a task, err error) {
			if r.TenantID == "a" && a.Name == "x" && strings.Contains(err.Error(), "canary") {
				given.Add(1)
			}
		}})
	id := w.enqueue("a", "x", Enqueuing{})
	j := w.wait("a", id, StateDead)
	if len(j.Errors) != 3 || given.Load() != 1 {
		t.Errorf("%d attempts failed, and it was given up %d times", len(j.Errors), given.Load())
	}
	for _, e := range j.Errors {
		if strings.Contains(e.Message, "canary") || e.Message == "" {
			t.Errorf("the stored message is %q", e.Message)
		}
	}
	fail.Store(false)
	wantCode(t, second(w.s.Cancel(t.Context(), by("a"), id)), errs.Conflict)
	wantCode(t, second(w.s.Retry(t.Context(), by("b"), id)), errs.NotFound)
	if _, err := w.s.Retry(t.Context(), by("a"), id); err != nil {
		t.Fatal(err)
	}
	w.wait("a", id, StateDone)
	wantCode(t, w.s.Delete(t.Context(), by("a"), id), errs.Conflict)
	if got := strings.Join(w.recorded, " "); got != "job.retry" {
		t.Errorf("recorded: %s", got)
	}
}

func second[T any](_ T, err error) error { return err }

func TestPermanentErrorIsNotTriedAgain(t *testing.T) {
	sqldbtest.Each(t, testPermanentErrorIsNotTriedAgain)
}

func testPermanentErrorIsNotTriedAgain(t *testing.T) {
	w := world1(t, Queue{Workers: 1}, Kind[task]{Work: func(_ context.Context, _ *Run, a task) error {
		switch a.Name {
		case "panic":
			panic("canary.person@example.com")
		case "forbidden":
			return errs.New(errs.Forbidden, "This may not be.")
		}
		return Permanent(errors.New("never"))
	}, Attempts: 2})
	for name, attempts := range map[string]int{"forbidden": 1, "permanent": 1, "panic": 2} {
		id := w.enqueue("a", name, Enqueuing{})
		j := w.wait("a", id, StateDead)
		if len(j.Errors) != attempts || strings.Contains(j.Errors[0].Message, "canary") {
			t.Errorf("%s: %+v", name, j.Errors)
		}
		if err := w.s.Delete(t.Context(), by("a"), id); err != nil {
			t.Fatal(err)
		}
		wantCode(t, second(w.s.Get(t.Context(), "a", id)), errs.NotFound)
	}
}

func TestCancel(t *testing.T) { sqldbtest.Each(t, testCancel) }

func testCancel(t *testing.T) {
	started := make(chan struct{}, 10)
	var told atomic.Int32
	w := world1(t, Queue{Workers: 1}, Kind[task]{
		Work: func(ctx context.Context, _ *Run, _ task) error {
			started <- struct{}{}
			<-ctx.Done()
			return context.Cause(ctx)
		},
		Cancel: func(_ context.Context, _ *sql.Tx, tenant string, a task) error {
			if a.Name == "no" {
				return errs.New(errs.Conflict, "Not this one.")
			}
			if tenant == "a" {
				told.Add(1)
			}
			return nil
		}})
	running := w.enqueue("a", "x", Enqueuing{})
	<-started
	waiting := w.enqueue("a", "y", Enqueuing{})
	refused := w.enqueue("a", "no", Enqueuing{At: time.Now().Add(time.Hour)})
	wantCode(t, second(w.s.Cancel(t.Context(), by("a"), refused)), errs.Conflict)
	if j := w.wait("a", refused, StateScheduled); j.Cancelling {
		t.Error("a refused cancellation left a trace")
	}
	if _, err := w.s.Cancel(t.Context(), by("a"), waiting); err != nil {
		t.Fatal(err)
	}
	w.wait("a", waiting, StateCancelled)
	if _, err := w.s.Cancel(t.Context(), by("a"), running); err != nil {
		t.Fatal(err)
	}
	w.wait("a", running, StateCancelled)
	if told.Load() != 2 {
		t.Errorf("the kind was told of %d cancellations", told.Load())
	}
	// Cancelled in a transaction without a word to this process, as by another: the next sign of life finds it.
	third := w.enqueue("a", "z", Enqueuing{})
	<-started
	if err := w.db.Write(t.Context(), func(tx *sql.Tx) error { return w.s.CancelIn(t.Context(), tx, third) }); err != nil {
		t.Fatal(err)
	}
	w.wait("a", third, StateCancelled)
}

func TestTimeout(t *testing.T) { sqldbtest.Each(t, testTimeout) }

func testTimeout(t *testing.T) {
	w := world1(t, Queue{Workers: 1}, Kind[task]{Attempts: 1, Timeout: 50 * time.Millisecond, Work: func(ctx context.Context, _ *Run, _ task) error {
		<-ctx.Done()
		return ctx.Err()
	}})
	j := w.wait("a", w.enqueue("a", "x", Enqueuing{}), StateDead)
	if !strings.Contains(j.Errors[0].Message, "longer than it may") {
		t.Errorf("%+v", j.Errors)
	}
}

func TestProgressCanBeReadWhileItRuns(t *testing.T) {
	sqldbtest.Each(t, testProgressCanBeReadWhileItRuns)
}

func testProgressCanBeReadWhileItRuns(t *testing.T) {
	step, stepped := make(chan int64), make(chan struct{})
	w := world1(t, Queue{Workers: 1}, Kind[task]{Work: func(_ context.Context, r *Run, _ task) error {
		for n := range step {
			r.Progress(n, 1000)
			stepped <- struct{}{}
		}
		return nil
	}})
	id := w.enqueue("a", "x", Enqueuing{})
	step <- 100
	<-stepped
	time.Sleep(20 * time.Millisecond)
	step <- 300
	<-stepped
	j := w.wait("a", id, StateRunning)
	if j.Done != 300 || j.Total == nil || *j.Total != 1000 || j.ETASeconds == nil || j.Rate <= 0 || j.Rate > 200/0.02 {
		t.Errorf("progress is %+v", j)
	}
	// Another process reads what the last sign of life has stored.
	other := newWorld(t, w.db, Queue{Workers: 1}, Kind[task]{Work: func(context.Context, *Run, task) error { return nil }})
	for range 300 {
		if j = other.wait("a", id, StateRunning); j.Done == 300 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if j.Done != 300 || j.Rate <= 0 {
		t.Errorf("stored progress is %+v", j)
	}
	close(step)
	if j = w.wait("a", id, StateDone); j.Done != 300 {
		t.Errorf("%+v", j)
	}
}

func TestUniqueJobIsThereOnce(t *testing.T) { sqldbtest.Each(t, testUniqueJobIsThereOnce) }

func testUniqueJobIsThereOnce(t *testing.T) {
	release := make(chan struct{})
	w := world1(t, Queue{Workers: 4}, Kind[task]{Work: func(context.Context, *Run, task) error { <-release; return nil }})
	first := w.enqueue("a", "x", Enqueuing{Unique: true})
	w.wait("a", first, StateRunning)
	if again := w.enqueue("a", "x", Enqueuing{Unique: true}); again != first {
		t.Errorf("a second job %d was made beside %d", again, first)
	}
	for _, other := range []int64{w.enqueue("b", "x", Enqueuing{Unique: true}), w.enqueue("a", "y", Enqueuing{Unique: true})} {
		if other == first {
			t.Error("different jobs were taken for one")
		}
	}
	close(release)
	w.wait("a", first, StateDone)
	if again := w.enqueue("a", "x", Enqueuing{Unique: true}); again == first {
		t.Error("a job that has ended kept another from being made")
	}
}

// TestTurns gives one tenant a hundred jobs before another gets its first.
func TestTurns(t *testing.T) { sqldbtest.Each(t, testTurns) }

func testTurns(t *testing.T) {
	var mu sync.Mutex
	busy, most, order := map[string]int{}, map[string]int{}, []string{}
	work := func(_ context.Context, r *Run, _ task) error {
		mu.Lock()
		order = append(order, r.TenantID)
		busy[r.TenantID]++
		most[r.TenantID] = max(most[r.TenantID], busy[r.TenantID])
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		busy[r.TenantID]--
		mu.Unlock()
		return nil
	}
	db := openDB(t, t.TempDir())
	t.Cleanup(func() { db.Close() })
	w := newWorld(t, db, Queue{Workers: 3, PerTenant: 2}, Kind[task]{Work: work})
	for range 100 {
		w.enqueue("big", "x", Enqueuing{})
	}
	var small []int64
	for range 5 {
		small = append(small, w.enqueue("small", "x", Enqueuing{}))
	}
	w.start()
	for _, id := range small {
		w.wait("small", id, StateDone)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(order) > 30 {
		t.Errorf("the small tenant's 5 jobs were done after %d others", len(order)-5)
	}
	if most["big"] > 2 {
		t.Errorf("one tenant had %d jobs running", most["big"])
	}
}

func TestStoppedJobGoesBackWithoutLosingAnAttempt(t *testing.T) {
	sqldbtest.Each(t, testStoppedJobGoesBackWithoutLosingAnAttempt)
}

func testStoppedJobGoesBackWithoutLosingAnAttempt(t *testing.T) {
	db := openDB(t, t.TempDir())
	t.Cleanup(func() { db.Close() })
	started := make(chan struct{}, 1)
	w := newWorld(t, db, Queue{Workers: 1}, Kind[task]{Attempts: 1, Work: func(ctx context.Context, _ *Run, _ task) error {
		started <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}})
	w.start()
	id := w.enqueue("a", "x", Enqueuing{})
	<-started
	w.stop()
	again := newWorld(t, db, Queue{Workers: 1}, Kind[task]{Attempts: 1, Work: func(context.Context, *Run, task) error { return nil }})
	again.start()
	if j := again.wait("a", id, StateDone); j.Attempt != 1 || len(j.Errors) != 0 {
		t.Errorf("%+v", j)
	}
}

func TestBackOffGrowsAndVaries(t *testing.T) {
	for attempt, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 30: longestBackOff} {
		seen := map[time.Duration]bool{}
		for range 50 {
			d := backOff(time.Second, attempt)
			if d < want/2 || d > want {
				t.Errorf("attempt %d waits %s", attempt, d)
			}
			seen[d] = true
		}
		if len(seen) < 2 {
			t.Errorf("attempt %d always waits the same", attempt)
		}
	}
}
