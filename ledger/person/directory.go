package person

import (
	"context"
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

// Cache sizes. An entry takes some 330 bytes with its keys, an opened profile 230, the number of a profile 40.
const (
	cachedPersons  = 400_000
	cachedProfiles = 60_000
	cachedNumbers  = 100_000
	maxProfiles    = 64 // per person; whoever changes more often has their values stored with each event
)

// Directory is one tenant's directory. It is safe for concurrent use.
type Directory struct {
	tenant  string
	no      int64 // the tenant in the directory's tables
	db      *sqldb.DB
	keys    *crypt.Tenant
	mac     *crypt.CMAC // makes the blind indexes
	handles handles
	sealers sync.Pool

	mu       sync.Mutex // guards creation, so that one identifier never gets two entries in this process
	seed     maphash.Seed
	byKey    *cache.Cache[uint64, *entry]
	resident resident
	profiles *cache.Cache[profileKey, []byte]
	numbers  *cache.Cache[uint64, int64] // of profiles, by the digest of person and body

	newPersons, newProfiles sequence
	personTable             pageTable
	profileTable            pageTable
	index                   index
	names                   nameIndex
	batches                 atomic.Uint64
	foreign                 atomic.Uint64 // how often persons of other processes were taken up
}

type profileKey struct{ handle, profile int64 }

// Widths of the pages: some 3 kB each, so that a page of the database holds two or three.
const (
	personsPerPage  = 16
	smallBatch      = personsPerPage / 2 // so many identities at most are less than a page of persons
	profilesPerPage = 16
)

// Open opens the directory of a tenant, whose number in the directory's tables is no. directoryKey keys the blind indexes and never changes. It reads the index of
// identifiers, a fifth of a second for a million persons, and goes on to make that of names in the background.
func Open(ctx context.Context, tenantID string, no int64, db *sqldb.DB, keys *crypt.Tenant, directoryKey evidence.Hash) (*Directory, error) {
	d := &Directory{tenant: tenantID, no: no, db: db, keys: keys}
	var err error
	if d.handles, err = newHandles(directoryKey); err != nil {
		return nil, err
	}
	if d.mac, err = crypt.NewCMAC(evidence.HMAC(&directoryKey, []byte("probity/lookup/v1"))); err != nil {
		return nil, err
	}
	d.sealers.New = func() any { return &sealer{tenant: tenantID, keys: keys.Sealer()} }
	d.seed = maphash.MakeSeed()
	d.byKey, d.profiles = cache.New[uint64, *entry](cachedPersons), cache.New[profileKey, []byte](cachedProfiles)
	d.numbers = cache.New[uint64, int64](cachedNumbers)
	d.personTable, d.profileTable = pageTable{name: "person", width: personsPerPage}, pageTable{name: "person_profile", width: profilesPerPage}
	if err := d.newPersons.after(ctx, db.Read(ctx), no, &d.personTable); err != nil {
		return nil, err
	}
	if err := d.newProfiles.after(ctx, db.Read(ctx), no, &d.profileTable); err != nil {
		return nil, err
	}
	if db.Shared() {
		d.share()
	}
	if err := d.index.load(ctx, db.Read(ctx), no, nil); err != nil {
		return nil, err
	}
	go d.loadNames(context.WithoutCancel(ctx)) //nolint:errcheck // a search that finds no index tries again, and tells
	return d, nil
}

func (d *Directory) sealer() *sealer { return d.sealers.Get().(*sealer) }

// Resolve returns the person with this identity, making one if there is none. What must be stored is added to b, whose Persist MUST run in the
// transaction that stores the event.
func (d *Directory) Resolve(ctx context.Context, b *Batch, id Identity) (Person, error) {
	e := b.fetched.next(&id)
	if e == nil {
		var err error
		if e, err = d.find(ctx, b, &id); err != nil {
			return Person{}, err
		}
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

// find returns the entry of an identity, making one if there is none.
func (d *Directory) find(ctx context.Context, b *Batch, id *Identity) (*entry, error) {
	digest := d.digest(id)
	if e, ok := d.byKey.Get(digest); ok && e.is(id) {
		return e, nil
	}
	own := id.clone() // so that id need not be on the heap in all other cases
	m := []missing{{id: &own, digest: digest, scope: d.scope(&own)}}
	if err := d.load(ctx, b, m); err != nil {
		return nil, err
	}
	return m[0].entry, m[0].err
}

// Prefetch reads into the caches those of the persons who are stored, many with one statement, and prepares entries for those who are new, so that Resolve, which must be
// called all the same, finds all of them in memory, the soonest when it is called in the same order. A person who cannot be read is left for Resolve to report.
// The batch keeps ids until it is prepared; they must not be changed.
func (d *Directory) Prefetch(ctx context.Context, b *Batch, ids []Identity) error {
	b.fetched, b.small = fetched{ids: ids, entries: make([]*entry, len(ids))}, len(ids) <= smallBatch
	var miss []missing
	var seen [256]uint64 // keeps most of the repetitions out; the others cost a look-up
	for i := range ids {
		digest := d.digest(&ids[i])
		if e, ok := d.byKey.Get(digest); ok && e.is(&ids[i]) {
			b.fetched.entries[i] = e
			continue
		}
		if s := &seen[digest%uint64(len(seen))]; *s != digest {
			*s = digest
			if miss == nil {
				miss = make([]missing, 0, len(ids)-i)
			}
			miss = append(miss, missing{id: &ids[i], at: i, digest: digest, scope: d.scope(&ids[i])})
		}
	}
	if len(miss) == 0 {
		return nil
	}
	err := d.load(ctx, b, miss)
	for i := range miss {
		b.fetched.entries[miss[i].at] = miss[i].entry
	}
	return err
}

// fetched is what Prefetch found, in the order in which it was asked.
type fetched struct {
	ids     []Identity
	entries []*entry
	pos     int
}

// next returns the entry of id if it is the next that was asked for, or one soon after: events that turn out to be malformed are left out.
func (f *fetched) next(id *Identity) *entry {
	for i := f.pos; i < min(f.pos+4, len(f.ids)); i++ {
		if f.ids[i] == *id {
			f.pos = i + 1
			return f.entries[i]
		}
	}
	return nil
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
		d.resident.display(e.number, d.displayDigest(id.Name, id.Email))
	}
	return nil
}

// clone copies an identity out of the event that it was read from, which must not stay in memory for its sake.
func (i Identity) clone() Identity {
	return Identity{strings.Clone(i.Namespace), strings.Clone(i.Type), strings.Clone(i.ID), strings.Clone(i.Name), strings.Clone(i.Email)}
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
	return d.recordsFrom(d.readPages(ctx, &d.personTable), slices.Clone(numbers), fn)
}

// recordsFrom is records with the pages of a source. It sorts numbers.
func (d *Directory) recordsFrom(from pageSource, numbers []int64, fn func(number int64, r *record) error) error {
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	var pages []int64
	for _, n := range numbers {
		if p := n / personsPerPage; len(pages) == 0 || pages[len(pages)-1] != p {
			pages = append(pages, p)
		}
	}
	return from(pages, func(page int64, body []byte) error {
		return d.personTable.items(page, body, func(n numbered) error {
			if _, ok := slices.BinarySearch(numbers, n.number); !ok {
				return nil
			}
			r, err := parseRecord(n.body)
			if err != nil {
				return err
			}
			return fn(n.number, &r)
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

// Secret returns the secret of the person with this handle. NotFound means erased or never there.
func (d *Directory) Secret(ctx context.Context, handle int64) (secret evidence.Hash, err error) {
	number, ok := d.handles.number(handle)
	if !ok {
		return secret, errs.New(errs.NotFound, "there is no person with this handle")
	}
	if secret, ok = d.resident.secret(number, handle); ok {
		return secret, nil
	}
	err = d.record(ctx, number, func(r *record) error {
		if r.handle != handle {
			return errs.New(errs.NotFound, "there is no person with this handle")
		}
		s := d.sealer()
		defer d.sealers.Put(s)
		secret, err = d.opened(s, number, r)
		return err
	})
	return secret, err
}

// opened returns the secret of a record and keeps it at hand.
func (d *Directory) opened(s *sealer, number int64, r *record) (evidence.Hash, error) {
	secret, err := s.openSecret(r)
	if err == nil {
		d.resident.keepSecret(number, r, &secret)
	}
	return secret, err
}

// Describe returns what the directory knows of the person with this handle.
func (d *Directory) Describe(ctx context.Context, handle int64) (Identity, error) {
	number, ok := d.handles.number(handle)
	if !ok {
		return Identity{}, errs.New(errs.NotFound, "there is no person with this handle")
	}
	return d.who(ctx, number, handle)
}
