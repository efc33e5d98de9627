package event

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// The earliest occurred_at that is believed, and how far ahead of the server a producer's clock may be.
var earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)

const maxAhead = 24 * time.Hour

// maxList bounds forwarded_for, roles, on_behalf_of and personal.
const maxList = 64

// Normalise fills what was left out and checks the rest. now is the server's time. After it returns nil the event can be flattened
// and recorded; otherwise the error is an [errs.Error] (Invalid) that points at every wrong field and repeats no value.
//
// Defaults: ID a new UUIDv7, OccurredAt now, Outcome.Status "success", Severity "info", Actor.Type "user" when the actor has an id,
// name or e-mail and "anonymous" otherwise, Category and Activity from the action. Clear strings (source, action, resource type,
// subject type, producer) are lower-cased and spaces become "_"; what then still is no clear string is refused. OccurredAt is cut
// to microseconds, and refused before 1970-01-02 or more than 24 hours after now.
func (e *Event) Normalise(now time.Time) error {
	c := checker{}
	if e.ID == "" {
		e.ID = newID()
	}
	verb := e.Action // with its capitals, which separate words
	c.clear(&e.Source, "/source", true)
	c.clear(&e.Action, "/action", true)
	c.clear(&e.Resource.Type, "/resource/type", false)
	if e.Resource.Type == "" && (e.Resource.ID != "" || e.Resource.Name != "") {
		c.fail("/resource/type", "required", "A resource with an id or name needs a type.")
	}
	e.times(&c, now)
	e.words(&c, verb)
	e.lengths(&c)
	e.lists(&c)
	if p := e.Producer; p != nil {
		c.clear(&p.ID, "/producer/id", true)
		c.clear(&p.Boot, "/producer/boot", false)
	}
	if e.text == nil {
		c.handmade(e)
	}
	return fieldErrors(c.fields)
}

func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	return id.String()
}

func (e *Event) times(c *checker, now time.Time) {
	if e.OccurredAt.IsZero() {
		e.OccurredAt, e.Undated = now, true
	}
	e.OccurredAt = e.OccurredAt.UTC().Truncate(time.Microsecond)
	switch {
	case e.OccurredAt.Before(earliest):
		c.fail("/occurred_at", "too_early", "The time is before 1970-01-02. Check the producer's clock and the unit of its times.")
	case e.OccurredAt.After(now.Add(maxAhead)):
		c.fail("/occurred_at", "too_late", "The time is more than 24 hours in the future. Check the producer's clock and the unit of its times.")
	}
}

func (e *Event) words(c *checker, verb string) {
	a := &e.Actor
	if a.Type == "" {
		if a.Type = "anonymous"; a.ID != "" || a.Name != "" || a.Email != "" {
			a.Type = "user"
		}
	}
	c.word(&a.Type, "/actor/type", ActorTypes, actorWords)
	if e.Outcome.Status == "" {
		e.Outcome.Status = "success"
	}
	c.word(&e.Outcome.Status, "/outcome/status", Outcomes, outcomeWords)
	if e.Severity == "" {
		e.Severity = "info"
	}
	c.word(&e.Severity, "/severity", Severities, severityWords)
	if e.Activity == "" {
		e.Activity = ActivityOf(verb)
	}
	c.word(&e.Activity, "/activity", Activities, verbs)
	if e.Category == "" {
		e.Category = CategoryOf(e.Action, e.Activity)
	}
	c.word(&e.Category, "/category", Categories, categoryWords)
	if s := e.Subject; s != nil {
		c.clear(&s.Type, "/subject/type", s.ID != "")
	}
}

func (e *Event) lengths(c *checker) {
	c.id(e.ID, "/id")
	c.id(e.Actor.ID, "/actor/id")
	c.id(e.Actor.Email, "/actor/email")
	c.id(e.Resource.ID, "/resource/id")
	c.id(e.CorrelationID, "/correlation_id")
	c.id(e.Context.SessionID, "/context/session_id")
	c.id(e.Context.RequestID, "/context/request_id")
	c.id(e.Context.Traceparent, "/context/traceparent")
	c.text(e.Actor.Name, "/actor/name")
	c.text(e.Resource.Name, "/resource/name")
	c.text(e.Context.UserAgent, "/context/user_agent")
	c.text(e.Context.Device, "/context/device")
	c.text(e.Outcome.Reason, "/outcome/reason")
	c.text(e.Reason, "/reason")
	if s := e.Subject; s != nil {
		c.id(s.ID, "/subject/id")
		c.text(s.Name, "/subject/name")
	}
	if ip := e.Context.IP; ip != "" {
		if _, err := netip.ParseAddr(ip); err != nil {
			c.fail("/context/ip", "ip", "This must be an IPv4 or IPv6 address without a port.")
		}
	}
}

func (e *Event) lists(c *checker) {
	c.list(e.Actor.Roles, "/actor/roles")
	c.list(e.Context.ForwardedFor, "/context/forwarded_for")
	c.list(e.Personal, "/personal")
	for i, p := range e.Personal {
		if p == "" || p[0] != '/' {
			c.fail("/personal/"+strconv.Itoa(i), "pointer", "This must be a JSON pointer such as /data/note.")
		}
	}
	if len(e.Actor.OnBehalfOf) > maxList {
		c.fail("/actor/on_behalf_of", "too_many", "This must have at most 64 entries.")
	}
	for i := range e.Actor.OnBehalfOf {
		r := &e.Actor.OnBehalfOf[i]
		if len(r.Type) > MaxClear || len(r.ID) > MaxID || len(r.Name) > MaxText || bad(r.Type) || bad(r.ID) || !utf8.ValidString(r.Name) {
			c.fail("/actor/on_behalf_of/"+strconv.Itoa(i), "too_long", "A type has at most 128 bytes, an id 512, a name 32768, all valid UTF-8.")
		}
	}
	if len(e.Changes) > MaxChanges {
		c.fail("/changes", "too_many", "An event has at most "+strconv.Itoa(MaxChanges)+" changes.")
		return
	}
	for i := range e.Changes {
		ch := &e.Changes[i]
		at := &changePath[i]
		switch {
		case ch.Path == "":
			c.fail(at.path, "required", "A change needs the path of what changed.")
		case len(ch.Path) > MaxID || bad(ch.Path):
			c.id(ch.Path, at.path)
		}
		if ch.Op != "" && ch.Op != "add" && ch.Op != "remove" && ch.Op != "replace" {
			c.fail(at.op, "word", "This must be one of add, remove, replace.")
		}
	}
}

type checker struct{ fields []errs.FieldError }

func (c *checker) fail(pointer, code, detail string) {
	if len(c.fields) < maxFieldErrors {
		c.fields = append(c.fields, errs.FieldError{Pointer: pointer, Code: code, Detail: detail})
	}
}

func (c *checker) clear(s *string, pointer string, required bool) {
	if *s == "" {
		if required {
			c.fail(pointer, "required", "This is required.")
		}
		return
	}
	v, ok := ClearString(*s)
	switch {
	case ok:
		*s = v
	case len(*s) > MaxClear:
		c.fail(pointer, "too_long", "This has more than 128 bytes.")
	default:
		c.fail(pointer, "alphabet", "This may hold only letters a-z, digits, and _ . : / - (capitals and spaces are converted).")
	}
}

func (c *checker) word(s *string, pointer string, words []string, synonyms map[string]string) {
	if slices.Contains(words, *s) {
		return
	}
	low := strings.ToLower(strings.TrimSpace(*s))
	if slices.Contains(words, low) {
		*s = low
		return
	}
	if w, ok := synonyms[low]; ok {
		*s = w
		return
	}
	c.fail(pointer, "word", "This must be one of "+strings.Join(words, ", ")+".")
}

func (c *checker) id(s, pointer string) {
	if len(s) > MaxID {
		c.fail(pointer, "too_long", "This has more than 512 bytes.")
	} else if bad(s) {
		c.fail(pointer, "nul", "This must be valid UTF-8 without the character NUL.")
	}
}

func bad(s string) bool {
	return !plainASCII(s) && (strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s))
}

// plainASCII reports whether s holds ASCII characters only, and no NUL: what nearly every identifier is.
func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i]-1 >= utf8.RuneSelf-1 {
			return false
		}
	}
	return true
}

func (c *checker) text(s, pointer string) {
	if len(s) > MaxText {
		c.fail(pointer, "too_long", "This has more than 32768 bytes.")
	} else if !utf8.ValidString(s) {
		c.fail(pointer, "encoding", "This must be valid UTF-8.")
	}
}

func (c *checker) list(l []string, pointer string) {
	if len(l) > maxList {
		c.fail(pointer, "too_many", "This must have at most 64 entries.")
		return
	}
	for i, s := range l {
		if len(s) > MaxID || bad(s) {
			c.id(s, pointer+"/"+strconv.Itoa(i))
		}
	}
}

// handmade checks what parsing has already guaranteed for an event that came as JSON: values are compact JSON, names are unique.
func (c *checker) handmade(e *Event) {
	c.members(e.Data, "/data")
	c.members(e.Custom, "/custom")
	for i := range e.Changes {
		c.value(&e.Changes[i].Before, changePath[min(i, MaxChanges-1)].before)
		c.value(&e.Changes[i].After, changePath[min(i, MaxChanges-1)].after)
	}
	c.value(&e.Context.Geo, "/context/geo")
}

func (c *checker) members(list []Member, pointer string) {
	seen := make(map[string]bool, len(list))
	for i := range list {
		if m := &list[i]; m.Value == nil {
			m.Value = jsontext.Value("null")
		} else {
			c.value(&m.Value, pointer)
		}
		if seen[list[i].Name] || !utf8.ValidString(list[i].Name) {
			c.fail(pointer, "duplicate_member", "A member name occurs twice, or is not valid UTF-8.")
		}
		seen[list[i].Name] = true
	}
}

func (c *checker) value(v *jsontext.Value, pointer string) {
	if *v == nil {
		return
	}
	if !v.IsValid() {
		c.fail(pointer, "syntax", "The value is not valid JSON.")
		*v = jsontext.Value("null")
		return
	}
	out, _, why := compact(make([]byte, 0, len(*v)), *v)
	switch why {
	case tooDeep:
		c.fail(pointer, "too_deep", "The JSON is nested too deeply.")
	case tooLarge:
		c.fail(pointer, "number_range", "A number is outside the range of a 64-bit float.")
	default:
		*v = out
	}
}

// ClearString maps s to a clear string: letters lower-cased, spaces to "_". It reports false when the result is not one.
func ClearString(s string) (string, bool) {
	if evidence.ValidClear(s) {
		return s, true
	}
	if len(s) > MaxClear {
		return "", false
	}
	var buf [MaxClear]byte
	b := append(buf[:0], strings.TrimSpace(s)...)
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case c == ' ':
			b[i] = '_'
		}
	}
	out := string(b)
	return out, evidence.ValidClear(out)
}
