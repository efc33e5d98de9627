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
	jobID, parts                                  int64
	resume                                        []byte // sealed; nil when there is nothing to go on from
	rowsDone                                      int64
	rowsTotal                                     sql.NullInt64
	bytes                                         int64
	sha256, error                                 string
	createdAt                                     int64
	startedAt, finishedAt, expiresAt              sql.NullInt64
	file                                          string
}

const jobColumns = `id, tenant_id, requested_by, kind, format, status, params, job_id, parts, resume, rows_done, rows_total, bytes, sha256, error, created_at, started_at, finished_at, expires_at, file`

type scanner interface{ Scan(dest ...any) error }

func scanJob(s scanner) (*job, error) {
	var j job
	err := s.Scan(&j.id, &j.tenant, &j.requestedBy, &j.kind, &j.format, &j.status, &j.params, &j.jobID, &j.parts, &j.resume, &j.rowsDone,
		&j.rowsTotal, &j.bytes, &j.sha256, &j.error, &j.createdAt, &j.startedAt, &j.finishedAt, &j.expiresAt, &j.file)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "There is no such export.")
	}
	return &j, sqldb.Translate(err)
}

func insertJob(ctx context.Context, tx *sql.Tx, j *job) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO export (`+jobColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, NULL, 0, NULL, 0, '', '', $9, NULL, NULL, NULL, '')`,
		j.id, j.tenant, j.requestedBy, j.kind, j.format, statusQueued, j.params, j.jobID, j.createdAt)
	return sqldb.Translate(err)
}

func getJob(ctx context.Context, db *sql.DB, tenant, id string) (*job, error) {
	return scanJob(db.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM export WHERE tenant_id = $1 AND id = $2`, tenant, id))
}

// listJobs returns a tenant's exports, newest first; those of one requester unless requestedBy is empty.
func listJobs(ctx context.Context, db *sql.DB, tenant, requestedBy string, limit int) ([]*job, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+jobColumns+` FROM export WHERE tenant_id = $1 AND ($2 = '' OR requested_by = $2)
		ORDER BY created_at DESC, id DESC LIMIT $3`, tenant, requestedBy, limit)
	return scanJobs(rows, err)
}

// countActive returns how many exports a requester has waiting or running.
func countActive(ctx context.Context, db *sql.DB, tenant, requestedBy string) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT COUNT(*) FROM export WHERE tenant_id = $1 AND requested_by = $2 AND status IN ('queued', 'running')`,
		tenant, requestedBy).Scan(&n)
	return n, sqldb.Translate(err)
}

// beginJob says that an export is being written, and returns it. It is NotFound when it has ended meanwhile.
func beginJob(ctx context.Context, tx *sql.Tx, tenant, id string, now int64) (*job, error) {
	return scanJob(tx.QueryRowContext(ctx, `UPDATE export SET status = 'running', started_at = COALESCE(started_at, $1) WHERE tenant_id = $2 AND id = $3 AND status IN ('queued', 'running')
		RETURNING `+jobColumns, now, tenant, id))
}

// orphans returns the exports of all tenants that wait without a job.
func orphans(ctx context.Context, tx *sql.Tx) ([]*job, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+jobColumns+` FROM export WHERE status IN ('queued', 'running') AND job_id = 0`)
	return scanJobs(rows, err)
}

func adopt(ctx context.Context, tx *sql.Tx, j *job, jobID int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE export SET job_id = $1 WHERE tenant_id = $2 AND id = $3`, jobID, j.tenant, j.id)
	return sqldb.Translate(err)
}

// replayJob puts a failed export back into the queue.
func replayJob(ctx context.Context, tx *sql.Tx, tenant, id string) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET status = 'queued', error = '', finished_at = NULL WHERE tenant_id = $1 AND id = $2 AND status = 'failed'`, tenant, id))
}

// errNotMine says that an export has ended, or was cancelled, in the meantime.
var errNotMine = errs.New(errs.Conflict, "The export has ended or was cancelled.")

func mine(r sql.Result, err error) error {
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errNotMine)
	}
	return nil
}

// savePart stores that a part is complete, and where to go on after it.
func savePart(ctx context.Context, tx *sql.Tx, j *job, parts int, sealed []byte, rows int64, total sql.NullInt64, bytes int64) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET parts = $1, resume = $2, rows_done = $3, rows_total = $4, bytes = $5 WHERE tenant_id = $6 AND id = $7 AND status = 'running'`,
		parts, sealed, rows, total, bytes, j.tenant, j.id))
}

func finishJob(ctx context.Context, tx *sql.Tx, j *job, r result, now int64, keep time.Duration) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET status = 'done', rows_done = $1, rows_total = $1, bytes = $2, sha256 = $3, error = '', parts = $4, resume = NULL,
		finished_at = $5, expires_at = $6, file = $7 WHERE tenant_id = $8 AND id = $9 AND status = 'running'`,
		r.rows, r.bytes, r.sha256, r.parts, now, now+keep.Microseconds(), j.id+fileSuffix, j.tenant, j.id))
}

func failJob(ctx context.Context, tx *sql.Tx, j *job, message string, now int64) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET status = 'failed', error = $1, finished_at = $2
		WHERE tenant_id = $3 AND id = $4 AND status IN ('queued', 'running')`, message, now, j.tenant, j.id))
}

// cancelJob ends an export that waits or runs.
func cancelJob(ctx context.Context, tx *sql.Tx, tenant, id string, now int64) error {
	return mine(tx.ExecContext(ctx, `UPDATE export SET status = 'cancelled', finished_at = $1
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

// expiredJobs returns exports of all tenants whose files are due for deletion: those that nobody may download any more, and the parts of those that ended without
// being complete.
func expiredJobs(ctx context.Context, db *sql.DB, now int64) ([]*job, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+jobColumns+` FROM export WHERE parts > 0 AND (status = 'done' AND (expires_at <= $1 OR file = '') OR status IN ('failed', 'cancelled'))`, now)
	return scanJobs(rows, err)
}

// dropParts forgets the parts of an export that were deleted.
func dropParts(ctx context.Context, tx *sql.Tx, j *job) error {
	_, err := tx.ExecContext(ctx, `UPDATE export SET file = '', parts = 0, resume = NULL WHERE tenant_id = $1 AND id = $2 AND parts = $3`, j.tenant, j.id, j.parts)
	return sqldb.Translate(err)
}

// forgetJobs deletes the rows of exports that ended before a time, with the sealed filters in them.
func forgetJobs(ctx context.Context, tx *sql.Tx, before int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM export WHERE created_at < $1 AND parts = 0 AND status IN ('done', 'failed', 'cancelled')`, before)
	return sqldb.Translate(err)
}

// fileNames returns the names of all files that exports of all tenants have.
func fileNames(ctx context.Context, db *sql.DB) (map[string]bool, error) {
	rows, err := db.QueryContext(ctx, `SELECT id, parts FROM export WHERE parts > 0`)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	names := map[string]bool{}
	for rows.Next() {
		var id string
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, err
		}
		for i := 1; i <= n; i++ {
			names[partName(id, i)] = true
		}
	}
	return names, sqldb.Translate(rows.Err())
}

func scanJobs(rows *sql.Rows, err error) ([]*job, error) {
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

// jobsOf returns the exports of a tenant that have files.
func jobsOf(ctx context.Context, db *sql.DB, tenant string) ([]*job, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+jobColumns+` FROM export WHERE tenant_id = $1 AND parts > 0`, tenant)
	return scanJobs(rows, err)
}
