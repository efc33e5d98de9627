package ledger

import (
	"encoding/binary"
	"sync"

	"probity.dev/ledger/event"
)

// A cell is what a masker made of one profile: state and value of each of its fields in order. A search that meets a person again has no need to decrypt
// and mask the person's repeated values again.
type cellKey struct {
	handle, profile int64
	layout          uint32 // which fields the profile has, see plans; 0 for the mark that the person is there
}

// Bounds of the remembered cells of one search: an entry takes some 60 bytes beside its content, which is some 30 bytes where names are masked.
const (
	cellShards  = 16
	shardCells  = 25_000  // per generation
	shardBytes  = 3 << 19 // per generation
	largestCell = 1 << 16
)

// cells remembers cells. Like [cache.Cache] it has two generations; it holds no pointers, so that hundreds of thousands of entries are nothing to the
// garbage collector. It is safe for concurrent use.
type cells struct {
	shards [cellShards]struct {
		mu         sync.RWMutex
		young, old generation
	}
}

type generation struct {
	at    map[cellKey]uint64 // offset and length in bytes
	bytes []byte
}

func (g *generation) get(k cellKey) ([]byte, bool) {
	at, ok := g.at[k]
	if !ok {
		return nil, false
	}
	from, n := at/largestCell, at%largestCell
	return g.bytes[from : from+n : from+n], true
}

// get returns a cell, which must not be changed.
func (c *cells) get(k cellKey) ([]byte, bool) {
	s := &c.shards[uint64(k.handle)%cellShards]
	s.mu.RLock()
	b, ok := s.young.get(k)
	if ok {
		s.mu.RUnlock()
		return b, true
	}
	b, ok = s.old.get(k)
	s.mu.RUnlock()
	if ok {
		c.put(k, b)
	}
	return b, ok
}

// put remembers a copy of a cell.
func (c *cells) put(k cellKey, cell []byte) {
	if len(cell) >= largestCell {
		return
	}
	s := &c.shards[uint64(k.handle)%cellShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, in := s.young.at[k]; in {
		return
	}
	if len(s.young.at) >= shardCells || len(s.young.bytes)+len(cell) > shardBytes {
		s.old, s.young = s.young, generation{}
	}
	if s.young.at == nil {
		s.young.at = map[cellKey]uint64{}
	}
	s.young.at[k] = uint64(len(s.young.bytes))*largestCell + uint64(len(cell))
	s.young.bytes = append(s.young.bytes, cell...)
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
