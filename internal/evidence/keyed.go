package evidence

import (
	"strings"

	"probity.dev/internal/errs"
	"probity.dev/internal/sha256n"
)

// KeyedGroup is a group of an event for somebody who holds the keys: open, with its G, or erased, with its root.
type KeyedGroup struct {
	Slot uint8
	// G is nil for an erased group, Root for an open one.
	G, Root *Hash
	// Fields are sorted by path.
	Fields []KeyedField
}

// KeyedField is a field of a [KeyedGroup]. Value is verbatim JSON.
type KeyedField struct{ Path, Value string }

// Keyed adds an event by its groups. It refuses groups and fields that are out of order, empty or more than [MaxFields], and a path that has two values. Of an event that was refused only the
// number means something.
func (t *Tree) Keyed(nonce [16]byte, groups []KeyedGroup) (event int, err error) {
	event = t.Event(nonce)
	l, err := t.layout(groups)
	if err != nil {
		return event, err
	}
	for i := range groups {
		for k := range groups[i].Fields {
			if groups[i].Fields[k].Value == "" {
				return event, errs.New(errs.Invalid, "field %d of group %d is empty", k, groups[i].Slot)
			}
		}
	}
	t.salts.Append(&l.salts)
	for i := range groups {
		g := &groups[i]
		if g.G == nil {
			t.Closed(g.Slot, g.Root)
			continue
		}
		t.Derived(g.Slot, g.G)
		t.groups[len(t.groups)-1].fields = len(g.Fields)
		for k := range g.Fields {
			f := &g.Fields[k]
			copy(keyedPath(&t.commits, domainField, f.Path, len(f.Value)), f.Value)
		}
	}
	return event, nil
}

// layout is what the events have in common whose fields are the same in the same groups: they are in order, and what their salts are hashes of, with gaps for the keys.
type layout struct {
	groups []layoutGroup
	salts  sha256n.Batch
}

type layoutGroup struct {
	slot  uint8
	paths []string // none of a closed group
}

// layouts are those met last, two for each value of a hash of some of their features. A busy log has some hundreds.
type layouts [1024][2]*layout

// layoutFields is how many fields an event has at most whose layout is remembered.
const layoutFields = 256

// layout returns the layout of groups, whose form it has checked.
func (t *Tree) layout(groups []KeyedGroup) (*layout, error) {
	const odd = 0x9e3779b97f4a7c15
	h, fields := uint64(len(groups)), 0
	for i := range groups {
		g := &groups[i]
		if (g.G == nil) != (len(g.Fields) == 0) || (g.G == nil) != (g.Root != nil) {
			return nil, errs.New(errs.Invalid, "group %d of the event is malformed", g.Slot)
		}
		h = (h + uint64(g.Slot)) * odd
		fields += len(g.Fields)
		for k := range g.Fields {
			path := g.Fields[k].Path
			h += uint64(len(path))
			if n := len(path); n > 0 {
				h += uint64(path[n-1]) << 8
			}
			h *= odd
		}
	}
	if t.layouts == nil {
		t.layouts = new(layouts)
	}
	memo := &t.layouts[h>>32%uint64(len(t.layouts))]
	for _, l := range memo {
		if l != nil && l.of(groups) {
			return l, nil
		}
	}
	if err := checkLayout(groups); err != nil {
		return nil, err
	}
	l := &layout{}
	for i := range groups {
		g := layoutGroup{slot: groups[i].Slot}
		for k := range groups[i].Fields {
			path := strings.Clone(groups[i].Fields[k].Path) // which may be a part of something large, or of memory that is used again
			g.paths = append(g.paths, path)
			keyedPath(&l.salts, domainSalt, path, 0)
		}
		l.groups = append(l.groups, g)
	}
	if fields <= layoutFields {
		*memo = [2]*layout{l, memo[0]}
	}
	return l, nil
}

// of reports whether this is the layout of groups.
func (l *layout) of(groups []KeyedGroup) bool {
	if len(groups) != len(l.groups) {
		return false
	}
	for i := range groups {
		g, like := &groups[i], &l.groups[i]
		if g.Slot != like.slot || len(g.Fields) != len(like.paths) {
			return false
		}
		for k := range g.Fields {
			if g.Fields[k].Path != like.paths[k] {
				return false
			}
		}
	}
	return true
}

// checkLayout refuses groups and fields that are out of order or too many, and a path that has two values.
func checkLayout(groups []KeyedGroup) error {
	fields := 0
	for i := range groups {
		g := &groups[i]
		if fields += len(g.Fields); fields > MaxFields || len(groups) > MaxFields {
			return errs.New(errs.Invalid, "the event has more than %d fields", MaxFields)
		}
		if i > 0 && g.Slot <= groups[i-1].Slot {
			return errs.New(errs.Invalid, "group %d of the event is out of order", g.Slot)
		}
		last := ""
		for k := range g.Fields {
			f := &g.Fields[k]
			if f.Path <= last || len(f.Path) > 0xffff {
				return errs.New(errs.Invalid, "field %d of group %d is malformed or out of order", k, g.Slot)
			}
			last = f.Path
		}
		for k := range groups[:i] {
			if path, ok := common(groups[k].Fields, g.Fields); ok {
				return errs.New(errs.Invalid, "the event has two values for %s", path)
			}
		}
	}
	return nil
}

// common returns a path that two sorted lists have.
func common(a, b []KeyedField) (string, bool) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].Path == b[0].Path:
			return a[0].Path, true
		case a[0].Path < b[0].Path:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return "", false
}
