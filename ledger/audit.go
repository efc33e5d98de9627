package ledger

import (
	"context"

	"probity.dev/internal/evidence"
	"probity.dev/ledger/person"
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
	Row *segment.Row
	// Groups are the groups of the event; none when Err is set.
	Groups []evidence.KeyedGroup
	// TagKeys are K_tag of the actor, the subject and the resource, nil for whoever the row does not name or who was erased.
	TagKeys [3]*evidence.Hash
	// ResourceTags is the secret from which K_tag follows of a resource that has an id and stands for nobody, else nil; see [evidence.ResourceTags].
	ResourceTags *evidence.Hash
	ResourceID   string
	// Columns are the columns of the row that hold a value beside the field at their path, or that no field has. Those from which a field's value is taken are not among them.
	Columns []ColumnValue
	// Err says why the values could not be opened.
	Err error
}

// ColumnValue is what a row's column says about the field at a path, in plain text.
type ColumnValue struct{ Path, Text string }

// Audit reads the working copies of a log for a verifier. It remembers persons from one call to the next, in bounded memory, and is safe for concurrent use.
type Audit struct {
	l       *Ledger
	t       *tenant
	people  recall
	reading *person.Reading
}

// Audit begins a reading of a tenant's working copies.
func (l *Ledger) Audit(ctx context.Context, tenantID string) (*Audit, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return &Audit{l: l, t: t, reading: t.people.Read()}, nil
}

// auditRows is how many rows a chunk has at most; a window of the engine has fewer. It is enough for the persons of a chunk to be read and their keys derived at little cost each, and few
// enough for all of it to stay in the processor's cache.
const auditRows = 1024

// WorkingCopies yields the working copies of [from, to) in order of seq. The value and all it holds are valid during the call only.
func (a *Audit) WorkingCopies(ctx context.Context, from, to uint64, yield func(*WorkingCopy) error) error {
	c := newAuditChunk(a)
	flush := func() error { return c.flush(ctx, yield) }
	page := query.Page{Columns: segment.AllColumns, Release: flush}
	month := 0
	err := a.l.opt.Engine.Rows(ctx, a.t.snapshot(a.l.path, to), query.Filter{SeqFrom: from, SeqTo: to}, page, func(row *segment.Row) error {
		if m := c.months.of(row.RecordedAt); m != month || len(c.rows) == auditRows {
			if err := flush(); err != nil {
				return err
			}
			month = m
		}
		c.add(row)
		return nil
	})
	// What could be read before an error is yielded first, so that the error is known to be about what follows.
	if flushed := flush(); flushed != nil {
		return flushed
	}
	return err
}
