package ingest

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// appendWire appends an event in the JSON form that producers send. Values that were JSON in the file stay as they were spelt there, because the ledger commits to
// the bytes it receives: the same file gives the same commitments whichever way it is ingested.
func appendWire(b []byte, e *event.Event) []byte {
	w := wire{append(b, '{')}
	w.text("id", e.ID)
	w.text("source", e.Source)
	w.text("action", e.Action)
	w.text("category", e.Category)
	w.text("activity", e.Activity)
	if !e.OccurredAt.IsZero() {
		w.text("occurred_at", e.OccurredAt.UTC().Format("2006-01-02T15:04:05.000000Z"))
	}
	w.text("severity", e.Severity)
	w.text("correlation_id", e.CorrelationID)
	w.text("reason", e.Reason)
	w.object("outcome", func() {
		w.text("status", e.Outcome.Status)
		w.text("reason", e.Outcome.Reason)
	})
	w.actor(&e.Actor)
	w.object("resource", func() {
		w.text("type", e.Resource.Type)
		w.text("id", e.Resource.ID)
		w.text("name", e.Resource.Name)
	})
	if s := e.Subject; s != nil {
		w.object("subject", func() { w.ref(s) })
	}
	w.changes(e.Changes)
	w.context(&e.Context)
	if p := e.Producer; p != nil {
		w.object("producer", func() {
			w.text("id", p.ID)
			w.text("boot", p.Boot)
			w.value("seq", strconv.AppendUint(nil, p.Seq, 10))
		})
	}
	w.members("custom", e.Custom)
	w.members("data", e.Data)
	w.list("personal", e.Personal)
	return append(w.b, '}')
}

type wire struct{ b []byte }

func (w *wire) name(n string) {
	if last := w.b[len(w.b)-1]; last != '{' && last != '[' {
		w.b = append(w.b, ',')
	}
	w.quote(n)
	w.b = append(w.b, ':')
}

// quote writes a JSON string; bytes that are not UTF-8 become U+FFFD, as in the ledger.
func (w *wire) quote(s string) {
	start := len(w.b)
	out, err := jsontext.AppendQuote(w.b, s)
	if err != nil {
		out, _ = jsontext.AppendQuote(w.b[:start], strings.ToValidUTF8(s, "\uFFFD"))
	}
	w.b = out
}

func (w *wire) text(n, v string) {
	if v != "" {
		w.name(n)
		w.quote(v)
	}
}

func (w *wire) value(n string, v jsontext.Value) {
	if v != nil {
		w.name(n)
		w.b = append(w.b, v...)
	}
}

// object writes an object, and takes it back when it has no members.
func (w *wire) object(n string, members func()) {
	start := len(w.b)
	w.name(n)
	w.b = append(w.b, '{')
	members()
	if w.b[len(w.b)-1] == '{' {
		w.b = w.b[:start]
		return
	}
	w.b = append(w.b, '}')
}

func (w *wire) list(n string, list []string) {
	if len(list) == 0 {
		return
	}
	w.name(n)
	w.b = append(w.b, '[')
	for i, s := range list {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.quote(s)
	}
	w.b = append(w.b, ']')
}

func (w *wire) ref(r *event.Ref) {
	w.text("type", r.Type)
	w.text("id", r.ID)
	w.text("name", r.Name)
}

func (w *wire) actor(a *event.Actor) {
	w.object("actor", func() {
		w.text("type", a.Type)
		w.text("id", a.ID)
		w.text("name", a.Name)
		w.text("email", a.Email)
		w.list("roles", a.Roles)
		if len(a.OnBehalfOf) == 0 {
			return
		}
		w.name("on_behalf_of")
		w.b = append(w.b, '[')
		for i := range a.OnBehalfOf {
			if i > 0 {
				w.b = append(w.b, ',')
			}
			w.b = append(w.b, '{')
			w.ref(&a.OnBehalfOf[i])
			w.b = append(w.b, '}')
		}
		w.b = append(w.b, ']')
	})
}

func (w *wire) changes(list []event.Change) {
	if len(list) == 0 {
		return
	}
	w.name("changes")
	w.b = append(w.b, '[')
	for i := range list {
		c := &list[i]
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = append(w.b, '{')
		w.text("path", c.Path)
		w.text("op", c.Op)
		w.value("before", c.Before)
		w.value("after", c.After)
		w.b = append(w.b, '}')
	}
	w.b = append(w.b, ']')
}

func (w *wire) context(c *event.Context) {
	w.object("context", func() {
		w.text("ip", c.IP)
		w.list("forwarded_for", c.ForwardedFor)
		w.text("user_agent", c.UserAgent)
		w.text("device", c.Device)
		w.value("geo", c.Geo)
		w.text("session_id", c.SessionID)
		w.text("request_id", c.RequestID)
		w.text("traceparent", c.Traceparent)
	})
}

func (w *wire) members(n string, list []event.Member) {
	w.object(n, func() {
		for i := range list {
			w.value(list[i].Name, list[i].Value)
		}
	})
}
