package evidence

import (
	"probity.dev/internal/errs"
	"probity.dev/internal/sha256n"
)

// layout is what the events have in common whose fields are the same in the same groups: they are in order, and all that they are hashed with but keys, nonces, values and hashes.
type layout struct {
	groups                  []layoutGroup
	keys, salts, roots, all []byte // messages of all groups, padded
}

type layoutGroup struct {
	slot  uint8
	paths *Paths // nil for a closed group
	// Where the group's messages are in those of the layout.
	key, root, rootBlocks int
	fields                []layoutField
}

type layoutField struct {
	salt, saltBlocks int
	// head is how the commitment's message begins, up to the value, if that is within a block; begun is how long it is then, else 0.
	head  [sha256n.BlockSize]byte
	begun int
}

// layouts are those met last, two for each value of a hash of their groups. A busy log has some hundreds.
type layouts [1024][2]*layout

// get returns the layout of groups, whose form it has checked.
func (m *layouts) get(groups []KeyedGroup) (*layout, error) {
	const odd = 0x9e3779b97f4a7c15
	h := uint64(len(groups))
	for i := range groups {
		g := &groups[i]
		if (g.G == nil) != (g.Paths == nil) || (g.G == nil) != (len(g.Values) == 0) || (g.G == nil) != (g.Root != nil) {
			return nil, errs.New(errs.Invalid, "group %d of the event is malformed", g.Slot)
		}
		h = (h + uint64(g.Slot)) * odd
		if g.Paths != nil {
			h = (h + g.Paths.id) * odd
		}
	}
	memo := &m[h>>32%uint64(len(m))]
	for _, l := range memo {
		if l != nil && l.of(groups) {
			return l, nil
		}
	}
	if err := checkLayout(groups); err != nil {
		return nil, err
	}
	l := newLayout(groups)
	*memo = [2]*layout{l, memo[0]}
	return l, nil
}

// of reports whether this is the layout of groups.
func (l *layout) of(groups []KeyedGroup) bool {
	if len(groups) != len(l.groups) {
		return false
	}
	for i := range groups {
		if groups[i].Slot != l.groups[i].slot || groups[i].Paths != l.groups[i].paths {
			return false
		}
	}
	return true
}

// newLayout writes the messages of groups that have been checked.
func newLayout(groups []KeyedGroup) *layout {
	l := &layout{}
	for i := range groups {
		g := layoutGroup{slot: groups[i].Slot, paths: groups[i].Paths}
		if g.paths != nil {
			var key [50]byte
			key[0], key[49] = domainEvent, g.slot
			g.key = len(l.keys)
			l.keys = sha256n.Padded(l.keys, key[:])
			for _, path := range g.paths.paths {
				m := make([]byte, 33, 33+len(path))
				m[0] = domainSalt
				m = append(m, path...)
				f := layoutField{salt: len(l.salts), saltBlocks: sha256n.Blocks(len(m))}
				l.salts = sha256n.Padded(l.salts, m)
				if m[0] = domainField; len(m) <= len(f.head) {
					f.begun = copy(f.head[:], m)
				}
				g.fields = append(g.fields, f)
			}
			n := g.paths.Len()
			m := make([]byte, 4+hashSize*n)
			m[0], m[1], m[2], m[3] = domainGroup, g.slot, byte(n>>8), byte(n)
			g.root, g.rootBlocks = len(l.roots), sha256n.Blocks(len(m))
			l.roots = sha256n.Padded(l.roots, m)
		}
		l.groups = append(l.groups, g)
	}
	m := make([]byte, 2+hashSize*len(groups))
	m[0], m[1] = domainFields, byte(len(groups))
	l.all = sha256n.Padded(nil, m)
	return l
}

// checkLayout refuses groups that are out of order or have too many fields, and a path that has two values.
func checkLayout(groups []KeyedGroup) error {
	fields := 0
	for i := range groups {
		g := &groups[i]
		if g.Paths != nil {
			fields += g.Paths.Len()
		}
		if fields > MaxFields || len(groups) > MaxFields {
			return errs.New(errs.Invalid, "the event has more than %d fields", MaxFields)
		}
		if i > 0 && g.Slot <= groups[i-1].Slot {
			return errs.New(errs.Invalid, "group %d of the event is out of order", g.Slot)
		}
		for k := range groups[:i] {
			if path, ok := common(groups[k].Paths, g.Paths); ok {
				return errs.New(errs.Invalid, "the event has two values for %s", path)
			}
		}
	}
	return nil
}

// common returns a path that two groups have.
func common(a, b *Paths) (string, bool) {
	if a == nil || b == nil {
		return "", false
	}
	for _, x := range a.paths {
		if b.Find(x[2:]) >= 0 {
			return x[2:], true
		}
	}
	return "", false
}
