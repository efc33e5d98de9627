package evidence

import (
	"probity.dev/internal/errs"
	"probity.dev/internal/sha256n"
)

// layout is what the events have in common whose fields are the same in the same groups: they are in order, and all that depends on their paths alone.
type layout struct{ groups []layoutGroup }

type layoutGroup struct {
	slot   uint8
	paths  *Paths // nil for a closed group
	fields []*layoutField
}

// layoutField is what all fields of a path have in common.
type layoutField struct {
	salt, saltBlocks int // the text of its salt's message, among those of the tree
	// head is how the commitment's message begins, up to the value, if that is within a block; begun is how long it is then, else 0.
	begun int
	head  [sha256n.BlockSize]byte
}

// layouts are those met last, two for each value of a hash of their groups. A busy log has some hundreds.
type layouts [1024][2]*layout

// get returns the layout of groups, whose form it has checked. field returns what the fields of a path, which stands behind its length, have in common.
func (m *layouts) get(groups []KeyedGroup, field func(path string) *layoutField) (*layout, error) {
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
	l := newLayout(groups, field)
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

// newLayout describes groups that have been checked.
func newLayout(groups []KeyedGroup, field func(path string) *layoutField) *layout {
	l := &layout{groups: make([]layoutGroup, len(groups))}
	for i := range groups {
		g := &l.groups[i]
		g.slot, g.paths = groups[i].Slot, groups[i].Paths
		if g.paths != nil {
			for _, path := range g.paths.paths {
				g.fields = append(g.fields, field(path))
			}
		}
	}
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
