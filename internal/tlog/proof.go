package tlog

import (
	"context"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"probity.dev/internal/errs"
)

// Inclusion returns the RFC 6962 inclusion proof of leaf index in the tree of the given size, whose tiles tr reads.
func Inclusion(ctx context.Context, tr TileReader, index, size uint64) ([]Hash, error) {
	if size > MaxSize || index >= size {
		return nil, errs.New(errs.Invalid, "leaf %d is not in a tree of size %d", index, size)
	}
	nodes, err := proof.Inclusion(index, size)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "no inclusion proof of leaf %d at size %d", index, size)
	}
	return fetch(ctx, tr, nodes, size)
}

// Consistency returns the RFC 6962 consistency proof between two sizes, from ≤ to; it is empty when from is 0 or equals to.
func Consistency(ctx context.Context, tr TileReader, from, to uint64) ([]Hash, error) {
	if to > MaxSize || from > to {
		return nil, errs.New(errs.Invalid, "no consistency proof from size %d to size %d", from, to)
	}
	if from == 0 || from == to {
		return nil, nil
	}
	nodes, err := proof.Consistency(from, to)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "no consistency proof from size %d to size %d", from, to)
	}
	return fetch(ctx, tr, nodes, to)
}

// fetch reads the nodes of a proof and joins those of the imperfect right border.
func fetch(ctx context.Context, tr TileReader, nodes proof.Nodes, size uint64) ([]Hash, error) {
	raw, err := newNodeReader(ctx, tr, size).all(nodes.IDs)
	if err != nil {
		return nil, err
	}
	b, err := nodes.Rehash(toBytes(raw), rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "proof nodes do not fit together")
	}
	out := make([]Hash, len(b))
	for i := range b {
		out[i] = Hash(b[i])
	}
	return out, nil
}

// nodeReader computes tree nodes from tiles, reading each tile once.
type nodeReader struct {
	ctx  context.Context
	tr   TileReader
	size uint64
	seen map[TileID][]byte
}

func newNodeReader(ctx context.Context, tr TileReader, size uint64) *nodeReader {
	return &nodeReader{ctx: ctx, tr: tr, size: size, seen: map[TileID][]byte{}}
}

func (r *nodeReader) all(ids []compact.NodeID) ([]Hash, error) {
	out := make([]Hash, len(ids))
	for i, id := range ids {
		h, err := r.node(id)
		if err != nil {
			return nil, err
		}
		out[i] = h
	}
	return out, nil
}

func (r *nodeReader) node(id compact.NodeID) (Hash, error) {
	level, inner := id.Level/TileHeight, id.Level%TileHeight
	first := id.Index << inner // of the 2^inner tile entries below the node
	tile := TileID{uint8(level), first / TileWidth}
	b, ok := r.seen[tile]
	if !ok {
		var err error
		if b, err = readTile(r.ctx, r.tr, tile.Level, tile.Index, TileWidthAt(tile.Level, tile.Index, r.size)); err != nil {
			return Hash{}, err
		}
		r.seen[tile] = b
	}
	at := int(first%TileWidth) * HashSize
	end := at + HashSize<<inner
	if end > len(b) {
		return Hash{}, errs.New(errs.Internal, "proof needs a node beyond tile %s", Tile{Level: tile.Level, Index: tile.Index, Width: TileWidth}.Path())
	}
	return tileRoot(b[at:end]), nil
}

// VerifyInclusion checks that leafHash is leaf index of the tree with this size and root.
func VerifyInclusion(leafHash Hash, index, size uint64, path []Hash, root Hash) error {
	if size > MaxSize || index >= size || len(path) > MaxProof {
		return errs.New(errs.Invalid, "inclusion proof is out of range: leaf %d, size %d, %d hashes", index, size, len(path))
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, leafHash[:], toBytes(path), root[:]); err != nil {
		return errs.Wrap(errs.Invalid, err, "leaf %d is not in the tree of size %d", index, size)
	}
	return nil
}

// VerifyConsistency checks that the tree (to, toRoot) extends the tree (from, fromRoot). From size 0 the proof must be empty and
// the root that of the empty tree; the library alone would accept any root there.
func VerifyConsistency(from, to uint64, fromRoot, toRoot Hash, path []Hash) error {
	switch {
	case to > MaxSize || from > to || len(path) > MaxProof:
		return errs.New(errs.Invalid, "consistency proof is out of range: size %d to %d, %d hashes", from, to, len(path))
	case from == 0 || from == to:
		if len(path) != 0 {
			return errs.New(errs.Invalid, "consistency proof from size %d to %d must be empty", from, to)
		}
		if from == 0 && fromRoot != EmptyRoot || from == to && fromRoot != toRoot {
			return errs.New(errs.Invalid, "tree of size %d is not a continuation of the tree of size %d", to, from)
		}
		return nil
	}
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, from, to, toBytes(path), fromRoot[:], toRoot[:]); err != nil {
		return errs.Wrap(errs.Invalid, err, "tree of size %d is not a continuation of the tree of size %d", to, from)
	}
	return nil
}

func toBytes(h []Hash) [][]byte {
	out := make([][]byte, len(h))
	for i := range h {
		out[i] = h[i][:]
	}
	return out
}
