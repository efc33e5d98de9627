package ledger

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"probity.dev/ledger/event"
)

// rulebook remembers, by action, what the names of fields say, so that a field of an event is looked up by a few bytes of its path instead of a hash of action and path.
type rulebook struct {
	ruler   event.Ruler
	growing sync.Mutex
	actions atomic.Pointer[map[string]*ruleSet]
}

const (
	maxRuleSets = 1024 // further actions are classified without
	ruleSlots   = 64   // a power of two
	ruleWays    = 4
)

// ruleSet is a fixed table of atomically replaced entries, the rules for one action.
type ruleSet struct {
	slots [ruleSlots]atomic.Pointer[fieldRule]
}

// fieldRule is all that follows from the path of a field, and, for a changed value, from the path of the change.
type fieldRule struct {
	path, change string
	rule         event.Rule
	area         area
	repeats      bool
}

// area is the part of the event in which a field is.
type area uint8

const (
	elsewhere area = iota
	inActor
	inSubject
	inResource
	inContext
)

func newRulebook(c event.Classifier) *rulebook {
	r, ok := c.(event.Ruler)
	if !ok {
		r = plainRuler{c}
	}
	b := &rulebook{ruler: r}
	b.actions.Store(&map[string]*ruleSet{})
	return b
}

// of returns the rules for an action, nil when there are too many actions.
func (b *rulebook) of(action string) *ruleSet {
	if s, ok := (*b.actions.Load())[action]; ok {
		return s
	}
	b.growing.Lock()
	defer b.growing.Unlock()
	old := *b.actions.Load()
	if s, ok := old[action]; ok || len(old) >= maxRuleSets {
		return s
	}
	m := make(map[string]*ruleSet, len(old)+1)
	maps.Copy(m, old)
	s := new(ruleSet)
	m[strings.Clone(action)] = s
	b.actions.Store(&m)
	return s
}

// find returns the rule for a path, and for a changed value the path of the change. Set may be nil.
func (b *rulebook) find(set *ruleSet, action, path, change string) *fieldRule {
	if set == nil {
		return b.make(action, path, change)
	}
	n := len(path)
	at := (uint32(n) ^ uint32(path[n-1])<<8 ^ uint32(path[n/2])<<16 ^ uint32(path[n-n/4-1])<<24) * 0x9e3779b1 >> 26
	var slot *atomic.Pointer[fieldRule]
	for i := range uint32(ruleWays) {
		slot = &set.slots[(at+i)%ruleSlots]
		r := slot.Load()
		if r == nil {
			break
		}
		if r.path == path && r.change == change {
			return r
		}
	}
	// A long name is not worth keeping, and whoever makes names up must not fill the memory.
	r := b.make(strings.Clone(action), strings.Clone(path), strings.Clone(change))
	if n+len(change) <= 256 {
		slot.Store(r)
	}
	return r
}

func (b *rulebook) make(action, path, change string) *fieldRule {
	r := &fieldRule{path: path, change: change, area: areaOf(path), repeats: repeats(path)}
	if change != "" {
		r.rule = b.ruler.ChangeRule(action, change)
	} else {
		r.rule = b.ruler.Rule(action, path)
	}
	return r
}

func areaOf(path string) area {
	for a, prefix := range [...]string{inActor: "/actor/", inSubject: "/subject/", inResource: "/resource/", inContext: "/context/"} {
		if prefix != "" && strings.HasPrefix(path, prefix) {
			return area(a)
		}
	}
	return elsewhere
}

// plainRuler makes rules of a classifier that has none.
type plainRuler struct{ event.Classifier }

type plainRule struct {
	event.Classifier
	action, path string
	change       bool
}

// Rule implements [event.Ruler].
func (r plainRuler) Rule(action, path string) event.Rule {
	return plainRule{r.Classifier, action, path, false}
}

// ChangeRule implements [event.Ruler].
func (r plainRuler) ChangeRule(action, changePath string) event.Rule {
	return plainRule{r.Classifier, action, changePath, true}
}

// Class implements [event.Rule].
func (r plainRule) Class(value []byte) event.Class {
	if r.change {
		return r.ClassifyChange(r.action, r.path, value)
	}
	return r.Classify(r.action, r.path, value)
}
