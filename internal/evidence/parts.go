package evidence

import "encoding/binary"

// Parts are the stretches of an encoded leaf. Laid end to end they are the leaf again, byte for byte:
//
//	Start ‖ Nonce ‖ 02 1b u64(RecordedAt) ‖ 03 head(OccurredAt) ‖ Words ‖ Hashes
//
// where u64 is 8 bytes big-endian and head is the shortest CBOR integer. Stored apart, the random stretches need no compressor and the others repeat.
type Parts struct {
	// Start is everything before the nonce's bytes; the same for all leaves with the same members.
	Start []byte
	// Nonce is 16 bytes.
	Nonce []byte
	// RecordedAt and OccurredAt are microseconds since 1970 UTC.
	RecordedAt, OccurredAt int64
	// Words are the clear strings and the producer, up to and with the head of fields_root.
	Words []byte
	// Hashes are fields_root's bytes and all that follows.
	Hashes []byte
}

// Split cuts an encoded leaf. The slices alias leaf. Malformed text may give an error; when it does not, [Parts.Append] gives leaf back.
func (p *Parts) Split(leaf []byte) error {
	const nonce, recorded = 1 + len(leafStart), 1 + len(leafStart) + 16
	if len(leaf) > MaxLeaf || len(leaf) < recorded+10 || string(leaf[1:nonce]) != leafStart || leaf[recorded] != 2 || leaf[recorded+1] != 0x1b {
		return errLeaf
	}
	p.Start, p.Nonce = leaf[:nonce:nonce], leaf[nonce:recorded:recorded]
	p.RecordedAt = int64(binary.BigEndian.Uint64(leaf[recorded+2:]))
	s := scanner{b: leaf, i: recorded + 10}
	ok := s.key(3)
	if ok {
		p.OccurredAt, ok = s.int()
	}
	if !ok {
		return errLeaf
	}
	from := s.i
	for k := byte(4); k <= 9; k++ {
		if s.key(k) {
			if _, ok := s.bytes(3); !ok {
				return errLeaf
			}
		}
	}
	if s.key(10) && !s.producer() || len(leaf)-s.i < 3 || string(leaf[s.i:s.i+3]) != "\x0b\x58\x20" {
		return errLeaf
	}
	p.Words, p.Hashes = leaf[from:s.i+3:s.i+3], leaf[s.i+3:]
	return nil
}

// Append appends the leaf that p are the parts of.
func (p *Parts) Append(dst []byte) []byte {
	dst = append(append(dst, p.Start...), p.Nonce...)
	dst = binary.BigEndian.AppendUint64(append(dst, 2, 0x1b), uint64(p.RecordedAt))
	if p.OccurredAt >= 0 {
		dst = appendHead(append(dst, 3), 0, uint64(p.OccurredAt))
	} else {
		dst = appendHead(append(dst, 3), 0x20, uint64(-(p.OccurredAt + 1)))
	}
	return append(append(dst, p.Words...), p.Hashes...)
}
