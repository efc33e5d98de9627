package tlog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	xtlog "golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func leafBytes(i int) []byte { return binary.BigEndian.AppendUint64([]byte("leaf "), uint64(i)) }

func leafHashes(n int) []Hash {
	out := make([]Hash, n)
	for i := range out {
		out[i] = LeafHash(leafBytes(i))
	}
	return out
}

// grown is a tree built in batches, with its full tiles.
type grown struct {
	tree   *Tree
	tiles  MemoryTiles
	leaves []Hash
}

func grow(n, batch int) *grown {
	g := &grown{tree: NewTree(), tiles: MemoryTiles{}, leaves: leafHashes(n)}
	for i := 0; i < n; i += batch {
		g.tiles.Put(g.tree.Append(g.leaves[i:min(i+batch, n)]))
	}
	return g
}

func (g *grown) reader() TileReader { return g.tree.Edge().Reader(g.tiles) }

// xmodRoot is the root that golang.org/x/mod computes.
func xmodRoot(t testing.TB, leaves []Hash) Hash {
	t.Helper()
	var stored []xtlog.Hash
	read := xtlog.HashReaderFunc(func(idx []int64) ([]xtlog.Hash, error) {
		out := make([]xtlog.Hash, len(idx))
		for i, x := range idx {
			out[i] = stored[x]
		}
		return out, nil
	})
	for i, h := range leaves {
		hs, err := xtlog.StoredHashesForRecordHash(int64(i), xtlog.Hash(h), read)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hs...)
	}
	r, err := xtlog.TreeHash(int64(len(leaves)), read)
	if err != nil {
		t.Fatal(err)
	}
	if len(leaves) == 0 {
		return EmptyRoot
	}
	return Hash(r)
}

// merkleRoot is the root that transparency-dev/merkle computes.
func merkleRoot(t testing.TB, leaves []Hash) Hash {
	t.Helper()
	f := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	r := f.NewEmptyRange(0)
	for i := range leaves {
		if err := r.Append(leaves[i][:], nil); err != nil {
			t.Fatal(err)
		}
	}
	h, err := r.GetRootHash(nil)
	if err != nil {
		t.Fatal(err)
	}
	if h == nil {
		return EmptyRoot
	}
	return Hash(h)
}

func TestRootsAgainstOtherImplementations(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 70000} {
		g := grow(n, 1000)
		want := xmodRoot(t, g.leaves)
		if m := merkleRoot(t, g.leaves); m != want {
			t.Fatalf("the two references disagree at %d", n)
		}
		if got := g.tree.Root(); got != want {
			t.Errorf("root at %d: got %x, want %x", n, got, want)
		}
		if got := MTH(g.leaves); got != want {
			t.Errorf("MTH at %d: got %x, want %x", n, got, want)
		}
		if e := g.tree.Edge(); e.Root() != want || e.Size() != uint64(n) {
			t.Errorf("edge at %d differs from the tree", n)
		}
	}
}

func TestFullTilesAreWrittenExactlyOnceWhateverTheBatches(t *testing.T) {
	const n = 1 << 17
	want := grow(n, n).tiles
	for _, batch := range []int{1, 7, 255, 256, 257, 1000, 65536} {
		tree, seen, leaves := NewTree(), MemoryTiles{}, leafHashes(n)
		for i := 0; i < n; i += batch {
			for _, w := range tree.Append(leaves[i:min(i+batch, n)]) {
				id := TileID{w.Level, w.Index}
				if seen[id] != nil {
					t.Fatalf("batch %d: tile %v written twice", batch, id)
				}
				if string(want[id]) != string(w.Data) || len(w.Data) != TileBytes {
					t.Fatalf("batch %d: tile %v differs", batch, id)
				}
				seen[id] = w.Data
			}
		}
		if len(seen) != len(want) || len(seen) != n/256+n/65536 {
			t.Fatalf("batch %d: %d tiles, want %d", batch, len(seen), len(want))
		}
	}
}

func TestTileContentsFollowTheSpecification(t *testing.T) {
	g := grow(70000, 997)
	ctx := context.Background()
	for _, at := range []struct {
		level uint8
		index uint64
		width int
	}{{0, 0, 256}, {0, 272, 256}, {0, 273, 112}, {0, 273, 5}, {1, 0, 256}, {1, 1, 17}, {2, 0, 1}} {
		b, err := g.reader().ReadTile(ctx, at.level, at.index, at.width)
		if err != nil {
			t.Fatalf("%+v: %v", at, err)
		}
		for i := 0; i < at.width; i++ {
			span := 1 << (8 * int(at.level))
			first := (int(at.index)*256 + i) * span
			if want := MTH(g.leaves[first : first+span]); Hash(b[i*32:i*32+32]) != want {
				t.Fatalf("tile %+v entry %d is not the root of leaves %d+%d", at, i, first, span)
			}
		}
	}
	for _, at := range []struct {
		level uint8
		index uint64
		width int
	}{{0, 273, 113}, {0, 274, 1}, {2, 0, 2}, {3, 0, 1}, {9, 0, 1}, {0, 0, 0}, {0, 1 << 60, 1}} {
		if _, err := g.reader().ReadTile(ctx, at.level, at.index, at.width); err == nil {
			t.Errorf("tile %+v must not exist", at)
		}
	}
}

func TestCloneIsIndependentSoThatAFailedCommitLeavesNoTrace(t *testing.T) {
	g := grow(700, 100)
	before := g.tree.Root()
	edge := g.tree.Edge()
	c := g.tree.Clone()
	c.Append(leafHashes(1000))
	if g.tree.Root() != before || g.tree.Size() != 700 {
		t.Fatal("appending to the clone changed the original")
	}
	other := g.tree.Clone()
	more := make([]Hash, 300)
	for i := range more {
		more[i] = sha256.Sum256([]byte(fmt.Sprint("other", i)))
	}
	g.tiles.Put(g.tree.Append(more))
	if want := xmodRoot(t, append(append([]Hash{}, g.leaves...), more...)); g.tree.Root() != want {
		t.Fatal("original is wrong after a clone was dropped")
	}
	if other.Size() != 700 || other.Root() != before {
		t.Fatal("appending to the original changed a clone")
	}
	if b, err := edge.Reader(g.tiles).ReadTile(context.Background(), 0, 2, 188); err != nil || Hash(b[187*32:]) != g.leaves[699] {
		t.Fatal("an edge taken before must still serve its own size")
	}
}

func TestRestoreFromFullTilesAndPendingLeaves(t *testing.T) {
	ctx := context.Background()
	for _, n := range []int{0, 1, 255, 256, 257, 65535, 65536, 65537, 70000, 131072 + 256 + 3} {
		g := grow(n, 1000)
		r, err := Restore(ctx, uint64(n), g.tiles, g.tree.Pending())
		if err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		a, b := g.tree.Head(), r.Head()
		if !a.Equal(&b) {
			t.Fatalf("%d: restored head differs", n)
		}
		more := leafHashes(600)
		w1, w2 := g.tree.Append(more), r.Append(more)
		if fmt.Sprint(w1) != fmt.Sprint(w2) || g.tree.Root() != r.Root() {
			t.Fatalf("%d: the restored tree goes on differently", n)
		}
	}
	g := grow(70000, 1000)
	if _, err := Restore(ctx, 70000, g.tiles, nil); err == nil {
		t.Error("missing pending leaves must be refused")
	}
	delete(g.tiles, TileID{0, 260})
	if _, err := Restore(ctx, 70000, g.tiles, g.tree.Pending()); err == nil {
		t.Error("a missing tile must be refused")
	}
}

func TestHeadEncoding(t *testing.T) {
	for _, n := range []int{0, 1, 3, 256, 70000} {
		h := grow(n, 1000).tree.Head()
		got, err := UnmarshalHead(MarshalHead(&h))
		if err != nil || !got.Equal(&h) || got.Root() != h.Root() {
			t.Fatalf("%d: %v", n, err)
		}
		b := MarshalHead(&h)
		for _, bad := range [][]byte{nil, b[:len(b)-1], append(b[:len(b):len(b)], 0), append([]byte{2}, b[1:]...)} {
			if _, err := UnmarshalHead(bad); err == nil {
				t.Fatalf("%d: a damaged head was accepted", n)
			}
		}
	}
}

func TestTreeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree, tiles := NewTree(), MemoryTiles{}
		var all []Hash
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			n := rapid.IntRange(0, 700).Draw(t, "n")
			batch := make([]Hash, n)
			for i := range batch {
				batch[i] = sha256.Sum256(leafBytes(len(all) + i))
			}
			if rapid.Bool().Draw(t, "fails first") {
				tree.Clone().Append(batch)
			}
			tiles.Put(tree.Append(batch))
			all = append(all, batch...)
			if rapid.Bool().Draw(t, "restart") {
				r, err := Restore(context.Background(), tree.Size(), tiles, tree.Pending())
				if err != nil {
					t.Fatal(err)
				}
				tree = r
			}
		}
		if tree.Root() != MTH(all) || tree.Size() != uint64(len(all)) {
			t.Fatal("root differs from the definition")
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	leaves := leafHashes(1000)
	for _, batch := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			tree := NewTree()
			for i := 0; i < b.N; i += batch {
				tree.Append(leaves[:batch])
				tree.Root()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "leaves/s")
		})
	}
}
