package tlog

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"probity.dev/internal/errs"
)

// Head is a tree reduced to what is needed to extend it and to know its root: its compact range, the roots of the perfect
// subtrees that cover it from left to right, largest first. The zero value is the empty tree.
type Head struct {
	Size uint64
	// Stack has one root per bit set in Size.
	Stack []Hash
}

// AppendLeaf adds one leaf hash.
func (h *Head) AppendLeaf(leaf Hash) { h.push(0, leaf, nil) }

// AppendSubtree adds a perfect subtree of 2^height leaves by its root; the size must be a multiple of 2^height.
func (h *Head) AppendSubtree(height uint, root Hash) error {
	if height > 61 || h.Size&(1<<height-1) != 0 {
		return errs.New(errs.Invalid, "a subtree of height %d does not fit at leaf %d", height, h.Size)
	}
	h.push(height, root, nil)
	return nil
}

// push merges a subtree into the stack and reports each new node above it to visit (which may be nil).
func (h *Head) push(height uint, hash Hash, visit func(height uint, hash Hash)) {
	for s := h.Size >> height; s&1 == 1; s >>= 1 {
		top := len(h.Stack) - 1
		hash = NodeHash(h.Stack[top], hash)
		h.Stack = h.Stack[:top]
		height++
		if visit != nil {
			visit(height, hash)
		}
		h.Size -= 1 << (height - 1)
	}
	h.Stack = append(h.Stack, hash)
	h.Size += 1 << height
}

// Root returns the RFC 6962 root.
func (h *Head) Root() Hash {
	if len(h.Stack) == 0 {
		return EmptyRoot
	}
	r := h.Stack[len(h.Stack)-1]
	for i := len(h.Stack) - 2; i >= 0; i-- {
		r = NodeHash(h.Stack[i], r)
	}
	return r
}

// Clone returns an independent copy.
func (h *Head) Clone() Head { return Head{Size: h.Size, Stack: slices.Clone(h.Stack)} }

// Equal reports whether two heads are the same tree.
func (h *Head) Equal(o *Head) bool { return h.Size == o.Size && slices.Equal(h.Stack, o.Stack) }

const headVersion = 1

// MarshalHead encodes a head for storage: version byte, size as 8 bytes big-endian, the stack's hashes.
func MarshalHead(h *Head) []byte {
	b := make([]byte, 0, 9+HashSize*len(h.Stack))
	b = binary.BigEndian.AppendUint64(append(b, headVersion), h.Size)
	for i := range h.Stack {
		b = append(b, h.Stack[i][:]...)
	}
	return b
}

// UnmarshalHead decodes what [MarshalHead] made and refuses anything else.
func UnmarshalHead(b []byte) (*Head, error) {
	if len(b) < 9 || b[0] != headVersion {
		return nil, errs.New(errs.Invalid, "stored tree head has an unknown format")
	}
	h := &Head{Size: binary.BigEndian.Uint64(b[1:9])}
	b = b[9:]
	if h.Size > MaxSize || len(b) != HashSize*bits.OnesCount64(h.Size) {
		return nil, errs.New(errs.Invalid, "stored tree head of size %d has %d bytes of hashes", h.Size, len(b))
	}
	for ; len(b) > 0; b = b[HashSize:] {
		h.Stack = append(h.Stack, Hash(b[:HashSize]))
	}
	return h, nil
}

// String describes the head for logs.
func (h *Head) String() string { return fmt.Sprintf("size %d root %x", h.Size, h.Root()) }
