package evidence

import (
	"crypto/sha256"
	"encoding/binary"
)

// Hash is a SHA-256 hash.
type Hash = [32]byte

// Every hash of an event's fields begins with a byte that no other use of SHA-256 in the log begins with (RFC 6962 has 0 and 1): the upper half is the version of
// the format, the lower half says what is hashed.
const (
	domainField    = 0x10 // commitment to a field
	domainGroup    = 0x11 // root of a group
	domainFields   = 0x12 // fields_root
	domainEvent    = 0x13 // K_event
	domainSalt     = 0x14 // salt of a field
	domainTag      = 0x15 // search tag
	domainResource = 0x16 // K_tag of a resource
)

// Commit returns the commitment to a field's value under its salt (ledger/DESIGN.md §3). A path longer than 65,535 bytes is a
// caller's error.
func Commit(salt Hash, path string, value []byte) Hash {
	var stack [512]byte
	return sha256.Sum256(appendCommit(stack[:0], &salt, path, value))
}

func appendCommit(b []byte, salt *Hash, path string, value []byte) []byte {
	b = append(append(b, domainField), salt[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(path)))
	return append(append(b, path...), value...)
}

// GroupRoot returns the root of one group over its commitments, which must be sorted by path.
func GroupRoot(slot uint8, commitments []Hash) Hash {
	var stack [512]byte
	b := append(stack[:0], domainGroup, slot)
	b = binary.BigEndian.AppendUint16(b, uint16(len(commitments)))
	for i := range commitments {
		b = append(b, commitments[i][:]...)
	}
	return sha256.Sum256(b)
}

// FieldsRoot returns the fields_root over the group roots in slot order.
func FieldsRoot(groups []Hash) Hash {
	var stack [512]byte
	b := append(stack[:0], domainFields, uint8(len(groups)))
	for i := range groups {
		b = append(b, groups[i][:]...)
	}
	return sha256.Sum256(b)
}

// LeafHash returns the RFC 6962 hash of an encoded leaf.
func LeafHash(leaf []byte) Hash {
	var stack [512]byte
	b := append(stack[:0], 0)
	return sha256.Sum256(append(b, leaf...))
}
