package intake

import (
	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// cloudEvent reads a CloudEvents 1.0 event in the JSON event format. type is the action, subject the resource's id, and data and
// extension attributes are kept under data. When data itself has members of the event model (actor, resource, changes…), they are
// read as such.
func (s *state) cloudEvent(raw []byte) []*Item {
	list, err := event.ParseObject(raw)
	if err != nil {
		return []*Item{{Err: err}}
	}
	return s.cloudEventOf(list)
}

func (s *state) cloudEventOf(o object) []*Item {
	switch v := o.get("specversion"); {
	case v == nil:
		return reject("/specversion", "required", "This is not a CloudEvent: it has no specversion.")
	case o.text("specversion") != "1.0" && o.text("specversion") != "0.3":
		return reject("/specversion", "word", "Only CloudEvents 1.0 and 0.3 can be read.")
	}
	for _, name := range [...]string{"id", "source", "type"} {
		if o.text(name) == "" {
			return reject("/"+name, "required", "A CloudEvent needs a text here.")
		}
	}
	e := cloudData(o.get("data"))
	if e.ID != "" && e.ID != o.text("id") {
		e.Data = add(e.Data, "data.id", e.ID)
	}
	if e.Source != "" && e.Source != o.text("source") {
		e.Data = add(e.Data, "data.source", e.Source)
	}
	e.ID = o.text("id")
	e.Source = s.source(o.text("source"))
	typ := o.text("type")
	if e.Action == "" {
		e.Action = clear(typ)
	}
	if e.Activity == "" {
		e.Activity = event.ActivityOf(typ)
	}
	if v := o.get("time"); v != nil {
		t, ok := event.ParseTime(o.text("time"))
		if !ok {
			return reject("/time", "time", "This must be a time such as 2026-01-31T09:30:00Z (RFC 3339).")
		}
		e.OccurredAt = t
	}
	if e.Resource.ID == "" && o.text("subject") != "" {
		e.Resource.ID = o.text("subject")
		if e.Resource.Type == "" {
			e.Resource.Type = "subject"
		}
	} else {
		e.Data = add(e.Data, "subject", o.text("subject"))
	}
	if e.Context.Traceparent == "" {
		e.Context.Traceparent = o.text("traceparent")
	}
	cloudExtensions(e, o)
	return one(e)
}

// cloudExtensions keeps the attributes that have no place in the event model.
func cloudExtensions(e *event.Event, o object) {
	if src := o.text("source"); e.Source != src {
		e.Data = add(e.Data, "source", src)
	}
	if typ := o.text("type"); e.Action != typ {
		e.Data = add(e.Data, "type", typ)
	}
	for _, m := range o.without("specversion", "id", "source", "type", "time", "subject", "data", "traceparent") {
		e.Data = addValue(e.Data, m.Name, m.Value)
	}
}

// cloudData makes the event that data describes.
func cloudData(data jsontext.Value) *event.Event {
	if len(data) == 0 {
		return new(event.Event)
	}
	if data[0] != '{' {
		return &event.Event{Data: []event.Member{{Name: "value", Value: data}}}
	}
	o := object(event.Members(data))
	if e := new(event.Event); googleAudit(e, o) {
		e.Data = o
		return e
	}
	for _, name := range [...]string{"actor", "resource", "changes", "context", "outcome"} {
		if v := o.get(name); len(v) == 0 || (v[0] == '[') != (name == "changes") || v[0] == '"' {
			continue
		}
		if e, err := event.Parse(data); err == nil && (e.Actor.ID != "" || e.Resource.Type != "" && e.Resource.ID != "" || len(e.Changes) > 0 || e.Outcome.Status != "") {
			return e
		}
		break
	}
	return &event.Event{Data: o}
}

// googleAudit reads the audit log entry that Google Cloud sends as data of an event.
func googleAudit(e *event.Event, o object) bool {
	p := o.object("protoPayload")
	if p == nil || p.text("methodName") == "" {
		return false
	}
	e.Action = clear(p.text("serviceName") + "." + p.text("methodName"))
	e.Activity = event.ActivityOf(p.text("methodName"))
	auth := p.object("authenticationInfo")
	if mail := auth.text("principalEmail"); mail != "" {
		e.Actor = event.Actor{Type: "user", ID: mail, Email: mail}
		if hasSuffixFold(mail, ".gserviceaccount.com") {
			e.Actor = event.Actor{Type: "service_account", ID: mail, Name: mail}
		}
	}
	if ip := p.object("requestMetadata").text("callerIp"); isIP(ip) {
		e.Context.IP = ip
	}
	e.Context.UserAgent = p.object("requestMetadata").text("callerSuppliedUserAgent")
	if name := p.text("resourceName"); name != "" {
		typ := clear(o.object("resource").text("type"))
		if typ == "" {
			typ = "resource"
		}
		e.Resource = event.Resource{Type: typ, ID: name}
	}
	if code, ok := p.object("status").int("code"); ok && code != 0 {
		e.Outcome = event.Outcome{Status: "failure", Reason: p.object("status").text("message")}
		if code == 7 || code == 16 { // PERMISSION_DENIED, UNAUTHENTICATED
			e.Outcome.Status = "denied"
		}
	}
	return true
}
