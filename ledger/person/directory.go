package person

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"probity.dev/internal/cache"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb"
)

// Cache sizes. An entry takes some 250 bytes, an opened profile as many, an address 60, the number of a profile 40.
const (
	cachedPersons   = 250_000
	cachedProfiles  = 60_000
	cachedAddresses = 50_000
	cachedNumbers   = 100_000
	maxProfiles     = 64 // per person; whoever changes more often has their values stored with each event
)

// Directory is one tenant's directory. It is safe for concurrent use.
type Directory struct {
	tenant  string
	no      int64 // the tenant in the directory's tables
	db      *sqldb.DB
	keys    *crypt.Tenant
	key     evidence.Hash
	handles handles
	sealers sync.Pool

	mu        sync.Mutex // guards creation, so that one identifier never gets two entries in this process
	seed      maphash.Seed
	byKey     *cache.Cache[uint64, *entry]
	byHandle  *cache.Cache[int64, *entry]
	profiles  *cache.Cache[profileKey, []byte]
	numbers   *cache.Cache[uint64, int64] // of profiles, by the digest of person and body
	addresses *cache.Cache[string, int64]

	newPersons, newProfiles sequence
	personTable             pageTable
	profileTable            pageTable
	index                   index
	fresh                   fresh
	names                   nameIndex
	mergeMu                 sync.Mutex
	batches                 atomic.Uint64
}

type profileKey struct{ handle, profile int64 }

// Widths of the pages: some 3 kB each, so that a page of the database holds two or three.
const (
	personsPerPage  = 8
	profilesPerPage = 16
)

// Open opens the directory of a tenant, whose number in the directory's tables is no. directoryKey keys the blind indexes and never changes. It reads the index of
// persons, a tenth of a second for a million.
func Open(ctx context.Context, tenantID string, no int64, db *sqldb.DB, keys *crypt.Tenant, directoryKey evidence.Hash) (*Directory, error) {
	d := &Directory{tenant: tenantID, no: no, db: db, keys: keys, key: directoryKey}
	var err error
	if d.handles, err = newHandles(directoryKey); err != nil {
		return nil, err
	}
	d.sealers.New = func() any { return &sealer{tenant: tenantID, keys: keys.Sealer()} }
	d.seed = maphash.MakeSeed()
	d.byKey, d.byHandle = cache.New[uint64, *entry](cachedPersons), cache.New[int64, *entry](cachedPersons)
	d.profiles, d.addresses = cache.New[profileKey, []byte](cachedProfiles), cache.New[string, int64](cachedAddresses)
	d.numbers = cache.New[uint64, int64](cachedNumbers)
	d.newPersons.width, d.newProfiles.width = personsPerPage, profilesPerPage
	for t, s := range map[*pageTable]*sequence{&d.personTable: &d.newPersons, &d.profileTable: &d.newProfiles} {
		t.name, t.width = "person", s.width
		if s == &d.newProfiles {
			t.name = "person_profile"
		}
		last, err := t.last(ctx, db.Read(ctx), no)
		if err != nil {
			return nil, err
		}
		t.end = last + 1
		s.above(t.end * t.width) // page 0 stays empty: a number is never 0, nor a profile's 1
	}
	if err := d.index.load(ctx, db, no); err != nil {
		return nil, err
	}
	return d, d.loadJournal(ctx)
}

func (d *Directory) sealer() *sealer { return d.sealers.Get().(*sealer) }

// Resolve returns the person with this identity, making one if there is none. What must be stored is added to b, whose Persist MUST run in the
// transaction that stores the event.
func (d *Directory) Resolve(ctx context.Context, b *Batch, id Identity) (Person, error) {
	digest := d.digest(&id)
	e, ok := d.byKey.Get(digest)
	if !ok || !e.is(&id) {
		m := []missing{{id: &id, digest: digest, scope: d.scope(&id)}}
		if err := d.load(ctx, b, m); err != nil {
			return Person{}, err
		}
		if m[0].err != nil {
			return Person{}, m[0].err
		}
		e = m[0].entry
	}
	if !e.persisted.Load() {
		b.addPerson(e)
	} else if (id.Name != "" || id.Email != "") && e.display.Load() != d.displayDigest(id.Name, id.Email) {
		if err := d.renamed(ctx, b, e, &id); err != nil {
			return Person{}, err
		}
	}
	return e.person(), nil
}

// Prefetch reads into the caches those of the persons who are stored, many with one statement, and prepares entries for those who are new, so that Resolve, which must be
// called all the same, finds all of them in memory. A person who cannot be read is left for Resolve to report.
func (d *Directory) Prefetch(ctx context.Context, b *Batch, ids []Identity) error {
	var miss []missing
	var seen map[uint64]bool
	for i := range ids {
		digest := d.digest(&ids[i])
		if e, ok := d.byKey.Get(digest); ok && e.is(&ids[i]) || seen[digest] {
			continue
		}
		if seen == nil {
			seen = make(map[uint64]bool, len(ids))
		}
		seen[digest] = true
		miss = append(miss, missing{id: &ids[i], digest: digest, scope: d.scope(&ids[i])})
	}
	if len(miss) == 0 {
		return nil
	}
	return d.load(ctx, b, miss)
}

// digest is where an identity stands in the cache. A slip would only mean a look-up more: entries are compared in full.
func (d *Directory) digest(id *Identity) uint64 {
	h := maphash.String(d.seed, id.ID)
	return h ^ maphash.String(d.seed, id.Namespace)*0x9e3779b97f4a7c15 ^ maphash.String(d.seed, id.Type)*0xc2b2ae3d27d4eb4f
}

func (d *Directory) displayDigest(name, email string) uint64 {
	return maphash.String(d.seed, name)*0x9e3779b97f4a7c15 ^ maphash.String(d.seed, email)
}

// renamed adds the change to b when an identity says something else than what is stored.
func (d *Directory) renamed(ctx context.Context, b *Batch, e *entry, id *Identity) error {
	if c := b.changed[e]; c != nil && c.Name == id.Name && c.Email == id.Email {
		return nil
	}
	old, err := d.who(ctx, e.number, e.handle)
	if err != nil {
		return err
	}
	now := *id
	if now.Name == "" {
		now.Name = old.Name
	}
	if now.Email == "" {
		now.Email = old.Email
	}
	if now.Name != old.Name || now.Email != old.Email {
		b.addDisplay(e, now.clone())
	} else {
		e.display.Store(d.displayDigest(id.Name, id.Email))
	}
	return nil
}

// clone copies an identity out of the event that it was read from, which must not stay in memory for its sake.
func (i Identity) clone() Identity {
	return Identity{strings.Clone(i.Namespace), strings.Clone(i.Type), strings.Clone(i.ID), strings.Clone(i.Name), strings.Clone(i.Email)}
}

// missing is an identity that the cache does not have, and what became of it.
type missing struct {
	id     *Identity
	digest uint64
	scope  [8]byte
	entry  *entry
	err    error
}

// load finds the entries of identities that the cache does not have, or makes them.
func (d *Directory) load(ctx context.Context, b *Batch, miss []missing) error {
	s := d.sealer()
	defer d.sealers.Put(s)
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
			if m.entry, m.err = d.create(s, b, m); m.err != nil {
				return m.err
			}
		}
		d.byKey.Add(m.digest, m.entry)
		d.byHandle.Add(m.entry.handle, m.entry)
	}
	return nil
}

// loadStored finds those of the missing that are stored.
func (d *Directory) loadStored(ctx context.Context, s *sealer, miss []missing) error {
	var numbers []int64
	at := map[int64][]*missing{}
	for i := range miss {
		from := len(numbers)
		numbers = d.index.byScope(miss[i].scope, numbers)
		for _, n := range numbers[from:] {
			at[n] = append(at[n], &miss[i])
		}
	}
	if len(numbers) == 0 {
		return nil
	}
	return d.records(ctx, numbers, func(number int64, r *record) error {
		for _, m := range at[number] {
			if r.scope == m.scope && m.entry == nil {
				m.entry, m.err = d.reload(s, number, r, m.id)
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
	c, err := personCipher(&secret)
	if err != nil {
		return nil, err
	}
	who, err := s.openBase(r, c)
	if err != nil || string(who.typ) != id.Type || string(who.id) != id.ID {
		return nil, err
	}
	e := &entry{handle: r.handle, number: number, generation: r.generation, secret: secret}
	if who.profile != nil {
		e.use(d.bodyDigest(e.number, who.profile), firstProfile)
	}
	if len(r.display) > 0 {
		if who, err = s.openShown(r, c); err != nil {
			return nil, err
		}
	}
	e.display.Store(d.displayDigest(string(who.name), string(who.email)))
	e.name(&Identity{Namespace: id.Namespace, Type: id.Type, ID: id.ID})
	e.persisted.Store(true)
	return e, nil
}

// create makes an entry. The caller holds d.mu.
func (d *Directory) create(s *sealer, b *Batch, m *missing) (*entry, error) {
	e := &entry{generation: 1}
	for e.handle == 0 {
		var err error
		if e.number, err = d.newPersons.take(&b.persons.block); err != nil {
			return nil, err
		}
		e.handle = d.handles.of(e.number)
	}
	s.keys.Random.Read(e.secret[:])
	if b.id == 0 {
		b.id = d.batches.Add(1)
	}
	u := &unsaved{owner: b.id}
	u.identity = e.name(m.id)
	e.display.Store(d.displayDigest(m.id.Name, m.id.Email))
	e.unsaved.Store(u)
	return e, nil
}

// record calls fn with what is stored of one person.
func (d *Directory) record(ctx context.Context, number int64, fn func(*record) error) error {
	found := false
	err := d.records(ctx, []int64{number}, func(_ int64, r *record) error {
		found = true
		return fn(r)
	})
	if err == nil && !found {
		err = errs.New(errs.NotFound, "there is no person with this handle")
	}
	return err
}

// records calls fn with what is stored of each person that is. A record is valid during the call only.
func (d *Directory) records(ctx context.Context, numbers []int64, fn func(number int64, r *record) error) error {
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	// What is newer than the tables is taken first: between the two looks it may go from there into the tables, and not the other way.
	newer := d.fresh.persons(numbers)
	var pages []int64
	for i, n := range numbers {
		if p := n / personsPerPage; newer[i].body == nil && (len(pages) == 0 || pages[len(pages)-1] != p) {
			pages = append(pages, p)
		}
	}
	visit := func(i int, body []byte) error {
		r, err := parseRecord(body)
		if err != nil {
			return err
		}
		for _, c := range newer[i].changes {
			r.change(c)
		}
		return fn(numbers[i], &r)
	}
	for i := range newer {
		if newer[i].body != nil {
			if err := visit(i, newer[i].body); err != nil {
				return err
			}
		}
	}
	return d.personTable.read(ctx, d.db.Read(ctx), d.no, pages, func(page int64, body []byte) error {
		return d.personTable.items(page, body, func(n numbered) error {
			if i, ok := slices.BinarySearch(numbers, n.number); ok && newer[i].body == nil {
				return visit(i, n.body)
			}
			return nil
		})
	})
}

// who is the identity last seen of a person.
func (d *Directory) who(ctx context.Context, number, handle int64) (who Identity, err error) {
	err = d.record(ctx, number, func(r *record) error {
		if r.handle != handle {
			return errs.New(errs.NotFound, "there is no person with this handle")
		}
		s := d.sealer()
		defer d.sealers.Put(s)
		who, err = s.openIdentity(r)
		return err
	})
	return who, err
}

// entry returns the stored entry of a handle. A person whose secret was destroyed is an error with code NotFound.
func (d *Directory) entry(ctx context.Context, handle int64) (e *entry, err error) {
	if e, ok := d.byHandle.Get(handle); ok {
		return e, nil
	}
	number, ok := d.handles.number(handle)
	if !ok {
		return nil, errs.New(errs.NotFound, "there is no person with this handle")
	}
	err = d.record(ctx, number, func(r *record) error {
		if r.handle != handle {
			return errs.New(errs.NotFound, "there is no person with this handle")
		}
		s := d.sealer()
		defer d.sealers.Put(s)
		e, err = d.entryOf(s, number, r)
		return err
	})
	return e, err
}

// entryOf caches the entry of a record as far as reading needs it.
func (d *Directory) entryOf(s *sealer, number int64, r *record) (*entry, error) {
	secret, err := s.openSecret(r)
	if err != nil {
		return nil, err
	}
	e := &entry{handle: r.handle, number: number, generation: r.generation, secret: secret}
	e.persisted.Store(true)
	d.byHandle.Add(e.handle, e)
	return e, nil
}

// Secret returns the secret of the person with this handle. NotFound means erased or never there.
func (d *Directory) Secret(ctx context.Context, handle int64) (evidence.Hash, error) {
	e, err := d.entry(ctx, handle)
	if err != nil {
		return evidence.Hash{}, err
	}
	return e.secret, nil
}

// Describe returns what the directory knows of the person with this handle.
func (d *Directory) Describe(ctx context.Context, handle int64) (Identity, error) {
	number, ok := d.handles.number(handle)
	if !ok {
		return Identity{}, errs.New(errs.NotFound, "there is no person with this handle")
	}
	return d.who(ctx, number, handle)
}

// lookup is the blind index of an identifier or alias under the tenant's directory key.
func (d *Directory) lookup(kind string, parts ...string) (out [lookupSize]byte) {
	var stack [192]byte
	b := appendPart(stack[:0], kind)
	for _, p := range parts {
		b = appendPart(b, p)
	}
	h := evidence.HMAC(&d.key, b)
	copy(out[:], h[:])
	return out
}

func appendPart(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// scope is the blind index of a whole identifier. It is never zero.
func (d *Directory) scope(id *Identity) (out [8]byte) {
	l := d.lookup("scope", id.Namespace, id.Type, id.ID)
	copy(out[:], l[:])
	out[7] |= 1
	return out
}

// Address returns the handle of a network address: a keyed hash instead of a random number, because addresses are many, have no secret of their own (their
// value belongs to whoever used them) and need nothing stored. A collision, of 62 bits, would only show an event too many.
func (d *Directory) Address(ip string) int64 {
	if h, ok := d.addresses.Get(ip); ok {
		return h
	}
	l := d.lookup("address", fold(ip))
	h := int64(binary.BigEndian.Uint64(l[:])>>2) | 1
	d.addresses.Add(strings.Clone(ip), h)
	return h
}

// maxFound bounds the persons that one identifier or e-mail stands for.
const maxFound = 1000

// Find returns the handles that an identifier or e-mail stands for, in any namespace.
func (d *Directory) Find(ctx context.Context, term string) (out []int64, err error) {
	id, email := d.lookup("id", fold(term)), d.lookup("email", fold(term))
	err = d.records(ctx, d.index.byLookup(id, email, maxFound), func(_ int64, r *record) error {
		if r.has(id) || r.has(email) {
			out = append(out, r.handle)
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}
