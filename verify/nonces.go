package verify

import (
	"encoding/binary"
	"math/bits"
)

// maxNonces is the most nonces that are kept in memory, 8 bytes each. Of a larger log a fixed fraction is compared, and the report says so.
const maxNonces = 1 << 25

// nonces collects the first 8 bytes of nonces, split by their first byte so that each part fits a processor's cache when it is searched.
type nonces struct {
	skip  int // keep those that end in this many zero bits
	parts [256][]uint64
}

func newNonces(size uint64) *nonces {
	n := &nonces{}
	for size>>n.skip > maxNonces {
		n.skip++
	}
	return n
}

func (n *nonces) add(nonce []byte) {
	x := binary.BigEndian.Uint64(nonce)
	if n.skip > 0 && bits.TrailingZeros64(x) < n.skip {
		return
	}
	p := &n.parts[x>>56]
	*p = append(*p, x)
}

// repeated returns the values that occur more than once among all collectors.
func repeated(all []*nonces) map[uint64]bool {
	var out map[uint64]bool
	var table []uint64
	for part := range 256 {
		total := 0
		for _, n := range all {
			total += len(n.parts[part])
		}
		size := 1 << bits.Len(uint(2*total))
		if len(table) < size {
			table = make([]uint64, size)
		}
		t := table[:size]
		clear(t)
		mask := uint64(size - 1)
		for _, n := range all {
			for _, x := range n.parts[part] {
				v := x | 1 // 0 marks a free slot; the lost bit only makes a candidate that is looked at again
				i := (x >> 8) & mask
				for t[i] != 0 && t[i] != v {
					i = (i + 1) & mask
				}
				if t[i] == v {
					if out == nil {
						out = map[uint64]bool{}
					}
					out[v] = true
				}
				t[i] = v
			}
		}
	}
	return out
}
