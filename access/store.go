package access

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// querier is what *sql.DB and *sql.Tx have in common.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scoped runs queries that are confined to one tenant: the tenant is the last argument of each, and each statement names tenant_id. It is the only way to the tables
// once the caller is known; what must look further (a credential before its tenant is known) is in lookup.go.
//
// Last, because placeholders must be numbered in order of first appearance and an UPDATE names its new values first.
type scoped struct {
	q      querier
	tenant string
}

func in(q querier, tenant string) scoped { return scoped{q, tenant} }

func (s scoped) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := s.q.ExecContext(ctx, query, append(args, s.tenant)...)
	if err != nil {
		return 0, sqldb.Translate(err)
	}
	return r.RowsAffected()
}

func (s scoped) row(ctx context.Context, query string, args ...any) *sql.Row {
	return s.q.QueryRowContext(ctx, query, append(args, s.tenant)...)
}

func (s scoped) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := s.q.QueryContext(ctx, query, append(args, s.tenant)...)
	return rows, sqldb.Translate(err)
}

// account is a row as stored: e-mail and name are sealed.
type account struct {
	id, tenant  string
	emailIndex  []byte
	email, name []byte
	role        string
	hash        string
	createdAt   int64
	lockedAt    sql.NullInt64
	lastLoginAt sql.NullInt64
}

const accountColumns = `id, tenant_id, email_index, email, name, role, password_hash, created_at, locked_at, last_login_at`

type scanner interface{ Scan(dest ...any) error }

func scanAccount(row scanner) (account, error) {
	var a account
	err := row.Scan(&a.id, &a.tenant, &a.emailIndex, &a.email, &a.name, &a.role, &a.hash, &a.createdAt, &a.lockedAt, &a.lastLoginAt)
	if errors.Is(err, sql.ErrNoRows) {
		return a, errs.New(errs.NotFound, "There is no such user.")
	}
	return a, sqldb.Translate(err)
}

func (s scoped) account(ctx context.Context, id string) (account, error) {
	return scanAccount(s.row(ctx, `SELECT `+accountColumns+` FROM account WHERE id = $1 AND tenant_id = $2`, id))
}

func (s scoped) accounts(ctx context.Context) ([]account, error) {
	rows, err := s.rows(ctx, `SELECT `+accountColumns+` FROM account WHERE tenant_id = $1 ORDER BY created_at, id`)
	return collect(rows, err, scanAccount)
}

func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, sqldb.Translate(rows.Err())
}

func (s scoped) insertAccount(ctx context.Context, a account) error {
	var n int
	err := s.row(ctx, `SELECT COUNT(*) FROM account WHERE email_index = $1 AND tenant_id = $2`, a.emailIndex).Scan(&n)
	if err != nil {
		return sqldb.Translate(err)
	}
	if n > 0 {
		return errs.New(errs.Conflict, "There is a user with this e-mail address already.")
	}
	_, err = s.exec(ctx, `INSERT INTO account (id, email_index, email, name, role, role_seen, password_hash, created_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8)`,
		a.id, a.emailIndex, a.email, a.name, a.role, a.hash, a.createdAt)
	return err
}

func (s scoped) updateAccount(ctx context.Context, a account) error {
	return found(s.exec(ctx, `UPDATE account SET name = $1, locked_at = $2 WHERE id = $3 AND tenant_id = $4`, a.name, a.lockedAt, a.id))
}

func (s scoped) rename(ctx context.Context, a account) error {
	return found(s.exec(ctx, `UPDATE account SET name = $1 WHERE id = $2 AND tenant_id = $3`, a.name, a.id))
}

// setPassword replaces the hash if it still is the one that was checked; NotFound says that it is not.
func (s scoped) setPassword(ctx context.Context, id, from, to string) error {
	return found(s.exec(ctx, `UPDATE account SET password_hash = $1 WHERE id = $2 AND password_hash = $3 AND tenant_id = $4`, to, id, from))
}

// login notes a login of an account that is not locked and still has the password that was checked.
func (s scoped) login(ctx context.Context, id, hash string, at int64) error {
	return found(s.exec(ctx, `UPDATE account SET last_login_at = $1 WHERE id = $2 AND password_hash = $3 AND locked_at IS NULL AND tenant_id = $4`, at, id, hash))
}

func (s scoped) insertSession(ctx context.Context, r sessionRow) error {
	_, err := s.exec(ctx, `INSERT INTO session (token_hash, id, account_id, created_at, last_seen_at, expires_at, stepped_up_at, address, agent, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		r.tokenHash, r.id, r.account, r.createdAt, r.lastSeenAt, r.expiresAt, r.steppedUp, r.address, r.agent)
	return err
}

// stepUp notes when the person of a session proved who they are; NotFound when the session has ended.
func (s scoped) stepUp(ctx context.Context, id, account string, at int64) error {
	return found(s.exec(ctx, `UPDATE session SET stepped_up_at = $1 WHERE id = $2 AND account_id = $3 AND tenant_id = $4`, at, id, account))
}

// restrict sets or lifts the restriction of a session; NotFound when it has ended or is so already.
func (s scoped) restrict(ctx context.Context, id string, on bool, at int64) error {
	if on {
		return found(s.exec(ctx, `UPDATE session SET restricted_at = $1 WHERE id = $2 AND restricted_at IS NULL AND tenant_id = $3`, at, id))
	}
	return found(s.exec(ctx, `UPDATE session SET restricted_at = NULL WHERE id = $1 AND restricted_at IS NOT NULL AND tenant_id = $2`, id))
}

const sessionColumns = `id, tenant_id, account_id, created_at, last_seen_at, expires_at, stepped_up_at, restricted_at, address, agent`

func scanSession(row scanner) (sessionRow, error) {
	var r sessionRow
	err := row.Scan(&r.id, &r.tenant, &r.account, &r.createdAt, &r.lastSeenAt, &r.expiresAt, &r.steppedUp, &r.restricted, &r.address, &r.agent)
	if errors.Is(err, sql.ErrNoRows) {
		return r, errs.New(errs.NotFound, "There is no such session.")
	}
	return r, sqldb.Translate(err)
}

// sessionsOf returns the sessions of a person, newest first, the ended ones that are not swept yet included.
func (s scoped) sessionsOf(ctx context.Context, account string) ([]sessionRow, error) {
	rows, err := s.rows(ctx, `SELECT `+sessionColumns+` FROM session WHERE account_id = $1 AND tenant_id = $2 ORDER BY created_at DESC, id`, account)
	return collect(rows, err, scanSession)
}

func (s scoped) session(ctx context.Context, id string) (sessionRow, error) {
	return scanSession(s.row(ctx, `SELECT `+sessionColumns+` FROM session WHERE id = $1 AND tenant_id = $2`, id))
}

// revokeSession ends one session of an account; NotFound when it has ended.
func (s scoped) revokeSession(ctx context.Context, id, account string) error {
	return found(s.exec(ctx, `DELETE FROM session WHERE id = $1 AND account_id = $2 AND tenant_id = $3`, id, account))
}

func (s scoped) deleteSession(ctx context.Context, id string) error {
	_, err := s.exec(ctx, `DELETE FROM session WHERE id = $1 AND tenant_id = $2`, id)
	return err
}

// deleteSessions ends all sessions of an account but one; keep "" ends all.
func (s scoped) deleteSessions(ctx context.Context, accountID, keep string) error {
	_, err := s.exec(ctx, `DELETE FROM session WHERE account_id = $1 AND id <> $2 AND tenant_id = $3`, accountID, keep)
	return err
}

const keyColumns = `k.id, k.tenant_id, k.prefix, k.secret_hash, k.name, k.scopes, k.sources, k.created_by, k.created_at, k.expires_at, k.revoked_at, k.last_used_at, k.old_hash, k.old_until`

// keyRow is an API key as stored, its name sealed, and whether the account that made it is locked now.
type keyRow struct {
	Key
	hash    []byte
	oldHash []byte // before the last rotation; nil without one
	name    []byte
	locked  bool
}

func scanKey(row scanner, more ...any) (keyRow, error) {
	var k keyRow
	var scopes, sources string
	var by sql.NullString
	var created int64
	var expires, revoked, used, oldUntil sql.NullInt64
	dest := []any{&k.ID, &k.TenantID, &k.Prefix, &k.hash, &k.name, &scopes, &sources, &by, &created, &expires, &revoked, &used, &k.oldHash, &oldUntil}
	if err := row.Scan(append(dest, more...)...); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return k, errs.New(errs.NotFound, "There is no such API key.")
		}
		return k, sqldb.Translate(err)
	}
	k.Scopes, k.Sources, k.CreatedBy, k.CreatedAt = splitList(scopes), splitList(sources), by.String, time.UnixMicro(created).UTC()
	k.ExpiresAt, k.RevokedAt, k.LastUsedAt, k.OldUntil = timeOf(expires), timeOf(revoked), timeOf(used), timeOf(oldUntil)
	return k, nil
}

func (s scoped) key(ctx context.Context, id string) (keyRow, error) {
	return scanKey(s.row(ctx, `SELECT `+keyColumns+` FROM api_key k WHERE k.id = $1 AND k.tenant_id = $2`, id))
}

func (s scoped) keys(ctx context.Context) ([]keyRow, error) {
	rows, err := s.rows(ctx, `SELECT `+keyColumns+` FROM api_key k WHERE k.tenant_id = $1 ORDER BY k.created_at DESC, k.id`)
	return collect(rows, err, func(r scanner) (keyRow, error) { return scanKey(r) })
}

func (s scoped) insertKey(ctx context.Context, k keyRow) error {
	_, err := s.exec(ctx, `INSERT INTO api_key (id, prefix, secret_hash, name, scopes, sources, created_by, created_at, expires_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		k.ID, k.Prefix, k.hash, k.name, strings.Join(k.Scopes, ","), strings.Join(k.Sources, ","), sql.NullString{String: k.CreatedBy, Valid: k.CreatedBy != ""},
		k.CreatedAt.UnixMicro(), micros(k.ExpiresAt))
	return err
}

// revokeKey revokes a key that is valid; NotFound when there is none.
func (s scoped) revokeKey(ctx context.Context, id string, at int64) error {
	return found(s.exec(ctx, `UPDATE api_key SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL AND tenant_id = $3`, at, id))
}

// rotateKey stores another secret, unless somebody else did meanwhile or the key was revoked.
func (s scoped) rotateKey(ctx context.Context, k keyRow, from []byte) error {
	err := found(s.exec(ctx, `UPDATE api_key SET secret_hash = $1, old_hash = $2, old_until = $3 WHERE id = $4 AND secret_hash = $2 AND revoked_at IS NULL AND tenant_id = $5`,
		k.hash, from, k.OldUntil.UnixMicro(), k.ID))
	if errs.CodeOf(err) == errs.NotFound {
		return errs.New(errs.Conflict, "The API key was changed by somebody else at the same time; look again.")
	}
	return err
}

// found turns "no row was changed" into NotFound.
func found(n int64, err error) error {
	if err == nil && n == 0 {
		return errs.New(errs.NotFound, "There is no such thing in its expected state.")
	}
	return err
}

func micros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func timeOf(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}

func splitList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}
