package person

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"slices"

	"probity.dev/internal/sqldb"
)

const (
	mergeRows  = 40_000     // waiting rows that start a merge at once
	mergeAfter = 10_000_000 // microseconds after which fewer are merged too
	mergeChunk = 2_000      // rows of one transaction: short, so that appends hardly wait
)

// Merge files the journal's rows in the directory's tables, when there are enough or they are old enough. Rows are sorted first, so that a page that takes several
// is written once. A crash in between leaves the journal, and merging again changes nothing.
func (d *Directory) Merge(ctx context.Context) error {
	f := &d.fresh
	f.mu.Lock()
	n := len(f.rows.identifiers) + len(f.rows.persons) + len(f.rows.profiles) + len(f.rows.displays)
	if n == 0 || n < mergeRows && sqldb.Now()-f.since < mergeAfter {
		f.mu.Unlock()
		return nil
	}
	rows, upTo := f.rows, f.durable
	f.rows, f.since = journalRows{}, 0
	f.mu.Unlock()
	if err := d.merge(ctx, rows); err != nil {
		f.mu.Lock()
		later := f.rows
		f.rows = rows
		since := f.since
		f.rows.identifiers = append(f.rows.identifiers, later.identifiers...)
		f.rows.persons = append(f.rows.persons, later.persons...)
		f.rows.profiles = append(f.rows.profiles, later.profiles...)
		f.rows.displays = append(f.rows.displays, later.displays...)
		f.since = max(since, 1)
		f.mu.Unlock()
		return err
	}
	if err := d.dropJournal(ctx, rows, upTo); err != nil {
		return err
	}
	d.unpin(rows)
	return nil
}

func (d *Directory) merge(ctx context.Context, rows journalRows) error {
	slices.SortFunc(rows.identifiers, func(a, b identifierRow) int {
		return cmp.Or(bytes.Compare(a.lookup[:], b.lookup[:]), bytes.Compare(a.scope[:], b.scope[:]))
	})
	slices.SortFunc(rows.persons, func(a, b personRow) int { return cmp.Compare(a.handle, b.handle) })
	slices.SortFunc(rows.profiles, func(a, b profileRow) int {
		return cmp.Or(cmp.Compare(a.key.handle, b.key.handle), cmp.Compare(a.key.profile, b.key.profile))
	})
	err := fileRows(ctx, d, `person (tenant_no, handle, secret, display, generation, created_at)`, rows.persons, func(r personRow) []any {
		return []any{d.no, r.handle, r.secret, r.display, r.generation, r.createdAt}
	})
	if err != nil {
		return err
	}
	err = fileRows(ctx, d, `person_identifier (tenant_no, lookup, scope, handle)`, rows.identifiers, func(r identifierRow) []any {
		return []any{d.no, append([]byte(nil), r.lookup[:]...), append([]byte(nil), r.scope[:]...), r.handle}
	})
	if err != nil {
		return err
	}
	return fileRows(ctx, d, `person_profile (tenant_no, handle, profile, body)`, rows.profiles, func(r profileRow) []any {
		return []any{d.no, r.key.handle, r.key.profile, r.body}
	})
}

func fileRows[T any](ctx context.Context, d *Directory, into string, rows []T, values func(T) []any) error {
	for chunk := range slices.Chunk(rows, mergeChunk) {
		err := d.db.Write(ctx, func(tx *sql.Tx) error {
			var args []any
			for _, r := range chunk {
				args = append(args, values(r)...)
			}
			w := writer{ctx: ctx, tx: tx}
			return w.insert(into, len(args)/len(chunk), args)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// dropJournal applies changed names, which must come after the persons, and drops the journal's rows with them.
func (d *Directory) dropJournal(ctx context.Context, rows journalRows, upTo int64) error {
	return d.db.Write(ctx, func(tx *sql.Tx) error {
		for _, r := range rows.displays {
			if _, err := tx.ExecContext(ctx, `UPDATE person SET display = $1 WHERE tenant_no = $2 AND handle = $3 AND secret IS NOT NULL`, r.display, d.no, r.handle); err != nil {
				return sqldb.Translate(err)
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM person_journal WHERE tenant_no = $1 AND id <= $2`, d.no, upTo)
		return sqldb.Translate(err)
	})
}

// unpin lets the caches forget what the tables now have.
func (d *Directory) unpin(rows journalRows) {
	f := &d.fresh
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range rows.persons {
		if e := f.entries[r.handle]; e != nil {
			delete(f.scopes, e.at)
			delete(f.entries, r.handle)
			e.fresh.Store(nil)
		}
	}
	for _, r := range rows.identifiers {
		list := slices.DeleteFunc(f.lookups[r.lookup], func(h int64) bool { return h == r.handle })
		if len(list) == 0 {
			delete(f.lookups, r.lookup)
		} else {
			f.lookups[r.lookup] = list
		}
	}
	for _, r := range rows.profiles {
		delete(f.profiles, r.key)
	}
}
