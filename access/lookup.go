package access

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger"
)

// The statements of this file are not confined to a tenant, because they find out whose a credential is. Each is keyed by something that only the
// credential's holder knows, or by the hash of what was typed.

// accountsByEmail returns the accounts with an address, oldest first, in all tenants or in one; five at most, which bounds the work of a sign-in.
func accountsByEmail(ctx context.Context, q querier, index []byte, tenant string) ([]account, error) {
	if !utf8.ValidString(tenant) || strings.ContainsRune(tenant, 0) {
		return nil, nil // no database keeps such a name, and PostgreSQL takes it for a mistake to ask
	}
	rows, err := q.QueryContext(ctx, `SELECT `+accountColumns+` FROM account WHERE email_index = $1 AND ($2 = '' OR tenant_id = $2) ORDER BY created_at, id LIMIT 5`, index, tenant)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	return collect(rows, nil, scanAccount)
}

type sessionRow struct {
	tokenHash  []byte
	id         string
	tenant     string
	account    string
	createdAt  int64
	lastSeenAt int64
	expiresAt  int64
	steppedUp  sql.NullInt64
	restricted sql.NullInt64
	// address and agent are sealed: where the session was begun, and with what.
	address, agent []byte
}

// sessionByToken returns a session with its account; NotFound when there is none.
func sessionByToken(ctx context.Context, q querier, hash []byte) (sessionRow, account, error) {
	var s sessionRow
	var a account
	err := q.QueryRowContext(ctx, `SELECT s.token_hash, s.id, s.tenant_id, s.account_id, s.created_at, s.last_seen_at, s.expires_at, s.stepped_up_at, s.restricted_at,
		a.id, a.tenant_id, a.email, a.name, a.role, a.password_hash, a.created_at, a.locked_at, a.last_login_at
		FROM session s JOIN account a ON a.id = s.account_id AND a.tenant_id = s.tenant_id WHERE s.token_hash = $1`, hash).
		Scan(&s.tokenHash, &s.id, &s.tenant, &s.account, &s.createdAt, &s.lastSeenAt, &s.expiresAt, &s.steppedUp, &s.restricted,
			&a.id, &a.tenant, &a.email, &a.name, &a.role, &a.hash, &a.createdAt, &a.lockedAt, &a.lastLoginAt)
	if errors.Is(err, sql.ErrNoRows) {
		return s, a, errs.New(errs.NotFound, "There is no such session.")
	}
	return s, a, sqldb.Translate(err)
}

// pendingByToken returns a sign-in that waits for its second step; NotFound when there is none.
func pendingByToken(ctx context.Context, q querier, hash []byte) (pendingRow, error) {
	var p pendingRow
	err := q.QueryRowContext(ctx, `SELECT token_hash, id, tenant_id, account_id, password_hash, created_at, expires_at FROM pending_login WHERE token_hash = $1`, hash).
		Scan(&p.tokenHash, &p.id, &p.tenant, &p.account, &p.passwordHash, &p.createdAt, &p.expiresAt)
	if errors.Is(err, sql.ErrNoRows) {
		return p, errs.New(errs.NotFound, "There is no such sign-in.")
	}
	return p, sqldb.Translate(err)
}

// factorByCredential returns a passkey by the hash of its id; NotFound when nobody has it.
func factorByCredential(ctx context.Context, q querier, hash []byte) (factorRow, error) {
	return scanFactor(q.QueryRowContext(ctx, `SELECT `+factorColumns+` FROM factor WHERE credential = $1 AND confirmed_at IS NOT NULL`, hash))
}

// noteAnswer remembers that a challenge was answered; Conflict when it was before.
func noteAnswer(ctx context.Context, q querier, hash []byte, ends time.Time) error {
	r, err := q.ExecContext(ctx, `INSERT INTO answered_challenge (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`, hash, ends.UnixMicro())
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errs.New(errs.NotFound, "This answer was given before."))
	}
	return nil
}

func deleteSessionByToken(ctx context.Context, q querier, hash []byte) error {
	_, err := q.ExecContext(ctx, `DELETE FROM session WHERE token_hash = $1`, hash)
	return sqldb.Translate(err)
}

// keyByPrefix returns a key and whether the account that made it is locked; NotFound when there is none.
func keyByPrefix(ctx context.Context, q querier, prefix string) (keyRow, error) {
	var locked bool
	k, err := scanKey(q.QueryRowContext(ctx, `SELECT `+keyColumns+`, a.locked_at IS NOT NULL
		FROM api_key k LEFT JOIN account a ON a.id = k.created_by AND a.tenant_id = k.tenant_id WHERE k.prefix = $1`, prefix), &locked)
	k.locked = locked
	return k, err
}

// onlyTenant returns the id of the tenant when the installation has exactly one, "" otherwise.
func onlyTenant(ctx context.Context, q querier) (string, error) {
	rows, err := q.QueryContext(ctx, `SELECT id FROM tenant LIMIT 2`)
	ids, err := collect(rows, sqldb.Translate(err), func(r scanner) (string, error) { var id string; return id, r.Scan(&id) })
	if err != nil || len(ids) != 1 {
		return "", err
	}
	return ids[0], nil
}

func tenantName(ctx context.Context, q querier, id string) (name string, err error) {
	err = q.QueryRowContext(ctx, `SELECT name FROM tenant WHERE id = $1`, id).Scan(&name)
	return name, sqldb.Translate(err)
}

// operates reports whether a tenant is the first, which operates the installation.
func operates(ctx context.Context, q querier, id string) (is bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT no = (SELECT MIN(no) FROM tenant) FROM tenant WHERE id = $1`, id).Scan(&is)
	return is, sqldb.Translate(err)
}

// throttleRow is one counter of attempts.
type throttleRow struct {
	failures     int64
	blockedUntil int64
	updatedAt    int64
}

func throttleOf(ctx context.Context, q querier, subject []byte) (throttleRow, error) {
	var t throttleRow
	err := q.QueryRowContext(ctx, `SELECT failures, blocked_until, updated_at FROM login_throttle WHERE subject = $1`, subject).Scan(&t.failures, &t.blockedUntil, &t.updatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return t, nil
	}
	return t, sqldb.Translate(err)
}

func putThrottle(ctx context.Context, q querier, subject []byte, t throttleRow) error {
	_, err := q.ExecContext(ctx, `INSERT INTO login_throttle (subject, failures, blocked_until, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (subject) DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until, updated_at = excluded.updated_at`,
		subject, t.failures, t.blockedUntil, t.updatedAt)
	return sqldb.Translate(err)
}

// forgive takes an attempt back: the account starts afresh, the address gets its one attempt refunded, so that somebody with one valid account cannot use it
// to reset the counter while guessing others.
func forgive(ctx context.Context, q querier, list []throttled) error {
	for _, t := range list {
		query := `DELETE FROM login_throttle WHERE subject = $1`
		if t.address {
			query = `UPDATE login_throttle SET failures = failures - 1 WHERE subject = $1 AND failures > 0`
		}
		if _, err := q.ExecContext(ctx, query, t.subject); err != nil {
			return sqldb.Translate(err)
		}
	}
	return nil
}

// sweep deletes what has expired.
func sweep(ctx context.Context, q querier, now time.Time, idle time.Duration) error {
	if _, err := q.ExecContext(ctx, `DELETE FROM session WHERE expires_at < $1 OR last_seen_at < $2`, now.UnixMicro(), now.Add(-idle).UnixMicro()); err != nil {
		return sqldb.Translate(err)
	}
	for _, query := range []string{`DELETE FROM pending_login WHERE expires_at < $1`, `DELETE FROM session_reach WHERE expires_at < $1`, `DELETE FROM answered_challenge WHERE expires_at < $1`} {
		if _, err := q.ExecContext(ctx, query, now.UnixMicro()); err != nil {
			return sqldb.Translate(err)
		}
	}
	if _, err := q.ExecContext(ctx, `DELETE FROM factor WHERE confirmed_at IS NULL AND created_at < $1`, now.Add(-enrolmentLife).UnixMicro()); err != nil {
		return sqldb.Translate(err)
	}
	_, err := q.ExecContext(ctx, `DELETE FROM login_throttle WHERE updated_at < $1 AND blocked_until < $2`, now.Add(-forgetAfter).UnixMicro(), now.UnixMicro())
	return sqldb.Translate(err)
}

func touchSession(ctx context.Context, q querier, id string, at int64) error {
	_, err := q.ExecContext(ctx, `UPDATE session SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1`, at, id)
	return sqldb.Translate(err)
}

func touchKey(ctx context.Context, q querier, id string, at int64) error {
	_, err := q.ExecContext(ctx, `UPDATE api_key SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $1)`, at, id)
	return sqldb.Translate(err)
}

// secret returns a random secret of the installation, made at first use. wrap and unwrap are the key-management service's.
func secret(ctx context.Context, db *sqldb.DB, name string, wrap, unwrap func([]byte) ([]byte, error)) ([]byte, error) {
	var wrapped []byte
	err := db.Write(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT wrapped FROM access_secret WHERE name = $1`, name).Scan(&wrapped)
		if !errors.Is(err, sql.ErrNoRows) {
			return sqldb.Translate(err)
		}
		fresh := make([]byte, 32)
		rand.Read(fresh) // never fails (crypto/rand)
		if wrapped, err = wrap(fresh); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO access_secret (name, wrapped, created_at) VALUES ($1, $2, $3)`, name, wrapped, sqldb.Now())
		return sqldb.Translate(err)
	})
	if err != nil {
		return nil, err
	}
	return unwrap(wrapped)
}

// indexSecret is the name of the secret under which addresses are looked up.
const indexSecret = "index"

// secretAAD is what a secret of the domain is bound to when the master key wraps it.
func secretAAD(name string) []byte { return []byte("access|" + name) }

// MasterSecret is the domain's secret under the master key, for whoever changes the master key.
func MasterSecret(db *sqldb.DB) ledger.WrappedSecret {
	return ledger.WrappedSecret{AAD: secretAAD(indexSecret),
		Load: func(ctx context.Context) (wrapped []byte, err error) {
			err = db.Read(ctx).QueryRowContext(ctx, `SELECT wrapped FROM access_secret WHERE name = $1`, indexSecret).Scan(&wrapped)
			if errors.Is(err, sql.ErrNoRows) {
				return nil, nil
			}
			return wrapped, sqldb.Translate(err)
		},
		Store: func(ctx context.Context, tx *sql.Tx, old, next []byte) error {
			res, err := tx.ExecContext(ctx, `UPDATE access_secret SET wrapped = $1 WHERE name = $2 AND wrapped = $3`, next, indexSecret, old)
			if err != nil {
				return sqldb.Translate(err)
			}
			if n, err := res.RowsAffected(); err != nil || n != 1 {
				return errors.Join(err, errs.New(errs.Conflict, "somebody else has changed the secret of the access domain meanwhile; try again"))
			}
			return nil
		}}
}
