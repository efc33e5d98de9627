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

// Scan reads an encoded leaf into v. It accepts exactly what [DecodeLeaf] accepts, without allocating.
func (v *View) Scan(leaf []byte) error {
	s := scanner{b: leaf}
	if len(leaf) > MaxLeaf || len(leaf) == 0 || leaf[0]&0xe0 != 0xa0 {
		return errLeaf
	}
	n, last := int(leaf[0]&0x1f), -1
	s.i = 1
	*v = View{}
	for range n {
		key, ok := s.head(0)
		if !ok || int(key) <= last || key > 13 {
			return errLeaf
		}
		// Keys 9, 10 and 13 are the optional ones; any other gap is a missing member.
		for k := last + 1; k < int(key); k++ {
			if k != 9 && k != 10 {
				return errLeaf
			}
		}
		if last = int(key); !s.member(v, key) {
			return errLeaf
		}
	}
	if s.i != len(leaf) || last < 12 {
		return errLeaf
	}
	return nil
}

type scanner struct {
	b []byte
	i int
}

func (s *scanner) member(v *View, key uint64) (ok bool) {
	switch key {
	case 0:
		var t []byte
		t, ok = s.bytes(3)
		return ok && string(t) == LeafFormat
	case 1:
		v.Nonce, ok = s.bytes(2)
		return ok && len(v.Nonce) == 16
	case 2:
		var n uint64
		n, ok = s.head(0)
		v.RecordedAt = int64(n)
		return ok && n >= 1<<32 && n <= 1<<62
	case 3:
		v.OccurredAt, ok = s.int()
		return ok
	case 4:
		v.Source, ok = s.clear()
	case 5:
		v.Action, ok = s.clear()
	case 6:
		v.Category, ok = s.clear()
	case 7:
		v.Activity, ok = s.clear()
	case 8:
		v.Outcome, ok = s.clear()
	case 9:
		v.ResourceType, ok = s.clear()
	case 10:
		return s.producer()
	case 11:
		v.FieldsRoot, ok = s.bytes(2)
		return ok && len(v.FieldsRoot) == 32
	case 12:
		return s.tags(v)
	case 13:
		v.Class, ok = s.head(0)
		return ok && v.Class != 0
	}
	return ok
}

func (s *scanner) tags(v *View) bool {
	if n, ok := s.head(4); !ok || n != 3 {
		return false
	}
	for i := range v.Tags {
		t, ok := s.bytes(2)
		if !ok || len(t) != 16 {
			return false
		}
		v.Tags[i] = t
	}
	return true
}

func (s *scanner) producer() bool {
	if n, ok := s.head(4); !ok || n != 3 {
		return false
	}
	if _, ok := s.clear(); !ok {
		return false
	}
	if boot, ok := s.bytes(3); !ok || len(boot) > 0 && !validClear(boot) {
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
	return b, ok && validClear(b)
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
