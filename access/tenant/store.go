package tenant

import (
	"context"
	"database/sql"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

const reasonLabel = "tenant|reason"

// row is a tenant as stored.
type row struct {
	Tenant
	sealed []byte
	by     string
	told   bool
	stored bool // there is a row of its standing
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// rows returns the tenants in order of their making, or one.
func (s *Service) rows(ctx context.Context, q querier, id string) ([]row, error) {
	list, err := q.QueryContext(ctx, `SELECT t.id, t.name, t.created_at, t.no = (SELECT MIN(no) FROM tenant), x.state, x.reason, x.changed_at, x.changed_by, x.delete_at, x.problem, x.told,
		(SELECT COUNT(*) FROM account a WHERE a.tenant_id = t.id)
		FROM tenant t LEFT JOIN tenant_standing x ON x.tenant_id = t.id WHERE $1 = '' OR t.id = $1 ORDER BY t.no`, id)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer list.Close()
	var out []row
	for list.Next() {
		var r row
		var state, by, problem sql.NullString
		var created int64
		var changed, deleteAt, told sql.NullInt64
		if err := list.Scan(&r.ID, &r.Name, &created, &r.Operates, &state, &r.sealed, &changed, &by, &deleteAt, &problem, &told, &r.Users); err != nil {
			return nil, sqldb.Translate(err)
		}
		r.CreatedAt, r.State, r.told = time.UnixMicro(created).UTC(), Active, true
		if r.stored = state.Valid; r.stored {
			r.State, r.by, r.Problem, r.told = State(state.String), by.String, problem.String, told.Int64 != 0
			r.ChangedAt, r.DeleteAt = at(changed.Int64), at(deleteAt.Int64)
		}
		out = append(out, r)
	}
	return out, sqldb.Translate(list.Err())
}

func at(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// put stores how a tenant stands, unless somebody has changed it since old was read.
func put(ctx context.Context, tx *sql.Tx, old, next *row) error {
	var r sql.Result
	var err error
	if old.stored {
		r, err = tx.ExecContext(ctx, `UPDATE tenant_standing SET state = $1, reason = $2, changed_at = $3, changed_by = $4, delete_at = $5, problem = $6, told = $7 WHERE tenant_id = $8 AND state = $9 AND changed_at = $10`,
			string(next.State), next.sealed, micros(next.ChangedAt), next.by, micros(next.DeleteAt), next.Problem, number(next.told), next.ID, string(old.State), micros(old.ChangedAt))
	} else {
		r, err = tx.ExecContext(ctx, `INSERT INTO tenant_standing (tenant_id, state, reason, changed_at, changed_by, delete_at, problem, told) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			next.ID, string(next.State), next.sealed, micros(next.ChangedAt), next.by, micros(next.DeleteAt), next.Problem, number(next.told))
	}
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errMeanwhile
	}
	next.stored = true
	return nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// markTold notes that a tenant's own log has its state.
func markTold(ctx context.Context, tx *sql.Tx, t *row) error {
	r, err := tx.ExecContext(ctx, `UPDATE tenant_standing SET told = 1 WHERE tenant_id = $1 AND changed_at = $2 AND told = 0`, t.ID, micros(t.ChangedAt))
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errs.New(errs.Conflict, "it was recorded before")
	}
	return nil
}

// setProblem notes why a tenant that is due is not deleted.
func setProblem(ctx context.Context, tx *sql.Tx, id, problem string) error {
	_, err := tx.ExecContext(ctx, `UPDATE tenant_standing SET problem = $1 WHERE tenant_id = $2 AND state = 'leaving'`, problem, id)
	return sqldb.Translate(err)
}
