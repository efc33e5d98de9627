package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// WrappedSecret is a secret of another domain that the master key wraps as well.
type WrappedSecret struct {
	// AAD is what it is bound to.
	AAD []byte
	// Load reads it as it is stored, nil when there is none; Store replaces old by next in tx, and fails when somebody else has changed it.
	Load  func(ctx context.Context) ([]byte, error)
	Store func(ctx context.Context, tx *sql.Tx, old, next []byte) error
}

// Rewrapping is a change of the master key.
type Rewrapping struct {
	// From opens what is wrapped, To wraps it. They are the same service when its key has a new version.
	From, To crypt.KMS
	// Others are secrets of other domains.
	Others []WrappedSecret
	// Store is called in the transaction, to record which master key is in use now.
	Store func(ctx context.Context, tx *sql.Tx) error
	// Action, By, Reason and the text values of Data are those of the event that every tenant's log gets.
	Action string
	By     func(tenantID string) event.Actor
	Reason string
	Data   [][2]string
}

// Rewrap wraps the keysets of all tenants, and the other secrets under the master key, anew. Each is opened again and compared; then all are replaced in one transaction, together with the
// events that say so. A crash leaves everything as it was or everything changed; until it has returned, the old version of the master key is needed. It returns how many were wrapped anew.
func (l *Ledger) Rewrap(ctx context.Context, r Rewrapping) (int, error) {
	ids, err := l.tenantIDs(ctx)
	if err != nil {
		return 0, err
	}
	type change struct {
		t         *tenant
		old, next []byte
	}
	changes := make([]change, 0, len(ids))
	for _, id := range ids {
		c := change{}
		if c.t, err = l.tenant(ctx, id); err != nil {
			return 0, err
		}
		if c.old, err = readKeyset(ctx, l.db.Read(ctx), id); err != nil {
			return 0, err
		}
		if c.next, err = crypt.RewrapTenant(ctx, r.From, r.To, id, c.old); err != nil {
			return 0, err
		}
		changes = append(changes, c)
	}
	others, err := r.rewrapOthers(ctx)
	if err != nil {
		return 0, err
	}
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM tenant`).Scan(&n); err != nil {
			return sqldb.Translate(err)
		}
		if n != len(changes) {
			return errs.New(errs.Conflict, "a tenant was added meanwhile; try again")
		}
		for _, c := range changes {
			if err := swapKeyset(ctx, tx, c.t.id, c.old, c.next, 0); err != nil {
				return err
			}
			if err := r.announce(ctx, tx, c.t); err != nil {
				return err
			}
		}
		for i, o := range r.Others {
			if others[i].old == nil {
				continue
			}
			if err := o.Store(ctx, tx, others[i].old, others[i].next); err != nil {
				return err
			}
		}
		return r.Store(ctx, tx)
	})
	if err != nil {
		return 0, err
	}
	for _, c := range changes {
		if c.t.usable() != nil || c.t.held.Load() {
			c.t.later.Store(true) // it is recorded when the log takes events again
			continue
		}
		if e := l.recordPending(ctx, c.t); e != nil {
			c.t.later.Store(true)
			err = errors.Join(err, errs.Wrap(errs.CodeOf(e), e, "the keys are wrapped anew; that is not in the log of every tenant yet, and will be at the next start at the latest"))
		}
	}
	return len(changes) + len(r.Others), err
}

type swapped struct{ old, next []byte }

func (r *Rewrapping) rewrapOthers(ctx context.Context) ([]swapped, error) {
	out := make([]swapped, len(r.Others))
	for i, o := range r.Others {
		var err error
		if out[i].old, err = o.Load(ctx); err != nil {
			return nil, err
		}
		if out[i].old == nil {
			continue
		}
		if out[i].next, err = crypt.Rewrap(ctx, r.From, r.To, out[i].old, o.AAD); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// announce keeps the event of a tenant's log in tx, from where it is recorded: exactly once, whatever crashes.
func (r *Rewrapping) announce(ctx context.Context, tx *sql.Tx, t *tenant) error {
	var data []event.Member
	for _, d := range r.Data {
		data = append(data, member(d[0], d[1]))
	}
	e := keyEvent(r.Action, t, r.By(t.id), r.Reason, data...)
	e.OccurredAt = time.Now().UTC()
	id := uuid.Must(uuid.NewV7()).String()
	sealed, err := t.sealEvent(id, e)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO pending_event (tenant_id, id, body, created_at) VALUES ($1, $2, $3, $4)`, t.id, id, sealed, sqldb.Now())
	return sqldb.Translate(err)
}
