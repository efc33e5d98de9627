package sha256n

import (
	"crypto/fips140"
	"crypto/sha256"

	"golang.org/x/sys/cpu"
)

// blocks2 hashes n blocks of two messages each; n must be above 0.
//
//go:noescape
func blocks2(s0 *state, p0 *byte, s1 *state, p1 *byte, n int)

// blocks16 hashes n blocks of sixteen messages; n must be above 0. The next block of each is at base + at, which it moves on. A bit of begin says that the lane's message begins. It leaves
// the states, and the hashes if this was the end. Unless over is nil, the first block of each is that at base + at with that at over + overAt laid over it: their bitwise or.
//
//go:noescape
func blocks16(s *wideState, sums *[lanes][sha256.Size]byte, base *byte, at *[lanes]int, n int, begin uint16, over *byte, overAt *[lanes]int)

func supported() bool

// What this process may use.
var (
	hasPairs = supported() && !fips140.Enabled()
	hasWide  = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && !fips140.Enabled()
)
