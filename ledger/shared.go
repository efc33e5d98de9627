package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

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
	published        uint64
	checkpoint       string
	settings         string // differs for any two settings that followed one another
	keys             string // differs for any two states of the keys that sign
	server           int64  // generation
}

// rowQueryer is a database or a transaction.
type rowQueryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (l *Ledger) readStand(ctx context.Context, q rowQueryer, t *tenant) (s stand, err error) {
	err = q.QueryRowContext(ctx, `SELECT epoch, base, size, sealed, recorded_at, root, published, checkpoint,
		COALESCE((SELECT string_agg(name || CAST(updated_at AS TEXT), ' ' ORDER BY name) FROM setting WHERE tenant_id = $1), ''),
		(SELECT CAST(COUNT(*) AS TEXT) || ' ' || CAST(COALESCE(MAX(k.created_at), 0) AS TEXT) FROM log_key k WHERE k.log_id = log.log_id) FROM log WHERE tenant_id = $1`, t.id).
		Scan(&s.epoch, &s.base, &s.size, &s.sealed, &s.recorded, &s.root, &s.published, &s.checkpoint, &s.settings, &s.keys)
	s.server = l.db.Generation() // after the answer
	return s, sqldb.Translate(err)
}

// behind reports whether memory lacks something of s.
func (t *tenant) behind(s stand) bool {
	h := t.committed.Load()
	return s.epoch != h.epoch || s.size != h.tree.Size() || s.sealed > t.hot.sealed() || s.published > t.published.Load().size
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
	s, err := l.readStand(ctx, l.db.Read(ctx), t)
	if err != nil || !t.behind(s) && !t.stale(s) {
		return err
	}
	return l.commit.submit(&submission{ctx: ctx, t: t, refresh: true})
}

// refreshAll takes up what other processes have done to any log that is open here.
func (l *Ledger) refreshAll(ctx context.Context) (err error) {
	if !l.db.Shared() {
		return nil
	}
	err = l.openNew(ctx)
	for _, t := range l.opened() {
		err = errors.Join(err, l.refresh(ctx, t))
	}
	return err
}

// openNew opens the tenants that other servers have made: one of all servers publishes and seals for all.
func (l *Ledger) openNew(ctx context.Context) error {
	if time.Since(l.listed) < lookAfterLease {
		return nil
	}
	ids, err := l.tenantIDs(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := l.tenant(ctx, id); err != nil {
			return err
		}
	}
	l.listed = time.Now()
	return nil
}

// takeUp answers those who only ask for what other processes have done.
func (c *committer) takeUp(questions []*submission) {
	for _, s := range questions {
		s.err = c.l.lookAround(s.ctx, s.t, s.prove)
		close(s.done)
	}
}

// lookAround takes up what other processes have done to a log. Only the committer calls it, or whoever comes after its end.
func (l *Ledger) lookAround(ctx context.Context, t *tenant, prove bool) error {
	if t.usable() != nil {
		return nil
	}
	// The mark is looked at before the database: the other way round, a server that appends and publishes in between would make an older copy of this one.
	how := later
	if prove || l.db.Generation() != t.proven.Load() {
		t.proven.Store(-1)
		if err := l.high.load(ctx, t.logID); err != nil {
			return err
		}
		how = marked
	}
	return l.db.Snapshot(ctx, func(tx *sql.Tx) error { return l.catchUp(ctx, tx, t, how) })
}

// current brings the memory of a log to what the database says, in a transaction that writes.
func (c *committer) current(ctx context.Context, tx *sql.Tx, t *tenant) error {
	if !c.l.db.Shared() || t.usable() != nil {
		return nil
	}
	return c.l.catchUp(ctx, tx, t, writing)
}

// proving says how catchUp may compare a log with its high-water mark.
type proving int

const (
	later   proving = iota // not now: the mark may be newer than what the transaction sees
	marked                 // with the mark as it was loaded before the transaction
	writing                // with the mark as it is: while this transaction has the lock of those who write, nobody appends what would be signed for
)

// catchUp brings the memory of a log to what tx sees. Only the committer calls it. A log whose history has been changed is frozen.
func (l *Ledger) catchUp(ctx context.Context, tx *sql.Tx, t *tenant, how proving) error {
	s, err := l.readStand(ctx, tx, t)
	if err != nil {
		return err
	}
	h := t.committed.Load()
	switch {
	case s.epoch != h.epoch:
		return l.freeze(t, h, errs.New(errs.Unavailable, "another server has opened epoch %d; this one must be restarted", s.epoch))
	case s.size < h.tree.Size():
		return l.freeze(t, h, errs.New(errs.Unavailable, "the database holds %d events, %d were there before: it is an older copy", s.size, h.tree.Size()))
	}
	if err := l.takeUpKeys(ctx, tx, t, s); err != nil { // before a checkpoint that a new one has signed
		return err
	}
	if t.behind(s) {
		if err := l.catchUpRows(ctx, tx, t, h, s); err != nil || t.usable() != nil {
			return err
		}
	}
	if err := l.prove(ctx, t, s, how); err != nil || t.usable() != nil {
		return err
	}
	if s.settings != stamp(&t.settingsAt) {
		if err := l.loadSettings(ctx, t); err != nil {
			return err
		}
		t.settingsAt.Store(&s.settings)
	}
	return nil
}

// takeUpKeys takes up the keys that sign for a log when another server has rotated them.
func (l *Ledger) takeUpKeys(ctx context.Context, tx *sql.Tx, t *tenant, s stand) error {
	if s.keys == stamp(&t.keysAt) {
		return nil
	}
	if err := l.loadKeys(ctx, tx, t); err != nil {
		return err
	}
	t.keysAt.Store(&s.keys)
	return nil
}

func stamp(at *atomic.Pointer[string]) string {
	if s := at.Load(); s != nil {
		return *s
	}
	return ""
}

// stale reports whether something else than the events of a log is not known here.
func (t *tenant) stale(s stand) bool {
	return s.server != t.proven.Load() || s.settings != stamp(&t.settingsAt) || s.keys != stamp(&t.keysAt)
}

// prove compares the log with the high-water mark when the database server may be another than the one that was compared: nothing is signed on a copy that lacks what was signed for, be it a promise.
func (l *Ledger) prove(ctx context.Context, t *tenant, s stand, how proving) error {
	if s.server == t.proven.Load() || how == later {
		return nil
	}
	if how == writing {
		if err := l.high.load(ctx, t.logID); err != nil {
			return err
		}
	}
	h := t.committed.Load()
	why, err := l.high.check(ctx, t, h, l.tiles(t, h.epoch))
	if err != nil {
		return err
	}
	if why != nil {
		return l.freeze(t, h, why)
	}
	t.proven.Store(s.server)
	return nil
}

// catchUpRows takes up persons, segments, events and the checkpoint that are new.
func (l *Ledger) catchUpRows(ctx context.Context, tx *sql.Tx, t *tenant, h *headState, s stand) error {
	var segments []Segment
	var err error
	if s.sealed > t.hot.sealed() {
		if segments, err = l.loadSegments(ctx, tx, t.logID, uint64(t.hot.sealed())); err != nil {
			return err
		}
	}
	if s.size == h.tree.Size() {
		t.hot.takeUp(segments, nil)
		return l.showPublished(ctx, t, h, s)
	}
	if err := t.people.CatchUp(ctx, tx); err != nil {
		return err
	}
	f, err := l.follow(ctx, tx, t, h, s)
	if err != nil {
		return err
	}
	if f == nil {
		if f, err = l.grown(ctx, tx, t, h, s); err != nil || f == nil {
			return err
		}
	}
	if len(f.prints) == 0 {
		err = loadPrints(ctx, tx, t)
	}
	if err != nil {
		return err
	}
	for i, b := range f.prints {
		t.dedupe.addBody(f.batches[i].First, b)
		t.dedupe.loaded = f.batches[i].First + f.batches[i].Count
	}
	t.hot.takeUp(segments, f.batches)
	t.committed.Store(f.head)
	l.appended(t)
	return l.showPublished(ctx, t, f.head, s)
}

// showPublished takes up the checkpoint that another server has published, if it is one of this log as it is known here.
func (l *Ledger) showPublished(ctx context.Context, t *tenant, h *headState, s stand) error {
	if s.published <= t.published.Load().size {
		return nil
	}
	c := t.stated(s.checkpoint)
	if c == nil || c.Size != s.published || c.Origin != t.origin(h.epoch) {
		return l.freeze(t, h, errs.New(errs.Unavailable, "the checkpoint of %d events in the database is not one that this log has signed", s.published))
	}
	extends, err := h.extends(ctx, l.tiles(t, h.epoch), c.Size, c.Root)
	if err != nil {
		return err
	}
	if !extends {
		return l.freeze(t, h, errs.New(errs.Unavailable, "the checkpoint of %d events in the database is not one of the events in it", s.published))
	}
	t.show(&publishedState{size: c.Size, root: c.Root, text: s.checkpoint, signedAt: sqldb.Now(), edge: h.edge})
	l.feed.notify(t.logID)
	return nil
}

// grownLog is what other processes have added to a log.
type grownLog struct {
	head    *headState
	batches []HotBatch
	// prints are the bodies of fingerprints of the batches; none when they have not been read.
	prints [][]byte
}

// follow reads what follows the events that are known, all from rows that belong together, and continues the tree with it. It returns nil when some of it has been sealed already. That the root is the stored one shows that the
// stored log extends the known one.
func (l *Ledger) follow(ctx context.Context, tx *sql.Tx, t *tenant, h *headState, s stand) (*grownLog, error) {
	rows, err := tx.QueryContext(ctx, `SELECT w.first_seq, w.count, w.recorded_at, w.body, e.body, d.body FROM hot_working w
		JOIN hot_evidence e ON e.log_id = w.log_id AND e.first_seq = w.first_seq JOIN dedupe d ON d.log_id = w.log_id AND d.first_seq = w.first_seq
		WHERE w.log_id = $1 AND w.first_seq >= $2 ORDER BY w.first_seq`, t.logID, h.base+h.tree.Size())
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	out := &grownLog{head: &headState{epoch: s.epoch, base: s.base, recordedAt: s.recorded, tree: h.tree.Clone()}}
	var hasher tlog.Hasher
	var hashes []tlog.Hash
	for rows.Next() {
		var b HotBatch
		var leaves, prints []byte
		if err := rows.Scan(&b.First, &b.Count, &b.Recorded, &b.Body, &leaves, &prints); err != nil {
			return nil, err
		}
		if b.First != h.base+h.tree.Size()+uint64(len(hashes)) {
			return nil, nil
		}
		for len(leaves) > 0 {
			var leaf []byte
			if leaf, leaves, err = tlog.CutEntry(leaves); err != nil {
				return nil, fmt.Errorf("the hot batch from seq %d on is damaged: %w", b.First, err)
			}
			if hasher.Leaf(leaf); hasher.Len() == tlog.LeavesAtOnce {
				hashes = hasher.Leaves(hashes)
			}
		}
		hashes = hasher.Leaves(hashes)
		out.batches, out.prints = append(out.batches, b), append(out.prints, prints)
	}
	if err := rows.Err(); err != nil {
		return nil, sqldb.Translate(err)
	}
	if h.tree.Size()+uint64(len(hashes)) != s.size {
		return nil, nil
	}
	out.head.tree.Append(hashes)
	if root := out.head.tree.Root(); string(root[:]) != string(s.root) {
		return nil, nil // the long way finds out why
	}
	out.head.edge = out.head.tree.Edge()
	return out, nil
}

// grown is follow for rows of which some have been sealed. It returns nil when the log had to be frozen.
func (l *Ledger) grown(ctx context.Context, tx *sql.Tx, t *tenant, h *headState, s stand) (*grownLog, error) {
	next := &headState{epoch: s.epoch, base: s.base, recordedAt: s.recorded}
	out := &grownLog{head: next}
	if err := loadHot(ctx, tx, t.logID, h.base+h.tree.Size(), func(b HotBatch) { out.batches = append(out.batches, b) }); err != nil {
		return nil, err
	}
	// The newest leaves may be in a segment that is not known yet.
	segments, err := l.loadSegments(ctx, tx, t.logID, uint64(t.hot.sealed()))
	if err != nil {
		return nil, err
	}
	t.hot.takeUp(segments, nil)
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
		return out, nil
	}
	extends, err := next.extends(ctx, l.tiles(t, s.epoch), h.tree.Size(), h.tree.Root())
	if err != nil {
		return nil, err
	}
	if !extends {
		return nil, l.freeze(t, h, errors.New("the stored log does not extend what was read of it before"))
	}
	return out, nil
}
