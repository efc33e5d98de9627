package person

import (
	"context"
	"database/sql"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// numbered is the stored form of a person or profile.
type numbered struct {
	number int64
	body   []byte
}

// pageTable is a table whose rows are pages: (tenant_no, page, body), where page = number/width. A body is a format byte and, for each item in ascending order, its
// place in the page (1 byte), the length as uvarint, and the item.
type pageTable struct {
	name  string
	width int64
}

const pageFormat = 1

func appendItem(page []byte, slot byte, item []byte) []byte {
	return append(binary.AppendUvarint(append(page, slot), uint64(len(item))), item...)
}

var errPage = errs.New(errs.Internal, "a page of the directory of persons is damaged")

// items yields the items of a page.
func (t *pageTable) items(page int64, body []byte, yield func(numbered) error) error {
	if len(body) == 0 || body[0] != pageFormat {
		return errPage
	}
	for b := body[1:]; len(b) > 0; {
		slot := int64(b[0])
		n, k := binary.Uvarint(b[1:])
		if k <= 0 || n > uint64(len(b)-1-k) || slot >= t.width {
			return errPage
		}
		from := 1 + k
		to := from + int(n)
		if err := yield(numbered{page*t.width + slot, b[from:to:to]}); err != nil {
			return err
		}
		b = b[to:]
	}
	return nil
}

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// pagesPerQuery is how many pages one statement asks for.
const pagesPerQuery = 100

// read yields the stored ones of the pages, which are in ascending order. The body is valid during the call only.
func (t *pageTable) read(ctx context.Context, q queryer, tenant int64, pages []int64, yield func(page int64, body []byte) error) error {
	for chunk := range slices.Chunk(pages, pagesPerQuery) {
		args := make([]any, 1, 1+len(chunk))
		args[0] = tenant
		var in strings.Builder
		for i, p := range chunk {
			if i > 0 {
				in.WriteByte(',')
			}
			in.WriteString("$" + strconv.Itoa(i+2))
			args = append(args, p)
		}
		if err := t.query(ctx, q, ` AND page IN (`+in.String()+`)`, args, yield); err != nil {
			return err
		}
	}
	return nil
}

// all yields every page.
func (t *pageTable) all(ctx context.Context, q queryer, tenant int64, yield func(page int64, body []byte) error) error {
	return t.query(ctx, q, ` ORDER BY page`, []any{tenant}, yield)
}

func (t *pageTable) query(ctx context.Context, q queryer, rest string, args []any, yield func(page int64, body []byte) error) error {
	rows, err := q.QueryContext(ctx, `SELECT page, body FROM `+t.name+` WHERE tenant_no = $1`+rest, args...) //nolint:gosec // names and placeholders only
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var page int64
		var body sql.RawBytes
		if err := rows.Scan(&page, &body); err != nil {
			return sqldb.Translate(err)
		}
		if err := yield(page, body); err != nil {
			return err
		}
	}
	return sqldb.Translate(rows.Err())
}

// last returns the number of the newest page, -1 when there is none.
func (t *pageTable) last(ctx context.Context, q queryer, tenant int64) (page int64, err error) {
	rows, err := q.QueryContext(ctx, `SELECT COALESCE(MAX(page), -1) FROM `+t.name+` WHERE tenant_no = $1`, tenant) //nolint:gosec // a constant name
	if err != nil {
		return 0, sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&page); err != nil {
			return 0, sqldb.Translate(err)
		}
	}
	return page, sqldb.Translate(rows.Err())
}

// reader cuts byte forms into their parts. Once bad, it returns nothing.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) num() int64 {
	n, k := binary.Uvarint(r.b)
	if k <= 0 || n > 1<<63-1 {
		r.bad = true
		return 0
	}
	r.b = r.b[k:]
	return int64(n)
}

func (r *reader) bytes(n int64) []byte {
	if r.bad || n < 0 || n > int64(len(r.b)) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) blob() []byte { return r.bytes(r.num()) }
