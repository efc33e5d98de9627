package sha256n

import "crypto/fips140"

// blocks2 hashes n blocks of two messages each; n must be above 0.
//
//go:noescape
func blocks2(s0 *state, p0 *byte, s1 *state, p1 *byte, n int)

func supported() bool

var accelerated = supported() && !fips140.Enabled()
