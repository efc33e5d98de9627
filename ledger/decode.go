package ledger

import (
	"context"
	"encoding/binary"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/segment"
)

// decoder holds the scratch space of one decoding goroutine.
type decoder struct {
	l     *Ledger
	t     *tenant
	aad   []byte
	last  string // shape text and its parse; neighbours often share it
	shape *shape
}

// record opens a working copy. The result shares row's memory. What cannot be opened because its owner was erased comes back as Erased;
// a value that is damaged is an error that names the event.
func (d *decoder) record(ctx context.Context, row *segment.Row) (*event.Record, error) {
	if d.shape == nil || d.last != row.Shape {
		d.shape = d.l.shapes.get(row.Shape)
		d.last = string(append([]byte(nil), row.Shape...))
	}
	r := &event.Record{Seq: uint64(row.Seq), ID: row.EventID, RecordedAt: time.UnixMicro(row.RecordedAt).UTC(), OccurredAt: time.UnixMicro(row.OccurredAt).UTC(),
		Source: row.Source, Action: row.Action, Category: row.Category, Activity: row.Activity, Outcome: row.Outcome,
		Severity: row.Severity, ResourceType: row.ResourceType, ResourceID: row.ResourceID, CorrelationID: row.CorrelationID,
		ActorHandle: row.Actor, SubjectHandle: row.Subject, ResourceHandle: row.Resource, IPHandle: row.IP, Fields: make([]event.Field, d.shape.fields)}
	v := values{clear: row.Clear, sealed: row.Sealed}
	if !v.pins(d.shape) {
		return nil, damaged(row)
	}
	for i := range d.shape.groups {
		g := &d.shape.groups[i]
		if err := d.group(ctx, row, g, &v, r.Fields); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func damaged(row *segment.Row) error {
	return errs.New(errs.Internal, "the working copy of seq %d is damaged", row.Seq)
}

// values walks a row's values in the order in which encoding put them.
type values struct {
	clear, sealed []byte
	pinned        []int64 // profiles of subject and resource, in order of group
}

// pins reads the profile numbers that stand in front of the clear values.
func (v *values) pins(s *shape) bool {
	for i := range s.groups {
		if g := &s.groups[i]; g.pinned && g.owners != event.OwnerActor {
			if len(v.clear) < 8 {
				return false
			}
			v.pinned = append(v.pinned, int64(binary.BigEndian.Uint64(v.clear)))
			v.clear = v.clear[8:]
		}
	}
	return true
}

// take cuts the next length-prefixed value off b.
func take(b *[]byte) ([]byte, bool) {
	n, k := binary.Uvarint(*b)
	if k <= 0 || n > uint64(len(*b)-k) {
		return nil, false
	}
	out := (*b)[k : k+int(n) : k+int(n)]
	*b = (*b)[k+int(n):]
	return out, true
}

func (d *decoder) group(ctx context.Context, row *segment.Row, g *shapeGroup, v *values, out []event.Field) error {
	var profile int64
	if g.pinned {
		profile = row.Profile
		if g.owners != event.OwnerActor {
			profile, v.pinned = v.pinned[0], v.pinned[1:]
		}
	}
	var sealed []byte
	if g.sealed {
		var ok bool
		if sealed, ok = take(&v.sealed); !ok {
			return damaged(row)
		}
	}
	if g.clear {
		repeat(row, g, out)
		return fill(row, g, 'c', &v.clear, event.Clear, out)
	}
	opened, state, err := d.open(ctx, row, g, sealed)
	if err != nil {
		return err
	}
	if g.sealed {
		if err := fill(row, g, 's', &opened, state, out); err != nil {
			return err
		}
	}
	if !g.pinned {
		return nil
	}
	body, err := d.t.people.ReadProfile(ctx, rowHandles(row, g.owners)[0], profile)
	state = event.Opened
	if errs.CodeOf(err) == errs.NotFound {
		state, err = event.Erased, nil
	}
	if err != nil {
		return err
	}
	return fill(row, g, 'p', &body, state, out)
}

// open decrypts a group's ciphertext.
func (d *decoder) open(ctx context.Context, row *segment.Row, g *shapeGroup, sealed []byte) ([]byte, event.State, error) {
	if !g.sealed {
		return nil, event.Opened, nil
	}
	keys, err := d.t.groupKeys(ctx, d.l.db, d.groupID(row, g))
	if errs.CodeOf(err) == errs.NotFound {
		return nil, event.Erased, nil
	}
	if err != nil {
		return nil, 0, err
	}
	d.aad = evidence.AAD(d.aad, d.t.logID, row.Nonce, g.slot)
	plain, err := keys.cipher().Open(nil, row.Nonce[:12], sealed, d.aad)
	if err != nil {
		return nil, 0, damaged(row)
	}
	return plain, event.Opened, nil
}

func (d *decoder) groupID(row *segment.Row, g *shapeGroup) groupID {
	return groupID{periodID: periodID{period: evidence.Period(row.RecordedAt)}, owners: rowHandles(row, g.owners)}
}

// rowHandles are the handles of the owners of a group of a row, ascending.
func rowHandles(row *segment.Row, o event.Owners) [3]int64 {
	var h [3]int64
	for i, bit := range [...]event.Owners{event.OwnerActor, event.OwnerSubject, event.OwnerResource} {
		if o&bit != 0 {
			h[i] = [...]int64{row.Actor, row.Subject, row.Resource}[i]
		}
	}
	return owners(h[:]...)
}

// columnText is the text of the row's column that may stand for the field at a path, "" when there is none.
func columnText(row *segment.Row, path string) string {
	switch path {
	case "/id":
		return row.EventID
	case "/correlation_id":
		return row.CorrelationID
	case "/resource/id":
		return row.ResourceID
	case "/severity":
		return row.Severity
	}
	return ""
}

// spare leaves out the clear values that a column of the row holds already.
func (enc *encoder) spare(row *segment.Row) {
	for _, i := range enc.order[0] {
		s, v := columnText(row, enc.fields[i].Path), enc.fields[i].Value
		if s != "" && len(v) == len(s)+2 && v[0] == '"' && string(v[1:len(v)-1]) == s {
			enc.part[i] = 'r'
		}
	}
}

// repeat fills in the values that are a column's text in quotes. They share one stretch of memory.
func repeat(row *segment.Row, g *shapeGroup, out []event.Field) {
	size := 0
	for i := range g.fields {
		if f := &g.fields[i]; f.part == 'r' {
			size += len(columnText(row, f.path)) + 2
		}
	}
	if size == 0 {
		return
	}
	b := make([]byte, 0, size)
	for i := range g.fields {
		f := &g.fields[i]
		if f.part != 'r' {
			continue
		}
		from := len(b)
		b = append(append(append(b, '"'), columnText(row, f.path)...), '"')
		o := &out[f.order]
		o.Path, o.Category, o.Owners, o.State, o.Value = f.path, f.category, g.owners, event.Clear, b[from:len(b):len(b)]
	}
}

// fill puts the values of one part of a group into their places.
func fill(row *segment.Row, g *shapeGroup, part byte, b *[]byte, state event.State, out []event.Field) error {
	for i := range g.fields {
		f := &g.fields[i]
		if f.part != part {
			continue
		}
		o := &out[f.order]
		o.Path, o.Category, o.Owners, o.State = f.path, f.category, g.owners, state
		if state == event.Erased {
			continue
		}
		v, ok := take(b)
		if !ok {
			return damaged(row)
		}
		o.Value = v
	}
	return nil
}
