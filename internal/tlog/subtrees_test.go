package tlog

import (
	"testing"

	"pgregory.net/rapid"
)

// TestSubtreesAgreeWithTheTree compares roots and range proofs with the functions that compute them from nothing.
func TestSubtreesAgreeWithTheTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaves := make([]Hash, rapid.IntRange(1, 700).Draw(t, "leaves"))
		for i := range leaves {
			leaves[i] = LeafHash([]byte{byte(i), byte(i >> 8)})
		}
		s := NewSubtrees(leaves)
		if s.Root() != MTH(leaves) {
			t.Fatal("another root")
		}
		first := rapid.IntRange(0, len(leaves)-1).Draw(t, "first")
		count := rapid.IntRange(1, len(leaves)-first).Draw(t, "count")
		p := s.Prove(uint64(first), uint64(count))
		if err := VerifyRange(p, leaves[first:first+count], s.Root()); err != nil {
			t.Fatal(err)
		}
		wrong := append([]Hash(nil), leaves[first:first+count]...)
		wrong[0][0] ^= 1
		if VerifyRange(p, wrong, s.Root()) == nil {
			t.Fatal("another leaf is accepted")
		}
	})
}
