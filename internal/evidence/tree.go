package evidence

import (
	"encoding/binary"

	"probity.dev/internal/sha256n"
)

// Tree computes K_event, salts, commitments, roots and tags of many events at once. Because each kind of hash depends on the kinds before it only, all of a kind are computed together, which
// takes a fraction of the time of computing them one by one; see [TreeEvents].
//
// [Tree.Reset] begins. For each event there is [Tree.Event], then for each group in slot order [Tree.Derived], [Tree.Opened], [Tree.Partly] or [Tree.Closed], followed by its fields in order
// of path, and [Tree.Tag] and [Tree.ResourceTag] anywhere in between. [Tree.Hash] computes everything; afterwards the results are there to be read, by the number that Event gave, until the next
// Reset. The tree keeps copies of all that it is given. The zero value is ready. A Tree is not safe for concurrent use.
type Tree struct {
	events []treeEvent
	groups []treeGroup
	tags   []treeTag
	parts  []treePart // fields of partly open groups

	// Messages are written as soon as the fields come, with a gap for the key or salt, which is the result of an earlier kind.
	keys, tagged, salts, commits sha256n.Batch
	roots, all                   sha256n.Batch

	sums, committed, outer []Hash
	inner                  []Hash // roots of the groups
}

// TreeEvents is a good number of events to compute together: enough for every kind of hash to make the most of the processor, and few enough for their messages to stay in its cache.
const TreeEvents = 32

type treeEvent struct {
	nonce       [16]byte
	group, tag  int // the first
	groups, end int // how many; behind the last tag
}

type treeGroup struct {
	slot   uint8
	kind   uint8
	fields int
	// key is the number of the message that K_event is the hash of, for a group of which G is known, else it is in hash.
	key  int
	hash Hash // K_event or, of a closed group, the root
}

// The kinds of group.
const (
	groupDerived = iota // G is known
	groupOpened         // K_event is known
	groupPartly         // each field has its salt or its commitment
	groupClosed         // the root is known
)

// treePart is a field of a partly open group: its commitment, unless that is to be computed.
type treePart struct {
	known bool
	hash  Hash
}

type treeTag struct {
	role uint8
	key  int // number of the message that K_tag is the hash of, -1 when it is known
}

// Reset forgets all events.
func (t *Tree) Reset() {
	t.events, t.groups, t.tags, t.parts = t.events[:0], t.groups[:0], t.tags[:0], t.parts[:0]
	for _, b := range [...]*sha256n.Batch{&t.keys, &t.tagged, &t.salts, &t.commits, &t.roots, &t.all} {
		b.Reset()
	}
}

// Len is the number of events.
func (t *Tree) Len() int { return len(t.events) }

// Event begins an event and returns its number. The nonce matters for derived groups and tags only.
func (t *Tree) Event(nonce [16]byte) int {
	t.events = append(t.events, treeEvent{nonce: nonce, group: len(t.groups), tag: len(t.tags), end: len(t.tags)})
	return len(t.events) - 1
}

func (t *Tree) event() *treeEvent { return &t.events[len(t.events)-1] }

// Derived begins a group whose G is known.
func (t *Tree) Derived(slot uint8, g *Hash) {
	t.group(treeGroup{slot: slot, kind: groupDerived, key: t.keys.Len()})
	t.keyed(&t.keys, domainEvent, g, slot)
}

// Opened begins a group whose K_event is known.
func (t *Tree) Opened(slot uint8, event *Hash) {
	t.group(treeGroup{slot: slot, kind: groupOpened, hash: *event})
}

// Partly begins a group whose fields are all given by [Tree.Salted] or [Tree.Hidden].
func (t *Tree) Partly(slot uint8) { t.group(treeGroup{slot: slot, kind: groupPartly}) }

// Closed adds a group of which only the root is known.
func (t *Tree) Closed(slot uint8, root *Hash) {
	t.group(treeGroup{slot: slot, kind: groupClosed, hash: *root})
}

func (t *Tree) group(g treeGroup) {
	t.groups = append(t.groups, g)
	t.event().groups++
}

// Field adds a field of a derived or opened group. A path longer than 65,535 bytes is a caller's error.
func (t *Tree) Field(path string, value []byte) {
	t.groups[len(t.groups)-1].fields++
	keyedPath(&t.salts, domainSalt, path, 0)
	copy(keyedPath(&t.commits, domainField, path, len(value)), value)
}

// Salted adds a field of a partly open group by its salt.
func (t *Tree) Salted(path string, value []byte, salt *Hash) {
	t.groups[len(t.groups)-1].fields++
	t.parts = append(t.parts, treePart{})
	at := t.commits.Len()
	copy(keyedPath(&t.commits, domainField, path, len(value)), value)
	copy(t.commits.At(at)[1:], salt[:])
}

// Hidden adds a field of a partly open group by its commitment.
func (t *Tree) Hidden(commitment *Hash) {
	t.groups[len(t.groups)-1].fields++
	t.parts = append(t.parts, treePart{true, *commitment})
}

// Tag asks for the search tag of a role, below 3, under K_tag.
func (t *Tree) Tag(role uint8, key *Hash) { t.tag(role, key, -1) }

// ResourceTag asks for the search tag of a resource that stands for nobody, under the secret of [ResourceTags]. Type and id of more than 65,535 bytes are a caller's error.
func (t *Tree) ResourceTag(tags *Hash, typ, id string) {
	key := t.keys.Len()
	resourceMessage(t.keys.Message(resourceSize(typ, id)), tags, typ, id)
	t.tag(RoleResource, &Hash{}, key)
}

// resourceSize is the size of what K_tag of a resource is the hash of.
func resourceSize(typ, id string) int { return 37 + len(typ) + len(id) }

func resourceMessage(m []byte, tags *Hash, typ, id string) {
	m[0] = domainResource
	copy(m[1:33], tags[:])
	binary.BigEndian.PutUint16(m[33:], uint16(len(typ)))
	copy(m[35:], typ)
	binary.BigEndian.PutUint16(m[35+len(typ):], uint16(len(id)))
	copy(m[37+len(typ):], id)
}

func (t *Tree) tag(role uint8, tagKey *Hash, key int) {
	t.tags = append(t.tags, treeTag{role, key})
	t.event().end = len(t.tags)
	t.keyed(&t.tagged, domainTag, tagKey, role)
}

// keyed writes a message of domain, key, nonce and number.
func (t *Tree) keyed(b *sha256n.Batch, domain byte, key *Hash, number uint8) {
	m := b.Message(50)
	m[0], m[49] = domain, number
	copy(m[1:33], key[:])
	copy(m[33:49], t.event().nonce[:])
}

// keyedPath writes a message of domain, a gap for the key, path and more bytes, and returns the place of those.
func keyedPath(b *sha256n.Batch, domain byte, path string, more int) []byte {
	m := b.Message(35 + len(path) + more)
	m[0], m[33], m[34] = domain, byte(len(path)>>8), byte(len(path))
	copy(m[35:], path)
	return m[35+len(path):]
}

// Hash computes everything.
func (t *Tree) Hash() {
	t.eventKeys()
	t.saltAndCommit()
	t.groupRoots()
	t.fieldsRoots()
}

// eventKeys computes K_event of derived groups, and the tags.
func (t *Tree) eventKeys() {
	t.sums = t.keys.Sums(t.sums[:0])
	for i := range t.groups {
		if g := &t.groups[i]; g.kind == groupDerived {
			g.hash = t.sums[g.key]
		}
	}
	for i := range t.tags {
		if k := t.tags[i].key; k >= 0 {
			copy(t.tagged.At(i)[1:33], t.sums[k][:])
		}
	}
}

// saltAndCommit computes the salts, and with them the commitments.
func (t *Tree) saltAndCommit() {
	n := 0
	for i := range t.groups {
		if g := &t.groups[i]; g.kind <= groupOpened {
			for range g.fields {
				copy(t.salts.At(n)[1:33], g.hash[:])
				n++
			}
		}
	}
	t.sums = t.salts.Sums(t.sums[:0])
	salt, commit, part := 0, 0, 0
	for i := range t.groups {
		g := &t.groups[i]
		for range g.fields {
			if g.kind <= groupOpened {
				copy(t.commits.At(commit)[1:33], t.sums[salt][:])
				salt++
				commit++
			} else {
				if !t.parts[part].known {
					commit++
				}
				part++
			}
		}
	}
	t.committed = t.commits.Sums(t.committed[:0])
	t.sums = t.tagged.Sums(t.sums[:0])
}

func (t *Tree) groupRoots() {
	commit, part := 0, 0
	for i := range t.groups {
		g := &t.groups[i]
		if g.kind == groupClosed {
			continue
		}
		m := t.roots.Message(4 + 32*g.fields)
		m[0], m[1], m[2], m[3] = domainGroup, g.slot, byte(g.fields>>8), byte(g.fields)
		for m = m[4:]; len(m) > 0; m = m[32:] {
			if g.kind == groupPartly {
				part++
				if p := &t.parts[part-1]; p.known {
					copy(m, p.hash[:])
					continue
				}
			}
			copy(m, t.committed[commit][:])
			commit++
		}
	}
	t.outer = t.roots.Sums(t.outer[:0])
	t.inner = t.inner[:0]
	n := 0
	for i := range t.groups {
		if g := &t.groups[i]; g.kind == groupClosed {
			t.inner = append(t.inner, g.hash)
		} else {
			t.inner = append(t.inner, t.outer[n])
			n++
		}
	}
}

func (t *Tree) fieldsRoots() {
	for i := range t.events {
		roots := t.Roots(i)
		m := t.all.Message(2 + 32*len(roots))
		m[0], m[1] = domainFields, byte(len(roots))
		for k := range roots {
			copy(m[2+32*k:], roots[k][:])
		}
	}
	t.outer = t.all.Sums(t.outer[:0])
}

// Root returns fields_root of an event.
func (t *Tree) Root(event int) Hash { return t.outer[event] }

// Roots are the roots of the groups of an event in order.
func (t *Tree) Roots(event int) []Hash {
	e := &t.events[event]
	return t.inner[e.group : e.group+e.groups]
}

// EventKey is K_event of the nth group of an event, derived or opened.
func (t *Tree) EventKey(event, n int) Hash { return t.groups[t.events[event].group+n].hash }

// Tags puts the tags that were asked for an event into their places.
func (t *Tree) Tags(event int, dst *[3][16]byte) {
	for i := t.events[event].tag; i < t.events[event].end; i++ {
		dst[t.tags[i].role] = [16]byte(t.sums[i][:16])
	}
}
