package tlog

import (
	"encoding/binary"

	"probity.dev/internal/errs"
)

// AppendEntry appends a leaf to an entry bundle: 16-bit big-endian length, bytes. A leaf is at most 65,535 bytes.
func AppendEntry(dst, leaf []byte) ([]byte, error) {
	if len(leaf) > 0xffff {
		return dst, errs.New(errs.TooLarge, "a leaf of %d bytes does not fit into an entry bundle", len(leaf))
	}
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(leaf))), leaf...), nil
}

// ParseEntries splits an entry bundle of exactly width leaves, which alias b.
func ParseEntries(b []byte, width int) ([][]byte, error) {
	if width < 1 || width > TileWidth {
		return nil, errs.New(errs.Invalid, "an entry bundle has 1 to %d entries", TileWidth)
	}
	out := make([][]byte, 0, width)
	for len(out) < width {
		leaf, rest, err := CutEntry(b)
		if err != nil {
			return nil, err
		}
		out, b = append(out, leaf), rest
	}
	if len(b) != 0 {
		return nil, errs.New(errs.Invalid, "entry bundle has %d bytes after its %d entries", len(b), width)
	}
	return out, nil
}

// CutEntry returns the first leaf of a bundle and the rest, both aliasing b.
func CutEntry(b []byte) (leaf, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, errs.New(errs.Invalid, "entry bundle ends before its entries do")
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, errs.New(errs.Invalid, "entry bundle ends within an entry")
	}
	return b[2 : 2+n : 2+n], b[2+n:], nil
}
