package intake

import (
	"bytes"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
)

// frames splits a stream of JSON into records: one value a line, values one after another, arrays, and arrays within an object. It
// looks only for where a value ends, so that a record that is wrong inside costs nothing but itself. When the end cannot be found
// (a string or object that is not closed), it goes on at the next line that starts like the record did.
type frames struct {
	w         *window
	container []string // members of an outer object that hold the list of records
	state     frameState
	repeated  int64
}

type frameState uint8

const (
	outside frameState = iota
	inArray
	inMember // in an array that is a member of an object
)

// The bytes that are looked at again after errors are bounded: some for any stream, and some for each byte that it has given. A stream whose every line opens what no line closes would otherwise keep a processor busy for seconds per
// kilobyte; one that is broken in a hundred places is read to its end.
const (
	repeatedFree    = 32 << 20
	repeatedPerByte = 16
)

func (f *frames) next() (frame, error) {
	f.w.skipMark()
	for {
		if !f.w.skipSpace() {
			if err := f.w.failure(); err != nil {
				return frame{}, err
			}
			if f.state != outside {
				f.state = outside
				return f.bad(0, "The list of records is not closed; the file may be cut short."), nil
			}
			return frame{}, io.EOF
		}
		switch c := f.w.bytes()[0]; {
		case c == '[' && f.state == outside:
			f.w.consume(1)
			f.state = inArray
		case c == '{' && f.state == outside:
			if n := f.list(); n > 0 {
				f.w.consume(n)
				f.state = inMember
				continue
			}
			return f.value()
		case f.state != outside && c == ',':
			f.w.consume(1)
		case f.state != outside && c == ']':
			f.w.consume(1)
			if f.state == inMember {
				f.closeObject()
			}
			f.state = outside
		case f.state != outside || c == '{':
			return f.value()
		default:
			return f.bad(f.restOfLine(), "This is not a JSON object."), nil
		}
	}
}

// list returns the length of the text up to and with the bracket that opens the list of records, 0 when the object that starts
// here is itself a record.
func (f *frames) list() int {
	if len(f.container) == 0 {
		return 0
	}
	b, _ := f.w.peek(sniffBytes)
	d := jsontext.NewDecoder(bytes.NewReader(b), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadToken(); err != nil {
		return 0
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return 0
		}
		if known := slices.Contains(f.container, name.String()); known && d.PeekKind() == '[' {
			if _, err := d.ReadToken(); err != nil {
				return 0
			}
			return int(d.InputOffset())
		}
		if err := d.SkipValue(); err != nil {
			return 0
		}
	}
	return 0
}

// closeObject skips the members that follow the list.
func (f *frames) closeObject() {
	s := valueScan{depth: 1, prev: ']'}
	for i := 0; ; {
		n, how := s.scan(f.w.bytes(), i)
		if how != unfinished {
			f.w.consume(n)
			return
		}
		f.w.consume(n)
		if !f.w.fill() {
			return
		}
		i = 0
	}
}

func (f *frames) bad(n int, detail string) frame {
	out := frame{line: f.w.line, offset: f.w.offset, err: errs.Field("", "syntax", "%s", detail)}
	out.raw = f.w.take(n)
	return out
}

func (f *frames) restOfLine() int {
	l := lines{w: f.w}
	n, _ := l.lineEnd(0)
	return n
}

// value reads the value that starts here.
func (f *frames) value() (frame, error) {
	out := frame{line: f.w.line, offset: f.w.offset}
	indent := string(f.w.indent)
	var s valueScan
	n, how := s.scan(f.w.bytes(), 0)
	for how == unfinished && f.w.fill() {
		n, how = s.scan(f.w.bytes(), n)
	}
	switch {
	case how == unfinished && f.w.full():
		out.err = errs.Field("", "too_large", "The record is longer than %d bytes.", MaxRecord)
		out.raw = f.discard(&s)
	case how == unfinished && f.w.failure() != nil:
		return frame{}, f.w.failure()
	case how == unfinished && (s.depth > 0 || s.str):
		out.err = errs.Field("", "syntax", "The JSON text of the record is not closed; the file may be cut short.")
		out.raw = f.takeBroken(indent)
	case how == broken:
		out.err = errs.Field("", "syntax", "The JSON text of the record is not valid.")
		out.raw = f.takeBroken(indent)
	case n > MaxRecord:
		out.err = errs.Field("", "too_large", "The record is longer than %d bytes.", MaxRecord)
		out.raw = f.w.take(n)
	case bytes.IndexByte(f.w.bytes()[:n], '\n') >= 0 && !jsontext.Value(f.w.bytes()[:n]).IsValid(lenient...):
		out.err = errs.Field("", "syntax", "The JSON text of the record is not valid.")
		if at, ok := nextRecord(f.w.bytes()[:n], 1, indent); ok && f.mayRepeat(n) {
			n = at
		}
		out.raw = f.w.take(n)
	default:
		out.raw = f.w.take(max(n, 1))
	}
	return out, nil
}

var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// discard skips a value that is too large and returns its start.
func (f *frames) discard(s *valueScan) []byte {
	raw := f.w.take(len(f.w.bytes()))
	for f.w.fill() {
		n, how := s.scan(f.w.bytes(), 0)
		f.w.consume(n)
		if how != unfinished {
			break
		}
	}
	return raw
}

// takeBroken consumes a record whose end cannot be told, up to the next line that opens an object with the same indentation.
func (f *frames) takeBroken(indent string) []byte {
	for from := 1; ; {
		if at, ok := nextRecord(f.w.bytes(), from, indent); ok && f.mayRepeat(len(f.w.bytes())) {
			return f.w.take(at)
		}
		from = max(1, len(f.w.bytes())-maxIndent-2)
		if !f.w.fill() {
			break
		}
	}
	if !f.w.full() {
		f.state = outside // there is nothing left that could close the list
	}
	return f.w.take(len(f.w.bytes()))
}

// mayRepeat counts bytes that are looked at again after an error, so that broken input costs bounded time.
func (f *frames) mayRepeat(n int) bool {
	f.repeated += int64(n)
	return f.repeated < repeatedFree+repeatedPerByte*f.w.offset
}

// nextRecord returns the start of the first line, from an index on, that opens an object with the given indentation.
func nextRecord(b []byte, from int, indent string) (int, bool) {
	for i := from; i < len(b); {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return 0, false
		}
		start := i + j + 1
		rest := b[start:]
		if len(rest) > len(indent) && string(rest[:len(indent)]) == indent && rest[len(indent)] == '{' {
			return start, true
		}
		i = start
	}
	return 0, false
}

type scanned uint8

const (
	unfinished scanned = iota
	ended
	broken
)

// valueScan finds the end of a JSON value piece by piece. It sees a value as broken where no valid JSON can go on: at the end of a line
// within a string, at an object that nothing announces, at absurd depth.
type valueScan struct {
	depth   int
	objects [4]uint64 // bit d: the container at depth d is an object
	str     bool
	escaped bool
	prev    byte // the last character that was not white space
}

const maxScanDepth = 255

// scan looks at b from index i and returns where it stopped.
func (s *valueScan) scan(b []byte, i int) (int, scanned) {
	for ; i < len(b); i++ {
		c := b[i]
		if s.str {
			switch {
			case s.escaped:
				s.escaped = false
			case c == '\\':
				s.escaped = true
			case c == '\n':
				return i, broken
			case c == '"':
				if s.str = false; s.depth == 0 {
					return i + 1, ended
				}
			}
			continue
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			if s.depth == 0 && s.prev != 0 {
				return i, ended
			}
			continue
		case '"':
			s.str = true
		case '{', '[':
			if !s.opens() {
				return i, broken
			}
			s.depth++
			s.mark(c == '{')
		case '}', ']', ',':
			if s.depth == 0 {
				return i, ended
			}
			if c != ',' {
				if s.depth--; s.depth == 0 {
					return i + 1, ended
				}
			}
		}
		s.prev = c
	}
	return i, unfinished
}

// opens reports whether an object or array may start after what came before.
func (s *valueScan) opens() bool {
	if s.depth >= maxScanDepth {
		return false
	}
	switch s.prev {
	case 0, ':', '[':
		return true
	case ',':
		return s.objects[s.depth/64]>>(s.depth%64)&1 == 0
	}
	return false
}

func (s *valueScan) mark(object bool) {
	if bit := uint64(1) << (s.depth % 64); object {
		s.objects[s.depth/64] |= bit
	} else {
		s.objects[s.depth/64] &^= bit
	}
}
