package evidence

import (
	"encoding/binary"
	"sync/atomic"

	"probity.dev/internal/errs"
	"probity.dev/internal/sha256n"
)

// KeyedGroup is a group of an event for somebody who holds the keys: open, with its G, or erased, with its root.
type KeyedGroup struct {
	Slot uint8
	// G is nil for an erased group, Root for an open one.
	G, Root *Hash
	// Paths are those of the fields, nil for an erased group, and Values their verbatim JSON in the same order.
	Paths  *Paths
	Values []string
}

// Paths are the paths of the fields of a group. They never change, so events that have the same are known to be alike without comparing them.
type Paths struct {
	id    uint64   // no two have the same
	paths []string // each behind its length, as it is hashed
}

var pathsMade atomic.Uint64

// NewPaths refuses paths that are empty, longer than 65,535 bytes, not in ascending order or more than [MaxFields].
func NewPaths(paths ...string) (*Paths, error) {
	if len(paths) > MaxFields {
		return nil, errs.New(errs.Invalid, "a group has more than %d fields", MaxFields)
	}
	p := &Paths{id: pathsMade.Add(1)}
	last := ""
	for i, path := range paths {
		if path <= last || len(path) > 0xffff {
			return nil, errs.New(errs.Invalid, "field %d of a group is malformed or out of order", i)
		}
		last = path
		p.paths = append(p.paths, string(binary.BigEndian.AppendUint16(nil, uint16(len(path))))+path)
	}
	return p, nil
}

// Len is how many there are.
func (p *Paths) Len() int { return len(p.paths) }

// Find returns the place of a path, -1 when it is not among them.
func (p *Paths) Find(path string) int {
	for i, x := range p.paths {
		if x[2:] == path {
			return i
		}
	}
	return -1
}

// KeyedTree computes fields_root and tags of many events of which all keys are known, like [Tree], for those who check millions of them: what the events of one layout have in common is checked and
// written once.
//
// [KeyedTree.Reset] begins. For each event there is [KeyedTree.Add], then [KeyedTree.Tag] and [KeyedTree.ResourceTag]. [KeyedTree.Hash] computes everything; afterwards the results are there to be
// read until the next Reset. The tree keeps copies of all that it is given. The zero value is ready. It is not safe for concurrent use.
type KeyedTree struct {
	layouts layouts

	events []keyedEvent
	open   int     // groups
	roles  []uint8 // of the tags, by number

	// Messages have a gap for what the hashes of an earlier kind put there.
	keys, commits, roots, all sha256n.Chain
	resources, tagged         sha256n.Chain
	// salts are put together from K_event and a text for each path, of which there are few.
	salts  sha256n.Overlay
	fields map[string]*layoutField // by path behind its length

	eventKeys         []byte // a block for each open group, with zeroes around the hash
	fieldsRoots, tags []byte // hashes, one after the other
}

type keyedEvent struct {
	nonce [16]byte
	tag   int // the first
}

// Reset forgets all events.
func (t *KeyedTree) Reset() {
	t.events, t.open, t.roles = t.events[:0], 0, t.roles[:0]
	for _, c := range [...]*sha256n.Chain{&t.keys, &t.commits, &t.roots, &t.all, &t.resources, &t.tagged} {
		c.Reset()
	}
	t.salts.Reset()
	if t.salts.Size() > pathBytes {
		t.salts.Forget()
		clear(t.fields)
		t.layouts = layouts{}
	}
}

// Len is the number of events.
func (t *KeyedTree) Len() int { return len(t.events) }

// Full reports whether the values of the events take so much memory that they ought to be hashed.
func (t *KeyedTree) Full() bool { return len(t.commits.Bytes()) > keyedBytes }

// keyedBytes is far below what a [sha256n.Chain] can hold.
const keyedBytes = 16 << 20

// pathBytes is how much the texts with paths may take before those of a log that has ever new ones are forgotten.
const pathBytes = 1 << 20

// field returns what the fields of a path, which stands behind its length, have in common.
func (t *KeyedTree) field(path string) *layoutField {
	f := t.fields[path]
	if f == nil {
		m := make([]byte, 33, 33+len(path))
		m[0] = domainSalt
		m = append(m, path...)
		f = &layoutField{salt: t.salts.Text(m), saltBlocks: sha256n.Blocks(len(m))}
		if m[0] = domainField; len(m) <= len(f.head) {
			f.begun = copy(f.head[:], m)
		}
		if t.fields == nil {
			t.fields = map[string]*layoutField{}
		}
		t.fields[path] = f
	}
	return f
}

// Add adds an event and returns its number. It refuses groups that are out of order, paths without a value, more than [MaxFields] fields, and a path that has two values.
func (t *KeyedTree) Add(nonce *[16]byte, groups []KeyedGroup) (event int, err error) {
	l, err := t.layouts.get(groups, t.field)
	if err != nil {
		return 0, err
	}
	for i := range groups {
		if p := groups[i].Paths; p != nil && len(groups[i].Values) != len(p.paths) {
			return 0, errs.New(errs.Invalid, "group %d of the event does not have a value for each path", groups[i].Slot)
		}
		for _, v := range groups[i].Values {
			if v == "" {
				return 0, errs.New(errs.Invalid, "a field of group %d is empty", groups[i].Slot)
			}
		}
	}
	event = len(t.events)
	t.events = append(t.events, keyedEvent{nonce: *nonce, tag: len(t.roles)})
	all, m := t.all.Message(2+hashSize*len(groups), hashSize*event)
	m[0], m[1] = domainFields, byte(len(groups))
	for i := range groups {
		g := &groups[i]
		place := all + 2 + hashSize*i
		if g.Root != nil {
			copy(t.all.Bytes()[place:], g.Root[:])
			continue
		}
		key := sha256n.BlockSize * t.open
		t.open++
		_, m := t.keys.Message(50, key+1)
		m[0], m[49] = domainEvent, g.Slot
		copy(m[1:33], g.G[:])
		copy(m[33:49], nonce[:])
		n := len(g.Values)
		root, m := t.roots.Message(4+hashSize*n, place)
		m[0], m[1], m[2], m[3] = domainGroup, g.Slot, byte(n>>8), byte(n)
		fields := l.groups[i].fields[:n]
		for k, v := range g.Values {
			f := fields[k]
			at := t.commit(f, g.Paths.paths[k], v, root+4+hashSize*k)
			t.salts.Add(f.salt, f.saltBlocks, key, at+1)
		}
	}
	return event, nil
}

// commit adds the message of a commitment, and returns where it is.
func (t *KeyedTree) commit(f *layoutField, path, value string, to int) (at int) {
	if f.begun > 0 {
		at, m := t.commits.Begun(&f.head, f.begun+len(value), to)
		copy(m[f.begun:], value)
		return at
	}
	at, m := t.commits.Message(33+len(path)+len(value), to)
	m[0] = domainField
	copy(m[33+copy(m[33:], path):], value)
	return at
}

// Tag asks for the search tag of a role, below 3, of the event added last, under K_tag.
func (t *KeyedTree) Tag(role uint8, key *Hash) { copy(t.tag(role)[1:33], key[:]) }

// ResourceTag asks for the search tag of a resource that stands for nobody, under the secret of [ResourceTags], of the event added last. Type and id of more than 65,535 bytes are a caller's error.
func (t *KeyedTree) ResourceTag(tags *Hash, typ, id string) {
	at := len(t.tagged.Bytes())
	t.tag(RoleResource)
	_, m := t.resources.Message(resourceSize(typ, id), at+1)
	resourceMessage(m, tags, typ, id)
}

// tag adds the message of a tag, whose key, at 1 to 33, is left to the caller.
func (t *KeyedTree) tag(role uint8) []byte {
	_, m := t.tagged.Message(50, hashSize*len(t.roles))
	m[0], m[49] = domainTag, role
	copy(m[33:49], t.events[len(t.events)-1].nonce[:])
	t.roles = append(t.roles, role)
	return m
}

// Hash computes everything.
func (t *KeyedTree) Hash() {
	if n := sha256n.BlockSize * t.open; len(t.eventKeys) < n {
		t.eventKeys = make([]byte, n+n/2)
	}
	t.fieldsRoots = sized(t.fieldsRoots, len(t.events))
	t.tags = sized(t.tags, len(t.roles))
	t.keys.Hash(t.eventKeys)
	t.salts.Hash(t.commits.Bytes(), t.eventKeys)
	t.commits.Hash(t.roots.Bytes())
	t.roots.Hash(t.all.Bytes())
	t.all.Hash(t.fieldsRoots)
	t.resources.Hash(t.tagged.Bytes())
	t.tagged.Hash(t.tags)
}

const hashSize = len(Hash{})

// sized returns memory for n hashes.
func sized(b []byte, n int) []byte {
	if cap(b) < hashSize*n {
		return make([]byte, hashSize*n)
	}
	return b[:hashSize*n]
}

// Root returns fields_root of an event. It is valid until the next Hash.
func (t *KeyedTree) Root(event int) *Hash { return (*Hash)(t.fieldsRoots[hashSize*event:]) }

// Tags puts the tags that were asked for an event into their places.
func (t *KeyedTree) Tags(event int, dst *[3][16]byte) {
	end := len(t.roles)
	if event+1 < len(t.events) {
		end = t.events[event+1].tag
	}
	for i := t.events[event].tag; i < end; i++ {
		dst[t.roles[i]] = [16]byte(t.tags[hashSize*i:])
	}
}
