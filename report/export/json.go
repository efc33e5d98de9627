package export

import (
	"io"

	"probity.dev/ledger/event"
)

// jsonForm has one JSON object a record: the complete event as the API gives it, or just the chosen columns.
type jsonForm struct {
	columns []column
	options Options
	array   bool
}

func newJSONArray(w io.Writer, o Options) (Encoder, error) { return newJSON(w, o, true) }

func newNDJSON(w io.Writer, o Options) (Encoder, error) { return newJSON(w, o, false) }

func newJSON(w io.Writer, o Options, array bool) (Encoder, error) {
	columns, err := pick(o.Columns, &o)
	if err != nil {
		return nil, err
	}
	return newLines(w, &jsonForm{columns: columns, options: o, array: array}), nil
}

func (f *jsonForm) head(dst []byte, _ *Meta) []byte {
	if f.array {
		dst = append(dst, '[')
	}
	return dst
}

func (f *jsonForm) rows() rowWriter { return &jsonRows{form: f, row: f.options.row()} }

func (f *jsonForm) separator() int {
	if f.array {
		return len(",")
	}
	return 0
}

func (f *jsonForm) tail(dst []byte, some bool) []byte {
	if !f.array {
		return dst
	}
	if some {
		dst = append(dst, '\n')
	}
	return append(dst, "]\n"...)
}

type jsonRows struct {
	form *jsonForm
	row  row
}

func (w *jsonRows) appendRow(dst []byte, r *event.Record) []byte {
	if w.form.array {
		dst = append(dst, ",\n"...)
	}
	if len(w.form.columns) > 0 {
		dst = w.flat(dst, r)
	} else {
		dst = r.AppendJSON(dst)
	}
	if !w.form.array {
		dst = append(dst, '\n')
	}
	return dst
}

func (w *jsonRows) flat(dst []byte, r *event.Record) []byte {
	w.row.load(r)
	columns := w.form.columns
	for i := range columns {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		dst = append(appendQuoted(append(dst, sep), columns[i].name), ':')
		var k kind
		w.row.scratch, k = columns[i].value(&w.row, w.row.scratch[:0])
		switch {
		case len(w.row.scratch) == 0:
			dst = append(dst, "null"...)
		case k == kindNumber || k == kindJSON:
			dst = append(dst, w.row.scratch...)
		default:
			dst = appendQuoted(dst, w.row.scratch)
		}
	}
	return append(dst, '}')
}
