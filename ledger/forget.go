package ledger

import (
	"context"
	"database/sql"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// A tenant that has gone leaves its evidence: leaves, tiles, checkpoints and the keys that verify them, none of which holds personal data. What can be opened, and what opens it, is destroyed.

// secretForgotten is the kind of the row that says that a tenant was forgotten. It has no secret.
const secretForgotten = "forgotten"

var errForgotten = errs.New(errs.Conflict, "this tenant has been deleted: only its evidence is left")

// forgottenIn reports whether a tenant was forgotten.
func forgottenIn(ctx context.Context, q Asker, tenantID string) (bool, error) {
	rows, err := q.QueryContext(ctx, `SELECT 1 FROM tenant_secret WHERE tenant_id = $1 AND kind = '`+secretForgotten+`'`, tenantID)
	if err != nil {
		return false, sqldb.Translate(err)
	}
	defer rows.Close()
	forgotten := rows.Next()
	return forgotten, sqldb.Translate(rows.Err())
}

// IsForgotten reports whether only the evidence of a tenant is left.
func (l *Ledger) IsForgotten(ctx context.Context, tenantID string) (bool, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return false, err
	}
	return t.forgotten, nil
}

// Forget destroys the keys of a tenant's persons and months, and with them the values in every copy that anybody has made of the working copies and the salts of the commitments in the evidence, and deletes the working copies. Everything is
// sealed and signed before. It may be called again after any failure. Unavailable says that something is not signed or sealed yet. Whoever calls it has seen to it that nobody appends any more.
func (l *Ledger) Forget(ctx context.Context, tenantID string) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	if !t.forgotten {
		if err := l.sealTenant(ctx, t, time.Now().Add(time.Hour)); err != nil {
			return err
		}
		if err := l.erase(ctx, t); err != nil {
			return err
		}
		l.Forgotten(tenantID)
		if t, err = l.tenant(ctx, tenantID); err != nil {
			return err
		}
	}
	segments, err := l.loadSegments(ctx, l.db.Read(ctx), t.logID, 0)
	if err != nil {
		return err
	}
	for i := range segments {
		if err := l.opt.Working.Delete(ctx, segments[i].WorkingPath); err != nil {
			return err
		}
	}
	return nil
}

// erase destroys what opens values, in one transaction, once nothing waits for sealing.
func (l *Ledger) erase(ctx context.Context, t *tenant) error {
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		var hot int
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM hot_working WHERE log_id = $1) + (SELECT COUNT(*) FROM hot_evidence WHERE log_id = $1)`, t.logID).Scan(&hot); err != nil {
			return sqldb.Translate(err)
		}
		if hot > 0 {
			return errs.New(errs.Unavailable, "the log is not signed and sealed to its end yet")
		}
		now := sqldb.Now()
		for _, s := range []struct {
			query string
			args  []any
		}{
			{`UPDATE tenant_secret SET secret = NULL, destroyed_at = $1 WHERE tenant_id = $2 AND kind = 'period' AND secret IS NOT NULL`, []any{now, t.id}},
			{`DELETE FROM person WHERE tenant_no = (SELECT no FROM tenant WHERE id = $1)`, []any{t.id}},
			{`DELETE FROM person_identifier WHERE tenant_no = (SELECT no FROM tenant WHERE id = $1)`, []any{t.id}},
			{`DELETE FROM person_profile WHERE tenant_no = (SELECT no FROM tenant WHERE id = $1)`, []any{t.id}},
			{`DELETE FROM dedupe WHERE log_id = $1`, []any{t.logID}},
			{`DELETE FROM pending_event WHERE tenant_id = $1`, []any{t.id}},
			{`INSERT INTO tenant_secret (tenant_id, kind, period, class, created_at, destroyed_at) VALUES ($1, '` + secretForgotten + `', 0, 0, $2, $2) ON CONFLICT DO NOTHING`, []any{t.id, now}},
		} {
			if _, err := tx.ExecContext(ctx, s.query, s.args...); err != nil {
				return sqldb.Translate(err)
			}
		}
		return nil
	})
}

// Forgotten drops what this process remembers of a tenant that was forgotten, here or on another server.
func (l *Ledger) Forgotten(tenantID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tenants[tenantID]; t != nil && !t.forgotten {
		delete(l.tenants, tenantID)
		delete(l.byLog, t.logID)
	}
}

// ActiveHolds counts the legal holds on the evidence of a tenant that have not been released.
func (l *Ledger) ActiveHolds(ctx context.Context, tenantID string) (n int, err error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return 0, err
	}
	all, err := l.holds(ctx, t)
	for i := range all {
		if all[i].Active() {
			n++
		}
	}
	return n, err
}
