package intake

import (
	"bytes"
	"errors"
	"io"
)

const (
	sniffBytes = 64 << 10
	maxIndent  = 256
)

// window is a growing view of a stream: what was not consumed yet, up to a little over MaxRecord.
type window struct {
	src    io.Reader
	buf    []byte
	r, w   int
	offset int64  // of buf[r]
	line   int    // of buf[r], from 1
	indent []byte // the white space that the line of buf[r] starts with, as far as it was consumed
	begun  bool   // whether anything else of that line was consumed
	err    error
}

func newWindow(src io.Reader) *window {
	return &window{src: src, buf: make([]byte, 128<<10), line: 1}
}

// bytes returns what has been read and not consumed.
func (w *window) bytes() []byte { return w.buf[w.r:w.w] }

// fill reads more. It returns false at the end of the stream, after an error, or when the window is full.
func (w *window) fill() bool {
	if w.err != nil {
		return false
	}
	if w.w == len(w.buf) {
		switch {
		case w.r >= len(w.buf)/2:
			w.w = copy(w.buf, w.buf[w.r:w.w])
			w.r = 0
		case len(w.buf) < 2*MaxRecord:
			grown := make([]byte, 2*len(w.buf))
			w.w = copy(grown, w.buf[w.r:w.w])
			w.buf, w.r = grown, 0
		default:
			return false
		}
	}
	for range 100 {
		n, err := w.src.Read(w.buf[w.w:])
		w.w += n
		if err != nil {
			w.err = err
			return n > 0
		}
		if n > 0 {
			return true
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// full reports whether fill refused because the window is as large as it may be.
func (w *window) full() bool { return w.err == nil && w.w == len(w.buf) }

// failure returns the error that ended the stream, nil at its regular end.
func (w *window) failure() error {
	if errors.Is(w.err, io.EOF) {
		return nil
	}
	return w.err
}

// peek returns up to n bytes without consuming them.
func (w *window) peek(n int) ([]byte, error) {
	for w.w-w.r < n && w.fill() {
	}
	return w.buf[w.r:min(w.w, w.r+n)], w.failure()
}

// consume drops n bytes.
func (w *window) consume(n int) {
	b := w.buf[w.r : w.r+n]
	if k := bytes.Count(b, []byte{'\n'}); k > 0 {
		w.line += k
		w.indent, w.begun = w.indent[:0], false
		b = b[bytes.LastIndexByte(b, '\n')+1:]
	}
	for i := 0; i < len(b) && !w.begun; i++ {
		if w.begun = b[i] != ' ' && b[i] != '\t' || len(w.indent) >= maxIndent; !w.begun {
			w.indent = append(w.indent, b[i])
		}
	}
	w.offset += int64(n)
	w.r += n
}

// take consumes n bytes and returns a copy of them, cut at MaxRecord.
func (w *window) take(n int) []byte {
	raw := bytes.Clone(w.buf[w.r : w.r+min(n, MaxRecord)])
	w.consume(n)
	return raw
}

// skipSpace consumes white space and reports whether anything follows.
func (w *window) skipSpace() bool {
	for {
		b := w.bytes()
		n := 0
		for n < len(b) && (b[n] == ' ' || b[n] == '\t' || b[n] == '\n' || b[n] == '\r') {
			n++
		}
		w.consume(n)
		if n < len(b) {
			return true
		}
		if !w.fill() {
			return len(w.bytes()) > 0 && w.failure() == nil && w.skipSpace()
		}
	}
}

// skipMark consumes a UTF-8 byte order mark at the start of the stream.
func (w *window) skipMark() {
	if w.offset == 0 {
		if b, _ := w.peek(3); bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
			w.consume(3)
		}
	}
}
