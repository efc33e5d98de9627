package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/sqldb"
)

// What decisions are measured with: assignments in one tenant, and questions at a constant rate whether or not earlier ones were answered.
const (
	decisionPeople = 10_000
	decisionRate   = 2000 // a second
	decisionTime   = 15 * time.Second
	decisionConns  = 32
	decisionTarget = 5 * time.Millisecond // p99
)

// decisions measures answers of POST /access/v1/evaluation over HTTP, and prints their times. Times count from the moment at which a question was due, so that a server that falls behind is not flattered.
func decisions(ctx context.Context, bin string, o options) (err error) {
	var ids []string
	o.prepare = func(ctx context.Context, data string) (err error) {
		say("giving %d people a role", decisionPeople)
		ids, err = fillPeople(ctx, data)
		return err
	}
	s, err := startServer(ctx, bin, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ask := func(c *client, n int) error {
		body := fmt.Appendf(nil, `{"subject":{"type":"user","id":%q},"action":{"name":"support.manage_tickets"},"resource":{"type":"ticket","id":"%d"}}`, ids[n%len(ids)], n)
		a, err := c.do(http.MethodPost, "/access/v1/evaluation", body)
		if err == nil && (a.status != http.StatusOK || !strings.Contains(string(a.body), `"decision":true`)) {
			err = fmt.Errorf("the answer was %d: %.200s", a.status, a.body)
		}
		return err
	}
	say("asking %d times a second for %s", decisionRate, decisionTime)
	before, spent := usageNow(), descendants(s.cmd.Process.Pid)[0].cpu
	took, err := atRate(ctx, decisionConns, decisionRate, decisionTime, func() (*client, error) { return dial(s.addr, s.key) }, ask)
	if err != nil {
		return err
	}
	spent = descendants(s.cmd.Process.Pid)[0].cpu - spent
	programs, elsewhere := before.others()
	slices.Sort(took)
	at := func(p float64) time.Duration {
		return took[min(len(took)-1, int(p*float64(len(took))))].Round(10 * time.Microsecond)
	}
	fmt.Printf("decisions over HTTP: %d assignments, %d/s for %s: p50 %s, p99 %s (target %s), p99.9 %s, longest %s; the server took %s of processor time for each; other programs took %.0f %% of the processors, other machines %.0f %%\n", len(ids), decisionRate, decisionTime, at(0.5), at(0.99), decisionTarget, at(0.999), took[len(took)-1].Round(10*time.Microsecond), (spent / time.Duration(len(took))).Round(time.Microsecond), 100*programs, 100*elsewhere)
	return nil
}

// atRate asks at a constant rate over some connections and returns how long each answer took from when it was due.
func atRate(ctx context.Context, conns, rate int, long time.Duration, open func() (*client, error), ask func(*client, int) error) ([]time.Duration, error) {
	total := int(long.Seconds() * float64(rate))
	every := time.Second / time.Duration(rate)
	took := make([]time.Duration, total)
	due := make(chan int, total)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	start := time.Now().Add(200 * time.Millisecond)
	for range conns {
		c, err := open()
		if err != nil {
			return nil, err
		}
		all.Go(func() {
			defer func() { _ = c.close() }()
			for n := range due {
				if err := ask(c, n); err != nil {
					cancel(err)
					return
				}
				took[n] = time.Since(start.Add(time.Duration(n) * every))
			}
		})
	}
	for n := range total {
		time.Sleep(time.Until(start.Add(time.Duration(n) * every)))
		if ctx.Err() != nil {
			break
		}
		due <- n
	}
	close(due)
	all.Wait()
	return took, context.Cause(ctx)
}

// fillPeople writes accounts with a role into the database of a server that has not been started: made one by one over HTTP they would take many times as long as what is measured. Nothing of this reads their names.
func fillPeople(ctx context.Context, data string) (ids []string, err error) {
	db, err := sqldb.OpenSQLite(ctx, filepath.Join(data, "probity.db"))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return ids, db.Write(ctx, func(tx *sql.Tx) error {
		var tenant string
		if err := tx.QueryRowContext(ctx, `SELECT id FROM tenant`).Scan(&tenant); err != nil {
			return err
		}
		ids = ids[:0]
		for i := range decisionPeople {
			id := uuid.Must(uuid.NewV7()).String()
			ids = append(ids, id)
			if _, err := tx.ExecContext(ctx, `INSERT INTO account (id, tenant_id, email_index, email, name, role, role_seen, password_hash, created_at) VALUES ($1, $2, $3, $4, $4, 'support', 'support', '', 1)`,
				id, tenant, fmt.Appendf(nil, "bench-%d", i), []byte{}); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO role_assignment (id, tenant_id, account_id, role_id, scope_kind, scope_value, granted_by, granted_at, granted_in) VALUES ($1, $2, $3, 'support', 'tenant', '', 'system', 1, 0)`,
				uuid.Must(uuid.NewV7()).String(), tenant, id); err != nil {
				return err
			}
		}
		return nil
	})
}
