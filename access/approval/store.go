package approval

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"probity.dev/access/scope"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

var errNone = errs.New(errs.NotFound, "There is no such request.")

const columns = `id, tenant_id, kind, requester, behind, body, needed, state, problem, created_at, expires_at, ended_at, applied_at`

// body is the sealed part of a request.
type body struct {
	Summary string          `json:"summary"`
	Reason  string          `json:"reason"`
	Change  json.RawMessage `json:"change"`
}

// row is a request as stored.
type row struct {
	Request
	sealed []byte
}

func scan(s scope.Scanner) (*row, error) {
	var r row
	var created, expires, ended, applied int64
	err := s.Scan(&r.ID, &r.TenantID, &r.Kind, &r.Requester, &r.Behind, &r.sealed, &r.Needed, &r.State, &r.Problem, &created, &expires, &ended, &applied)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNone
	}
	r.CreatedAt, r.ExpiresAt, r.EndedAt, r.AppliedAt = time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC(), timeOf(ended), timeOf(applied)
	return &r, sqldb.Translate(err)
}

// timeOf is a time in microseconds since 1970; nil for 0, which stands for never.
func timeOf(us int64) *time.Time {
	if us == 0 {
		return nil
	}
	t := time.UnixMicro(us).UTC()
	return &t
}

func insert(ctx context.Context, tx *sql.Tx, r *row) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO approval (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0)`,
		r.ID, r.TenantID, r.Kind, r.Requester, r.Behind, r.sealed, r.Needed, string(r.State), r.Problem, r.CreatedAt.UnixMicro(), r.ExpiresAt.UnixMicro())
	return sqldb.Translate(err)
}

func get(ctx context.Context, q scope.Querier, tenant, id string) (*row, error) {
	return scan(scope.In(q, tenant).Row(ctx, `SELECT `+columns+` FROM approval WHERE id = $1 AND tenant_id = $2`, id))
}

// list returns a tenant's requests, newest first, that are older than before, in a state and made by somebody; "" stands for any.
func list(ctx context.Context, q scope.Querier, tenant string, state State, own, before string, limit int) ([]*row, error) {
	if before == "" {
		before = "~" // after every id
	}
	rows, err := scope.In(q, tenant).Rows(ctx, `SELECT `+columns+` FROM approval WHERE id < $1 AND (state = $2 OR $2 = '') AND (behind = $3 OR requester = $3 OR $3 = '') AND tenant_id = $4 ORDER BY id DESC LIMIT `+strconv.Itoa(limit),
		before, string(state), own)
	return scope.Collect(rows, err, scan)
}

// pendingOf counts what somebody has asked for and nobody has decided.
func pendingOf(ctx context.Context, q scope.Querier, tenant, behind string) (n int, err error) {
	err = scope.In(q, tenant).Row(ctx, `SELECT COUNT(*) FROM approval WHERE state = 'pending' AND behind = $1 AND tenant_id = $2`, behind).Scan(&n)
	return n, sqldb.Translate(err)
}

// over returns pending requests of all tenants whose time is over, for the sweep.
func over(ctx context.Context, q scope.Querier, now int64, limit int) ([]*row, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM approval WHERE state = 'pending' AND expires_at <= $1 ORDER BY expires_at LIMIT $2`, now, limit)
	return scope.Collect(rows, err, scan)
}

// unapplied returns approved requests of all tenants that wait to be applied, for the sweep.
func unapplied(ctx context.Context, q scope.Querier, limit int) ([]*row, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM approval WHERE state = 'approved' AND applied_at = 0 AND problem = '' ORDER BY ended_at LIMIT $1`, limit)
	return scope.Collect(rows, err, scan)
}

// end moves a pending request to a final state; a Conflict when somebody else was first.
func end(ctx context.Context, tx *sql.Tx, tenant, id string, to State, at int64) error {
	return scope.In(tx, tenant).Must(ctx, errMoved, `UPDATE approval SET state = $1, ended_at = $2 WHERE id = $3 AND state = 'pending' AND tenant_id = $4`, string(to), at, id)
}

// applied notes that an approved request is done; a Conflict when it was before.
func applied(ctx context.Context, tx *sql.Tx, tenant, id string, at int64) error {
	return scope.In(tx, tenant).Must(ctx, errMoved, `UPDATE approval SET applied_at = $1 WHERE id = $2 AND state = 'approved' AND applied_at = 0 AND problem = '' AND tenant_id = $3`, at, id)
}

// failed notes why an approved request cannot be done.
func failed(ctx context.Context, tx *sql.Tx, tenant, id, problem string) error {
	return scope.In(tx, tenant).Must(ctx, errMoved, `UPDATE approval SET problem = $1 WHERE id = $2 AND state = 'approved' AND applied_at = 0 AND problem = '' AND tenant_id = $3`, problem, id)
}

var errMoved = errs.New(errs.Conflict, "The request was decided by somebody else at the same time; look again.")

// armed reports whether a tenant has had a second person who may decide.
func armed(ctx context.Context, q scope.Querier, tenant string) (bool, error) {
	var n int
	err := scope.In(q, tenant).Row(ctx, `SELECT COUNT(*) FROM approval_tenant WHERE tenant_id = $1`).Scan(&n)
	return n > 0, sqldb.Translate(err)
}

func arm(ctx context.Context, tx *sql.Tx, tenant string, at int64) error {
	return scope.In(tx, tenant).Must(ctx, errMoved, `INSERT INTO approval_tenant (armed_at, tenant_id) VALUES ($1, $2) ON CONFLICT (tenant_id) DO NOTHING`, at)
}

// vote is a decision as stored.
type vote struct {
	Decision
	sealed []byte
}

func insertVote(ctx context.Context, tx *sql.Tx, tenant, id string, v vote) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO approval_decision (approval_id, tenant_id, user_id, approve, comment, decided_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, tenant, v.UserID, bit(v.Approve), v.sealed, v.At.UnixMicro())
	return sqldb.Translate(err)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func votes(ctx context.Context, q scope.Querier, tenant, id string) ([]vote, error) {
	rows, err := scope.In(q, tenant).Rows(ctx, `SELECT user_id, approve, comment, decided_at FROM approval_decision WHERE approval_id = $1 AND tenant_id = $2 ORDER BY decided_at, user_id`, id)
	return scope.Collect(rows, err, func(r scope.Scanner) (v vote, err error) {
		var approve, at int64
		err = r.Scan(&v.UserID, &approve, &v.sealed, &at)
		v.Approve, v.At = approve == 1, time.UnixMicro(at).UTC()
		return v, sqldb.Translate(err)
	})
}
