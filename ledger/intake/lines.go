package intake

import (
	"bytes"
	"io"
	"strings"

	"probity.dev/internal/errs"
)

// lines splits a stream into records made of lines.
type lines struct {
	w *window
	// starts, when set, is how the first line of each record begins; other lines belong to the record before.
	starts string
}

func (l *lines) next() (frame, error) {
	l.w.skipMark()
	line, offset := l.w.line, l.w.offset
	n, ok := l.lineEnd(0)
	if n == 0 {
		if err := l.w.failure(); err != nil {
			return frame{}, err
		}
		return frame{}, io.EOF
	}
	for ok && l.starts != "" && l.continues(n) {
		n, ok = l.lineEnd(n)
	}
	f := frame{line: line, offset: offset}
	if !ok || n > MaxRecord {
		f.err = errs.Field("", "too_large", "The record is longer than %d bytes.", MaxRecord)
	}
	f.raw = bytes.TrimRight(l.w.take(n), "\r\n")
	for !ok {
		n, ok = l.lineEnd(0)
		l.w.consume(n)
		if n == 0 {
			break
		}
	}
	return f, nil
}

// lineEnd returns the index after the line that starts at from, and false when the window is full before it ends.
func (l *lines) lineEnd(from int) (int, bool) {
	scanned := from
	for {
		b := l.w.bytes()
		if i := bytes.IndexByte(b[scanned:], '\n'); i >= 0 {
			return scanned + i + 1, true
		}
		scanned = len(b)
		if !l.w.fill() {
			return len(l.w.bytes()), !l.w.full()
		}
	}
}

// continues reports whether the line at n belongs to the record that ends there.
func (l *lines) continues(n int) bool {
	b, _ := l.w.peek(n + len(l.starts))
	rest := b[min(n, len(b)):]
	return len(rest) > 0 && !strings.HasPrefix(string(rest), l.starts)
}
