//go:build !amd64

package sha256n

const accelerated = false

func blocks2(*state, *byte, *state, *byte, int) { panic("sha256n: not for this processor") }
