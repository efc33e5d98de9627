package event

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
)

// The members whose verbatim spelling is remembered, so that what is committed is what came in.
const (
	slotID = iota
	slotSeverity
	slotActorType
	slotActorID
	slotActorName
	slotActorEmail
	slotRoles
	slotOnBehalfOf
	slotResourceID
	slotResourceName
	slotSubjectType
	slotSubjectID
	slotSubjectName
	slotIP
	slotForwardedFor
	slotUserAgent
	slotDevice
	slotSessionID
	slotRequestID
	slotTraceparent
	slotOutcomeReason
	slotCorrelationID
	slotReason
	slotCount
)

type span struct {
	off, end uint32
	escaped  bool
}

// maxFieldErrors bounds how many wrong fields one error lists.
const maxFieldErrors = 20

// Parse reads one event from its JSON text (RFC 8259, strictly: UTF-8 without a byte order mark, no duplicate member names).
//
// It refuses text over MaxBytes (TooLarge), nesting over MaxDepth, numbers beyond a 64-bit float, NUL in identifiers, and members of
// the wrong type; the error is an [errs.Error] whose Fields point at what is wrong and repeat no value. A typed member that is
// null counts as not given. Unknown members are kept: top-level ones in Data under their own name, those of actor, resource,
// subject, context, outcome and producer in Data under "actor.NAME" and so on. The result does not alias b. Values and defaults
// are checked by [Event.Normalise].
func Parse(b []byte) (*Event, error) {
	e := new(Event)
	if err := ParseInto(b, e); err != nil {
		return nil, err
	}
	return e, nil
}

// ParseInto is [Parse] into an event that is overwritten; its slices are reused, the memory behind its strings and values is not,
// so what was taken from an earlier event stays valid. After an error e holds no usable event.
func ParseInto(b []byte, e *Event) error {
	e.reset()
	text, err := strict(b)
	if err != nil {
		return err
	}
	if text[0] != '{' {
		return errs.Field("", "type", "An event is a JSON object.")
	}
	p := parser{b: text, s: string(text), e: e}
	e.text = text
	p.event()
	return p.err()
}

// ParseObject reads any JSON object as strictly as [Parse] reads an event and returns its members in order, compact and otherwise
// verbatim. The result does not alias b.
func ParseObject(b []byte) ([]Member, error) {
	text, err := strict(b)
	if err != nil {
		return nil, err
	}
	if text[0] != '{' {
		return nil, errs.Field("", "type", "This must be a JSON object.")
	}
	return Members(text), nil
}

// strict checks JSON text and returns a compact copy of it.
func strict(b []byte) ([]byte, error) {
	if len(b) > MaxBytes {
		const detail = "The event is larger than 256 KiB. Keep large content elsewhere and refer to it."
		return nil, &errs.Error{Code: errs.TooLarge, Message: detail, Fields: []errs.FieldError{{Code: "too_large", Detail: detail}}}
	}
	if !jsontext.Value(b).IsValid() {
		return nil, syntaxError(b)
	}
	text, bad, why := compact(make([]byte, 0, len(b)), b)
	if why != 0 {
		return nil, faultError(b, bad, why)
	}
	return text, nil
}

func (e *Event) reset() {
	*e = Event{
		Actor:   Actor{Roles: e.Actor.Roles[:0], OnBehalfOf: e.Actor.OnBehalfOf[:0]},
		Changes: e.Changes[:0], Context: Context{ForwardedFor: e.Context.ForwardedFor[:0]},
		Custom: e.Custom[:0], Data: e.Data[:0], Personal: e.Personal[:0],
	}
}

// syntaxError explains why b is not valid JSON without repeating any of it.
func syntaxError(b []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	_, err := d.ReadValue()
	var s *jsontext.SyntacticError
	pointer, offset := "", int64(0)
	if errors.As(err, &s) {
		pointer, offset = safePointer(string(s.JSONPointer)), s.ByteOffset
	}
	switch {
	case err == nil:
		return errs.Field("", "syntax", "There is more text after the event's JSON object, at byte %d.", d.InputOffset())
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errs.Field(pointer, "duplicate_member", "A member name occurs twice in the same object, at byte %d.", offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errs.Field(pointer, "syntax", "The JSON text ends too early.")
	case strings.Contains(err.Error(), "UTF-8"), strings.Contains(err.Error(), "surrogate"):
		return errs.Field(pointer, "encoding", "The text is not valid UTF-8, at byte %d.", offset)
	}
	return errs.Field(pointer, "syntax", "The text is not valid JSON, at byte %d.", offset)
}

func faultError(b []byte, offset int, why fault) error {
	pointer := safePointer(pointerAt(b, offset))
	if why == tooDeep {
		return errs.Field(pointer, "too_deep", "The JSON is nested more than %d levels deep.", MaxDepth)
	}
	return errs.Field(pointer, "number_range", "The number is outside the range of a 64-bit float.")
}

// pointerAt returns the JSON pointer of the value at an offset of valid JSON text.
func pointerAt(b []byte, offset int) string {
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.ReadToken(); err != nil || d.InputOffset() > int64(offset) {
			return string(d.StackPointer())
		}
	}
}

// safePointer cuts a pointer before the first member name that could itself be personal, and after eight.
func safePointer(p string) string {
	if p == "" || p[0] != '/' {
		return ""
	}
	end := 0
	for i, part := range strings.SplitN(p[1:], "/", 9) {
		if i == 8 || !plainName(part) {
			break
		}
		end += 1 + len(part)
	}
	return p[:end]
}

type parser struct {
	b      []byte // compact, valid
	s      string // the same, for substrings
	e      *Event
	outer  []int // positions in e.Data of members that came from outside data
	fields []errs.FieldError
	inData bool
}

func (p *parser) fail(pointer, code, detail string) {
	if len(p.fields) < maxFieldErrors {
		p.fields = append(p.fields, errs.FieldError{Pointer: pointer, Code: code, Detail: detail})
	}
}

func (p *parser) err() error {
	return fieldErrors(p.fields)
}

func fieldErrors(f []errs.FieldError) error {
	switch len(f) {
	case 0:
		return nil
	case 1:
		return &errs.Error{Code: errs.Invalid, Message: f[0].Detail, Fields: f}
	}
	return &errs.Error{Code: errs.Invalid, Message: strconv.Itoa(len(f)) + " fields of the event are wrong.", Fields: f}
}

func (p *parser) event() {
	e := p.e
	object(p.b, 0, func(n text, v int) int {
		switch p.name(n) {
		case "id":
			return p.ident(&e.ID, slotID, "/id", v)
		case "source":
			return p.ident(&e.Source, -1, "/source", v)
		case "action":
			return p.ident(&e.Action, -1, "/action", v)
		case "category":
			return p.ident(&e.Category, -1, "/category", v)
		case "activity":
			return p.ident(&e.Activity, -1, "/activity", v)
		case "occurred_at":
			return p.time(&e.OccurredAt, "/occurred_at", v)
		case "actor":
			return p.actor(v)
		case "resource":
			return p.resource(v)
		case "subject":
			return p.subject(v)
		case "changes":
			return p.changes(v)
		case "context":
			return p.context(v)
		case "outcome":
			return p.outcome(v)
		case "severity":
			return p.ident(&e.Severity, slotSeverity, "/severity", v)
		case "producer":
			return p.producer(v)
		case "correlation_id":
			return p.ident(&e.CorrelationID, slotCorrelationID, "/correlation_id", v)
		case "reason":
			return p.str(&e.Reason, slotReason, "/reason", v)
		case "custom":
			return p.custom(v)
		case "data":
			return p.data(v)
		case "personal":
			return p.strings(&e.Personal, -1, "/personal", v)
		}
		return p.keep("", n, v)
	})
	p.settleNames()
}

func (p *parser) name(n text) string {
	if !n.escaped {
		return p.s[n.off:n.end]
	}
	return unquoted(p.b, n)
}

// keep files an unknown member under data.
func (p *parser) keep(prefix string, n text, v int) int {
	end := skipValue(p.b, v)
	p.outer = append(p.outer, len(p.e.Data))
	p.e.Data = append(p.e.Data, Member{Name: prefix + p.name(n), Value: p.b[v:end:end]})
	return end
}

// settleNames renames members from outside data whose name is taken, since an object must not have a member twice.
func (p *parser) settleNames() {
	d := p.e.Data
	if len(p.outer) == 0 || len(p.outer) == len(d) && !p.inData && !dotted(d) {
		return
	}
	taken := make(map[string]bool, len(d))
	next := 0
	for i := range d {
		if next < len(p.outer) && p.outer[next] == i {
			next++
			continue
		}
		taken[d[i].Name] = true
	}
	for _, i := range p.outer {
		base := d[i].Name
		for k := 2; taken[d[i].Name]; k++ {
			d[i].Name = base + "_" + strconv.Itoa(k)
		}
		taken[d[i].Name] = true
	}
}

func dotted(d []Member) bool {
	for i := range d {
		if strings.IndexByte(d[i].Name, '.') >= 0 {
			return true
		}
	}
	return false
}

func (p *parser) isNull(v int) bool { return p.b[v] == 'n' }

// wrong skips a value of the wrong type and says what it must be; null counts as not given.
func (p *parser) wrong(pointer string, v int, detail string) (end int) {
	if !p.isNull(v) {
		p.fail(pointer, "type", detail)
	}
	return skipValue(p.b, v)
}

// object calls f for the members of the object at v, if there is one, and returns the index after it.
func (p *parser) object(pointer string, v int, f func(n text, v int) int) (end int) {
	if p.b[v] != '{' {
		return p.wrong(pointer, v, "This must be an object.")
	}
	return object(p.b, v, f)
}

func (p *parser) str(dst *string, slot int, pointer string, v int) (end int) {
	if p.b[v] != '"' {
		return p.wrong(pointer, v, "This must be a string.")
	}
	end, escaped := skipString(p.b, v)
	*dst = p.name(text{v + 1, end - 1, escaped})
	if slot >= 0 {
		p.e.spans[slot] = span{uint32(v), uint32(end), escaped}
	}
	return end
}

// ident reads a string that identifies something, which must not hold NUL.
func (p *parser) ident(dst *string, slot int, pointer string, v int) (end int) {
	end = p.str(dst, slot, pointer, v)
	if strings.IndexByte(*dst, 0) >= 0 {
		p.fail(pointer, "nul", "An identifier must not hold the character NUL.")
	}
	return end
}

func (p *parser) strings(dst *[]string, slot int, pointer string, v int) (end int) {
	if p.b[v] != '[' {
		return p.wrong(pointer, v, "This must be an array of strings.")
	}
	end = array(p.b, v, func(n, v int) int {
		if p.b[v] != '"' {
			p.fail(pointer+"/"+strconv.Itoa(n), "type", "This must be a string.")
			return skipValue(p.b, v)
		}
		var s string
		end := p.str(&s, -1, "", v)
		*dst = append(*dst, s)
		return end
	})
	if slot >= 0 {
		p.e.spans[slot] = span{off: uint32(v), end: uint32(end)}
	}
	return end
}

func (p *parser) time(dst *time.Time, pointer string, v int) (end int) {
	var s string
	if end = p.str(&s, -1, pointer, v); p.b[v] != '"' {
		return end
	}
	t, ok := ParseTime(s)
	if !ok {
		p.fail(pointer, "time", "This must be a time such as 2026-01-31T09:30:00Z (RFC 3339).")
		return end
	}
	*dst = t
	return end
}

// ParseTime reads an RFC 3339 time, with any fraction, and returns it in UTC with microsecond precision. A leap second counts as
// the second after it.
func ParseTime(s string) (time.Time, bool) {
	if len(s) > 64 {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, s)
	if err == nil {
		return t.UTC().Truncate(time.Microsecond), true
	}
	if len(s) > 19 && s[17:19] == "60" && s[14:16] == "59" {
		if t, err = time.Parse(time.RFC3339, s[:17]+"59"+s[19:]); err == nil {
			return t.UTC().Truncate(time.Second).Add(time.Second), true
		}
	}
	if up := strings.ToUpper(s); up != s {
		return ParseTime(up)
	}
	return time.Time{}, false
}
