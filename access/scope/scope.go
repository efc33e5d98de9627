package scope

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// Querier is what *sql.DB and *sql.Tx have in common.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Scanner is a row.
type Scanner interface{ Scan(dest ...any) error }

// Queries are the statements of one tenant.
type Queries struct {
	q      Querier
	tenant string
}

// In returns the statements of a tenant.
func In(q Querier, tenant string) Queries { return Queries{q, tenant} }

// Exec runs a statement and returns how many rows it changed.
func (s Queries) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := s.q.ExecContext(ctx, query, append(args, s.tenant)...)
	if err != nil {
		return 0, sqldb.Translate(err)
	}
	return r.RowsAffected()
}

// Must is Exec for a statement that has to change something; none is the error when it does not.
func (s Queries) Must(ctx context.Context, none error, query string, args ...any) error {
	n, err := s.Exec(ctx, query, args...)
	if err == nil && n == 0 {
		return none
	}
	return err
}

// Row asks for one row.
func (s Queries) Row(ctx context.Context, query string, args ...any) *sql.Row {
	return s.q.QueryRowContext(ctx, query, append(args, s.tenant)...)
}

// Rows asks for rows, see [Collect].
func (s Queries) Rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := s.q.QueryContext(ctx, query, append(args, s.tenant)...)
	return rows, sqldb.Translate(err)
}

// Collect reads rows to their end; the list is never nil without an error.
func Collect[T any](rows *sql.Rows, err error, scan func(Scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	out := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, sqldb.Translate(rows.Err())
}

// Scanned translates the error of a scan; a missing row becomes a NotFound that says none.
func Scanned(err error, none string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return errs.New(errs.NotFound, "%s", none)
	}
	return sqldb.Translate(err)
}

// Micros is a time as it is stored, 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is what [Micros] stored.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Optional is a time for JSON, nil for the zero time.
func Optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
