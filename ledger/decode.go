package ledger

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"probity.dev/internal/aesgcm"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/segment"
)

// decoder holds the scratch space of one decoding goroutine.
type decoder struct {
	l *Ledger
	t *tenant
	// lens is what the reader sees, when that is known ahead; nil opens everything.
	lens   *lens
	months months
	gcm    aesgcm.Sealer
	aad    []byte
	plain  []byte // values of rows lie here one after the other
	cell   []byte
	shape  *shape // of the current row
	seen   *shapeMemo
	plan   *plan // of the current row, when there is a lens
	// ring, when not nil, keeps keys of groups for this decoder alone.
	ring *keyRing
	// opener, when not nil, reads persons, for chunks whose rows are opened with a ring.
	opener  *person.Opener
	numbers *person.Numbers
	keys    evidence.EncKeys
	fresh   []freshCell
	known   []int64 // handles of the current row whose secrets are known to be there
}

// found is what was looked up for a group before its row is opened; its members are nil when they were not at hand.
type found struct {
	cell  []byte // what the reader sees of the profile
	body  []byte // the profile
	enc   evidence.Hash
	known bool // that enc is K_enc
}

var notFound found

// freshCell is a profile of the current row that was not masked before.
type freshCell struct {
	key   cellKey
	group *shapeGroup
}

// record opens a working copy. The result shares row's memory. What cannot be opened because its owner was erased comes back as Erased;
// a value that is damaged is an error that names the event.
func (d *decoder) record(ctx context.Context, row *segment.Row) (*event.Record, error) {
	d.use(row)
	d.plain = nil
	r := &event.Record{}
	return r, d.into(ctx, row, nil, r, make([]event.Field, d.shape.fields))
}

// shapeMemo are the shapes that one goroutine met last.
type shapeMemo [256]*shape

// get returns the shape of a text. The texts of shapes that it has returned compare in no time.
func (m *shapeMemo) get(l *Ledger, text string) *shape {
	h := uint64(len(text))
	if n := len(text); n >= 16 {
		h ^= binary.LittleEndian.Uint64([]byte(text[n/2-4:n/2+4])) ^ binary.LittleEndian.Uint64([]byte(text[n-8:]))*3
	}
	s := &m[h*0x9e3779b97f4a7c15>>56]
	if *s == nil || (*s).text != text {
		*s = l.shapes.get(text)
	}
	return *s
}

// use makes the shape of a row current.
func (d *decoder) use(row *segment.Row) {
	if d.shape != nil && d.shape.text == row.Shape {
		return
	}
	if d.seen == nil {
		d.seen = new(shapeMemo)
	}
	d.shape = d.seen.get(d.l, row.Shape)
}

// into opens the working copy of a row of the current shape into r, whose fields are to be out. ahead holds what was looked up for its groups, in order; nil
// looks it up now.
func (d *decoder) into(ctx context.Context, row *segment.Row, ahead []found, r *event.Record, out []event.Field) error {
	*r = event.Record{Seq: uint64(row.Seq), ID: row.EventID, RecordedAt: time.UnixMicro(row.RecordedAt).UTC(), OccurredAt: time.UnixMicro(row.OccurredAt).UTC(),
		Source: row.Source, Action: row.Action, Category: row.Category, Activity: row.Activity, Outcome: row.Outcome,
		Severity: row.Severity, ResourceType: row.ResourceType, ResourceID: row.ResourceID, CorrelationID: row.CorrelationID,
		ActorHandle: row.Actor, SubjectHandle: row.Subject, ResourceHandle: row.Resource, IPHandle: row.IP, Fields: out}
	v := values{clear: row.Clear, sealed: row.Sealed}
	if !v.pins(d.shape) {
		return damaged(row)
	}
	d.fresh, d.known = d.fresh[:0], d.known[:0]
	var p *plan
	if d.lens != nil {
		p = d.lens.of(d.shape, row.Resource != 0)
	}
	d.plan = p
	for i := range d.shape.groups {
		g := &d.shape.groups[i]
		if g.clear {
			d.repeat(row, g, out)
			if err := fill(row, g, 'c', &v.clear, event.Clear, out); err != nil {
				return err
			}
			continue
		}
		f := &notFound
		var gp *groupPlan
		if ahead != nil {
			f = &ahead[i]
		}
		if p != nil {
			gp = &p.groups[i]
		}
		if err := d.group(ctx, row, g, gp, f, &v, out); err != nil {
			return err
		}
	}
	return nil
}

func damaged(row *segment.Row) error {
	return errs.New(errs.Internal, "the working copy of seq %d is damaged", row.Seq)
}

// values walks a row's values in the order in which encoding put them.
type values struct {
	clear, sealed []byte
	pinned        [2]int64 // profiles of subject and resource, in order of group
	next          int      // of pinned
}

// pins reads the profile numbers that stand in front of the clear values.
func (v *values) pins(s *shape) bool {
	n := 0
	for i := range s.groups {
		if g := &s.groups[i]; g.pinned && g.owners != event.OwnerActor {
			if len(v.clear) < 8 || n == len(v.pinned) {
				return false
			}
			v.pinned[n] = int64(binary.BigEndian.Uint64(v.clear))
			n++
			v.clear = v.clear[8:]
		}
	}
	return true
}

// profile is the number of the profile that a pinned group refers to. It must be asked for once per pinned group, in order.
func (v *values) profile(row *segment.Row, g *shapeGroup) int64 {
	if g.owners == event.OwnerActor {
		return row.Profile
	}
	v.next++
	return v.pinned[v.next-1]
}

// take cuts the next length-prefixed value off b.
func take(b *[]byte) ([]byte, bool) {
	if in := *b; len(in) > 0 && in[0] < 0x80 && int(in[0]) < len(in) { // nearly all of them
		end := int(in[0]) + 1
		*b = in[end:]
		return in[1:end:end], true
	}
	n, k := binary.Uvarint(*b)
	if k <= 0 || n > uint64(len(*b)-k) {
		return nil, false
	}
	out := (*b)[k : k+int(n) : k+int(n)]
	*b = (*b)[k+int(n):]
	return out, true
}

// group opens the fields of an encrypted group.
func (d *decoder) group(ctx context.Context, row *segment.Row, g *shapeGroup, p *groupPlan, f *found, v *values, out []event.Field) error {
	owners := rowHandles(row, g.owners)
	if g.pinned {
		if err := d.pinned(ctx, row, g, p, f, owners[0], v.profile(row, g), out); err != nil {
			return err
		}
	}
	if !g.sealed {
		return nil
	}
	sealed, ok := take(&v.sealed)
	if !ok {
		return damaged(row)
	}
	if p != nil && p.closed {
		return d.foreseen(ctx, row, g, p, owners, out)
	}
	opened, state, err := d.open(ctx, row, g, f, owners, sealed)
	if err != nil {
		return err
	}
	return fill(row, g, 's', &opened, state, out)
}

// pinned fills in the fields that the owner's profile holds.
func (d *decoder) pinned(ctx context.Context, row *segment.Row, g *shapeGroup, p *groupPlan, f *found, owner, profile int64, out []event.Field) error {
	if p != nil {
		k, cell := cellKey{owner, profile, p.layout}, f.cell
		if cell == nil {
			cell, _ = d.lens.cells.get(k) // another row of the chunk may have brought it
		}
		if cell != nil {
			if event.State(cell[0]) != event.Erased {
				d.known = append(d.known, owner)
			}
			fromCell(g, cell, out)
			return nil
		}
		d.fresh = append(d.fresh, freshCell{k, g})
	}
	body, state := f.body, event.Opened
	if body == nil {
		var err error
		body, err = d.t.people.ReadProfile(ctx, owner, profile)
		if errs.CodeOf(err) == errs.NotFound {
			state, err = event.Erased, nil
		}
		if err != nil {
			return err
		}
	}
	if state == event.Opened {
		d.known = append(d.known, owner)
	}
	return fill(row, g, 'p', &body, state, out)
}

// foreseen fills in fields whose values make no difference, without decrypting them, unless nobody could.
func (d *decoder) foreseen(ctx context.Context, row *segment.Row, g *shapeGroup, p *groupPlan, owners [3]int64, out []event.Field) error {
	erased := false
	for _, h := range owners {
		if h == 0 || slices.Contains(d.known, h) {
			continue
		}
		there, err := d.there(ctx, h)
		if err != nil {
			return err
		}
		erased = erased || !there
	}
	if owners == ([3]int64{}) {
		if _, err := d.t.period(ctx, d.l.db, periodID{period: d.months.of(row.RecordedAt)}); errs.CodeOf(err) == errs.NotFound {
			erased = true
		} else if err != nil {
			return err
		}
	}
	for i := range g.fields {
		f := &g.fields[i]
		if f.part != 's' {
			continue
		}
		o := &out[f.order]
		*o = event.Field{Path: f.path, Category: f.category, Owners: g.owners, State: event.Erased}
		if !erased {
			o.Value, o.State = p.seen[i].value, p.seen[i].state
		}
	}
	return nil
}

// there reports whether the secret of a person has not been destroyed.
func (d *decoder) there(ctx context.Context, handle int64) (bool, error) {
	k := cellKey{handle: handle}
	if mark, ok := d.lens.cells.get(k); ok {
		return mark[0] == present[0], nil
	}
	mark := present
	if _, err := d.t.people.Secret(ctx, handle); errs.CodeOf(err) == errs.NotFound {
		mark = gone
	} else if err != nil {
		return false, err
	}
	d.lens.cells.put(k, mark)
	return mark[0] == present[0], nil
}

// applyMask masks the record that was opened last: what does not come masked from a cell and was not foreseen.
func (d *decoder) applyMask(r *event.Record) {
	for _, f := range d.fresh {
		for i := range f.group.fields {
			if sf := &f.group.fields[i]; sf.part == 'p' {
				d.lens.mask.MaskField(r, sf.order)
			}
		}
	}
	for _, i := range d.plan.masked {
		d.lens.mask.MaskField(r, i)
	}
	d.lens.mask.MaskRest(r)
	d.remember(r)
}

// remember keeps what the mask made of the profiles that the current row was the first to need.
func (d *decoder) remember(r *event.Record) {
	for _, f := range d.fresh {
		d.cell = d.cell[:0]
		for i := range f.group.fields {
			if sf := &f.group.fields[i]; sf.part == 'p' {
				d.cell = appendCell(d.cell, &r.Fields[sf.order])
			}
		}
		d.lens.cells.put(f.key, d.cell)
	}
}

func fromCell(g *shapeGroup, cell []byte, out []event.Field) {
	for i := range g.fields {
		if f := &g.fields[i]; f.part == 'p' {
			o := &out[f.order]
			*o = event.Field{Path: f.path, Category: f.category, Owners: g.owners}
			takeCell(&cell, o)
		}
	}
}

// open decrypts a group's ciphertext.
func (d *decoder) open(ctx context.Context, row *segment.Row, g *shapeGroup, f *found, owners [3]int64, sealed []byte) ([]byte, event.State, error) {
	enc := &f.enc
	if !f.known {
		var err error
		enc, err = d.enc(ctx, d.months.of(row.RecordedAt), owners)
		if errs.CodeOf(err) == errs.NotFound {
			return nil, event.Erased, nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
	d.room(len(sealed))
	d.aad = evidence.AAD(d.aad, d.t.logID, row.Nonce, g.slot)
	at := len(d.plain)
	plain, err := d.gcm.Open(d.plain[at:], (*[32]byte)(enc), (*[12]byte)(row.Nonce[:]), sealed, d.aad)
	if err != nil {
		return nil, 0, damaged(row)
	}
	d.plain = d.plain[:at+len(plain)]
	return plain, event.Opened, nil
}

// rowHandles are the handles of the owners of a group of a row, ascending.
func rowHandles(row *segment.Row, o event.Owners) [3]int64 {
	switch o { // most groups have one owner
	case 0:
		return [3]int64{}
	case event.OwnerActor:
		return [3]int64{row.Actor}
	case event.OwnerSubject:
		return [3]int64{row.Subject}
	case event.OwnerResource:
		return [3]int64{row.Resource}
	}
	var h [3]int64
	for i, bit := range [...]event.Owners{event.OwnerActor, event.OwnerSubject, event.OwnerResource} {
		if o&bit != 0 {
			h[i] = [...]int64{row.Actor, row.Subject, row.Resource}[i]
		}
	}
	return owners(h[:]...)
}

// columnOf is a column of a row that may stand for a field.
type columnOf byte

const (
	noColumn columnOf = iota
	columnEventID
	columnCorrelationID
	columnResourceID
	columnSeverity
)

// columnOfPath is the column that may stand for the field at a path.
func columnOfPath(path string) columnOf {
	switch path {
	case "/id":
		return columnEventID
	case "/correlation_id":
		return columnCorrelationID
	case "/resource/id":
		return columnResourceID
	case "/severity":
		return columnSeverity
	}
	return noColumn
}

// text is the text of the column, "" when there is none.
func (c columnOf) text(row *segment.Row) string {
	switch c {
	case columnEventID:
		return row.EventID
	case columnCorrelationID:
		return row.CorrelationID
	case columnResourceID:
		return row.ResourceID
	case columnSeverity:
		return row.Severity
	}
	return ""
}

// spare leaves out the clear values that a column of the row holds already.
func (enc *encoder) spare(row *segment.Row) {
	for _, i := range enc.order[0] {
		s, v := columnOfPath(enc.fields[i].Path).text(row), enc.fields[i].Value
		if s != "" && len(v) == len(s)+2 && v[0] == '"' && string(v[1:len(v)-1]) == s {
			enc.part[i] = 'r'
		}
	}
}

// repeat fills in the values that are a column's text in quotes.
func (d *decoder) repeat(row *segment.Row, g *shapeGroup, out []event.Field) {
	for i := range g.fields {
		f := &g.fields[i]
		if f.part != 'r' {
			continue
		}
		text := f.column.text(row)
		d.room(len(text) + 2)
		from := len(d.plain)
		d.plain = append(append(append(d.plain, '"'), text...), '"')
		out[f.order] = event.Field{Path: f.path, Category: f.category, Owners: g.owners, State: event.Clear, Value: d.plain[from:len(d.plain):len(d.plain)]}
	}
}

// room makes sure that n bytes more fit behind the values of a chunk without moving them. One row needs few of them.
func (d *decoder) room(n int) {
	if cap(d.plain)-len(d.plain) < n {
		d.plain = make([]byte, 0, max(n, 128))
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
		*o = event.Field{Path: f.path, Category: f.category, Owners: g.owners, State: state}
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
