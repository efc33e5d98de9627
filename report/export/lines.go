package export

import (
	"io"

	"probity.dev/ledger/event"
)

// flushAt is how many bytes an encoder of lines gathers before it writes them.
const flushAt = 64 << 10

// lineForm is a format that is a heading, rows and an ending.
type lineForm interface {
	// head appends what stands before the rows.
	head(dst []byte, m *Meta) []byte
	// rows returns a writer of rows, for one goroutine. It is asked for after head.
	rows() rowWriter
	// separator is how many bytes at the begin of a row separate it from the row before; the first row loses them.
	separator() int
	// tail appends what stands after the rows, of which there are some or none.
	tail(dst []byte, some bool) []byte
}

// rowWriter appends the row of a record to dst. Rows do not depend on each other, so stretches of them can be made beside each other.
type rowWriter interface {
	appendRow(dst []byte, r *event.Record) []byte
}

// lines is an [Encoder] of a lineForm.
type lines struct {
	w    io.Writer
	form lineForm
	own  rowWriter
	buf  []byte
	some bool // a row has been written
}

func newLines(w io.Writer, form lineForm) *lines {
	return &lines{w: w, form: form, buf: make([]byte, 0, flushAt+16<<10)}
}

// Begin implements Encoder.
func (e *lines) Begin(m Meta) error {
	e.buf = e.form.head(e.buf, &m)
	e.own = e.form.rows()
	return nil
}

// Write implements Encoder.
func (e *lines) Write(r *event.Record) error {
	at := len(e.buf)
	e.buf = e.own.appendRow(e.buf, r)
	if !e.some {
		e.some = true
		n := e.form.separator()
		e.buf = append(e.buf[:at], e.buf[at+n:]...)
	}
	if len(e.buf) < flushAt {
		return nil
	}
	return e.flush()
}

// writeRows writes rows that a rowWriter of the form has made.
func (e *lines) writeRows(rows []byte) error {
	if len(rows) == 0 {
		return nil
	}
	if len(e.buf) > 0 {
		if err := e.flush(); err != nil {
			return err
		}
	}
	if !e.some {
		e.some = true
		rows = rows[e.form.separator():]
	}
	_, err := e.w.Write(rows)
	return err
}

// goOn says, after Begin, that the heading and some rows or none have been written before.
func (e *lines) goOn(some bool) { e.buf, e.some = e.buf[:0], some }

func (e *lines) flush() error {
	_, err := e.w.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

// End implements Encoder.
func (e *lines) End(Summary) error {
	e.buf = e.form.tail(e.buf, e.some)
	return e.flush()
}
