package ledger

import (
	"context"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// The functions of this file give a verifier what is stored, right or wrong. They answer for frozen logs too.

// Leaves yields the stored leaves of [from, to) of a tenant's log in order of seq. A leaf is valid during the call only.
func (l *Ledger) Leaves(ctx context.Context, tenantID string, from, to uint64, yield func(seq uint64, leaf []byte) error) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	return l.leaves(ctx, t, from, to, yield)
}

// StoredTile returns a full tile of the present epoch as it is stored.
func (l *Ledger) StoredTile(ctx context.Context, tenantID string, level uint8, index uint64, width int) ([]byte, error) {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return l.tiles(t, t.committed.Load().epoch).ReadTile(ctx, level, index, width)
}

// WorkingCopy is an event's working copy as it is stored, opened with the ledger's keys.
type WorkingCopy struct {
	Row        segment.Row
	Disclosure *evidence.Disclosure
	// Resource and Subject are the ids that search columns repeat; see Record.
	Record  *event.Record
	TagKeys [3]*evidence.Hash
	// Err says why the values could not be opened.
	Err error
}

// WorkingCopies yields the working copies of [from, to) in order of seq. The value is valid during the call only.
func (l *Ledger) WorkingCopies(ctx context.Context, tenantID string, from, to uint64, yield func(*WorkingCopy) error) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	c := &copies{l: l, t: t, d: newDiscloser(l, t), yield: yield}
	err = l.opt.Engine.Rows(ctx, t.snapshot(l.path, to), query.Filter{SeqFrom: from, SeqTo: to}, query.Page{Columns: segment.AllColumns}, func(row *segment.Row) error {
		c.rows = append(c.rows, segment.Row{})
		c.arena = row.CopyTo(&c.rows[len(c.rows)-1], c.arena)
		if len(c.rows) < largeChunk {
			return nil
		}
		return c.flush(ctx)
	})
	// What could be read before an error is yielded first, so that the error is known to be about what follows.
	if flushed := c.flush(ctx); flushed != nil {
		return flushed
	}
	return err
}

// copies collects rows, so that the persons of many are read at once.
type copies struct {
	l     *Ledger
	t     *tenant
	d     *discloser
	rows  []segment.Row
	arena []byte
	yield func(*WorkingCopy) error
}

func (c *copies) flush(ctx context.Context) error {
	if err := c.l.warm(ctx, c.t, c.rows); err != nil {
		return err
	}
	var w WorkingCopy
	for i := range c.rows {
		row := &c.rows[i]
		w = WorkingCopy{Row: *row}
		w.Record, w.Err = c.d.record(ctx, row)
		if w.Err == nil {
			w.Disclosure, w.Err = c.d.whole(ctx, row, w.Record)
		}
		if w.Err == nil {
			w.Err = c.l.tagKeys(ctx, c.t, row, &w)
		}
		if err := c.yield(&w); err != nil {
			return err
		}
	}
	c.rows, c.arena = c.rows[:0], c.arena[:0]
	return nil
}

// tagKeys fills in K_tag of whoever the row names.
func (l *Ledger) tagKeys(ctx context.Context, t *tenant, row *segment.Row, w *WorkingCopy) error {
	period := periodID{period: evidence.Period(row.RecordedAt)}
	for role, h := range [...]int64{row.Actor, row.Subject, row.Resource} {
		if h == 0 {
			continue
		}
		k, err := t.personTag(ctx, l.db, period, h)
		if errs.CodeOf(err) == errs.NotFound {
			continue // erased
		}
		if err != nil {
			return err
		}
		w.TagKeys[role] = &k
	}
	if id := w.Record.Text("/resource/id"); row.Resource == 0 && id != "" {
		s, err := t.period(ctx, l.db, period)
		if err != nil {
			return err
		}
		var derive evidence.Deriver
		k := derive.ResourceTagKey(evidence.ResourceTags(s), row.ResourceType, id)
		w.TagKeys[evidence.RoleResource] = &k
	}
	return nil
}
