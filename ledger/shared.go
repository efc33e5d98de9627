package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
)

// Several processes may work on one PostgreSQL database. Each keeps the head, the hot batches, the segments, the dedupe window and the index of persons in memory, and brings them up to what the database says
// before it appends, under the lock that all writers take, and before it answers a search. What a commit whose outcome is unknown has left is taken up in the same way.

// openLog reads a log that other processes may be writing to.
func (l *Ledger) openLog(ctx context.Context, t *tenant) error {
	if !l.db.Shared() {
		return l.loadLog(ctx, l.db.Read(ctx), t)
	}
	return l.db.Snapshot(ctx, func(tx *sql.Tx) error { return l.loadLog(ctx, tx, t) })
}

// stand is what the database says of a log.
type stand struct {
	epoch            int64
	base, size       uint64
	sealed, recorded int64
	root             []byte
}

// rowQueryer is a database or a transaction.
type rowQueryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (t *tenant) readStand(ctx context.Context, q rowQueryer) (s stand, err error) {
	err = q.QueryRowContext(ctx, `SELECT epoch, base, size, sealed, recorded_at, root FROM log WHERE log_id = $1`, t.logID).
		Scan(&s.epoch, &s.base, &s.size, &s.sealed, &s.recorded, &s.root)
	return s, sqldb.Translate(err)
}

// behind reports whether memory lacks something of s.
func (t *tenant) behind(s stand) bool {
	h := t.committed.Load()
	return s.epoch != h.epoch || s.size != h.tree.Size() || s.sealed > t.hot.sealed()
}

// fresh returns an opened tenant in the state that the database is in, whichever process has brought it there.
func (l *Ledger) fresh(ctx context.Context, id string) (*tenant, error) {
	t, err := l.tenant(ctx, id)
	if err != nil || !l.db.Shared() {
		return t, err
	}
	return t, l.refresh(ctx, t)
}

// refresh takes up what other processes have done.
func (l *Ledger) refresh(ctx context.Context, t *tenant) error {
	if t.usable() != nil {
		return nil // what a frozen log shows is what it was frozen with
	}
	s, err := t.readStand(ctx, l.db.Read(ctx))
	if err != nil || !t.behind(s) {
		return err
	}
	return l.commit.submit(&submission{ctx: ctx, t: t, refresh: true})
}

// refreshAll takes up what other processes have done to any log that is open here.
func (l *Ledger) refreshAll(ctx context.Context) (err error) {
	if !l.db.Shared() {
		return nil
	}
	for _, t := range l.opened() {
		err = errors.Join(err, l.refresh(ctx, t))
	}
	return err
}

// takeUp answers the submissions that only ask for what other processes have done, and returns the others.
func (c *committer) takeUp(group []*submission) []*submission {
	rest := group[:0]
	for _, s := range group {
		if !s.refresh {
			rest = append(rest, s)
			continue
		}
		s.err = c.l.db.Snapshot(s.ctx, func(tx *sql.Tx) error { return c.l.catchUp(s.ctx, tx, s.t) })
		close(s.done)
	}
	return rest
}

// current brings the memory of a log to what the database says, in a transaction that writes.
func (c *committer) current(ctx context.Context, tx *sql.Tx, t *tenant) error {
	if !c.l.db.Shared() || t.usable() != nil {
		return nil
	}
	return c.l.catchUp(ctx, tx, t)
}

// catchUp brings the memory of a log to what tx sees. Only the committer calls it. A log whose history has been changed is frozen.
func (l *Ledger) catchUp(ctx context.Context, tx *sql.Tx, t *tenant) error {
	s, err := t.readStand(ctx, tx)
	if err != nil {
		return err
	}
	if err := t.people.CatchUp(ctx, tx); err != nil {
		return err
	}
	if !t.behind(s) {
		return nil
	}
	h := t.committed.Load()
	switch {
	case s.epoch != h.epoch:
		return l.freeze(t, h, errs.New(errs.Unavailable, "another server has opened epoch %d; this one must be restarted", s.epoch))
	case s.size < h.tree.Size():
		return l.freeze(t, h, errs.New(errs.Unavailable, "the database holds %d events, %d were there before: it is an older copy", s.size, h.tree.Size()))
	}
	if err := l.catchUpRows(ctx, tx, t, h); err != nil {
		return err
	}
	next, err := l.grown(ctx, tx, t, h, s)
	if err != nil {
		return err
	}
	if next == nil {
		return nil
	}
	t.committed.Store(next)
	if err := l.loadKeys(ctx, tx, t); err != nil {
		return err
	}
	if err := l.loadSettings(ctx, t); err != nil {
		return err
	}
	l.appended(t)
	return nil
}

// catchUpRows takes up segments, hot batches and fingerprints beyond head.
func (l *Ledger) catchUpRows(ctx context.Context, tx *sql.Tx, t *tenant, h *headState) error {
	segments, err := l.loadSegments(ctx, tx, t.logID)
	if err != nil {
		return err
	}
	end := h.base + h.tree.Size()
	var batches []HotBatch
	if err := loadHot(ctx, tx, t.logID, end, func(b HotBatch) { batches = append(batches, b) }); err != nil {
		return err
	}
	if err := loadPrints(ctx, tx, t); err != nil {
		return err
	}
	t.hot.takeUp(segments, batches)
	return nil
}

// grown is the head that s describes, nil when that is the present one, or when the log had to be frozen.
func (l *Ledger) grown(ctx context.Context, tx *sql.Tx, t *tenant, h *headState, s stand) (*headState, error) {
	if s.size == h.tree.Size() {
		return nil, nil
	}
	next := &headState{epoch: s.epoch, base: s.base, recordedAt: s.recorded}
	pending, err := l.pendingHashes(ctx, tx, t, next, s.size)
	if err != nil {
		return nil, err
	}
	if next.tree, err = tlog.Restore(ctx, s.size, l.tiles(t, s.epoch), pending); err != nil {
		return nil, err
	}
	next.edge = next.tree.Edge()
	root := next.tree.Root()
	if string(root[:]) != string(s.root) {
		return nil, l.freeze(t, h, errors.New("the stored head does not match the stored tiles and events"))
	}
	if h.tree.Size() == 0 {
		return next, nil
	}
	proof, err := tlog.Consistency(ctx, next.edge.Reader(l.tiles(t, s.epoch)), h.tree.Size(), s.size)
	if err == nil {
		err = tlog.VerifyConsistency(h.tree.Size(), s.size, h.tree.Root(), root, proof)
	}
	if err != nil {
		return nil, l.freeze(t, h, fmt.Errorf("the stored log does not extend what was read of it before: %w", err))
	}
	return next, nil
}
