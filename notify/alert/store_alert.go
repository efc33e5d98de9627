package alert

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strconv"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// row is a row of alert. Times are microseconds since 1970 UTC, 0 for never.
type row struct {
	id, tenant, rule   string
	body               []byte // sealed: the rule's name, and what was said when it was acknowledged
	severity, by, key  string
	firstSeq, firedAt  int64
	lastSeq, lastAt    int64
	holdsUntil, events int64
	samples            []uint64
	told               bool
	ackedAt            int64
	ackedBy            string
	resolvedAt         int64
	resolvedBecause    string
}

const alertColumns = `id, tenant_id, rule_id, body, severity, group_by, group_key, first_seq, fired_at, last_seq, last_at, holds_until, events, samples, told, acknowledged_at, acknowledged_by, resolved_at, resolved_because`

var errNoAlert = errs.New(errs.NotFound, "There is no such alert.")

func scanAlert(s scanner) (*row, error) {
	var a row
	var samples string
	var told int64
	err := s.Scan(&a.id, &a.tenant, &a.rule, &a.body, &a.severity, &a.by, &a.key, &a.firstSeq, &a.firedAt, &a.lastSeq, &a.lastAt, &a.holdsUntil, &a.events, &samples, &told, &a.ackedAt, &a.ackedBy, &a.resolvedAt,
		&a.resolvedBecause)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoAlert
	}
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	a.told = told != 0
	return &a, json.Unmarshal([]byte(samples), &a.samples)
}

func alerts(rows *sql.Rows, err error) ([]*row, error) {
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var out []*row
	for rows.Next() {
		a, err := scanAlert(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, sqldb.Translate(rows.Err())
}

func getAlert(ctx context.Context, q querier, tenant, id string) (*row, error) {
	return scanAlert(q.QueryRowContext(ctx, `SELECT `+alertColumns+` FROM alert WHERE tenant_id = $1 AND id = $2`, tenant, id))
}

// openAlerts returns the alerts of a rule that have not ended, in the order in which they were raised.
func openAlerts(ctx context.Context, q querier, r *rule) ([]*row, error) {
	return alerts(q.QueryContext(ctx, `SELECT `+alertColumns+` FROM alert WHERE tenant_id = $1 AND rule_id = $2 AND resolved_at = 0 ORDER BY first_seq, id`, r.tenant, r.id))
}

// countOpen returns how many alerts have not ended, by rule.
func countOpen(ctx context.Context, q querier, tenant string) (map[string]int64, error) {
	rows, err := q.QueryContext(ctx, `SELECT rule_id, COUNT(*) FROM alert WHERE tenant_id = $1 AND resolved_at = 0 GROUP BY rule_id`, tenant)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var id string
		var n int64
		if err := rows.Scan(&id, &n); err != nil {
			return nil, err
		}
		out[id] = n
	}
	return out, sqldb.Translate(rows.Err())
}

// page is which alerts are wanted; before and beforeID are where the page before ended.
type page struct {
	rule, state, severity string
	before                int64
	beforeID              string
	limit                 int
}

// listAlerts returns a tenant's alerts, newest first.
func listAlerts(ctx context.Context, q querier, tenant string, p page) ([]*row, error) {
	where, args := `tenant_id = $1`, []any{tenant}
	and := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition += " $" + strconv.Itoa(len(args))
		}
		where += " AND " + condition
	}
	switch p.state {
	case Firing:
		where += ` AND resolved_at = 0 AND acknowledged_at = 0`
	case Acknowledged:
		where += ` AND resolved_at = 0 AND acknowledged_at > 0`
	case Resolved:
		where += ` AND resolved_at > 0`
	}
	if p.rule != "" {
		and(`rule_id =`, p.rule)
	}
	if p.severity != "" {
		and(`severity =`, p.severity)
	}
	if p.before > 0 {
		args = append(args, p.before, p.beforeID)
		at, id := "$"+strconv.Itoa(len(args)-1), "$"+strconv.Itoa(len(args))
		where += ` AND (fired_at < ` + at + ` OR fired_at = ` + at + ` AND id < ` + id + `)`
	}
	args = append(args, p.limit)
	return alerts(q.QueryContext(ctx, `SELECT `+alertColumns+` FROM alert WHERE `+where+` ORDER BY fired_at DESC, id DESC LIMIT $`+strconv.Itoa(len(args)), args...))
}

// insertAlert stores a new alert. That it is there already means that its crossing was told.
func insertAlert(ctx context.Context, tx *sql.Tx, a *row) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO alert (`+alertColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, '', 0, '')`,
		a.id, a.tenant, a.rule, a.body, a.severity, a.by, a.key, a.firstSeq, a.firedAt, a.lastSeq, a.lastAt, a.holdsUntil, a.events, texts(a.samples), number(a.told))
	return sqldb.Translate(err)
}

// updateAlert stores how far a spell has gone, and with resolvedAt that it has ended.
func updateAlert(ctx context.Context, tx *sql.Tx, s *spell, resolvedAt int64) error {
	because := ""
	if resolvedAt > 0 {
		because = heldNoMore
	}
	_, err := tx.ExecContext(ctx, `UPDATE alert SET last_seq = $1, last_at = $2, holds_until = $3, events = $4, resolved_at = $5, resolved_because = $6 WHERE id = $7 AND resolved_at = 0`,
		int64(s.last.seq), s.last.at, s.holdsUntil, s.events, resolvedAt, because, s.id)
	return sqldb.Translate(err)
}

// closeAlerts ends what is open of a rule that does not go on as it was.
func closeAlerts(ctx context.Context, tx *sql.Tx, r *rule, because string, now int64) error {
	_, err := tx.ExecContext(ctx, `UPDATE alert SET resolved_at = $1, resolved_because = $2 WHERE tenant_id = $3 AND rule_id = $4 AND resolved_at = 0`, now, because, r.tenant, r.id)
	return sqldb.Translate(err)
}

// acknowledge notes who has taken note of an alert; it reports false when somebody had.
func acknowledge(ctx context.Context, tx *sql.Tx, a *row, body []byte, by string, now int64) (bool, error) {
	return affected(tx.ExecContext(ctx, `UPDATE alert SET body = $1, acknowledged_at = $2, acknowledged_by = $3 WHERE tenant_id = $4 AND id = $5 AND acknowledged_at = 0`, body, now, by, a.tenant, a.id))
}

// forget removes alerts that ended before a time.
func forget(ctx context.Context, tx *sql.Tx, before int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM alert WHERE resolved_at > 0 AND resolved_at < $1`, before)
	return sqldb.Translate(err)
}
