package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"probity.dev/internal/errs"
)

// Why the context of a running job ends, apart from its timeout and a stopping server.
var (
	// ErrCancelled is the cause when somebody has cancelled the job.
	ErrCancelled = errors.New("the job was cancelled")
	// errLost is the cause when another process has taken the job over, because this one gave no sign of life.
	errLost = errors.New("the job was taken over")
)

// errInterrupted is why a job that was tried often enough is given up without having failed.
var errInterrupted = errs.New(errs.Internal, "The job was interrupted at every attempt, as by a crash of the server, and was given up.")

// Run is one attempt at a job.
type Run struct {
	ID       int64
	TenantID string
	Kind     string
	// Attempt counts from 1; Attempts is after how many the job is given up.
	Attempt, Attempts int

	cancel      context.CancelCauseFunc
	done, total atomic.Int64 // total is -1 while unknown
	begunAt     int64        // microseconds
	begunUnits  atomic.Int64
	begun       atomic.Bool
	result      atomic.Pointer[string]
}

// Result says in a few words what the job has found, for whoever manages jobs; never personal values. It is shown once the attempt has ended well.
func (r *Run) Result(text string) { r.result.Store(&text) }

// found is what Result said.
func (r *Run) found() string {
	if text := r.result.Load(); text != nil {
		return *text
	}
	return ""
}

// Progress says how many units (rows, say) are done, and of how many; total is negative while nobody knows. The first call of an attempt says where it goes on, for the rate. It is cheap: call
// it as often as there is news.
func (r *Run) Progress(done, total int64) {
	if r.begun.CompareAndSwap(false, true) {
		r.begunUnits.Store(done)
	}
	r.done.Store(done)
	r.total.Store(max(total, -1))
}

// worker lets River work on one kind of job.
type worker[A Args] struct {
	river.WorkerDefaults[envelope[A]]
	s    *Service
	kind Kind[A]
}

// Timeout implements river.Worker.
func (w *worker[A]) Timeout(*river.Job[envelope[A]]) time.Duration { return w.kind.Timeout }

// NextRetry implements river.Worker.
func (w *worker[A]) NextRetry(j *river.Job[envelope[A]]) time.Time {
	return time.Now().Add(backOff(w.kind.BackOff, j.Attempt))
}

// backOff is how long to wait after a failed attempt: it doubles with each, and half of it is left to chance, so that jobs that failed together are not tried together again.
func backOff(first time.Duration, attempt int) time.Duration {
	d := first << min(max(attempt-1, 0), 20)
	if d <= 0 || d > longestBackOff {
		d = longestBackOff
	}
	return d/2 + rand.N(d/2+1)
}

// Work implements river.Worker.
func (w *worker[A]) Work(ctx context.Context, j *river.Job[envelope[A]]) error {
	r := &Run{ID: j.ID, TenantID: j.Args.Tenant, Kind: j.Kind, Attempt: j.Attempt, Attempts: j.MaxAttempts, begunAt: time.Now().UnixMicro()}
	r.total.Store(-1)
	var failed func(context.Context, error)
	if w.kind.Failed != nil {
		failed = func(ctx context.Context, cause error) { w.kind.Failed(ctx, r, j.Args.Args, cause) }
	}
	return w.s.run(ctx, r, j.JobRow, func(ctx context.Context) error { return w.kind.Work(ctx, r, j.Args.Args) }, failed)
}

// run does one attempt and says to River how it ended.
func (s *Service) run(ctx context.Context, r *Run, row *rivertype.JobRow, work func(context.Context) error, failed func(context.Context, error)) error {
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.cancel = cancel
	s.mu.Lock()
	s.running[r.ID] = r
	s.mu.Unlock()
	err := errInterruptedIf(r)
	if err == nil {
		err = guard(func() error { return work(own) })
	}
	cause := context.Cause(own)
	s.mu.Lock()
	delete(s.running, r.ID)
	s.mu.Unlock()
	// What is stored of the progress would otherwise be up to a beat old. It is not worth failing the job.
	if e := s.saveProgress(context.WithoutCancel(ctx), []*Run{r}); e != nil {
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "the progress of a job could not be stored", slog.Int64("job", r.ID), slog.Any("error", e))
	}
	log := s.o.Logger.With(slog.Int64("job", r.ID), slog.String("kind", r.Kind), slog.Int("attempt", r.Attempt))
	outcome, report := s.outcome(ctx, r, row, err, cause)
	s.metrics.ended.WithLabelValues(r.Kind, outcome).Inc()
	s.metrics.took.WithLabelValues(r.Kind).Observe(float64(time.Now().UnixMicro()-r.begunAt) / 1e6)
	switch outcome {
	case outcomeDead:
		log.LogAttrs(ctx, slog.LevelError, "a job was given up", slog.Any("error", err))
		if failed != nil {
			failed(context.WithoutCancel(ctx), err)
		}
	case outcomeRetry:
		log.LogAttrs(ctx, slog.LevelWarn, "a job failed and will be tried again", slog.Any("error", err))
	}
	return report
}

// The ways in which an attempt ends.
const (
	outcomeDone      = "done"
	outcomeRetry     = "retry"
	outcomeDead      = "dead"
	outcomeCancelled = "cancelled"
	outcomeStopped   = "stopped"
)

// outcome says how an attempt ended, and what to return to River for it.
func (s *Service) outcome(ctx context.Context, r *Run, row *rivertype.JobRow, err, cause error) (string, error) {
	switch {
	case err == nil:
		return outcomeDone, nil
	case errors.Is(cause, ErrCancelled):
		return outcomeCancelled, river.JobCancel(ErrCancelled)
	case errors.Is(cause, context.DeadlineExceeded):
		err = errs.New(errs.Unavailable, "The job took longer than it may.")
	case ctx.Err() != nil:
		return outcomeStopped, context.Canceled // River sees that it is stopping, and does not count the attempt
	}
	report := errors.New(publicMessage(err))
	if isPermanent(err) || r.Attempt >= r.Attempts {
		row.MaxAttempts = row.Attempt // River gives a job up after the last attempt and has no other word for it
		return outcomeDead, report
	}
	return outcomeRetry, report
}

func errInterruptedIf(r *Run) error {
	if r.Attempt > r.Attempts {
		return Permanent(errInterrupted)
	}
	return nil
}

// publicMessage is what of an error may be stored and shown: the message of an error with a code is made for people, any other may hold anything.
func publicMessage(err error) string {
	if e := new(errs.Error); errors.As(err, &e) {
		return e.Message
	}
	return "Internal error; the server's log has the details under the job's id."
}

// guard turns a panic into an error, so that one bad job does not end the server and its values stay out of the database.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}
