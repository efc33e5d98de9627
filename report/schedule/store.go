package schedule

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

var errNone = errs.New(errs.NotFound, "There is no such schedule.")

const columns = `id, tenant_id, owner, definition, paused, next_at, last_at, created_at`

type scanner interface{ Scan(dest ...any) error }

func scan(r scanner) (*Schedule, error) {
	var c Schedule
	var created int64
	err := r.Scan(&c.ID, &c.tenant, &c.Owner, &c.sealed, &c.Paused, &c.nextAt, &c.lastAt, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNone
	}
	c.NextAt, c.LastAt, c.CreatedAt = timeOf(c.nextAt), timeOf(c.lastAt), time.UnixMicro(created).UTC()
	return &c, sqldb.Translate(err)
}

// timeOf is a time in microseconds since 1970; nil for 0, which stands for never.
func timeOf(us int64) *time.Time {
	if us == 0 {
		return nil
	}
	t := time.UnixMicro(us).UTC()
	return &t
}

func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, sqldb.Translate(rows.Err())
}

func insert(ctx context.Context, tx *sql.Tx, c *Schedule) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO schedule (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, c.ID, c.tenant, c.Owner, c.sealed, c.Paused, c.nextAt, c.lastAt, c.CreatedAt.UnixMicro())
	return sqldb.Translate(err)
}

func get(ctx context.Context, db *sql.DB, tenant, id string) (*Schedule, error) {
	return scan(db.QueryRowContext(ctx, `SELECT `+columns+` FROM schedule WHERE tenant_id = $1 AND id = $2`, tenant, id))
}

func list(ctx context.Context, db *sql.DB, tenant string) ([]*Schedule, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+columns+` FROM schedule WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC`, tenant)
	return collect(rows, err, scan)
}

func count(ctx context.Context, tx *sql.Tx, tenant string) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM schedule WHERE tenant_id = $1`, tenant).Scan(&n)
	return n, sqldb.Translate(err)
}

// due returns the schedules whose time has come, of all tenants that are at work.
func due(ctx context.Context, db *sql.DB, now int64, limit int) ([]*Schedule, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+columns+` FROM schedule WHERE next_at > 0 AND next_at <= $1 AND NOT EXISTS (SELECT 1 FROM tenant_standing x WHERE x.tenant_id = schedule.tenant_id AND x.state <> 'active') ORDER BY next_at LIMIT $2`, now, limit)
	return collect(rows, err, scan)
}

// waiting returns a tenant's schedules that have no time of their own and are not paused.
func waiting(ctx context.Context, tx *sql.Tx, tenant string) ([]*Schedule, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+columns+` FROM schedule WHERE tenant_id = $1 AND next_at = 0 AND paused = ''`, tenant)
	return collect(rows, err, scan)
}

func found(r sql.Result, err error, none error) error {
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, none)
	}
	return nil
}

func update(ctx context.Context, tx *sql.Tx, c *Schedule) error {
	r, err := tx.ExecContext(ctx, `UPDATE schedule SET owner = $1, definition = $2, paused = $3, next_at = $4 WHERE tenant_id = $5 AND id = $6`, c.Owner, c.sealed, c.Paused, c.nextAt, c.tenant, c.ID)
	return found(r, err, errNone)
}

var errMoved = errs.New(errs.Conflict, "The schedule has moved on already.")

// advance moves a schedule from the time that was due to its next; it is a Conflict when somebody else has, or has changed it.
func advance(ctx context.Context, tx *sql.Tx, c *Schedule, was, ran int64) error {
	r, err := tx.ExecContext(ctx, `UPDATE schedule SET next_at = $1, last_at = $2 WHERE tenant_id = $3 AND id = $4 AND next_at = $5`, c.nextAt, ran, c.tenant, c.ID, was)
	return found(r, err, errMoved)
}

func pauseFor(ctx context.Context, tx *sql.Tx, tenant, id, why string) error {
	_, err := tx.ExecContext(ctx, `UPDATE schedule SET paused = $1, next_at = 0 WHERE tenant_id = $2 AND id = $3`, why, tenant, id)
	return sqldb.Translate(err)
}

func remove(ctx context.Context, tx *sql.Tx, c *Schedule) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM schedule_run WHERE tenant_id = $1 AND schedule_id = $2`, c.tenant, c.ID); err != nil {
		return sqldb.Translate(err)
	}
	r, err := tx.ExecContext(ctx, `DELETE FROM schedule WHERE tenant_id = $1 AND id = $2`, c.tenant, c.ID)
	return found(r, err, errNone)
}

const runColumns = `id, tenant_id, schedule_id, due_at, prior_at, cause, status, problem`

func scanRun(s scanner) (*Run, error) {
	var r Run
	var due int64
	err := s.Scan(&r.ID, &r.tenant, &r.schedule, &due, &r.last, &r.Cause, &r.Status, &r.Problem)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "There is no such run.")
	}
	r.DueAt = time.UnixMicro(due).UTC()
	if r.Status == runStarted {
		r.ExportID = r.ID
	}
	return &r, sqldb.Translate(err)
}

func insertRun(ctx context.Context, tx *sql.Tx, r *Run) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO schedule_run (`+runColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, r.ID, r.tenant, r.schedule, r.DueAt.UnixMicro(), r.last, r.Cause, r.Status, r.Problem)
	return sqldb.Translate(err)
}

func getRun(ctx context.Context, db *sql.DB, tenant, id string) (*Run, error) {
	return scanRun(db.QueryRowContext(ctx, `SELECT `+runColumns+` FROM schedule_run WHERE tenant_id = $1 AND id = $2`, tenant, id))
}

func runs(ctx context.Context, db *sql.DB, c *Schedule, limit int) ([]*Run, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+runColumns+` FROM schedule_run WHERE tenant_id = $1 AND schedule_id = $2 ORDER BY id DESC LIMIT $3`, c.tenant, c.ID, limit)
	return collect(rows, err, scanRun)
}

func endRun(ctx context.Context, tx *sql.Tx, r *Run, status, problem string) error {
	_, err := tx.ExecContext(ctx, `UPDATE schedule_run SET status = $1, problem = $2 WHERE tenant_id = $3 AND id = $4 AND status = 'waiting'`, status, problem, r.tenant, r.ID)
	return sqldb.Translate(err)
}

// forget deletes the runs of all tenants that were due before a time.
func forget(ctx context.Context, tx *sql.Tx, before int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM schedule_run WHERE due_at < $1 AND status <> 'waiting'`, before)
	return sqldb.Translate(err)
}
