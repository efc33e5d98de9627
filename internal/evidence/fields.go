package evidence

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// Hash is a SHA-256 hash.
type Hash = [32]byte

const (
	domainField  = "probity/field/v1\x00"
	domainGroup  = "probity/group/v1\x00"
	domainFields = "probity/fields/v1\x00"
	domainNode   = "probity/node/v1\x00"
)

// Commit returns the commitment to a field's value under its salt (ledger/DESIGN.md §3). A path longer than 65,535 bytes is a
// caller's error.
func Commit(salt Hash, path string, value []byte) Hash {
	var stack [512]byte
	b := append(stack[:0], domainField...)
	b = append(b, salt[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(path)))
	b = append(b, path...)
	b = append(b, value...)
	return sha256.Sum256(b)
}

// GroupRoot returns the root of one group over its commitments, which must be sorted by path.
func GroupRoot(slot uint8, commitments []Hash) Hash {
	var stack [len(domainGroup) + 1 + 2 + 32]byte
	b := append(stack[:0], domainGroup...)
	b = append(b, slot)
	b = binary.BigEndian.AppendUint16(b, uint16(len(commitments)))
	t := treeRoot(commitments)
	return sha256.Sum256(append(b, t[:]...))
}

// FieldsRoot returns the fields_root over the group roots in slot order.
func FieldsRoot(groups []Hash) Hash {
	var stack [len(domainFields) + 1 + 32]byte
	b := append(stack[:0], domainFields...)
	b = append(b, uint8(len(groups)))
	t := treeRoot(groups)
	return sha256.Sum256(append(b, t[:]...))
}

func treeRoot(h []Hash) Hash {
	switch len(h) {
	case 0:
		return Hash{}
	case 1:
		return h[0]
	}
	k := 1 << (bits.Len(uint(len(h)-1)) - 1)
	l, r := treeRoot(h[:k]), treeRoot(h[k:])
	var b [len(domainNode) + 64]byte
	copy(b[:], domainNode)
	copy(b[len(domainNode):], l[:])
	copy(b[len(domainNode)+32:], r[:])
	return sha256.Sum256(b[:])
}

// LeafHash returns the RFC 6962 hash of an encoded leaf.
func LeafHash(leaf []byte) Hash {
	var stack [512]byte
	b := append(stack[:0], 0)
	return sha256.Sum256(append(b, leaf...))
}
