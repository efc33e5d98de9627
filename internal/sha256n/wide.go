package sha256n

import (
	"crypto/sha256"
	"math"
)

const lanes = 16

// wideState are the states of sixteen hashes: the words A to H, each of all lanes.
type wideState [8][lanes]uint32

// leastWide is from how many messages on sixteen at a time are hashed faster than two, or one. A block of sixteen lanes takes as long as nine or ten in pairs, or four one by one.
func leastWide() int {
	if hasPairs {
		return 10
	}
	return 4
}

// wideLanes are sixteen places where messages are being hashed.
type wideLanes struct {
	state wideState
	sums  [lanes][sha256.Size]byte
	at    [lanes]int // next block
	msg   [lanes]int32
	left  [lanes]int32 // blocks; 0 in a place without a message
	begin uint16       // the lanes whose message begins
	busy  int
}

func (w *wideLanes) load(lane int, b *Batch, msg int) {
	if msg >= len(b.msgs) {
		w.left[lane] = 0
		w.busy--
		return
	}
	m := &b.msgs[msg]
	w.at[lane], w.msg[lane], w.left[lane] = m.from, int32(msg), m.blocks
	w.begin |= 1 << lane
}

// blocks is how many blocks can be hashed before a message ends. Places without a message are made to read what is there.
func (w *wideLanes) blocks() int32 {
	n := int32(math.MaxInt32)
	for i, left := range &w.left {
		if left == 0 {
			w.at[i] = 0
		} else {
			n = min(n, left)
		}
	}
	return n
}

// even hashes sixteen messages at a time from the first on while those are of one length, which takes less looking after. It returns how many it has hashed.
func (b *Batch) even(w *wideLanes, out [][sha256.Size]byte) (n int) {
	for msgs := b.msgs; len(msgs) >= lanes; msgs = msgs[lanes:] {
		blocks := msgs[0].blocks
		for i := range &w.at {
			if msgs[i].blocks != blocks {
				return n
			}
			w.at[i] = msgs[i].from
		}
		blocks16(&w.state, &w.sums, &b.buf[0], &w.at, int(blocks), 1<<lanes-1, nil, nil)
		n += copy(out[n:], w.sums[:])
	}
	return n
}

// wide keeps sixteen lanes busy until the messages run out, and leaves the last few to others who hash few messages faster.
func (b *Batch) wide(out [][sha256.Size]byte) {
	w := wideLanes{busy: lanes}
	first := b.even(&w, out)
	for i := range lanes {
		w.load(i, b, first+i)
	}
	next, least := first+lanes, 1
	if hasPairs {
		least = leastWide()
	}
	for w.busy >= least {
		n := w.blocks()
		blocks16(&w.state, &w.sums, &b.buf[0], &w.at, int(n), w.begin, nil, nil)
		w.begin = 0
		for i := range &w.left {
			if w.left[i] > n {
				w.left[i] -= n
			} else if w.left[i] > 0 {
				out[w.msg[i]] = w.sums[i]
				w.load(i, b, next)
				next++
			}
		}
	}
	if w.busy > 0 {
		b.rest(&w, out)
	}
}

// rest ends the messages that are left in the lanes, two at a time.
func (b *Batch) rest(w *wideLanes, out [][sha256.Size]byte) {
	var l [lanes]lane
	n := 0
	for i, left := range w.left {
		if left > 0 {
			s := &w.state
			l[n] = lane{state: initial, msg: int(w.msg[i]), at: w.at[i], blocks: int(left)}
			if w.begin>>i&1 == 0 {
				l[n].state = state{s[5][i], s[4][i], s[1][i], s[0][i], s[7][i], s[6][i], s[3][i], s[2][i]}
			}
			n++
		}
	}
	for i := 0; i < n; i += 2 {
		b.pair(&l[i], &l[(i+1)%lanes], len(b.msgs), out)
	}
}
