package evidence

import (
	"encoding/binary"
	"sort"

	"probity.dev/internal/errs"
)

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// View is a leaf whose parts alias its encoding. Verifiers look at millions of leaves; decoding each would cost more than hashing it.
type View struct {
	Nonce        []byte // 16 bytes
	RecordedAt   int64  // microseconds since 1970 UTC
	OccurredAt   int64  // microseconds since 1970 UTC
	Source       []byte
	Action       []byte
	Category     []byte
	Activity     []byte
	Outcome      []byte
	ResourceType []byte // nil when there is none
	FieldsRoot   []byte // 32 bytes
	Tags         [3][]byte
	Class        uint64
}

var errLeaf = errs.New(errs.Invalid, "leaf is malformed or not in deterministic encoding")

// leafStart is how every leaf goes on after its first byte: key 0 with the format, key 1 and the head of the nonce.
const leafStart = "\x00\x6f" + LeafFormat + "\x01\x50"

// Scan reads an encoded leaf into v. It accepts exactly what [DecodeLeaf] accepts, without allocating.
func (v *View) Scan(leaf []byte) error { return v.scan(leaf, false) }

// Again is [View.Scan] for a leaf that it has accepted before: it does not look at each byte of the text again.
func (v *View) Again(leaf []byte) error { return v.scan(leaf, true) }

func (v *View) scan(leaf []byte, again bool) error {
	const nonce, recorded = 1 + len(leafStart), 1 + len(leafStart) + 16
	if len(leaf) > MaxLeaf || len(leaf) < recorded+10 || string(leaf[1:nonce]) != leafStart || leaf[recorded] != 2 || leaf[recorded+1] != 0x1b {
		return errLeaf
	}
	v.Nonce = leaf[nonce:recorded:recorded]
	n := binary.BigEndian.Uint64(leaf[recorded+2:])
	v.RecordedAt = int64(n)
	s := scanner{b: leaf, i: recorded + 10, again: again}
	if n < 1<<32 || n > 1<<62 || !s.rest(v) || s.i != len(leaf) || leaf[0] != 0xa0|byte(s.keys) {
		return errLeaf
	}
	return nil
}

type scanner struct {
	b    []byte
	i    int
	keys int // members read
	// again says that the text is known to be clear strings.
	again bool
}

// rest reads the members from occurred_at on. Keys 9, 10 and 13 are optional.
func (s *scanner) rest(v *View) (ok bool) {
	s.keys = 3
	if !s.key(3) {
		return false
	}
	if v.OccurredAt, ok = s.int(); !ok {
		return false
	}
	for k, dst := range [...]*[]byte{&v.Source, &v.Action, &v.Category, &v.Activity, &v.Outcome} {
		if !s.key(byte(4 + k)) {
			return false
		}
		if *dst, ok = s.clear(); !ok {
			return false
		}
	}
	if v.ResourceType = nil; s.key(9) {
		if v.ResourceType, ok = s.clear(); !ok {
			return false
		}
	}
	if s.key(10) && !s.producer() {
		return false
	}
	return s.hashes(v) && s.class(v)
}

// hashes reads fields_root and tags, whose encodings have a fixed length.
func (s *scanner) hashes(v *View) bool {
	const size = 3 + 32 + 2 + 3*17
	if len(s.b)-s.i < size {
		return false
	}
	b := s.b[s.i : s.i+size]
	if string(b[:3]) != "\x0b\x58\x20" || string(b[35:38]) != "\x0c\x83\x50" || b[54] != 0x50 || b[71] != 0x50 {
		return false
	}
	v.FieldsRoot = b[3:35:35]
	v.Tags = [3][]byte{b[38:54:54], b[55:71:71], b[72:88:88]}
	s.i += size
	s.keys += 2
	return true
}

func (s *scanner) class(v *View) (ok bool) {
	if v.Class = 0; !s.key(13) {
		return true
	}
	v.Class, ok = s.head(0)
	return ok && v.Class != 0
}

// key skips a map key if it is the next byte.
func (s *scanner) key(k byte) bool {
	if s.i >= len(s.b) || s.b[s.i] != k {
		return false
	}
	s.i++
	s.keys++
	return true
}

func (s *scanner) producer() bool {
	if n, ok := s.head(4); !ok || n != 3 {
		return false
	}
	if _, ok := s.clear(); !ok {
		return false
	}
	if boot, ok := s.bytes(3); !ok || len(boot) > 0 && !s.again && !validClear(boot) {
		return false
	}
	_, ok := s.head(0)
	return ok
}

func (s *scanner) int() (int64, bool) {
	if s.i < len(s.b) && s.b[s.i]&0xe0 == 0x20 {
		n, ok := s.head(1)
		return -1 - int64(n), ok && n < 1<<63
	}
	n, ok := s.head(0)
	return int64(n), ok && n < 1<<63
}

func (s *scanner) clear() ([]byte, bool) {
	b, ok := s.bytes(3)
	return b, ok && (s.again || validClear(b))
}

func (s *scanner) bytes(major byte) ([]byte, bool) {
	n, ok := s.head(major)
	if !ok || n > uint64(len(s.b)-s.i) {
		return nil, false
	}
	b := s.b[s.i : s.i+int(n) : s.i+int(n)]
	s.i += int(n)
	return b, true
}

// head reads a CBOR head of this major type in its shortest form.
func (s *scanner) head(major byte) (uint64, bool) {
	if s.i >= len(s.b) || s.b[s.i]>>5 != major {
		return 0, false
	}
	info := s.b[s.i] & 0x1f
	s.i++
	if info < 24 {
		return uint64(info), true
	}
	if info > 27 {
		return 0, false
	}
	size := 1 << (info - 24)
	if len(s.b)-s.i < size {
		return 0, false
	}
	var n, least uint64
	switch b := s.b[s.i:]; size {
	case 1:
		n, least = uint64(b[0]), 24
	case 2:
		n, least = uint64(binary.BigEndian.Uint16(b)), 1<<8
	case 4:
		n, least = uint64(binary.BigEndian.Uint32(b)), 1<<16
	default:
		n, least = binary.BigEndian.Uint64(b), 1<<32
	}
	s.i += size
	return n, n >= least
}

var clearByte = func() (t [256]bool) {
	for c := range t {
		t[c] = ValidClear(string([]byte{byte(c)}))
	}
	return t
}()

func validClear(b []byte) bool {
	if len(b) == 0 || len(b) > 128 {
		return false
	}
	for _, c := range b {
		if !clearByte[c] {
			return false
		}
	}
	return true
}
