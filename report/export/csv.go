package export

import (
	"bytes"
	"io"
	"unicode/utf8"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// flushAt is how many bytes an encoder of lines gathers before it writes them.
const flushAt = 64 << 10

// csvEncoder writes RFC 4180: CRLF line ends, quotes only where needed, a header line. Cells that a spreadsheet would take for a
// formula get a leading apostrophe.
type csvEncoder struct {
	w       io.Writer
	columns []column
	row     row
	buf     []byte
	cell    []byte
	delim   byte
	bom     bool
	quote   [256]bool
}

func newCSV(w io.Writer, o Options) (Encoder, error) {
	e := &csvEncoder{w: w, delim: o.Delimiter, bom: o.BOM, row: row{clock: clock{loc: o.Location}, pseudonyms: o.Pseudonym}}
	switch e.delim {
	case 0:
		e.delim = ','
	case ',', ';', '\t', '|':
	default:
		return nil, errs.Field("/delimiter", "unknown", "A CSV delimiter is a comma, a semicolon, a tab or a bar.")
	}
	names := o.Columns
	if len(names) == 0 {
		names = defaultColumns
	}
	var err error
	if e.columns, err = pick(names, &o); err != nil {
		return nil, err
	}
	for _, c := range []byte{'"', '\r', '\n', e.delim} {
		e.quote[c] = true
	}
	e.buf = make([]byte, 0, flushAt+16<<10)
	return e, nil
}

func (e *csvEncoder) Begin(Meta) error {
	if e.bom {
		e.buf = append(e.buf, "\uFEFF"...)
	}
	for i := range e.columns {
		if i > 0 {
			e.buf = append(e.buf, e.delim)
		}
		e.cell = append(e.cell[:0], e.columns[i].name...)
		e.put(kindText)
	}
	e.buf = append(e.buf, '\r', '\n')
	return nil
}

func (e *csvEncoder) Write(r *event.Record) error {
	e.row.load(r)
	for i := range e.columns {
		if i > 0 {
			e.buf = append(e.buf, e.delim)
		}
		var k kind
		e.cell, k = e.columns[i].value(&e.row, e.cell[:0])
		e.put(k)
	}
	e.buf = append(e.buf, '\r', '\n')
	if len(e.buf) < flushAt {
		return nil
	}
	return e.flush()
}

func (e *csvEncoder) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

func (e *csvEncoder) End(Summary) error { return e.flush() }

// put appends the cell, neutralised and quoted as needed.
func (e *csvEncoder) put(k kind) {
	if len(e.cell) == 0 {
		return
	}
	if k == kindNumber || k == kindTime {
		e.buf = append(e.buf, e.cell...)
		return
	}
	defuse := startsFormula(e.cell)
	quote := e.cell[0] == ' '
	for _, c := range e.cell {
		if e.quote[c] {
			quote = true
			break
		}
	}
	if !quote {
		if defuse {
			e.buf = append(e.buf, '\'')
		}
		e.buf = append(e.buf, e.cell...)
		return
	}
	e.buf = append(e.buf, '"')
	if defuse {
		e.buf = append(e.buf, '\'')
	}
	for rest := e.cell; ; {
		i := bytes.IndexByte(rest, '"')
		if i < 0 {
			e.buf = append(e.buf, rest...)
			break
		}
		e.buf = append(append(e.buf, rest[:i+1]...), '"')
		rest = rest[i+1:]
	}
	e.buf = append(e.buf, '"')
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
