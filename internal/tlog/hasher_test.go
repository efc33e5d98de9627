package tlog

import (
	"bytes"
	"testing"
)

func TestHasherAgrees(t *testing.T) {
	var h Hasher
	var leaves []Hash
	var want []Hash
	for i := range 600 {
		leaf := bytes.Repeat([]byte{byte(i)}, i)
		h.Leaf(leaf)
		want = append(want, LeafHash(leaf))
		if h.Len() == 7 {
			leaves = h.Leaves(leaves)
		}
	}
	leaves = h.Leaves(leaves)
	if len(leaves) != len(want) {
		t.Fatal(len(leaves))
	}
	for i := range want {
		if leaves[i] != want[i] {
			t.Fatalf("leaf %d", i)
		}
	}
	for n := 1; n <= 512; n *= 2 {
		if h.MTH(leaves[:n]) != MTH(leaves[:n]) {
			t.Errorf("root of %d", n)
		}
	}
}
