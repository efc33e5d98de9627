package evidence

import (
	"fmt"
	"testing"
	"unsafe"
)

// TestKeyedAgreesWithFields adds many events of many layouts, among them some that are refused and some whose paths lie in memory that changes afterwards, and compares them with events that are
// given field by field.
func TestKeyedAgreesWithFields(t *testing.T) {
	var keyed, single Tree
	g, root := Hash{1}, Hash{2}
	for round := range 3 {
		keyed.Reset()
		single.Reset()
		for i := range 300 {
			path := []byte(fmt.Sprintf("/a/%d", i%100))
			groups := []KeyedGroup{
				{Slot: 0, G: &g, Fields: []KeyedField{{Path: unsafe.String(&path[0], len(path)), Value: fmt.Sprint(i)}, {Path: "/b", Value: `"x"`}}},
				{Slot: 2, Root: &root},
				{Slot: 3, G: &g, Fields: []KeyedField{{Path: "/c", Value: fmt.Sprint(round)}}},
			}
			nonce := [16]byte{byte(i), byte(round)}
			single.Event(nonce)
			if i%7 == 3 {
				groups[2].Fields[0].Value = "" // of a layout that is fine
			}
			_, err := keyed.Keyed(nonce, groups)
			if (err != nil) != (i%7 == 3) {
				t.Fatalf("event %d: %v", i, err)
			}
			if err == nil {
				single.Derived(0, &g)
				single.Field(string(path), []byte(fmt.Sprint(i)))
				single.Field("/b", []byte(`"x"`))
				single.Closed(2, &root)
				single.Derived(3, &g)
				single.Field("/c", []byte(fmt.Sprint(round)))
			}
			copy(path, "/zz")
		}
		keyed.Hash()
		single.Hash()
		for i := range 300 {
			if keyed.Root(i) != single.Root(i) {
				t.Fatalf("round %d: the root of event %d differs", round, i)
			}
		}
	}
}

// TestKeyedRefuses gives events whose layout is wrong, after one that is like them and right.
func TestKeyedRefuses(t *testing.T) {
	var tree Tree
	g, root := Hash{1}, Hash{2}
	group := func(slot uint8, paths ...string) KeyedGroup {
		k := KeyedGroup{Slot: slot, G: &g}
		for _, p := range paths {
			k.Fields = append(k.Fields, KeyedField{Path: p, Value: "1"})
		}
		return k
	}
	if _, err := tree.Keyed([16]byte{}, []KeyedGroup{group(0, "/a", "/b"), group(1, "/c", "/d")}); err != nil {
		t.Fatal(err)
	}
	both := group(1, "/c", "/d")
	both.Root = &root
	for name, groups := range map[string][]KeyedGroup{
		"paths out of order":  {group(0, "/b", "/a"), group(1, "/c", "/d")},
		"a path twice":        {group(0, "/a", "/a"), group(1, "/c", "/d")},
		"a path in two":       {group(0, "/a", "/b"), group(1, "/b", "/d")},
		"groups out of order": {group(1, "/a", "/b"), group(0, "/c", "/d")},
		"a slot twice":        {group(0, "/a", "/b"), group(0, "/c", "/d")},
		"open without fields": {group(0), group(1, "/c", "/d")},
		"open and erased":     {group(0, "/a", "/b"), both},
		"neither":             {group(0, "/a", "/b"), {Slot: 1}},
	} {
		for range 2 {
			if _, err := tree.Keyed([16]byte{}, groups); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	}
}
