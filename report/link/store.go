package link

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

const columns = `id, tenant_id, target_type, target_id, secret, created_by, recipient, created_at, expires_at, revoked_at, revoked_by, downloads, last_used_at`

type scanner interface{ Scan(dest ...any) error }

func scan(r scanner) (*Link, error) {
	var l Link
	var created, expires, revoked, used int64
	err := r.Scan(&l.ID, &l.tenant, &l.targetType, &l.targetID, &l.secret, &l.CreatedBy, &l.Recipient, &created, &expires, &revoked, &l.RevokedBy, &l.Downloads, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "There is no such link.")
	}
	l.CreatedAt, l.ExpiresAt, l.RevokedAt, l.LastUsedAt = time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC(), timeOf(revoked), timeOf(used)
	return &l, sqldb.Translate(err)
}

// timeOf is a time in microseconds since 1970; nil for 0, which stands for never.
func timeOf(us int64) *time.Time {
	if us == 0 {
		return nil
	}
	t := time.UnixMicro(us).UTC()
	return &t
}

func insert(ctx context.Context, tx *sql.Tx, l *Link) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO download_link (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '', 0, 0)`,
		l.ID, l.tenant, l.targetType, l.targetID, l.secret, l.CreatedBy, l.Recipient, l.CreatedAt.UnixMicro(), l.ExpiresAt.UnixMicro())
	return sqldb.Translate(err)
}

// byID finds a link without knowing its tenant: the token says whose it is, and its signature is checked before anything is done with it.
func byID(ctx context.Context, db *sql.DB, id string) (*Link, error) {
	return scan(db.QueryRowContext(ctx, `SELECT `+columns+` FROM download_link WHERE id = $1`, id))
}

func list(ctx context.Context, db *sql.DB, tenant, targetType, targetID string) ([]*Link, error) {
	rows, err := db.QueryContext(ctx, `SELECT `+columns+` FROM download_link WHERE tenant_id = $1 AND target_type = $2 AND target_id = $3 ORDER BY created_at DESC, id DESC LIMIT 200`,
		tenant, targetType, targetID)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	all := []*Link{}
	for rows.Next() {
		l, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, sqldb.Translate(rows.Err())
}

func countOpen(ctx context.Context, tx *sql.Tx, l *Link, now int64) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM download_link WHERE tenant_id = $1 AND target_type = $2 AND target_id = $3 AND revoked_at = 0 AND expires_at > $4`,
		l.tenant, l.targetType, l.targetID, now).Scan(&n)
	return n, sqldb.Translate(err)
}

// use counts a download, unless the link has ended meanwhile.
func use(ctx context.Context, tx *sql.Tx, l *Link, now int64) error {
	r, err := tx.ExecContext(ctx, `UPDATE download_link SET downloads = downloads + 1, last_used_at = $1 WHERE tenant_id = $2 AND id = $3 AND revoked_at = 0 AND expires_at > $1`, now, l.tenant, l.ID)
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errDead)
	}
	return nil
}

func revoke(ctx context.Context, tx *sql.Tx, l *Link, by string, now int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE download_link SET revoked_at = $1, revoked_by = $2 WHERE tenant_id = $3 AND id = $4 AND revoked_at = 0`, now, by, l.tenant, l.ID)
	return sqldb.Translate(err)
}

// forget deletes the links of all tenants that expired before a time.
func forget(ctx context.Context, tx *sql.Tx, before int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM download_link WHERE expires_at < $1`, before)
	return sqldb.Translate(err)
}
