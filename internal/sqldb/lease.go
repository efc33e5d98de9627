package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"probity.dev/internal/errs"
)

// Bounds of a lease. Whoever dies with one keeps others from its work for leaseTerm at most.
const (
	leaseTerm  = 6 * time.Second
	leaseRenew = leaseTerm / 4
)

// ErrLeaseLost says that another process has taken over what a lease was for.
var ErrLeaseLost = errs.New(errs.Unavailable, "another server has taken over this work")

// Lease is the right to do something that one process at a time does, until its term ends. A process that stands still for longer loses it without noticing; therefore every transaction that depends on
// it MUST begin with [Lease.Fence]. On SQLite, which has one process, a lease is always held. It is safe for concurrent use.
type Lease struct {
	db   *DB
	name string

	mu    sync.Mutex
	token int64
	until time.Time // by the clock of this process, counted from before the database was asked
}

// Lease returns the lease of a name, which is not held yet.
func (db *DB) Lease(name string) *Lease { return &Lease{db: db, name: name} }

// microsNow is the present time of the database: those of several machines would differ.
const microsNow = `(extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

// Take takes the lease if nobody else has it, or renews it, and reports whether it is held now. An error leaves it as it was.
func (l *Lease) Take(ctx context.Context) (bool, error) {
	pg := l.db.pg
	if pg == nil {
		return true, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	begun := time.Now()
	var token int64
	var server string
	// A process that has the database for itself does not wait for the lease of a dead one to run out.
	err := l.db.read.QueryRowContext(ctx, `INSERT INTO lease (name, holder, token, until_at) VALUES ($1, $2, 1, `+microsNow+` + $3) ON CONFLICT (name) DO UPDATE SET
		token = lease.token + CASE WHEN lease.holder = excluded.holder THEN 0 ELSE 1 END, holder = excluded.holder, until_at = excluded.until_at
		WHERE lease.holder = excluded.holder OR lease.until_at < `+microsNow+` OR $4 RETURNING token, `+serverIdentity,
		l.name, pg.process, leaseTerm.Microseconds(), pg.alone.Load()).Scan(&token, &server)
	if errors.Is(err, sql.ErrNoRows) {
		l.until = time.Time{}
		return false, nil
	}
	if err != nil {
		return l.valid(), Translate(err)
	}
	pg.seen(server)
	l.token, l.until = token, begun.Add(leaseTerm)
	return true, nil
}

// Held reports whether the lease is held, as far as this process knows.
func (l *Lease) Held() bool {
	if l.db.pg == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.valid()
}

func (l *Lease) valid() bool { return time.Now().Before(l.until) }

// Fence returns [ErrLeaseLost] unless the lease is held, and keeps others from taking it until tx ends. It MUST be called in a transaction of Write.
func (l *Lease) Fence(ctx context.Context, tx *sql.Tx) error {
	if l.db.pg == nil {
		return nil
	}
	l.mu.Lock()
	token := l.token
	l.mu.Unlock()
	var one int
	err := tx.QueryRowContext(ctx, `SELECT 1 FROM lease WHERE name = $1 AND holder = $2 AND token = $3 FOR SHARE`, l.name, l.db.pg.process, token).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrLeaseLost
	}
	return Translate(err)
}

// Release lets somebody else have the lease at once.
func (l *Lease) Release(ctx context.Context) error {
	if l.db.pg == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = time.Time{}
	_, err := l.db.read.ExecContext(ctx, `UPDATE lease SET until_at = 0 WHERE name = $1 AND holder = $2 AND token = $3`, l.name, l.db.pg.process, l.token)
	return Translate(err)
}

// Alone runs fn while no other process runs what it calls by the same name, and reports whether it did: false means that another process, or another goroutine of this one, is at it. The lease is renewed meanwhile; when
// it is lost, the context of fn ends. On SQLite only other goroutines are kept out.
func (db *DB) Alone(ctx context.Context, name string, fn func(ctx context.Context, l *Lease) error) (ran bool, err error) {
	if _, busy := db.busy.LoadOrStore(name, true); busy {
		return false, nil
	}
	defer db.busy.Delete(name)
	l := db.Lease(name)
	if held, err := l.Take(ctx); err != nil || !held {
		return false, err
	}
	if db.pg == nil {
		return true, fn(ctx, l)
	}
	work, end := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { l.keep(work, end) })
	err = fn(work, l)
	if cause := context.Cause(work); err != nil && errors.Is(cause, ErrLeaseLost) {
		err = errors.Join(cause, err)
	}
	end(nil)
	renewing.Wait()
	return true, errors.Join(err, l.Release(context.WithoutCancel(ctx)))
}

// keep renews the lease until ctx ends, and ends it when the lease is lost.
func (l *Lease) keep(ctx context.Context, lost context.CancelCauseFunc) {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// An error is tried again as long as the term lasts.
		if held, err := l.Take(ctx); !held && ctx.Err() == nil && (err == nil || !l.Held()) {
			lost(ErrLeaseLost)
			return
		}
	}
}
