package mapping

import (
	"context"
	"database/sql"
	"errors"
	"strconv"

	"probity.dev/access/scope"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

var (
	errNone  = errs.New(errs.NotFound, "There is no such system.")
	errNoRun = errs.New(errs.NotFound, "There is no such run.")
	errMoved = errs.New(errs.Conflict, "Somebody else changed it at the same time; look again.")
)

const columns = `id, tenant_id, definition, secret, created_at, next_at`

func scan(r scope.Scanner) (*System, error) {
	var x System
	var created int64
	err := r.Scan(&x.ID, &x.tenant, &x.sealed, &x.secret, &created, &x.nextAt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNone
	}
	x.CreatedAt = scope.Time(created)
	return &x, sqldb.Translate(err)
}

func get(ctx context.Context, q scope.Querier, tenant, id string) (*System, error) {
	return scan(scope.In(q, tenant).Row(ctx, `SELECT `+columns+` FROM access_system WHERE id = $1 AND tenant_id = $2`, id))
}

func list(ctx context.Context, q scope.Querier, tenant string) ([]*System, error) {
	rows, err := scope.In(q, tenant).Rows(ctx, `SELECT `+columns+` FROM access_system WHERE tenant_id = $1 ORDER BY created_at, id`)
	return scope.Collect(rows, err, scan)
}

// due returns systems of all tenants whose next run is to begin.
func due(ctx context.Context, q scope.Querier, now int64, limit int) ([]*System, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM access_system WHERE next_at > 0 AND next_at <= $1 ORDER BY next_at LIMIT $2`, now, limit)
	return scope.Collect(rows, err, scan)
}

func put(ctx context.Context, tx *sql.Tx, x *System, fresh bool) error {
	q := scope.In(tx, x.tenant)
	if !fresh {
		return q.Must(ctx, errNone, `UPDATE access_system SET definition = $1, secret = $2, next_at = $3 WHERE id = $4 AND tenant_id = $5`, x.sealed, x.secret, x.nextAt, x.ID)
	}
	var n int
	if err := q.Row(ctx, `SELECT COUNT(*) FROM access_system WHERE tenant_id = $1`).Scan(&n); err != nil {
		return sqldb.Translate(err)
	}
	if n >= maxSystems {
		return errs.New(errs.TooLarge, "A tenant has at most %d systems.", maxSystems)
	}
	_, err := q.Exec(ctx, `INSERT INTO access_system (id, definition, secret, created_at, next_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6)`, x.ID, x.sealed, x.secret, x.CreatedAt.UnixMicro(), x.nextAt)
	return err
}

func remove(ctx context.Context, tx *sql.Tx, x *System) error {
	q := scope.In(tx, x.tenant)
	if _, err := q.Exec(ctx, `DELETE FROM access_system_run WHERE system_id = $1 AND tenant_id = $2`, x.ID); err != nil {
		return err
	}
	return q.Must(ctx, errNone, `DELETE FROM access_system WHERE id = $1 AND tenant_id = $2`, x.ID)
}

func setNext(ctx context.Context, tx *sql.Tx, x *System, to int64) error {
	return scope.In(tx, x.tenant).Must(ctx, errMoved, `UPDATE access_system SET next_at = $1 WHERE id = $2 AND next_at = $3 AND tenant_id = $4`, to, x.ID, x.nextAt)
}

const runColumns = `id, tenant_id, system_id, apply, state, requested_by, created_at, ended_at, problem, report`

func scanRun(r scope.Scanner) (*Run, error) {
	var x Run
	var apply, created, ended int64
	err := r.Scan(&x.ID, &x.tenant, &x.system, &apply, &x.State, &x.Requester, &created, &ended, &x.Problem, &x.sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoRun
	}
	x.Apply, x.CreatedAt, x.EndedAt = apply == 1, scope.Time(created), scope.Optional(scope.Time(ended))
	return &x, sqldb.Translate(err)
}

// runs returns the newest runs of a system.
func runs(ctx context.Context, q scope.Querier, tenant, system string, limit int) ([]*Run, error) {
	rows, err := scope.In(q, tenant).Rows(ctx, `SELECT `+runColumns+` FROM access_system_run WHERE system_id = $1 AND tenant_id = $2 ORDER BY id DESC LIMIT `+strconv.Itoa(limit), system)
	return scope.Collect(rows, err, scanRun)
}

// reported returns the newest run of a system that has a report.
func reported(ctx context.Context, q scope.Querier, tenant, system string) (*Run, error) {
	return scanRun(scope.In(q, tenant).Row(ctx, `SELECT `+runColumns+` FROM access_system_run WHERE system_id = $1 AND report IS NOT NULL AND tenant_id = $2 ORDER BY id DESC LIMIT 1`, system))
}

func getRun(ctx context.Context, q scope.Querier, tenant, id string) (*Run, error) {
	return scanRun(scope.In(q, tenant).Row(ctx, `SELECT `+runColumns+` FROM access_system_run WHERE id = $1 AND tenant_id = $2`, id))
}

func insertRun(ctx context.Context, tx *sql.Tx, r *Run) error {
	apply := 0
	if r.Apply {
		apply = 1
	}
	_, err := scope.In(tx, r.tenant).Exec(ctx, `INSERT INTO access_system_run (id, system_id, apply, state, requested_by, created_at, ended_at, problem, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, 0, '', $7)`,
		r.ID, r.system, apply, r.State, r.Requester, r.CreatedAt.UnixMicro())
	return err
}

// setRun stores how far a run is.
func setRun(ctx context.Context, tx *sql.Tx, r *Run) error {
	ended := int64(0)
	if r.EndedAt != nil {
		ended = r.EndedAt.UnixMicro()
	}
	return scope.In(tx, r.tenant).Must(ctx, errNoRun, `UPDATE access_system_run SET state = $1, ended_at = $2, problem = $3, report = $4 WHERE id = $5 AND tenant_id = $6`, r.State, ended, r.Problem, r.sealed, r.ID)
}

// forget deletes old runs of a system.
func forget(ctx context.Context, tx *sql.Tx, r *Run) error {
	_, err := scope.In(tx, r.tenant).Exec(ctx, `DELETE FROM access_system_run WHERE system_id = $1 AND tenant_id = $2 AND id NOT IN (SELECT id FROM access_system_run WHERE system_id = $1 AND tenant_id = $2 ORDER BY id DESC LIMIT `+strconv.Itoa(keepRuns)+`)`, r.system)
	return err
}
