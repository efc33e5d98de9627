package notify

import (
	"context"
	"database/sql"
	"errors"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// delivery is a row of notify_delivery. While it is being sent, due_at is when its lease ends, which tells one claim from another; attempt and tries count the attempts whose end is known.
type delivery struct {
	id, tenant, channel, notification, status string
	dueAt, attempt, tries, code               int64
	problem                                   string
	createdAt                                 int64
	finishedAt                                sql.NullInt64
	// before is when one that was claimed had been due.
	before int64
}

// attempt is a row of notify_attempt; took is in microseconds.
type attempt struct {
	number, startedAt, took, code int64
	problem                       string
}

const deliveryColumns = `id, tenant_id, channel_id, notification_id, status, due_at, attempt, tries, code, problem, created_at, finished_at`

var errNoDelivery = errs.New(errs.NotFound, "There is no such delivery.")

func scanDelivery(s scanner, more ...any) (*delivery, error) {
	var d delivery
	err := s.Scan(append([]any{&d.id, &d.tenant, &d.channel, &d.notification, &d.status, &d.dueAt, &d.attempt, &d.tries, &d.code, &d.problem, &d.createdAt, &d.finishedAt}, more...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoDelivery
	}
	return &d, sqldb.Translate(err)
}

func insertDelivery(ctx context.Context, tx *sql.Tx, d *delivery) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO notify_delivery (`+deliveryColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11)`,
		d.id, d.tenant, d.channel, d.notification, d.status, d.dueAt, d.attempt, d.tries, d.problem, d.createdAt, d.finishedAt)
	return sqldb.Translate(err)
}

// nextChannel is the channel whose deliveries have been due for longest, of whatever tenant; "" without one. It costs a few looks into an index for each channel, however much waits, so that it can be asked often. A
// channel that has just failed is left alone, as are those of tenants that are not at work, and no channel gets two workers at once: deliveries that are being sent count as due when the lease of all of them has run out.
func nextChannel(ctx context.Context, q querier, now int64) (id string, err error) {
	err = q.QueryRowContext(ctx, `SELECT w.id FROM (SELECT c.id AS id, COALESCE(
			(SELECT MAX(d.due_at) FROM notify_delivery d WHERE d.channel_id = c.id AND d.status = 'sending'),
			(SELECT MIN(d.due_at) FROM notify_delivery d WHERE d.channel_id = c.id AND d.status = 'queued')) AS due
		FROM notify_channel c WHERE c.hold_until <= $1 AND NOT EXISTS (SELECT 1 FROM tenant_standing x WHERE x.tenant_id = c.tenant_id AND x.state <> 'active')) w WHERE w.due <= $1 ORDER BY w.due, w.id LIMIT 1`, now).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, sqldb.Translate(err)
}

// claim takes up to limit due deliveries of the next channel, in the order in which they are to be sent: first what was lost with its node, then by when it was due, which is the order of creation for what was not
// tried yet. It returns none when nothing is due.
func claim(ctx context.Context, tx *sql.Tx, now, lease int64, limit int) ([]*delivery, error) {
	channelID, err := nextChannel(ctx, tx, now)
	if err != nil || channelID == "" {
		return nil, err
	}
	const due = ` FROM notify_delivery WHERE channel_id = $1 AND status IN ('queued', 'sending') AND due_at <= $2 ORDER BY CASE status WHEN 'sending' THEN 0 ELSE 1 END, due_at, id LIMIT $3`
	return take(ctx, tx, `SELECT `+deliveryColumns+due, `WITH due AS (SELECT id`+due+`) `+takeDue, lease, channelID, now, limit)
}

// claimOne takes a certain delivery if it is due; it returns none if not.
func claimOne(ctx context.Context, tx *sql.Tx, tenant, id string, now, lease int64) ([]*delivery, error) {
	const due = ` FROM notify_delivery WHERE tenant_id = $1 AND id = $2 AND status IN ('queued', 'sending') AND due_at <= $3`
	return take(ctx, tx, `SELECT `+deliveryColumns+due, `WITH due AS (SELECT id`+due+`) `+takeDue, lease, tenant, id, now)
}

const takeDue = `UPDATE notify_delivery SET status = 'sending', due_at = $4 WHERE id IN (SELECT id FROM due)`

// take makes the deliveries that a query selects a worker's until lease. The update selects the same ones; both have the same three arguments.
func take(ctx context.Context, tx *sql.Tx, query, update string, lease int64, args ...any) ([]*delivery, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var batch []*delivery
	for rows.Next() {
		d, err := scanDelivery(rows)
		if err != nil {
			return nil, err
		}
		batch = append(batch, d.claimed(lease))
	}
	if err := rows.Err(); err != nil || len(batch) == 0 {
		return nil, sqldb.Translate(err)
	}
	_, err = tx.ExecContext(ctx, update, append(args, lease)...)
	return batch, sqldb.Translate(err)
}

// claimed is the delivery as a claim leaves it.
func (d *delivery) claimed(lease int64) *delivery {
	d.before = d.dueAt
	if d.status == statusSending {
		d.before = d.createdAt // that of the lost claim is nobody's time
	}
	d.status, d.dueAt = statusSending, lease
	return d
}

// settle stores the end of an attempt, which d holds, and the attempt; it reports false when the delivery is not that claim's any more. The lease is the due_at of the claim.
func settle(ctx context.Context, tx *sql.Tx, d *delivery, lease int64, a *attempt) (bool, error) {
	r, err := tx.ExecContext(ctx, `UPDATE notify_delivery SET status = $1, due_at = $2, attempt = $3, tries = $4, code = $5, problem = $6, finished_at = $7
		WHERE tenant_id = $8 AND id = $9 AND status IN ('sending', 'failed') AND due_at = $10`,
		d.status, d.dueAt, d.attempt, d.tries, d.code, d.problem, d.finishedAt, d.tenant, d.id, lease)
	if err != nil {
		return false, sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO notify_attempt (delivery_id, number, tenant_id, started_at, took, code, problem) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		d.id, a.number, d.tenant, a.startedAt, a.took, a.code, a.problem)
	return true, sqldb.Translate(err)
}

// handBack puts a delivery that was claimed and not tried back to where it was; it reports false when it is not that claim's any more.
func handBack(ctx context.Context, tx *sql.Tx, d *delivery) (bool, error) {
	r, err := tx.ExecContext(ctx, `UPDATE notify_delivery SET status = 'queued', due_at = $1 WHERE tenant_id = $2 AND id = $3 AND status = 'sending' AND due_at = $4`, d.before, d.tenant, d.id, d.dueAt)
	if err != nil {
		return false, sqldb.Translate(err)
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// page selects deliveries. An empty channel or status does not select; before and beforeID are where the page before ended.
type page struct {
	channel, status string
	before          int64
	beforeID        string
	limit           int
}

// listed is a delivery with the kind and cause of its notification.
type listed struct {
	*delivery
	kind, causeType, causeID string
}

const listedQuery = `SELECT d.id, d.tenant_id, d.channel_id, d.notification_id, d.status, d.due_at, d.attempt, d.tries, d.code, d.problem, d.created_at, d.finished_at, n.kind, n.cause_type, n.cause_id
	FROM notify_delivery d JOIN notify_notification n ON n.id = d.notification_id `

func scanListed(s scanner) (*listed, error) {
	var l listed
	var err error
	l.delivery, err = scanDelivery(s, &l.kind, &l.causeType, &l.causeID)
	return &l, err
}

// listDeliveries returns a tenant's deliveries, newest first.
func listDeliveries(ctx context.Context, db *sql.DB, tenant string, p page) ([]*listed, error) {
	rows, err := db.QueryContext(ctx, listedQuery+`WHERE d.tenant_id = $1 AND ($2 = '' OR d.channel_id = $2) AND ($3 = '' OR d.status = $3)
		AND (CAST($4 AS BIGINT) = 0 OR d.created_at < $4 OR (d.created_at = $4 AND d.id < $5)) ORDER BY d.created_at DESC, d.id DESC LIMIT $6`, tenant, p.channel, p.status, p.before, p.beforeID, p.limit)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var list []*listed
	for rows.Next() {
		l, err := scanListed(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, sqldb.Translate(rows.Err())
}

func getListed(ctx context.Context, db *sql.DB, tenant, id string) (*listed, error) {
	return scanListed(db.QueryRowContext(ctx, listedQuery+`WHERE d.tenant_id = $1 AND d.id = $2`, tenant, id))
}

func listAttempts(ctx context.Context, db *sql.DB, tenant, id string) ([]attempt, error) {
	rows, err := db.QueryContext(ctx, `SELECT number, started_at, took, code, problem FROM notify_attempt WHERE tenant_id = $1 AND delivery_id = $2 ORDER BY number`, tenant, id)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var list []attempt
	for rows.Next() {
		var a attempt
		if err := rows.Scan(&a.number, &a.startedAt, &a.took, &a.code, &a.problem); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, sqldb.Translate(rows.Err())
}

// countDead returns how many dead letters each channel of a tenant has.
func countDead(ctx context.Context, db *sql.DB, tenant string) (map[string]int64, error) {
	rows, err := db.QueryContext(ctx, `SELECT channel_id, COUNT(*) FROM notify_delivery WHERE tenant_id = $1 AND status = 'dead' GROUP BY channel_id`, tenant)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	counts := map[string]int64{}
	for rows.Next() {
		var id string
		var n int64
		if err := rows.Scan(&id, &n); err != nil {
			return nil, err
		}
		counts[id] = n
	}
	return counts, sqldb.Translate(rows.Err())
}

// backlog counts across all tenants; oldest is when the first delivery that was never tried was made, 0 without one.
func backlog(ctx context.Context, db *sql.DB) (b Backlog, oldest int64, err error) {
	err = db.QueryRowContext(ctx, `SELECT COUNT(CASE WHEN status <> 'dead' THEN 1 END), COUNT(CASE WHEN status = 'dead' THEN 1 END), COALESCE(MIN(CASE WHEN attempt = 0 AND status = 'queued' THEN created_at END), 0)
		FROM notify_delivery WHERE status IN ('queued', 'sending', 'dead')`).Scan(&b.Waiting, &b.Dead, &oldest)
	return b, oldest, sqldb.Translate(err)
}

// revive queues dead letters again and returns which: one, or when id is empty, up to limit of a channel, oldest first.
func revive(ctx context.Context, tx *sql.Tx, tenant, id, channelID string, now int64, limit int) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `UPDATE notify_delivery SET status = 'queued', due_at = $1, tries = 0, finished_at = NULL
		WHERE id IN (SELECT id FROM notify_delivery WHERE tenant_id = $2 AND status = 'dead' AND ($3 = '' OR id = $3) AND ($4 = '' OR channel_id = $4) ORDER BY created_at, id LIMIT $5) RETURNING id`,
		now, tenant, id, channelID, limit)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, sqldb.Translate(rows.Err())
}

// discard puts a dead letter away.
func discard(ctx context.Context, tx *sql.Tx, tenant, id string, now int64) error {
	r, err := tx.ExecContext(ctx, `UPDATE notify_delivery SET status = 'discarded', finished_at = $1 WHERE tenant_id = $2 AND id = $3 AND status = 'dead'`, now, tenant, id)
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errNoLetter)
	}
	return nil
}

var errNoLetter = errs.New(errs.NotFound, "There is no such dead letter.")

// forget removes deliveries of all tenants that ended before done, dead letters before dead, and notifications that nothing is left of.
func forget(ctx context.Context, tx *sql.Tx, done, dead int64) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM notify_delivery WHERE (status IN ('delivered', 'discarded', 'muted', 'failed') AND created_at < $1) OR (status = 'dead' AND created_at < $2)`, done, dead); err != nil {
		return sqldb.Translate(err)
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM notify_attempt WHERE started_at < $1 AND NOT EXISTS (SELECT 1 FROM notify_delivery d WHERE d.id = notify_attempt.delivery_id)`, done); err != nil {
		return sqldb.Translate(err)
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM notify_notification WHERE created_at < $1 AND NOT EXISTS (SELECT 1 FROM notify_delivery d WHERE d.notification_id = notify_notification.id)`, done)
	return sqldb.Translate(err)
}
