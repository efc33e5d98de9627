package ledger

import (
	"context"

	"probity.dev/internal/aesgcm"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/segment"
)

// auditChunk is a run of rows of one month. Their persons are looked up once each, and all keys are derived together, before the first row is opened. Persons and their keys are kept for the chunks
// that follow while there are not too many of them.
type auditChunk struct {
	a       *Audit
	decoder decoder // for shapes
	opener  *person.Opener
	months  months

	month int
	// gone says that the secret of the month has been destroyed.
	gone error
	rows []auditedRow

	at     auditPlaces
	people []auditPerson
	bodies []auditBody
	held   []byte // what bodies point into
	// From here on, persons and bodies are new in this chunk.
	newPeople, newBodies int
	want                 []person.Wanted
	wantBody             []int32 // of each in want, -1 for none

	groups []auditGroup // of all rows, one after the other
	period evidence.Hash
	ring   evidence.Keyring // of the tenant and of persons
	joint  evidence.Keyring // of several owners, who hardly ever meet again
	// own is the number of the tenant's keys in the ring, resources the secret of its resources' tags.
	own       int
	resources evidence.Hash
	gcm       aesgcm.Sealer

	auditRow
}

// auditKept is how many persons are kept from one chunk to the next. Each takes some 400 bytes, and all of it ought to stay near the processor.
const auditKept = 8192

// auditedRow is a row whose memory the engine keeps, and the places of its actor, subject and resource in people, -1 for none.
type auditedRow struct {
	*segment.Row
	shape  *shape
	people [3]int32
}

// auditPerson is a person whom the chunk names.
type auditPerson struct {
	handle int64
	there  bool // else erased, or never there
	fresh  bool // to be remembered
	secret evidence.Hash
	keys   int   // in the ring, -1 when not there
	first  int32 // body of a profile, -1 for none
}

// auditBody is a profile that the chunk refers to.
type auditBody struct {
	profile int64
	text    []byte
	there   bool
	owner   int32
	next    int32 // of the same person, -1 for none
}

// auditGroup is a group of a row.
type auditGroup struct {
	keys   int   // in the ring, -1 when an owner is not there
	joint  bool  // in the ring of several owners
	person int32 // the only owner, -1 for another number of owners
	body   int32 // of the profile, -1 for none
}

func newAuditChunk(a *Audit) *auditChunk {
	return &auditChunk{a: a, decoder: decoder{l: a.l, t: a.t}, opener: a.reading.Opener(), joint: evidence.Keyring{Joint: true}}
}

// begin makes a month current and forgets all persons.
func (c *auditChunk) begin(ctx context.Context) error {
	c.at.reset()
	c.people, c.bodies, c.held = c.people[:0], c.bodies[:0], c.held[:0]
	period, err := c.a.t.period(ctx, c.a.l.db, periodID{period: c.month})
	if c.gone = nil; errs.CodeOf(err) == errs.NotFound {
		c.gone, err = err, nil
	}
	c.resources = evidence.ResourceTags(period)
	c.period = period
	c.ring.Reset(&period)
	c.own = c.ring.Add(nil)
	c.ring.Derive()
	return err
}

// person returns the place of a person.
func (c *auditChunk) person(handle int64) int32 {
	if handle == 0 {
		return -1
	}
	at, known := c.at.of(handle, int32(len(c.people)))
	if !known {
		c.people = append(c.people, auditPerson{handle: handle, keys: -1, first: -1})
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
	c.bodies = append(c.bodies, auditBody{profile: profile, owner: owner, next: p.first})
	p.first = int32(len(c.bodies) - 1)
	return p.first
}

// owner returns the place of a person of a row.
func (r *auditedRow) owner(handle int64) int32 {
	switch handle {
	case r.Actor:
		return r.people[0]
	case r.Subject:
		return r.people[1]
	}
	return r.people[2]
}

// lookUp finds the persons, profiles and keys of all rows.
func (c *auditChunk) lookUp(ctx context.Context) error {
	c.newPeople, c.newBodies, c.groups = len(c.people), len(c.bodies), c.groups[:0]
	for i := range c.rows {
		row := &c.rows[i]
		row.people = [3]int32{c.person(row.Actor), c.person(row.Subject), c.person(row.Resource)}
		v := values{clear: row.Clear}
		sound := v.pins(row.shape) // opening the row reports it
		for k := range row.shape.groups {
			g := &row.shape.groups[k]
			x := auditGroup{person: -1, body: -1}
			if owners := rowHandles(row.Row, g.owners); !g.clear && owners[0] != 0 {
				owner := row.owner(owners[0])
				if owners[1] == 0 {
					x.person = owner
				}
				if g.pinned && sound {
					x.body = c.body(owner, v.profile(row.Row, g))
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
	fresh := c.recall()
	if len(c.want) > 0 {
		switch news, err := c.readAhead(ctx); {
		case err != nil:
			return err
		case news:
			fresh = c.recall()
		}
	}
	if len(c.want) > 0 {
		if err := c.opener.Read(ctx, c.want, c.take); err != nil {
			return err
		}
	}
	if !fresh && len(c.want) == 0 {
		return nil
	}
	r := &c.a.people
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range c.people[c.newPeople:] {
		p := &c.people[c.newPeople+i]
		if !p.there || !p.fresh {
			continue
		}
		if p.first >= 0 && c.bodies[p.first].there {
			r.put(p.handle, &p.secret, c.bodies[p.first].profile, c.bodies[p.first].text)
		} else {
			r.put(p.handle, &p.secret, 0, nil)
		}
	}
	return nil
}

// readAhead remembers the persons who come to hand beside those wanted.
func (c *auditChunk) readAhead(ctx context.Context) (news bool, err error) {
	r := &c.a.people
	return c.opener.Ahead(ctx, c.want, func(handle int64, secret *evidence.Hash, profile []byte) {
		number := int64(person.FirstProfile)
		if profile == nil {
			number = 0
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.put(handle, secret, number, profile)
	})
}

// recall fills in what is remembered, and notes what is to be read. It reports whether something is to be remembered anew.
func (c *auditChunk) recall() (fresh bool) {
	c.want, c.wantBody = c.want[:0], c.wantBody[:0]
	r := &c.a.people
	r.mu.RLock()
	defer r.mu.RUnlock()
	people := c.people[c.newPeople:]
	for i := range people {
		p := &people[i]
		e, text, young := r.get(p.handle)
		if e != nil {
			p.secret, p.there = e.secret, true
			if p.first >= 0 && c.bodies[p.first].profile == e.profile { // nearly always the only one
				b := &c.bodies[p.first]
				b.text, b.there = text, true
			}
		}
		if p.fresh = !young; p.fresh {
			fresh = true
		}
	}
	for i := c.newBodies; i < len(c.bodies); i++ {
		b := &c.bodies[i]
		if b.there {
			continue
		}
		p := &c.people[b.owner]
		if e, text, _ := r.get(p.handle); e != nil && e.profile == b.profile {
			b.text, b.there = text, true
			continue
		}
		c.want, c.wantBody = append(c.want, person.Wanted{Handle: p.handle, Profile: b.profile}), append(c.wantBody, int32(i))
	}
	for i := range people {
		if p := &people[i]; !p.there && (p.first < 0 || c.bodies[p.first].profile != person.FirstProfile) {
			c.want, c.wantBody = append(c.want, person.Wanted{Handle: p.handle}), append(c.wantBody, -1)
		}
	}
	return fresh
}

// take takes what was read of a person.
func (c *auditChunk) take(o person.Opened) error {
	if o.Secret != nil {
		if at, known := c.at.of(c.want[o.At].Handle, -1); known {
			p := &c.people[at]
			p.secret, p.there = *o.Secret, true
		}
		return nil
	}
	b := &c.bodies[c.wantBody[o.At]]
	if cap(c.held)-len(c.held) < len(o.Body) {
		c.held = make([]byte, 0, max(len(o.Body), 1<<18)) // earlier bodies keep the stretch they are in
	}
	from := len(c.held)
	c.held = append(c.held, o.Body...)
	b.text, b.there = c.held[from:len(c.held):len(c.held)], true
	return nil
}

// derive derives the keys of all groups.
func (c *auditChunk) derive() {
	for i := range c.people[c.newPeople:] {
		if p := &c.people[c.newPeople+i]; p.there {
			p.keys = c.ring.Add([]evidence.Hash{p.secret})
		}
	}
	c.joint.Reset(&c.period)
	next := 0
	for i := range c.rows {
		row := &c.rows[i]
		for k := range row.shape.groups {
			g, x := &row.shape.groups[k], &c.groups[next]
			next++
			if x.person >= 0 {
				x.keys = c.people[x.person].keys
			} else if owners := rowHandles(row.Row, g.owners); g.clear || owners[0] == 0 {
				x.keys = c.own
			} else {
				x.keys, x.joint = c.shared(row, &owners), true
			}
		}
	}
	c.ring.Derive()
	c.joint.Derive()
}

// shared adds the keys of several owners.
func (c *auditChunk) shared(row *auditedRow, owners *[3]int64) int {
	var secrets [3]evidence.Hash
	n := 0
	for ; n < len(owners) && owners[n] != 0; n++ {
		p := &c.people[row.owner(owners[n])]
		if !p.there {
			return -1
		}
		secrets[n] = p.secret
	}
	return c.joint.Add(secrets[:n])
}
