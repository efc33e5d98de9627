package tlog

import (
	"github.com/transparency-dev/merkle/compact"
)

// Subtrees holds the roots of all perfect subtrees of a tree that is small and known whole, so that ranges of it are proven without hashing again. It is immutable.
type Subtrees struct {
	levels [][]Hash // levels[h][i] is the root over leaves [i·2^h, (i+1)·2^h)
}

// NewSubtrees computes the roots over leaf hashes, which it keeps.
func NewSubtrees(leaves []Hash) *Subtrees {
	s := &Subtrees{levels: [][]Hash{leaves}}
	var h Hasher
	for row := leaves; len(row) > 1; row = s.levels[len(s.levels)-1] {
		next := make([]Hash, 0, len(row)/2)
		for ; len(row) > 1; row = row[min(len(row), 2*nodesAtOnce):] {
			next = h.nodes(row[:min(len(row), 2*nodesAtOnce)], next)
		}
		s.levels = append(s.levels, next)
	}
	return s
}

// Root is the [MTH] over all leaves.
func (s *Subtrees) Root() Hash {
	roots := s.cover(0, uint64(len(s.levels[0])))
	if len(roots) == 0 {
		return EmptyRoot
	}
	r := roots[len(roots)-1]
	for i := len(roots) - 2; i >= 0; i-- {
		r = NodeHash(roots[i], r)
	}
	return r
}

// Prove returns the proof of a range of leaves; the range must lie within the tree.
func (s *Subtrees) Prove(first, count uint64) *RangeProof {
	size := uint64(len(s.levels[0]))
	return &RangeProof{First: first, Count: count, Size: size, Left: s.cover(0, first), Right: s.cover(first+count, size)}
}

func (s *Subtrees) cover(begin, end uint64) []Hash {
	nodes := compact.RangeNodes(begin, end, nil)
	out := make([]Hash, len(nodes))
	for i, n := range nodes {
		out[i] = s.levels[n.Level][n.Index]
	}
	return out
}
