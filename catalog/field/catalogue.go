package field

import (
	"bytes"
	_ "embed"
	"errors"
	"io"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"probity.dev/internal/errs"
	"probity.dev/internal/glob"
	"probity.dev/ledger/event"
)

// Limits of a catalogue.
const (
	MaxCatalogueBytes = 1 << 20
	MaxCatalogueRules = 10_000
)

// Rule says what the fields at a path hold in the events of an action.
type Rule struct {
	// Action is a glob over actions: "*" stands for any run of characters, as in "invoice.*". Empty means every action.
	Action string `yaml:"action,omitempty"`
	// Path is a glob over JSON pointers: "*" stands for one segment or a part of one, "**" for any number of segments. The values
	// of changes are found under "/changes" and the change's own path: "/changes/price".
	Path string `yaml:"path"`
	// Category is a Fideslang key such as "user.contact.email"; required for personal fields.
	Category string `yaml:"category,omitempty"`
	// Kind is operational (kept in clear, whatever the value), checked (operational as long as nothing in the value looks
	// personal), personal, or unknown (encrypted under everybody the event names). Personal when empty.
	Kind string `yaml:"kind,omitempty"`
}

// Catalogue is an ordered list of rules; the first that matches decides.
type Catalogue struct {
	rules []compiledRule
}

type compiledRule struct {
	action   string
	path     []string
	decision decision
}

//go:embed builtin.yaml
var builtinYAML []byte

// Builtin returns the rules that are part of the product; they come after an operator's own.
var Builtin = sync.OnceValue(func() *Catalogue {
	c, err := parse(builtinYAML)
	if err != nil {
		panic(err) // a test parses the same bytes
	}
	return c
})

// Parse reads a catalogue from YAML: a mapping with a list "rules" (see [Rule]). The built-in rules apply after it. Errors are
// [errs.Invalid] and name the rule.
func Parse(text []byte) (*Catalogue, error) {
	c, err := parse(text)
	if err != nil {
		return nil, err
	}
	c.rules = append(c.rules, Builtin().rules...)
	return c, nil
}

// NewCatalogue makes a catalogue of the given rules followed by the built-in ones.
func NewCatalogue(rules ...Rule) (*Catalogue, error) {
	c, err := compile(rules)
	if err != nil {
		return nil, err
	}
	c.rules = append(c.rules, Builtin().rules...)
	return c, nil
}

func parse(text []byte) (*Catalogue, error) {
	if len(text) > MaxCatalogueBytes {
		return nil, errs.New(errs.TooLarge, "A field catalogue may have at most %d bytes.", MaxCatalogueBytes)
	}
	var file struct {
		Rules []Rule `yaml:"rules"`
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, errs.Wrap(errs.Invalid, err, "The field catalogue is not valid YAML of the expected form.")
	}
	return compile(file.Rules)
}

func compile(rules []Rule) (*Catalogue, error) {
	if len(rules) > MaxCatalogueRules {
		return nil, errs.New(errs.TooLarge, "A field catalogue may have at most %d rules.", MaxCatalogueRules)
	}
	c := &Catalogue{rules: make([]compiledRule, 0, len(rules))}
	for i, r := range rules {
		d, err := r.decision(i)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(r.Path, "/") {
			return nil, errs.New(errs.Invalid, "Rule %d of the field catalogue: path must begin with a slash.", i+1)
		}
		if strings.Count(r.Path, "**") > 2 {
			return nil, errs.New(errs.Invalid, "Rule %d of the field catalogue: path may hold ** twice at most.", i+1)
		}
		action := r.Action
		if action == "" {
			action = "*"
		}
		c.rules = append(c.rules, compiledRule{action: action, path: pointer(r.Path), decision: d})
	}
	return c, nil
}

func (r Rule) decision(i int) (decision, error) {
	if r.Category != "" && !validCategory(r.Category) {
		return decision{}, errs.New(errs.Invalid, "Rule %d of the field catalogue: category must be a key such as user.contact.email.", i+1)
	}
	class := event.Class{Category: r.Category}
	switch r.Kind {
	case "operational", "checked":
		if r.Category != "" {
			return decision{}, errs.New(errs.Invalid, "Rule %d of the field catalogue: operational fields have no category.", i+1)
		}
		class.Kind = event.Operational
		if r.Kind == "checked" {
			return decision{manner: asText}, nil
		}
	case "personal", "":
		if r.Category == "" {
			return decision{}, errs.New(errs.Invalid, "Rule %d of the field catalogue: a personal field needs a category.", i+1)
		}
		class.Kind = event.Personal
	case "unknown":
		class.Kind = event.Unknown
	default:
		return decision{}, errs.New(errs.Invalid, "Rule %d of the field catalogue: kind must be operational, checked, personal or unknown.", i+1)
	}
	return decision{manner: fixed, class: class}, nil
}

// validCategory: dotted lower-case words below "user" or "system".
func validCategory(s string) bool {
	if !Within(s, "user") && !Within(s, "system") {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '_' && (c != '.' || i+1 == len(s) || s[i-1] == '.') {
			return false
		}
	}
	return len(s) <= 128
}

func (c *Catalogue) decide(action string, segments []string) (decision, bool) {
	for i := range c.rules {
		if r := &c.rules[i]; matchPath(r.path, segments) && glob.Match(r.action, action) {
			return r.decision, true
		}
	}
	return decision{}, false
}

// speaksOf reports whether a rule about any action matches the path.
func (c *Catalogue) speaksOf(segments []string) bool {
	for i := range c.rules {
		if matchPath(c.rules[i].path, segments) {
			return true
		}
	}
	return false
}

// matchPath matches segments against a path glob.
func matchPath(pattern, segments []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := 0; i <= len(segments); i++ {
				if matchPath(pattern[1:], segments[i:]) {
					return true
				}
			}
			return false
		}
		if len(segments) == 0 || !glob.Match(pattern[0], segments[0]) {
			return false
		}
		pattern, segments = pattern[1:], segments[1:]
	}
	return len(segments) == 0
}
