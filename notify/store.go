package notify

import (
	"context"
	"database/sql"
	"errors"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// channel is a row of notify_channel. Times are microseconds since 1970 UTC, 0 for never.
type channel struct {
	id, tenant, kind                 string
	topics                           []string
	settings                         []byte // sealed
	paused                           string // why; "" while it works
	mutedUntil, holdUntil            int64
	failures, failingSince, lastOKAt int64
	lastProblem                      string
	createdAt, updatedAt             int64
}

// notification is a row of notify_notification.
type notification struct {
	id, tenant, kind, once, topic, causeType, causeID, params string
	createdAt                                                 int64
}

type scanner interface{ Scan(dest ...any) error }

const channelColumns = `id, tenant_id, kind, topics, settings, paused, muted_until, hold_until, failures, failing_since, last_ok_at, last_problem, created_at, updated_at`

var errNoChannel = errs.New(errs.NotFound, "There is no such channel.")

func scanChannel(s scanner) (*channel, error) {
	var c channel
	var topics string
	err := s.Scan(&c.id, &c.tenant, &c.kind, &topics, &c.settings, &c.paused, &c.mutedUntil, &c.holdUntil, &c.failures, &c.failingSince, &c.lastOKAt, &c.lastProblem, &c.createdAt, &c.updatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoChannel
	}
	c.topics = parseTexts(topics)
	return &c, sqldb.Translate(err)
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func getChannel(ctx context.Context, q querier, tenant, id string) (*channel, error) {
	return scanChannel(q.QueryRowContext(ctx, `SELECT `+channelColumns+` FROM notify_channel WHERE tenant_id = $1 AND id = $2`, tenant, id))
}

// listChannels returns a tenant's channels, oldest first.
func listChannels(ctx context.Context, q querier, tenant string) ([]*channel, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+channelColumns+` FROM notify_channel WHERE tenant_id = $1 ORDER BY created_at, id`, tenant)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var list []*channel
	for rows.Next() {
		c, err := scanChannel(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, sqldb.Translate(rows.Err())
}

func insertChannel(ctx context.Context, tx *sql.Tx, c *channel) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO notify_channel (`+channelColumns+`) VALUES ($1, $2, $3, $4, $5, '', 0, 0, 0, 0, 0, '', $6, $6)`, c.id, c.tenant, c.kind, texts(c.topics), c.settings, c.createdAt)
	return sqldb.Translate(err)
}

func one(r sql.Result, err error) error {
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errNoChannel)
	}
	return nil
}

// updateChannel stores what a person may change, unless somebody else did since it was read.
func updateChannel(ctx context.Context, tx *sql.Tx, c *channel, now int64) error {
	err := one(tx.ExecContext(ctx, `UPDATE notify_channel SET topics = $1, settings = $2, paused = $3, muted_until = $4, hold_until = $5, failures = $6, failing_since = $7, updated_at = $8
		WHERE tenant_id = $9 AND id = $10 AND updated_at = $11`, texts(c.topics), c.settings, c.paused, c.mutedUntil, c.holdUntil, c.failures, c.failingSince, max(now, c.updatedAt+1), c.tenant, c.id, c.updatedAt))
	if errors.Is(err, errNoChannel) {
		return errs.New(errs.Conflict, "The channel was changed or deleted by somebody else meanwhile. Look at it again.")
	}
	return err
}

// deleteChannel removes a channel; what waits for it is put away, and what was delivered stays in the list.
func deleteChannel(ctx context.Context, tx *sql.Tx, tenant, id string, now int64) error {
	if err := one(tx.ExecContext(ctx, `DELETE FROM notify_channel WHERE tenant_id = $1 AND id = $2`, tenant, id)); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE notify_delivery SET status = 'discarded', problem = 'the channel was deleted', finished_at = $1
		WHERE tenant_id = $2 AND channel_id = $3 AND status IN ('queued', 'sending', 'dead')`, now, tenant, id)
	return sqldb.Translate(err)
}

// channelWorked notes a success.
func channelWorked(ctx context.Context, tx *sql.Tx, tenant, id string, now int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE notify_channel SET failures = 0, failing_since = 0, hold_until = 0, last_problem = '', last_ok_at = $1 WHERE tenant_id = $2 AND id = $3`, now, tenant, id)
	return sqldb.Translate(err)
}

// channelFailed notes a failure and lets the channel's other deliveries wait until hold.
func channelFailed(ctx context.Context, tx *sql.Tx, tenant, id, problem string, now, hold int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE notify_channel SET failures = failures + 1, failing_since = CASE WHEN failing_since = 0 THEN $1 ELSE failing_since END, hold_until = $2, last_problem = $3
		WHERE tenant_id = $4 AND id = $5`, now, hold, problem, tenant, id)
	return sqldb.Translate(err)
}

// pauseChannel stops a channel that works; what waits for it becomes dead letters.
func pauseChannel(ctx context.Context, tx *sql.Tx, tenant, id, why string, now int64) error {
	if err := one(tx.ExecContext(ctx, `UPDATE notify_channel SET paused = $1, updated_at = updated_at + 1 WHERE tenant_id = $2 AND id = $3 AND paused = ''`, why, tenant, id)); err != nil {
		return err
	}
	return bury(ctx, tx, tenant, id, now)
}

// bury makes dead letters of what waits for a channel.
func bury(ctx context.Context, tx *sql.Tx, tenant, channelID string, now int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE notify_delivery SET status = 'dead', problem = 'the channel is paused', finished_at = $1
		WHERE tenant_id = $2 AND channel_id = $3 AND status = 'queued'`, now, tenant, channelID)
	return sqldb.Translate(err)
}

// insertNotification stores a notification unless one with the same once is there, and says whether it did.
func insertNotification(ctx context.Context, tx *sql.Tx, n *notification) (bool, error) {
	r, err := tx.ExecContext(ctx, `INSERT INTO notify_notification (id, tenant_id, kind, once, topic, cause_type, cause_id, params, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (tenant_id, once) DO NOTHING`, n.id, n.tenant, n.kind, n.once, n.topic, n.causeType, n.causeID, n.params, n.createdAt)
	if err != nil {
		return false, sqldb.Translate(err)
	}
	rows, err := r.RowsAffected()
	return rows > 0, err
}

// lastOf returns the kind of the newest notification about a topic, "" without one.
func lastOf(ctx context.Context, q querier, tenant, topic string) (kind string, err error) {
	err = q.QueryRowContext(ctx, `SELECT kind FROM notify_notification WHERE tenant_id = $1 AND topic = $2 ORDER BY created_at DESC, id DESC LIMIT 1`, tenant, topic).Scan(&kind)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return kind, sqldb.Translate(err)
}

func getNotification(ctx context.Context, q querier, tenant, id string) (*notification, error) {
	var n notification
	err := q.QueryRowContext(ctx, `SELECT id, tenant_id, kind, once, topic, cause_type, cause_id, params, created_at FROM notify_notification WHERE tenant_id = $1 AND id = $2`, tenant, id).
		Scan(&n.id, &n.tenant, &n.kind, &n.once, &n.topic, &n.causeType, &n.causeID, &n.params, &n.createdAt)
	return &n, sqldb.Translate(err)
}
