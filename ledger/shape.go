package ledger

import (
	"strings"
	"sync"

	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
)

// A shape says which fields an event has, in which groups, and where each value is kept. It is text, has few distinct values in a log, and
// holds no personal data: paths are checked, names that look personal never become part of one.
//
//	shape = group *( ";" group );  group = owners 1*( " " part path [ "=" category ] );  owners = "-" / "0".."7";  part = "c" / "r" / "s" / "p"
//
// owners is the sum of [event.Owners]; "-" is slot 0, the tenant's operational data; "0" is the tenant's encrypted data. A part says where the value is: in the
// row's clear values (c), in the row's column of the same name, without its quotes (r), in the group's ciphertext (s) or in the owner's profile (p). Groups are in slot order, fields in order of path.
type shape struct {
	text   string
	groups []shapeGroup
	fields int
	// Where /resource/id is: the group, -1 when there is none, and the field.
	resource, resourceField int
	// has says of each column whether there is a field at its path, and own whether the field's value is taken from it.
	has, own [columnSeverity + 1]bool
}

type shapeGroup struct {
	slot   uint8
	clear  bool
	owners event.Owners
	fields []shapeField
	sealed bool // has at least one part s
	pinned bool // has at least one part p
	// paths are those of the fields for a verifier, nil when they are not what an event can have.
	paths *evidence.Paths
}

type shapeField struct {
	path     string
	category string
	part     byte
	column   columnOf // for part r
	order    int      // position among all fields of the event, sorted by path
}

// maxShapes bounds the cache of parsed shapes; a log with more distinct ones parses again.
const maxShapes = 20_000

type shapeCache struct {
	mu sync.RWMutex
	m  map[string]*shape
}

func (c *shapeCache) get(s string) *shape {
	c.mu.RLock()
	p, ok := c.m[s]
	c.mu.RUnlock()
	if ok {
		return p
	}
	s = strings.Clone(s)
	p = parseShape(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxShapes {
		c.m = map[string]*shape{}
	}
	c.m[s] = p
	return p
}

// parseShape never fails: what it does not understand yields a shape whose values do not decode, which the reader reports.
func parseShape(s string) *shape {
	p := &shape{text: s, resource: -1}
	slot := uint8(1)
	for g := range strings.SplitSeq(s, ";") {
		head, rest, _ := strings.Cut(g, " ")
		grp := shapeGroup{slot: slot, clear: head == "-"}
		switch {
		case grp.clear:
			grp.slot = 0
		case len(head) == 1 && head[0] >= '0' && head[0] <= '7':
			grp.owners = event.Owners(head[0] - '0')
			slot++
		default:
			continue
		}
		paths := make([]string, 0, 16)
		for item := range strings.SplitSeq(rest, " ") {
			if len(item) < 2 {
				continue
			}
			path, category, _ := strings.Cut(item[1:], "=")
			if path == "/resource/id" {
				p.resource, p.resourceField = len(p.groups), len(grp.fields)
			}
			paths = append(paths, path)
			column := columnOfPath(path)
			p.has[column], p.own[column] = true, p.own[column] || item[0] == 'r'
			grp.fields = append(grp.fields, shapeField{path: path, category: category, part: item[0], column: column})
			grp.sealed = grp.sealed || item[0] == 's'
			grp.pinned = grp.pinned || item[0] == 'p'
			p.fields++
		}
		grp.paths, _ = evidence.NewPaths(paths...)
		p.groups = append(p.groups, grp)
	}
	p.number()
	return p
}

// number gives every field its position in order of path.
func (p *shape) number() {
	all := make([]*shapeField, 0, p.fields)
	for i := range p.groups {
		for j := range p.groups[i].fields {
			all = append(all, &p.groups[i].fields[j])
		}
	}
	for _, f := range all {
		for _, g := range all {
			if g.path < f.path {
				f.order++
			}
		}
	}
}
