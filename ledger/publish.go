package ledger

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
)

// Of several servers, one publishes: the one with this lease.
const publishLease = "publish"

// lookAfterLease is how often it is tried to get the lease, and how often it is renewed.
const lookAfterLease = time.Second

// leadership is what this server knows of the lease for publishing.
type leadership struct {
	lease  *sqldb.Lease
	mu     sync.Mutex
	looked time.Time
	held   bool
	last   bool         // the committer has ended
	term   atomic.Int64 // grows each time the lease is obtained: whoever had it before may have raised marks
}

// lead takes or renews the lease and reports whether this server publishes.
func (l *Ledger) lead(ctx context.Context) (bool, error) {
	if !l.db.Shared() {
		return true, nil
	}
	p := &l.leads
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.looked) < lookAfterLease && p.held == p.lease.Held() {
		return p.held, nil
	}
	before := p.lease.Held()
	held, err := p.lease.Take(ctx)
	if err != nil {
		return false, err
	}
	if held && !before {
		p.term.Add(1)
	}
	p.looked, p.held = time.Now(), held
	return held, nil
}

// close says that the committer has ended.
func (p *leadership) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = true
}

func (p *leadership) closing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// resign lets another server publish at once.
func (l *Ledger) resign(ctx context.Context) error {
	l.leads.mu.Lock()
	defer l.leads.mu.Unlock()
	l.leads.held, l.leads.looked = false, time.Time{}
	return l.leads.lease.Release(ctx)
}

func (l *Ledger) publishLoop(ctx context.Context) {
	tick := time.NewTicker(l.opt.CheckpointInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err := l.refreshAll(ctx)
			if err == nil {
				err = l.publishAll(ctx)
			}
			if err != nil && ctx.Err() == nil {
				l.metrics.publishFailed()
				l.log.Error("checkpoint not published", "error", err)
			}
		}
	}
}

func (l *Ledger) publishAll(ctx context.Context) error {
	if _, err := l.lead(ctx); err != nil { // also when there is nothing to publish, so that somebody always looks after it
		return err
	}
	var err error
	for _, t := range l.opened() {
		if t.frozen.Load() == nil && !t.held.Load() {
			err = errors.Join(err, l.publish(ctx, t))
		}
	}
	return err
}

// publish signs a checkpoint of what is durable, if that has grown. The order is fixed: prove that the head extends what was signed before, write the
// high-water mark, then the database. A crash between the two leaves a signed size that the database does reach, never one that it does not. Two servers that both believe to have the lease cannot
// both raise the mark, and only one can write to the database.
func (l *Ledger) publish(ctx context.Context, t *tenant) (err error) {
	t.publishing.Lock()
	defer t.publishing.Unlock()
	h := t.committed.Load()
	size := h.tree.Size()
	if old := t.published.Load(); size == old.size && (size == 0 || old.text != "") {
		return l.republish(ctx, t, h, old)
	}
	if leads, err := l.lead(ctx); err != nil || !leads {
		return err
	}
	if term := l.leads.term.Load(); t.marked != term {
		prove := func() error { return l.commit.submit(&submission{ctx: ctx, t: t, refresh: true, prove: true}) }
		if l.leads.closing() { // after the committer's end
			prove = func() error { return l.lookAround(ctx, t, true) }
		}
		if err := prove(); err != nil || t.usable() != nil {
			return err
		}
		t.marked = term
		h = t.committed.Load()
		size = h.tree.Size()
	}
	ctx, end := l.span(ctx, spanCheckpoint, attribute.String("probity.log_id", t.logID), attribute.Int64("probity.size", int64(size)))
	defer func() { end(err) }()
	if why, err := l.high.check(ctx, t, h, l.tiles(t, h.epoch)); err != nil {
		return err
	} else if why != nil {
		return l.freeze(t, h, why)
	}
	root := h.edge.Root()
	text, err := tlog.Sign(t.origin(h.epoch), size, root, t.signersOf(t.origin(h.epoch))...)
	if err != nil {
		return err
	}
	now := sqldb.Now()
	if err := l.high.raise(ctx, t.logID, highMark{Epoch: h.epoch, Base: h.base, Size: size, Root: hex.EncodeToString(root[:]), Checkpoint: string(text), SignedAt: now}); err != nil {
		t.marked = -1 // it is looked what is there before the next try
		return err
	}
	err = l.db.Write(ctx, func(tx *sql.Tx) error {
		if err := l.leads.fence(ctx, tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE log SET published = $1, checkpoint = $2 WHERE log_id = $3 AND epoch = $4 AND published <= $1`, size, string(text), t.logID, h.epoch)
		return sqldb.Translate(err)
	})
	if err != nil {
		return err
	}
	t.show(&publishedState{size: size, root: root, text: string(text), signedAt: now, edge: h.edge})
	l.feed.notify(t.logID)
	return nil
}

func (p *leadership) fence(ctx context.Context, tx *sql.Tx) error { return p.lease.Fence(ctx, tx) }

// show makes a checkpoint visible, unless a newer one is.
func (t *tenant) show(p *publishedState) {
	for {
		old := t.published.Load()
		if old.size > p.size || old.size == p.size && old.text != "" && old.signedAt != 0 {
			return
		}
		if t.published.CompareAndSwap(old, p) {
			return
		}
	}
}

// republish completes the in-memory state after a start: the stored checkpoint's root and edge.
func (l *Ledger) republish(ctx context.Context, t *tenant, h *headState, old *publishedState) error {
	if size := h.tree.Size(); size == 0 && old.text == "" {
		root := h.edge.Root()
		text, err := tlog.Sign(t.origin(h.epoch), 0, root, t.signersOf(t.origin(h.epoch))...)
		if err != nil {
			return err
		}
		t.published.Store(&publishedState{root: root, text: string(text), signedAt: sqldb.Now(), edge: h.edge})
		return nil
	}
	if old.signedAt == 0 && old.size > 0 {
		t.published.Store(&publishedState{size: old.size, root: h.edge.Root(), text: old.text, signedAt: sqldb.Now(), edge: h.edge})
	}
	return ctx.Err()
}

// waitPublished waits until a checkpoint covers size.
func (l *Ledger) waitPublished(ctx context.Context, t *tenant, size uint64) (*publishedState, error) {
	for {
		changed := l.feed.wait(t.logID)
		if p := t.published.Load(); p.size >= size {
			return p, nil
		}
		if err := t.usable(); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, errs.Wrap(errs.Unavailable, ctx.Err(), "no checkpoint covers the event yet")
		case <-changed:
		case <-time.After(2 * l.opt.CheckpointInterval):
		}
	}
}
