package field

import (
	"strings"
	"sync"

	"probity.dev/ledger/event"
)

// Classifier implements [event.Classifier]. It is safe for concurrent use and keeps no values.
type Classifier struct {
	catalogue *Catalogue
	cache     *cache
	// envelope holds what every event has and no rule of the catalogue speaks about, whatever the action.
	envelope map[string]decision
	rules    sync.Map // of *rule by decision
}

var _ event.Ruler = (*Classifier)(nil)

// changeMember marks a change path in the cache; no member of an object has this name.
const changeMember = "\x00change"

// New returns a classifier that asks the given catalogue first (nil: the built-in one only). A change of the catalogue needs a
// new classifier.
func New(catalogue *Catalogue) *Classifier {
	if catalogue == nil {
		catalogue = Builtin()
	}
	c := &Classifier{catalogue: catalogue, cache: newCache(), envelope: make(map[string]decision)}
	for path, d := range envelopeFields {
		if !catalogue.speaksOf(strings.Split(path, "/")) {
			c.envelope["/"+path] = d
		}
	}
	return c
}

// Classify says what the value at a JSON pointer of an event holds. Use [Classifier.ClassifyChange] for the values in
// /changes/N/before and /changes/N/after, whose own path does not name them.
func (c *Classifier) Classify(action, path string, value []byte) event.Class {
	if strings.HasPrefix(path, "/data/") { // what most fields are, and the envelope has none of
		return c.judge(c.decide(action, path, ""), action, path, value)
	}
	name := normalise(path)
	d, ok := c.envelope[name]
	if !ok {
		d = c.decide(action, name, "")
	}
	return c.judge(d, action, path, value)
}

// ClassifyChange says what the before or after value of a change holds, from the change's own path: a JSON pointer ("/price") or
// a dotted name ("billing.phone").
func (c *Classifier) ClassifyChange(action, changePath string, value []byte) event.Class {
	return c.judge(c.decide(action, changePath, changeMember), action, changePath, value)
}

// rule is a decision about a name.
type rule struct {
	c        *Classifier
	decision decision
}

// Class implements [event.Rule].
func (r *rule) Class(action, path string, value []byte) event.Class {
	return r.c.judge(r.decision, action, path, value)
}

// Rule implements [event.Ruler].
func (c *Classifier) Rule(action, path string) event.Rule {
	name := normalise(path)
	d, ok := c.envelope[name]
	if !ok {
		d = c.decide(action, name, "")
	}
	return c.ruleOf(d)
}

// ChangeRule implements [event.Ruler].
func (c *Classifier) ChangeRule(action, changePath string) event.Rule {
	return c.ruleOf(c.decide(action, changePath, changeMember))
}

// ruleOf returns the one rule with a decision, of which there are a few dozen.
func (c *Classifier) ruleOf(d decision) *rule {
	if r, ok := c.rules.Load(d); ok {
		return r.(*rule)
	}
	r, _ := c.rules.LoadOrStore(d, &rule{c, d})
	return r.(*rule)
}

// normalise folds the changes of an event onto one path: their number says nothing about them.
func normalise(path string) string {
	const prefix = "/changes/"
	if len(path) <= len(prefix) || path[:len(prefix)] != prefix {
		return path
	}
	i := len(prefix)
	for i < len(path) && isDigit(path[i]) {
		i++
	}
	switch path[i:] {
	case "/path":
		return "/changes/0/path"
	case "/op":
		return "/changes/0/op"
	case "/before", "/after":
		return "/changes/0/before"
	}
	return path
}

// decide returns what a name says, from the cache when it was asked before. member is the name of a member within the value at
// path, changeMember when path is a change's, or "".
func (c *Classifier) decide(action, path, member string) decision {
	e, at := c.cache.get(action, path, member)
	if e != nil {
		return e.decision
	}
	d := c.decideNow(action, path, member)
	c.cache.put(at, action, path, member, d)
	return d
}

func (c *Classifier) decideNow(action, path, member string) decision {
	segments := pointer(path)
	switch member {
	case changeMember:
		segments = append([]string{"changes"}, segments...)
	case "":
	default:
		segments = append(segments, member)
	}
	if d, ok := c.catalogue.decide(action, segments); ok {
		return d
	}
	object := actionObject(action)
	segments = undotted(segments)
	if member == changeMember {
		return byName(segments[1:], object)
	}
	if member == "" {
		if d, ok := envelope(segments, object); ok {
			return d
		}
	}
	if len(segments) > 0 {
		switch segments[0] {
		case "data", "custom", "context":
			return byName(segments[1:], "")
		case "actor", "subject":
			return ofPerson(segments[1:], segments[0])
		}
	}
	return byName(segments, "")
}

// pointer splits a JSON pointer, or a dotted name, into its unescaped segments.
func pointer(path string) []string {
	if !strings.HasPrefix(path, "/") {
		return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '/' || r == '[' || r == ']' })
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if strings.IndexByte(s, '~') >= 0 {
			segments[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
		}
	}
	return segments
}

// undotted takes dotted names apart, which producers and the event model use for members of members.
func undotted(segments []string) []string {
	for i, s := range segments {
		if i > 0 && strings.IndexByte(s, '.') > 0 {
			out := append([]string{}, segments[:i]...)
			for _, s := range segments[i:] {
				out = append(out, strings.Split(s, ".")...)
			}
			return out
		}
	}
	return segments
}

// actionObject returns what an action is about: "client" of "crm.client.update".
func actionObject(action string) string {
	end := strings.LastIndexAny(action, ".:/")
	if end < 0 {
		return ""
	}
	return action[strings.LastIndexAny(action[:end], ".:/")+1 : end]
}

// PersonType reports whether an actor or resource type stands for a person. The type's last word decides: "tenant_user" and
// "portal:patient" are persons, "user_group" is not.
func (c *Classifier) PersonType(typ string) bool {
	if isPersonWord(typ) {
		return true
	}
	i := strings.LastIndexAny(typ, "_.-:/ ")
	if i >= 0 && isPersonWord(typ[i+1:]) {
		return true
	}
	for i := range len(typ) {
		if typ[i]-'A' < 26 {
			words := splitWords(typ)
			return len(words) > 0 && isPersonWord(words[len(words)-1])
		}
	}
	return false
}

func isPersonWord(w string) bool {
	if personWords[w] {
		return true
	}
	return len(w) > 3 && w[len(w)-1] == 's' && personWords[w[:len(w)-1]]
}

// Suspicious reports whether a string that is to be stored in clear holds an e-mail address, a card, account, telephone or
// national number, an IP address, a secret, or nine digits in a row that are not part of a UUID or a digest.
func (c *Classifier) Suspicious(clear string) bool {
	return suspicious(clear)
}
