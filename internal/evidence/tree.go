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
	m := t.batch.Message(50)
	m[0], m[49] = domain, number
	copy(m[1:33], key[:])
	copy(m[33:49], t.nonce[:])
}

// keyedPath begins a message of domain, key, path and more bytes, and returns the place of those.
func (t *Tree) keyedPath(domain byte, key *Hash, path string, more int) []byte {
	m := t.batch.Message(35 + len(path) + more)
	m[0], m[33], m[34] = domain, byte(len(path)>>8), byte(len(path))
	copy(m[1:33], key[:])
	copy(m[35:], path)
	return m[35+len(path):]
}

func (t *Tree) salts() {
	t.batch.Reset()
	n := 0
	for i := range t.groups {
		g := &t.groups[i]
		if g.kind != groupPartly {
			for k := range g.fields {
				t.keyedPath(domainSalt, &g.key, t.fields[n+k].path, 0)
			}
		}
		n += g.fields
	}
	t.sums = t.batch.Sums(t.sums[:0])
	n, sum := 0, 0
	for i := range t.groups {
		g := &t.groups[i]
		if g.kind != groupPartly {
			for k := range g.fields {
				t.fields[n+k].hash = t.sums[sum]
				sum++
			}
		}
		n += g.fields
	}
}

func (t *Tree) commitments() {
	t.batch.Reset()
	for i := range t.fields {
		if f := &t.fields[i]; !f.known {
			copy(t.keyedPath(domainField, &f.hash, f.path, len(f.value)), f.value)
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
		m := t.batch.Message(4 + 32*g.fields)
		m[0], m[1], m[2], m[3] = domainGroup, g.slot, byte(g.fields>>8), byte(g.fields)
		for m = m[4:]; len(m) > 0; m = m[32:] {
			copy(m, t.fields[n].hash[:])
			n++
		}
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
