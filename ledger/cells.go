package ledger

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"probity.dev/ledger/event"
)

// A cell is what a masker made of one profile: state and value of each of its fields in order. A search that meets a person again has no need to decrypt
// and mask the person's repeated values again.
type cellKey struct {
	handle, profile int64
	layout          uint32 // which fields the profile has, see plans; 0 for the mark that the person is there
}

// Bounds of the remembered cells of one search: an entry takes some 64 bytes beside its content, which is some 30 bytes where names are masked. All of them
// together take at most 160 MiB.
const (
	cellShards  = 16
	shardCells  = 49_152 // per generation
	largestCell = 1 << 16
	firstBlock  = 2 << 10 // bytes; each block has twice the size of the one before, up to largestCell
	shardBlocks = 45      // per generation
)

// cells remembers cells. Like [cache.Cache] it has two generations; it holds next to no pointers, so that hundreds of thousands of entries are nothing to the
// garbage collector, and whoever reads takes no lock. It is safe for concurrent use.
type cells struct {
	shards [cellShards]cellShard
}

type cellShard struct {
	mu         sync.Mutex // of whoever adds
	young, old atomic.Pointer[generation]
}

// generation is a table of cells with open addressing. An entry's other members are written before its place is, and never changed. When the table is
// full, a larger one takes its place that shares its blocks.
type generation struct {
	entries []cellEntry // a power of two
	n       int
	blocks  *[shardBlocks][]byte
	block   int // the last one in use
	used    int // of it
}

type cellEntry struct {
	handle, profile int64
	layout          uint32
	n               uint32
	// place is one more than the number of the block, and where in the block; 0 is free.
	place atomic.Uint64
}

// hash mixes a key. A handle is a random number by itself.
func (k *cellKey) hash() uint64 {
	h := (uint64(k.handle) ^ uint64(k.profile)*0x9e3779b97f4a7c15 ^ uint64(k.layout)*0xc2b2ae3d27d4eb4f) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

func (g *generation) get(k *cellKey, hash uint64) ([]byte, bool) {
	if g == nil {
		return nil, false
	}
	mask := uint64(len(g.entries) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := &g.entries[i]
		at := e.place.Load()
		if at == 0 {
			return nil, false
		}
		if e.handle == k.handle && e.profile == k.profile && e.layout == k.layout {
			from := uint32(at)
			return g.blocks[at>>32-1][from : from+e.n : from+e.n], true
		}
	}
}

// add puts a cell in that is not there. The caller holds the shard's lock, and there is room.
func (g *generation) add(k *cellKey, hash uint64, cell []byte) {
	if len(cell) > len(g.blocks[g.block])-g.used {
		if g.used > 0 {
			g.block++
		}
		g.blocks[g.block], g.used = make([]byte, max(len(cell), min(firstBlock<<g.block, largestCell))), 0
	}
	copy(g.blocks[g.block][g.used:], cell)
	g.put(k, hash, uint32(len(cell)), uint64(g.block+1)<<32|uint64(g.used))
	g.used += len(cell)
	g.n++
}

func (g *generation) put(k *cellKey, hash uint64, n uint32, place uint64) {
	mask := uint64(len(g.entries) - 1)
	i := hash & mask
	for g.entries[i].place.Load() != 0 {
		i = (i + 1) & mask
	}
	e := &g.entries[i]
	e.handle, e.profile, e.layout, e.n = k.handle, k.profile, k.layout, n
	e.place.Store(place)
}

// grown returns a generation of twice the size.
func (g *generation) grown() *generation {
	out := &generation{entries: make([]cellEntry, 2*len(g.entries)), n: g.n, blocks: g.blocks, block: g.block, used: g.used}
	for i := range g.entries {
		if e := &g.entries[i]; e.place.Load() != 0 {
			k := cellKey{e.handle, e.profile, e.layout}
			out.put(&k, k.hash(), e.n, e.place.Load())
		}
	}
	return out
}

// get returns a cell, which must not be changed.
func (c *cells) get(k cellKey) ([]byte, bool) {
	h := k.hash()
	s := &c.shards[h>>60%cellShards]
	b, ok := s.young.Load().get(&k, h)
	if !ok {
		if b, ok = s.old.Load().get(&k, h); ok {
			c.put(k, b)
		}
	}
	return b, ok
}

// put remembers a copy of a cell.
func (c *cells) put(k cellKey, cell []byte) {
	if len(cell) >= largestCell {
		return
	}
	h := k.hash()
	s := &c.shards[h>>60%cellShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.young.Load()
	if _, in := g.get(&k, h); in {
		return
	}
	switch {
	case g == nil || g.n >= shardCells || g.block == shardBlocks-1 && len(cell) > len(g.blocks[g.block])-g.used:
		s.old.Store(g)
		g = &generation{entries: make([]cellEntry, 16), blocks: new([shardBlocks][]byte)}
		s.young.Store(g)
	case g.n*4 >= len(g.entries)*3:
		g = g.grown()
		s.young.Store(g)
	}
	g.add(&k, h, cell)
}

// appendCell adds a field to a cell.
func appendCell(cell []byte, f *event.Field) []byte {
	cell = append(cell, byte(f.State))
	if f.Value == nil {
		return append(cell, 0)
	}
	return append(binary.AppendUvarint(cell, uint64(len(f.Value))+1), f.Value...)
}

// takeCell reads the next field of a cell.
func takeCell(cell *[]byte, f *event.Field) {
	b := *cell
	f.State = event.State(b[0])
	n, k := binary.Uvarint(b[1:])
	b = b[1+k:]
	if n > 0 {
		f.Value = b[: n-1 : n-1]
		b = b[n-1:]
	}
	*cell = b
}

// Marks that a person is there or not, under layout 0.
var present, gone = []byte{1}, []byte{0}

// plans says, for each shape that a search meets, what its mask foresees.
type plans struct {
	mask    event.Foreseer
	mu      sync.RWMutex
	known   map[planKey]*plan
	layouts map[string]uint32
}

type planKey struct {
	shape  *shape
	person bool // the resource stands for a person
}

// plan is what is known of the fields of a shape before they are opened, by group.
type plan struct {
	groups []groupPlan
	// masked are the positions of the fields that must be shown to the mask although it was asked before: those that it may change, when the rest comes from
	// cells and was foreseen, and those that the record repeats outside of its fields.
	masked []int
}

type groupPlan struct {
	layout uint32 // of the fields in the profile
	// closed says that every field of the ciphertext is foreseen.
	closed bool
	seen   []foreseen // by field of the group, set for those of a closed ciphertext
}

type foreseen struct {
	value []byte
	state event.State
}

func newPlans(mask event.Foreseer) *plans {
	return &plans{mask: mask, known: map[planKey]*plan{}, layouts: map[string]uint32{}}
}

func (p *plans) of(s *shape, person bool) *plan {
	k := planKey{s, person}
	p.mu.RLock()
	out, ok := p.known[k]
	p.mu.RUnlock()
	if ok {
		return out
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxShapes {
		clear(p.known)
	}
	out = &plan{groups: make([]groupPlan, len(s.groups))}
	for i := range s.groups {
		g := &s.groups[i]
		out.groups[i] = p.group(g, person)
		for k := range g.fields {
			if f := &g.fields[k]; p.masks(g, f, out.groups[i].closed) {
				out.masked = append(out.masked, f.order)
			}
		}
	}
	p.known[k] = out
	return out
}

func (p *plans) masks(g *shapeGroup, f *shapeField, closed bool) bool {
	switch {
	case g.clear:
		return !p.mask.Shows(f.path, f.category)
	case f.part == 's':
		return !closed
	}
	return repeated(f.path)
}

// repeated reports whether a record holds the value at a path a second time, outside of its fields.
func repeated(path string) bool {
	return path == "/id" || path == "/resource/id" || path == "/correlation_id"
}

func (p *plans) group(g *shapeGroup, person bool) groupPlan {
	out := groupPlan{closed: g.sealed, seen: make([]foreseen, len(g.fields))}
	layout := []byte{'-'}
	if person {
		layout[0] = '+'
	}
	for i := range g.fields {
		f := &g.fields[i]
		switch f.part {
		case 'p':
			layout = append(append(append(append(layout, ' '), f.path...), '='), f.category...)
		case 's':
			v, state, ok := p.mask.Foresee(f.path, f.category, event.AlwaysText(f.path), person)
			out.seen[i] = foreseen{v, state}
			out.closed = out.closed && ok && !repeated(f.path) // the mask must see those, to hide what repeats them
		}
	}
	if g.pinned {
		n, ok := p.layouts[string(layout)]
		if !ok {
			n = uint32(len(p.layouts) + 1)
			p.layouts[string(layout)] = n
		}
		out.layout = n
	}
	return out
}

// lens is what the reader of a search sees: what their mask foresees, and what it made of the profiles met so far.
type lens struct {
	*plans
	cells cells
}

func newLens(mask event.Foreseer) *lens { return &lens{plans: newPlans(mask)} }
