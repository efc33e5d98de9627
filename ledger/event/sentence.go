package event

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Templates are sentence templates by action. A template is text with placeholders: {actor}, {resource}, {subject}, {changes}, {verb}
// (past tense), {action}, {outcome}, {reason}, or a field's JSON pointer such as {/data/amount}. A placeholder without a value
// gives nothing, and double spaces are closed up.
type Templates map[string]string

// SentenceTemplates override the built-in sentences of [Record.Sentence]. Set it before the first use; it must not change later.
var SentenceTemplates Templates

// What a sentence says in place of a value that the reader may not see.
const (
	maskedText   = "•••"
	withheldText = "[withheld]"
	erasedText   = "[erased]"
)

var maskedBytes, withheldBytes, erasedBytes = []byte(maskedText), []byte(withheldText), []byte(erasedText)

// Sentence says in one English sentence what happened: User 'Bob' changed 'Haircut' price from $50 to $10.
func (r *Record) Sentence() string { return r.SentenceWith(SentenceTemplates) }

// SentenceWith is [Record.Sentence] with the templates of a tenant.
func (r *Record) SentenceWith(t Templates) string {
	var stack [192]byte
	return string(r.appendSentence(stack[:0], t))
}

// AppendSentence appends [Record.Sentence] to dst.
func (r *Record) AppendSentence(dst []byte) []byte { return r.appendSentence(dst, SentenceTemplates) }

func (r *Record) appendSentence(dst []byte, t Templates) []byte {
	n := narrator{r: r, b: dst}
	n.gather()
	if tpl, ok := t[r.Action]; ok {
		n.fill(tpl)
		return n.b
	}
	n.actor()
	n.predicate()
	if reason := said(n.outcomeReason); len(reason) > 0 && r.Outcome != "success" {
		n.str(": ")
		n.b = appendShort(n.b, reason, 120)
	}
	return n.b
}

// narrator writes the sentence of one record. The fields that sentences are made of are found in one pass.
type narrator struct {
	r *Record
	b []byte

	actorType, actorName, actorEmail, actorID *Field
	resourceName, resourceID                  *Field
	subjectType, subjectName, subjectID       *Field
	outcomeReason, reason, ip                 *Field
	changes                                   []Field // those whose path is or lies below /changes
}

func (n *narrator) gather() {
	fields := n.r.Fields
	for i := range fields {
		f := &fields[i]
		switch f.Path {
		case "/actor/type":
			n.actorType = f
		case "/actor/name":
			n.actorName = f
		case "/actor/email":
			n.actorEmail = f
		case "/actor/id":
			n.actorID = f
		case "/resource/name":
			n.resourceName = f
		case "/resource/id":
			n.resourceID = f
		case "/subject/type":
			n.subjectType = f
		case "/subject/name":
			n.subjectName = f
		case "/subject/id":
			n.subjectID = f
		case "/outcome/reason":
			n.outcomeReason = f
		case "/reason":
			n.reason = f
		case "/context/ip":
			n.ip = f
		default:
			if strings.HasPrefix(f.Path, "/changes") && (len(f.Path) == len("/changes") || f.Path[len("/changes")] == '/') {
				if n.changes == nil {
					n.changes = fields[i:i:len(fields)]
				}
				n.changes = n.changes[:len(n.changes)+1] // fields are sorted, so these lie beside each other
			}
		}
	}
}

func (n *narrator) str(s string) { n.b = append(n.b, s...) }

// said returns what a sentence may say of a field; nothing when the event has none.
func said(f *Field) []byte {
	if f == nil {
		return nil
	}
	switch f.State {
	case Masked:
		return maskedBytes
	case Withheld:
		return withheldBytes
	case Erased:
		return erasedBytes
	}
	return plainBytes(f.Value)
}

// firstSaid prefers a field that can be read, in the order given, over one that cannot.
func firstSaid(fields ...*Field) []byte {
	var hidden []byte
	for _, f := range fields {
		s := said(f)
		if len(s) == 0 {
			continue
		}
		if f.State <= Opened {
			return s
		}
		if hidden == nil {
			hidden = s
		}
	}
	return hidden
}

// appendName appends a name in quotes, or the mark of one that cannot be seen.
func appendName(dst, s []byte) []byte {
	switch string(s) {
	case maskedText, withheldText, erasedText:
		return append(dst, s...)
	}
	return append(appendShort(append(dst, '\''), s, 80), '\'')
}

// appendShort appends a text with its spaces closed up and no more than limit characters, so that a sentence stays readable; the event itself has the
// whole value.
func appendShort(dst, s []byte, limit int) []byte {
	plain := len(s) <= limit
	for i := 0; plain && i < len(s); i++ {
		c := s[i]
		plain = c > ' ' && c < 0x80 || c == ' ' && i > 0 && i < len(s)-1 && s[i-1] != ' '
	}
	if plain {
		return append(dst, s...)
	}
	return append(dst, shorten(string(s), limit)...)
}

func shorten(s string, limit int) string {
	s = strings.Join(strings.Fields(s), " ")
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

var actorNouns = map[string]string{
	"user": "User", "service_account": "Service account", "api_key": "API key", "system": "System", "agent": "Agent", "anonymous": "Anonymous user",
}

func (n *narrator) actor() {
	noun := "Anonymous user"
	if f := n.actorType; f != nil && f.Value != nil {
		if known, ok := actorNouns[string(plainBytes(f.Value))]; ok {
			noun = known
		}
	}
	name := firstSaid(n.actorName, n.actorEmail, n.actorID)
	switch {
	case len(name) > 0:
		n.str(noun)
		n.b = appendName(append(n.b, ' '), name)
	case noun == "System":
		n.str("The system")
	default:
		n.str(noun)
	}
}

// thing appends the resource as a noun phrase: 'Haircut' when it has a name, else "invoice '42'"; nothing when there is none. before is put before it.
func (n *narrator) thing(before string, withType bool) bool {
	name := said(n.resourceName)
	id := said(n.resourceID)
	named := len(name) > 0
	if !named {
		name = id
		if len(id) == 0 {
			name = []byte(n.r.ResourceID)
		}
	}
	start := len(n.b)
	n.str(before)
	from := len(n.b)
	if !named || withType {
		n.b = appendWords(n.b, n.r.ResourceType)
	}
	if len(name) > 0 {
		if len(n.b) > from {
			n.b = append(n.b, ' ')
		}
		n.b = appendName(n.b, name)
	}
	if len(n.b) == from {
		n.b = n.b[:start]
		return false
	}
	return true
}

func (n *narrator) subject() {
	s := firstSaid(n.subjectName, n.subjectID)
	if len(s) == 0 || bytes.Equal(s, said(n.resourceName)) || bytes.Equal(s, said(n.resourceID)) || bytes.Equal(s, said(n.actorID)) {
		return
	}
	n.str(" of ")
	if f := n.subjectType; f != nil && f.Value != nil {
		from := len(n.b)
		if n.b = appendWords(n.b, string(plainBytes(f.Value))); len(n.b) > from {
			n.b = append(n.b, ' ')
		}
	}
	n.b = appendName(n.b, s)
}

type tense struct{ past, infinitive string }

// activities are the words of each activity; those whose object is a sentence of its own are in predicate.
var activities = map[string]tense{
	"create": {"created", "create"}, "read": {"viewed", "view"}, "update": {"updated", "update"}, "delete": {"deleted", "delete"},
	"login": {"signed in", "sign in"}, "logout": {"signed out", "sign out"}, "export": {"exported", "export"}, "import": {"imported", "import"},
	"share": {"shared", "share"}, "grant": {"granted", "grant"}, "revoke": {"revoked", "revoke"}, "approve": {"approved", "approve"},
	"deny": {"rejected", "reject"}, "execute": {"ran", "run"}, "start": {"started", "start"}, "stop": {"stopped", "stop"},
	"enable": {"enabled", "enable"}, "disable": {"disabled", "disable"}, "lock": {"locked", "lock"}, "unlock": {"unlocked", "unlock"},
	"send": {"sent", "send"},
}

// verb appends the verb as the outcome wants it, and what of the action goes with it.
func (n *narrator) verb(t tense, action string) {
	switch n.r.Outcome {
	case "denied":
		n.str(" was not allowed to ")
		n.str(t.infinitive)
	case "failure":
		n.str(" failed to ")
		n.str(t.infinitive)
	default:
		n.b = append(n.b, ' ')
		n.str(t.past)
	}
	n.str(action)
}

func (n *narrator) predicate() {
	r := n.r
	t, known := activities[r.Activity]
	switch {
	case !known:
		n.verb(tense{"performed ", "perform "}, r.Action)
		n.thing(" on ", true)
	case r.Activity == "login" || r.Activity == "logout":
		n.verb(t, "")
		if r.ResourceType != "user" && r.ResourceType != "session" {
			before := " to "
			if r.Activity == "logout" {
				before = " of "
			}
			n.thing(before, true)
		}
	case r.Activity == "update" && len(n.changes) > 0:
		n.verb(tense{"changed", "change"}, " ")
		n.whatChanged()
	default:
		n.verb(t, "")
		if !n.thing(" ", true) {
			n.b = append(n.b, ' ')
			n.b = appendWords(n.b, actionNoun(r.Action))
		}
	}
	n.subject()
	if r.Activity == "login" {
		if ip := said(n.ip); len(ip) > 0 {
			n.str(" from ")
			n.b = append(n.b, ip...)
		}
	}
}

// actionNoun is the part of the action before its verb: "invoice" of "invoice.export".
func actionNoun(action string) string {
	if i := strings.LastIndexAny(action, ".:/"); i > 0 {
		return action[:i]
	}
	return action
}

// appendWords makes words of an identifier: "unit_price" and "unitPrice" are "unit price".
func appendWords(dst []byte, s string) []byte {
	simple := true
	for i := 0; simple && i < len(s); i++ {
		simple = lower(s[i]) || s[i] >= '0' && s[i] <= '9'
	}
	if simple {
		return append(dst, s...)
	}
	var words [16]string
	for i, w := range words[:splitWords(s, words[:])] {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = append(dst, w...)
	}
	return dst
}

// fill renders a template.
func (n *narrator) fill(tpl string) {
	start := len(n.b)
	for {
		i := strings.IndexByte(tpl, '{')
		if i < 0 {
			break
		}
		end := strings.IndexByte(tpl[i:], '}')
		if end < 0 {
			break
		}
		n.str(tpl[:i])
		n.placeholder(tpl[i+1 : i+end])
		tpl = tpl[i+end+1:]
	}
	n.str(tpl)
	words := bytes.Join(bytes.Fields(n.b[start:]), []byte{' '})
	n.b = append(n.b[:start], words...)
}

func (n *narrator) placeholder(name string) {
	switch name {
	case "actor":
		n.actor()
	case "resource":
		n.thing("", false)
	case "subject":
		if s := firstSaid(n.subjectName, n.subjectID); len(s) > 0 {
			n.b = appendName(n.b, s)
		}
	case "changes":
		n.whatChanged()
	case "verb":
		if t, ok := activities[n.r.Activity]; ok {
			n.str(t.past)
		} else {
			n.str(n.r.Activity)
		}
	case "action":
		n.str(n.r.Action)
	case "outcome":
		n.str(n.r.Outcome)
	case "reason":
		n.b = append(n.b, said(n.reason)...)
	default:
		if strings.HasPrefix(name, "/") {
			if f, ok := n.r.Field(name); ok {
				n.b = appendShort(n.b, said(&f), 120)
			}
		}
	}
}

func isObject(v jsontext.Value) bool { return len(v) > 0 && v[0] == '{' }
