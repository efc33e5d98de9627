package alert

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// rule is a row of alert_rule. Times are microseconds since 1970 UTC, 0 for never.
type rule struct {
	id, tenant           string
	body                 []byte // sealed: name and filter
	moreThan, window     int64
	by                   string
	quiet                int64
	severity             string
	channels             []string
	enabled              bool
	mutedUntil           int64
	stopped              string // why the server does not follow it; "" while it works
	version              int64  // grows with every change by a person
	next, seenAt         int64  // the position, and when the newest event before it was recorded
	owner                string // the server that follows it
	lease                int64
	lastFired            int64
	createdAt, updatedAt int64
}

const ruleColumns = `id, tenant_id, body, more_than, window_us, group_by, quiet_us, severity, channels, enabled, muted_until, stopped, version, next_seq, seen_at, owner, lease_until, last_fired_at, created_at, updated_at`

var (
	errNoRule = errs.New(errs.NotFound, "There is no such alert rule.")
	// errLost ends the work on a rule that somebody changed, or that another server follows by now.
	errLost = errors.New("alert: the rule is not ours any more")
)

type scanner interface{ Scan(dest ...any) error }

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func scanRule(s scanner) (*rule, error) {
	var r rule
	var enabled int64
	var channels string
	err := s.Scan(&r.id, &r.tenant, &r.body, &r.moreThan, &r.window, &r.by, &r.quiet, &r.severity, &channels, &enabled, &r.mutedUntil, &r.stopped, &r.version, &r.next, &r.seenAt, &r.owner, &r.lease, &r.lastFired,
		&r.createdAt, &r.updatedAt)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoRule
	}
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	r.enabled = enabled != 0
	return &r, json.Unmarshal([]byte(channels), &r.channels)
}

func rules(rows *sql.Rows, err error) ([]*rule, error) {
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var out []*rule
	for rows.Next() {
		r, err := scanRule(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, sqldb.Translate(rows.Err())
}

func rulesOf(ctx context.Context, q querier, tenant string) ([]*rule, error) {
	return rules(q.QueryContext(ctx, `SELECT `+ruleColumns+` FROM alert_rule WHERE tenant_id = $1 ORDER BY created_at, id`, tenant))
}

// followed returns the rules, of all tenants that are at work, that a server may follow: its own, and those that no other one follows.
func followed(ctx context.Context, q querier, owner string, now int64) ([]*rule, error) {
	return rules(q.QueryContext(ctx, `SELECT `+ruleColumns+` FROM alert_rule WHERE enabled = 1 AND stopped = '' AND NOT EXISTS (SELECT 1 FROM tenant_standing x WHERE x.tenant_id = alert_rule.tenant_id AND x.state <> 'active') AND (owner = $1 OR lease_until <= $2) ORDER BY seen_at, id`, owner, now))
}

func getRule(ctx context.Context, q querier, tenant, id string) (*rule, error) {
	return scanRule(q.QueryRowContext(ctx, `SELECT `+ruleColumns+` FROM alert_rule WHERE tenant_id = $1 AND id = $2`, tenant, id))
}

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// texts renders a list for a column.
func texts[T any](list []T) string {
	if list == nil {
		list = []T{}
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic("alert: a list that cannot be written: " + err.Error())
	}
	return string(b)
}

func insertRule(ctx context.Context, tx *sql.Tx, r *rule) error {
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM alert_rule WHERE tenant_id = $1`, r.tenant).Scan(&n); err != nil {
		return sqldb.Translate(err)
	}
	if n >= maxRules {
		return errs.New(errs.Conflict, "There are %d alert rules already; delete one first.", maxRules)
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO alert_rule (`+ruleColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', 1, $12, $13, '', 0, 0, $14, $14)`,
		r.id, r.tenant, r.body, r.moreThan, r.window, r.by, r.quiet, r.severity, texts(r.channels), number(r.enabled), r.mutedUntil, r.next, r.seenAt, r.createdAt)
	return sqldb.Translate(err)
}

func affected(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, sqldb.Translate(err)
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// updateRule stores what a person changed, unless somebody else did since it was read. Whoever follows the rule begins anew with it; with place, from its position.
func updateRule(ctx context.Context, tx *sql.Tx, r *rule, place bool, now int64) error {
	ok, err := affected(tx.ExecContext(ctx, `UPDATE alert_rule SET body = $1, more_than = $2, window_us = $3, group_by = $4, quiet_us = $5, severity = $6, channels = $7, enabled = $8, muted_until = $9, stopped = $10,
		version = version + 1, updated_at = $11, next_seq = CASE WHEN $12 = 1 THEN $13 ELSE next_seq END, seen_at = CASE WHEN $12 = 1 THEN $14 ELSE seen_at END WHERE tenant_id = $15 AND id = $16 AND version = $17`,
		r.body, r.moreThan, r.window, r.by, r.quiet, r.severity, texts(r.channels), number(r.enabled), r.mutedUntil, r.stopped, now, number(place), r.next, r.seenAt, r.tenant, r.id, r.version))
	if err == nil && !ok {
		return errs.New(errs.Conflict, "The rule was changed or deleted by somebody else meanwhile. Look at it again.")
	}
	return err
}

func deleteRule(ctx context.Context, tx *sql.Tx, tenant, id string) error {
	ok, err := affected(tx.ExecContext(ctx, `DELETE FROM alert_rule WHERE tenant_id = $1 AND id = $2`, tenant, id))
	if err == nil && !ok {
		return errNoRule
	}
	return err
}

// claimRule takes a rule, or keeps it, until the lease ends.
func claimRule(ctx context.Context, tx *sql.Tx, id, owner string, now, lease int64) (bool, error) {
	return affected(tx.ExecContext(ctx, `UPDATE alert_rule SET owner = $1, lease_until = $2 WHERE id = $3 AND (owner = $1 OR lease_until <= $4)`, owner, lease, id, now))
}

// moveRule moves the position of a rule from where the caller left it.
func moveRule(ctx context.Context, tx *sql.Tx, r *rule, owner string, next, seenAt, fired, lease int64) error {
	ok, err := affected(tx.ExecContext(ctx, `UPDATE alert_rule SET next_seq = $1, seen_at = $2, last_fired_at = CASE WHEN $3 > last_fired_at THEN $3 ELSE last_fired_at END, lease_until = $4
		WHERE id = $5 AND version = $6 AND owner = $7 AND next_seq = $8 AND enabled = 1 AND stopped = ''`, next, seenAt, fired, lease, r.id, r.version, owner, r.next))
	if err == nil && !ok {
		return errLost
	}
	return err
}

func stopRule(ctx context.Context, tx *sql.Tx, r *rule, why string) error {
	ok, err := affected(tx.ExecContext(ctx, `UPDATE alert_rule SET stopped = $1, version = version + 1 WHERE id = $2 AND version = $3 AND stopped = ''`, why, r.id, r.version))
	if err == nil && !ok {
		return errLost
	}
	return err
}

func releaseRules(ctx context.Context, tx *sql.Tx, owner string) error {
	_, err := tx.ExecContext(ctx, `UPDATE alert_rule SET owner = '', lease_until = 0 WHERE owner = $1`, owner)
	return sqldb.Translate(err)
}
