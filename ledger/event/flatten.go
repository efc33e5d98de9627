package event

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Flatten appends the fields that the ledger commits to, sorted by path bytewise, to dst[:0] and returns it. Members that were not
// given have no field. Values are JSON text, verbatim where the event was parsed; they alias the event and MUST NOT be modified.
//
// What a leaf carries in clear (source, action, category, activity, outcome status, resource type, times, producer) has no field.
// An object in data is taken apart one level (/data/NAME/SUB). When that gives more than MaxFields, the event is committed more
// coarsely, in this order and only as far as needed: data one level; each change as one value; all changes as one; data as one;
// custom as one. An object with a member name that must not be in a path is one value.
func (e *Event) Flatten(dst []Field) []Field {
	for coarse := 0; ; coarse++ {
		f := flattener{e: e, out: dst[:0], coarse: coarse}
		f.event()
		if len(f.out) <= MaxFields || coarse == customWhole {
			return f.out
		}
		dst = f.out
	}
}

// The steps of coarseness.
const (
	dataShallow = 1 + iota
	changeWhole
	changesWhole
	dataWhole
	customWhole
)

type flattener struct {
	e      *Event
	out    []Field
	quoted []byte
	coarse int
}

func (f *flattener) add(path string, v jsontext.Value) {
	n := len(f.out)
	if n == cap(f.out) {
		f.out = slices.Grow(f.out, 24)
	}
	f.out = f.out[:n+1]
	// Member by member: copying a whole Field costs several times as much.
	p := &f.out[n]
	p.Path, p.Value, p.Category, p.Owners, p.State = path, v, "", 0, Clear
}

func (f *flattener) str(path string, slot int, s string) {
	if s != "" {
		f.add(path, f.verbatim(slot, s))
	} else if sp := f.e.spans[slot]; sp.end == sp.off+2 && f.e.text != nil {
		f.add(path, f.e.text[sp.off:sp.end:sp.end]) // "" was given, which is not the same as absent
	}
}

// verbatim returns s as JSON text: as it came in when it still has that value, else quoted.
func (f *flattener) verbatim(slot int, s string) jsontext.Value {
	if sp := f.e.spans[slot]; sp.end != 0 {
		v := f.e.text[sp.off:sp.end:sp.end]
		if !sp.escaped && string(v[1:len(v)-1]) == s || sp.escaped && plain(v) == s {
			return v
		}
	}
	return f.quote(s)
}

var quotedWords = map[string]jsontext.Value{
	"user": jsontext.Value(`"user"`), "service_account": jsontext.Value(`"service_account"`), "api_key": jsontext.Value(`"api_key"`),
	"system": jsontext.Value(`"system"`), "agent": jsontext.Value(`"agent"`), "anonymous": jsontext.Value(`"anonymous"`),
	"debug": jsontext.Value(`"debug"`), "info": jsontext.Value(`"info"`), "notice": jsontext.Value(`"notice"`), "low": jsontext.Value(`"low"`),
	"medium": jsontext.Value(`"medium"`), "high": jsontext.Value(`"high"`), "critical": jsontext.Value(`"critical"`),
}

func (f *flattener) quote(s string) jsontext.Value {
	if v, ok := quotedWords[s]; ok {
		return v
	}
	if f.quoted == nil {
		f.quoted = make([]byte, 0, 512)
	}
	start := len(f.quoted)
	f.quoted = appendQuoted(f.quoted, s)
	return f.quoted[start:len(f.quoted):len(f.quoted)]
}

// appendQuoted quotes s as JSON; bytes that are not UTF-8 become U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	start := len(dst)
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		out, _ = jsontext.AppendQuote(dst[:start], strings.ToValidUTF8(s, "\uFFFD"))
	}
	return out
}

// event visits the members in the order of their paths, so that only data and custom need sorting.
func (f *flattener) event() {
	e := f.e
	f.actor(&e.Actor)
	f.changes()
	f.context(&e.Context)
	f.str("/correlation_id", slotCorrelationID, e.CorrelationID)
	f.members(customNode, e.Custom, f.coarse >= customWhole, false)
	f.members(dataNode, e.Data, f.coarse >= dataWhole, f.coarse < dataShallow)
	f.str("/id", slotID, e.ID)
	f.str("/outcome/reason", slotOutcomeReason, e.Outcome.Reason)
	f.str("/reason", slotReason, e.Reason)
	f.str("/resource/id", slotResourceID, e.Resource.ID)
	f.str("/resource/name", slotResourceName, e.Resource.Name)
	f.str("/severity", slotSeverity, e.Severity)
	if s := e.Subject; s != nil {
		f.str("/subject/id", slotSubjectID, s.ID)
		f.str("/subject/name", slotSubjectName, s.Name)
		f.str("/subject/type", slotSubjectType, s.Type)
	}
}

func (f *flattener) actor(a *Actor) {
	f.str("/actor/email", slotActorEmail, a.Email)
	f.str("/actor/id", slotActorID, a.ID)
	f.str("/actor/name", slotActorName, a.Name)
	if len(a.OnBehalfOf) > 0 {
		f.add("/actor/on_behalf_of", f.refs(a.OnBehalfOf))
	}
	if len(a.Roles) > 0 {
		f.add("/actor/roles", f.array(slotRoles, a.Roles))
	}
	f.str("/actor/type", slotActorType, a.Type)
}

func (f *flattener) context(c *Context) {
	f.str("/context/device", slotDevice, c.Device)
	if len(c.ForwardedFor) > 0 {
		f.add("/context/forwarded_for", f.array(slotForwardedFor, c.ForwardedFor))
	}
	if c.Geo != nil {
		f.add("/context/geo", c.Geo)
	}
	f.str("/context/ip", slotIP, c.IP)
	f.str("/context/request_id", slotRequestID, c.RequestID)
	f.str("/context/session_id", slotSessionID, c.SessionID)
	f.str("/context/traceparent", slotTraceparent, c.Traceparent)
	f.str("/context/user_agent", slotUserAgent, c.UserAgent)
}

// array returns the verbatim array when it still has these elements.
func (f *flattener) array(slot int, list []string) jsontext.Value {
	if sp := f.e.spans[slot]; sp.end != 0 {
		v := f.e.text[sp.off:sp.end:sp.end]
		same, n := true, 0
		array(v, 0, func(i, at int) int {
			end, esc := skipString(v, at)
			n++
			if i >= len(list) {
				same = false
			} else if same {
				same = !esc && string(v[at+1:end-1]) == list[i] || esc && plain(v[at:end]) == list[i]
			}
			return end
		})
		if same && n == len(list) {
			return v
		}
	}
	b := []byte{'['}
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, s)
	}
	return append(b, ']')
}

func (f *flattener) refs(list []Ref) jsontext.Value {
	if sp := f.e.spans[slotOnBehalfOf]; sp.end != 0 {
		var again Event
		p := parser{e: &again}
		p.load(f.e.text[sp.off:sp.end])
		if p.onBehalfOf(); slices.Equal(again.Actor.OnBehalfOf, list) {
			return f.e.text[sp.off:sp.end:sp.end]
		}
	}
	b := []byte{'['}
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendObject(b, "type", list[i].Type, "id", list[i].ID, "name", list[i].Name)
	}
	return append(b, ']')
}

// appendObject appends an object of the pairs of name and text whose text is not empty.
func appendObject(b []byte, pairs ...string) []byte {
	b = append(b, '{')
	first := true
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendQuoted(b, pairs[i]), ':')
		b = appendQuoted(b, pairs[i+1])
	}
	return append(b, '}')
}

func (f *flattener) changes() {
	c := f.e.Changes
	switch {
	case len(c) == 0:
	case f.coarse >= changesWhole || len(c) > MaxChanges:
		b := []byte{'['}
		for i := range c {
			if i > 0 {
				b = append(b, ',')
			}
			b = f.appendChange(b, &c[i])
		}
		f.add("/changes", append(b, ']'))
	default:
		for _, i := range changeOrder {
			if i < len(c) && len(f.out) <= MaxFields {
				f.change(&c[i], &changePath[i])
			}
			if len(c) <= 10 && i == len(c)-1 {
				break
			}
		}
	}
}

func (f *flattener) change(c *Change, p *changePaths) {
	if f.coarse >= changeWhole {
		f.add(p.whole, f.appendChange(nil, c))
		return
	}
	if c.After != nil {
		f.add(p.after, c.After)
	}
	if c.Before != nil {
		f.add(p.before, c.Before)
	}
	if c.Op != "" && c.Op != "replace" {
		f.add(p.op, f.quote(c.Op))
	}
	f.add(p.path, f.changedPath(c))
}

func (f *flattener) changedPath(c *Change) jsontext.Value {
	if c.pathText != nil && plain(c.pathText) == c.Path {
		return c.pathText
	}
	return f.quote(c.Path)
}

func (f *flattener) appendChange(b []byte, c *Change) []byte {
	b = append(append(b, `{"path":`...), f.changedPath(c)...)
	if c.Op != "" && c.Op != "replace" {
		b = appendQuoted(append(b, `,"op":`...), c.Op)
	}
	if c.Before != nil {
		b = append(append(b, `,"before":`...), c.Before...)
	}
	if c.After != nil {
		b = append(append(b, `,"after":`...), c.After...)
	}
	return append(b, '}')
}

// members adds the fields of data or custom below root.
func (f *flattener) members(root *pathNode, list []Member, whole, deep bool) {
	if len(list) == 0 {
		return
	}
	start := len(f.out)
	for i := range list {
		if whole || len(f.out) > MaxFields {
			break
		}
		k, ok := root.child(list[i].Name)
		if !ok {
			whole = true
			break
		}
		if !deep || list[i].Value[0] != '{' || !f.expand(k, list[i].Value) {
			f.add(k.path, list[i].Value)
		}
	}
	if whole {
		f.out = f.out[:start]
		f.add(root.path, appendMembers(list))
		return
	}
	sortFields(f.out[start:])
}

// expand adds one field per member of the object v, or nothing and false when it must stay whole.
func (f *flattener) expand(at *pathNode, v jsontext.Value) bool {
	if len(v) <= 2 {
		return false
	}
	start, ok := len(f.out), true
	object(v, 0, func(n text, val int) int {
		end := skipValue(v, val)
		if !ok || len(f.out) > MaxFields {
			return end
		}
		var k *pathNode
		if k, ok = at.childText(v, n); ok {
			f.add(k.path, v[val:end:end])
		}
		return end
	})
	if !ok {
		f.out = f.out[:start]
	}
	return ok
}

func sortFields(f []Field) {
	if len(f) > 16 {
		slices.SortFunc(f, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
		return
	}
	for i := 1; i < len(f); i++ {
		for j := i; j > 0 && f[j].Path < f[j-1].Path; j-- {
			f[j], f[j-1] = f[j-1], f[j]
		}
	}
}

func appendMembers(list []Member) []byte {
	b := []byte{'{'}
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(appendQuoted(b, list[i].Name), ':'), list[i].Value...)
	}
	return append(b, '}')
}
