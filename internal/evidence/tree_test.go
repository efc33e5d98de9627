package evidence

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// treeCase is an event as it was given to a tree, and what must come out of it.
type treeCase struct {
	roots []Hash
	keys  map[int]Hash // by group
	tags  [3][16]byte
}

// TestTreeAgrees compares trees of many events with the functions that compute one hash each.
func TestTreeAgrees(t *testing.T) {
	var tree Tree
	hash := rapid.Map(rapid.SliceOfN(rapid.Byte(), 32, 32), func(b []byte) Hash { return Hash(b) })
	rapid.Check(t, func(t *rapid.T) {
		tree.Reset()
		var want []treeCase
		for i := range rapid.IntRange(0, 40).Draw(t, "events") {
			nonce := half(hash.Draw(t, "nonce"))
			if tree.Event(nonce) != i || tree.Len() != i+1 {
				t.Fatal("the number of the event")
			}
			c := treeCase{keys: map[int]Hash{}}
			for g := range rapid.IntRange(0, 4).Draw(t, "groups") {
				c.drawGroup(t, &tree, nonce, g, hash)
			}
			c.drawTags(t, &tree, nonce, hash)
			want = append(want, c)
		}
		tree.Hash()
		for i := range want {
			want[i].compare(t, &tree, i)
		}
	})
}

func (c *treeCase) drawGroup(t *rapid.T, tree *Tree, nonce [16]byte, g int, hash *rapid.Generator[Hash]) {
	var d Deriver
	slot, key := uint8(3*g), hash.Draw(t, "key")
	kind := rapid.SampledFrom([]uint8{groupDerived, groupOpened, groupPartly, groupClosed}).Draw(t, "kind")
	event := key
	switch kind {
	case groupClosed:
		tree.Closed(slot, &key)
		c.roots = append(c.roots, key)
		return
	case groupDerived:
		tree.Derived(slot, &key)
		event = d.EventKey(key, nonce, slot)
	case groupOpened:
		tree.Opened(slot, &key)
	case groupPartly:
		tree.Partly(slot)
	}
	c.keys[g] = event
	var commitments []Hash
	for n := range rapid.IntRange(1, 8).Draw(t, "fields") {
		path := "/" + strings.Repeat("p", n*rapid.IntRange(0, 20).Draw(t, "path"))
		value := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "value")
		salt := d.Salt(event, path)
		commitments = append(commitments, Commit(salt, path, value))
		switch {
		case kind != groupPartly:
			tree.Field(path, value)
		case rapid.Bool().Draw(t, "hidden"):
			tree.Hidden(&commitments[n])
		default:
			tree.Salted(path, value, &salt)
		}
		clear(value) // the tree has copies
	}
	c.roots = append(c.roots, GroupRoot(slot, commitments))
}

func (c *treeCase) drawTags(t *rapid.T, tree *Tree, nonce [16]byte, hash *rapid.Generator[Hash]) {
	var d Deriver
	for role := range uint8(3) {
		key := hash.Draw(t, "tag key")
		switch rapid.IntRange(0, 2).Draw(t, "tag") {
		case 0:
			tree.Tag(role, &key)
			c.tags[role] = d.Tag(key, nonce, role)
		case 1:
			if role == RoleResource {
				tree.ResourceTag(&key, "invoice", "i-1")
				c.tags[role] = d.Tag(d.ResourceTagKey(key, "invoice", "i-1"), nonce, role)
			}
		}
	}
}

func (c *treeCase) compare(t *rapid.T, tree *Tree, i int) {
	if tree.Root(i) != FieldsRoot(c.roots) {
		t.Fatalf("fields_root of event %d", i)
	}
	for g, root := range tree.Roots(i) {
		if root != c.roots[g] {
			t.Fatalf("root of group %d of event %d", g, i)
		}
	}
	for g, key := range c.keys {
		if k := tree.EventKey(i, g); k != key && k != (Hash{}) {
			t.Fatalf("key of group %d of event %d", g, i)
		}
	}
	var tags [3][16]byte
	if tree.Tags(i, &tags); tags != c.tags {
		t.Fatalf("tags of event %d", i)
	}
}

// TestPutHashes replaces the hashes of encoded leaves.
func TestPutHashes(t *testing.T) {
	for _, class := range []uint64{0, 1, 23, 24, 255, 256, 1 << 16, 1 << 32} {
		l := Leaf{RecordedAt: 1 << 40, Source: "s", Action: "a", Category: "c", Activity: "b", Outcome: "o", Class: class}
		b := l.Append([]byte("before"))[len("before"):]
		for i := range l.FieldsRoot {
			l.FieldsRoot[i] = byte(i)
			l.Tags[i%3][i/3] = byte(100 + i)
		}
		PutHashes(b, class, &l.FieldsRoot, &l.Tags)
		if string(b) != string(l.Append(nil)) {
			t.Errorf("class %d: %x", class, b)
		}
	}
}

func half(h Hash) [16]byte { return [16]byte(h[:16]) }
