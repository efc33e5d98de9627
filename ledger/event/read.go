package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// reader reads JSON text once, from front to back: it checks it as strictly as jsontext does, finds where values end, and moves what is read over the
// white space before it. b[:w] has been read and is compact and final; b[r:n] is still to come; w never overtakes r. b[n] is a NUL, which ends every scan.
//
// The first defect sets bad and puts the reader at the end, where every call returns at once, so callers look at bad when they are done. What the defect
// is, and where, is for [explain] to find out: it looks at the text as it came, and takes its time.
type reader struct {
	b       []byte
	r, w, n int
	depth   int
	bad     bool
	names   []nameRef // of the objects that are open, the innermost last
	decoded []byte    // of names with escapes
}

// nameRef is a member name: where it is, and a number that equal names share.
type nameRef struct {
	key      uint64
	off, end uint32
	escaped  bool // it is in decoded, not in b
}

// fewNames is how many members of an object are compared one with the other; beyond, a set is cheaper.
const fewNames = 32

// load readies d for text, of which it makes a copy.
func (d *reader) load(text []byte) { d.use(make([]byte, len(text)+1), text) }

// use is load with memory for the copy, at least a byte more than text.
func (d *reader) use(b, text []byte) {
	d.b, d.n = b, copy(b, text)
	d.b[d.n] = 0
	d.r, d.w, d.depth, d.bad = 0, 0, 0, false
	d.names, d.decoded = d.names[:0], d.decoded[:0]
}

// text returns the compact text that has been read, and whether it is all there was.
func (d *reader) text() ([]byte, bool) {
	d.peek()
	return d.b[:d.w:d.w], !d.bad && d.r == d.n
}

func (d *reader) stop() { d.bad, d.r = true, d.n }

// peek skips white space and returns the byte after it, NUL at the end.
func (d *reader) peek() byte {
	for {
		switch c := d.b[d.r]; c {
		case ' ', '\t', '\n', '\r':
			d.r++
		default:
			return c
		}
	}
}

// put takes one byte, which is c.
func (d *reader) put(c byte) {
	d.b[d.w] = c
	d.w++
	d.r++
}

// take moves what lies before end.
func (d *reader) take(end int) {
	if d.w != d.r {
		copy(d.b[d.w:], d.b[d.r:end])
	}
	d.w += end - d.r
	d.r = end
}

// sub returns a stretch of what has been read as a string, which shares its memory: nothing changes it any more.
func (d *reader) sub(off, end int) string {
	return unsafe.String(unsafe.SliceData(d.b[off:end]), end-off)
}

func (d *reader) name(t text) string {
	if !t.escaped {
		return d.sub(t.off, t.end)
	}
	return unquoted(d.b, t)
}

// raw reads any value and returns its compact text.
func (d *reader) raw() []byte {
	from := d.w
	d.value()
	return d.b[from:d.w:d.w]
}

// value reads any value.
func (d *reader) value() {
	switch c := d.peek(); c {
	case '"':
		d.str()
	case '{':
		d.object(nil)
	case '[':
		d.array(nil)
	case 't':
		d.literal("true")
	case 'f':
		d.literal("false")
	case 'n':
		d.literal("null")
	default:
		d.number()
	}
}

func (d *reader) literal(word string) {
	if d.n-d.r < len(word) || string(d.b[d.r:d.r+len(word)]) != word {
		d.stop()
		return
	}
	d.take(d.r + len(word))
}

func (d *reader) number() {
	b, i, exponent := d.b, d.r, false
	if b[i] == '-' {
		i++
	}
	switch {
	case b[i] == '0':
		i++
	case isDigit(b[i]):
		for isDigit(b[i]) {
			i++
		}
	default:
		d.stop()
		return
	}
	if b[i] == '.' {
		if i++; !isDigit(b[i]) {
			d.stop()
			return
		}
		for isDigit(b[i]) {
			i++
		}
	}
	if b[i]|0x20 == 'e' {
		exponent = true
		if i++; b[i] == '+' || b[i] == '-' {
			i++
		}
		if !isDigit(b[i]) {
			d.stop()
			return
		}
		for isDigit(b[i]) {
			i++
		}
	}
	if (exponent || i-d.r >= 300) && overflows(b[d.r:i]) {
		d.stop()
		return
	}
	d.take(i)
}

func isDigit(c byte) bool { return c-'0' < 10 }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainRun returns the index of the first byte from i on that a string may not hold without a closer look: a quote, a backslash, a control character or
// one that is not ASCII. Eight bytes are looked at together.
func plainRun(b []byte, i int) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, slash := x^ones*'"', x^ones*'\\'
		// The high bit of a byte is set where x is below a space or above ASCII, or one of the others is zero. The lowest that is set is exact; those above
		// it may be borrows.
		if m := ((x-ones*' ')&^x | (quote-ones)&^quote | (slash-ones)&^slash | x) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		i += 8
	}
	for b[i] >= ' ' && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// str reads the string that starts here.
func (d *reader) str() text {
	b, i, escaped := d.b, d.r+1, false
	for {
		i = plainRun(b, i)
		switch c := b[i]; {
		case c == '"':
			t := text{d.w + 1, d.w + i - d.r, escaped}
			d.take(i + 1)
			return t
		case c == '\\':
			n := escapeLength(b[i:d.n])
			if n == 0 {
				d.stop()
				return text{}
			}
			i, escaped = i+n, true
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(b[i:d.n])
			if r == utf8.RuneError && n == 1 {
				d.stop()
				return text{}
			}
			i += n
		default:
			d.stop()
			return text{}
		}
	}
}

// escapeLength returns the length of the escape sequence that b starts with, 0 when it is not valid. A surrogate is valid only before its other half.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		switch u := hex4(b); {
		case u < 0 || u >= 0xdc00 && u < 0xe000:
			return 0
		case u < 0xd800 || u >= 0xe000:
			return 6
		}
		if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
			return 0
		}
		if low := hex4(b[6:]); low >= 0xdc00 && low < 0xe000 {
			return 12
		}
	}
	return 0
}

// hex4 reads the four hexadecimal digits of an escaped character, -1 when they are none.
func hex4(b []byte) int {
	if len(b) < 6 {
		return -1
	}
	v := 0
	for _, c := range b[2:6] {
		switch {
		case isDigit(c):
			v = v<<4 | int(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			v = v<<4 | int(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return v
}

// enter takes the bracket of an object or array.
func (d *reader) enter(c byte) bool {
	if d.peek() != c || d.depth == MaxDepth {
		d.stop()
		return false
	}
	d.depth++
	d.put(c)
	return true
}

// next takes what follows a member or element: a comma, and then it returns true, or the closing bracket.
func (d *reader) next(end byte) bool {
	switch c := d.peek(); c {
	case ',':
		d.put(',')
		return true
	case end:
		d.put(end)
		d.depth--
	default:
		d.stop()
	}
	return false
}

// object reads the object that starts here. It calls f behind the name of each member; f MUST read the member's value. Without f, values are only read.
func (d *reader) object(f func(n text)) {
	if !d.enter('{') {
		return
	}
	if d.peek() == '}' {
		d.put('}')
		d.depth--
		return
	}
	outer, decoded := len(d.names), len(d.decoded)
	var many map[string]bool
	for more := true; more; more = d.next('}') {
		if d.peek() != '"' {
			d.stop()
			return
		}
		n := d.str()
		if d.bad || d.repeats(n, outer, &many) || d.peek() != ':' {
			d.stop()
			return
		}
		d.put(':')
		if f == nil {
			d.value()
		} else {
			f(n)
		}
	}
	d.names, d.decoded = d.names[:outer], d.decoded[:decoded]
}

// array is object for an array; f gets the index of the element.
func (d *reader) array(f func(i int)) {
	if !d.enter('[') {
		return
	}
	if d.peek() == ']' {
		d.put(']')
		d.depth--
		return
	}
	more := true
	for i := 0; more; i++ {
		if f == nil {
			d.value()
		} else {
			f(i)
		}
		more = d.next(']')
	}
}

// repeats notes a member name and reports whether the object, whose names begin at outer, has had it before.
func (d *reader) repeats(t text, outer int, many *map[string]bool) bool {
	n := nameRef{off: uint32(t.off), end: uint32(t.end), escaped: t.escaped}
	if t.escaped {
		n.off = uint32(len(d.decoded))
		d.decoded = append(d.decoded, unquoted(d.b, t)...)
		n.end = uint32(len(d.decoded))
	}
	name := d.nameBytes(&n)
	if len(d.names)-outer >= fewNames {
		if *many == nil {
			*many = make(map[string]bool, 4*fewNames)
			for i := range d.names[outer:] {
				(*many)[string(d.nameBytes(&d.names[outer+i]))] = true
			}
		}
		again := (*many)[string(name)]
		(*many)[string(name)] = true
		return again
	}
	n.key = nameKey(name)
	for i := range d.names[outer:] {
		if o := &d.names[outer+i]; o.key == n.key && string(d.nameBytes(o)) == string(name) {
			return true
		}
	}
	d.names = append(d.names, n)
	return false
}

func (d *reader) nameBytes(n *nameRef) []byte {
	if n.escaped {
		return d.decoded[n.off:n.end]
	}
	return d.b[n.off:n.end]
}

// nameKey tells most names of one object apart: by length, the first eight bytes and the last.
func nameKey(b []byte) uint64 {
	n := len(b)
	switch {
	case n >= 8:
		return uint64(n)<<32 ^ binary.LittleEndian.Uint64(b) ^ binary.LittleEndian.Uint64(b[n-8:])<<1
	case n >= 4:
		return uint64(n)<<56 ^ uint64(binary.LittleEndian.Uint32(b)) ^ uint64(binary.LittleEndian.Uint32(b[n-4:]))<<24
	case n > 0:
		return uint64(n)<<56 ^ uint64(b[0]) ^ uint64(b[n/2])<<8 ^ uint64(b[n-1])<<16
	}
	return 0
}
