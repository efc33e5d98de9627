package evidence

import (
	"crypto/sha256"
	"encoding/binary"

	"probity.dev/internal/sha256n"
)

// HMAC is HMAC-SHA256 (RFC 2104) with a 32-byte key, in two calls of SHA-256 over the stack. The library's form allocates and keeps state that
// pays off from several kilobytes on; a new person takes several of these over a few bytes each.
func HMAC(key *Hash, msg []byte) Hash {
	var stack [64 + 192]byte
	in := stack[:64]
	pad(in, key, 0x36)
	inner := sha256.Sum256(append(in, msg...))
	var out [96]byte
	pad(out[:], key, 0x5c)
	copy(out[64:], inner[:])
	return sha256.Sum256(out[:])
}

// pad writes the key, filled up to a block, with every byte changed by x.
func pad(dst []byte, key *Hash, x byte) {
	word := uint64(x) * 0x0101010101010101
	dst = dst[:64]
	for i := 0; i < len(key); i += 8 {
		binary.NativeEndian.PutUint64(dst[i:], binary.NativeEndian.Uint64(key[i:])^word)
		binary.NativeEndian.PutUint64(dst[len(key)+i:], word)
	}
}

// HMACs computes many of [HMAC] at once. The zero value is ready. It is not safe for concurrent use.
type HMACs struct {
	inner, outer sha256n.Batch
	sums         []Hash
}

// Reset forgets what was added.
func (m *HMACs) Reset() {
	m.inner.Reset()
	m.outer.Reset()
}

// Add adds a message under a key.
func (m *HMACs) Add(key *Hash, msg []byte) {
	in := m.inner.Message(64 + len(msg))
	pad(in, key, 0x36)
	copy(in[64:], msg)
	pad(m.outer.Message(96), key, 0x5c)
}

// Sums appends the HMAC of every message added, in order, to dst.
func (m *HMACs) Sums(dst []Hash) []Hash {
	m.sums = m.inner.Sums(m.sums[:0])
	for i := range m.sums {
		copy(m.outer.At(i)[64:], m.sums[i][:])
	}
	return m.outer.Sums(dst)
}
