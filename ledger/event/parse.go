package event

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
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
	if err := fits(b); err != nil {
		return err
	}
	p := parsers.Get().(*parser)
	defer p.release()
	p.load(b)
	p.e = e
	object := p.peek() == '{'
	if object {
		p.event()
	} else {
		p.value()
	}
	text, whole := p.text()
	switch {
	case !whole:
		return explain(b)
	case !object:
		return errs.Field("", "type", "An event is a JSON object.")
	}
	e.text = text
	return p.err()
}

// ParseObject reads any JSON object as strictly as [Parse] reads an event and returns its members in order, compact and otherwise
// verbatim. The result does not alias b.
func ParseObject(b []byte) ([]Member, error) {
	if err := fits(b); err != nil {
		return nil, err
	}
	var d reader
	d.load(b)
	d.value()
	text, whole := d.text()
	if !whole {
		return nil, explain(b)
	}
	if text[0] != '{' {
		return nil, errs.Field("", "type", "This must be a JSON object.")
	}
	return Members(text), nil
}

func fits(b []byte) error {
	if len(b) <= MaxBytes {
		return nil
	}
	const detail = "The event is larger than 256 KiB. Keep large content elsewhere and refer to it."
	return &errs.Error{Code: errs.TooLarge, Message: detail, Fields: []errs.FieldError{{Code: "too_large", Detail: detail}}}
}

// explain says what is wrong with text that a reader has refused.
func explain(b []byte) error {
	if !jsontext.Value(b).IsValid() {
		return syntaxError(b)
	}
	if _, bad, why := compact(nil, b); why != 0 {
		return faultError(b, bad, why)
	}
	return errs.Field("", "syntax", "The text is not valid JSON.") // a test shows that nothing comes here
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

// parser reads an event. Its methods read one value each, whatever it turns out to be.
type parser struct {
	reader
	e      *Event
	outer  []int // positions in e.Data of members that came from outside data
	fields []errs.FieldError
	inData bool
}

var parsers = sync.Pool{New: func() any { return new(parser) }}

func (p *parser) release() {
	p.reader.b, p.e, p.outer, p.fields, p.inData = nil, nil, p.outer[:0], nil, false
	parsers.Put(p)
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
	p.object(func(n text) {
		switch p.name(n) {
		case "id":
			p.ident(&e.ID, slotID, "/id")
		case "source":
			p.ident(&e.Source, -1, "/source")
		case "action":
			p.ident(&e.Action, -1, "/action")
		case "category":
			p.ident(&e.Category, -1, "/category")
		case "activity":
			p.ident(&e.Activity, -1, "/activity")
		case "occurred_at":
			p.time(&e.OccurredAt, "/occurred_at")
		case "actor":
			p.actor()
		case "resource":
			p.resource()
		case "subject":
			p.subject()
		case "changes":
			p.changes()
		case "context":
			p.context()
		case "outcome":
			p.outcome()
		case "severity":
			p.ident(&e.Severity, slotSeverity, "/severity")
		case "producer":
			p.producer()
		case "correlation_id":
			p.ident(&e.CorrelationID, slotCorrelationID, "/correlation_id")
		case "reason":
			p.string(&e.Reason, slotReason, "/reason")
		case "custom":
			p.custom()
		case "data":
			p.data()
		case "personal":
			p.strings(&e.Personal, -1, "/personal")
		default:
			p.keep("", n)
		}
	})
	p.settleNames()
}

// keep files an unknown member under data.
func (p *parser) keep(prefix string, n text) {
	p.outer = append(p.outer, len(p.e.Data))
	p.e.Data = append(p.e.Data, Member{Name: prefix + p.name(n), Value: p.raw()})
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

// wrong reads a value of the wrong type and says what it must be; null counts as not given.
func (p *parser) wrong(pointer, detail string) {
	if p.peek() != 'n' {
		p.fail(pointer, "type", detail)
	}
	p.value()
}

// under reads an object and calls f for its members.
func (p *parser) under(pointer string, f func(n text)) {
	if p.peek() != '{' {
		p.wrong(pointer, "This must be an object.")
		return
	}
	p.object(f)
}

// string reads a string and reports whether there was one, and whether it held an escape.
func (p *parser) string(dst *string, slot int, pointer string) (ok, escaped bool) {
	if p.peek() != '"' {
		p.wrong(pointer, "This must be a string.")
		return false, false
	}
	t := p.str()
	if p.bad {
		return false, false
	}
	*dst = p.name(t)
	if slot >= 0 {
		p.e.spans[slot] = span{uint32(t.off - 1), uint32(t.end + 1), t.escaped}
	}
	return true, t.escaped
}

// ident reads a string that identifies something, which must not hold NUL.
func (p *parser) ident(dst *string, slot int, pointer string) bool {
	ok, escaped := p.string(dst, slot, pointer)
	if escaped && strings.IndexByte(*dst, 0) >= 0 { // without an escape, a NUL is no JSON
		p.fail(pointer, "nul", "An identifier must not hold the character NUL.")
	}
	return ok
}

func (p *parser) strings(dst *[]string, slot int, pointer string) {
	if p.peek() != '[' {
		p.wrong(pointer, "This must be an array of strings.")
		return
	}
	from := p.w
	p.array(func(i int) {
		if p.peek() != '"' {
			p.fail(pointer+"/"+strconv.Itoa(i), "type", "This must be a string.")
			p.value()
			return
		}
		var s string
		p.string(&s, -1, "")
		*dst = append(*dst, s)
	})
	if slot >= 0 {
		p.e.spans[slot] = span{off: uint32(from), end: uint32(p.w)}
	}
}

func (p *parser) time(dst *time.Time, pointer string) {
	var s string
	if ok, _ := p.string(&s, -1, pointer); !ok {
		return
	}
	t, ok := ParseTime(s)
	if !ok {
		p.fail(pointer, "time", "This must be a time such as 2026-01-31T09:30:00Z (RFC 3339).")
		return
	}
	*dst = t
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
