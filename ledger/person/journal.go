package person

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// journalRows are new rows of the directory's tables. They are sealed already: the journal reveals no more than the tables do.
type journalRows struct {
	identifiers []identifierRow
	persons     []personRow
	profiles    []profileRow
	displays    []displayRow
}

type identifierRow struct {
	scopeID
	handle int64
}

type personRow struct {
	handle, generation, createdAt int64
	secret, display               []byte
}

type profileRow struct {
	key  profileKey
	body []byte
}

type displayRow struct {
	handle  int64
	display []byte
}

const journalFormat = 1

// encode writes the rows as one blob: format, then for each of the four kinds a count and the rows, numbers as uvarints, blobs after their length.
func (r *journalRows) encode() []byte {
	b := []byte{journalFormat}
	num := func(n int64) { b = binary.AppendUvarint(b, uint64(n)) }
	blob := func(x []byte) {
		num(int64(len(x)))
		b = append(b, x...)
	}
	num(int64(len(r.identifiers)))
	for i := range r.identifiers {
		b = append(append(b, r.identifiers[i].lookup[:]...), r.identifiers[i].scope[:]...)
		num(r.identifiers[i].handle)
	}
	num(int64(len(r.persons)))
	for i := range r.persons {
		p := &r.persons[i]
		num(p.handle)
		num(p.generation)
		num(p.createdAt)
		blob(p.secret)
		blob(p.display)
	}
	num(int64(len(r.profiles)))
	for i := range r.profiles {
		num(r.profiles[i].key.handle)
		num(r.profiles[i].key.profile)
		blob(r.profiles[i].body)
	}
	num(int64(len(r.displays)))
	for i := range r.displays {
		num(r.displays[i].handle)
		blob(r.displays[i].display)
	}
	return b
}

var errJournal = errors.New("the journal of persons is damaged")

type journalReader struct {
	b   []byte
	bad bool
}

func (r *journalReader) num() int64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 || n > 1<<63-1 {
		r.bad = true
		return 0
	}
	r.b = r.b[k:]
	return int64(n)
}

func (r *journalReader) bytes(n int64) []byte {
	if r.bad || n < 0 || n > int64(len(r.b)) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *journalReader) count() int64 {
	if n := r.num(); n <= int64(len(r.b)) {
		return n
	}
	r.bad = true
	return 0
}

func decodeJournal(b []byte) (rows journalRows, err error) {
	if len(b) == 0 || b[0] != journalFormat {
		return rows, errJournal
	}
	r := &journalReader{b: b[1:]}
	for n := r.count(); n > 0 && !r.bad; n-- {
		var x identifierRow
		copy(x.lookup[:], r.bytes(16))
		copy(x.scope[:], r.bytes(8))
		x.handle = r.num()
		rows.identifiers = append(rows.identifiers, x)
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		x := personRow{handle: r.num(), generation: r.num(), createdAt: r.num()}
		x.secret = r.bytes(r.num())
		x.display = r.bytes(r.num())
		rows.persons = append(rows.persons, x)
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		x := profileRow{key: profileKey{r.num(), r.num()}}
		x.body = r.bytes(r.num())
		rows.profiles = append(rows.profiles, x)
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		x := displayRow{handle: r.num()}
		x.display = r.bytes(r.num())
		rows.displays = append(rows.displays, x)
	}
	if r.bad || len(r.b) > 0 {
		return rows, errJournal
	}
	return rows, nil
}

// fresh holds what is in the journal, or about to be, and not yet in the tables. It is never evicted: until the merge, the tables do not know these persons.
type fresh struct {
	mu       sync.RWMutex
	entries  map[int64]*entry
	scopes   map[scopeID]*entry
	lookups  map[[16]byte][]int64
	profiles map[profileKey][]byte
	rows     journalRows
	journal  int64 // newest id given
	durable  int64 // newest id whose transaction has committed
	since    int64 // when the oldest row came, microseconds; 0 when there is none
}

func (f *fresh) add(e *entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.entries == nil {
		f.entries, f.scopes, f.lookups, f.profiles = map[int64]*entry{}, map[scopeID]*entry{}, map[[16]byte][]int64{}, map[profileKey][]byte{}
	}
	f.entries[e.handle] = e
	f.scopes[e.at] = e
}

func (f *fresh) byScope(at scopeID) *entry {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.scopes[at]
}

func (f *fresh) handle(h int64) *entry {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.entries[h]
}

func (f *fresh) profile(k profileKey) []byte {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.profiles[k]
}

// find returns the handles of stored identifiers.
func (f *fresh) find(lookups ...[]byte) []int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []int64
	for _, l := range lookups {
		out = append(out, f.lookups[[16]byte(l)]...)
	}
	return out
}

// stored returns the entries that are durable.
func (f *fresh) stored() []*entry {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []*entry
	for _, e := range f.entries {
		if e.persisted.Load() {
			out = append(out, e)
		}
	}
	return out
}

func (f *fresh) nextJournal() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.journal++
	return f.journal
}

func (f *fresh) committed(b *Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.entries == nil {
		f.entries, f.scopes, f.lookups, f.profiles = map[int64]*entry{}, map[scopeID]*entry{}, map[[16]byte][]int64{}, map[profileKey][]byte{}
	}
	for _, p := range b.profiles {
		f.profiles[p.key] = p.body
	}
	f.durable = max(f.durable, b.journal)
	f.append(b.rows)
}

func (f *fresh) append(rows journalRows) {
	for _, r := range rows.identifiers {
		if !slices.Contains(f.lookups[r.lookup], r.handle) {
			f.lookups[r.lookup] = append(f.lookups[r.lookup], r.handle)
		}
	}
	f.rows.identifiers = append(f.rows.identifiers, rows.identifiers...)
	f.rows.persons = append(f.rows.persons, rows.persons...)
	f.rows.profiles = append(f.rows.profiles, rows.profiles...)
	f.rows.displays = append(f.rows.displays, rows.displays...)
	if f.since == 0 {
		f.since = sqldb.Now()
	}
}

// loadJournal brings back what was not merged before the last stop.
func (d *Directory) loadJournal(ctx context.Context) error {
	rows, err := d.db.Read(ctx).QueryContext(ctx, `SELECT id, body FROM person_journal WHERE tenant_no = $1 ORDER BY id`, d.no)
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	f := &d.fresh
	f.entries, f.scopes, f.lookups, f.profiles = map[int64]*entry{}, map[scopeID]*entry{}, map[[16]byte][]int64{}, map[profileKey][]byte{}
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&f.journal, &body); err != nil {
			return err
		}
		r, err := decodeJournal(append([]byte(nil), body...))
		if err == nil {
			err = d.reopen(r)
		}
		if err != nil {
			return errs.Wrap(errs.Internal, err, "the directory of persons cannot be read")
		}
	}
	return sqldb.Translate(rows.Err())
}

func (d *Directory) reopen(r journalRows) error {
	f := &d.fresh
	for _, p := range r.persons {
		e := &entry{handle: p.handle, generation: p.generation}
		id, err := d.openEntry(e, p.secret, p.display)
		if err != nil {
			return err
		}
		e.fresh.Store(&id)
		e.persisted.Store(true)
		f.entries[p.handle] = e
	}
	for _, i := range r.identifiers {
		// An alias has its handle as scope, and is no way to the entry by identity.
		if e := f.entries[i.handle]; e != nil && binary.BigEndian.Uint64(i.scope[:]) != uint64(i.handle) {
			e.at = i.scopeID
			f.scopes[e.at] = e
			d.known.add(e.at)
		}
	}
	for _, x := range r.displays {
		if e := f.entries[x.handle]; e != nil {
			id, err := d.openDisplay(e.handle, e.secret, x.display)
			if err != nil {
				return err
			}
			e.fresh.Store(&id)
			e.display.Store(displayDigest(id))
		}
	}
	for _, p := range r.profiles {
		secret, err := d.Secret(context.Background(), p.key.handle)
		if err != nil {
			continue // erased meanwhile; its rows go nowhere
		}
		if f.profiles[p.key], err = open(secret, "profile", d.tenant, p.key.handle, p.key.profile, p.body); err != nil {
			return err
		}
	}
	f.append(r)
	f.durable = f.journal
	return nil
}
