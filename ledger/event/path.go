package event

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Paths of data and custom members are built once and shared, since producers send the same few names again and again. The number
// that is kept is bounded, so that made-up names cost time but no memory.
const (
	maxKids  = 512
	maxNodes = 16384
)

type pathNode struct {
	path string
	kids atomic.Pointer[map[string]*pathNode]
}

var (
	nodes      atomic.Int64
	growing    sync.Mutex
	dataNode   = &pathNode{path: "/data"}
	customNode = &pathNode{path: "/custom"}
)

// child returns the path of a member, and false when its name must not be part of a path.
func (n *pathNode) child(name string) (*pathNode, bool) {
	if m := n.kids.Load(); m != nil {
		if k, ok := (*m)[name]; ok {
			return k, true
		}
	}
	if !plainName(name) {
		return nil, false
	}
	name = strings.Clone(name)
	k := &pathNode{path: n.path + "/" + name}
	n.adopt(name, k)
	return k, true
}

// childText is child for a name that is still in JSON text.
func (n *pathNode) childText(b []byte, t text) (*pathNode, bool) {
	if m := n.kids.Load(); m != nil && !t.escaped {
		if k, ok := (*m)[string(b[t.off:t.end])]; ok {
			return k, true
		}
	}
	return n.child(unquoted(b, t))
}

func (n *pathNode) adopt(name string, k *pathNode) {
	if nodes.Load() >= maxNodes {
		return
	}
	growing.Lock()
	defer growing.Unlock()
	old := n.kids.Load()
	if old == nil {
		n.kids.Store(&map[string]*pathNode{name: k})
		nodes.Add(1)
		return
	}
	if len(*old) >= maxKids {
		return
	}
	m := make(map[string]*pathNode, len(*old)+1)
	for key, v := range *old {
		m[key] = v
	}
	m[name] = k
	n.kids.Store(&m)
	nodes.Add(1)
}

// plainName reports whether a member name may be part of a path. Paths are visible to whoever may see that a field exists, so a
// name that could be a value (an address, a long number) keeps its whole object behind one commitment.
func plainName(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	digits, at := 0, -1
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '.', c == '$', c == '-':
		case c >= '0' && c <= '9':
			digits++
		case c == '@':
			at = i
		default:
			return false
		}
	}
	return digits < 9 && (at <= 0 || strings.IndexByte(s[at:], '.') < 0)
}

type changePaths struct{ whole, after, before, op, path string }

// changePath holds the paths of each change; changeOrder holds the indexes in the order of their paths.
var changePath, changeOrder = func() (p [MaxChanges]changePaths, order [MaxChanges]int) {
	for i := range p {
		w := "/changes/" + strconv.Itoa(i)
		p[i] = changePaths{whole: w, after: w + "/after", before: w + "/before", op: w + "/op", path: w + "/path"}
	}
	n := 0
	var visit func(i int)
	visit = func(i int) {
		order[n] = i
		n++
		for d := 0; d < 10 && i > 0 && i*10+d < MaxChanges; d++ {
			visit(i*10 + d)
		}
	}
	for i := range 10 {
		visit(i)
	}
	return p, order
}()
