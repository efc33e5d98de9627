package ledger

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// cellOf is what the tests keep under a key, of very different sizes.
func cellOf(k cellKey) []byte {
	n := int(uint64(k.handle*31+k.profile*7+int64(k.layout)) % 200)
	if k.handle%1000 == 0 {
		n = 20_000
	}
	return bytes.Repeat([]byte{byte(k.handle), byte(k.profile), byte(k.layout)}, n)
}

// TestCellsHoldWhatWasPutIn fills cells from several goroutines while others read, far beyond what they may hold: whatever is found is what was put in, what was
// put in last is found, and memory stays within its bounds.
func TestCellsHoldWhatWasPutIn(t *testing.T) {
	var c cells
	keys := 3 * cellShards * shardCells / 2
	if testing.Short() {
		keys = cellShards * 1000
	}
	key := func(i int) cellKey { return cellKey{int64(i) * 7919, int64(i % 3), uint32(i % 2)} }
	var wg sync.WaitGroup
	const writers = 2
	for w := range writers {
		wg.Go(func() {
			for i := w; i < keys; i += writers {
				c.put(key(i), cellOf(key(i)))
				if b, ok := c.get(key(i)); !ok || !bytes.Equal(b, cellOf(key(i))) {
					t.Errorf("key %d is lost at once, or has %d bytes of something else", i, len(b))
					return
				}
			}
		})
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for range keys / 4 {
				k := key(r.IntN(keys))
				if b, ok := c.get(k); ok && !bytes.Equal(b, cellOf(k)) {
					t.Errorf("%v has %d bytes of something else", k, len(b))
					return
				}
			}
		})
	}
	wg.Wait()
	held, size := 0, 0
	for i := range c.shards {
		for _, g := range []*generation{c.shards[i].young.Load(), c.shards[i].old.Load()} {
			if g == nil {
				continue
			}
			held += g.n
			size += len(g.entries) * 32
			for _, b := range g.blocks {
				size += len(b)
			}
		}
	}
	if size > 160<<20 || held > keys+keys/4 || held < min(keys, cellShards*1000)/2 {
		t.Errorf("%d of %d cells are held in %d MiB", held, keys, size>>20)
	}
	if _, ok := c.get(cellKey{handle: -5}); ok {
		t.Error("a cell is found that nobody put in")
	}
	c.put(cellKey{handle: 3}, make([]byte, largestCell))
	if _, ok := c.get(cellKey{handle: 3}); ok {
		t.Error("a cell beyond the largest is kept")
	}
}

// TestShapesWithTheSameOutline tells apart shapes that the memo puts into the same place.
func TestShapesWithTheSameOutline(t *testing.T) {
	l := &Ledger{}
	var m shapeMemo
	for range 2 {
		for i := range 2000 {
			text := fmt.Sprintf("- c/data/%04d c/data/zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", i)
			if s := m.get(l, text); s.text != text || s.fields != 2 {
				t.Fatalf("%q is read as %q", text, s.text)
			}
		}
	}
	if s := m.get(l, ""); s.fields != 0 {
		t.Error("an empty shape has fields")
	}
}
