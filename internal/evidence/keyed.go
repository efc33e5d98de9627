package evidence

import (
	"unsafe"

	"probity.dev/internal/errs"
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
	fields := 0
	for i := range groups {
		g := &groups[i]
		if fields += len(g.Fields); fields > MaxFields || len(groups) > MaxFields {
			return event, errs.New(errs.Invalid, "the event has more than %d fields", MaxFields)
		}
		if i > 0 && g.Slot <= groups[i-1].Slot || (g.G == nil) != (len(g.Fields) == 0) || (g.G == nil) != (g.Root != nil) {
			return event, errs.New(errs.Invalid, "group %d of the event is malformed or out of order", g.Slot)
		}
		for k := range groups[:i] {
			if path, ok := common(groups[k].Fields, g.Fields); ok {
				return event, errs.New(errs.Invalid, "the event has two values for %s", path)
			}
		}
		if g.G == nil {
			t.Closed(g.Slot, g.Root)
			continue
		}
		t.Derived(g.Slot, g.G)
		last := ""
		for k := range g.Fields {
			f := &g.Fields[k]
			if f.Path <= last || f.Value == "" || len(f.Path) > 0xffff {
				return event, errs.New(errs.Invalid, "field %d of group %d is malformed or out of order", k, g.Slot)
			}
			last = f.Path
			t.Field(f.Path, unsafe.Slice(unsafe.StringData(f.Value), len(f.Value))) // only read
		}
	}
	return event, nil
}

// common returns a path that two lists have, both of which are sorted, or are found not to be.
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
