package evidence

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func pathsOf(t interface{ Fatal(...any) }, paths ...string) *Paths {
	p, err := NewPaths(paths...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestKeyedAgrees compares keyed trees of many events, of many layouts and some of them refused, with a tree that is given field by field and with the functions that compute one hash each.
func TestKeyedAgrees(t *testing.T) {
	var keyed KeyedTree
	var pool []*Paths
	for i := range 60 {
		var paths []string
		for k := range i%7 + 1 {
			paths = append(paths, fmt.Sprintf("/%d/%02d%s", i, k, strings.Repeat("x", i*k%90)))
		}
		pool = append(pool, pathsOf(t, paths...))
	}
	hash := rapid.Map(rapid.SliceOfN(rapid.Byte(), 32, 32), func(b []byte) Hash { return Hash(b) })
	value := rapid.StringN(1, 150, -1)
	rapid.Check(t, func(t *rapid.T) {
		var single Tree
		var tags [][3][16]byte
		keyed.Reset()
		for i := range rapid.IntRange(0, 40).Draw(t, "events") {
			nonce := [16]byte(half(hash.Draw(t, "nonce")))
			var groups []KeyedGroup
			single.Event(nonce)
			for slot, at := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(pool)-1), 0, 4, rapid.ID).Draw(t, "groups") {
				key := hash.Draw(t, "key")
				if rapid.IntRange(0, 4).Draw(t, "erased") == 0 {
					groups = append(groups, KeyedGroup{Slot: uint8(2 * slot), Root: &key})
					single.Closed(uint8(2*slot), &key)
					continue
				}
				g := KeyedGroup{Slot: uint8(2 * slot), G: &key, Paths: pool[at]}
				single.Derived(g.Slot, g.G)
				for _, path := range pool[at].paths {
					v := value.Draw(t, "value")
					g.Values = append(g.Values, v)
					single.Field(path[2:], []byte(v))
				}
				groups = append(groups, g)
			}
			if _, err := keyed.Add(&nonce, append(groups, KeyedGroup{Slot: 255})); err == nil {
				t.Fatal("accepted a malformed group")
			}
			if n, err := keyed.Add(&nonce, groups); err != nil || n != i || keyed.Len() != i+1 {
				t.Fatal(n, err)
			}
			tags = append(tags, drawKeyedTags(t, &keyed, nonce, hash))
		}
		keyed.Hash()
		single.Hash()
		for i := range tags {
			var got [3][16]byte
			if keyed.Tags(i, &got); *keyed.Root(i) != single.Root(i) || got != tags[i] {
				t.Fatalf("event %d differs", i)
			}
		}
	})
}

func drawKeyedTags(t *rapid.T, keyed *KeyedTree, nonce [16]byte, hash *rapid.Generator[Hash]) (want [3][16]byte) {
	var d Deriver
	for role := range uint8(3) {
		key := hash.Draw(t, "tag key")
		switch kind := rapid.IntRange(0, 2).Draw(t, "kind of tag"); {
		case kind == 1:
			keyed.Tag(role, &key)
			want[role] = d.Tag(key, nonce, role)
		case kind == 2 && role == RoleResource:
			id := rapid.StringN(0, 90, -1).Draw(t, "id")
			keyed.ResourceTag(&key, "invoice", id)
			want[role] = d.Tag(d.ResourceTagKey(key, "invoice", id), nonce, role)
		}
	}
	return want
}

// TestKeyedRefuses gives events whose layout or values are wrong, after one that is like them and right.
func TestKeyedRefuses(t *testing.T) {
	var tree KeyedTree
	g, root := Hash{1}, Hash{2}
	group := func(slot uint8, paths ...string) KeyedGroup {
		k := KeyedGroup{Slot: slot, G: &g, Paths: pathsOf(t, paths...)}
		for range paths {
			k.Values = append(k.Values, "1")
		}
		return k
	}
	ab, cd := group(0, "/a", "/b"), group(1, "/c", "/d")
	if _, err := tree.Add(new([16]byte), []KeyedGroup{ab, cd}); err != nil {
		t.Fatal(err)
	}
	both, few, empty, zero, many := cd, cd, cd, ab, ab
	both.Root = &root
	few.Values = few.Values[:1]
	empty.Values = []string{"1", ""}
	zero.Slot = 1
	many.Values = []string{"1", "1", "1"}
	var large []string
	for i := range MaxFields - 1 {
		large = append(large, fmt.Sprintf("/x%02d", i))
	}
	for name, groups := range map[string][]KeyedGroup{
		"a path in two":       {ab, group(1, "/b", "/d")},
		"groups out of order": {zero, group(0, "/c")},
		"a slot twice":        {ab, group(0, "/c", "/d")},
		"open without fields": {group(0), cd},
		"open and erased":     {ab, both},
		"neither":             {ab, {Slot: 1}},
		"a value too few":     {ab, few},
		"a value too many":    {many, cd},
		"an empty value":      {ab, empty},
		"too many fields":     {ab, group(1, large...)},
	} {
		for range 2 {
			if _, err := tree.Add(new([16]byte), groups); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	}
	if tree.Len() != 1 {
		t.Errorf("%d events", tree.Len())
	}
	for _, paths := range [][]string{{"/b", "/a"}, {"/a", "/a"}, {"", "/a"}, {"/" + strings.Repeat("a", 0xffff)}, append(large, "/y", "/z")} {
		if _, err := NewPaths(paths...); err == nil {
			t.Errorf("%d paths: accepted", len(paths))
		}
	}
}
