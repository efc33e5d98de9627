package sha256n

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// BlockSize is that of SHA-256, in bytes.
const BlockSize = sha256.BlockSize

const blockSize = BlockSize

// state is the state of a hash as the processor keeps it: the words F E B A H G D C.
type state [8]uint32

var initial = state{0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667, 0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372}

func (s *state) sum() (out [sha256.Size]byte) {
	for i, w := range [...]uint32{s[3], s[2], s[7], s[6], s[1], s[0], s[5], s[4]} {
		binary.BigEndian.PutUint32(out[4*i:], w)
	}
	return out
}

// Batch collects messages and hashes them. Its zero value is empty and ready; it keeps its memory from one use to the next. It is not safe for concurrent use.
type Batch struct {
	buf  []byte    // the messages, padded as SHA-256 wants them
	msgs []message // where they are
}

type message struct {
	from, length int
	blocks       int32
}

// Reset empties the batch.
func (b *Batch) Reset() { b.buf, b.msgs = b.buf[:0], b.msgs[:0] }

// Len is the number of messages.
func (b *Batch) Len() int { return len(b.msgs) }

// Message adds a message of n bytes and returns the place where the caller writes it, all of it, before the next call.
func (b *Batch) Message(n int) []byte {
	from := len(b.buf)
	blocks := Blocks(n)
	end := from + blocks*blockSize
	if end > cap(b.buf) {
		b.buf = slices.Grow(b.buf, end-from)
	}
	b.buf = b.buf[:end]
	pad(b.buf[from:], n)
	b.msgs = append(b.msgs, message{from, n, int32(blocks)})
	return b.buf[from : from+n : from+n]
}

// Append adds the messages of another batch in order.
func (b *Batch) Append(x *Batch) {
	at := len(b.buf)
	b.buf = append(b.buf, x.buf...)
	for _, m := range x.msgs {
		m.from += at
		b.msgs = append(b.msgs, m)
	}
}

// At is the place of a message that was added, where it may be changed.
func (b *Batch) At(i int) []byte {
	m := &b.msgs[i]
	return b.buf[m.from : m.from+m.length : m.from+m.length]
}

// Sums appends the hash of every message, in order, to dst.
func (b *Batch) Sums(dst [][sha256.Size]byte) [][sha256.Size]byte {
	at := len(dst)
	dst = slices.Grow(dst, len(b.msgs))[:at+len(b.msgs)]
	out := dst[at:]
	switch {
	case hasWide && len(b.msgs) >= leastWide():
		b.wide(out)
	case hasPairs && len(b.msgs) > 1:
		b.pairs(out)
	default:
		for i, m := range b.msgs {
			out[i] = sha256.Sum256(b.buf[m.from : m.from+m.length])
		}
	}
	return dst
}

// lane is one of the two places where a message is being hashed.
type lane struct {
	state  state
	msg    int
	at     int // next block
	blocks int // left
}

func (b *Batch) load(l *lane, msg int) {
	l.state, l.msg, l.blocks = initial, msg, 0
	if msg < len(b.msgs) {
		l.at, l.blocks = b.msgs[msg].from, int(b.msgs[msg].blocks)
	}
}

// pairs keeps both lanes busy until the messages run out; what is left of the last one is hashed beside itself.
func (b *Batch) pairs(out [][sha256.Size]byte) {
	var x, y lane
	b.load(&x, 0)
	b.load(&y, 1)
	b.pair(&x, &y, 2, out)
}

// pair is pairs from two messages that were begun. next is the first of those that were not.
func (b *Batch) pair(x, y *lane, next int, out [][sha256.Size]byte) {
	for x.blocks > 0 && y.blocks > 0 {
		n := min(x.blocks, y.blocks)
		blocks2(&x.state, &b.buf[x.at], &y.state, &b.buf[y.at], n)
		for _, l := range [...]*lane{x, y} {
			l.at += n * blockSize
			if l.blocks -= n; l.blocks == 0 {
				out[l.msg] = l.state.sum()
				b.load(l, next)
				next++
			}
		}
	}
	for _, l := range [...]*lane{x, y} {
		if l.blocks > 0 {
			spare := l.state
			blocks2(&l.state, &b.buf[l.at], &spare, &b.buf[l.at], l.blocks)
			out[l.msg] = l.state.sum()
		}
	}
}
