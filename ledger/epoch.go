package ledger

import (
	"context"
	"strings"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/query"
)

// epoch is one tree of a log as readers see it: the present one, or one that a lossy restore has ended.
type epoch struct {
	number     int64
	base, size uint64
	recordedAt int64
	published  *publishedState
	closed     bool
}

// present is the epoch that takes events.
func (t *tenant) present() epoch {
	h := t.committed.Load()
	return epoch{number: h.epoch, base: h.base, size: h.tree.Size(), recordedAt: h.recordedAt, published: t.published.Load()}
}

// epochOf is the epoch that holds the event at seq. Between two epochs lie numbers that no event has.
func (t *tenant) epochOf(seq uint64) (epoch, error) {
	if e := t.present(); seq >= e.base && seq-e.base < e.size {
		return e, nil
	}
	for _, e := range t.closed {
		if seq >= e.base && seq-e.base < e.size {
			return e, nil
		}
	}
	return epoch{}, errs.New(errs.NotFound, "there is no event with this seq")
}

// epochNo is the epoch with a number; Newest is the present one.
func (t *tenant) epochNo(number int64) (epoch, error) {
	e := t.present()
	if number == Newest || number == e.number {
		return e, nil
	}
	for _, c := range t.closed {
		if c.number == number {
			return c, nil
		}
	}
	return epoch{}, errs.New(errs.NotFound, "the log has no epoch %d", number)
}

// epochFor is the epoch that a bundle of a query is of. A query whose bounds on seq or recorded_at leave only an epoch that has ended means that one.
func (t *tenant) epochFor(f query.Filter, number *int64) (epoch, error) {
	if number != nil {
		return t.epochNo(*number)
	}
	for _, e := range t.closed {
		if f.SeqTo != 0 && f.SeqTo <= e.base+e.size || f.RecordedTo != 0 && f.RecordedTo <= e.recordedAt {
			return e, nil
		}
	}
	return t.present(), nil
}

// skipped is how many numbers before base no event has.
func (t *tenant) skipped(base uint64) uint64 {
	for _, e := range t.closed {
		base -= e.size
	}
	return base
}

// Newest stands for the present epoch of a log.
const Newest int64 = -1

// vkeysOf lists every key of the log, those of an epoch first.
func (t *tenant) vkeysOf(number int64) []string {
	own := t.origin(number) + "+"
	var first, rest []string
	for _, k := range t.logKeys.Load().vkeys {
		if strings.HasPrefix(k, own) {
			first = append(first, k)
		} else {
			rest = append(rest, k)
		}
	}
	return append(first, rest...)
}

// loadEpochs reads the epochs that have ended.
func (l *Ledger) loadEpochs(ctx context.Context, t *tenant) error {
	rows, err := l.db.Read(ctx).QueryContext(ctx, `SELECT epoch, base, size, recorded_at, published, checkpoint FROM log_epoch WHERE log_id = $1 ORDER BY epoch`, t.logID)
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	t.closed = nil
	for rows.Next() {
		e := epoch{closed: true}
		var published uint64
		var checkpoint string
		if err := rows.Scan(&e.number, &e.base, &e.size, &e.recordedAt, &published, &checkpoint); err != nil {
			return err
		}
		e.published = &publishedState{size: published, text: checkpoint, edge: tlog.NewTree().Edge()}
		if c := t.stated(checkpoint); c != nil {
			e.published.root = c.Root
		}
		t.closed = append(t.closed, e)
	}
	if err := rows.Err(); err != nil {
		return sqldb.Translate(err)
	}
	for i := range t.closed {
		e := &t.closed[i]
		if err := l.loadEdge(ctx, t, e); err != nil {
			l.log.Error("an ended epoch of the log cannot be proven", "log_id", t.logID, "epoch", e.number, "error", err)
		}
	}
	return nil
}

// loadEdge restores the right edge of an ended epoch's signed tree.
func (l *Ledger) loadEdge(ctx context.Context, t *tenant, e *epoch) error {
	size := e.published.size
	pending, err := l.pendingHashes(ctx, l.db.Read(ctx), t, &headState{epoch: e.number, base: e.base}, size)
	if err != nil {
		return err
	}
	tree, err := tlog.Restore(ctx, size, l.tiles(t, e.number), pending)
	if err != nil {
		return err
	}
	if tree.Root() != e.published.root {
		return errs.New(errs.Internal, "the stored tiles and events do not give the root of its last checkpoint")
	}
	e.published.edge = tree.Edge()
	return nil
}

// stated opens a checkpoint that this log signed; nil when there is none or it is not one of this log's.
func (t *tenant) stated(checkpoint string) *tlog.Checkpoint {
	keys, err := tlog.ParseKeys(strings.Join(t.logKeys.Load().vkeys, "\n"))
	if err != nil {
		return nil
	}
	c, err := tlog.Open([]byte(checkpoint), keys)
	if err != nil {
		return nil
	}
	return c
}
