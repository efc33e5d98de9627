package tlog

import (
	"context"
	"math/bits"
	"sync"

	"probity.dev/internal/errs"
)

// Geometry of tiles (C2SP tlog-tiles, height 8).
const (
	TileHeight = 8
	TileWidth  = 1 << TileHeight      // hashes in a full tile
	TileBytes  = TileWidth * HashSize // bytes of a full tile
	maxLevels  = 8                    // tile levels of a tree of MaxSize
)

// TileWrite is a full tile to store. It never changes again.
type TileWrite struct {
	Level uint8
	Index uint64
	Data  []byte // TileBytes long
}

// Tree is the appendable state of a log: its compact range and the hashes of every level's right-edge tile, so that appending
// yields full tiles to store and partial tiles can be served without storing them. It is not safe for concurrent use; readers
// take an [Edge].
type Tree struct {
	head  Head
	edges [maxLevels][]byte // per tile level, the hashes of the partial tile: fewer than TileWidth
	out   []TileWrite       // full tiles of the append under way
}

// NewTree returns an empty tree.
func NewTree() *Tree { return &Tree{} }

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.head.Size }

// Root is the RFC 6962 root.
func (t *Tree) Root() Hash { return t.head.Root() }

// Head returns a copy of the tree's compact range, for storage.
func (t *Tree) Head() Head { return t.head.Clone() }

// Append adds leaf hashes and returns the tiles that became full, each exactly once in the life of a log, lower levels first.
// The caller MUST store them durably together with the leaves; partial tiles need no storing (see [Restore]).
func (t *Tree) Append(leaves []Hash) []TileWrite {
	t.out = nil
	h := hashers.Get().(*Hasher)
	defer hashers.Put(h)
	for len(leaves) > 0 {
		// Nodes inside a tile, which nothing is stored of, are hashed together, as many as the place in the tile and the number of leaves allow.
		height := uint(min(TileHeight, bits.TrailingZeros64(t.head.Size), bits.Len(uint(len(leaves)))-1))
		index := t.head.Size
		for i := range leaves[:1<<height] {
			t.add(0, index+uint64(i), leaves[i])
		}
		root := h.MTH(leaves[:1<<height])
		if height == TileHeight {
			t.add(1, index>>height, root)
		}
		t.head.push(height, root, func(height uint, hash Hash) {
			if height%TileHeight == 0 {
				t.add(height/TileHeight, index>>height, hash)
			}
		})
		leaves = leaves[1<<height:]
	}
	out := t.out
	t.out = nil
	return out
}

var hashers = sync.Pool{New: func() any { return new(Hasher) }}

// add puts the node with this index within a tile level on the level's edge.
func (t *Tree) add(level uint, index uint64, hash Hash) {
	e := t.edges[level]
	if e == nil {
		e = make([]byte, 0, TileBytes)
	}
	e = append(e, hash[:]...)
	if len(e) == TileBytes {
		t.out = append(t.out, TileWrite{Level: uint8(level), Index: index / TileWidth, Data: e})
		e = nil
	}
	t.edges[level] = e
}

// Clone returns an independent copy, to append to while a commit may still fail.
func (t *Tree) Clone() *Tree {
	c := &Tree{head: t.head.Clone()}
	for i, e := range t.edges {
		if e != nil {
			c.edges[i] = append(make([]byte, 0, TileBytes), e...)
		}
	}
	return c
}

// Pending returns the leaf hashes since the last full level-0 tile, fewer than TileWidth.
func (t *Tree) Pending() []Hash {
	e := t.edges[0]
	out := make([]Hash, 0, len(e)/HashSize)
	for ; len(e) > 0; e = e[HashSize:] {
		out = append(out, Hash(e[:HashSize]))
	}
	return out
}

// Edge returns the tree's right edge as it is now. It is cheap, immutable and safe for concurrent use while the tree goes on
// being appended to.
func (t *Tree) Edge() *Edge {
	e := &Edge{size: t.head.Size, root: t.head.Root()}
	for i, b := range t.edges {
		e.tiles[i] = b[:len(b):len(b)] // an append beyond this length never touches these bytes
	}
	return e
}

// Restore rebuilds a tree from its full tiles. pending are the leaf hashes since the last full level-0 tile (size mod 256 of
// them). The right-edge tiles of the upper levels are recomputed: entry i of a tile of level L+1 is the root of full tile i of
// level L. The caller compares the result's Head with the stored one.
func Restore(ctx context.Context, size uint64, tiles TileReader, pending []Hash) (*Tree, error) {
	if size > MaxSize {
		return nil, errs.New(errs.Invalid, "tree size %d is out of range", size)
	}
	if uint64(len(pending)) != size%TileWidth {
		return nil, errs.New(errs.Invalid, "tree of size %d needs %d pending leaf hashes, got %d", size, size%TileWidth, len(pending))
	}
	t := NewTree()
	for level := maxLevels - 1; level >= 0; level-- {
		n := size >> (TileHeight * level) // complete nodes of this tile level
		for i := n - n%TileWidth; i < n; i++ {
			var h Hash
			if level == 0 {
				h = pending[i%TileWidth]
			} else {
				b, err := readTile(ctx, tiles, uint8(level-1), i, TileWidth)
				if err != nil {
					return nil, err
				}
				h = tileRoot(b)
			}
			if t.edges[level] == nil {
				t.edges[level] = make([]byte, 0, TileBytes)
			}
			t.edges[level] = append(t.edges[level], h[:]...)
			t.head.push(uint(TileHeight*level), h, nil)
		}
	}
	return t, nil
}

// tileRoot hashes 2^k entries of a tile to the root of their subtree.
func tileRoot(tile []byte) Hash {
	var row [TileWidth]Hash
	n := len(tile) / HashSize
	for i := 0; i < n; i++ {
		row[i] = Hash(tile[i*HashSize : (i+1)*HashSize])
	}
	for ; n > 1; n /= 2 {
		for i := 0; i < n/2; i++ {
			row[i] = NodeHash(row[2*i], row[2*i+1])
		}
	}
	return row[0]
}
