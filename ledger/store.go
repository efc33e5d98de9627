package ledger

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
)

// Segment is a sealed range of a log: an evidence file of its own and a working file that it may share with its neighbours. Paths are relative to the ledger's folder.
type Segment struct {
	First, Count               uint64
	EvidencePath, WorkingPath  string
	EvidenceSHA, WorkingSHA    []byte
	EvidenceBytes, WorkingSize int64
	// WorkingFirst and WorkingCount are what the working file holds; more than the segment after compaction.
	WorkingFirst, WorkingCount uint64
	Root                       tlog.Hash
	MinRecorded, MaxRecorded   int64 // microseconds since 1970 UTC
	MinOccurred, MaxOccurred   int64
}

// loadLog reads a log's head, keys, hot rows and segments, rebuilds its tree, and checks it against itself and the high-water mark.
func (l *Ledger) loadLog(ctx context.Context, db database, t *tenant) error {
	h := &headState{}
	var size, published uint64
	var root []byte
	var checkpoint string
	err := db.QueryRowContext(ctx, `SELECT log_id, instance, epoch, base, size, root, recorded_at, published, checkpoint FROM log WHERE tenant_id = $1`, t.id).
		Scan(&t.logID, &t.instance, &h.epoch, &h.base, &size, &root, &h.recordedAt, &published, &checkpoint)
	if err != nil {
		return sqldb.Translate(err)
	}
	t.stored = size
	// What was published is known whatever is wrong with the rest, so that a verifier of a frozen log has something to hold it against.
	t.published.Store(&publishedState{size: published, text: checkpoint, edge: tlog.NewTree().Edge()})
	if err := l.loadKeys(ctx, db, t); err != nil {
		return err
	}
	segments, err := l.loadSegments(ctx, db, t.logID, 0)
	if err != nil {
		return err
	}
	t.hot.setSegments(segments)
	if err := loadHot(ctx, db, t.logID, 0, func(b HotBatch) { t.hot.add(b) }); err != nil {
		return err
	}
	if err := l.loadEpochs(ctx, t); err != nil {
		return err
	}
	if err := l.loadDedupe(ctx, db, t, h.base+size, dedupeEvents+t.skipped(h.base)); err != nil {
		return err
	}
	pending, err := l.pendingHashes(ctx, db, t, h, size)
	if errs.CodeOf(err) == errs.Unavailable { // the storage does not answer, which says nothing about the log
		return err
	}
	if err != nil {
		return l.freeze(t, h, err)
	}
	h.tree, err = tlog.Restore(ctx, size, l.tiles(t, h.epoch), pending)
	if err != nil && transient(err) {
		return err
	}
	if err != nil {
		return l.freeze(t, h, err)
	}
	h.edge = h.tree.Edge()
	t.committed.Store(h)
	if got := h.tree.Root(); string(got[:]) != string(root) {
		return l.freeze(t, h, errors.New("the stored head does not match the stored tiles and events"))
	}
	p := &publishedState{size: published, text: checkpoint, edge: h.edge}
	if c := t.stated(checkpoint); c != nil {
		p.root = c.Root
	}
	if m, ok := l.high.mark(t.logID); ok && m.Checkpoint == checkpoint {
		p.signedAt = m.SignedAt
	}
	t.published.Store(p)
	t.sound = true
	t.held.Store(h.epoch > 0 && size == 0) // until the event that opens the epoch is there
	t.proven.Store(l.db.Generation())
	why, err := l.high.check(ctx, t, h, l.tiles(t, h.epoch))
	if err != nil || why == nil {
		return err
	}
	return l.freeze(t, h, why)
}

// freeze stops appends to and signatures for a log whose state is wrong, and lets everything else go on.
func (l *Ledger) freeze(t *tenant, h *headState, why error) error {
	text := errs.Message(why)
	if errs.CodeOf(why) == errs.Internal {
		text = why.Error()
	}
	t.frozen.Store(&text)
	if h.tree == nil {
		h.tree = tlog.NewTree()
		h.edge = h.tree.Edge()
	}
	if t.committed.Load() == nil {
		t.committed.Store(h)
	}
	l.log.Error("log frozen", "log_id", t.logID, "error", text)
	return nil
}

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// database is a database or a transaction, asked for one row or many.
type database interface {
	queryer
	rowQueryer
}

// loadSegments reads the segments that begin at seq from or later.
func (l *Ledger) loadSegments(ctx context.Context, q queryer, logID string, from uint64) ([]Segment, error) {
	rows, err := q.QueryContext(ctx, `SELECT first_seq, count, evidence_path, evidence_sha256, evidence_bytes, working_path, working_first, working_count, working_sha256,
		working_bytes, root, min_recorded, max_recorded, min_occurred, max_occurred FROM segment WHERE log_id = $1 AND first_seq >= $2 ORDER BY first_seq`, logID, from)
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	defer rows.Close()
	var out []Segment
	for rows.Next() {
		var s Segment
		var root []byte
		if err := rows.Scan(&s.First, &s.Count, &s.EvidencePath, &s.EvidenceSHA, &s.EvidenceBytes, &s.WorkingPath, &s.WorkingFirst, &s.WorkingCount, &s.WorkingSHA,
			&s.WorkingSize, &root, &s.MinRecorded, &s.MaxRecorded, &s.MinOccurred, &s.MaxOccurred); err != nil {
			return nil, err
		}
		copy(s.Root[:], root)
		out = append(out, s)
	}
	return out, sqldb.Translate(rows.Err())
}

// loadHot yields the hot batches from seq on.
func loadHot(ctx context.Context, q queryer, logID string, from uint64, yield func(HotBatch)) error {
	rows, err := q.QueryContext(ctx, `SELECT first_seq, count, recorded_at, body FROM hot_working WHERE log_id = $1 AND first_seq >= $2 ORDER BY first_seq`, logID, from)
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var b HotBatch
		if err := rows.Scan(&b.First, &b.Count, &b.Recorded, &b.Body); err != nil {
			return err
		}
		yield(b)
	}
	return sqldb.Translate(rows.Err())
}

// loadDedupe loads the fingerprints of the window numbers before next.
func (l *Ledger) loadDedupe(ctx context.Context, q queryer, t *tenant, next, window uint64) error {
	from := uint64(0)
	if next > window {
		from = next - window
	}
	t.dedupe.loaded = from
	err := loadPrints(ctx, q, t)
	t.dedupe.loaded = next
	return err
}

// loadPrints adds the fingerprints to the window that it does not have yet.
func loadPrints(ctx context.Context, q queryer, t *tenant) error {
	rows, err := q.QueryContext(ctx, `SELECT first_seq, body FROM dedupe WHERE log_id = $1 AND first_seq >= $2 ORDER BY first_seq`, t.logID, t.dedupe.loaded)
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var first uint64
		var body []byte
		if err := rows.Scan(&first, &body); err != nil {
			return err
		}
		t.dedupe.addBody(first, body)
		t.dedupe.loaded = first + uint64(len(body)/dedupeBytes)
	}
	return sqldb.Translate(rows.Err())
}

// pendingHashes hashes the leaves of the right-edge tile.
func (l *Ledger) pendingHashes(ctx context.Context, q queryer, t *tenant, h *headState, size uint64) ([]tlog.Hash, error) {
	from := h.base + size - size%tlog.TileWidth
	var out []tlog.Hash
	err := l.leavesOf(ctx, q, t, from, h.base+size, func(_ uint64, leaf []byte) error {
		out = append(out, tlog.LeafHash(leaf))
		return nil
	}, func() error { return nil })
	if err == nil && uint64(len(out)) != size%tlog.TileWidth {
		err = fmt.Errorf("the log's newest events are missing: the head says %d, %d of the last tile are there", size, len(out))
	}
	return out, err
}

// hotLeaves yields the hot leaves of [from, to) in order.
func hotLeaves(ctx context.Context, q queryer, logID string, from, to uint64, yield func(seq uint64, leaf []byte) error) error {
	if from >= to {
		return nil
	}
	rows, err := q.QueryContext(ctx, `SELECT first_seq, body FROM hot_evidence WHERE log_id = $1 AND first_seq < $2 AND first_seq + count > $3 ORDER BY first_seq`, logID, to, from)
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var seq uint64
		var body []byte
		if err := rows.Scan(&seq, &body); err != nil {
			return err
		}
		for ; len(body) >= 2; seq++ {
			n := int(binary.BigEndian.Uint16(body))
			if len(body) < 2+n {
				return fmt.Errorf("the hot batch that holds seq %d is damaged", seq)
			}
			if seq >= from && seq < to {
				if err := yield(seq, body[2:2+n:2+n]); err != nil {
					return err
				}
			}
			body = body[2+n:]
		}
	}
	return sqldb.Translate(rows.Err())
}

// tiles reads a log's full tiles.
func (l *Ledger) tiles(t *tenant, epoch int64) tlog.TileReader {
	return tlog.TileReaderFunc(func(ctx context.Context, level uint8, index uint64, width int) ([]byte, error) {
		var b []byte
		err := l.db.Read(ctx).QueryRowContext(ctx, `SELECT body FROM tile WHERE log_id = $1 AND epoch = $2 AND level = $3 AND idx = $4`, t.logID, epoch, level, index).Scan(&b)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, errs.New(errs.NotFound, "tile %d/%d is not stored", level, index)
		}
		if err != nil {
			return nil, sqldb.Translate(err)
		}
		if len(b) != tlog.TileBytes {
			return nil, errs.New(errs.Internal, "tile %d/%d has the wrong size", level, index)
		}
		return b[:width*tlog.HashSize], nil
	})
}
