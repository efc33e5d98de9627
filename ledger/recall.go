package ledger

import (
	"sync"

	"probity.dev/internal/evidence"
)

// recall remembers the secrets of persons, and of each the profile met first, from one chunk of a long reading to the next. It has two generations, like [cells], and next to no pointers, so
// that a million persons are nothing to the garbage collector. Whoever looks somebody up holds the lock for all that they look up.
type recall struct {
	mu         sync.RWMutex
	young, old recallGeneration
}

// Both generations together take at most some 150 MiB: half a million to a million persons.
const (
	recallBytes = 72 << 20 // of a generation
	recallEntry = 72       // about, beside the body: the entry, and its share of an index that is between half and three quarters full
	recallRun   = 1 << 10  // entries of a run
	recallBlock = 1 << 16  // bytes of a block of bodies, and more than a body is long that is remembered
)

// recallGeneration finds entries by open addressing. What is in a run or a block never moves.
type recallGeneration struct {
	index  []uint64 // a power of two: the low half is one more than the place, 0 for none; the high half is part of the hash
	runs   []*[recallRun]recalled
	n      int // entries
	blocks [][]byte
	used   int // of the last block
}

type recalled struct {
	handle  int64
	secret  evidence.Hash
	profile int64 // 0 for none
	// The body lies in a block from here on.
	block, from uint16
	length      uint32
}

func recallHash(handle int64) uint64 { return uint64(handle) * 0x9e3779b97f4a7c15 }

func (g *recallGeneration) get(handle int64) *recalled {
	if len(g.index) == 0 {
		return nil
	}
	h, mask := recallHash(handle), uint64(len(g.index)-1)
	for i := h >> 32 & mask; ; i = (i + 1) & mask {
		x := g.index[i]
		if x == 0 {
			return nil
		}
		if x>>32 == h>>32 {
			if e := g.at(int(uint32(x)) - 1); e.handle == handle {
				return e
			}
		}
	}
}

func (g *recallGeneration) at(place int) *recalled { return &g.runs[place/recallRun][place%recallRun] }

func (g *recallGeneration) body(e *recalled) []byte {
	to := int(e.from) + int(e.length)
	return g.blocks[e.block][e.from:to:to]
}

// get returns what is known of a person: an entry and the body of its profile, which must not be changed. young is false when it is due to be forgotten. The caller holds the lock.
func (r *recall) get(handle int64) (e *recalled, body []byte, young bool) {
	if e = r.young.get(handle); e != nil {
		return e, r.young.body(e), true
	}
	if e = r.old.get(handle); e != nil {
		return e, r.old.body(e), false
	}
	return nil, nil, false
}

// put remembers a person, with the body of a profile unless that is 0. Who is remembered with a profile stays as they are. The caller holds the lock for writing.
func (r *recall) put(handle int64, secret *evidence.Hash, profile int64, body []byte) {
	if len(body) >= recallBlock {
		profile, body = 0, nil
	}
	e := r.young.get(handle)
	if e != nil && (e.profile != 0 || profile == 0) {
		return
	}
	if r.young.n*recallEntry+(len(r.young.blocks)+1)*recallBlock > recallBytes {
		r.old, r.young, e = r.young, recallGeneration{}, nil
	}
	g := &r.young
	if e == nil {
		e = g.add(handle)
	}
	e.secret, e.profile, e.length = *secret, profile, uint32(len(body))
	if len(g.blocks) == 0 || len(body) > recallBlock-g.used {
		g.blocks, g.used = append(g.blocks, make([]byte, recallBlock)), 0
	}
	e.block, e.from = uint16(len(g.blocks)-1), uint16(g.used)
	g.used += copy(g.blocks[e.block][g.used:], body)
	g.used = min(g.used, recallBlock-1) // the last byte is left, so that from fits
}

// add adds an entry for somebody who has none.
func (g *recallGeneration) add(handle int64) *recalled {
	if 4*(g.n+1) > 3*len(g.index) {
		old := g.index
		g.index = make([]uint64, max(2*len(old), recallRun))
		for _, x := range old {
			if x != 0 {
				g.link(x)
			}
		}
	}
	if g.n%recallRun == 0 {
		g.runs = append(g.runs, new([recallRun]recalled))
	}
	g.n++
	g.link(recallHash(handle)>>32<<32 | uint64(g.n))
	e := g.at(g.n - 1)
	e.handle = handle
	return e
}

func (g *recallGeneration) link(x uint64) {
	mask := uint64(len(g.index) - 1)
	i := x >> 32 & mask
	for g.index[i] != 0 {
		i = (i + 1) & mask
	}
	g.index[i] = x
}
