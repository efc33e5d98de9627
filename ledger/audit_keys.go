package ledger

import (
	"context"

	"probity.dev/internal/aesgcm"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/segment"
)

// auditChunk is a run of rows of one month. Their persons are looked up once each, and all keys are derived together, before the first row is opened.
type auditChunk struct {
	a       *Audit
	decoder decoder // for shapes
	opener  *person.Opener
	months  months

	month int
	rows  []segment.Row
	arena []byte

	at     map[int64]int32 // handle → place in people
	people []auditPerson
	bodies []auditBody
	held   []byte // what bodies point into
	want   []person.Wanted
	groups []auditGroup // of all rows, one after the other
	ring   evidence.Keyring
	// own is the number of the tenant's keys in the ring, resources the secret of its resources' tags.
	own       int
	resources evidence.Hash
	gcm       aesgcm.Sealer

	auditRow
}

// auditPerson is a person whom the chunk names.
type auditPerson struct {
	handle int64
	there  bool // else erased, or never there
	secret evidence.Hash
	keys   int   // in the ring
	first  int32 // body of a profile, -1 for none
}

// auditBody is a profile that the chunk refers to.
type auditBody struct {
	profile int64
	text    []byte
	there   bool
	next    int32 // of the same person, -1 for none
}

// auditGroup is a group of a row.
type auditGroup struct {
	keys   int   // in the ring, -1 when an owner is not there
	person int32 // the only owner, -1 for another number of owners
	body   int32 // of the profile, -1 for none
}

func newAuditChunk(a *Audit) *auditChunk {
	return &auditChunk{a: a, decoder: decoder{l: a.l, t: a.t}, opener: a.reading.Opener(), at: map[int64]int32{}}
}

// person returns the place of a person.
func (c *auditChunk) person(handle int64) int32 {
	at, ok := c.at[handle]
	if !ok {
		at = int32(len(c.people))
		c.at[handle] = at
		c.people = append(c.people, auditPerson{handle: handle, first: -1})
	}
	return at
}

// body returns the place of a profile.
func (c *auditChunk) body(owner int32, profile int64) int32 {
	p := &c.people[owner]
	for i := p.first; i >= 0; i = c.bodies[i].next {
		if c.bodies[i].profile == profile {
			return i
		}
	}
	c.bodies = append(c.bodies, auditBody{profile: profile, next: p.first})
	p.first = int32(len(c.bodies) - 1)
	return p.first
}

// lookUp finds the persons, profiles and keys of all rows.
func (c *auditChunk) lookUp(ctx context.Context) error {
	clear(c.at)
	c.people, c.bodies, c.groups, c.want, c.held = c.people[:0], c.bodies[:0], c.groups[:0], c.want[:0], c.held[:0]
	for i := range c.rows {
		row := &c.rows[i]
		for _, h := range [...]int64{row.Actor, row.Subject, row.Resource} {
			if h != 0 {
				c.person(h)
			}
		}
		c.decoder.use(row)
		s := c.decoder.shape
		v := values{clear: row.Clear}
		sound := v.pins(s) // opening the row reports it
		for k := range s.groups {
			g := &s.groups[k]
			x := auditGroup{person: -1, body: -1}
			if owners := rowHandles(row, g.owners); !g.clear && owners[0] != 0 {
				if owners[1] == 0 {
					x.person = c.person(owners[0])
				}
				if g.pinned && sound {
					x.body = c.body(c.person(owners[0]), v.profile(row, g))
				}
			} else if g.pinned && sound && g.owners != event.OwnerActor {
				v.next++
			}
			c.groups = append(c.groups, x)
		}
	}
	return c.readPeople(ctx)
}

// readPeople fills in what is remembered, reads the rest, and remembers that.
func (c *auditChunk) readPeople(ctx context.Context) error {
	for i := range c.people {
		p := &c.people[i]
		secret, profile, text, ok := c.a.people.get(p.handle)
		if p.secret, p.there = secret, ok; !ok {
			c.want = append(c.want, person.Wanted{Handle: p.handle})
		}
		for k := p.first; k >= 0; k = c.bodies[k].next {
			if b := &c.bodies[k]; ok && b.profile == profile {
				b.text, b.there = text, true
			} else {
				c.want = append(c.want, person.Wanted{Handle: p.handle, Profile: b.profile})
			}
		}
	}
	if len(c.want) == 0 {
		return nil
	}
	if err := c.opener.Read(ctx, c.want, c.take); err != nil {
		return err
	}
	last := int64(0)
	for _, w := range c.want {
		if w.Handle == last {
			continue
		}
		last = w.Handle
		if p := &c.people[c.at[w.Handle]]; p.there && p.first >= 0 && c.bodies[p.first].there {
			c.a.people.put(p.handle, &p.secret, c.bodies[p.first].profile, c.bodies[p.first].text)
		} else if p.there {
			c.a.people.put(p.handle, &p.secret, 0, nil)
		}
	}
	return nil
}

// take takes what was read of a person.
func (c *auditChunk) take(o person.Opened) error {
	at, ok := c.at[o.Handle]
	if !ok {
		return nil
	}
	p := &c.people[at]
	if o.Secret != nil {
		p.secret, p.there = *o.Secret, true
		return nil
	}
	for k := p.first; k >= 0; k = c.bodies[k].next {
		if b := &c.bodies[k]; b.profile == o.Profile {
			from := len(c.held)
			c.held = append(c.held, o.Body...) // when it moves, earlier bodies keep the stretch they are in
			b.text, b.there = c.held[from:len(c.held):len(c.held)], true
		}
	}
	return nil
}

// derive derives the keys of all groups. NotFound means that the secret of the month has been destroyed.
func (c *auditChunk) derive(ctx context.Context) error {
	period, err := c.a.t.period(ctx, c.a.l.db, periodID{period: c.month})
	if err != nil {
		return err
	}
	c.resources = evidence.ResourceTags(period)
	c.ring.Reset(&period)
	c.own = c.ring.Add(nil)
	for i := range c.people {
		if p := &c.people[i]; p.there {
			p.keys = c.ring.Add([]evidence.Hash{p.secret})
		} else {
			p.keys = -1
		}
	}
	next := 0
	for i := range c.rows {
		row := &c.rows[i]
		c.decoder.use(row)
		for k := range c.decoder.shape.groups {
			g, x := &c.decoder.shape.groups[k], &c.groups[next]
			next++
			switch {
			case x.person >= 0:
				x.keys = c.people[x.person].keys
			case g.clear || rowHandles(row, g.owners)[0] == 0:
				x.keys = c.own
			default:
				x.keys = c.shared(rowHandles(row, g.owners))
			}
		}
	}
	c.ring.Derive()
	return nil
}

// shared adds the keys of several owners, which hardly ever meet again.
func (c *auditChunk) shared(owners [3]int64) int {
	var secrets [3]evidence.Hash
	n := 0
	for ; n < len(owners) && owners[n] != 0; n++ {
		p := &c.people[c.at[owners[n]]]
		if !p.there {
			return -1
		}
		secrets[n] = p.secret
	}
	return c.ring.Add(secrets[:n])
}
