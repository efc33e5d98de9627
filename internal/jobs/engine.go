package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
)

// engine is River on one kind of database.
type engine interface {
	insert(ctx context.Context, tx *sql.Tx, args river.JobArgs, o *river.InsertOpts) (*rivertype.JobInsertResult, error)
	// executor works on River's tables within tx, a transaction of DB.Write or DB.Snapshot.
	executor(tx *sql.Tx) (riverdriver.Executor, error)
	start(ctx context.Context) error
	stop(ctx context.Context) error
	// at is a time as the database's columns of River have it.
	at(t time.Time) any
}

// unfinished are the states of jobs that will run or do.
var unfinished = []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled}

// envelope is what River stores as the arguments of a job.
type envelope[A Args] struct {
	Tenant string `json:"tenant"`
	Args   A      `json:"args"`
}

// Kind implements river.JobArgs.
func (envelope[A]) Kind() string {
	var zero A
	return zero.Kind()
}

// anyEnvelope is an envelope as it is made.
type anyEnvelope struct {
	Tenant string `json:"tenant"`
	Args   Args   `json:"args"`
}

// Kind implements river.JobArgs.
func (e anyEnvelope) Kind() string { return e.Args.Kind() }

// openEnvelope returns the arguments of a stored job.
func openEnvelope(b []byte) json.RawMessage {
	var e struct {
		Args json.RawMessage `json:"args"`
	}
	if json.Unmarshal(b, &e) != nil {
		return nil
	}
	return e.Args
}

// riverConfig is River's configuration, on every database.
func (s *Service) riverConfig() *river.Config {
	queues := map[string]river.QueueConfig{}
	for name, q := range s.o.Queues {
		queues[name] = river.QueueConfig{MaxWorkers: q.Workers}
	}
	return &river.Config{ID: s.o.Owner, Queues: queues, Workers: s.workers, FetchPollInterval: s.o.Poll,
		FetchCooldown: min(100*time.Millisecond, s.o.Poll), JobTimeout: longestTimeout, RescueStuckJobsAfter: 2 * longestTimeout, CompletedJobRetentionPeriod: keepEnded,
		CancelledJobRetentionPeriod: keepEnded, DiscardedJobRetentionPeriod: keepDead, SoftStopTimeout: time.Millisecond, Logger: slog.New(warnings{s.o.Logger.Handler()})}
}

// sqliteEngine is River on the one connection of SQLite that writes.
type sqliteEngine struct {
	client *river.Client[*sql.Tx]
	driver *riversqlite.Driver
}

func newSQLiteEngine(s *Service) (engine, error) {
	e := &sqliteEngine{driver: riversqlite.New(s.o.DB.Writer())}
	var err error
	e.client, err = river.NewClient(&sqliteDriver{e.driver, s, e}, s.riverConfig())
	return e, err
}

func (e *sqliteEngine) insert(ctx context.Context, tx *sql.Tx, args river.JobArgs, o *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	return e.client.InsertTx(ctx, tx, args, o)
}

func (e *sqliteEngine) executor(tx *sql.Tx) (riverdriver.Executor, error) {
	return e.driver.UnwrapExecutor(tx), nil
}

func (e *sqliteEngine) start(ctx context.Context) error { return e.client.Start(ctx) }

func (e *sqliteEngine) stop(ctx context.Context) error { return e.client.Stop(ctx) }

// at is the text that riversqlite stores.
func (*sqliteEngine) at(t time.Time) any {
	return t.UTC().Round(time.Millisecond).Format("2006-01-02 15:04:05.000")
}

// sqliteDriver is riversqlite with turns among tenants, and without what only serves several processes: one process at a time works on a data directory, so
// it leads without an election that writes to the disk every few seconds, and nobody has to be notified through the database.
type sqliteDriver struct {
	*riversqlite.Driver
	s *Service
	e *sqliteEngine
}

// GetExecutor implements riverdriver.Driver.
func (d *sqliteDriver) GetExecutor() riverdriver.Executor {
	return &sqliteExecutor{d.Driver.GetExecutor(), d}
}

// SupportsListener implements riverdriver.Driver.
func (d *sqliteDriver) SupportsListener() bool { return false }

// SupportsListenNotify implements riverdriver.Driver.
func (d *sqliteDriver) SupportsListenNotify() bool { return false }

type sqliteExecutor struct {
	riverdriver.Executor
	d *sqliteDriver
}

// JobGetAvailable implements riverdriver.Executor.
func (x *sqliteExecutor) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) ([]*rivertype.JobRow, error) {
	return x.d.s.claim(ctx, x.d.e, p)
}

// LeaderAttemptElect implements riverdriver.Executor.
func (x *sqliteExecutor) LeaderAttemptElect(_ context.Context, p *riverdriver.LeaderElectParams) (*riverdriver.Leader, error) {
	now := time.Now()
	return &riverdriver.Leader{LeaderID: p.LeaderID, ElectedAt: now, ExpiresAt: now.Add(p.TTL)}, nil
}

// LeaderAttemptReelect implements riverdriver.Executor.
func (x *sqliteExecutor) LeaderAttemptReelect(_ context.Context, p *riverdriver.LeaderReelectParams) (*riverdriver.Leader, error) {
	return &riverdriver.Leader{LeaderID: p.LeaderID, ElectedAt: p.ElectedAt, ExpiresAt: time.Now().Add(p.TTL)}, nil
}

// LeaderResign implements riverdriver.Executor.
func (x *sqliteExecutor) LeaderResign(context.Context, *riverdriver.LeaderResignParams) (bool, error) {
	return true, nil
}

// IndexReindex implements riverdriver.Executor. River would rebuild indexes every night, which PostgreSQL may need and SQLite does not.
func (x *sqliteExecutor) IndexReindex(context.Context, *riverdriver.IndexReindexParams) error {
	return nil
}

// warnings passes what River says about trouble and leaves out the rest.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

// Handle implements slog.Handler. That jobs are told to stop at once when the server stops is how it is meant: they are taken up again.
func (w warnings) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "Soft stop timeout") {
		return nil
	}
	return w.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (w warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{w.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
