package export

import (
	"io"

	"probity.dev/ledger/event"
)

// jsonEncoder writes one JSON object a record: the complete event as the API gives it, or just the chosen columns.
type jsonEncoder struct {
	w       io.Writer
	columns []column
	row     row
	buf     []byte
	array   bool
	rows    int64
}

func newJSONArray(w io.Writer, o Options) (Encoder, error) { return newJSON(w, o, true) }

func newNDJSON(w io.Writer, o Options) (Encoder, error) { return newJSON(w, o, false) }

func newJSON(w io.Writer, o Options, array bool) (Encoder, error) {
	e := &jsonEncoder{w: w, array: array, row: row{clock: clock{loc: o.Location}, pseudonyms: o.Pseudonym},
		buf: make([]byte, 0, flushAt+16<<10)}
	var err error
	e.columns, err = pick(o.Columns, &o)
	return e, err
}

func (e *jsonEncoder) Begin(Meta) error {
	if e.array {
		e.buf = append(e.buf, '[')
	}
	return nil
}

func (e *jsonEncoder) Write(r *event.Record) error {
	if e.array {
		if e.rows > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = append(e.buf, '\n')
	}
	e.rows++
	if len(e.columns) > 0 {
		e.flat(r)
	} else {
		e.buf = r.AppendJSON(e.buf)
	}
	if !e.array {
		e.buf = append(e.buf, '\n')
	}
	if len(e.buf) < flushAt {
		return nil
	}
	return e.flush()
}

func (e *jsonEncoder) flat(r *event.Record) {
	e.row.load(r)
	for i := range e.columns {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		e.buf = append(appendQuoted(append(e.buf, sep), e.columns[i].name), ':')
		var k kind
		e.row.scratch, k = e.columns[i].value(&e.row, e.row.scratch[:0])
		switch {
		case len(e.row.scratch) == 0:
			e.buf = append(e.buf, "null"...)
		case k == kindNumber || k == kindJSON:
			e.buf = append(e.buf, e.row.scratch...)
		default:
			e.buf = appendQuoted(e.buf, e.row.scratch)
		}
	}
	e.buf = append(e.buf, '}')
}

func (e *jsonEncoder) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

func (e *jsonEncoder) End(Summary) error {
	if e.array {
		if e.rows > 0 {
			e.buf = append(e.buf, '\n')
		}
		e.buf = append(e.buf, "]\n"...)
	}
	return e.flush()
}
