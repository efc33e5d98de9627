package event

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// timeLayout is how times are written: UTC with microseconds, so that they sort as text.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// AppendJSON appends the view of the event that the API returns: the members of the wire form, plus what the server adds (seq,
// recorded_at, handles, sentence, fields_state, leaf_hash). A value that is withheld or erased is null, and fields_state says so
// under the field's path.
func (r *Record) AppendJSON(dst []byte) []byte {
	w := writer{r: r, b: append(dst, `{"seq":`...), view: true}
	w.b = strconv.AppendUint(w.b, r.Seq, 10)
	w.time("recorded_at", r.RecordedAt)
	w.event()
	w.sentence()
	w.states()
	if r.LeafHash != nil {
		w.name("leaf_hash")
		w.b = append(w.b, '"')
		w.b = base64.StdEncoding.AppendEncode(w.b, r.LeafHash)
		w.b = append(w.b, '"')
	}
	return append(w.b, '}')
}

// AppendEvent appends the event in the wire form that producers send, without what the server adds. Parsing it gives the event
// that was recorded, as far as this reader may see it.
func (r *Record) AppendEvent(dst []byte) []byte {
	w := writer{r: r, b: append(dst, '{')}
	w.event()
	return append(w.b, '}')
}

type writer struct {
	r    *Record
	b    []byte
	view bool
}

// name starts a member of the object that is being written.
func (w *writer) name(n string) {
	if last := w.b[len(w.b)-1]; last != '{' && last != '[' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, n...)
	w.b = append(w.b, '"', ':')
}

func (w *writer) text(n, v string) {
	if v != "" {
		w.name(n)
		w.b = appendQuoted(w.b, v)
	}
}

// sentence writes the sentence, which seldom needs escapes, in its place.
func (w *writer) sentence() {
	before := len(w.b)
	w.name("sentence")
	start := len(w.b)
	w.b = w.r.AppendSentence(append(w.b, '"'))
	if len(w.b) == start+1 { // a template may come to nothing
		w.b = w.b[:before]
		return
	}
	for _, c := range w.b[start+1:] {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			w.b = appendQuoted(w.b[:start], string(w.b[start+1:]))
			return
		}
	}
	w.b = append(w.b, '"')
}

func (w *writer) time(n string, t time.Time) {
	w.name(n)
	w.b = append(w.b, '"')
	w.b = t.UTC().AppendFormat(w.b, timeLayout)
	w.b = append(w.b, '"')
}

func (w *writer) value(n string, v jsontext.Value) {
	w.name(n)
	if v == nil {
		w.b = append(w.b, "null"...)
		return
	}
	w.b = append(w.b, v...)
}

// field writes the field at path as member n, if the event has it; otherwise a text that is known without it.
func (w *writer) field(n, path, fallback string) {
	if f, ok := w.r.Field(path); ok {
		w.value(n, f.Value)
		return
	}
	w.text(n, fallback)
}

func (w *writer) handle(n string, h int64) {
	if w.view && h != 0 {
		w.name(n)
		w.b = strconv.AppendInt(w.b, h, 10)
	}
}

func (w *writer) event() {
	r := w.r
	w.field("id", "/id", r.ID)
	w.text("source", r.Source)
	w.text("action", r.Action)
	w.text("category", r.Category)
	w.text("activity", r.Activity)
	w.time("occurred_at", r.OccurredAt)
	w.field("severity", "/severity", r.Severity)
	w.name("outcome")
	w.b = append(w.b, '{')
	w.text("status", r.Outcome)
	w.field("reason", "/outcome/reason", "")
	w.b = append(w.b, '}')
	w.actor()
	w.resource()
	w.subject()
	w.changes()
	w.object("context", "/context/", "/context")
	w.field("correlation_id", "/correlation_id", r.CorrelationID)
	w.field("reason", "/reason", "")
	w.object("custom", "/custom/", "/custom")
	w.object("data", "/data/", "/data")
}

func (w *writer) actor() {
	w.name("actor")
	w.b = append(w.b, '{')
	w.field("type", "/actor/type", "")
	w.field("id", "/actor/id", "")
	w.field("name", "/actor/name", "")
	w.field("email", "/actor/email", "")
	w.field("roles", "/actor/roles", "")
	w.handle("handle", w.r.ActorHandle)
	w.field("on_behalf_of", "/actor/on_behalf_of", "")
	w.b = append(w.b, '}')
}

func (w *writer) resource() {
	if w.r.ResourceType == "" {
		if w.view {
			w.value("resource", nil)
		}
		return
	}
	w.name("resource")
	w.b = append(w.b, '{')
	w.text("type", w.r.ResourceType)
	w.field("id", "/resource/id", w.r.ResourceID)
	w.field("name", "/resource/name", "")
	w.handle("handle", w.r.ResourceHandle)
	w.b = append(w.b, '}')
}

func (w *writer) subject() {
	if from, to := w.r.under("/subject/"); from == to && w.r.SubjectHandle == 0 {
		if w.view {
			w.value("subject", nil)
		}
		return
	}
	w.name("subject")
	w.b = append(w.b, '{')
	w.field("type", "/subject/type", "")
	w.field("id", "/subject/id", "")
	w.field("name", "/subject/name", "")
	w.handle("handle", w.r.SubjectHandle)
	w.b = append(w.b, '}')
}

// changes writes the changes in the order in which they were sent.
func (w *writer) changes() {
	if f, ok := w.r.Field("/changes"); ok {
		w.value("changes", f.Value)
		return
	}
	if from, to := w.r.under("/changes/"); from == to {
		if w.view {
			w.b = append(w.b, `,"changes":[]`...)
		}
		return
	}
	w.name("changes")
	w.b = append(w.b, '[')
	for i := range MaxChanges {
		p := &changePath[i]
		if f, ok := w.r.Field(p.whole); ok {
			w.element(f.Value)
			continue
		}
		f, ok := w.r.Field(p.path)
		if !ok {
			break
		}
		w.element(jsontext.Value(`{`))
		w.value("path", f.Value)
		if op, ok := w.r.Field(p.op); ok {
			w.value("op", op.Value)
		} else if w.view {
			w.text("op", "replace")
		}
		w.field("before", p.before, "")
		w.field("after", p.after, "")
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

func (w *writer) element(v jsontext.Value) {
	if w.b[len(w.b)-1] != '[' {
		w.b = append(w.b, ',')
	}
	if v == nil {
		v = jsontext.Value("null")
	}
	w.b = append(w.b, v...)
}

// object writes the fields below a prefix as an object, putting members back together that were taken apart.
func (w *writer) object(n, prefix, whole string) {
	if f, ok := w.r.Field(whole); ok {
		w.value(n, f.Value)
		return
	}
	from, to := w.r.under(prefix)
	if from == to {
		if w.view {
			w.value(n, jsontext.Value("{}"))
		}
		return
	}
	w.name(n)
	w.b = append(w.b, '{')
	inner := ""
	for _, f := range w.r.Fields[from:to] {
		name := f.Path[len(prefix):]
		parent, sub, nested := strings.Cut(name, "/")
		if inner != "" && (!nested || parent != inner) {
			w.b = append(w.b, '}')
			inner = ""
		}
		if nested {
			if inner == "" {
				inner = parent
				w.value(parent, jsontext.Value("{"))
			}
			name = sub
		}
		w.value(name, f.Value)
	}
	if inner != "" {
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, '}')
}

// under returns the range of fields whose path starts with prefix.
func (r *Record) under(prefix string) (from, to int) {
	lo, hi := 0, len(r.Fields)
	for lo < hi {
		if mid := (lo + hi) / 2; r.Fields[mid].Path < prefix {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	to = lo
	for to < len(r.Fields) && strings.HasPrefix(r.Fields[to].Path, prefix) {
		to++
	}
	return lo, to
}

var stateNames = [...]string{Masked: "masked", Withheld: "withheld", Erased: "erased"}

// String returns masked, withheld or erased, and "" for a value that can be taken at its word.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return ""
}

func (w *writer) states() {
	w.name("fields_state")
	w.b = append(w.b, '{')
	for i := range w.r.Fields {
		if s := w.r.Fields[i].State.String(); s != "" {
			w.name(w.r.Fields[i].Path)
			w.b = append(append(append(w.b, '"'), s...), '"')
		}
	}
	w.b = append(w.b, '}')
}
