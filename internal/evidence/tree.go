package evidence

import "probity.dev/internal/sha256n"

// Tree computes K_event, salts, commitments, roots and tags of one event after the other. Because each kind depends only on the one before it, all hashes of a kind
// are computed together, which takes half the time of computing them one by one.
//
// For each event: [Tree.Reset], then for each group in slot order [Tree.Derived], [Tree.Opened], [Tree.Partly] or [Tree.Closed], followed by its fields in order of path, and at last
// [Tree.Root]. What is passed by reference must stay as it is until then. The zero value is ready. A Tree is not safe for concurrent use.
type Tree struct {
	nonce  [16]byte
	batch  sha256n.Batch
	groups []treeGroup
	fields []treeField
	tags   []treeTag
	sums   []Hash // of the kind at hand
	roots  []Hash
}

type treeGroup struct {
	slot   uint8
	kind   uint8
	key    Hash // G, then K_event; or the root of a closed group
	fields int
}

// The kinds of group.
const (
	groupDerived = iota // G is known
	groupOpened         // K_event is known
	groupPartly         // each field has its salt or its commitment
	groupClosed         // the root is known
)

type treeField struct {
	path  string
	value []byte
	hash  Hash // the salt, then the commitment
	known bool // the commitment is given
}

type treeTag struct {
	role uint8
	hash Hash // K_tag, then the tag in front
}

// Reset begins an event.
func (t *Tree) Reset(nonce [16]byte) {
	t.nonce, t.groups, t.fields, t.tags, t.roots = nonce, t.groups[:0], t.fields[:0], t.tags[:0], t.roots[:0]
}

// Derived begins a group whose G is known.
func (t *Tree) Derived(slot uint8, g *Hash) { t.group(slot, groupDerived, g) }

// Opened begins a group whose K_event is known.
func (t *Tree) Opened(slot uint8, event *Hash) { t.group(slot, groupOpened, event) }

// Partly begins a group whose fields are all given by [Tree.Salted] or [Tree.Hidden].
func (t *Tree) Partly(slot uint8) { t.group(slot, groupPartly, &Hash{}) }

// Closed adds a group of which only the root is known.
func (t *Tree) Closed(slot uint8, root *Hash) { t.group(slot, groupClosed, root) }

func (t *Tree) group(slot, kind uint8, key *Hash) {
	t.groups = append(t.groups, treeGroup{slot: slot, kind: kind, key: *key})
}

// Field adds a field of a derived or opened group. A path longer than 65,535 bytes is a caller's error.
func (t *Tree) Field(path string, value []byte) { t.field(treeField{path: path, value: value}) }

// Salted adds a field of a partly open group by its salt.
func (t *Tree) Salted(path string, value []byte, salt *Hash) {
	t.field(treeField{path: path, value: value, hash: *salt})
}

// Hidden adds a field of a partly open group by its commitment.
func (t *Tree) Hidden(commitment *Hash) { t.field(treeField{hash: *commitment, known: true}) }

func (t *Tree) field(f treeField) {
	t.fields = append(t.fields, f)
	t.groups[len(t.groups)-1].fields++
}

// Tag asks for the search tag of a role, below 3, under K_tag; see [Tree.Tags].
func (t *Tree) Tag(role uint8, key *Hash) { t.tags = append(t.tags, treeTag{role, *key}) }

// Root returns fields_root.
func (t *Tree) Root() Hash {
	t.eventKeys()
	t.salts()
	t.commitments()
	t.groupRoots()
	return FieldsRoot(t.roots)
}

// Roots are the roots of the groups in order, once [Tree.Root] has been called. They are valid until the next event.
func (t *Tree) Roots() []Hash { return t.roots }

// EventKey is K_event of the nth group, derived or opened, once [Tree.Root] has been called.
func (t *Tree) EventKey(n int) Hash { return t.groups[n].key }

// Tags puts the tags asked for into their places, once [Tree.Root] has been called.
func (t *Tree) Tags(dst *[3][16]byte) {
	for i := range t.tags {
		dst[t.tags[i].role] = [16]byte(t.tags[i].hash[:16])
	}
}

// eventKeys computes what depends on the nonce: K_event of derived groups, and the tags.
func (t *Tree) eventKeys() {
	t.batch.Reset()
	for i := range t.groups {
		if g := &t.groups[i]; g.kind == groupDerived {
			t.keyed(domainEvent, &g.key, g.slot)
		}
	}
	for i := range t.tags {
		t.keyed(domainTag, &t.tags[i].hash, t.tags[i].role)
	}
	t.sums = t.batch.Sums(t.sums[:0])
	n := 0
	for i := range t.groups {
		if g := &t.groups[i]; g.kind == groupDerived {
			g.key = t.sums[n]
			n++
		}
	}
	for i := range t.tags {
		t.tags[i].hash = t.sums[n+i]
	}
}

func (t *Tree) keyed(domain byte, key *Hash, number uint8) {
	t.batch.Append(domain)
	t.batch.Append(key[:]...)
	t.batch.Append(t.nonce[:]...)
	t.batch.Append(number)
	t.batch.End()
}

// each calls f for every field with its group.
func (t *Tree) each(f func(g *treeGroup, f *treeField)) {
	n := 0
	for i := range t.groups {
		g := &t.groups[i]
		for range g.fields {
			f(g, &t.fields[n])
			n++
		}
	}
}

func (t *Tree) salts() {
	t.batch.Reset()
	t.each(func(g *treeGroup, f *treeField) {
		if g.kind != groupPartly {
			t.batch.Append(domainSalt)
			t.batch.Append(g.key[:]...)
			t.batch.AppendPart(f.path)
			t.batch.End()
		}
	})
	t.sums = t.batch.Sums(t.sums[:0])
	n := 0
	t.each(func(g *treeGroup, f *treeField) {
		if g.kind != groupPartly {
			f.hash = t.sums[n]
			n++
		}
	})
}

func (t *Tree) commitments() {
	t.batch.Reset()
	for i := range t.fields {
		if f := &t.fields[i]; !f.known {
			t.batch.Append(domainField)
			t.batch.Append(f.hash[:]...)
			t.batch.AppendPart(f.path)
			t.batch.Append(f.value...)
			t.batch.End()
		}
	}
	t.sums = t.batch.Sums(t.sums[:0])
	n := 0
	for i := range t.fields {
		if f := &t.fields[i]; !f.known {
			f.hash = t.sums[n]
			n++
		}
	}
}

func (t *Tree) groupRoots() {
	t.batch.Reset()
	n := 0
	for i := range t.groups {
		g := &t.groups[i]
		if g.kind == groupClosed {
			continue
		}
		t.batch.Append(domainGroup, g.slot, byte(g.fields>>8), byte(g.fields))
		for range g.fields {
			t.batch.Append(t.fields[n].hash[:]...)
			n++
		}
		t.batch.End()
	}
	t.sums = t.batch.Sums(t.sums[:0])
	n = 0
	for i := range t.groups {
		if g := &t.groups[i]; g.kind == groupClosed {
			t.roots = append(t.roots, g.key)
		} else {
			t.roots = append(t.roots, t.sums[n])
			n++
		}
	}
}
