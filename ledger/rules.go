package ledger

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"probity.dev/ledger/event"
)

// rulebook remembers, by action, what the names of fields say. The fields of an event and the rules for its action are in the same order, so one is read along the other: a hash of
// action and path for each field touches more memory than stays in the caches of a processor.
type rulebook struct {
	ruler   event.Ruler
	growing sync.Mutex
	actions atomic.Pointer[map[string]*ruleSet]
}

const (
	maxRuleSets = 1024 // further actions are classified without
	maxRules    = 128  // of an action
)

// ruleSet is the rules for one action, in order of path. What it points to is replaced, never changed.
type ruleSet struct {
	rules atomic.Pointer[[]fieldRule]
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
	s.rules.Store(new([]fieldRule))
	m[strings.Clone(action)] = s
	b.actions.Store(&m)
	return s
}

// reading is one event's way through the rules for its action.
type reading struct {
	b      *rulebook
	action string
	set    *ruleSet
	rules  []fieldRule
	at     int
}

func (b *rulebook) read(action string) reading {
	r := reading{b: b, action: action, set: b.of(action)}
	if r.set != nil {
		r.rules = *r.set.rules.Load()
	}
	return r
}

// find returns the rule for a path, and for a changed value the path of the change. It is quick when it is called in order of path.
func (r *reading) find(path, change string) *fieldRule {
	for i := r.at; i < len(r.rules); i++ {
		if f := &r.rules[i]; f.path == path && f.change == change {
			r.at = i
			return f
		}
	}
	for i := range r.rules[:r.at] {
		if f := &r.rules[i]; f.path == path && f.change == change {
			return f
		}
	}
	return r.make(path, change)
}

// make makes a rule, and remembers it unless there are too many. Whoever makes long names up must not fill the memory.
func (r *reading) make(path, change string) *fieldRule {
	f := &fieldRule{path: path, area: areaOf(path), repeats: repeats(path)}
	if change != "" {
		f.change = strings.Clone(change) // it is a part of a request; a path never is
		f.rule = r.b.ruler.ChangeRule(r.action, change)
	} else {
		f.rule = r.b.ruler.Rule(r.action, path)
	}
	if r.set == nil || len(path)+len(change) > 256 {
		return f
	}
	r.b.growing.Lock()
	defer r.b.growing.Unlock()
	old := *r.set.rules.Load()
	at, known := slices.BinarySearchFunc(old, f, func(x fieldRule, f *fieldRule) int {
		return cmp.Or(strings.Compare(x.path, f.path), strings.Compare(x.change, f.change))
	})
	if !known && len(old) < maxRules {
		rules := slices.Insert(slices.Clone(old), at, *f)
		r.set.rules.Store(&rules)
	}
	return f
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
	change bool
}

// Rule implements [event.Ruler].
func (r plainRuler) Rule(string, string) event.Rule { return plainRule{r.Classifier, false} }

// ChangeRule implements [event.Ruler].
func (r plainRuler) ChangeRule(string, string) event.Rule { return plainRule{r.Classifier, true} }

// Class implements [event.Rule].
func (r plainRule) Class(action, path string, value []byte) event.Class {
	if r.change {
		return r.ClassifyChange(action, path, value)
	}
	return r.Classify(action, path, value)
}
