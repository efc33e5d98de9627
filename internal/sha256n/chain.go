package sha256n

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Chain collects messages whose hashes belong into other messages, as those of a tree do: each says where its hash goes, so that no hash is copied twice and nobody need remember which is whose.
// Its zero value is empty and ready; it keeps its memory from one use to the next. It is not safe for concurrent use.
type Chain struct {
	buf   []byte
	links [longest + 1][]link // of the messages of so many blocks
	lanes wideLanes
	// The messages that are longer, and at last all those that do not fill the lanes, and where their hashes go.
	rest Batch
	tos  []uint32
	sums [][sha256.Size]byte
}

// longest is how many blocks a message has at most that is hashed together with others of its length only.
const longest = 15

// link is where a message is, and where its hash goes.
type link struct{ from, to uint32 }

// MaxChain is how large a chain may become, in bytes.
const MaxChain = 1<<32 - 1

// Reset empties the chain.
func (c *Chain) Reset() {
	c.buf, c.rest.msgs, c.tos = c.buf[:0], c.rest.msgs[:0], c.tos[:0]
	for i := range c.links {
		c.links[i] = c.links[i][:0]
	}
}

// Blocks is how many blocks a message of n bytes takes.
func Blocks(n int) int { return (n + 9 + blockSize - 1) / blockSize }

// Message adds a message of n bytes whose hash goes to a place of what [Chain.Hash] is given. It returns where it is, and the bytes, all of which the caller writes before the next call.
func (c *Chain) Message(n, to int) (at int, place []byte) {
	at = len(c.buf)
	blocks := Blocks(n)
	c.room(blocks * blockSize)
	b := c.buf[at:]
	pad(b, n)
	c.link(at, blocks, to)
	return at, b[:n:n]
}

// Begun is [Chain.Message] for a message that begins with what is in head, which holds zeroes behind it.
func (c *Chain) Begun(head *[blockSize]byte, n, to int) (at int, place []byte) {
	at = len(c.buf)
	blocks := Blocks(n)
	c.room(blocks * blockSize)
	b := c.buf[at:]
	if blocks > 1 {
		pad(b, n)
		*(*[blockSize]byte)(b) = *head
		if n < blockSize {
			b[n] = 0x80
		}
	} else {
		*(*[blockSize]byte)(b) = *head
		b[n] = 0x80
		binary.BigEndian.PutUint16(b[blockSize-2:], uint16(n)<<3)
	}
	c.link(at, blocks, to)
	return at, b[:n:n]
}

// room adds n bytes, which hold anything.
func (c *Chain) room(n int) {
	end := len(c.buf) + n
	if end > cap(c.buf) {
		c.buf = slices.Grow(c.buf, n)
	}
	c.buf = c.buf[:end]
}

// pad ends a message of n bytes in whole blocks as SHA-256 wants it.
func pad(b []byte, n int) {
	// The caller writes over what is cleared too early; so much less than a block is not worth a call.
	*(*[blockSize]byte)(b[len(b)-blockSize:]) = [blockSize]byte{}
	for i := n; i < len(b)-blockSize; i++ {
		b[i] = 0
	}
	b[n] = 0x80
	binary.BigEndian.PutUint64(b[len(b)-8:], uint64(n)<<3)
}

// padded appends a message in whole blocks to dst.
func padded(dst, message []byte) []byte {
	at, n := len(dst), Blocks(len(message))*blockSize
	dst = slices.Grow(dst, n)[:at+n]
	pad(dst[at:], len(message))
	copy(dst[at:], message)
	return dst
}

// link says where the hash of a message of so many blocks goes.
func (c *Chain) link(at, blocks, to int) {
	if blocks <= longest {
		c.links[blocks] = append(c.links[blocks], link{uint32(at), uint32(to)})
	} else {
		c.alone(at, blocks, to)
	}
}

// alone adds a message to those that are not hashed with others of their length.
func (c *Chain) alone(at, blocks, to int) {
	length := binary.BigEndian.Uint64(c.buf[at+blocks*blockSize-8:]) >> 3
	c.rest.msgs = append(c.rest.msgs, message{at, int(length), int32(blocks)})
	c.tos = append(c.tos, uint32(to))
}

// Bytes are the messages, where they may be changed and the hashes of other chains put. They move when a message is added.
func (c *Chain) Bytes() []byte { return c.buf }

// Hash puts the hashes into their places in dst.
func (c *Chain) Hash(dst []byte) {
	for blocks, links := range c.links {
		if hasWide {
			links = c.wide(dst, blocks, links)
		}
		for _, l := range links {
			c.alone(int(l.from), blocks, int(l.to))
		}
	}
	c.rest.buf = c.buf
	c.sums = c.rest.Sums(c.sums[:0])
	for i, to := range c.tos {
		*(*[sha256.Size]byte)(dst[to:]) = c.sums[i]
	}
}

// wide hashes sixteen messages of one length at a time, and returns those that are left.
func (c *Chain) wide(dst []byte, blocks int, links []link) []link {
	w := &c.lanes
	for len(links) >= lanes {
		for i, l := range links[:lanes] {
			w.at[i] = int(l.from)
		}
		blocks16(&w.state, &w.sums, &c.buf[0], &w.at, blocks, 1<<lanes-1, nil, nil)
		for i, l := range links[:lanes] {
			*(*[sha256.Size]byte)(dst[l.to:]) = w.sums[i]
		}
		links = links[lanes:]
	}
	return links
}
