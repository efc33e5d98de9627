//go:build !amd64

package sha256n

import "crypto/sha256"

// What this process may use.
var hasPairs, hasWide bool

func blocks2(*state, *byte, *state, *byte, int) { panic("sha256n: not for this processor") }

func blocks16(*wideState, *[lanes][sha256.Size]byte, *byte, *[lanes]int, int, uint16, *byte, *[lanes]int) {
	panic("sha256n: not for this processor")
}
