package ledger

import (
	"context"
	"slices"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
)

// keyless is an encrypted group of a chunk whose key is not at hand.
type keyless struct {
	at, row int32 // in found and rows
	owners  [3]int64
}

// lookUp finds what opening the rows needs, group by group, and reads what is not in memory, many at a time. It returns how many fields the rows have,
// and how many bytes their values may take that do not lie in the rows.
func (o *opening) lookUp(ctx context.Context, d *decoder, c *chunk) (fields, plain int, err error) {
	c.found, c.want, c.wantFor, c.keyless = c.found[:0], c.want[:0], c.wantFor[:0], c.keyless[:0]
	for i := range c.rows {
		row := &c.rows[i]
		d.use(row)
		fields, plain = fields+d.shape.fields, plain+len(row.Sealed)+len(row.EventID)+len(row.CorrelationID)+len(row.ResourceID)+len(row.Severity)+8
		var p *plan
		if d.lens != nil {
			p = d.lens.of(d.shape, row.Resource != 0)
		}
		v := values{clear: row.Clear}
		if !v.pins(d.shape) { // opening it reports that
			c.found = append(c.found, make([]found, len(d.shape.groups))...)
			continue
		}
		d.known = d.known[:0]
		for k := range d.shape.groups {
			var f found
			if g := &d.shape.groups[k]; !g.clear {
				var gp *groupPlan
				if p != nil {
					gp = &p.groups[k]
				}
				f = d.lookUp(c, int32(i), g, gp, &v)
			}
			c.found = append(c.found, f)
		}
	}
	if len(c.want) > 0 {
		if d.opener == nil {
			err = o.reading.Warm(ctx, c.want)
		} else {
			err = d.readProfiles(ctx, c)
		}
	}
	if err == nil && d.opener != nil {
		err = d.deriveKeys(ctx, c)
	}
	return fields, plain, err
}

// lookUp finds what is at hand for a group of a row, and notes what must be read.
func (d *decoder) lookUp(c *chunk, i int32, g *shapeGroup, p *groupPlan, v *values) (f found) {
	row, at := &c.rows[i], int32(len(c.found))
	owners := rowHandles(row, g.owners)
	if g.pinned {
		profile := v.profile(row, g)
		if p != nil {
			f.cell, _ = d.lens.cells.get(cellKey{owners[0], profile, p.layout})
		}
		switch {
		case f.cell == nil:
			if d.opener == nil || profile != person.FirstProfile { // else the secret comes along
				c.wants(person.Wanted{Handle: owners[0]}, -1)
			}
			c.wants(person.Wanted{Handle: owners[0], Profile: profile}, at)
			d.known = append(d.known, owners[0])
		case event.State(f.cell[0]) != event.Erased:
			d.known = append(d.known, owners[0])
		}
	}
	if !g.sealed {
		return f
	}
	closed := p != nil && p.closed
	if !closed {
		if f.enc, f.known = d.keyAtHand(row, owners); !f.known {
			c.keyless = append(c.keyless, keyless{at, i, owners})
		}
	}
	if f.known {
		return f
	}
	for _, h := range owners {
		if h == 0 {
			continue
		}
		if closed {
			if slices.Contains(d.known, h) {
				continue
			}
			if _, ok := d.lens.cells.get(cellKey{handle: h}); ok {
				continue
			}
		}
		if d.opener != nil {
			if n := len(c.want); n > 0 && c.want[n-1].Handle == h {
				continue // comes along
			}
			if _, ok := d.t.people.KnownSecret(d.numbers, h); ok {
				continue
			}
		}
		c.wants(person.Wanted{Handle: h}, -1)
	}
	return f
}

func (c *chunk) wants(w person.Wanted, at int32) {
	c.want, c.wantFor = append(c.want, w), append(c.wantFor, at)
}

// readProfiles reads what a chunk wants of persons. Whom it does not find is looked for when the row is opened.
func (d *decoder) readProfiles(ctx context.Context, c *chunk) error {
	c.bodies = c.bodies[:0]
	return d.opener.Read(ctx, c.want, func(x person.Opened) error {
		at := c.wantFor[x.At]
		if at < 0 || x.Body == nil {
			return nil
		}
		if cap(c.bodies)-len(c.bodies) < len(x.Body) {
			c.bodies = make([]byte, 0, max(2*cap(c.bodies), len(x.Body), 4<<10)) // earlier ones keep the memory they are in
		}
		from := len(c.bodies)
		c.bodies = append(c.bodies, x.Body...)
		c.found[at].body = c.bodies[from:len(c.bodies):len(c.bodies)]
		return nil
	})
}

// deriveKeys derives the keys of a chunk that are not at hand together. Those of whom somebody's secret is not there are derived when the row is opened.
func (d *decoder) deriveKeys(ctx context.Context, c *chunk) error {
	d.keys.Reset()
	kept := c.keyless[:0]
	var period int
	var month evidence.Hash
	ended := false
	for _, x := range c.keyless {
		if p := d.months.of(c.rows[x.row].RecordedAt); p != period {
			var err error
			month, err = d.t.period(ctx, d.l.db, periodID{period: p})
			if ended = errs.CodeOf(err) == errs.NotFound; err != nil && !ended {
				return err
			}
			period = p
		}
		if ended {
			continue // nobody can read it
		}
		var secrets [3]evidence.Hash
		n, ok := 0, true
		for ; ok && n < len(x.owners) && x.owners[n] != 0; n++ {
			secrets[n], ok = d.t.people.KnownSecret(d.numbers, x.owners[n])
		}
		if ok {
			d.keys.Add(&month, secrets[:n])
			kept = append(kept, x)
		}
	}
	for i, key := range d.keys.Keys() {
		x := &kept[i]
		c.found[x.at].enc, c.found[x.at].known = key, true
		*d.ring.at(x.owners) = ringEntry{period: d.months.of(c.rows[x.row].RecordedAt), owners: x.owners, enc: key, known: true}
	}
	return nil
}
