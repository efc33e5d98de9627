package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// maxLater bounds how many events of a tenant wait for a frozen log. laterEvery is how often it is looked whether they can be recorded.
const (
	maxLater   = 10_000
	laterEvery = 2 * time.Second
)

// RecordLater is [Ledger.Record], but on a frozen log the effect takes place all the same: it is committed together with the sealed event, which is recorded with its own time as soon as the log takes
// events again. It is for what people need to find out why the log is frozen, signing in above all; everything else waits for the log.
func (l *Ledger) RecordLater(ctx context.Context, tenantID string, e *event.Event, effect Effect) error {
	return l.RecordAllLater(ctx, tenantID, []*event.Event{e}, effect)
}

// RecordAllLater is [Ledger.RecordAll] in the same way: from a frozen log, the events are recorded one by one when it takes some again.
func (l *Ledger) RecordAllLater(ctx context.Context, tenantID string, events []*event.Event, effect Effect) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	if t.usable() == nil {
		return l.RecordAll(ctx, tenantID, events, effect)
	}
	type kept struct {
		id     string
		sealed []byte
	}
	list := make([]kept, len(events))
	for i, e := range events {
		if e.OccurredAt.IsZero() {
			e.OccurredAt = time.Now()
		}
		id := uuid.Must(uuid.NewV7()).String()
		sealed, err := t.sealEvent(id, e)
		if err != nil {
			return err
		}
		list[i] = kept{id, sealed}
	}
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM pending_event WHERE tenant_id = $1`, t.id).Scan(&n); err != nil {
			return sqldb.Translate(err)
		}
		if n+len(list) > maxLater {
			return errs.New(errs.Unavailable, "%d events wait for the log, which is frozen; no more are kept", n)
		}
		if effect != nil {
			if err := effect(ctx, tx); err != nil {
				return err
			}
		}
		for _, k := range list {
			if _, err := tx.ExecContext(ctx, `INSERT INTO pending_event (tenant_id, id, body, created_at) VALUES ($1, $2, $3, $4)`, t.id, k.id, k.sealed, sqldb.Now()); err != nil {
				return sqldb.Translate(err)
			}
		}
		return nil
	})
	if err == nil {
		t.later.Store(true)
	}
	return err
}

// loadLater looks whether events wait.
func (l *Ledger) loadLater(ctx context.Context, t *tenant) error {
	var n int
	err := l.db.Read(ctx).QueryRowContext(ctx, `SELECT COUNT(*) FROM pending_event WHERE tenant_id = $1`, t.id).Scan(&n)
	t.later.Store(n > 0)
	return sqldb.Translate(err)
}

func (l *Ledger) laterLoop(ctx context.Context) {
	tick := time.NewTicker(laterEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, t := range l.opened() {
			if l.db.Shared() { // another server may have kept some, and be gone
				if err := l.loadLater(ctx, t); err != nil && ctx.Err() == nil {
					l.log.Error("it is not known whether events wait for the log", "log_id", t.logID, "error", err)
				}
			}
			// In this order: a log that has just been thawed is held before it is usable.
			if !t.later.Load() || t.usable() != nil || t.held.Load() {
				continue
			}
			if err := l.recordPending(ctx, t); err != nil && ctx.Err() == nil {
				l.log.Error("events that wait for the log were not recorded; it will be tried again", "log_id", t.logID, "error", err)
			}
		}
	}
}

// recordPending records what waits, oldest first.
func (l *Ledger) recordPending(ctx context.Context, t *tenant) error {
	for ctx.Err() == nil {
		var id string
		var sealed []byte
		err := l.db.Read(ctx).QueryRowContext(ctx, `SELECT id, body FROM pending_event WHERE tenant_id = $1 ORDER BY created_at, id LIMIT 1`, t.id).Scan(&id, &sealed)
		if errors.Is(err, sql.ErrNoRows) {
			t.later.Store(false)
			return nil
		}
		if err != nil {
			return sqldb.Translate(err)
		}
		e, err := t.openEvent(id, sealed)
		if err != nil {
			return err
		}
		err = l.Record(ctx, t.id, e, func(ctx context.Context, tx *sql.Tx) error {
			return once(tx.ExecContext(ctx, `DELETE FROM pending_event WHERE tenant_id = $1 AND id = $2`, t.id, id))
		})
		if err != nil && !errors.Is(err, errDone) {
			return err
		}
	}
	return ctx.Err()
}

// errDone says that another server has done meanwhile what was to be done once.
var errDone = errors.New("another server has done so already")

// once returns errDone unless a statement has changed a row.
func once(r sql.Result, err error) error {
	if err != nil {
		return sqldb.Translate(err)
	}
	if n, err := r.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return errDone
}
