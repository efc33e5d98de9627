package tlog

import (
	"crypto/sha256"
	"math/bits"
)

// Hash is a SHA-256 hash.
type Hash = [32]byte

// HashSize is the size of a [Hash] in bytes.
const HashSize = sha256.Size

// MaxSize is the largest tree this package handles. x/mod, with which others check our logs, counts leaves in an int64.
const MaxSize = 1<<62 - 1

// MaxProof is the most hashes that a proof over a tree of [MaxSize] can need; longer proofs are refused before any hashing.
const MaxProof = 63

// EmptyRoot is the root of a tree without leaves.
var EmptyRoot = sha256.Sum256(nil)

// LeafHash returns the RFC 6962 hash of a leaf: H(0x00 ‖ leaf).
func LeafHash(leaf []byte) Hash {
	var stack [512]byte
	b := append(stack[:0], 0)
	return sha256.Sum256(append(b, leaf...))
}

// NodeHash returns the RFC 6962 hash of an interior node: H(0x01 ‖ left ‖ right).
func NodeHash(left, right Hash) Hash {
	var b [1 + 2*HashSize]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+HashSize:], right[:])
	return sha256.Sum256(b[:])
}

// MTH returns the RFC 6962 Merkle tree hash over leaf hashes; it overwrites nothing. A segment's subtree root is the MTH of its
// leaf hashes, and so is the root in a promise.
func MTH(leaves []Hash) Hash {
	switch len(leaves) {
	case 0:
		return EmptyRoot
	case 1:
		return leaves[0]
	}
	if len(leaves)&(len(leaves)-1) == 0 {
		return perfect(leaves)
	}
	k := 1 << (bits.Len(uint(len(leaves)-1)) - 1)
	return NodeHash(perfect(leaves[:k]), MTH(leaves[k:]))
}

// perfect is MTH for 2^k leaves, breadth first in one scratch buffer.
func perfect(leaves []Hash) Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	row := make([]Hash, len(leaves)/2)
	for i := range row {
		row[i] = NodeHash(leaves[2*i], leaves[2*i+1])
	}
	for len(row) > 1 {
		for i := 0; i < len(row)/2; i++ {
			row[i] = NodeHash(row[2*i], row[2*i+1])
		}
		row = row[:len(row)/2]
	}
	return row[0]
}
