package event

import (
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

// Sentence says in one English sentence what happened: User 'Bob' changed 'Haircut' price from $50 to $10.
func (r *Record) Sentence() string { return r.SentenceWith(SentenceTemplates) }

// SentenceWith is [Record.Sentence] with the templates of a tenant.
func (r *Record) SentenceWith(t Templates) string {
	if tpl, ok := t[r.Action]; ok {
		return r.fill(tpl)
	}
	var b strings.Builder
	b.Grow(96)
	b.WriteString(r.actorPhrase())
	r.predicate(&b)
	if reason := r.said("/outcome/reason"); reason != "" && r.Outcome != "success" {
		b.WriteString(": ")
		b.WriteString(shorten(reason, 120))
	}
	return b.String()
}

// said returns what a sentence may say of a field; "" when the event has none.
func (r *Record) said(path string) string {
	f, ok := r.Field(path)
	if !ok {
		return ""
	}
	return sayField(f)
}

func sayField(f Field) string {
	switch f.State {
	case Masked:
		return maskedText
	case Withheld:
		return withheldText
	case Erased:
		return erasedText
	}
	if f.Value == nil {
		return ""
	}
	return plain(f.Value)
}

// firstSaid prefers a field that can be read, in the order given, over one that cannot.
func (r *Record) firstSaid(paths ...string) string {
	hidden := ""
	for _, p := range paths {
		f, ok := r.Field(p)
		if !ok {
			continue
		}
		s := sayField(f)
		if s == "" {
			continue
		}
		if f.State <= Opened {
			return s
		}
		if hidden == "" {
			hidden = s
		}
	}
	return hidden
}

func quoteName(s string) string {
	switch s {
	case maskedText, withheldText, erasedText:
		return s
	}
	return "'" + shorten(s, 80) + "'"
}

// shorten keeps a sentence readable; the event itself has the whole value.
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

func (r *Record) actorPhrase() string {
	noun, ok := actorNouns[r.Text("/actor/type")]
	if !ok {
		noun = "Anonymous user"
	}
	name := r.firstSaid("/actor/name", "/actor/email", "/actor/id")
	if name == "" {
		if noun == "System" {
			return "The system"
		}
		return noun
	}
	return noun + " " + quoteName(name)
}

// thing returns the resource as a noun phrase: 'Haircut' when it has a name, else "invoice '42'".
func (r *Record) thing(withType bool) string {
	name := r.firstSaid("/resource/name")
	id := r.firstSaid("/resource/id")
	if id == "" {
		id = r.ResourceID
	}
	typ := humanise(r.ResourceType)
	switch {
	case name != "" && (!withType || typ == ""):
		return quoteName(name)
	case name != "":
		return typ + " " + quoteName(name)
	case id != "":
		return strings.TrimSpace(typ + " " + quoteName(id))
	default:
		return typ
	}
}

func (r *Record) subjectPhrase() string {
	s := r.firstSaid("/subject/name", "/subject/id")
	if s == "" {
		return ""
	}
	if s == r.firstSaid("/resource/name") || s == r.said("/resource/id") || s == r.firstSaid("/actor/id") {
		return ""
	}
	return " of " + strings.TrimSpace(humanise(r.Text("/subject/type"))+" "+quoteName(s))
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

func (r *Record) predicate(b *strings.Builder) {
	t, known := activities[r.Activity]
	object := ""
	switch {
	case !known:
		t = tense{"performed " + r.Action, "perform " + r.Action}
		if o := r.thing(true); o != "" {
			object = " on " + o
		}
	case r.Activity == "login" || r.Activity == "logout":
		if o := r.thing(true); o != "" && r.ResourceType != "user" && r.ResourceType != "session" {
			object = map[string]string{"login": " to ", "logout": " of "}[r.Activity] + o
		}
	case r.Activity == "update" && r.hasChanges():
		t = tense{"changed", "change"}
		object = " " + r.changesPhrase()
	default:
		if object = r.thing(true); object == "" {
			object = r.actionNoun()
		}
		object = " " + object
	}
	switch r.Outcome {
	case "denied":
		b.WriteString(" was not allowed to ")
		b.WriteString(t.infinitive)
	case "failure":
		b.WriteString(" failed to ")
		b.WriteString(t.infinitive)
	default:
		b.WriteByte(' ')
		b.WriteString(t.past)
	}
	b.WriteString(object)
	b.WriteString(r.subjectPhrase())
	if r.Activity == "login" {
		if ip := r.said("/context/ip"); ip != "" {
			b.WriteString(" from ")
			b.WriteString(ip)
		}
	}
}

// actionNoun is the part of the action before its verb: "invoice" of "invoice.export".
func (r *Record) actionNoun() string {
	if i := strings.LastIndexAny(r.Action, ".:/"); i > 0 {
		return humanise(r.Action[:i])
	}
	return humanise(r.Action)
}

// humanise makes words of an identifier: "unit_price" and "unitPrice" are "unit price".
func humanise(s string) string {
	var words [16]string
	n := splitWords(s, words[:])
	return strings.Join(words[:n], " ")
}

// fill renders a template.
func (r *Record) fill(tpl string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(tpl, '{')
		if i < 0 {
			break
		}
		end := strings.IndexByte(tpl[i:], '}')
		if end < 0 {
			break
		}
		b.WriteString(tpl[:i])
		b.WriteString(r.placeholder(tpl[i+1 : i+end]))
		tpl = tpl[i+end+1:]
	}
	b.WriteString(tpl)
	return strings.Join(strings.Fields(b.String()), " ")
}

func (r *Record) placeholder(name string) string {
	switch name {
	case "actor":
		return r.actorPhrase()
	case "resource":
		return r.thing(false)
	case "subject":
		if s := r.firstSaid("/subject/name", "/subject/id"); s != "" {
			return quoteName(s)
		}
		return ""
	case "changes":
		return r.changesPhrase()
	case "verb":
		if t, ok := activities[r.Activity]; ok {
			return t.past
		}
		return r.Activity
	case "action":
		return r.Action
	case "outcome":
		return r.Outcome
	case "reason":
		return r.said("/reason")
	}
	if strings.HasPrefix(name, "/") {
		return shorten(r.said(name), 120)
	}
	return ""
}

func isObject(v jsontext.Value) bool { return len(v) > 0 && v[0] == '{' }
