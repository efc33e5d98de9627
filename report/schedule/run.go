package schedule

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
)

// The states of a run.
const (
	runWaiting = "waiting"
	runStarted = "started"
	runSkipped = "skipped"
	runFailed  = "failed"
)

// runArgs are the arguments of the job that makes the export of a run.
type runArgs struct {
	Run string `json:"run"`
}

// Kind implements jobs.Args.
func (runArgs) Kind() string { return "schedule.run" }

// Start begins to run what is due and returns at once. [Service.Close] ends it.
func (s *Service) Start(ctx context.Context) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	s.stop = stop
	s.mu.Unlock()
	s.done.Go(func() { s.loop(ctx) })
}

// Close stops what Start began and waits for it.
func (s *Service) Close() {
	s.mu.Lock()
	stop := s.stop
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	s.done.Wait()
}

func (s *Service) loop(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var forgot time.Time
	for {
		err := s.Tick(ctx)
		if now := s.o.Now(); err == nil && now.Sub(forgot) > forgetEvery {
			forgot = now
			err = s.o.DB.Write(ctx, func(tx *sql.Tx) error { return forget(ctx, tx, now.Add(-rememberRuns).UnixMicro()) })
		}
		if err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "schedules cannot be run", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Tick starts what is due now.
func (s *Service) Tick(ctx context.Context) error {
	now := s.o.Now()
	list, err := due(ctx, s.o.DB.Read(ctx), now.UnixMicro(), dueAtOnce)
	for _, c := range list {
		if _, e := s.open(ctx, c); e != nil {
			err = errors.Join(err, e)
			continue
		}
		err = errors.Join(err, s.begin(ctx, c, now))
	}
	return err
}

// begin writes the run of a schedule that is due, and moves it on. Another process may have done so first.
func (s *Service) begin(ctx context.Context, c *Schedule, now time.Time) error {
	was := c.nextAt
	at, status, problem := time.UnixMicro(was), runWaiting, ""
	timing := &c.Definition.Timing
	if now.Sub(at) > grace {
		// Nobody was there. The newest of the times that have passed stands for all.
		for next := timing.Next(at); !next.IsZero() && !next.After(now); next = timing.Next(next) {
			at = next
		}
		if c.Definition.Missed == MissedSkip && now.Sub(at) > grace {
			status, problem = runSkipped, "No server ran when it was due."
		}
	}
	c.next(timing.Next(now))
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		err := advance(ctx, tx, c, was, at.UnixMicro())
		if errs.CodeOf(err) == errs.Conflict {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = s.enqueue(ctx, tx, c, at, "time", status, problem)
		return err
	})
}

// enqueue writes a run and, when it is to be made, its job. c.lastAt is when the one before was due.
func (s *Service) enqueue(ctx context.Context, tx *sql.Tx, c *Schedule, at time.Time, cause, status, problem string) (*Run, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	r := &Run{ID: id.String(), schedule: c.ID, tenant: c.tenant, DueAt: at.UTC(), Cause: cause, Status: status, Problem: problem, last: c.lastAt}
	if r.last == 0 {
		r.last = c.CreatedAt.UnixMicro()
	}
	if err := insertRun(ctx, tx, r); err != nil || status != runWaiting {
		return r, err
	}
	_, err = s.o.Jobs.Enqueue(ctx, tx, c.tenant, runArgs{Run: r.ID}, jobs.Enqueuing{RequestedBy: c.Owner})
	return r, err
}

// RunNow makes an export as if the schedule were due, paused or not.
func (s *Service) RunNow(ctx context.Context, by actor.Principal, id string) (*Run, error) {
	c, err := s.Get(ctx, by, id)
	if err != nil {
		return nil, err
	}
	var r *Run
	err = s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, "run", "execute", by, c), func(ctx context.Context, tx *sql.Tx) error {
		r, err = s.enqueue(ctx, tx, c, s.o.Now().Truncate(time.Microsecond), "asked", runWaiting, "")
		return err
	})
	return r, err
}

// Fire runs the schedules of a tenant that wait for an event, within the transaction of its cause.
func (s *Service) Fire(ctx context.Context, tx *sql.Tx, tenantID, trigger string) error {
	list, err := waiting(ctx, tx, tenantID)
	if err != nil {
		return err
	}
	for _, c := range list {
		if _, err := s.open(ctx, c); err != nil {
			return err
		}
		if c.Definition.Timing.Event != trigger {
			continue
		}
		at := s.o.Now().Truncate(time.Microsecond)
		if _, err := s.enqueue(ctx, tx, c, at, "event", runWaiting, ""); err != nil {
			return err
		}
		if err := advance(ctx, tx, c, 0, at.UnixMicro()); err != nil {
			return err
		}
	}
	return nil
}

// work makes the export of a run. It is the Work of its kind of job.
func (s *Service) work(ctx context.Context, run *jobs.Run, a runArgs) error {
	r, err := getRun(ctx, s.o.DB.Read(ctx), run.TenantID, a.Run)
	if errs.CodeOf(err) == errs.NotFound || err == nil && r.Status != runWaiting {
		return nil // the schedule was deleted, or the job is done twice
	}
	if err != nil {
		return err
	}
	c, err := get(ctx, s.o.DB.Read(ctx), run.TenantID, r.schedule)
	if errs.CodeOf(err) == errs.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	k, err := s.open(ctx, c)
	if err != nil {
		return err
	}
	owner, err := s.o.Present(ctx, k.Owner)
	if err == nil {
		err = mayUse(owner)
	}
	if errs.CodeOf(err) == errs.Forbidden {
		return s.end(ctx, r, runFailed, "Whoever set this schedule up may not make exports any more. Somebody who may has to save it anew.", pausedOwner)
	}
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(c.Definition.Timing.Zone)
	if err != nil {
		return err
	}
	q := c.Definition.request()
	if from, to := bounds(c.Definition.Period, r.DueAt, time.UnixMicro(r.last), zone); !to.IsZero() {
		q.Filter.From, q.Filter.To = from.In(zone).Format(time.RFC3339Nano), to.In(zone).Format(time.RFC3339Nano)
	}
	if _, err := s.o.Exports.CreateAs(ctx, owner, r.ID, q); err != nil {
		return err
	}
	return s.end(ctx, r, runStarted, "", "")
}

// end stores what became of a run, and pauses its schedule if pause says why.
func (s *Service) end(ctx context.Context, r *Run, status, problem, pause string) error {
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		if err := endRun(ctx, tx, r, status, problem); err != nil || pause == "" {
			return err
		}
		return pauseFor(ctx, tx, r.tenant, r.schedule, pause)
	})
}

// failed says in the history that a run was given up. It is the Failed of its kind of job.
func (s *Service) failed(ctx context.Context, run *jobs.Run, a runArgs, cause error) {
	problem := "An internal error; the server's log has the details."
	var e *errs.Error
	if errors.As(cause, &e) && e.Code != errs.Internal {
		problem = e.Message
	}
	s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a scheduled export was given up", slog.String("run", a.Run), slog.Any("error", cause))
	r, err := getRun(ctx, s.o.DB.Read(ctx), run.TenantID, a.Run)
	if err == nil && r.Status == runWaiting {
		err = s.end(ctx, r, runFailed, problem, "")
	}
	if err != nil && errs.CodeOf(err) != errs.NotFound {
		s.o.Logger.LogAttrs(ctx, slog.LevelError, "the failure of a scheduled export could not be stored", slog.String("run", a.Run), slog.Any("error", err))
	}
}
