package person

import (
	"context"
	"database/sql"
	"encoding/binary"
	"slices"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// journalRows are new rows of the directory's tables. They are sealed already: the journal reveals no more than the tables do.
type journalRows struct {
	persons  []numbered
	profiles []numbered
	displays []displayRow
}

// displayRow is a person's newer identity, and the look-up of the e-mail in it, zero when there is none.
type displayRow struct {
	number  int64
	alias   [lookupSize]byte
	display []byte
}

func (r *journalRows) len() int { return len(r.persons) + len(r.profiles) + len(r.displays) }

const journalFormat = 2

// encode writes the rows as one blob: format, then for each of the three kinds a count and the rows: the number, for a display the look-up of its e-mail (16), the body after its length. Numbers,
// counts and lengths are uvarints.
func (r *journalRows) encode() []byte {
	size := 64
	for _, list := range [...][]numbered{r.persons, r.profiles} {
		for _, n := range list {
			size += len(n.body) + 8
		}
	}
	b := append(make([]byte, 0, size), journalFormat)
	for _, list := range [...][]numbered{r.persons, r.profiles} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, n := range list {
			b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(n.number)), uint64(len(n.body)))
			b = append(b, n.body...)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(r.displays)))
	for _, x := range r.displays {
		b = append(binary.AppendUvarint(b, uint64(x.number)), x.alias[:]...)
		b = append(binary.AppendUvarint(b, uint64(len(x.display))), x.display...)
	}
	return b
}

var errJournal = errs.New(errs.Internal, "the journal of persons is damaged")

func decodeJournal(b []byte) (rows journalRows, err error) {
	if len(b) == 0 || b[0] != journalFormat {
		return rows, errJournal
	}
	r := &reader{b: b[1:]}
	for _, list := range [...]*[]numbered{&rows.persons, &rows.profiles} {
		for n := r.count(); n > 0 && !r.bad; n-- {
			*list = append(*list, numbered{r.num(), r.blob()})
		}
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		x := displayRow{number: r.num()}
		copy(x.alias[:], r.bytes(lookupSize))
		x.display = r.blob()
		rows.displays = append(rows.displays, x)
	}
	if r.bad || len(r.b) > 0 {
		return rows, errJournal
	}
	return rows, nil
}

// pending is a committed row of the journal.
type pending struct {
	id   int64
	rows journalRows
}

// fresh holds what is in the journal and not yet in the tables, sealed as there. It is never evicted: until the merge, the tables do not know it.
type fresh struct {
	mu      sync.RWMutex
	people  map[int64][]byte
	bodies  map[int64][]byte       // of profiles
	changes map[int64][]displayRow // newer identities of persons, oldest first
	waiting []pending
	items   int   // in waiting
	journal int64 // newest id given
	since   int64 // when the oldest row came, microseconds; 0 when there is none
}

// newer is what fresh has of a person.
type newer struct {
	body    []byte
	changes []displayRow
}

// persons returns what there is of each of the numbers.
func (f *fresh) persons(numbers []int64) []newer {
	out := make([]newer, len(numbers))
	f.mu.RLock()
	defer f.mu.RUnlock()
	for i, n := range numbers {
		out[i] = newer{f.people[n], f.changes[n]}
	}
	return out
}

// everyone returns the numbers of all persons who are new or have changed.
func (f *fresh) everyone() []int64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := keysOf(f.people)
	for n := range f.changes {
		if f.people[n] == nil {
			out = append(out, n)
		}
	}
	return out
}

func (f *fresh) profile(number int64) []byte {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.bodies[number]
}

func (f *fresh) nextJournal() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.journal++
	return f.journal
}

// add takes up a row of the journal that is durable.
func (f *fresh) add(id int64, rows journalRows) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.people == nil {
		f.people, f.bodies, f.changes = map[int64][]byte{}, map[int64][]byte{}, map[int64][]displayRow{}
	}
	for _, n := range rows.persons {
		f.people[n.number] = n.body
	}
	for _, n := range rows.profiles {
		f.bodies[n.number] = n.body
	}
	for _, x := range rows.displays {
		f.changes[x.number] = append(f.changes[x.number], x)
	}
	f.waiting = append(f.waiting, pending{id, rows})
	f.items += rows.len()
	if f.since == 0 {
		f.since = sqldb.Now()
	}
}

// take returns the oldest waiting rows, some mergeChunk of them, when there are enough or they are old enough.
func (f *fresh) take() []pending {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.items == 0 || f.items < mergeChunk && sqldb.Now()-f.since < mergeAfter {
		return nil
	}
	n, items := 0, 0
	for n < len(f.waiting) && items < mergeChunk {
		items += f.waiting[n].rows.len()
		n++
	}
	out := f.waiting[:n:n]
	f.waiting = f.waiting[n:]
	f.items -= items
	if len(f.waiting) == 0 {
		f.since = 0
	}
	return out
}

// putBack undoes take.
func (f *fresh) putBack(p []pending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(p, f.waiting...)
	for i := range p {
		f.items += p[i].rows.len()
	}
	f.since = 1
}

// forget drops what the tables now have.
func (f *fresh) forget(p []pending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range p {
		for _, n := range p[i].rows.persons {
			delete(f.people, n.number)
		}
		for _, n := range p[i].rows.profiles {
			delete(f.bodies, n.number)
		}
		for _, x := range p[i].rows.displays {
			if left := f.changes[x.number][1:]; len(left) > 0 {
				f.changes[x.number] = left
			} else {
				delete(f.changes, x.number)
			}
		}
	}
}

// loadJournal brings back what was not merged before the last stop.
func (d *Directory) loadJournal(ctx context.Context) error {
	rows, err := d.db.Read(ctx).QueryContext(ctx, `SELECT id, body FROM person_journal WHERE tenant_no = $1 ORDER BY id`, d.no)
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var body sql.RawBytes
		if err := rows.Scan(&id, &body); err != nil {
			return sqldb.Translate(err)
		}
		r, err := decodeJournal(append([]byte(nil), body...))
		if err == nil {
			err = d.reopen(&r)
		}
		if err != nil {
			return err
		}
		d.fresh.journal = id
		d.fresh.add(id, r)
	}
	if err := rows.Err(); err != nil {
		return sqldb.Translate(err)
	}
	return d.dropStored(ctx)
}

// dropStored forgets rows of the journal for persons who are in the tables already: another batch named them too, and was merged. What has been done to the stored
// one since, up to destroying the secret, counts.
func (d *Directory) dropStored(ctx context.Context) error {
	var pages []int64
	for n := range d.fresh.people {
		if p := n / personsPerPage; p < d.personTable.end {
			pages = append(pages, p)
		}
	}
	slices.Sort(pages)
	return d.personTable.read(ctx, d.db.Read(ctx), d.no, slices.Compact(pages), func(page int64, body []byte) error {
		return d.personTable.items(page, body, func(n numbered) error {
			delete(d.fresh.people, n.number)
			return nil
		})
	})
}

// reopen makes rows of the journal findable.
func (d *Directory) reopen(rows *journalRows) error {
	for _, n := range rows.persons {
		r, err := parseRecord(n.body)
		if err != nil {
			return err
		}
		if d.fresh.people[n.number] == nil { // another batch may have named the person too
			d.index.addRecord(n.number, &r)
		}
		d.newPersons.above(n.number)
	}
	for _, n := range rows.profiles {
		d.newProfiles.above(n.number)
	}
	for _, x := range rows.displays {
		if x.alias != ([lookupSize]byte{}) {
			d.index.addAlias(x.number, x.alias)
		}
	}
	return nil
}
