package bundle

import (
	"strings"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// Kinds of clause.
const (
	// KindClear compares a clear string of the leaf with Values, in which * stands for any text; one must match.
	KindClear = "clear"
	// KindTime wants From ≤ time < To.
	KindTime = "time"
	// KindTag wants a tag of the leaf, in one of Roles, to be that of a disclosed K_tag.
	KindTag = "tag"
	// KindClaim is anything that leaves cannot show. That the events meet it, and that no others do, is the sender's word.
	KindClaim = "claim"
)

// Clause is one condition of a filter.
type Clause struct {
	Kind string `json:"kind"`
	// Field is a clear field (source, action, category, activity, outcome, resource_type), a time (recorded_at, occurred_at), or, for tags
	// and claims, what the sender calls it (actor, text, ...).
	Field  string   `json:"field"`
	Values []string `json:"values,omitempty"`
	// From and To are microseconds since 1970 UTC; nil means no bound.
	From *int64 `json:"from,omitempty"`
	To   *int64 `json:"to,omitempty"`
	// Roles of a tag clause: actor, subject, resource.
	Roles []string `json:"roles,omitempty"`
	// Text says in words what a tag or claim clause asks for.
	Text string `json:"text,omitempty"`
}

var clearFields = map[string]func(v *evidence.View) []byte{
	"source":        func(v *evidence.View) []byte { return v.Source },
	"action":        func(v *evidence.View) []byte { return v.Action },
	"category":      func(v *evidence.View) []byte { return v.Category },
	"activity":      func(v *evidence.View) []byte { return v.Activity },
	"outcome":       func(v *evidence.View) []byte { return v.Outcome },
	"resource_type": func(v *evidence.View) []byte { return v.ResourceType },
}

var timeFields = map[string]func(v *evidence.View) int64{
	"recorded_at": func(v *evidence.View) int64 { return v.RecordedAt },
	"occurred_at": func(v *evidence.View) int64 { return v.OccurredAt },
}

var roles = map[string]uint8{"actor": evidence.RoleActor, "subject": evidence.RoleSubject, "resource": evidence.RoleResource}

// Provable reports whether a clear field of that name exists, so that a clause on it can be of kind clear.
func Provable(field string) bool { return clearFields[field] != nil }

func (c *Clause) check() error {
	ok := false
	switch c.Kind {
	case KindClear:
		ok = clearFields[c.Field] != nil && len(c.Values) > 0 && len(c.Values) <= 10_000 && c.From == nil && c.To == nil && c.Roles == nil
	case KindTime:
		ok = timeFields[c.Field] != nil && (c.From != nil || c.To != nil) && c.Values == nil && c.Roles == nil
	case KindTag:
		ok = len(c.Roles) > 0 && len(c.Roles) <= 3 && c.Values == nil && c.From == nil && c.To == nil
		for _, r := range c.Roles {
			_, known := roles[r]
			ok = ok && known
		}
	case KindClaim:
		ok = c.Field != "" && c.Roles == nil
	}
	if !ok {
		return errs.New(errs.Invalid, "the filter has a clause that is malformed (kind %.20q, field %.40q)", c.Kind, c.Field)
	}
	return nil
}

// claims describes the clauses that nothing proves.
func claims(filter []Clause) []string {
	out := []string{}
	for _, c := range filter {
		if c.Kind == KindClaim {
			out = append(out, strings.TrimSpace(c.Field+" "+c.Text))
		}
	}
	return out
}

// Matcher evaluates the provable clauses of a filter on leaves. It is not safe for concurrent use; see [Matcher.Clone].
type Matcher struct {
	clauses []Clause
	keys    map[tagSlot][]evidence.Hash
	derive  evidence.Deriver
	// Used reports, after matching, which keys have matched a leaf, and Needed which periods of a tag clause have been looked at.
	used   map[tagSlot]bool
	needed map[tagSlot]bool
}

type tagSlot struct {
	clause int
	role   uint8
	period int
}

// NewMatcher prepares a filter with the disclosed tag keys.
func NewMatcher(filter []Clause, keys []TagKey) (*Matcher, error) {
	m := &Matcher{clauses: filter, keys: map[tagSlot][]evidence.Hash{}, used: map[tagSlot]bool{}, needed: map[tagSlot]bool{}}
	if len(keys) > maxTagKeys {
		return nil, errs.New(errs.Invalid, "the bundle discloses more than %d tag keys", maxTagKeys)
	}
	for _, k := range keys {
		role, ok := roles[k.Role]
		if !ok || k.Clause < 0 || k.Clause >= len(filter) || filter[k.Clause].Kind != KindTag {
			return nil, errs.New(errs.Invalid, "the bundle discloses a tag key for no clause")
		}
		s := tagSlot{k.Clause, role, k.Period}
		m.keys[s] = append(m.keys[s], evidence.Hash(k.Key))
	}
	return m, nil
}

// Clone returns a matcher for another goroutine.
func (m *Matcher) Clone() *Matcher {
	return &Matcher{clauses: m.clauses, keys: m.keys, used: map[tagSlot]bool{}, needed: map[tagSlot]bool{}}
}

// Merge adds what a clone has noticed.
func (m *Matcher) Merge(c *Matcher) {
	for s := range c.used {
		m.used[s] = true
	}
	for s := range c.needed {
		m.needed[s] = true
	}
}

// Match reports whether a leaf meets every provable clause; why names the first that it does not meet.
func (m *Matcher) Match(v *evidence.View) (ok bool, why string) {
	for i := range m.clauses {
		c := &m.clauses[i]
		switch c.Kind {
		case KindClear:
			ok = matchAny(c.Values, clearFields[c.Field](v))
		case KindTime:
			t := timeFields[c.Field](v)
			ok = (c.From == nil || t >= *c.From) && (c.To == nil || t < *c.To)
		default:
			continue
		}
		if !ok {
			return false, c.Field
		}
	}
	for i := range m.clauses { // tags last: they cost an HMAC
		if c := &m.clauses[i]; c.Kind == KindTag && !m.tag(i, c, v) {
			return false, c.Field
		}
	}
	return true, ""
}

func (m *Matcher) tag(i int, c *Clause, v *evidence.View) bool {
	period := evidence.Period(v.RecordedAt)
	ok := false
	for _, name := range c.Roles {
		s := tagSlot{i, roles[name], period}
		m.needed[s] = true
		for _, k := range m.keys[s] {
			if t := m.derive.Tag(k, [16]byte(v.Nonce), s.role); string(t[:]) == string(v.Tags[s.role]) {
				m.used[s] = true
				ok = true
			}
		}
	}
	return ok
}

// By names the fields of the provable clauses other than times: what a left-out row would have been found by.
func (m *Matcher) By() []string {
	var out []string
	for _, c := range m.clauses {
		if c.Kind == KindClear || c.Kind == KindTag {
			out = append(out, c.Field)
		}
	}
	return out
}

// Gaps lists the months for which a tag clause was evaluated without any key (missing), and those whose keys matched no leaf (silent): that
// a silent month's key is the right one is the sender's word. Months are year*12 + month-1.
func (m *Matcher) Gaps() (missing, silent []int) {
	miss, quiet := map[int]bool{}, map[int]bool{}
	for s := range m.needed {
		if len(m.keys[s]) == 0 {
			miss[s.period] = true
		} else if !m.used[s] {
			quiet[s.period] = true
		}
	}
	return sortedInts(miss), sortedInts(quiet)
}

func sortedInts(m map[int]bool) []int {
	var out []int
	for p := range m {
		at := len(out)
		for at > 0 && out[at-1] > p {
			at--
		}
		out = append(out[:at], append([]int{p}, out[at:]...)...)
	}
	return out
}

func matchAny(patterns []string, s []byte) bool {
	for _, p := range patterns {
		if glob(p, s) {
			return true
		}
	}
	return false
}

// glob matches a pattern in which * stands for any text, also none. It takes linear time per star, without recursion.
func glob(p string, s []byte) bool {
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && p[i] == s[j]:
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(p[i:], "*") == ""
}
