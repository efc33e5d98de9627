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
	Row        *segment.Row
	Disclosure *evidence.Disclosure // nil when Err is set
	// TagKeys are K_tag of the actor, the subject and the resource, nil for whoever the row does not name or who was erased.
	TagKeys [3]*evidence.Hash
	// Err says why the values could not be opened.
	Err error
}

// Audit reads the working copies of a log for a verifier. It remembers persons from one call to the next, in bounded memory, and is safe for concurrent use.
type Audit struct {
	l      *Ledger
	t      *tenant
	people cells
}

// Audit begins a reading of a tenant's working copies.
func (l *Ledger) Audit(ctx context.Context, tenantID string) (*Audit, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return &Audit{l: l, t: t}, nil
}

// WorkingCopies yields the working copies of [from, to) in order of seq. The value and all it holds are valid during the call only.
func (a *Audit) WorkingCopies(ctx context.Context, from, to uint64, yield func(*WorkingCopy) error) error {
	c := &copies{o: a.l.newOpening(a.t, nil, nil), d: newDiscloser(a.l, a.t), yield: yield, c: &chunk{}}
	c.d.people = &a.people
	rows := &c.c.rows
	err := a.l.opt.Engine.Rows(ctx, a.t.snapshot(a.l.path, to), query.Filter{SeqFrom: from, SeqTo: to}, query.Page{Columns: segment.AllColumns}, func(row *segment.Row) error {
		*rows = append(*rows, segment.Row{})
		c.c.arena = row.CopyTo(&(*rows)[len(*rows)-1], c.c.arena)
		if len(*rows) < largeChunk && len(c.c.arena) < chunkBytes {
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

// copies collects rows, so that the persons of many are read at once, and opens them one after the other in the same memory.
type copies struct {
	o     *opening
	d     *discloser
	c     *chunk
	yield func(*WorkingCopy) error

	record event.Record
	fields []event.Field
	tags   [3]evidence.Hash
}

func (c *copies) flush(ctx context.Context) error {
	_, plain, err := c.o.lookUp(ctx, &c.d.decoder, c.c)
	if err != nil {
		return err
	}
	if cap(c.c.plain) < plain {
		c.c.plain = make([]byte, 0, plain)
	}
	c.d.plain = c.c.plain
	ahead := c.c.found
	for i := range c.c.rows {
		w := WorkingCopy{Row: &c.c.rows[i]}
		c.d.use(w.Row)
		n := len(c.d.shape.groups)
		w.Err = c.open(ctx, &w, ahead[:n])
		ahead = ahead[n:]
		if err := c.yield(&w); err != nil {
			return err
		}
	}
	c.c.rows, c.c.arena = c.c.rows[:0], c.c.arena[:0]
	return nil
}

func (c *copies) open(ctx context.Context, w *WorkingCopy, ahead []found) error {
	if n := c.d.shape.fields; cap(c.fields) < n {
		c.fields = make([]event.Field, n)
	}
	out := c.fields[:c.d.shape.fields]
	clear(out)
	if err := c.d.into(ctx, w.Row, ahead, &c.record, out); err != nil {
		return err
	}
	var err error
	if w.Disclosure, err = c.d.whole(ctx, w.Row, &c.record); err == nil {
		err = c.tagKeys(ctx, w)
	}
	return err
}

// tagKeys fills in K_tag of whoever the row names.
func (c *copies) tagKeys(ctx context.Context, w *WorkingCopy) error {
	row, period := w.Row, c.d.months.of(w.Row.RecordedAt)
	for role, h := range [...]int64{row.Actor, row.Subject, row.Resource} {
		if h == 0 {
			continue
		}
		k, err := c.d.keys(ctx, period, [3]int64{h})
		if errs.CodeOf(err) == errs.NotFound {
			continue // erased
		}
		if err != nil {
			return err
		}
		c.tags[role] = k.Tag()
		w.TagKeys[role] = &c.tags[role]
	}
	if row.Resource != 0 {
		return nil
	}
	f, ok := c.record.Field("/resource/id")
	if !ok || f.Value == nil {
		return nil
	}
	id := event.Text(f.Value)
	if id == "" {
		return nil
	}
	if _, err := c.d.keys(ctx, period, [3]int64{}); err != nil { // the month's secret
		return err
	}
	c.tags[evidence.RoleResource] = c.d.derive.ResourceTagKey(c.d.resources, row.ResourceType, id)
	w.TagKeys[evidence.RoleResource] = &c.tags[evidence.RoleResource]
	return nil
}
