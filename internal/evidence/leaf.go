package evidence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// LeafFormat is the value of a leaf's key 0.
const LeafFormat = "probity/leaf/v1"

// MaxLeaf is the largest leaf in bytes; C2SP tlog-tiles entry bundles carry a 16-bit length.
const MaxLeaf = 65535

// Roles of a search tag, and their position in [Leaf.Tags].
const (
	RoleActor = iota
	RoleSubject
	RoleResource
)

// Leaf is the evidence of one event (ledger/DESIGN.md §2). Strings are clear strings, see [ValidClear].
type Leaf struct {
	Nonce        [16]byte
	RecordedAt   int64 // microseconds since 1970 UTC
	OccurredAt   int64 // microseconds since 1970 UTC
	Source       string
	Action       string
	Category     string
	Activity     string
	Outcome      string
	ResourceType string // "" when there is none
	Producer     *Producer
	FieldsRoot   [32]byte
	Tags         [3][16]byte
	Class        uint64 // retention class
}

// Producer numbers the events of one producing process.
type Producer struct {
	ID   string
	Boot string
	Seq  uint64
}

const recordedOffset = 1 + 1 + 1 + len(LeafFormat) + 1 + 1 + 16 + 1 // of the 9 CBOR bytes of recorded_at

// Append appends the deterministic CBOR encoding of l to dst. RecordedAt must be at least 2^32 (1970-01-01T01:11:35), so that
// its encoding has a fixed width and [Restamp] can replace it.
func (l *Leaf) Append(dst []byte) []byte {
	n := 11 // keys 0-8, 11 and 12
	if l.ResourceType != "" {
		n++
	}
	if l.Producer != nil {
		n++
	}
	if l.Class != 0 {
		n++
	}
	dst = append(dst, 0xa0|byte(n))
	dst = append(dst, 0)
	dst = appendText(dst, LeafFormat)
	dst = append(dst, 1, 0x50)
	dst = append(dst, l.Nonce[:]...)
	dst = append(dst, 2)
	dst = appendHead(dst, 0, uint64(l.RecordedAt))
	dst = append(dst, 3)
	if l.OccurredAt >= 0 {
		dst = appendHead(dst, 0, uint64(l.OccurredAt))
	} else {
		dst = appendHead(dst, 0x20, uint64(-(l.OccurredAt + 1)))
	}
	for i, s := range [...]string{l.Source, l.Action, l.Category, l.Activity, l.Outcome} {
		dst = append(dst, byte(4+i))
		dst = appendText(dst, s)
	}
	if l.ResourceType != "" {
		dst = append(dst, 9)
		dst = appendText(dst, l.ResourceType)
	}
	if p := l.Producer; p != nil {
		dst = append(dst, 10, 0x83)
		dst = appendText(dst, p.ID)
		dst = appendText(dst, p.Boot)
		dst = appendHead(dst, 0, p.Seq)
	}
	dst = append(dst, 11)
	dst = appendHead(dst, 0x40, 32)
	dst = append(dst, l.FieldsRoot[:]...)
	dst = append(dst, 12, 0x83)
	for i := range l.Tags {
		dst = append(dst, 0x50)
		dst = append(dst, l.Tags[i][:]...)
	}
	if l.Class != 0 {
		dst = append(dst, 13)
		dst = appendHead(dst, 0, l.Class)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(appendHead(dst, 0x60, uint64(len(s))), s...)
}

// appendHead appends a CBOR head in its shortest form.
func appendHead(dst []byte, major byte, v uint64) []byte {
	switch {
	case v < 24:
		return append(dst, major|byte(v))
	case v < 1<<8:
		return append(dst, major|24, byte(v))
	case v < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(v))
	case v < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), v)
	}
}

// Restamp replaces recorded_at (microseconds, at least 2^32) in an encoded leaf without re-encoding it.
func Restamp(leaf []byte, recordedAt int64) {
	leaf[recordedOffset] = 0x1b
	binary.BigEndian.PutUint64(leaf[recordedOffset+1:], uint64(recordedAt))
}

// PutHashes replaces fields_root and tags in an encoded leaf of a retention class without re-encoding it.
func PutHashes(leaf []byte, class uint64, root *[32]byte, tags *[3][16]byte) {
	if class != 0 {
		var head [10]byte
		leaf = leaf[:len(leaf)-1-len(appendHead(head[:0], 0, class))]
	}
	const tag = 1 + 16
	at := len(leaf) - 3*tag
	copy(leaf[at-2-32:], root[:])
	for i := range tags {
		copy(leaf[at+i*tag+1:], tags[i][:])
	}
}

// RecordedAt reads recorded_at (microseconds) from an encoded leaf without decoding it.
func RecordedAt(leaf []byte) int64 {
	return int64(binary.BigEndian.Uint64(leaf[recordedOffset+1:]))
}

// Nonce returns the nonce of an encoded leaf, aliasing it.
func Nonce(leaf []byte) []byte {
	return leaf[recordedOffset-17 : recordedOffset-1]
}

var decMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 4, MaxArrayElements: 16, MaxMapPairs: 16, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return m
}()

type leafWire struct {
	Format       string       `cbor:"0,keyasint"`
	Nonce        []byte       `cbor:"1,keyasint"`
	RecordedAt   uint64       `cbor:"2,keyasint"`
	OccurredAt   int64        `cbor:"3,keyasint"`
	Source       string       `cbor:"4,keyasint"`
	Action       string       `cbor:"5,keyasint"`
	Category     string       `cbor:"6,keyasint"`
	Activity     string       `cbor:"7,keyasint"`
	Outcome      string       `cbor:"8,keyasint"`
	ResourceType string       `cbor:"9,keyasint"`
	Producer     *producerArr `cbor:"10,keyasint"`
	FieldsRoot   []byte       `cbor:"11,keyasint"`
	Tags         [][]byte     `cbor:"12,keyasint"`
	Class        uint64       `cbor:"13,keyasint"`
}

type producerArr struct {
	_    struct{} `cbor:",toarray"`
	ID   string
	Boot string
	Seq  uint64
}

// DecodeLeaf decodes and checks an encoded leaf: only the exact deterministic encoding of a valid leaf is accepted, so two
// different byte strings never decode to equal leaves.
func DecodeLeaf(b []byte) (*Leaf, error) {
	var w leafWire
	if err := decMode.Unmarshal(b, &w); err != nil {
		return nil, fmt.Errorf("leaf is not valid CBOR: %w", err)
	}
	switch {
	case w.Format != LeafFormat:
		return nil, errors.New("leaf has an unknown format")
	case len(w.Nonce) != 16 || len(w.FieldsRoot) != 32 || len(w.Tags) != 3:
		return nil, errors.New("leaf has a nonce, root or tag of the wrong size")
	case w.RecordedAt < 1<<32 || w.RecordedAt > 1<<62:
		return nil, errors.New("leaf has a recorded_at out of range")
	}
	l := &Leaf{RecordedAt: int64(w.RecordedAt), OccurredAt: w.OccurredAt, Source: w.Source, Action: w.Action, Category: w.Category,
		Activity: w.Activity, Outcome: w.Outcome, ResourceType: w.ResourceType, Class: w.Class}
	copy(l.Nonce[:], w.Nonce)
	copy(l.FieldsRoot[:], w.FieldsRoot)
	for i, t := range w.Tags {
		if len(t) != 16 {
			return nil, errors.New("leaf has a tag of the wrong size")
		}
		copy(l.Tags[i][:], t)
	}
	if w.Producer != nil {
		l.Producer = &Producer{ID: w.Producer.ID, Boot: w.Producer.Boot, Seq: w.Producer.Seq}
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	if again := l.Append(make([]byte, 0, len(b))); string(again) != string(b) {
		return nil, errors.New("leaf is not in deterministic encoding")
	}
	return l, nil
}

func (l *Leaf) check() error {
	for _, s := range [...]string{l.Source, l.Action, l.Category, l.Activity, l.Outcome} {
		if !ValidClear(s) {
			return errors.New("leaf has a clear string outside the allowed alphabet")
		}
	}
	if l.ResourceType != "" && !ValidClear(l.ResourceType) {
		return errors.New("leaf has a resource type outside the allowed alphabet")
	}
	if p := l.Producer; p != nil && (!ValidClear(p.ID) || p.Boot != "" && !ValidClear(p.Boot)) {
		return errors.New("leaf has a producer outside the allowed alphabet")
	}
	return nil
}

// ValidClear reports whether s is a clear string: [a-z0-9_.:/-]{1,128}.
func ValidClear(s string) bool {
	if len(s) == 0 || len(s) > 128 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != ':' && c != '/' && c != '-' {
			return false
		}
	}
	return true
}

// Period returns the retention period of a time in microseconds since 1970 UTC: its UTC month as year*12 + month-1.
func Period(micros int64) int {
	t := time.UnixMicro(micros).UTC()
	return t.Year()*12 + int(t.Month()) - 1
}
