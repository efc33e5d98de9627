package export

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// What stands in a cell for a value that the reader may not see or that nobody can see any more.
const (
	withheldText = "[withheld]"
	erasedText   = "[erased]"
)

// cells gives quick access to the fields of one record. It is filled by one pass and used for every column.
type cells struct {
	rec *event.Record

	actorID, actorName, actorEmail, actorType, actorRoles, onBehalfOf *event.Field
	resourceID, resourceName                                          *event.Field
	subjectID, subjectName, subjectType                               *event.Field
	ip, forwardedFor, userAgent, device, geo, sessionID, requestID    *event.Field
	traceparent                                                       *event.Field
	outcomeReason, reason, id, correlationID, severity                *event.Field
	changes, custom, data                                             []event.Field // fields below these members, the member itself included
}

// load points c at the fields of r, which must stay as they are until the next load.
func (c *cells) load(r *event.Record) {
	*c = cells{rec: r}
	for i := 0; i < len(r.Fields); {
		p := r.Fields[i].Path
		switch {
		case len(p) < 2 || p[1] != 'c' && p[1] != 'd': // most are none of the following
			if at := c.slot(p); at != nil {
				*at = &r.Fields[i]
			}
			i++
		case within(p, "/changes"):
			c.changes, i = group(r.Fields, i, "/changes")
		case within(p, "/custom"):
			c.custom, i = group(r.Fields, i, "/custom")
		case within(p, "/data"):
			c.data, i = group(r.Fields, i, "/data")
		default:
			if at := c.slot(p); at != nil {
				*at = &r.Fields[i]
			}
			i++
		}
	}
}

func within(path, member string) bool {
	return strings.HasPrefix(path, member) && (len(path) == len(member) || path[len(member)] == '/')
}

func group(fields []event.Field, from int, member string) ([]event.Field, int) {
	to := from + 1
	for to < len(fields) && within(fields[to].Path, member) {
		to++
	}
	return fields[from:to], to
}

func (c *cells) slot(path string) **event.Field {
	switch path {
	case "/actor/id":
		return &c.actorID
	case "/actor/name":
		return &c.actorName
	case "/actor/email":
		return &c.actorEmail
	case "/actor/type":
		return &c.actorType
	case "/actor/roles":
		return &c.actorRoles
	case "/actor/on_behalf_of":
		return &c.onBehalfOf
	case "/resource/id":
		return &c.resourceID
	case "/resource/name":
		return &c.resourceName
	case "/subject/id":
		return &c.subjectID
	case "/subject/name":
		return &c.subjectName
	case "/subject/type":
		return &c.subjectType
	case "/context/ip":
		return &c.ip
	case "/context/forwarded_for":
		return &c.forwardedFor
	case "/context/user_agent":
		return &c.userAgent
	case "/context/device":
		return &c.device
	case "/context/geo":
		return &c.geo
	case "/context/session_id":
		return &c.sessionID
	case "/context/request_id":
		return &c.requestID
	case "/context/traceparent":
		return &c.traceparent
	case "/outcome/reason":
		return &c.outcomeReason
	case "/reason":
		return &c.reason
	case "/id":
		return &c.id
	case "/correlation_id":
		return &c.correlationID
	case "/severity":
		return &c.severity
	}
	return nil
}

// appendField appends a field as plain text: the content of a JSON string, the JSON text of another value, or the mark of a value
// that is not there to be seen.
func appendField(dst []byte, f *event.Field) []byte {
	if f == nil {
		return dst
	}
	if f.Value == nil {
		return append(dst, hidden(f.State)...)
	}
	return appendPlain(dst, f.Value)
}

func hidden(s event.State) string {
	if s == event.Erased {
		return erasedText
	}
	return withheldText
}

func appendPlain(dst []byte, v jsontext.Value) []byte {
	if len(v) < 2 || v[0] != '"' {
		return append(dst, v...)
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return append(dst, v[1:len(v)-1]...)
	}
	out, _ := jsontext.AppendUnquote(dst, v) // what is not UTF-8 becomes U+FFFD, which is all a reader can be told
	return out
}

// appendJSONField appends a field's value as JSON; a hidden value as a string with its mark, an absent field as null.
func appendJSONField(dst []byte, f *event.Field) []byte {
	switch {
	case f == nil:
		return append(dst, "null"...)
	case f.Value == nil:
		dst = append(append(dst, '"'), hidden(f.State)...)
		return append(dst, '"')
	}
	return append(dst, f.Value...)
}

// appendObject appends the JSON object that the fields below a member came from; nothing when there are none. Members are one or
// two levels deep and sorted, see [event.Event.Flatten].
func appendObject(dst []byte, fields []event.Field, member string) []byte {
	if len(fields) == 0 {
		return dst
	}
	if len(fields[0].Path) == len(member) {
		return appendJSONField(dst, &fields[0])
	}
	dst = append(dst, '{')
	for i := 0; i < len(fields); {
		if i > 0 {
			dst = append(dst, ',')
		}
		name, _, nested := strings.Cut(fields[i].Path[len(member)+1:], "/")
		dst = append(appendName(dst, name), ':')
		if !nested {
			dst = appendJSONField(dst, &fields[i])
			i++
			continue
		}
		dst = append(dst, '{')
		prefix := fields[i].Path[:len(member)+1+len(name)+1]
		for first := true; i < len(fields) && strings.HasPrefix(fields[i].Path, prefix); i++ {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendJSONField(append(appendName(dst, fields[i].Path[len(prefix):]), ':'), &fields[i])
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// appendName appends a reference token of a JSON pointer as a JSON string.
func appendName(dst []byte, token string) []byte {
	if strings.IndexByte(token, '~') >= 0 {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
	}
	return appendQuoted(dst, token)
}

// appendQuoted appends s as a JSON string.
func appendQuoted[T ~string | ~[]byte](dst []byte, s T) []byte {
	simple := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			simple = false
			break
		}
	}
	if simple {
		return append(append(append(dst, '"'), s...), '"')
	}
	start := len(dst)
	out, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		out, _ = jsontext.AppendQuote(dst[:start], strings.ToValidUTF8(string(s), "\uFFFD"))
	}
	return out
}

// appendChanges appends the event's changes as a JSON array in their own order; nothing when there are none.
func (c *cells) appendChanges(dst []byte) []byte {
	if len(c.changes) == 0 {
		return dst
	}
	if c.changes[0].Path == "/changes" {
		return appendJSONField(dst, &c.changes[0])
	}
	var start, end [event.MaxChanges]int16
	top := -1
	for i := 0; i < len(c.changes); {
		n, next := changeAt(c.changes, i)
		if n < 0 || n >= len(start) {
			i = next
			continue
		}
		start[n], end[n] = int16(i), int16(next)
		top = max(top, n)
		i = next
	}
	dst = append(dst, '[')
	first := true
	for n := 0; n <= top; n++ {
		if end[n] == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendChange(dst, c.changes[start[n]:end[n]])
	}
	return append(dst, ']')
}

// changeAt returns the index of the change that the field at i belongs to (-1 when the path is none of ours), and the first field
// after that change.
func changeAt(fields []event.Field, i int) (n, next int) {
	token, _, _ := strings.Cut(fields[i].Path[len("/changes/"):], "/")
	n, err := strconv.Atoi(token)
	if err != nil {
		n = -1
	}
	prefix := fields[i].Path[:len("/changes/")+len(token)]
	for next = i + 1; next < len(fields) && within(fields[next].Path, prefix); next++ {
	}
	return n, next
}

// changeMembers are the members of a change in the order they are written.
var changeMembers = [...]string{"path", "op", "before", "after"}

func appendChange(dst []byte, fields []event.Field) []byte {
	if strings.Count(fields[0].Path, "/") == 2 {
		return appendJSONField(dst, &fields[0])
	}
	dst = append(dst, '{')
	first := true
	for _, member := range changeMembers {
		for i := range fields {
			p := fields[i].Path
			if p[strings.LastIndexByte(p, '/')+1:] != member {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(append(append(dst, '"'), member...), '"', ':')
			dst = appendJSONField(dst, &fields[i])
		}
	}
	return append(dst, '}')
}

// appendStates appends an object that gives the state of every field that is not simply there; nothing when all are.
func appendStates(dst []byte, fields []event.Field) []byte {
	first := true
	for i := range fields {
		f := &fields[i]
		word := ""
		switch f.State {
		case event.Masked:
			word = `"masked"`
		case event.Withheld:
			word = `"withheld"`
		case event.Erased:
			word = `"erased"`
		default:
			continue
		}
		sep := byte(',')
		if first {
			sep, first = '{', false
		}
		dst = append(appendQuoted(append(dst, sep), f.Path), ':')
		dst = append(dst, word...)
	}
	if first {
		return dst
	}
	return append(dst, '}')
}
