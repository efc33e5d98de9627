package selfaudittest

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/crypt"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// Ledger records events in memory, with their effects in the database, and seals. It is safe for concurrent use.
type Ledger struct {
	db   *sqldb.DB
	keys map[string]*crypt.Tenant

	mu       sync.Mutex
	refuse   func() error
	recorded []*event.Event
}

// New returns a ledger of these tenants.
func New(t testing.TB, db *sqldb.DB, tenants ...string) *Ledger {
	t.Helper()
	l := &Ledger{db: db, keys: map[string]*crypt.Tenant{}}
	kms, err := crypt.CreateFileKMS(filepath.Join(t.TempDir(), "master.key"))
	for _, id := range tenants {
		if err == nil {
			l.keys[id], _, err = crypt.NewTenant(t.Context(), kms, id)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Refuse has nothing recorded while f returns an error; nil ends that.
func (l *Ledger) Refuse(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = f
}

// Record checks an event as the ledger does and keeps it if its effect succeeds.
func (l *Ledger) Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error {
	return l.RecordAll(ctx, tenantID, []*event.Event{e}, effect)
}

// RecordAll is Record for several events with one effect.
func (l *Ledger) RecordAll(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error {
	l.mu.Lock()
	refuse := l.refuse
	l.mu.Unlock()
	if refuse != nil {
		if err := refuse(); err != nil {
			return err
		}
	}
	if l.keys[tenantID] == nil {
		return fmt.Errorf("an event of the tenant %q", tenantID)
	}
	for _, e := range events {
		if err := e.Normalise(time.Now()); err != nil {
			return err
		}
	}
	if err := l.db.Write(ctx, func(tx *sql.Tx) error { return effect(ctx, tx) }); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recorded = append(l.recorded, events...)
	return nil
}

// RecordAllLater is RecordAll.
func (l *Ledger) RecordAllLater(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error {
	return l.RecordAll(ctx, tenantID, events, effect)
}

// RecordLater is Record.
func (l *Ledger) RecordLater(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error {
	return l.Record(ctx, tenantID, e, effect)
}

// RecordJob implements jobs.Recorder without keeping anything.
func (l *Ledger) RecordJob(ctx context.Context, _ actor.Principal, _, _ string, _ *jobs.Job, effect func(ctx context.Context, tx *sql.Tx) error) error {
	return l.db.Write(ctx, func(tx *sql.Tx) error { return effect(ctx, tx) })
}

// Events returns what was recorded, oldest first.
func (l *Ledger) Events() []*event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.recorded)
}

// Drain is Events, and forgets them.
func (l *Ledger) Drain() []*event.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.recorded
	l.recorded = nil
	return list
}

// Seal encrypts under a tenant's key.
func (l *Ledger) Seal(_ context.Context, tenantID, label string, b []byte) ([]byte, error) {
	return l.keys[tenantID].Seal(label, b)
}

// Unseal decrypts what Seal has encrypted.
func (l *Ledger) Unseal(_ context.Context, tenantID, label string, b []byte) ([]byte, error) {
	return l.keys[tenantID].Open(label, b)
}
