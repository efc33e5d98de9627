package intake

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
)

// csvReader reads CSV (RFC 4180, quotes treated leniently) with a header line. A row with a _raw column is what that column holds, in
// any format; any other row is an object of its columns and goes through the mapping.
type csvReader struct {
	s      *state
	limit  *rowLimit
	r      *csv.Reader
	header []string
	raw    int // index of the column _raw, -1 when there is none
	syslog *syslog
	end    error
}

func newCSV(s *state, w *window) Reader {
	w.skipMark()
	c := &csvReader{s: s, limit: &rowLimit{w: w}, raw: -1, syslog: newSyslog(s)}
	c.r = csv.NewReader(c.limit)
	c.r.LazyQuotes = true
	c.r.FieldsPerRecord = -1
	return c
}

// rowLimit hands a window to encoding/csv and stops it when one row grows without end.
type rowLimit struct {
	w    *window
	left int
}

var errRowTooLarge = errs.Field("", "too_large", "A row is longer than %d bytes, or a quote is never closed.", 2*MaxRecord)

// Read implements io.Reader.
func (l *rowLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errRowTooLarge
	}
	if len(l.w.bytes()) == 0 && !l.w.fill() {
		if err := l.w.failure(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n := copy(p, l.w.bytes())
	l.w.consume(n)
	l.left -= n
	return n, nil
}

// Next implements [Reader].
func (c *csvReader) Next() (*Item, error) {
	for {
		if c.end != nil {
			return nil, c.end
		}
		c.limit.left = 2 * MaxRecord
		offset := c.r.InputOffset()
		row, err := c.r.Read()
		var p *csv.ParseError
		switch {
		case errors.As(err, &p):
			return &Item{Line: p.StartLine, Offset: offset, Err: errs.Field("", "syntax", "The CSV row cannot be read: a quote is out of place.")}, nil
		case errors.Is(err, error(errRowTooLarge)):
			c.end = io.EOF // where the next row starts cannot be told
			line, _ := c.r.FieldPos(0)
			return &Item{Line: line, Offset: offset, Err: err}, nil
		case err != nil:
			c.end = err
			continue
		}
		if c.header == nil {
			c.setHeader(row)
			continue
		}
		line, _ := c.r.FieldPos(0)
		return c.item(row, line, offset), nil
	}
}

func (c *csvReader) setHeader(row []string) {
	c.header = row
	for i, name := range row {
		c.header[i] = strings.TrimSpace(name)
		if c.header[i] == "_raw" {
			c.raw = i
		}
	}
}

func (c *csvReader) item(row []string, line int, offset int64) *Item {
	f := frame{line: line, offset: offset}
	if len(row) > len(c.header) {
		f.raw = []byte(strings.Join(row, ","))
		f.err = errs.Field("", "syntax", "The row has %d columns, the header %d.", len(row), len(c.header))
		return c.s.items(f, nil)[0]
	}
	if c.raw >= 0 && c.raw < len(row) && strings.TrimSpace(row[c.raw]) != "" {
		f.raw = []byte(row[c.raw])
		return c.s.items(f, c.cell)[0]
	}
	f.raw = c.object(row)
	return c.s.items(f, c.s.mapped)[0]
}

// object makes a JSON object of a row; empty columns are left out.
func (c *csvReader) object(row []string) []byte {
	b := newBag(nil)
	for i, v := range row {
		if v != "" {
			b.add(first(validText(c.header[i]), "column"), quote(v))
		}
	}
	return object(b.list).json()
}

// cell converts what a _raw column holds.
func (c *csvReader) cell(raw []byte) []*Item {
	text := bytes.TrimSpace(raw)
	switch {
	case len(text) > 0 && text[0] == '{':
		d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		format := formatOf(firstNames(d))
		if convert, _ := c.s.json(format); convert != nil && c.s.opt.Mapping == nil {
			return convert(text)
		}
		return c.s.mapped(text)
	case bytes.HasPrefix(text, []byte(auditStart)):
		return c.s.auditTrail(text)
	case syslogStart.Match(text):
		return c.syslog.convert(text)
	}
	return c.s.mapped(append(append([]byte(`{"_raw":`), quote(string(text))...), '}'))
}
