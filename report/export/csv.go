package export

import (
	"bytes"
	"io"
	"unicode/utf8"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// csvForm is RFC 4180: CRLF line ends, quotes only where needed, a header line. Cells that a spreadsheet would take for a
// formula get a leading apostrophe.
type csvForm struct {
	columns []column
	options Options
	delim   byte
	quote   [256]bool
}

func newCSV(w io.Writer, o Options) (Encoder, error) {
	f := &csvForm{options: o, delim: o.Delimiter}
	switch f.delim {
	case 0:
		f.delim = ','
	case ',', ';', '\t', '|':
	default:
		return nil, errs.Field("/delimiter", "unknown", "A CSV delimiter is a comma, a semicolon, a tab or a bar.")
	}
	names := o.Columns
	if len(names) == 0 {
		names = defaultColumns
	}
	var err error
	if f.columns, err = pick(names, &o); err != nil {
		return nil, err
	}
	for _, c := range []byte{'"', '\r', '\n', f.delim} {
		f.quote[c] = true
	}
	return newLines(w, f), nil
}

func (f *csvForm) head(dst []byte, _ *Meta) []byte {
	if f.options.BOM {
		dst = append(dst, "\uFEFF"...)
	}
	w := &csvRows{form: f}
	for i := range f.columns {
		if i > 0 {
			dst = append(dst, f.delim)
		}
		at := len(dst)
		dst = w.settle(append(dst, f.columns[i].name...), at)
	}
	return append(dst, '\r', '\n')
}

func (f *csvForm) rows() rowWriter { return &csvRows{form: f, row: f.options.row()} }

func (f *csvForm) separator() int { return 0 }

func (f *csvForm) tail(dst []byte, _ bool) []byte { return dst }

type csvRows struct {
	form *csvForm
	row  row
	cell []byte
}

func (w *csvRows) appendRow(dst []byte, r *event.Record) []byte {
	w.row.load(r)
	columns := w.form.columns
	for i := range columns {
		if i > 0 {
			dst = append(dst, w.form.delim)
		}
		at := len(dst)
		var k kind
		if dst, k = columns[i].value(&w.row, dst); len(dst) > at && k != kindNumber && k != kindTime {
			dst = w.settle(dst, at)
		}
	}
	return append(dst, '\r', '\n')
}

// settle neutralises and quotes the cell that begins at a place of dst and ends with it, as needed.
func (w *csvRows) settle(dst []byte, at int) []byte {
	cell := dst[at:]
	defuse := startsFormula(cell)
	quote := cell[0] == ' '
	for _, c := range cell {
		if w.form.quote[c] {
			quote = true
			break
		}
	}
	if !quote && !defuse {
		return dst
	}
	w.cell = append(w.cell[:0], cell...)
	dst = dst[:at]
	if quote {
		dst = append(dst, '"')
	}
	if defuse {
		dst = append(dst, '\'')
	}
	if !quote {
		return append(dst, w.cell...)
	}
	for rest := w.cell; ; {
		i := bytes.IndexByte(rest, '"')
		if i < 0 {
			dst = append(dst, rest...)
			break
		}
		dst = append(append(dst, rest[:i+1]...), '"')
		rest = rest[i+1:]
	}
	return append(dst, '"')
}

// startsFormula reports whether a spreadsheet may take a cell for a formula: it starts with = + - @ or one of their full-width or
// small forms, or with a tab or line break (OWASP, CSV Injection). Spaces and invisible characters before it do not hide it.
func startsFormula(cell []byte) bool {
	for i := 0; i < len(cell); {
		c := cell[i]
		if c < utf8.RuneSelf {
			switch c {
			case '=', '+', '-', '@', '\t', '\r', '\n':
				return true
			case ' ', 0, '\v', '\f':
				i++
				continue
			}
			return false
		}
		r, size := utf8.DecodeRune(cell[i:])
		switch r {
		case '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫':
			return true
		case '\u00a0', '\ufeff', '\u200b', '\u200c', '\u200d', '\u200e', '\u200f', '\u2060', '\u3000', '\u00ad', '\u0085':
			i += size
			continue
		}
		return false
	}
	return false
}
