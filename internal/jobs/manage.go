package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// The states of a job as people see them.
const (
	StateScheduled = "scheduled" // due later
	StateQueued    = "queued"    // due, waits for its turn
	StateRunning   = "running"
	StateRetrying  = "retrying" // failed, will be tried again
	StateDone      = "done"
	StateCancelled = "cancelled"
	StateDead      = "dead" // a dead letter: given up, can be replayed or deleted
)

// states leads from the states that people see to River's.
var states = map[string][]string{
	StateScheduled: {"scheduled", "pending"}, StateQueued: {"available"}, StateRunning: {"running"}, StateRetrying: {"retryable"},
	StateDone: {"completed"}, StateCancelled: {"cancelled"}, StateDead: {"discarded"},
}

// Job describes a job. Times are UTC.
type Job struct {
	ID          int64           `json:"id" format:"int53"`
	Kind        string          `json:"kind"`
	Queue       string          `json:"queue"`
	State       string          `json:"state" enum:"scheduled,queued,running,retrying,done,cancelled,dead"`
	Cancelling  bool            `json:"cancelling,omitempty" doc:"It was cancelled and has not stopped yet"`
	Args        json.RawMessage `json:"args" doc:"What the job is about: ids, never personal values"`
	RequestedBy string          `json:"requested_by,omitempty" doc:"Id of the user or API key that caused it; absent for the system"`
	Attempt     int32           `json:"attempt"`
	MaxAttempts int32           `json:"max_attempts"`
	Errors      []Failure       `json:"errors" doc:"Of earlier attempts, oldest first"`
	Done        int64           `json:"done" format:"int53" doc:"Units done: rows of an export, say"`
	Total       *int64          `json:"total,omitempty" format:"int53" doc:"Absent while it is not known"`
	Result      string          `json:"result,omitempty" doc:"What a job that is done has found, in words; absent when its kind finds nothing"`
	Rate        float64         `json:"rate" doc:"Units a second, in this attempt"`
	ETASeconds  *int64          `json:"eta_seconds,omitempty" format:"int53"`
	CreatedAt   time.Time       `json:"created_at"`
	DueAt       time.Time       `json:"due_at" doc:"When it may run, or be tried again"`
	StartedAt   *time.Time      `json:"started_at,omitempty" doc:"Of the newest attempt"`
	FinishedAt  *time.Time      `json:"finished_at,omitempty"`
}

// Failure is how an attempt failed.
type Failure struct {
	Attempt int32     `json:"attempt"`
	At      time.Time `json:"at"`
	Message string    `json:"message"`
}

// Recorder records what somebody does to a job in the tenant's ledger together with its effect: both or neither. Effect may run more than once, each time in a
// transaction of which the earlier ones left nothing.
type Recorder interface {
	RecordJob(ctx context.Context, by actor.Principal, action, activity string, j *Job, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Filter selects jobs.
type Filter struct {
	State string // one of the states above; any when empty
	Kind  string // any when empty
	// Before is an id; jobs are listed from below it. 0 begins with the newest.
	Before int64
	Limit  int // 1 to 200
}

// reading runs fn in a transaction that only reads.
func (s *Service) reading(ctx context.Context, fn func(tx *sql.Tx, e engine) error) error {
	e, err := s.ready()
	if err != nil {
		return err
	}
	return s.o.DB.Snapshot(ctx, func(tx *sql.Tx) error { return fn(tx, e) })
}

// executor works on River's tables within tx.
func (s *Service) executor(tx *sql.Tx) (riverdriver.Executor, error) {
	e, err := s.ready()
	if err != nil {
		return nil, err
	}
	return e.executor(tx)
}

// List returns a tenant's jobs, newest first, and whether there are more.
func (s *Service) List(ctx context.Context, tenantID string, f Filter) (list []*Job, more bool, err error) {
	wanted, ok := states[f.State]
	if f.State != "" && !ok {
		return nil, false, errs.Field("/state", "unknown", "States are scheduled, queued, running, retrying, done, cancelled and dead.")
	}
	if f.Before == 0 {
		f.Before = math.MaxInt64
	}
	err = s.reading(ctx, func(tx *sql.Tx, e engine) error {
		rows, err := listOwn(ctx, tx, tenantID, wanted, f.Kind, f.Before, f.Limit+1)
		if err != nil {
			return err
		}
		if more = len(rows) > f.Limit; more {
			rows = rows[:f.Limit]
		}
		list, err = s.views(ctx, tx, e, rows)
		return err
	})
	return list, more, err
}

func (s *Service) views(ctx context.Context, tx *sql.Tx, e engine, rows []own) ([]*Job, error) {
	if len(rows) == 0 {
		return []*Job{}, nil
	}
	ids := make([]int64, len(rows))
	for i := range rows {
		ids[i] = rows[i].id
	}
	x, err := e.executor(tx)
	if err != nil {
		return nil, err
	}
	found, err := x.JobGetByIDMany(ctx, &riverdriver.JobGetByIDManyParams{ID: ids})
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	byID := map[int64]*rivertype.JobRow{}
	for _, j := range found {
		byID[j.ID] = j
	}
	list := make([]*Job, 0, len(rows))
	for i := range rows {
		if j := byID[rows[i].id]; j != nil {
			list = append(list, s.view(j, &rows[i]))
		}
	}
	return list, nil
}

// Get returns one job of a tenant. The error is NotFound when there is none.
func (s *Service) Get(ctx context.Context, tenantID string, id int64) (j *Job, err error) {
	err = s.reading(ctx, func(tx *sql.Tx, e engine) error {
		o, err := getOwn(ctx, tx, tenantID, id)
		if err != nil {
			return err
		}
		list, err := s.views(ctx, tx, e, []own{*o})
		if err != nil || len(list) == 0 {
			return errors.Join(err, errNoJob)
		}
		j = list[0]
		return nil
	})
	return j, err
}

// view renders a job, with the live progress of one that runs here.
func (s *Service) view(j *rivertype.JobRow, o *own) *Job {
	v := &Job{ID: j.ID, Kind: j.Kind, Queue: j.Queue, State: stateOf(j), Args: openEnvelope(j.EncodedArgs), RequestedBy: o.requestedBy, Attempt: int32(j.Attempt), MaxAttempts: int32(j.MaxAttempts), //nolint:gosec // small numbers
		CreatedAt: j.CreatedAt.UTC(), DueAt: j.ScheduledAt.UTC(), Errors: []Failure{}, Done: o.done, StartedAt: utc(j.AttemptedAt), FinishedAt: utc(j.FinalizedAt)}
	for _, e := range j.Errors {
		v.Errors = append(v.Errors, Failure{Attempt: int32(e.Attempt), At: e.At.UTC(), Message: e.Error}) //nolint:gosec // a small number
	}
	if o.total.Valid {
		v.Total = &o.total.Int64
	}
	if v.State == StateDone {
		v.Result = o.result
	}
	if v.State != StateRunning {
		return v
	}
	v.Cancelling = o.cancelAsked != 0
	at := o.updatedAt
	s.mu.Lock()
	if r := s.running[j.ID]; r != nil && r.begun.Load() {
		at, o.begunAt, o.begunUnits, v.Done = sqldb.Now(), r.begunAt, r.begunUnits.Load(), r.done.Load()
		if total := r.total.Load(); total >= 0 {
			v.Total = &total
		}
	}
	s.mu.Unlock()
	if took := float64(at-o.begunAt) / 1e6; took > 0 {
		v.Rate = math.Round(float64(v.Done-o.begunUnits)/took*10) / 10
	}
	if v.Total != nil && v.Rate > 0 {
		left := int64(float64(max(*v.Total-v.Done, 0)) / v.Rate)
		v.ETASeconds = &left
	}
	return v
}

func stateOf(j *rivertype.JobRow) string {
	if j.State == rivertype.JobStateAvailable && len(j.Errors) > 0 && j.ScheduledAt.After(time.Now()) {
		return StateRetrying // one that will be tried again within seconds
	}
	for seen, rivers := range states {
		for _, r := range rivers {
			if r == string(j.State) {
				return seen
			}
		}
	}
	return string(j.State)
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

// CancelIn cancels a job in tx: one that waits will not run, one that runs is told to stop, by [Service.Interrupt] at once or else within seconds. The job's kind is not told. A job that
// has ended, or is gone, stays as it is.
func (s *Service) CancelIn(ctx context.Context, tx *sql.Tx, id int64) error {
	x, err := s.executor(tx)
	if err != nil {
		return err
	}
	now := time.Now()
	if _, err := x.JobCancel(ctx, &riverdriver.JobCancelParams{ID: id, CancelAttemptedAt: now, Now: &now, ControlTopic: "river_control"}); err != nil {
		if errors.Is(err, rivertype.ErrNotFound) {
			return nil
		}
		return sqldb.Translate(err)
	}
	return askCancel(ctx, tx, id, now.UnixMicro())
}

// Interrupt ends a job that was cancelled and runs in this process.
func (s *Service) Interrupt(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.running[id]; r != nil {
		r.cancel(ErrCancelled)
	}
}

// Cancel cancels a job on behalf of somebody. The error is Conflict for a job that has ended.
func (s *Service) Cancel(ctx context.Context, by actor.Principal, id int64) (*Job, error) {
	err := s.change(ctx, by, id, "job.cancel", "stop", func(ctx context.Context, tx *sql.Tx, j *Job) error {
		switch j.State {
		case StateDone, StateCancelled, StateDead:
			return errs.New(errs.Conflict, "This job has ended already.")
		}
		if d := s.defined[j.Kind]; d.cancel != nil {
			if err := d.cancel(ctx, tx, by.TenantID, j.Args); err != nil {
				return err
			}
		}
		return s.CancelIn(ctx, tx, id)
	})
	if err != nil {
		return nil, err
	}
	s.Interrupt(id)
	return s.Get(ctx, by.TenantID, id)
}

// Retry runs a dead letter once more, and makes a job that waits for its next attempt due now. The error is Conflict for other jobs.
func (s *Service) Retry(ctx context.Context, by actor.Principal, id int64) (*Job, error) {
	err := s.change(ctx, by, id, "job.retry", "start", func(ctx context.Context, tx *sql.Tx, j *Job) error {
		if j.State != StateDead && j.State != StateRetrying && j.State != StateScheduled {
			return errs.New(errs.Conflict, "This job is %s; only a dead letter, or a job that waits, can be run now.", j.State)
		}
		if d := s.defined[j.Kind]; d.retry != nil && j.State == StateDead {
			if err := d.retry(ctx, tx, by.TenantID, j.Args); err != nil {
				return err
			}
		}
		e, err := s.ready()
		if err != nil {
			return err
		}
		if j.State == StateDead { // it is tried as often as a new one
			x, err := e.executor(tx)
			if err != nil {
				return err
			}
			_, err = x.JobUpdateFull(ctx, &riverdriver.JobUpdateFullParams{ID: id, MaxAttemptsDoUpdate: true, MaxAttempts: int(j.Attempt) + max(s.defined[j.Kind].attempts, 1)})
			if err != nil {
				return sqldb.Translate(err)
			}
		}
		return s.hurry(ctx, tx, e, id)
	})
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, by.TenantID, id)
}

// Delete removes a dead letter. The error is Conflict for other jobs.
func (s *Service) Delete(ctx context.Context, by actor.Principal, id int64) error {
	return s.change(ctx, by, id, "job.delete", "delete", func(ctx context.Context, tx *sql.Tx, j *Job) error {
		if j.State != StateDead {
			return errs.New(errs.Conflict, "This job is %s; only dead letters can be deleted.", j.State)
		}
		x, err := s.executor(tx)
		if err != nil {
			return err
		}
		_, err = x.JobDelete(ctx, &riverdriver.JobDeleteParams{ID: id})
		return sqldb.Translate(err)
	})
}

// change lets do look at a job and change it in the transaction that records the change.
func (s *Service) change(ctx context.Context, by actor.Principal, id int64, action, activity string, do func(ctx context.Context, tx *sql.Tx, j *Job) error) error {
	j, err := s.Get(ctx, by.TenantID, id)
	if err != nil {
		return err
	}
	e, err := s.ready()
	if err != nil {
		return err
	}
	return s.o.Recorder.RecordJob(ctx, by, action, activity, j, func(ctx context.Context, tx *sql.Tx) error {
		o, err := getOwn(ctx, tx, by.TenantID, id)
		if err != nil {
			return err
		}
		now, err := s.views(ctx, tx, e, []own{*o})
		if err != nil || len(now) == 0 {
			return errors.Join(err, errNoJob)
		}
		return do(ctx, tx, now[0])
	})
}
