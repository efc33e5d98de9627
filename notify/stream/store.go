package stream

import (
	"context"
	"database/sql"
	"errors"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// row is a row of notify_stream. Times are microseconds since 1970 UTC, 0 for never.
type row struct {
	id, tenant, kind, format string
	unmasked                 bool
	settings                 []byte // sealed
	next                     int64
	paused                   string // why; "" while it works
	lease, hold              int64
	failures, failingSince   int64
	lastOKAt                 int64
	lastProblem              string
	sent                     int64
	createdAt, updatedAt     int64
}

const columns = `id, tenant_id, kind, format, unmasked, settings, next_seq, paused, lease_until, hold_until, failures, failing_since, last_ok_at, last_problem, sent, created_at, updated_at`

var errNoStream = errs.New(errs.NotFound, "There is no such stream.")

func scan(s interface{ Scan(dest ...any) error }) (*row, error) {
	var r row
	var unmasked int64
	err := s.Scan(&r.id, &r.tenant, &r.kind, &r.format, &unmasked, &r.settings, &r.next, &r.paused, &r.lease, &r.hold, &r.failures, &r.failingSince, &r.lastOKAt, &r.lastProblem, &r.sent, &r.createdAt, &r.updatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoStream
	}
	r.unmasked = unmasked != 0
	return &r, sqldb.Translate(err)
}

func list(rows *sql.Rows, err error) ([]*row, error) {
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var out []*row
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, sqldb.Translate(rows.Err())
}

// due returns streams that may go on of all tenants that are at work.
func due(ctx context.Context, db *sql.DB, now int64) ([]*row, error) {
	return list(db.QueryContext(ctx, `SELECT `+columns+` FROM notify_stream WHERE paused = '' AND hold_until <= $1 AND lease_until <= $1 AND NOT EXISTS (SELECT 1 FROM tenant_standing x WHERE x.tenant_id = notify_stream.tenant_id AND x.state <> 'active') ORDER BY last_ok_at, id`, now))
}

func ofTenant(ctx context.Context, db *sql.DB, tenant string) ([]*row, error) {
	return list(db.QueryContext(ctx, `SELECT `+columns+` FROM notify_stream WHERE tenant_id = $1 ORDER BY created_at, id`, tenant))
}

func get(ctx context.Context, db *sql.DB, tenant, id string) (*row, error) {
	return scan(db.QueryRowContext(ctx, `SELECT `+columns+` FROM notify_stream WHERE tenant_id = $1 AND id = $2`, tenant, id))
}

func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, sqldb.Translate(err)
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

func insert(ctx context.Context, tx *sql.Tx, r *row) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM notify_stream WHERE tenant_id = $1`, r.tenant).Scan(&n); err != nil {
		return sqldb.Translate(err)
	}
	if n >= maxStreams {
		return errs.New(errs.Conflict, "There are %d streams already; delete one first.", maxStreams)
	}
	unmasked := int64(0)
	if r.unmasked {
		unmasked = 1
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO notify_stream (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, 0, 0, 0, 0, '', 0, $8, $8)`, r.id, r.tenant, r.kind, r.format, unmasked, r.settings, r.next, r.createdAt)
	return sqldb.Translate(err)
}

func remove(ctx context.Context, tx *sql.Tx, tenant, id string) error {
	ok, err := changed(tx.ExecContext(ctx, `DELETE FROM notify_stream WHERE tenant_id = $1 AND id = $2`, tenant, id))
	if err == nil && !ok {
		return errNoStream
	}
	return err
}

// update stores what a person may change: whether it is paused, and its position. A batch under way finds its position changed, and does not move it.
func update(ctx context.Context, tx *sql.Tx, r *row, now int64) error {
	ok, err := changed(tx.ExecContext(ctx, `UPDATE notify_stream SET paused = $1, next_seq = $2, hold_until = 0, failures = 0, failing_since = 0, last_problem = '', updated_at = $3 WHERE tenant_id = $4 AND id = $5`,
		r.paused, r.next, now, r.tenant, r.id))
	if err == nil && !ok {
		return errNoStream
	}
	return err
}

// claim takes a stream for this node until the lease ends.
func claim(ctx context.Context, tx *sql.Tx, r *row, now, lease int64) (bool, error) {
	return changed(tx.ExecContext(ctx, `UPDATE notify_stream SET lease_until = $1 WHERE id = $2 AND lease_until <= $3 AND paused = ''`, lease, r.id, now))
}

// advance moves the position over a batch that was taken, unless somebody has set it meanwhile.
func advance(ctx context.Context, tx *sql.Tx, r *row, next, events, now, lease int64) (bool, error) {
	return changed(tx.ExecContext(ctx, `UPDATE notify_stream SET next_seq = $1, sent = sent + $2, last_ok_at = CASE WHEN $2 > 0 THEN $3 ELSE last_ok_at END, failures = 0, failing_since = 0, last_problem = '', hold_until = 0,
		lease_until = $4 WHERE id = $5 AND next_seq = $6 AND paused = ''`, next, events, now, lease, r.id, r.next))
}

func release(ctx context.Context, tx *sql.Tx, r *row) error {
	_, err := tx.ExecContext(ctx, `UPDATE notify_stream SET lease_until = 0 WHERE id = $1`, r.id)
	return sqldb.Translate(err)
}

// fail notes a failure and gives the stream back until hold.
func fail(ctx context.Context, tx *sql.Tx, r *row, problem string, now, hold int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE notify_stream SET failures = failures + 1, failing_since = CASE WHEN failing_since = 0 THEN $1 ELSE failing_since END, last_problem = $2, hold_until = $3, lease_until = 0 WHERE id = $4`,
		now, problem, hold, r.id)
	return sqldb.Translate(err)
}

func pause(ctx context.Context, tx *sql.Tx, r *row, why string) error {
	ok, err := changed(tx.ExecContext(ctx, `UPDATE notify_stream SET paused = $1, lease_until = 0 WHERE id = $2 AND paused = ''`, why, r.id))
	if err == nil && !ok {
		return errNoStream
	}
	return err
}
