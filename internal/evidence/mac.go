package evidence

import "crypto/sha256"

// HMAC is HMAC-SHA256 (RFC 2104) with a 32-byte key, in two calls of SHA-256 over the stack. The library's form allocates and keeps state that
// pays off from several kilobytes on; a new person takes several of these over a few bytes each.
func HMAC(key *Hash, msg []byte) Hash {
	var stack [64 + 192]byte
	in := stack[:64]
	for i := range key {
		in[i] = key[i] ^ 0x36
	}
	for i := 32; i < 64; i++ {
		in[i] = 0x36
	}
	inner := sha256.Sum256(append(in, msg...))
	var out [96]byte
	for i := range key {
		out[i] = key[i] ^ 0x5c
	}
	for i := 32; i < 64; i++ {
		out[i] = 0x5c
	}
	copy(out[64:], inner[:])
	return sha256.Sum256(out[:])
}
