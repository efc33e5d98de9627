package person

import "context"

// missing is an identity that the cache does not have, and what became of it.
type missing struct {
	id     *Identity
	at     int // in the list of Prefetch
	digest uint64
	scope  [lookupSize]byte // what is stored of it is its beginning
	entry  *entry
	err    error
}

// load finds the entries of identities that the cache does not have, or makes them.
func (d *Directory) load(ctx context.Context, b *Batch, miss []missing) error {
	s := d.sealer()
	defer d.sealers.Put(s)
	foreign := d.foreign.Load() // before looking
	if err := d.loadStored(ctx, s, miss); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range miss {
		m := &miss[i]
		if e, ok := d.byKey.Get(m.digest); ok && e.is(m.id) {
			m.entry, m.err = e, nil
		}
		if m.err != nil {
			continue
		}
		if m.entry == nil {
			if m.entry, m.err = d.create(s, b, m, foreign); m.err != nil {
				return m.err
			}
		}
		d.byKey.Add(m.digest, m.entry)
	}
	return nil
}

// loadStored finds those of the missing that are stored.
func (d *Directory) loadStored(ctx context.Context, s *sealer, miss []missing) error {
	var numbers []int64
	at := map[int64][]*missing{}
	var found []int64
	for i := range miss {
		m := &miss[i]
		found = d.index.byScope([8]byte(m.scope[:]), found[:0])
		for _, n := range found {
			if s, ok := d.resident.get(n); ok && s.scope == m.scope {
				m.entry = s.entry()
				m.entry.name(&Identity{Namespace: m.id.Namespace, Type: m.id.Type, ID: m.id.ID})
			}
		}
		if m.entry == nil {
			for _, n := range found {
				numbers, at[n] = append(numbers, n), append(at[n], m)
			}
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	return d.records(ctx, numbers, func(number int64, r *record) error {
		for _, m := range at[number] {
			if r.scope != [8]byte(m.scope[:]) || m.entry != nil {
				continue
			}
			if m.entry, m.err = d.reload(s, number, r, m.id); m.entry != nil {
				d.resident.keep(m.entry, m.scope, false)
			}
		}
		return nil
	})
}

// reload makes the entry of a record, nil when it is not that of id after all.
func (d *Directory) reload(s *sealer, number int64, r *record, id *Identity) (*entry, error) {
	secret, err := s.openSecret(r)
	if err != nil {
		return nil, err
	}
	key := personKey(&secret)
	who, err := s.openBase(r, &key)
	if err != nil || string(who.typ) != id.Type || string(who.id) != id.ID {
		return nil, err
	}
	e := &entry{handle: r.handle, number: number, generation: r.generation, secret: secret}
	if who.profile != nil {
		e.use(d.bodyDigest(e.number, who.profile), FirstProfile)
	}
	if len(r.display) > 0 {
		if who, err = s.openShown(r, &key); err != nil {
			return nil, err
		}
	}
	e.display.Store(d.displayDigest(string(who.name), string(who.email)))
	e.name(&Identity{Namespace: id.Namespace, Type: id.Type, ID: id.ID})
	e.persisted.Store(true)
	return e, nil
}

// create makes an entry. The caller holds d.mu.
func (d *Directory) create(s *sealer, b *Batch, m *missing, foreign uint64) (*entry, error) {
	e := &entry{generation: 1}
	for e.handle == 0 {
		var err error
		if e.number, err = d.newPersons.take(&b.persons.block, b.small); err != nil {
			return nil, err
		}
		e.handle = d.handles.of(e.number)
	}
	s.keys.Random.Read(e.secret[:])
	if b.id == 0 {
		b.id = d.batches.Add(1)
	}
	u := &unsaved{owner: b.id, scope: m.scope, foreign: foreign}
	u.identity = e.name(m.id)
	e.display.Store(d.displayDigest(m.id.Name, m.id.Email))
	e.unsaved.Store(u)
	d.resident.keep(e, m.scope, true)
	return e, nil
}
