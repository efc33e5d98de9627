package person

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"probity.dev/internal/sqldb"
)

const (
	mergeChunk = 8_192      // waiting rows that are merged at once, in one transaction: few enough that appends hardly wait
	mergeAfter = 10_000_000 // microseconds after which fewer are merged too
)

// Merge files the journal's rows in the directory's tables, when there are enough or they are old enough. Filing some rows and dropping them from the journal is
// one transaction, so after a crash they are in one of the two.
func (d *Directory) Merge(ctx context.Context) error {
	d.mergeMu.Lock()
	defer d.mergeMu.Unlock()
	for {
		p := d.fresh.take()
		if p == nil {
			return nil
		}
		if err := d.merge(ctx, p); err != nil {
			d.fresh.putBack(p)
			return err
		}
		d.fresh.forget(p)
	}
}

// pageWork is what one page gets.
type pageWork struct {
	page    int64
	items   []numbered
	changes []displayRow
	old     []byte
}

func (d *Directory) merge(ctx context.Context, waiting []pending) error {
	var rows journalRows
	for i := range waiting {
		r := &waiting[i].rows
		rows.persons = append(rows.persons, r.persons...)
		rows.profiles = append(rows.profiles, r.profiles...)
		rows.displays = append(rows.displays, r.displays...)
	}
	byNumber := func(a, b numbered) int { return cmp.Compare(a.number, b.number) }
	slices.SortStableFunc(rows.persons, byNumber)
	slices.SortStableFunc(rows.profiles, byNumber)
	slices.SortStableFunc(rows.displays, func(a, b displayRow) int { return cmp.Compare(a.number, b.number) })
	persons, profiles := plan(rows.persons, rows.displays, personsPerPage), plan(rows.profiles, nil, profilesPerPage)
	var tail []byte
	var tailNo int64
	err := d.db.Write(ctx, func(tx *sql.Tx) error {
		var entries []byte
		if err := d.personTable.file(ctx, tx, d.no, persons, func(w *pageWork) ([]byte, error) {
			body, e, err := d.composePersons(w, entries)
			entries = e
			return body, err
		}); err != nil {
			return err
		}
		if err := d.profileTable.file(ctx, tx, d.no, profiles, func(w *pageWork) ([]byte, error) {
			return d.profileTable.compose(w, func(n numbered, _ bool) []byte { return n.body })
		}); err != nil {
			return err
		}
		var err error
		if tail, tailNo, err = d.index.store(ctx, tx, d.no, entries); err != nil {
			return err
		}
		return dropJournal(ctx, tx, d.no, waiting)
	})
	if err != nil {
		return err
	}
	d.index.tail, d.index.tailNo = tail, tailNo
	d.personTable.filed(persons)
	d.profileTable.filed(profiles)
	return nil
}

// plan groups sorted items and changes by page.
func plan(items []numbered, changes []displayRow, width int64) (out []pageWork) {
	for len(items) > 0 || len(changes) > 0 {
		page := int64(1<<63 - 1)
		if len(items) > 0 {
			page = items[0].number / width
		}
		if len(changes) > 0 {
			page = min(page, changes[0].number/width)
		}
		n, c := 0, 0
		for n < len(items) && items[n].number/width == page {
			n++
		}
		for c < len(changes) && changes[c].number/width == page {
			c++
		}
		out = append(out, pageWork{page: page, items: items[:n], changes: changes[:c]})
		items, changes = items[n:], changes[c:]
	}
	return out
}

// file writes pages in tx. Those that may be stored already are read first.
func (t *pageTable) file(ctx context.Context, tx *sql.Tx, tenant int64, work []pageWork, compose func(*pageWork) ([]byte, error)) error {
	if len(work) == 0 {
		return nil
	}
	var stored []int64
	at := map[int64]*pageWork{}
	for i := range work {
		if p := work[i].page; p < t.end {
			stored = append(stored, p)
			at[p] = &work[i]
		}
	}
	err := t.read(ctx, tx, tenant, stored, func(page int64, body []byte) error {
		at[page].old = slices.Clone(body)
		return nil
	})
	if err != nil {
		return err
	}
	put, err := tx.PrepareContext(ctx, `INSERT INTO `+t.name+` (tenant_no, page, body) VALUES ($1, $2, $3) ON CONFLICT (tenant_no, page) DO UPDATE SET body = excluded.body`) //nolint:gosec // a constant name
	if err != nil {
		return sqldb.Translate(err)
	}
	defer put.Close()
	for i := range work {
		body, err := compose(&work[i])
		if err != nil {
			return err
		}
		if body == nil {
			continue
		}
		if _, err := put.ExecContext(ctx, tenant, work[i].page, body); err != nil {
			return sqldb.Translate(err)
		}
	}
	return nil
}

// filed notes that pages are stored.
func (t *pageTable) filed(work []pageWork) {
	if n := len(work); n > 0 {
		t.end = max(t.end, work[n-1].page+1)
	}
}

// compose merges new items into a page. What is stored stays: an item that is new and stored was named by several batches, and may have been erased
// since. item returns what to write of each.
func (t *pageTable) compose(w *pageWork, item func(n numbered, isNew bool) []byte) (out []byte, err error) {
	fresh := w.items
	put := func(n numbered, isNew bool) {
		out = appendItem(out, byte(n.number%t.width), item(n, isNew))
	}
	last := int64(-1)
	before := func(number int64) {
		for len(fresh) > 0 && fresh[0].number < number {
			if fresh[0].number != last {
				last = fresh[0].number
				put(fresh[0], true)
			}
			fresh = fresh[1:]
		}
	}
	if w.old != nil {
		err = t.items(w.page, w.old, func(n numbered) error {
			before(n.number)
			last = n.number
			put(n, false)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	before(1<<63 - 1)
	return out, nil
}

// composePersons merges new persons and newer identities into a page, and appends the index entries that follow to entries.
func (d *Directory) composePersons(w *pageWork, entries []byte) (body, after []byte, err error) {
	changes := w.changes
	body, composeErr := d.personTable.compose(w, func(n numbered, isNew bool) []byte {
		for len(changes) > 0 && changes[0].number < n.number {
			changes = changes[1:] // of somebody who is not stored
		}
		if !isNew && (len(changes) == 0 || changes[0].number != n.number) {
			return n.body
		}
		r, parseErr := parseRecord(n.body)
		if parseErr != nil {
			err = parseErr
			return n.body
		}
		known := len(r.lookups)
		for len(changes) > 0 && changes[0].number == n.number {
			r.change(changes[0])
			changes = changes[1:]
		}
		if isNew {
			entries = appendEntries(entries, n.number, &r)
			if len(r.display) == 0 {
				return n.body
			}
		} else {
			for l := r.lookups[min(known, len(r.lookups)):]; len(l) >= lookupSize; l = l[lookupSize:] {
				entries = appendEntry(entries, [8]byte{}, l, n.number)
			}
		}
		return r.append(nil)
	})
	return body, entries, cmp.Or(err, composeErr)
}

// dropJournal drops rows of the journal by their ids, in runs: a row between them may have committed after they were taken.
func dropJournal(ctx context.Context, tx *sql.Tx, tenant int64, waiting []pending) error {
	ids := make([]int64, len(waiting))
	for i := range waiting {
		ids[i] = waiting[i].id
	}
	slices.Sort(ids)
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && ids[n] == ids[n-1]+1 {
			n++
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM person_journal WHERE tenant_no = $1 AND id >= $2 AND id <= $3`, tenant, ids[0], ids[n-1]); err != nil {
			return sqldb.Translate(err)
		}
		ids = ids[n:]
	}
	return nil
}
