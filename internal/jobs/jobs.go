package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// Defaults of [Options] and [Kind].
const (
	defaultAttempts = 5
	defaultTimeout  = time.Hour
	defaultBackOff  = 5 * time.Second
	longestBackOff  = time.Hour
	defaultLease    = 30 * time.Second
	defaultPoll     = 250 * time.Millisecond
	// longestTimeout bounds the timeout of a kind. River itself would take a job for stuck after twice as long; leases find out much earlier.
	longestTimeout = 48 * time.Hour
)

// How long jobs that have ended stay in the list.
const (
	keepEnded = 7 * 24 * time.Hour
	keepDead  = 90 * 24 * time.Hour
)

// Queue is how much work of a queue is done at a time, by each process.
type Queue struct {
	// Workers is how many jobs run at once.
	Workers int
	// PerTenant is how many of them may be one tenant's; all of them when zero.
	PerTenant int
}

// Options of [New]. DB, Owner and Queues must be set.
type Options struct {
	DB *sqldb.DB
	// Owner names this process: no other that works on the same database may have the same name at the same time.
	Owner string
	// Alone says that no other process works on jobs of this database while this one does, so that what an earlier one left is taken over at once instead of when its lease has
	// run out. On SQLite it is always so.
	Alone bool
	// Queues are the queues by name.
	Queues map[string]Queue
	// Lease is after how long without a sign of life a job is taken from its process; 30 s when zero.
	Lease time.Duration
	// Poll is how often the database is asked for new jobs; 250 ms when zero.
	Poll   time.Duration
	Logger *slog.Logger
	// Registry gets the figures when it is not nil.
	Registry prometheus.Registerer
	// Recorder records what people do to jobs; it must be set for [Service.Register].
	Recorder Recorder
}

// Args are the arguments of a job, a struct that JSON can hold. Its type says what kind of job it is: Kind MUST return the same for every value, the zero value
// included.
type Args interface{ Kind() string }

// Kind is how one kind of job is worked on.
type Kind[A Args] struct {
	// Queue is one of Options.Queues.
	Queue string
	// Attempts is how often it is tried before it is a dead letter; 5 when zero. An attempt that a stopping server interrupts does not count, one that a crash interrupts does.
	Attempts int
	// Timeout ends the context of one attempt; an hour when zero, at most 48 hours.
	Timeout time.Duration
	// BackOff is how long to wait after the first failure; it doubles each time, up to an hour, and a part of it is left to chance. 5 s when zero.
	BackOff time.Duration
	// Work does the work. It MUST return soon after its context ends, and MUST expect that the same job was begun before: a process may be killed at any moment.
	Work func(ctx context.Context, r *Run, args A) error
	// Failed, if not nil, is told when a job has become a dead letter. It MUST expect to be told again when the process is killed meanwhile.
	Failed func(ctx context.Context, r *Run, args A, cause error)
	// Cancel, if not nil, is called in the transaction in which somebody cancels a job by its id, and may refuse.
	Cancel func(ctx context.Context, tx *sql.Tx, tenantID string, args A) error
	// Retry, if not nil, is called in the transaction in which somebody replays a dead letter, and may refuse.
	Retry func(ctx context.Context, tx *sql.Tx, tenantID string, args A) error
}

// Service enqueues and runs jobs. It is safe for concurrent use once every kind is registered.
type Service struct {
	o       Options
	workers *river.Workers
	defined map[string]defined
	metrics *metrics

	once   sync.Once
	engine engine
	failed error

	mu      sync.Mutex
	running map[int64]*Run

	quit    chan struct{}
	closing sync.Once
	done    sync.WaitGroup
}

// defined is what is needed of a kind without knowing its arguments.
type defined struct {
	queue         string
	attempts      int
	cancel, retry change
}

type change func(ctx context.Context, tx *sql.Tx, tenantID string, args json.RawMessage) error

func changeOf[A Args](f func(context.Context, *sql.Tx, string, A) error) change {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, tx *sql.Tx, tenantID string, raw json.RawMessage) error {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return err
		}
		return f(ctx, tx, tenantID, args)
	}
}

// New returns a service without kinds. The database must be migrated before the first job.
func New(o Options) *Service {
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	if o.Poll == 0 {
		o.Poll = defaultPoll
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o, workers: river.NewWorkers(), defined: map[string]defined{}, running: map[int64]*Run{}, quit: make(chan struct{}), metrics: newMetrics()}
	if o.Registry != nil {
		o.Registry.MustRegister(s.metrics.ended, s.metrics.took, s.metrics.rescued, gauges{s})
	}
	return s
}

// Register adds a kind of job. All kinds are registered before the first job is enqueued.
func Register[A Args](s *Service, k Kind[A]) {
	if k.Attempts == 0 {
		k.Attempts = defaultAttempts
	}
	if k.Timeout == 0 {
		k.Timeout = defaultTimeout
	}
	k.Timeout = min(k.Timeout, longestTimeout)
	if k.BackOff == 0 {
		k.BackOff = defaultBackOff
	}
	var zero A
	if _, ok := s.o.Queues[k.Queue]; !ok {
		panic(fmt.Sprintf("jobs: %s wants the queue %q, which does not exist", zero.Kind(), k.Queue))
	}
	s.defined[zero.Kind()] = defined{queue: k.Queue, attempts: k.Attempts, cancel: changeOf(k.Cancel), retry: changeOf(k.Retry)}
	river.AddWorker(s.workers, &worker[A]{s: s, kind: k})
}

func newEngine(s *Service) (engine, error) {
	if s.o.DB.Shared() {
		return newPostgresEngine(s)
	}
	return newSQLiteEngine(s)
}

// ready makes the engine when it is first needed, after all kinds have been registered.
func (s *Service) ready() (engine, error) {
	s.once.Do(func() { s.engine, s.failed = newEngine(s) })
	return s.engine, s.failed
}

// Enqueuing is how one job differs from others of its kind.
type Enqueuing struct {
	// RequestedBy is the id of the user or key whose request caused the job; "" for the system.
	RequestedBy string
	// At is when it is due; now when zero.
	At time.Time
	// Unique makes nothing new while a job of the same kind, tenant and arguments waits or runs. One that waits for its next attempt is due at once then, unless At is set.
	Unique bool
}

// Enqueue makes a job in tx, a transaction that can write: the job begins after tx is committed, or does not exist. It returns the id of the job, or of the one that is there already.
func (s *Service) Enqueue(ctx context.Context, tx *sql.Tx, tenantID string, args Args, o Enqueuing) (int64, error) {
	if tenantID == "" {
		return 0, errors.New("jobs: a job without a tenant")
	}
	d, ok := s.defined[args.Kind()]
	if !ok {
		return 0, fmt.Errorf("jobs: there is no kind %q", args.Kind())
	}
	e, err := s.ready()
	if err != nil {
		return 0, err
	}
	opts := &river.InsertOpts{Queue: d.queue, MaxAttempts: d.attempts, ScheduledAt: o.At}
	if o.Unique {
		opts.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: unfinished}
	}
	res, err := e.insert(ctx, tx, anyEnvelope{Tenant: tenantID, Args: args}, opts)
	if err != nil {
		return 0, sqldb.Translate(err)
	}
	if res.UniqueSkippedAsDuplicate {
		if res.Job.State == rivertype.JobStateRetryable && o.At.IsZero() {
			return res.Job.ID, s.hurry(ctx, tx, e, res.Job.ID)
		}
		return res.Job.ID, nil
	}
	return res.Job.ID, insertJob(ctx, tx, res.Job.ID, tenantID, o.RequestedBy)
}

// hurry makes a job that waits for its next attempt due.
func (s *Service) hurry(ctx context.Context, tx *sql.Tx, e engine, id int64) error {
	x, err := e.executor(tx)
	if err != nil {
		return err
	}
	now := time.Now()
	_, err = x.JobRetry(ctx, &riverdriver.JobRetryParams{ID: id, Now: &now})
	if err = sqldb.Translate(err); errs.CodeOf(err) == errs.Conflict {
		return errs.New(errs.Conflict, "Another job of this kind, about the same, waits or runs already.")
	}
	return err
}

// Start begins to work and returns at once. [Service.Close] ends it.
func (s *Service) Start(ctx context.Context) error {
	e, err := s.ready()
	if err != nil {
		return err
	}
	// Where this process is the only one, whatever runs according to the database was interrupted.
	alone := s.o.Alone || !s.o.DB.Shared()
	if err := s.rescue(ctx, e, alone); err != nil {
		return err
	}
	if !alone {
		s.done.Go(func() {
			s.every(s.o.Lease/3, "the jobs of processes that have ended could not be taken over", func(ctx context.Context) error { return s.rescue(ctx, e, false) })
		})
	}
	s.done.Go(func() { s.every(s.o.Lease/10, "the progress of jobs could not be stored", s.beat) })
	return e.start(context.WithoutCancel(ctx))
}

// Close stops the work: running jobs are told to stop and go back to the queue. It returns when all have, at the latest when ctx ends.
func (s *Service) Close(ctx context.Context) error {
	if s.engine == nil {
		return nil
	}
	err := s.engine.stop(ctx)
	s.closing.Do(func() { close(s.quit) })
	s.done.Wait()
	return err
}

// every calls do again and again until the service is closed.
func (s *Service) every(d time.Duration, failure string, do func(context.Context) error) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.o.Lease/2)
		if err := do(ctx); err != nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelWarn, failure, slog.Any("error", err))
		}
		cancel()
	}
}

// Permanent marks an error that will be the same at the next attempt, so that there is none. Errors with the codes Invalid, Forbidden, NotFound and Conflict (package errs) count as such without it.
func Permanent(err error) error { return permanentError{err} }

type permanentError struct{ error }

// Unwrap returns the error within.
func (e permanentError) Unwrap() error { return e.error }

func isPermanent(err error) bool {
	switch errs.CodeOf(err) {
	case errs.Invalid, errs.Forbidden, errs.NotFound, errs.Conflict:
		return true
	}
	return errors.As(err, new(permanentError))
}
