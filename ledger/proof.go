package ledger

import (
	"context"
	"sort"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// Proof shows that one event is in the log, and opens as much of it as the reader may see.
type Proof struct {
	Seq        uint64
	Leaf       []byte
	LeafHash   tlog.Hash
	Index      uint64 // of the leaf in its tree
	TreeSize   uint64
	Inclusion  []tlog.Hash
	Checkpoint string
	// TLogProof is the C2SP tlog-proof of the leaf.
	TLogProof  string
	Disclosure *evidence.Disclosure
	VKeys      []string
}

// Prove returns the proof of the event at seq against the newest checkpoint, waiting for one that covers it until ctx ends. mask decides which values are disclosed.
func (l *Ledger) Prove(ctx context.Context, tenantID string, seq uint64, mask event.Masker) (*Proof, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	e, err := t.epochOf(seq)
	if err != nil {
		return nil, err
	}
	index := seq - e.base
	p, err := l.covering(ctx, t, e, index+1)
	if err != nil {
		return nil, err
	}
	out := &Proof{Seq: seq, Index: index, TreeSize: p.size, Checkpoint: p.text, VKeys: t.vkeysOf(e.number)}
	if err := l.leaves(ctx, t, seq, seq+1, func(_ uint64, leaf []byte) error {
		out.Leaf = append([]byte(nil), leaf...)
		return nil
	}); err != nil {
		return nil, err
	}
	out.LeafHash = tlog.LeafHash(out.Leaf)
	if out.Inclusion, err = l.inclusion(ctx, t, e.number, index, p); err != nil {
		return nil, err
	}
	tp := tlog.Proof{Index: index, Path: out.Inclusion, Checkpoint: []byte(p.text)}
	out.TLogProof = string(tp.Marshal())
	row, err := l.row(ctx, t, seq)
	if err != nil {
		return nil, err
	}
	d := newDiscloser(l, t)
	out.Disclosure, err = d.disclose(ctx, row, mask)
	return out, err
}

// Inclusion returns the inclusion proof of the leaf at index of the present epoch in the newest checkpoint, and that checkpoint's size.
func (l *Ledger) Inclusion(ctx context.Context, tenantID string, index uint64) ([]tlog.Hash, uint64, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, 0, err
	}
	e := t.present()
	p := e.published
	if index >= p.size {
		return nil, 0, errs.New(errs.NotFound, "the checkpoint of size %d does not cover leaf %d", p.size, index)
	}
	path, err := l.inclusion(ctx, t, e.number, index, p)
	return path, p.size, err
}

// covering returns a checkpoint of an epoch that covers size events: the newest of the present epoch, waiting for one, or the last of one that has ended.
func (l *Ledger) covering(ctx context.Context, t *tenant, e epoch, size uint64) (*publishedState, error) {
	if !e.closed {
		return l.waitPublished(ctx, t, size)
	}
	if e.published.size < size {
		return nil, errs.New(errs.Unavailable, "the event was recorded after the last checkpoint of epoch %d that was kept; the first event of the epoch after it states the root of the tree that holds it", e.number)
	}
	return e.published, nil
}

// inclusion proves the leaf at index in the published tree of an epoch.
func (l *Ledger) inclusion(ctx context.Context, t *tenant, number int64, index uint64, p *publishedState) ([]tlog.Hash, error) {
	return tlog.Inclusion(ctx, p.edge.Reader(l.tiles(t, number)), index, p.size)
}

// row returns the working copy at seq.
func (l *Ledger) row(ctx context.Context, t *tenant, seq uint64) (*segment.Row, error) {
	var out *segment.Row
	h := t.committed.Load()
	err := l.opt.Engine.Rows(ctx, t.snapshot(l.path, h.base+h.tree.Size()), query.Filter{SeqFrom: seq, SeqTo: seq + 1}, query.Page{Limit: 1, Columns: segment.AllColumns}, func(r *segment.Row) error {
		out = r.Clone()
		return nil
	})
	if err == nil && out == nil {
		err = errs.New(errs.NotFound, "the working copy of seq %d is gone", seq)
	}
	return out, err
}

// Get returns one event by seq.
func (l *Ledger) Get(ctx context.Context, tenantID string, seq uint64, mask event.Masker) (*event.Record, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	if _, err := t.epochOf(seq); err != nil {
		return nil, err
	}
	row, err := l.row(ctx, t, seq)
	if err != nil {
		return nil, err
	}
	r, err := (&decoder{l: l, t: t}).record(ctx, row)
	if err != nil {
		return nil, err
	}
	if err := l.leaves(ctx, t, seq, seq+1, func(_ uint64, leaf []byte) error {
		hash := tlog.LeafHash(leaf)
		r.LeafHash = hash[:]
		return nil
	}); err != nil {
		return nil, err
	}
	if mask != nil {
		mask.Mask(r)
	}
	return r, nil
}

// discloser opens the field trees of events.
type discloser struct {
	decoder
	derive evidence.Deriver
}

func newDiscloser(l *Ledger, t *tenant) *discloser {
	return &discloser{decoder: decoder{l: l, t: t}}
}

// disclose opens a row for a reader: whole groups by their key, partly visible ones field by field, and closed ones by their root. Masked values are claims.
func (d *discloser) disclose(ctx context.Context, row *segment.Row, mask event.Masker) (*evidence.Disclosure, error) {
	full, err := d.record(ctx, row)
	if err != nil {
		return nil, err
	}
	shown := full
	if mask != nil {
		c := *full
		c.Fields = append([]event.Field(nil), full.Fields...)
		mask.Mask(&c)
		shown = &c
	}
	return d.discloseRecord(ctx, row, full, shown)
}

// discloseRecord is disclose for a record that is opened and masked already. The decoder's shape is that of row.
func (d *discloser) discloseRecord(ctx context.Context, row *segment.Row, full, shown *event.Record) (*evidence.Disclosure, error) {
	out := &evidence.Disclosure{}
	erased := map[uint8]bool{}
	for i := range d.shape.groups {
		g := &d.shape.groups[i]
		for _, f := range g.fields {
			erased[g.slot] = erased[g.slot] || full.Fields[f.order].State == event.Erased
		}
	}
	for i := range d.shape.groups {
		g := &d.shape.groups[i]
		if erased[g.slot] {
			return nil, errs.New(errs.NotFound, "the values of seq %d have been erased", row.Seq)
		}
		grp, err := d.openGroup(ctx, row, g, full, shown, out)
		if err != nil {
			return nil, err
		}
		out.Groups = append(out.Groups, grp)
	}
	sort.Slice(out.Claims, func(i, j int) bool { return out.Claims[i].Path < out.Claims[j].Path })
	return out, nil
}

// eventKey is K_event of a group of the row that was opened last.
func (d *discloser) eventKey(ctx context.Context, row *segment.Row, g *shapeGroup) (evidence.Hash, error) {
	var owners [3]int64
	if !g.clear {
		owners = rowHandles(row, g.owners)
	}
	k, err := d.t.groupKeys(ctx, d.l.db, groupID{periodID{period: d.months.of(row.RecordedAt)}, owners})
	if err != nil {
		return evidence.Hash{}, err
	}
	return d.derive.EventKey(k.G, row.Nonce, g.slot), nil
}

func (d *discloser) openGroup(ctx context.Context, row *segment.Row, g *shapeGroup, full, shown *event.Record, out *evidence.Disclosure) (evidence.Group, error) {
	key, err := d.eventKey(ctx, row, g)
	if err != nil {
		return evidence.Group{}, err
	}
	fields := make([]evidence.Field, len(g.fields))
	visible := map[string]bool{}
	for i, f := range g.fields {
		v := full.Fields[f.order]
		fields[i] = evidence.Field{Path: v.Path, Value: string(v.Value)}
		switch s := shown.Fields[f.order]; s.State {
		case event.Clear, event.Opened:
			visible[v.Path] = true
		case event.Masked:
			out.Claims = append(out.Claims, evidence.Claim{Path: s.Path, Value: string(s.Value)})
		}
	}
	sort.Slice(fields, func(i, j int) bool { return fields[i].Path < fields[j].Path })
	switch len(visible) {
	case len(fields):
		return evidence.WholeGroup(g.slot, key, fields), nil
	case 0:
		return evidence.ClosedGroup(g.slot, evidence.StateWithheld, len(fields), d.groupRoot(g.slot, key, fields)), nil
	}
	return evidence.PartGroup(&d.derive, g.slot, key, fields, func(path string) bool { return visible[path] }), nil
}

func (d *discloser) groupRoot(slot uint8, key evidence.Hash, fields []evidence.Field) evidence.Hash {
	hashes := make([]evidence.Hash, len(fields))
	for i := range fields {
		hashes[i] = evidence.Commit(d.derive.Salt(key, fields[i].Path), fields[i].Path, []byte(fields[i].Value))
	}
	return evidence.GroupRoot(slot, hashes)
}
