package jobs

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
)

// riverConnections is how many connections River may have for its own work: storing how jobs ended takes a writer's instead, and so does fetching.
const riverConnections = 3

// postgresEngine is River on PostgreSQL. What belongs to a cause is done on the connection of its transaction, what River does on its own on connections of a pool.
type postgresEngine struct {
	s      *Service
	client *river.Client[pgx.Tx]
	driver *riverpgxv5.Driver
	pool   *pgxpool.Pool
}

func newPostgresEngine(s *Service) (engine, error) {
	pool, err := s.o.DB.OpenPgx(context.Background(), riverConnections)
	if err != nil {
		return nil, err
	}
	e := &postgresEngine{s: s, driver: riverpgxv5.New(pool), pool: pool}
	e.client, err = river.NewClient(&postgresDriver{e.driver, e}, s.riverConfig())
	if err != nil {
		pool.Close()
		return nil, err
	}
	return e, nil
}

func (e *postgresEngine) insert(ctx context.Context, tx *sql.Tx, args river.JobArgs, o *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	own, err := e.s.o.DB.Pgx(tx)
	if err != nil {
		return nil, err
	}
	return e.client.InsertTx(ctx, own, args, o)
}

func (e *postgresEngine) executor(tx *sql.Tx) (riverdriver.Executor, error) {
	own, err := e.s.o.DB.Pgx(tx)
	if err != nil {
		return nil, err
	}
	return e.driver.UnwrapExecutor(own), nil
}

func (e *postgresEngine) start(ctx context.Context) error { return e.client.Start(ctx) }

func (e *postgresEngine) stop(ctx context.Context) error {
	err := e.client.Stop(ctx)
	if err == nil { // otherwise something is still at work, and closing would wait for it
		e.pool.Close()
	}
	return err
}

// at is the time itself.
func (*postgresEngine) at(t time.Time) any { return t }

// postgresDriver is riverpgxv5 with turns among tenants and leases. Processes elect the one that does River's housekeeping. They ask for jobs instead of being notified: a
// connection that listens would be held all the time, and cannot go through a pooler.
type postgresDriver struct {
	*riverpgxv5.Driver
	e *postgresEngine
}

// GetExecutor implements riverdriver.Driver.
func (d *postgresDriver) GetExecutor() riverdriver.Executor {
	return &postgresExecutor{d.Driver.GetExecutor(), d.e}
}

// SupportsListener implements riverdriver.Driver.
func (d *postgresDriver) SupportsListener() bool { return false }

// SupportsListenNotify implements riverdriver.Driver.
func (d *postgresDriver) SupportsListenNotify() bool { return false }

type postgresExecutor struct {
	riverdriver.Executor
	e *postgresEngine
}

// JobGetAvailable implements riverdriver.Executor.
func (x *postgresExecutor) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) ([]*rivertype.JobRow, error) {
	return x.e.s.claim(ctx, x.e, p)
}

// JobSetStateIfRunningMany implements riverdriver.Executor. A job that another process has taken over meanwhile is left to that process.
func (x *postgresExecutor) JobSetStateIfRunningMany(ctx context.Context, p *riverdriver.JobSetStateIfRunningManyParams) (rows []*rivertype.JobRow, err error) {
	err = x.e.s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		ours, err := ownedOf(ctx, tx, x.e.s.o.Owner, p)
		if err != nil || len(ours.ID) == 0 {
			return err
		}
		in, err := x.e.executor(tx)
		if err != nil {
			return err
		}
		rows, err = in.JobSetStateIfRunningMany(ctx, ours)
		return err
	})
	return rows, err
}

// ownedOf returns of the given ends of jobs those of jobs that are still this process's.
func ownedOf(ctx context.Context, tx *sql.Tx, owner string, p *riverdriver.JobSetStateIfRunningManyParams) (*riverdriver.JobSetStateIfRunningManyParams, error) {
	ours := &riverdriver.JobSetStateIfRunningManyParams{Now: p.Now, Schema: p.Schema}
	for i, id := range p.ID {
		mine, err := owns(ctx, tx, id, owner)
		if err != nil {
			return nil, err
		}
		if !mine {
			continue
		}
		ours.ID, ours.Attempt, ours.ErrData = append(ours.ID, id), append(ours.Attempt, p.Attempt[i]), append(ours.ErrData, p.ErrData[i])
		ours.FinalizedAt, ours.ScheduledAt, ours.State = append(ours.FinalizedAt, p.FinalizedAt[i]), append(ours.ScheduledAt, p.ScheduledAt[i]), append(ours.State, p.State[i])
		ours.MetadataDoMerge, ours.MetadataUpdates = append(ours.MetadataDoMerge, p.MetadataDoMerge[i]), append(ours.MetadataUpdates, p.MetadataUpdates[i])
	}
	return ours, nil
}
