package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/riverqueue/river/rivertype"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

func insertJob(ctx context.Context, tx *sql.Tx, id int64, tenantID, requestedBy string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO job (job_id, tenant_id, requested_by, owner, lease_until, cancel_asked, units_done, units_total, begun_at, begun_units, updated_at, result)
		VALUES ($1, $2, $3, '', 0, 0, 0, NULL, 0, 0, 0, '')`, id, tenantID, requestedBy)
	return sqldb.Translate(err)
}

// someDue reports whether a queue may have a job to run; now is in the form of River's columns.
func someDue(ctx context.Context, db *sql.DB, queue string, now any) (bool, error) {
	var id int64
	err := db.QueryRowContext(ctx, `SELECT id FROM river_job WHERE state = 'available' AND queue = $1 AND scheduled_at <= $2 LIMIT 1`, queue, now).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, sqldb.Translate(err)
}

// due is a job that may run now.
type due struct {
	id     int64
	tenant string
}

// dueJobs returns the next jobs of a queue in the order of their turns: turn is how many of its tenant would run with it.
func dueJobs(ctx context.Context, tx *sql.Tx, queue string, now any, perTenant, limit int) ([]due, error) {
	rows, err := tx.QueryContext(ctx, `WITH busy AS (
			SELECT job.tenant_id, COUNT(*) AS n FROM river_job JOIN job ON job.job_id = river_job.id WHERE river_job.state = 'running' AND river_job.queue = $1 GROUP BY job.tenant_id
		), waiting AS (
			SELECT river_job.id, job.tenant_id, river_job.priority, river_job.scheduled_at,
				COALESCE(busy.n, 0) + ROW_NUMBER() OVER (PARTITION BY job.tenant_id ORDER BY river_job.priority, river_job.scheduled_at, river_job.id) AS turn
			FROM river_job JOIN job ON job.job_id = river_job.id LEFT JOIN busy ON busy.tenant_id = job.tenant_id
			WHERE river_job.state = 'available' AND river_job.queue = $1 AND river_job.scheduled_at <= $2
				AND NOT EXISTS (SELECT 1 FROM tenant_standing x WHERE x.tenant_id = job.tenant_id AND x.state <> 'active')
		)
		SELECT waiting.id, waiting.tenant_id FROM waiting LEFT JOIN job_turn ON job_turn.queue = $1 AND job_turn.tenant_id = waiting.tenant_id
		WHERE waiting.turn <= $3 ORDER BY waiting.turn, COALESCE(job_turn.served_at, 0), waiting.priority, waiting.scheduled_at, waiting.id LIMIT $4`, queue, now, perTenant, limit)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var list []due
	for rows.Next() {
		var d due
		if err := rows.Scan(&d.id, &d.tenant); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, sqldb.Translate(rows.Err())
}

func takeTurn(ctx context.Context, tx *sql.Tx, queue, tenantID string, now int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO job_turn (queue, tenant_id, served_at) VALUES ($1, $2, $3)
		ON CONFLICT (queue, tenant_id) DO UPDATE SET served_at = excluded.served_at`, queue, tenantID, now)
	return sqldb.Translate(err)
}

// leaseJob begins an attempt. What an earlier one has done stays to be seen until this one says how far it is.
func leaseJob(ctx context.Context, tx *sql.Tx, id int64, owner string, now, until int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE job SET owner = $1, lease_until = $2, begun_at = $3, begun_units = units_done, updated_at = $3 WHERE job_id = $4`, owner, until, now, id)
	return sqldb.Translate(err)
}

// owns reports whether a process is the last that began an attempt at a job.
func owns(ctx context.Context, tx *sql.Tx, id int64, owner string) (bool, error) {
	var n int64
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM job WHERE job_id = $1 AND owner = $2`, id, owner).Scan(&n)
	return n > 0, sqldb.Translate(err)
}

// saveProgress stores how far a job is and renews its lease. It reports whether the job is to be cancelled, and whether it is still this process's.
func saveProgress(ctx context.Context, tx *sql.Tx, r *Run, owner string, now, until int64) (asked, mine bool, err error) {
	total := sql.NullInt64{Int64: r.total.Load()}
	total.Valid = total.Int64 >= 0
	var cancelAsked int64
	if r.begun.Load() {
		err = tx.QueryRowContext(ctx, `UPDATE job SET units_done = $1, units_total = $2, begun_units = $3, updated_at = $4, lease_until = $5, result = $6 WHERE job_id = $7 AND owner = $8 RETURNING cancel_asked`,
			r.done.Load(), total, r.begunUnits.Load(), now, until, r.found(), r.ID, owner).Scan(&cancelAsked)
	} else {
		err = tx.QueryRowContext(ctx, `UPDATE job SET lease_until = $1, result = $2 WHERE job_id = $3 AND owner = $4 RETURNING cancel_asked`, until, r.found(), r.ID, owner).Scan(&cancelAsked)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	return cancelAsked != 0, err == nil, sqldb.Translate(err)
}

// lost is a job that runs according to the database and not in truth.
type lost struct {
	id        int64
	attempt   int
	cancelled bool
}

// lostJobs returns the jobs of other processes than owner whose lease has run out before now, or that run at all.
func lostJobs(ctx context.Context, tx *sql.Tx, owner string, now int64, all bool) ([]lost, error) {
	if all {
		now = 1<<62 - 1
	}
	rows, err := tx.QueryContext(ctx, `SELECT river_job.id, river_job.attempt, job.cancel_asked FROM river_job JOIN job ON job.job_id = river_job.id
		WHERE river_job.state = 'running' AND job.lease_until < $1 AND job.owner <> $2`, now, owner)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var list []lost
	for rows.Next() {
		var l lost
		var asked int64
		if err := rows.Scan(&l.id, &l.attempt, &asked); err != nil {
			return nil, err
		}
		l.cancelled = asked != 0
		list = append(list, l)
	}
	return list, sqldb.Translate(rows.Err())
}

// attemptError is an element of River's column errors.
func attemptError(at time.Time, attempt int, message string) []byte {
	b, err := json.Marshal(rivertype.AttemptError{At: at.UTC(), Attempt: attempt, Error: message})
	if err != nil {
		panic("jobs: an error cannot be written: " + err.Error())
	}
	return b
}

// own is a row of the table job.
type own struct {
	id                  int64
	requestedBy         string
	cancelAsked         int64
	done                int64
	total               sql.NullInt64
	begunAt, begunUnits int64
	updatedAt           int64
	result              string
}

const ownColumns = `job.job_id, job.requested_by, job.cancel_asked, job.units_done, job.units_total, job.begun_at, job.begun_units, job.updated_at, job.result`

func (o *own) scan(s interface{ Scan(dest ...any) error }) error {
	return s.Scan(&o.id, &o.requestedBy, &o.cancelAsked, &o.done, &o.total, &o.begunAt, &o.begunUnits, &o.updatedAt, &o.result)
}

var errNoJob = errs.New(errs.NotFound, "There is no such job.")

func getOwn(ctx context.Context, tx *sql.Tx, tenantID string, id int64) (*own, error) {
	var o own
	err := o.scan(tx.QueryRowContext(ctx, `SELECT `+ownColumns+` FROM job WHERE job.tenant_id = $1 AND job.job_id = $2`, tenantID, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoJob
	}
	return &o, sqldb.Translate(err)
}

// listOwn returns a tenant's jobs in one of River's states, or in any when that is empty, newest first, with ids below before.
func listOwn(ctx context.Context, tx *sql.Tx, tenantID string, states []string, kind string, before int64, limit int) ([]own, error) {
	query := `SELECT ` + ownColumns + ` FROM job JOIN river_job ON river_job.id = job.job_id WHERE job.tenant_id = $1 AND job.job_id < $2 AND ($3 = '' OR river_job.kind = $3)`
	args := []any{tenantID, before, kind}
	if len(states) > 0 {
		query += ` AND CAST(river_job.state AS TEXT) IN (`
		for i, s := range states {
			if i > 0 {
				query += `, `
			}
			args = append(args, s)
			query += placeholder(len(args))
		}
		query += `)`
	}
	args = append(args, limit)
	rows, err := tx.QueryContext(ctx, query+` ORDER BY job.job_id DESC LIMIT `+placeholder(len(args)), args...)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var list []own
	for rows.Next() {
		var o own
		if err := o.scan(rows); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, sqldb.Translate(rows.Err())
}

func askCancel(ctx context.Context, tx *sql.Tx, id, now int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE job SET cancel_asked = $1 WHERE job_id = $2`, now, id)
	return sqldb.Translate(err)
}

func placeholder(n int) string { return "$" + strconv.Itoa(n) }

// figures are what the gauges show.
type figures struct {
	queue, state string
	n            int64
}

func countJobs(ctx context.Context, db *sql.DB) ([]figures, error) {
	rows, err := db.QueryContext(ctx, `SELECT queue, CAST(state AS TEXT), COUNT(*) FROM river_job GROUP BY queue, state`)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var list []figures
	for rows.Next() {
		var f figures
		if err := rows.Scan(&f.queue, &f.state, &f.n); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, sqldb.Translate(rows.Err())
}
