package sha256n

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// Overlay collects messages each of which is one of a few texts, in whose first block a gap is filled from one of a few other blocks, such as a key followed by one of the paths of a log. Neither is
// copied: the two are put together on their way into the hash. Like the messages of a [Chain], each says where its hash goes. Its zero value is empty and ready; it keeps its memory from one use to
// the next. It is not safe for concurrent use.
type Overlay struct {
	texts  []byte // padded
	links  [longest + 1][]laid
	long   []longLaid // the messages of more blocks
	lanes  wideLanes
	overAt [lanes]int
	// The messages that do not fill the lanes, and where their hashes go.
	rest Batch
	tos  []uint32
	sums [][sha256.Size]byte
}

// laid is where a text is, what is laid over its first block, and where the hash goes.
type laid struct{ text, over, to uint32 }

type longLaid struct {
	laid
	blocks int
}

// Text adds a text, whose gap holds zeroes, and returns where it is. It stays until [Overlay.Forget].
func (o *Overlay) Text(text []byte) (at int) {
	at = len(o.texts)
	o.texts = padded(o.texts, text)
	return at
}

// Size is how much memory the texts take, in bytes.
func (o *Overlay) Size() int { return len(o.texts) }

// Forget removes the texts. The messages must have been hashed or reset.
func (o *Overlay) Forget() { o.texts = o.texts[:0] }

// Reset removes the messages.
func (o *Overlay) Reset() {
	for i := range o.links {
		o.links[i] = o.links[i][:0]
	}
	o.long = o.long[:0]
}

// Add adds a message: the text of so many blocks at a place, the place of the block that is laid over its first one, and that of the hash.
func (o *Overlay) Add(text, blocks, over, to int) {
	l := laid{uint32(text), uint32(over), uint32(to)}
	if blocks <= longest {
		o.links[blocks] = append(o.links[blocks], l)
	} else {
		o.long = append(o.long, longLaid{l, blocks})
	}
}

// Hash puts the hashes into their places in dst. over holds the blocks that are laid over the texts; each has zeroes wherever those have no gap.
func (o *Overlay) Hash(dst, over []byte) {
	o.rest.Reset()
	o.tos = o.tos[:0]
	for blocks, links := range o.links {
		if hasWide {
			links = o.wide(dst, over, blocks, links)
		}
		for _, l := range links {
			o.alone(over, blocks, l)
		}
	}
	for _, l := range o.long {
		o.alone(over, l.blocks, l.laid)
	}
	o.sums = o.rest.Sums(o.sums[:0])
	for i, to := range o.tos {
		*(*[sha256.Size]byte)(dst[to:]) = o.sums[i]
	}
}

// wide hashes sixteen messages of one length at a time, and returns those that are left.
func (o *Overlay) wide(dst, over []byte, blocks int, links []laid) []laid {
	w := &o.lanes
	for len(links) >= lanes {
		for i, l := range links[:lanes] {
			w.at[i], o.overAt[i] = int(l.text), int(l.over)
			_, _ = o.texts[w.at[i]+blocks*blockSize-1], over[o.overAt[i]+blockSize-1]
		}
		blocks16(&w.state, &w.sums, &o.texts[0], &w.at, blocks, 1<<lanes-1, &over[0], &o.overAt)
		for i, l := range links[:lanes] {
			*(*[sha256.Size]byte)(dst[l.to:]) = w.sums[i]
		}
		links = links[lanes:]
	}
	return links
}

// alone puts a message together, to be hashed with others of any length.
func (o *Overlay) alone(over []byte, blocks int, l laid) {
	text := o.texts[l.text:][:blocks*blockSize]
	m := o.rest.Message(int(binary.BigEndian.Uint64(text[len(text)-8:]) >> 3))
	n := min(copy(m, text), blockSize)
	subtle.XORBytes(m[:n], m[:n], over[l.over:][:n])
	o.tos = append(o.tos, l.to)
}
