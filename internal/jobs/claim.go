package jobs

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"probity.dev/internal/sqldb"
)

// claim takes the next jobs of a queue for this process. Whoever has the fewest running comes first, and of those whoever has waited longest for a turn, so that a tenant
// with a thousand jobs delays another's one job by no more than those that run already.
func (s *Service) claim(ctx context.Context, e engine, p *riverdriver.JobGetAvailableParams) (rows []*rivertype.JobRow, err error) {
	now := time.Now()
	// Most of the time there is nothing; that is found out without the lock that writers share.
	if any, err := someDue(ctx, s.o.DB.Read(ctx), p.Queue, e.at(now)); err != nil || !any {
		return nil, err
	}
	perTenant := s.o.Queues[p.Queue].PerTenant
	if perTenant <= 0 {
		perTenant = s.o.Queues[p.Queue].Workers
	}
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		rows = nil
		next, err := dueJobs(ctx, tx, p.Queue, e.at(now), perTenant, p.MaxToLock)
		if err != nil {
			return err
		}
		for _, n := range next {
			row, err := s.take(ctx, tx, e, n, p, now)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}

// take makes one job this process's.
func (s *Service) take(ctx context.Context, tx *sql.Tx, e engine, n due, p *riverdriver.JobGetAvailableParams, now time.Time) (*rivertype.JobRow, error) {
	x, err := e.executor(tx)
	if err != nil {
		return nil, err
	}
	row, err := x.JobGetByID(ctx, &riverdriver.JobGetByIDParams{ID: n.id})
	if err != nil {
		return nil, err
	}
	by := append(slices.Clone(row.AttemptedBy), p.ClientID)
	if len(by) > p.MaxAttemptedBy {
		by = by[len(by)-p.MaxAttemptedBy:]
	}
	row, err = x.JobUpdateFull(ctx, &riverdriver.JobUpdateFullParams{ID: n.id, AttemptDoUpdate: true, Attempt: row.Attempt + 1, AttemptedAtDoUpdate: true, AttemptedAt: &now,
		AttemptedByDoUpdate: true, AttemptedBy: by, StateDoUpdate: true, State: rivertype.JobStateRunning})
	if err != nil {
		return nil, err
	}
	at := now.UnixMicro()
	if err := leaseJob(ctx, tx, n.id, s.o.Owner, at, at+s.o.Lease.Microseconds()); err != nil {
		return nil, err
	}
	return row, takeTurn(ctx, tx, p.Queue, n.tenant, at)
}

// rescue puts back the jobs whose process gives no sign of life any more; with all, those of every process. What has been cancelled meanwhile stays so. Attempts count: a job that kills its process is
// given up like any other that fails.
func (s *Service) rescue(ctx context.Context, e engine, all bool) error {
	now := time.Now()
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		lost, err := lostJobs(ctx, tx, s.o.Owner, now.UnixMicro(), all)
		if err != nil || len(lost) == 0 {
			return err
		}
		p := &riverdriver.JobRescueManyParams{StuckHorizon: now.Add(time.Hour)}
		for _, l := range lost {
			state, finalized := rivertype.JobStateAvailable, (*time.Time)(nil)
			if l.cancelled {
				state, finalized = rivertype.JobStateCancelled, &now
			}
			p.ID, p.State = append(p.ID, l.id), append(p.State, string(state))
			p.FinalizedAt, p.ScheduledAt = append(p.FinalizedAt, finalized), append(p.ScheduledAt, now)
			p.Error = append(p.Error, attemptError(now, l.attempt, "The server stopped without warning during this attempt."))
		}
		x, err := e.executor(tx)
		if err != nil {
			return err
		}
		if _, err := x.JobRescueMany(ctx, p); err != nil {
			return err
		}
		s.metrics.rescued.Add(float64(len(lost)))
		return nil
	})
}

// beat stores the progress of the jobs that run here, renews their leases, and cancels those that are not to run on.
func (s *Service) beat(ctx context.Context) error {
	s.mu.Lock()
	runs := make([]*Run, 0, len(s.running))
	for _, r := range s.running {
		runs = append(runs, r)
	}
	s.mu.Unlock()
	if len(runs) == 0 {
		return nil
	}
	return s.saveProgress(ctx, runs)
}

func (s *Service) saveProgress(ctx context.Context, runs []*Run) error {
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		now := sqldb.Now()
		for _, r := range runs {
			asked, mine, err := saveProgress(ctx, tx, r, s.o.Owner, now, now+s.o.Lease.Microseconds())
			switch {
			case err != nil:
				return err
			case !mine:
				r.cancel(errLost)
			case asked:
				r.cancel(ErrCancelled)
			}
		}
		return nil
	})
}
