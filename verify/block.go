package verify

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
)

// block is the result of checking up to 65,536 leaves.
type block struct {
	first, want uint64
	hashes      []tlog.Hash // of the leaves read
	nodes       []tlog.Hash // roots of the full level-0 tiles
	root        tlog.Hash   // when the block is full
	firstTime   int64
	lastTime    int64
	tiles       uint64
	working     uint64
	problems    []Problem
	err         error // of storage, after the leaves read
}

func (b *block) full() bool { return len(b.hashes) == tlog.BlockLeaves }

// worker checks blocks of one log.
type worker struct {
	ctx     context.Context
	src     Source
	log     *Log
	nonces  *nonces
	hasher  tlog.Hasher
	read    uint64 // leaves of the block so far
	view    evidence.View
	offsets []int
	arena   []byte // leaves of the block, when working copies are compared too
	working WorkingSource
	// malformed says that a leaf of the block is not valid evidence.
	malformed bool
	check     workingChecker
}

func (w *worker) problem(b *block, kind Kind, index uint64, format string, args ...any) *Problem {
	b.problems = append(b.problems, Problem{Kind: kind, Origin: w.log.Origin, Seq: ptr(w.log.Base + index), Message: fmt.Sprintf(format, args...)})
	return &b.problems[len(b.problems)-1]
}

// run checks the leaves [first, first+want). checkTiles is how many leaves, from the start of the log, full tiles can be expected for.
func (w *worker) run(first, want, checkTiles uint64) *block {
	b := &block{first: first, want: want, hashes: make([]tlog.Hash, 0, want)}
	w.arena, w.offsets, w.read, w.malformed = w.arena[:0], w.offsets[:0], 0, false
	b.err = w.src.Leaves(w.ctx, first, want, func(index uint64, leaf []byte) error {
		return w.leaf(b, index, leaf)
	})
	b.hashes = w.hasher.Leaves(b.hashes)
	if w.ctx.Err() != nil {
		b.err = w.ctx.Err()
		return b
	}
	w.nodesOf(b)
	w.compareTiles(b, checkTiles)
	if w.working != nil && b.err == nil {
		w.compareWorking(b)
	}
	return b
}

// sampleLeaves is how many leaves of a block tell how much memory all will take.
const sampleLeaves = 512

func (w *worker) leaf(b *block, index uint64, leaf []byte) error {
	at := b.first + w.read
	if index != at || w.read == b.want {
		return fmt.Errorf("storage returned leaf %d where leaf %d was due", index, at)
	}
	w.read++
	if w.hasher.Leaf(leaf); w.hasher.Len() == tlog.LeavesAtOnce {
		b.hashes = w.hasher.Leaves(b.hashes)
	}
	if w.working != nil {
		if w.read == sampleLeaves { // by now it is known about how long they are
			w.arena = slices.Grow(w.arena, len(w.arena)/sampleLeaves*int(b.want-w.read+sampleLeaves))
			w.offsets = slices.Grow(w.offsets, int(b.want-w.read)+1)
		}
		w.offsets = append(w.offsets, len(w.arena))
		w.arena = append(w.arena, leaf...)
	}
	if err := w.view.Scan(leaf); err != nil {
		w.malformed = true
		w.problem(b, LeafMalformed, index, "the record is not valid evidence")
		return nil
	}
	t := w.view.RecordedAt
	if b.firstTime == 0 {
		b.firstTime = t
	}
	if t < b.lastTime {
		w.problem(b, TimeOrder, index, "recorded_at is earlier than that of the record before it")
	}
	b.lastTime = t
	w.nonces.add(w.view.Nonce)
	return nil
}

// nodesOf computes the roots of the block's full level-0 tiles, and of the block.
func (w *worker) nodesOf(b *block) {
	for i := 0; i+tlog.TileWidth <= len(b.hashes); i += tlog.TileWidth {
		b.nodes = append(b.nodes, w.hasher.MTH(b.hashes[i:i+tlog.TileWidth]))
	}
	if b.full() {
		b.root = w.hasher.MTH(b.nodes)
	}
}

// tile reads a stored tile; a tile that is missing or unreadable is a problem of its own.
func (w *worker) tile(b *block, level uint8, index uint64, width int) []byte {
	t := tlog.Tile{Level: level, Index: index, Width: width}
	got, err := w.src.ReadTile(w.ctx, level, index, width)
	if err == nil && len(got) != width*tlog.HashSize {
		err = fmt.Errorf("it has %d bytes", len(got))
	}
	if err != nil {
		if w.ctx.Err() == nil {
			p := w.problem(b, TileChanged, index<<(tlog.TileHeight*(uint(level)+1)), "a stored tree tile cannot be read: %v", err)
			p.Where = t.Path()
		}
		return nil
	}
	b.tiles++
	return got
}

// compareTiles compares the stored tiles of levels 0 and 1 with the leaves.
func (w *worker) compareTiles(b *block, size uint64) {
	var parent []byte // stored level-1 tile
	if b.full() && b.first+tlog.BlockLeaves <= size {
		parent = w.tile(b, 1, b.first/tlog.BlockLeaves, tlog.TileWidth)
	}
	var wrong []difference
	for i := 0; i < len(b.hashes); i += tlog.TileWidth {
		n := (b.first + uint64(i)) / tlog.TileWidth
		width := min(tlog.TileWidth, len(b.hashes)-i, tlog.TileWidthAt(0, n, size))
		if width < 1 || width < tlog.TileWidth && !w.log.PartialTiles {
			break
		}
		stored := w.tile(b, 0, n, width)
		if stored == nil {
			continue
		}
		for k := range width {
			if got := stored[k*tlog.HashSize : (k+1)*tlog.HashSize]; !bytes.Equal(got, b.hashes[i+k][:]) {
				wrong = append(wrong, difference{i + k, tlog.Hash(got), blame(b, stored, parent, i/tlog.TileWidth)})
			}
		}
	}
	w.explain(b, wrong)
	for i, node := range b.nodes {
		if parent != nil && !bytes.Equal(parent[i*tlog.HashSize:(i+1)*tlog.HashSize], node[:]) && !differsIn(wrong, i) {
			p := w.problem(b, TileChanged, b.first+uint64(i*tlog.TileWidth), "a stored tree tile disagrees with the tile below it")
			p.Where = tlog.Tile{Level: 1, Index: b.first / tlog.BlockLeaves, Width: tlog.TileWidth}.Path()
		}
	}
}

// difference is a leaf whose hash is not the one in its tile.
type difference struct {
	at     int // in the block
	stored tlog.Hash
	// blames is LeafChanged or TileChanged when the parent tile decides it, "" when not.
	blames Kind
}

func differsIn(wrong []difference, tile int) bool {
	for _, d := range wrong {
		if d.at/tlog.TileWidth == tile && d.blames != TileChanged {
			return true
		}
	}
	return false
}

// blame asks the parent tile whether it goes with the stored tile or with the leaves.
func blame(b *block, stored, parent []byte, tile int) Kind {
	if parent == nil || tile >= len(b.nodes) || len(stored) != tlog.TileBytes {
		return ""
	}
	entry := parent[tile*tlog.HashSize : (tile+1)*tlog.HashSize]
	if bytes.Equal(entry, b.nodes[tile][:]) {
		return TileChanged
	}
	hashes := make([]tlog.Hash, tlog.TileWidth)
	for i := range hashes {
		hashes[i] = tlog.Hash(stored[i*tlog.HashSize : (i+1)*tlog.HashSize])
	}
	if root := tlog.MTH(hashes); bytes.Equal(entry, root[:]) {
		return LeafChanged
	}
	return ""
}

// explain turns differences into problems: swapped pairs first.
func (w *worker) explain(b *block, wrong []difference) {
	stored := make(map[tlog.Hash]int, len(wrong))
	for _, d := range wrong {
		stored[d.stored] = d.at
	}
	told := map[int]bool{}
	for _, d := range wrong {
		if told[d.at] {
			continue
		}
		index := b.first + uint64(d.at)
		where := tlog.Tile{Index: index / tlog.TileWidth, Width: tlog.TileWidth}.Path()
		if other, ok := stored[b.hashes[d.at]]; ok && other != d.at && b.hashes[other] == d.stored {
			told[other] = true
			partner := w.log.Base + b.first + uint64(other)
			p := w.problem(b, LeavesSwapped, index, "this record and the one with seq %d have changed places", partner)
			p.Where, p.partner = where, partner
			continue
		}
		switch d.blames {
		case TileChanged:
			w.problem(b, TileChanged, index, "the stored tree hash of this record is wrong; the record itself is intact").Where = where
		case LeafChanged:
			w.problem(b, LeafChanged, index, "the record is not the one that was logged: its evidence does not have the hash in the tree").Where = where
		default:
			w.problem(b, undecided, index, "").Where = where
		}
	}
}

// undecided marks a difference between leaf and tile that only the root can settle.
const undecided Kind = "undecided"

func settle(p *Problem, leavesGood bool) {
	if p.Kind != undecided {
		return
	}
	if leavesGood {
		p.Kind, p.Message = TileChanged, "the stored tree hash of this record is wrong; the record itself is intact"
	} else {
		p.Kind, p.Message = LeafChanged, "the record is not the one that was logged: its evidence does not have the hash in the tree"
	}
}
