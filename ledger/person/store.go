package person

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// pageRow is a page as a batch has it.
type pageRow struct {
	page int64
	body []byte
}

// displayRow is a person's newer identity, and the look-up of the e-mail in it, zero when there is none.
type displayRow struct {
	number  int64
	alias   [lookupSize]byte
	display []byte
}

// pages puts items, in any order, into pages.
func (t *pageTable) pages(items []numbered) (out []pageRow) {
	slices.SortFunc(items, func(a, b numbered) int { return int(a.number - b.number) })
	size := len(items)
	for i := range items {
		size += len(items[i].body) + 4
	}
	body := make([]byte, 0, size) // all of them in one piece
	for i := 0; i < len(items); {
		page, from := items[i].number/t.width, len(body)
		body = append(body, pageFormat)
		for ; i < len(items) && items[i].number/t.width == page; i++ {
			body = appendItem(body, byte(items[i].number%t.width), items[i].body)
		}
		out = append(out, pageRow{page, body[from:len(body):len(body)]})
	}
	return out
}

// insert stores pages in tx. Nearly all are new: a batch has its pages to itself. What is left of the last one goes to the next batch, and a person who is named by two
// batches before either is stored is in both; then what is stored already stays, because more may have become of it.
func (t *pageTable) insert(ctx context.Context, db *sqldb.DB, tx *sql.Tx, tenant int64, pages []pageRow) error {
	if len(pages) == 0 {
		return nil
	}
	pages, err := t.join(pages)
	if err != nil {
		return err
	}
	put := make([]sqldb.Statement, len(pages))
	for i, p := range pages {
		put[i] = sqldb.Statement{SQL: `INSERT INTO ` + t.name + ` (tenant_no, page, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, Args: []any{tenant, p.page, p.body}}
	}
	stored, err := db.Exec(ctx, tx, put...)
	if err != nil {
		return err
	}
	for i, p := range pages {
		if stored[i] == 1 {
			continue
		}
		if err := t.amend(ctx, tx, tenant, p.page, func(old []byte) ([]byte, error) { return t.union(p.page, old, p.body) }); err != nil {
			return err
		}
	}
	return nil
}

// join puts the rows of the same page together; of an item that is in several, the first stays.
func (t *pageTable) join(pages []pageRow) ([]pageRow, error) {
	slices.SortStableFunc(pages, func(a, b pageRow) int { return cmp.Compare(a.page, b.page) })
	out := pages[:1]
	for _, p := range pages[1:] {
		last := &out[len(out)-1]
		if last.page != p.page {
			out = append(out, p)
			continue
		}
		var err error
		if last.body, err = t.union(p.page, last.body, p.body); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// amend replaces a page that is stored in tx.
func (t *pageTable) amend(ctx context.Context, tx *sql.Tx, tenant, page int64, change func(old []byte) ([]byte, error)) error {
	var body []byte
	err := t.read(ctx, tx, tenant, []int64{page}, func(_ int64, old []byte) (err error) {
		body, err = change(old)
		return err
	})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE `+t.name+` SET body = $1 WHERE tenant_no = $2 AND page = $3`, body, tenant, page) //nolint:gosec // a constant name
	return sqldb.Translate(err)
}

// union merges two versions of a page; of an item that is in both, the old one stays.
func (t *pageTable) union(page int64, old, added []byte) ([]byte, error) {
	slots := make([][]byte, t.width)
	for _, body := range [...][]byte{added, old} {
		err := t.items(page, body, func(n numbered) error {
			slots[n.number%t.width] = n.body
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	out := []byte{pageFormat}
	for i, item := range slots {
		if item != nil {
			out = appendItem(out, byte(i), item)
		}
	}
	return out, nil
}

// rename stores a newer identity in tx.
func (d *Directory) rename(ctx context.Context, tx *sql.Tx, c displayRow) error {
	t := &d.personTable
	page := c.number / t.width
	return t.amend(ctx, tx, d.no, page, func(old []byte) (out []byte, err error) {
		out = []byte{pageFormat}
		err = t.items(page, old, func(n numbered) error {
			if n.number == c.number {
				r, err := parseRecord(n.body)
				if err != nil {
					return err
				}
				r.change(c)
				n.body = r.append(nil)
			}
			out = appendItem(out, byte(n.number%t.width), n.body)
			return nil
		})
		return out, err
	})
}

// storeEntries adds rows to the table of identifiers.
func (d *Directory) storeEntries(ctx context.Context, tx *sql.Tx, entries []byte) error {
	var put []sqldb.Statement
	for len(entries) > 0 {
		row := entries[:min(indexRow, len(entries))]
		put = append(put, sqldb.Statement{SQL: `INSERT INTO person_identifier (tenant_no, no, body) VALUES ($1, $2, $3)`, Args: []any{d.no, d.index.rows.Add(1), row}})
		if len(row) < indexRow/2 {
			d.index.small.Add(1)
		}
		entries = entries[len(row):]
	}
	_, err := d.db.Exec(ctx, tx, put...)
	return err
}

// smallRows is how many small rows of identifiers Compact waits for.
const smallRows = 500

// Compact joins small rows of the table of identifiers, which many small batches leave, so that the directory opens fast. It does nothing while there are few.
func (d *Directory) Compact(ctx context.Context) error {
	seen := d.index.small.Load()
	if seen < smallRows || d.db.Shared() {
		return nil // other processes read what comes after the rows that they have: rows before that must stay as they are
	}
	err := d.db.Write(ctx, func(tx *sql.Tx) error {
		nos, all, err := d.smallEntries(ctx, tx)
		if err != nil {
			return err
		}
		for _, no := range nos {
			row := all[:min(indexRow, len(all))]
			all = all[len(row):]
			if len(row) > 0 {
				_, err = tx.ExecContext(ctx, `UPDATE person_identifier SET body = $1 WHERE tenant_no = $2 AND no = $3`, row, d.no, no)
			} else {
				_, err = tx.ExecContext(ctx, `DELETE FROM person_identifier WHERE tenant_no = $1 AND no = $2`, d.no, no)
			}
			if err != nil {
				return sqldb.Translate(err)
			}
		}
		return nil
	})
	if err == nil {
		d.index.small.Add(-seen)
	}
	return err
}

// smallEntries returns the numbers of the small rows and what is in them.
func (d *Directory) smallEntries(ctx context.Context, tx *sql.Tx) (nos []int64, all []byte, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT no, body FROM person_identifier WHERE tenant_no = $1 AND length(body) < $2 ORDER BY no`, d.no, indexRow/2)
	if err != nil {
		return nil, nil, sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var no int64
		var body sql.RawBytes
		if err := rows.Scan(&no, &body); err != nil {
			return nil, nil, sqldb.Translate(err)
		}
		if len(body)%indexEntry != 0 {
			return nil, nil, errs.New(errs.Internal, "the index of persons is damaged")
		}
		nos, all = append(nos, no), append(all, body...)
	}
	return nos, all, sqldb.Translate(rows.Err())
}
