package tlog

import (
	"context"
	"math/bits"

	"github.com/transparency-dev/merkle/compact"

	"probity.dev/internal/errs"
)

// RangeProof holds the hashes with which the root of a tree follows from all leaf hashes of [First, First+Count).
type RangeProof struct {
	First uint64
	Count uint64
	Size  uint64 // of the tree
	// Left are the roots of the perfect subtrees that cover [0, First), Right of those that cover [First+Count, Size), both from
	// left to right.
	Left  []Hash
	Right []Hash
}

// ProveRange returns the proof of a range of leaves of the tree of the given size, whose tiles tr reads.
func ProveRange(ctx context.Context, tr TileReader, first, count, size uint64) (*RangeProof, error) {
	if size > MaxSize || first > size || count > size-first {
		return nil, errs.New(errs.Invalid, "leaves %d+%d are not in a tree of size %d", first, count, size)
	}
	r := newNodeReader(ctx, tr, size)
	p := &RangeProof{First: first, Count: count, Size: size}
	var err error
	if p.Left, err = r.all(compact.RangeNodes(0, first, nil)); err != nil {
		return nil, err
	}
	if p.Right, err = r.all(compact.RangeNodes(first+count, size, nil)); err != nil {
		return nil, err
	}
	return p, nil
}

// RangeVerifier recomputes a root from a range proof and the range's leaf hashes, one by one or in aligned blocks.
type RangeVerifier struct {
	head  Head
	proof *RangeProof
}

// NewRangeVerifier checks the shape of a proof and starts a verification.
func NewRangeVerifier(p *RangeProof) (*RangeVerifier, error) {
	end := p.First + p.Count
	if p.Size > MaxSize || p.First > p.Size || p.Count > p.Size-p.First {
		return nil, errs.New(errs.Invalid, "range proof is out of range: leaves %d+%d, size %d", p.First, p.Count, p.Size)
	}
	if len(p.Left) != bits.OnesCount64(p.First) || len(p.Right) != compact.RangeSize(end, p.Size) {
		return nil, errs.New(errs.Invalid, "range proof has %d+%d edge hashes, which does not fit leaves %d+%d of %d",
			len(p.Left), len(p.Right), p.First, p.Count, p.Size)
	}
	return &RangeVerifier{head: Head{Size: p.First, Stack: append([]Hash(nil), p.Left...)}, proof: p}, nil
}

// Next is the index of the leaf that is expected next.
func (v *RangeVerifier) Next() uint64 { return v.head.Size }

// Add takes the hash of the next leaf.
func (v *RangeVerifier) Add(leafHash Hash) { v.head.AppendLeaf(leafHash) }

// AddSubtree takes the next 2^height leaves by their [MTH]; Next must be a multiple of 2^height.
func (v *RangeVerifier) AddSubtree(height uint, root Hash) error {
	return v.head.AppendSubtree(height, root)
}

// Root returns the root of the whole tree after the last leaf of the range. It may be called once.
func (v *RangeVerifier) Root() (Hash, error) {
	if want := v.proof.First + v.proof.Count; v.head.Size != want {
		return Hash{}, errs.New(errs.Invalid, "range ends at leaf %d instead of %d", v.head.Size, want)
	}
	for i, id := range compact.RangeNodes(v.head.Size, v.proof.Size, nil) {
		if err := v.head.AppendSubtree(id.Level, v.proof.Right[i]); err != nil {
			return Hash{}, err
		}
	}
	return v.head.Root(), nil
}

// VerifyRange checks that these are the leaf hashes of the range in the tree with this root.
func VerifyRange(p *RangeProof, leafHashes []Hash, root Hash) error {
	v, err := NewRangeVerifier(p)
	if err != nil {
		return err
	}
	for i := range leafHashes {
		v.Add(leafHashes[i])
	}
	got, err := v.Root()
	if err != nil {
		return err
	}
	if got != root {
		return errs.New(errs.Invalid, "leaves %d to %d are not those of the tree of size %d", p.First, p.First+p.Count, p.Size)
	}
	return nil
}

// BlockHeight is the height of the aligned blocks of 65,536 leaves in which logs are sealed and verified.
const BlockHeight = 16

// BlockLeaves is the number of leaves of a block. A full block's root is one entry of a level-2 tile.
const BlockLeaves = 1 << BlockHeight

// SubtreeRoot returns the root of the perfect subtree of 2^height leaves whose position among its equals is index, from the
// tiles of a tree that holds it whole; with [BlockHeight] it is the root of a sealed block.
func SubtreeRoot(ctx context.Context, tr TileReader, height uint, index, size uint64) (Hash, error) {
	if size > MaxSize || height > 61 || index >= size>>height {
		return Hash{}, errs.New(errs.Invalid, "subtree %d of height %d is not complete in a tree of size %d", index, height, size)
	}
	return newNodeReader(ctx, tr, size).node(compact.NewNodeID(height, index))
}
