package review

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"probity.dev/access/scope"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

var (
	errNone  = errs.New(errs.NotFound, "There is no such review.")
	errMoved = errs.New(errs.Conflict, "Somebody else decided at the same time; look again.")
)

const columns = `id, tenant_id, follows, definition, state, created_by, created_at, due_at, next_at, remind_at, overdue_at, closed_at, closed_by, changes, digest`

func scan(s scope.Scanner) (*Review, error) {
	var r Review
	var created, due, closed int64
	err := s.Scan(&r.ID, &r.TenantID, &r.Follows, &r.sealed, &r.State, &r.CreatedBy, &created, &due, &r.nextAt, &r.remindsAt, &r.overdueAt, &closed, &r.ClosedBy, &r.changes, &r.SHA256)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNone
	}
	r.CreatedAt, r.DueAt, r.ClosedAt = scope.Time(created), scope.Time(due), scope.Optional(scope.Time(closed))
	r.fill()
	return &r, sqldb.Translate(err)
}

func (r *Review) fill() {
	r.NextAt, r.OverdueAt = scope.Optional(scope.Time(r.nextAt)), scope.Optional(scope.Time(r.overdueAt))
}

func insert(ctx context.Context, tx *sql.Tx, r *Review) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO access_review (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, '', 0, '')`,
		r.ID, r.TenantID, r.Follows, r.sealed, r.State, r.CreatedBy, r.CreatedAt.UnixMicro(), r.DueAt.UnixMicro(), r.nextAt, r.remindsAt)
	return sqldb.Translate(err)
}

func get(ctx context.Context, q scope.Querier, tenant, id string) (*Review, error) {
	return scan(scope.In(q, tenant).Row(ctx, `SELECT `+columns+` FROM access_review WHERE id = $1 AND tenant_id = $2`, id))
}

// following returns the review that repeats another one.
func following(ctx context.Context, q scope.Querier, tenant, id string) (*Review, error) {
	return scan(scope.In(q, tenant).Row(ctx, `SELECT `+columns+` FROM access_review WHERE follows = $1 AND tenant_id = $2`, id))
}

// list returns a tenant's reviews, newest first, that are older than before; in which somebody reviews something where reviewer is not "".
func list(ctx context.Context, q scope.Querier, tenant, state, before, reviewer string, limit int) ([]*Review, error) {
	if before == "" {
		before = "~" // after every id
	}
	query := `SELECT ` + columns + ` FROM access_review r WHERE id < $1 AND (state = $2 OR $2 = '')`
	args := []any{before, state}
	tenantAt := `$3`
	if reviewer != "" {
		query += ` AND EXISTS (SELECT 1 FROM access_review_item i WHERE i.tenant_id = r.tenant_id AND i.review_id = r.id AND i.reviewers LIKE $3)`
		args, tenantAt = append(args, like(reviewer)), `$4`
	}
	rows, err := scope.In(q, tenant).Rows(ctx, query+` AND tenant_id = `+tenantAt+` ORDER BY id DESC LIMIT `+strconv.Itoa(limit), args...)
	return scope.Collect(rows, err, scan)
}

// like finds an id, which holds no wildcard, among those between commas.
func like(id string) string {
	return "%," + strings.NewReplacer("%", "", "_", "").Replace(id) + ",%"
}

// dueOf returns reviews of all tenants for which something is to be done: the next begins, or a reminder or the end of the time has come.
func dueOf(ctx context.Context, q scope.Querier, now int64, limit int) ([]*Review, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+` FROM access_review WHERE next_at > 0 AND next_at <= $1 OR state = 'open' AND (overdue_at = 0 AND due_at <= $1 OR remind_at > 0 AND remind_at <= $1) ORDER BY id LIMIT $2`, now, limit)
	return scope.Collect(rows, err, scan)
}

func setNext(ctx context.Context, tx *sql.Tx, r *Review, to int64) error {
	return scope.In(tx, r.TenantID).Must(ctx, errMoved, `UPDATE access_review SET next_at = $1 WHERE id = $2 AND next_at = $3 AND tenant_id = $4`, to, r.ID, r.nextAt)
}

func setReminder(ctx context.Context, tx *sql.Tx, r *Review, to int64) error {
	return scope.In(tx, r.TenantID).Must(ctx, errMoved, `UPDATE access_review SET remind_at = $1 WHERE id = $2 AND remind_at = $3 AND state = 'open' AND tenant_id = $4`, to, r.ID, r.remindsAt)
}

func setOverdue(ctx context.Context, tx *sql.Tx, r *Review, at int64) error {
	return scope.In(tx, r.TenantID).Must(ctx, errMoved, `UPDATE access_review SET overdue_at = $1 WHERE id = $2 AND overdue_at = 0 AND state = 'open' AND tenant_id = $3`, at, r.ID)
}

// finish closes a review as it was looked at.
func finish(ctx context.Context, tx *sql.Tx, r *Review, by string, at int64, sealed []byte, digest string) error {
	q := scope.In(tx, r.TenantID)
	if err := q.Must(ctx, errMoved, `UPDATE access_review SET state = 'closed', closed_at = $1, closed_by = $2, evidence = $3, digest = $4 WHERE id = $5 AND state = 'open' AND changes = $6 AND tenant_id = $7`,
		at, by, sealed, digest, r.ID, r.changes); err != nil {
		return err
	}
	_, err := q.Exec(ctx, `UPDATE access_review_item SET state = 'undecided' WHERE review_id = $1 AND state = 'waiting' AND tenant_id = $2`, r.ID)
	return err
}

func evidenceOf(ctx context.Context, q scope.Querier, r *Review) (sealed []byte, err error) {
	err = scope.In(q, r.TenantID).Row(ctx, `SELECT evidence FROM access_review WHERE id = $1 AND tenant_id = $2`, r.ID).Scan(&sealed)
	return sealed, sqldb.Translate(err)
}

const itemColumns = `id, reviewers, snapshot, state, decided_by, decided_at, reason, event_id`

func scanItem(s scope.Scanner) (*Item, error) {
	var i Item
	var at int64
	err := s.Scan(&i.ID, &i.reviewers, &i.snapshot, &i.State, &i.DecidedBy, &at, &i.reason, &i.EventID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errs.New(errs.NotFound, "There is no such item.")
	}
	i.DecidedAt = scope.Optional(scope.Time(at))
	i.Reviewers = strings.FieldsFunc(i.reviewers, func(r rune) bool { return r == ',' })
	return &i, sqldb.Translate(err)
}

func insertItem(ctx context.Context, tx *sql.Tx, r *Review, i *Item) error {
	_, err := scope.In(tx, r.TenantID).Exec(ctx, `INSERT INTO access_review_item (id, review_id, subject, reviewers, snapshot, state, decided_by, decided_at, event_id, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, '', 0, '', $7)`,
		i.ID, r.ID, i.UserID, joined(i.Reviewers), i.snapshot, i.State)
	return err
}

// itemFilter narrows what items returns; empty members match all.
type itemFilter struct {
	state, reviewer, after string
	limit                  int
}

func items(ctx context.Context, q scope.Querier, tenant, review string, f itemFilter) ([]*Item, error) {
	query := `SELECT ` + itemColumns + ` FROM access_review_item WHERE review_id = $1 AND id > $2 AND (state = $3 OR $3 = '')`
	args := []any{review, f.after, f.state}
	tenantAt := `$4`
	if f.reviewer != "" {
		query += ` AND reviewers LIKE $4`
		args, tenantAt = append(args, like(f.reviewer)), `$5`
	}
	rows, err := scope.In(q, tenant).Rows(ctx, query+` AND tenant_id = `+tenantAt+` ORDER BY id LIMIT `+strconv.Itoa(f.limit), args...)
	return scope.Collect(rows, err, scanItem)
}

func item(ctx context.Context, q scope.Querier, tenant, review, id string) (*Item, error) {
	return scanItem(scope.In(q, tenant).Row(ctx, `SELECT `+itemColumns+` FROM access_review_item WHERE review_id = $1 AND id = $2 AND tenant_id = $3`, review, id))
}

// count returns the items of a review by state, and how many wait for somebody.
func count(ctx context.Context, q scope.Querier, r *Review, reviewer string) (err error) {
	rows, err := scope.In(q, r.TenantID).Rows(ctx, `SELECT state, COUNT(*), SUM(CASE WHEN reviewers LIKE $1 THEN 1 ELSE 0 END) FROM access_review_item WHERE review_id = $2 AND tenant_id = $3 GROUP BY state`, like(reviewer), r.ID)
	r.Counts, r.Mine = Counts{}, 0
	_, err = scope.Collect(rows, err, func(s scope.Scanner) (_ struct{}, err error) {
		var state string
		var n, mine int
		if err := s.Scan(&state, &n, &mine); err != nil {
			return struct{}{}, sqldb.Translate(err)
		}
		r.Counts.Total += n
		switch state {
		case Waiting:
			r.Counts.Waiting = n
			if reviewer != "" {
				r.Mine = mine
			}
		case Confirmed:
			r.Counts.Confirmed = n
		case Revoked:
			r.Counts.Revoked = n
		case Gone:
			r.Counts.Gone = n
		case Undecided:
			r.Counts.Undecided = n
		}
		return struct{}{}, nil
	})
	return err
}

// verdict is a decision as it is stored.
type verdict struct {
	item, state, by, event string
	reason                 []byte
	at                     time.Time
}

// decide stores decisions on items of an open review; a Conflict when one was decided before.
func decide(ctx context.Context, tx *sql.Tx, r *Review, all ...verdict) error {
	q := scope.In(tx, r.TenantID)
	if err := q.Must(ctx, errs.New(errs.Conflict, "The review is closed."), `UPDATE access_review SET changes = changes + 1 WHERE id = $1 AND state = 'open' AND tenant_id = $2`, r.ID); err != nil {
		return err
	}
	for _, v := range all {
		if err := q.Must(ctx, errMoved, `UPDATE access_review_item SET state = $1, decided_by = $2, decided_at = $3, reason = $4, event_id = $5 WHERE review_id = $6 AND id = $7 AND state = 'waiting' AND tenant_id = $8`,
			v.state, v.by, v.at.UnixMicro(), v.reason, v.event, r.ID, v.item); err != nil {
			return err
		}
	}
	return nil
}

// waitingFor returns the ids of those for whom items of a review wait.
func waitingFor(ctx context.Context, q scope.Querier, r *Review) ([]string, error) {
	rows, err := scope.In(q, r.TenantID).Rows(ctx, `SELECT DISTINCT reviewers FROM access_review_item WHERE review_id = $1 AND state = 'waiting' AND tenant_id = $2`, r.ID)
	all, err := scope.Collect(rows, err, func(s scope.Scanner) (*Item, error) {
		var i Item
		err := s.Scan(&i.reviewers)
		i.Reviewers = strings.FieldsFunc(i.reviewers, func(r rune) bool { return r == ',' })
		return &i, sqldb.Translate(err)
	})
	return reviewersOf(all), err
}

func owners(ctx context.Context, q scope.Querier, tenant string) (map[string]string, error) {
	out := map[string]string{}
	rows, err := scope.In(q, tenant).Rows(ctx, `SELECT role_id, account_id FROM access_role_owner WHERE tenant_id = $1`)
	_, err = scope.Collect(rows, err, func(s scope.Scanner) (_ struct{}, err error) {
		var role, user string
		err = s.Scan(&role, &user)
		out[role] = user
		return struct{}{}, sqldb.Translate(err)
	})
	return out, err
}

func setOwner(ctx context.Context, tx *sql.Tx, tenant, role, user string) error {
	q := scope.In(tx, tenant)
	if user == "" {
		_, err := q.Exec(ctx, `DELETE FROM access_role_owner WHERE role_id = $1 AND tenant_id = $2`, role)
		return err
	}
	_, err := q.Exec(ctx, `INSERT INTO access_role_owner (role_id, account_id, tenant_id) VALUES ($1, $2, $3) ON CONFLICT (tenant_id, role_id) DO UPDATE SET account_id = excluded.account_id`, role, user)
	return err
}
