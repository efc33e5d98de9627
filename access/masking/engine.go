package masking

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// Finder calls yield for each stretch of personal data in a text, in order and without overlaps.
type Finder func(text string, yield func(start, end int, category string))

// Engine masks by a policy. It is safe for concurrent use.
type Engine struct {
	policy Policy
	key    [32]byte
	find   Finder
	seed   maphash.Seed
	made   *renderings
}

// Option changes an engine.
type Option func(*Engine)

// WithFinder plugs in the detector that the mask [Text] uses; without one it withholds.
func WithFinder(find Finder) Option {
	return func(e *Engine) { e.find = find }
}

// New returns an engine for a policy (see [Policy.Validate]) and the tenant's key for pseudonyms. The same key gives the same
// pseudonyms for ever; whoever has it can test guesses, so it is a secret of the tenant.
func New(policy Policy, key [32]byte, options ...Option) *Engine {
	if policy.purpose.Default == Withhold {
		policy = policy.For("")
	}
	e := &Engine{policy: policy, key: key, seed: maphash.MakeSeed(), made: new(renderings)}
	for _, o := range options {
		o(e)
	}
	return e
}

// For returns the masker of a reader: what the role sees, unmasked when it asks for that and may. An unknown role sees nothing.
// Make it once per request or export.
func (e *Engine) For(role string, unmasked bool) event.Masker {
	return e.Export(role, unmasked, AsSeen)
}

// ForRoles is [Engine.For] for a reader with several roles, who sees what any of them shows.
func (e *Engine) ForRoles(roles []string, unmasked bool) event.Masker {
	return e.ExportRoles(roles, unmasked, AsSeen)
}

// Anonymise returns the masker of an anonymised export by somebody who may see everything.
func (e *Engine) Anonymise(mode Mode) event.Masker {
	return e.reader(Role{Default: Show, Unknown: Show}, mode)
}

// Export returns the masker of an export: of what the reader sees and what the mode leaves, whichever shows less. An unknown mode
// removes as much as [DropNames].
func (e *Engine) Export(role string, unmasked bool, mode Mode) event.Masker {
	return e.ExportRoles([]string{role}, unmasked, mode)
}

// ExportRoles is [Engine.Export] for a reader with several roles, who sees what any of them shows.
func (e *Engine) ExportRoles(roles []string, unmasked bool, mode Mode) event.Masker {
	return e.reader(e.policy.seen(roles, unmasked), mode)
}

func (e *Engine) reader(r Role, mode Mode) *reader {
	m, ok := modes[mode]
	if !ok {
		m = modes[DropNames]
		mode = DropNames
	}
	return &reader{e: e, role: r, mode: m, dropTies: mode == DropNames || e.policy.unlinked, unknown: stronger(stronger(clean(r.Unknown), m.Unknown), e.policy.purpose.Unknown)}
}

func clean(m Mask) Mask {
	if m >= maskCount {
		return Withhold
	}
	return m
}

// reader implements [event.Foreseer].
type reader struct {
	e        *Engine
	role     Role
	mode     Role
	unknown  Mask
	dropTies bool
	// known holds the masks of the categories seen so far; it is replaced, never changed.
	known atomic.Pointer[map[string]Mask]
}

var _ event.Foreseer = (*reader)(nil)

// maxKnown bounds the memory of resolved categories; more are resolved each time.
const maxKnown = 512

// Mask changes r's fields in place. Values that it writes may be shared between records and must not be changed.
func (m *reader) Mask(r *event.Record) {
	for i := range r.Fields {
		m.MaskField(r, i)
	}
	m.MaskRest(r)
}

// MaskField implements [event.Foreseer].
func (m *reader) MaskField(r *event.Record, i int) {
	f := &r.Fields[i]
	if f.Value == nil {
		if f.State == event.Clear || f.State == event.Opened {
			f.State = event.Withheld
		}
		return
	}
	if f.State == event.Clear && m.Shows(f.Path, f.Category) {
		return
	}
	if mask := m.decide(r, f); mask != Show {
		m.apply(r, f, mask)
	}
}

// MaskRest implements [event.Foreseer].
func (m *reader) MaskRest(r *event.Record) {
	if m.dropTies || m.role.Nothing {
		r.ActorHandle, r.SubjectHandle, r.ResourceHandle, r.IPHandle = 0, 0, 0, 0
	}
	if m.role.Nothing {
		r.ID, r.ResourceID, r.CorrelationID = "", "", ""
	}
}

// HidesHandles implements [event.HandleHider].
func (m *reader) HidesHandles() bool { return m.dropTies || m.role.Nothing }

// Shows implements [event.Foreseer].
func (m *reader) Shows(_, category string) bool { return category == "" && !m.role.Nothing }

// Keeps implements [event.Foreseer].
func (m *reader) Keeps(path, category string, person bool) bool {
	return m.maskOf(path, category, person) == Show
}

// Foresee implements [event.Foreseer].
func (m *reader) Foresee(path, category string, text, person bool) (jsontext.Value, event.State, bool) {
	if category == "" && structural(path) && !m.role.Nothing {
		return nil, 0, false
	}
	switch mask := m.maskOf(path, category, person); {
	case mask == Withhold || mask == Drop:
		return nil, event.Withheld, true
	case mask == Redact && text:
		return redacted, event.Masked, true
	}
	return nil, 0, false
}

// Makes implements [event.Foreseer].
func (m *reader) Makes(path, category string, person bool, folded string) bool {
	return m.maskOf(path, category, person).makes(folded)
}

// decide returns the mask of a field.
func (m *reader) decide(r *event.Record, f *event.Field) Mask {
	if f.Category == "" && structural(f.Path) && !m.role.Nothing && plainWords(f.Value) {
		return Show
	}
	return m.maskOf(f.Path, f.Category, r.ResourceHandle != 0)
}

// maskOf is the mask of a field without a look at its value. person says that the resource stands for one.
func (m *reader) maskOf(path, category string, person bool) Mask {
	switch {
	case m.role.Nothing:
		return Withhold
	case category != "":
		return m.learn(category)
	case person && path == "/resource/id":
		return m.learn("user.unique_id") // the path alone does not say that this resource is a person
	case person && path == "/resource/name":
		return m.learn("user.name")
	}
	return m.unknown
}

func (m *reader) learn(category string) Mask {
	if p := m.known.Load(); p != nil {
		if mask, ok := (*p)[category]; ok {
			return mask
		}
	}
	mask := Withhold
	if !isCredential(category) {
		mask = stronger(stronger(m.role.mask(category), m.mode.mask(category)), m.e.policy.purpose.mask(category))
	}
	for {
		old := m.known.Load()
		n := 0
		if old != nil {
			n = len(*old)
		}
		if n >= maxKnown {
			return mask
		}
		next := make(map[string]Mask, n+1)
		if old != nil {
			for k, v := range *old {
				next[k] = v
			}
		}
		next[category] = mask
		if m.known.CompareAndSwap(old, &next) {
			return mask
		}
	}
}

// structural paths belong to a person's group and hold words about the person's role, not about the person.
func structural(path string) bool {
	switch path {
	case "/actor/type", "/actor/roles", "/subject/type", "/resource/type", "/severity", "/outcome/status":
		return true
	}
	return false
}

// plainWords reports whether a JSON value consists of short identifiers only, as types and roles do.
func plainWords(v jsontext.Value) bool {
	if len(v) > 512 {
		return false
	}
	digits := 0
	for _, c := range v {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-', c == '.', c == ':', c == '/', c == '"', c == ',', c == '[', c == ']':
		case c >= '0' && c <= '9':
			digits++
		default:
			return false
		}
	}
	return digits < 6
}

// Sample returns what a role is shown of a value of a category, and by which mask.
func (e *Engine) Sample(role string, unmasked bool, category, value string) (shown, mask string) {
	m := e.reader(e.policy.seen([]string{role}, unmasked), AsSeen)
	how := m.unknown
	switch {
	case m.role.Nothing:
		how = Withhold
	case category != "unknown":
		how = m.learn(category)
	}
	if how == Show {
		return value, how.String()
	}
	shown, _ = e.text(how, value)
	return shown, how.String()
}

// Text masks a text that is no part of an event: by its data category, "unknown" for what people write freely, or "label" for the name of a thing, in which only the personal data that is found is hidden. What must be withheld
// is shown as a redacted value, since a text has no state of its own.
func (m *reader) Text(category, s string) string {
	mask := m.unknown
	switch {
	case m.role.Nothing:
		mask = Withhold
	case category == "label":
		if m.learn("user") == Show {
			return s
		}
		mask = Text
	case category != "unknown":
		mask = m.learn(category)
	}
	if mask == Show {
		return s
	}
	out, ok := m.e.text(mask, s)
	if !ok {
		return dots
	}
	return out
}

// apply masks one field and whatever repeats it outside the fields.
func (m *reader) apply(r *event.Record, f *event.Field, mask Mask) {
	if mask == Withhold || mask == Drop {
		f.Value, f.State = nil, event.Withheld
	} else if f.State != event.Masked {
		v := m.e.render(mask, personOf(r, f.Path, mask), f.Value)
		if v == nil {
			f.Value, f.State = nil, event.Withheld
		} else {
			f.Value, f.State = v, event.Masked
		}
	}
	switch f.Path {
	case "/id":
		r.ID = r.Text(f.Path)
	case "/resource/id":
		r.ResourceID = r.Text(f.Path)
	case "/correlation_id":
		r.CorrelationID = r.Text(f.Path)
	}
}

// personOf returns the handle of the person whom a field identifies, 0 when the event does not say.
func personOf(r *event.Record, path string, mask Mask) int64 {
	if mask != Pseudonym {
		return 0
	}
	switch path {
	case "/actor/id", "/actor/name":
		return r.ActorHandle
	case "/subject/id", "/subject/name":
		return r.SubjectHandle
	case "/resource/id", "/resource/name":
		return r.ResourceHandle
	}
	return 0
}
