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

// scoped runs queries that are confined to one tenant: each has the tenant as its first argument, and the statement names tenant_id. It is the only way to the tables
// once the caller is known; what must look further (a credential before its tenant is known) is in lookup.go.
type scoped struct {
	q      querier
	tenant string
}

func in(q querier, tenant string) scoped { return scoped{q, tenant} }

func (s scoped) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := s.q.ExecContext(ctx, query, append([]any{s.tenant}, args...)...)
	if err != nil {
		return 0, sqldb.Translate(err)
	}
	return r.RowsAffected()
}

func (s scoped) row(ctx context.Context, query string, args ...any) *sql.Row {
	return s.q.QueryRowContext(ctx, query, append([]any{s.tenant}, args...)...)
}

func (s scoped) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := s.q.QueryContext(ctx, query, append([]any{s.tenant}, args...)...)
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
	return scanAccount(s.row(ctx, `SELECT `+accountColumns+` FROM account WHERE tenant_id = $1 AND id = $2`, id))
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
	err := s.row(ctx, `SELECT COUNT(*) FROM account WHERE tenant_id = $1 AND email_index = $2`, a.emailIndex).Scan(&n)
	if err != nil {
		return sqldb.Translate(err)
	}
	if n > 0 {
		return errs.New(errs.Conflict, "There is a user with this e-mail address already.")
	}
	_, err = s.exec(ctx, `INSERT INTO account (tenant_id, id, email_index, email, name, role, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		a.id, a.emailIndex, a.email, a.name, a.role, a.hash, a.createdAt)
	return err
}

func (s scoped) updateAccount(ctx context.Context, a account) error {
	n, err := s.exec(ctx, `UPDATE account SET name = $2, role = $3, locked_at = $4 WHERE tenant_id = $1 AND id = $5`, a.name, a.role, a.lockedAt, a.id)
	return oneRow(n, err, "There is no such user.")
}

// The statement of updateAccount mentions $1 after $2: SQLite's driver binds by first appearance, so arguments would be mixed up. See rebind.
func oneRow(n int64, err error, missing string) error {
	if err == nil && n == 0 {
		return errs.New(errs.NotFound, "%s", missing)
	}
	return err
}

func (s scoped) otherAdmins(ctx context.Context, id string) (int, error) {
	var n int
	err := s.row(ctx, `SELECT COUNT(*) FROM account WHERE tenant_id = $1 AND id <> $2 AND role = 'admin' AND locked_at IS NULL`, id).Scan(&n)
	return n, sqldb.Translate(err)
}

func micros(t time.Time) sql.NullInt64 { return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()} }

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
