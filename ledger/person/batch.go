package person

import (
	"context"
	"database/sql"

	"probity.dev/internal/sqldb"
)

// Batch collects what the directory must store together with a group of events. The zero value is empty. It is not safe for
// concurrent use, and must not be copied.
type Batch struct {
	id      uint64 // given when it makes its first person
	small   bool   // it names a few persons at most, see smallBatch
	persons struct {
		list  []*entry
		seen  map[*entry]bool // those of list that another batch made
		block block
	}
	profiles struct {
		list  []newProfile
		block block
	}
	fetched  fetched
	added    map[uint64]int64 // numbers of the new profiles, by digest
	displays []*display
	changed  map[*entry]*display

	rows rows // set by Prepare
}

// rows is what a batch stores.
type rows struct {
	persons, profiles []pageRow
	entries           []byte // of the index
	displays          []displayRow
}

type display struct {
	Identity
	entry *entry
}

type newProfile struct {
	entry  *entry
	number int64
	digest uint64
	body   []byte
}

// Empty reports whether there is nothing to store.
func (b *Batch) Empty() bool {
	return len(b.persons.list)+len(b.displays)+len(b.profiles.list) == 0
}

// Rewrites reports whether the batch changes persons who are stored already.
func (b *Batch) Rewrites() bool { return len(b.displays) > 0 }

func (b *Batch) addPerson(e *entry) {
	p := &b.persons
	if u := e.unsaved.Load(); u != nil && u.owner == b.id {
		if !u.listed {
			u.listed = true
			p.list = append(p.list, e)
		}
		return
	}
	if p.seen == nil {
		p.seen = map[*entry]bool{}
	}
	if !p.seen[e] {
		p.seen[e] = true
		p.list = append(p.list, e)
	}
}

func (b *Batch) addDisplay(e *entry, id Identity) {
	if c := b.changed[e]; c != nil {
		c.Identity = id
		return
	}
	if b.changed == nil {
		b.changed = map[*entry]*display{}
	}
	c := &display{id, e}
	b.changed[e] = c
	b.displays = append(b.displays, c)
}

// Prepare seals what the batch will store. It is the expensive part and needs no transaction. Nothing may be added to the batch afterwards.
func (d *Directory) Prepare(b *Batch) {
	d.newPersons.giveBack(&b.persons.block)
	d.newProfiles.giveBack(&b.profiles.block)
	b.rows, b.fetched = rows{}, fetched{}
	if b.Empty() {
		return
	}
	s := d.sealer()
	defer d.sealers.Put(s)
	d.preparePersons(b, s)
	for _, u := range b.displays {
		key := personKey(&u.entry.secret)
		s.plain = appendIdentity(s.plain[:0], &u.Identity)
		row := displayRow{number: u.entry.number, display: s.seal(nil, &key, sealedDisplay, u.entry.handle, 0, s.plain)}
		if hasAlias(&u.Identity) {
			row.alias = d.lookup("email", fold(u.Email))
			b.rows.entries = appendEntry(b.rows.entries, [8]byte{}, row.alias[:], row.number)
		}
		b.rows.displays = append(b.rows.displays, row)
	}
	items := make([]numbered, 0, len(b.profiles.list))
	for _, p := range b.profiles.list {
		key := personKey(&p.entry.secret)
		items = append(items, numbered{p.number, s.seal(nil, &key, sealedProfile, p.entry.handle, p.number, p.body)})
	}
	b.rows.profiles = d.profileTable.pages(items)
}

// preparePersons seals the records of new persons, unless another batch has done so.
func (d *Directory) preparePersons(b *Batch, s *sealer) {
	var slab []byte
	now := sqldb.Now()
	list := b.persons.list
	items := make([]numbered, 0, len(list))
	b.persons.list = list[:0]
	for _, e := range list {
		u := e.unsaved.Load()
		if u == nil {
			continue // another batch has stored it meanwhile
		}
		u.mu.Lock()
		if u.record == nil {
			r := record{handle: e.handle, scope: [8]byte(u.scope[:]), generation: e.generation, created: now}
			l := d.lookup("id", fold(u.identity.ID))
			s.lookups = append(s.lookups[:0], l[:]...)
			if hasAlias(&u.identity) {
				l = d.lookup("email", fold(u.identity.Email))
				s.lookups = append(s.lookups, l[:]...)
			}
			r.lookups = s.lookups
			if cap(slab)-len(slab) < 2048 {
				slab = make([]byte, 0, max(128*len(list), 2048))
			}
			from := len(slab)
			slab = s.sealPerson(slab, e, u, &r)
			to := len(slab)
			slab = appendEntries(slab, e.number, &r)
			u.record, u.entries = slab[from:to:to], slab[to:len(slab):len(slab)]
		}
		b.persons.list, items = append(b.persons.list, e), append(items, numbered{e.number, u.record})
		b.rows.entries = append(b.rows.entries, u.entries...)
		u.mu.Unlock()
	}
	b.rows.persons = d.personTable.pages(items)
}

// hasAlias reports whether a person is to be found by e-mail: when that says more than the id.
func hasAlias(id *Identity) bool { return id.Email != "" && fold(id.Email) != fold(id.ID) }

// Persist writes batches in tx: a few pages at the end of the tables, whatever they hold. Several batches of a few persons each share their pages, so they are written
// together.
//
// Prepare MUST have been called for each.
func (d *Directory) Persist(ctx context.Context, tx *sql.Tx, batches ...*Batch) error {
	var all rows
	for _, b := range batches {
		all.persons, all.profiles = append(all.persons, b.rows.persons...), append(all.profiles, b.rows.profiles...)
		all.entries, all.displays = append(all.entries, b.rows.entries...), append(all.displays, b.rows.displays...)
	}
	if err := d.personTable.insert(ctx, d.db, tx, d.no, all.persons); err != nil {
		return err
	}
	if err := d.profileTable.insert(ctx, d.db, tx, d.no, all.profiles); err != nil {
		return err
	}
	for _, c := range all.displays {
		if err := d.rename(ctx, tx, c); err != nil {
			return err
		}
	}
	return d.storeEntries(ctx, tx, all.entries)
}

// Committed tells the directory that the transaction in which b was persisted has committed.
func (d *Directory) Committed(b *Batch) {
	for _, e := range b.persons.list {
		if e.persisted.Swap(true) {
			continue // another batch named the person too
		}
		u := e.unsaved.Load()
		d.index.add(u.entries)
		d.resident.keep(e, u.scope, false)
		d.names.put(e.handle, e.number, &u.identity, d.restOf(u), false)
		e.unsaved.Store(nil)
	}
	for i, u := range b.displays {
		if alias := b.rows.displays[i].alias; alias != ([lookupSize]byte{}) {
			d.index.addAlias(u.entry.number, alias)
		}
		digest := d.displayDigest(u.Name, u.Email)
		u.entry.display.Store(digest)
		d.resident.display(u.entry.number, digest)
		d.names.put(u.entry.handle, u.entry.number, &u.Identity, restUnknown, true)
	}
	for _, p := range b.profiles.list {
		d.numbers.Add(p.digest, p.number)
		d.use(p.entry, p.digest, p.number)
	}
	b.rows = rows{}
}
