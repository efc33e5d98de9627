package tlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	xtlog "golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

var proofSizes = []int{1, 2, 3, 7, 8, 255, 256, 257, 600, 65535, 65536, 65537, 70000}

func toX(h []Hash) []xtlog.Hash {
	out := make([]xtlog.Hash, len(h))
	for i := range h {
		out[i] = xtlog.Hash(h[i])
	}
	return out
}

func TestProofsAreAcceptedByOtherImplementations(t *testing.T) {
	ctx := context.Background()
	g := grow(70001, 4096)
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range proofSizes {
		root := MTH(g.leaves[:n])
		for range 60 {
			i := rnd.IntN(n)
			p, err := Inclusion(ctx, g.reader(), uint64(i), uint64(n))
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyInclusion(g.leaves[i], uint64(i), uint64(n), p, root); err != nil {
				t.Fatal(err)
			}
			if err := xtlog.CheckRecord(toX(p), int64(n), xtlog.Hash(root), int64(i), xtlog.Hash(g.leaves[i])); err != nil {
				t.Fatalf("x/mod refuses leaf %d of %d: %v", i, n, err)
			}
			if j := (i + 1) % n; j != i && VerifyInclusion(g.leaves[i], uint64(j), uint64(n), p, root) == nil {
				t.Fatalf("leaf %d of %d passes as leaf %d", i, n, j)
			}
			from := rnd.IntN(n) + 1
			c, err := Consistency(ctx, g.reader(), uint64(from), uint64(n))
			if err != nil {
				t.Fatal(err)
			}
			old := MTH(g.leaves[:from])
			if err := VerifyConsistency(uint64(from), uint64(n), old, root, c); err != nil {
				t.Fatal(err)
			}
			if err := xtlog.CheckTree(toX(c), int64(n), xtlog.Hash(root), int64(from), xtlog.Hash(old)); err != nil {
				t.Fatalf("x/mod refuses %d → %d: %v", from, n, err)
			}
			if from < n && VerifyConsistency(uint64(from), uint64(n), root, root, c) == nil {
				t.Fatalf("a false old root passes %d → %d", from, n)
			}
		}
	}
}

func TestConsistencyFromNothing(t *testing.T) {
	root := MTH(leafHashes(5))
	if p, err := Consistency(context.Background(), MemoryTiles{}, 0, 5); err != nil || len(p) != 0 {
		t.Fatal("proof from 0 must be empty")
	}
	if err := VerifyConsistency(0, 5, EmptyRoot, root, nil); err != nil {
		t.Fatal(err)
	}
	if VerifyConsistency(0, 5, root, root, nil) == nil {
		t.Error("a bogus root of size 0 was accepted")
	}
	if VerifyConsistency(0, 5, EmptyRoot, root, []Hash{{}}) == nil {
		t.Error("a proof from 0 that is not empty was accepted")
	}
	if VerifyConsistency(5, 5, root, EmptyRoot, nil) == nil || VerifyConsistency(5, 4, root, root, nil) == nil {
		t.Error("equal sizes with different roots, or a shrinking tree, were accepted")
	}
	if VerifyConsistency(3, 1<<63, root, root, nil) == nil || VerifyInclusion(root, 1, 1<<63, nil, root) == nil ||
		VerifyInclusion(root, 0, 4, make([]Hash, 64), root) == nil {
		t.Error("sizes and proof lengths must be bounded")
	}
}

func TestProofsOfImpossibleThingsAreErrors(t *testing.T) {
	ctx := context.Background()
	g := grow(600, 600)
	for _, c := range [][2]uint64{{600, 600}, {0, 0}, {5, 1 << 63}, {1 << 40, 1 << 41}} {
		if _, err := Inclusion(ctx, g.reader(), c[0], c[1]); err == nil {
			t.Errorf("inclusion %v must fail", c)
		}
	}
	for _, c := range [][2]uint64{{5, 4}, {5, 1 << 63}, {1, 601}} {
		if _, err := Consistency(ctx, g.reader(), c[0], c[1]); err == nil {
			t.Errorf("consistency %v must fail", c)
		}
	}
	if _, err := ProveRange(ctx, g.reader(), 10, 591, 600); err == nil {
		t.Error("a range beyond the tree must fail")
	}
	short := TileReaderFunc(func(context.Context, uint8, uint64, int) ([]byte, error) { return make([]byte, 31), nil })
	if _, err := Inclusion(ctx, short, 1, 600); err == nil {
		t.Error("a short tile must be an error")
	}
}

func TestRangeProofs(t *testing.T) {
	ctx := context.Background()
	g := grow(70000, 4096)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom(proofSizes).Draw(t, "size")
		first := rapid.IntRange(0, size).Draw(t, "first")
		count := rapid.IntRange(0, min(size-first, 3000)).Draw(t, "count")
		root := MTH(g.leaves[:size])
		p, err := ProveRange(ctx, g.reader(), uint64(first), uint64(count), uint64(size))
		if err != nil {
			t.Fatal(err)
		}
		in := slices.Clone(g.leaves[first : first+count])
		if err := VerifyRange(p, in, root); err != nil {
			t.Fatal(err)
		}
		if count > 0 {
			if VerifyRange(p, in[:count-1], root) == nil {
				t.Fatal("a left-out last leaf was accepted")
			}
			in[rapid.IntRange(0, count-1).Draw(t, "which")][3] ^= 1
			if VerifyRange(p, in, root) == nil {
				t.Fatal("a changed leaf was accepted")
			}
		}
		q := *p
		q.Right = append(slices.Clone(p.Right), Hash{})
		if VerifyRange(&q, g.leaves[first:first+count], root) == nil {
			t.Fatal("a superfluous edge hash was accepted")
		}
	})
}

func TestRangeByBlocks(t *testing.T) {
	ctx := context.Background()
	n := 3*BlockLeaves + 77
	g := grow(n, 4096)
	first := uint64(1000)
	p, err := ProveRange(ctx, g.reader(), first, uint64(n)-first-10, uint64(n))
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewRangeVerifier(p)
	if err != nil {
		t.Fatal(err)
	}
	for end := uint64(n) - 10; v.Next() < end; {
		if at := v.Next(); at%BlockLeaves == 0 && at+BlockLeaves <= end {
			r, err := SubtreeRoot(ctx, g.reader(), BlockHeight, at/BlockLeaves, uint64(n))
			if err != nil {
				t.Fatal(err)
			}
			if r != MTH(g.leaves[at:at+BlockLeaves]) {
				t.Fatal("block root differs from its leaves")
			}
			if err := v.AddSubtree(BlockHeight, r); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if v.Next()%BlockLeaves != 0 && v.AddSubtree(BlockHeight, Hash{}) == nil {
			t.Fatal("an unaligned block was accepted")
		}
		v.Add(g.leaves[v.Next()])
	}
	if got, err := v.Root(); err != nil || got != g.tree.Root() {
		t.Fatalf("root by blocks differs: %v", err)
	}
	if _, err := SubtreeRoot(ctx, g.reader(), BlockHeight, 3, uint64(n)); err == nil {
		t.Error("the root of an incomplete block must be an error")
	}
}

// TestProofLatency prints the distribution that the promise of p99 < 1 ms rests on.
func TestProofLatency(t *testing.T) {
	g := grow(1_000_123, 4096)
	tr, ctx := g.reader(), context.Background()
	took := make([]time.Duration, 2000)
	for i := range took {
		start := time.Now()
		if _, err := Inclusion(ctx, tr, rand.Uint64N(1_000_123), 1_000_123); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	t.Logf("inclusion proof at 1,000,123 leaves: p50 %v, p99 %v", took[1000], took[1980])
}

func BenchmarkInclusion(b *testing.B) {
	g := grow(1_000_123, 4096)
	tr, ctx := g.reader(), context.Background()
	for i := 0; b.Loop(); i++ {
		if _, err := Inclusion(ctx, tr, uint64(i*7919)%1_000_123, 1_000_123); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLeafHash(b *testing.B) {
	leaf := make([]byte, 300)
	for b.Loop() {
		LeafHash(leaf)
	}
}

func ExampleVerifyInclusion() {
	tree, tiles := NewTree(), MemoryTiles{}
	leaves := []Hash{LeafHash([]byte("a")), LeafHash([]byte("b")), LeafHash([]byte("c"))}
	tiles.Put(tree.Append(leaves))
	path, _ := Inclusion(context.Background(), tree.Edge().Reader(tiles), 1, 3)
	fmt.Println(len(path), VerifyInclusion(leaves[1], 1, 3, path, tree.Root()))
	// Output: 2 <nil>
}
