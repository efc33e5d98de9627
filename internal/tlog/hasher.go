package tlog

import "probity.dev/internal/sha256n"

// Hasher computes the hashes of many leaves and nodes, together where it can: a log hashes everything that comes in, and a verifier everything that was ever logged, and many hashes at a time take a
// fraction of the time of one after the other. Its zero value is ready. It is not safe for concurrent use.
type Hasher struct {
	batch sha256n.Batch
	rows  [2][]Hash
}

// Leaf adds an encoded leaf, of which it keeps a copy until the next call of [Hasher.Leaves].
func (h *Hasher) Leaf(leaf []byte) {
	m := h.batch.Message(1 + len(leaf))
	m[0] = 0
	copy(m[1:], leaf)
}

// LeavesAtOnce is a good number of leaves to hash together: few enough for their copies to stay in the processor's cache.
const LeavesAtOnce = 64

// Len is the number of leaves added.
func (h *Hasher) Len() int { return h.batch.Len() }

// Leaves appends [LeafHash] of every leaf added since the last call, in order, to dst.
func (h *Hasher) Leaves(dst []Hash) []Hash {
	dst = h.batch.Sums(dst)
	h.batch.Reset()
	return dst
}

// nodesAtOnce bounds the nodes that are hashed together, so that their messages stay in the processor's cache.
const nodesAtOnce = 128

// MTH is the function [MTH] for 2^k leaf hashes, k ≥ 0. No leaves may be added and not yet hashed.
func (h *Hasher) MTH(leaves []Hash) Hash {
	row := leaves
	for level := 0; len(row) > 1; level++ {
		next := &h.rows[level%2]
		*next = (*next)[:0]
		for len(row) > 0 {
			n := min(len(row), 2*nodesAtOnce)
			*next = h.nodes(row[:n], *next)
			row = row[n:]
		}
		row = *next
	}
	return row[0]
}

// nodes appends the parents of pairs of nodes to dst; an odd one out is left.
func (h *Hasher) nodes(row, dst []Hash) []Hash {
	for i := 0; i+1 < len(row); i += 2 {
		m := h.batch.Message(1 + 2*HashSize)
		m[0] = 1
		copy(m[1:], row[i][:])
		copy(m[1+HashSize:], row[i+1][:])
	}
	dst = h.batch.Sums(dst)
	h.batch.Reset()
	return dst
}
