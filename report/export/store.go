package export

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// job is a row of the table export. Times are microseconds since 1970 UTC.
type job struct {
	id, tenant, requestedBy, kind, format, status string
	params                                        []byte // sealed
	owner                                         string
	leaseUntil, attempt                           int64
	rowsDone                                      int64
	rowsTotal                                     sql.NullInt64
	bytes                                         int64
	sha256, error                                 string
	createdAt                                     int64
	startedAt, finishedAt, expiresAt              sql.NullInt64
	file                                          string
}

const jobColumns = `id, tenant_id, requested_by, kind, format, status, params, owner, lease_until, attempt, rows_done, rows_total, bytes, sha256, error, created_at, started_at, finished_at, expires_at, file`

type scanner interface{ Scan(dest ...any) error }

func scanJob(s scanner) (*job, error) {
	var j job
	err := s.Scan(&j.id, &j.tenant, &j.requestedBy, &j.kind, &j.format, &j.status, &j.params, &j.owner, &j.leaseUntil, &j.attempt, &j.rowsDone,
		&j.rowsTotal, &j.bytes, &j.sha256, &j.error, &j.createdAt, &j.startedAt, &j.finishedAt, &j.expiresAt, &j.file)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "There is no such export.")
	}
	return &j, sqldb.Translate(err)
}

func insertJob(ctx context.Context, tx *sql.Tx, j *job) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO export (`+jobColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, 0, 0, NULL, 0, '', '', $8, NULL, NULL, NULL, '')`,
		j.id, j.tenant, j.requestedBy, j.kind, j.format, statusQueued, j.params, j.createdAt)
	return sqldb.Translate(err)
}

func getJob(ctx context.Context, db *sql.DB, tenant, id string) (*job, error) {
	return scanJob(db.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM export WHERE tenant_id = $1 AND id = $2`, tenant, id))
}

// listJobs returns a tenant's exports, newest first; those of one requester unless requestedBy is empty.
func listJobs(ctx context.Context, db *sql.DB, tenant, requestedBy string, limit int) ([]*job, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+jobColumns+` FROM export WHERE tenant_id = $1 AND ($2 = '' OR requested_by = $2)
		ORDER BY created_at DESC, id DESC LIMIT $3`, tenant, requestedBy, limit)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var list []*job
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, j)
	}
	return list, sqldb.Translate(rows.Err())
}

// countActive returns how many exports a requester has waiting or running.
func countActive(ctx context.Context, db *sql.DB, tenant, requestedBy string) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM export WHERE tenant_id = $1 AND requested_by = $2 AND status IN ('queued', 'running')`,
		tenant, requestedBy).Scan(&n)
	return n, sqldb.Translate(err)
}

// claimJob takes the oldest export that waits, or that a dead node left, in whatever tenant: workers serve all of them. It returns nil
// when there is none.
func claimJob(ctx context.Context, tx *sql.Tx, owner string, now, lease int64) (*job, error) {
	j, err := scanJob(tx.QueryRowContext(ctx, `UPDATE export SET status = 'running', owner = $1, lease_until = $2, attempt = attempt + 1, started_at = $3,
		rows_done = 0, bytes = 0
		WHERE id = (SELECT id FROM export WHERE status = 'queued' OR (status = 'running' AND lease_until < $3) ORDER BY created_at, id LIMIT 1)
		AND (status = 'queued' OR (status = 'running' AND lease_until < $3)) RETURNING `+jobColumns, owner, lease, now))
	if errs.CodeOf(err) == errs.NotFound {
		return nil, nil
	}
	return j, err
}

// requeueJobs puts back what this node was working on when it stopped. It runs before any worker, across all tenants.
func requeueJobs(ctx context.Context, tx *sql.Tx, owner string) error {
	_, err := tx.ExecContext(ctx, `UPDATE export SET status = 'queued', owner = '', lease_until = 0 WHERE status = 'running' AND owner = $1`, owner)
	return sqldb.Translate(err)
}

// giveBack returns an export that a stopping node did not finish to the queue; the attempt does not count.
func giveBack(ctx context.Context, tx *sql.Tx, j *job) error {
	_, err := tx.ExecContext(ctx, `UPDATE export SET status = 'queued', owner = '', lease_until = 0, attempt = attempt - 1
		WHERE tenant_id = $1 AND id = $2 AND status = 'running' AND owner = $3`, j.tenant, j.id, j.owner)
	return sqldb.Translate(err)
}

// errNotMine says that an export is not this node's to change any more: it was cancelled or taken over.
var errNotMine = errs.New(errs.Conflict, "The export was cancelled or is not running here.")

func mine(r sql.Result, err error) error {
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errNotMine)
	}
	return nil
}

// saveProgress renews the lease and stores how far an export is.
func saveProgress(ctx context.Context, tx *sql.Tx, j *job, lease, rows int64, total sql.NullInt64, bytes int64) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET lease_until = $1, rows_done = $2, rows_total = $3, bytes = $4
		WHERE tenant_id = $5 AND id = $6 AND status = 'running' AND owner = $7`, lease, rows, total, bytes, j.tenant, j.id, j.owner))
}

func finishJob(ctx context.Context, tx *sql.Tx, j *job, r result, now int64, keep time.Duration) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET status = 'done', rows_done = $1, rows_total = $1, bytes = $2, sha256 = $3, error = '',
		finished_at = $4, expires_at = $5, file = $6, lease_until = 0 WHERE tenant_id = $7 AND id = $8 AND status = 'running' AND owner = $9`,
		r.rows, r.bytes, r.sha256, now, now+keep.Microseconds(), j.id+fileSuffix, j.tenant, j.id, j.owner))
}

func failJob(ctx context.Context, tx *sql.Tx, j *job, message string, now int64) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET status = 'failed', error = $1, finished_at = $2, lease_until = 0
		WHERE tenant_id = $3 AND id = $4 AND status = 'running' AND owner = $5`, message, now, j.tenant, j.id, j.owner))
}

// cancelJob ends an export that waits or runs.
func cancelJob(ctx context.Context, tx *sql.Tx, tenant, id string, now int64) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET status = 'cancelled', finished_at = $1, lease_until = 0
		WHERE tenant_id = $2 AND id = $3 AND status IN ('queued', 'running')`, now, tenant, id))
}

// dropFile forgets the file of a finished export.
func dropFile(ctx context.Context, tx *sql.Tx, tenant, id string, now int64) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET file = '', expires_at = $1 WHERE tenant_id = $2 AND id = $3 AND status = 'done' AND file <> ''`, now, tenant, id))
}

// stillThere checks, within the transaction that records a download, that the file may be downloaded.
func stillThere(ctx context.Context, tx *sql.Tx, tenant, id string, now int64) error {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM export WHERE tenant_id = $1 AND id = $2 AND status = 'done' AND file <> '' AND expires_at > $3`,
		tenant, id, now).Scan(&n)
	if err == nil && n == 0 {
		return errGone
	}
	return sqldb.Translate(err)
}

var errGone = errs.New(errs.NotFound, "The file of this export has expired or was deleted. Ask for a new export.")

// expiredJobs returns exports of all tenants whose files are due for deletion.
func expiredJobs(ctx context.Context, db *sql.DB, now int64) ([]*job, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+jobColumns+` FROM export WHERE status = 'done' AND file <> '' AND expires_at <= $1`, now)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var list []*job
	for rows.Next() {
		j, err := scanJob(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, j)
	}
	return list, sqldb.Translate(rows.Err())
}

// forgetJobs deletes the rows of exports that ended before a time, with the sealed filters in them.
func forgetJobs(ctx context.Context, tx *sql.Tx, before int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM export WHERE created_at < $1 AND file = '' AND status IN ('done', 'failed', 'cancelled')`, before)
	return sqldb.Translate(err)
}

// fileNames returns the names of all files that exports of all tenants still have.
func fileNames(ctx context.Context, db *sql.DB) (map[string]bool, error) {
	rows, err := db.QueryContext(ctx, `SELECT file FROM export WHERE file <> ''`)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	names := map[string]bool{}
	for rows.Next() {
		var n string
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		names[n] = true
	}
	return names, sqldb.Translate(rows.Err())
}
