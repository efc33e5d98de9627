package intake

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// mapped converts a JSON object by the mapping of the options, or by guesses where there is none.
func (s *state) mapped(raw []byte) []*Item {
	list, err := event.ParseObject(raw)
	if err != nil {
		return []*Item{{Err: err}}
	}
	m := s.opt.Mapping
	if m == nil {
		return s.guessed(list)
	}
	o := object(list)
	if m.Record != "" {
		v := lookup(o, m.Record)
		if len(v) == 0 || v[0] != '{' {
			return reject("/"+strings.ReplaceAll(m.Record, ".", "/"), "required", "The record has no object here.")
		}
		o = event.Members(v)
	}
	e := &event.Event{}
	used := map[string]bool{}
	for i := range m.fields {
		r := &m.fields[i]
		v := r.value(o)
		if v == nil {
			continue
		}
		if err := s.assign(e, r, v); err != nil {
			return []*Item{{Err: err}}
		}
		r.consumed(o, used)
	}
	if e.Context.IP != "" && !isIP(e.Context.IP) {
		e.Data = add(e.Data, "ip", e.Context.IP)
		e.Context.IP = ""
	}
	if e.Source = s.source(e.Source); e.Source == "" {
		e.Source = "import"
	}
	if e.Action == "" {
		return reject("/action", "required", "The mapping gives this record no action.")
	}
	s.keepRest(e, o, m.Data, used)
	return one(e)
}

// consumed notes the top-level members that a rule moved whole into the event.
func (r *mapRule) consumed(o object, used map[string]bool) {
	if r.constant != nil || r.template != "" || r.words != nil || r.target == "action" || r.target == "source" || r.target == "occurred_at" || strings.HasSuffix(r.target, ".type") {
		return // what is stored may differ from what was given
	}
	for _, p := range r.paths {
		if v := o.get(p); v != nil && v[0] != 'n' && string(v) != `""` {
			used[p] = true
			return
		}
		if lookup(o, p) != nil {
			return
		}
	}
}

func (s *state) keepRest(e *event.Event, o object, mode string, used map[string]bool) {
	if mode == "none" {
		return
	}
	b := newBag(e.Data)
	for _, m := range o {
		if mode == "all" || !used[m.Name] {
			b.add(m.Name, m.Value)
		}
	}
	e.Data = b.list
}

// assign stores a value in the member of the event that a rule names.
func (s *state) assign(e *event.Event, r *mapRule, v jsontext.Value) error {
	switch {
	case strings.HasPrefix(r.target, "custom."):
		e.Custom = addValue(e.Custom, strings.TrimPrefix(r.target, "custom."), v)
		return nil
	case strings.HasPrefix(r.target, "data."):
		e.Data = addValue(e.Data, strings.TrimPrefix(r.target, "data."), v)
		return nil
	}
	switch r.target {
	case "context.geo":
		e.Context.Geo = v
		return nil
	case "actor.roles":
		e.Actor.Roles = texts(v)
		return nil
	case "context.forwarded_for":
		e.Context.ForwardedFor = texts(v)
		return nil
	}
	text := event.Text(v)
	if v[0] == '{' || v[0] == '[' {
		return errs.Field("/"+strings.ReplaceAll(r.target, ".", "/"), "type", "The mapping leads to an object or array where a text is needed.")
	}
	if r.target == "occurred_at" {
		t, ok := r.when(text, s.opt.Location)
		if !ok {
			return errs.Field("/occurred_at", "time", "The time cannot be read in the form that the mapping names.")
		}
		e.OccurredAt = t
		return nil
	}
	*place(e, r.target) = tidy(r.target, text)
	return nil
}

// tidy makes clear strings of what the model wants clear.
func tidy(target, text string) string {
	switch target {
	case "source", "action", "resource.type", "subject.type":
		return clear(text)
	}
	return text
}

func texts(v jsontext.Value) []string {
	if v[0] != '[' {
		return []string{event.Text(v)}
	}
	var out []string
	for _, e := range event.Elements(v) {
		out = append(out, event.Text(e))
	}
	return out
}

// place returns where the text of a target is stored. The target is one of mapTargets.
func place(e *event.Event, target string) *string {
	subject := func() *event.Ref {
		if e.Subject == nil {
			e.Subject = new(event.Ref)
		}
		return e.Subject
	}
	switch target {
	case "subject.type":
		return &subject().Type
	case "subject.id":
		return &subject().ID
	case "subject.name":
		return &subject().Name
	}
	return map[string]*string{
		"id": &e.ID, "source": &e.Source, "action": &e.Action, "category": &e.Category, "activity": &e.Activity, "severity": &e.Severity, "reason": &e.Reason,
		"correlation_id": &e.CorrelationID, "actor.type": &e.Actor.Type, "actor.id": &e.Actor.ID, "actor.name": &e.Actor.Name, "actor.email": &e.Actor.Email,
		"resource.type": &e.Resource.Type, "resource.id": &e.Resource.ID, "resource.name": &e.Resource.Name, "outcome.status": &e.Outcome.Status,
		"outcome.reason": &e.Outcome.Reason, "context.ip": &e.Context.IP, "context.user_agent": &e.Context.UserAgent, "context.device": &e.Context.Device,
		"context.session_id": &e.Context.SessionID, "context.request_id": &e.Context.RequestID, "context.traceparent": &e.Context.Traceparent,
	}[target]
}

// The names under which common logs say what an event needs, tried in this order.
var (
	guessTime   = []string{"timestamp", "@timestamp", "time", "occurred_at", "created_at", "createdAt", "eventTime", "event_time", "published", "CreatedDateTime", "createdDateTime", "CreationTime", "TimeGenerated", "recorded", "_time", "ts", "date", "datetime"}
	guessAction = []string{"action", "event_name", "eventName", "eventType", "event_type", "Operation", "operation", "OperationName", "operationName", "event", "type", "method", "activity"}
	guessID     = []string{"id", "uuid", "event_id", "eventId", "eventID", "insertId", "_id", "Id"}
	guessActor  = []string{"actor", "user", "principal", "actors", "initiator", "subject"}
	guessUserID = []string{"user_id", "userId", "UserId", "username", "userName", "user_name", "UserPrincipalName", "userPrincipalName", "login", "email", "user_email"}
	guessIP     = []string{"ip", "ip_address", "ipAddress", "IPAddress", "client_ip", "clientIp", "ClientIP", "source_ip", "sourceIPAddress", "remote_addr", "remote_ip"}
	guessAgent  = []string{"user_agent", "userAgent", "UserAgent"}
	guessStatus = []string{"outcome", "result", "status", "success", "ResultStatus"}
	guessThing  = []string{"resource", "target", "object", "entity"}
)

// guessed makes an event of a record that nobody described. It guesses what has a usual name and keeps the whole record under data.
func (s *state) guessed(o object) []*Item {
	e := &event.Event{Source: s.source("import"), Action: "log.record", Activity: "other", Data: o}
	for _, n := range guessAction {
		if a := clear(o.text(n)); a != "" {
			e.Action, e.Activity = a, event.ActivityOf(o.text(n))
			break
		}
	}
	for _, n := range guessTime {
		if t, ok := parseTime(o.scalar(n), s.opt.Location); ok && t.Year() >= 1980 { // a smaller number is no time
			e.OccurredAt = t
			break
		}
	}
	if id := firstScalar(o, guessID); len(id) <= event.MaxID {
		e.ID = strings.ReplaceAll(id, "\x00", "\uFFFD")
	}
	e.Actor = guessedActor(o)
	for _, from := range []object{o, o.object("actor"), o.object("client"), o.object("request")} {
		if ip := firstScalar(from, guessIP); isIP(ip) && e.Context.IP == "" {
			e.Context.IP = ip
		}
	}
	if ua := firstScalar(o, guessAgent); len(ua) <= event.MaxText {
		e.Context.UserAgent = ua
	}
	e.Outcome.Status = guessedOutcome(o)
	for _, n := range guessThing {
		if r := o.object(n); r != nil && (r.text("id") != "" || r.text("name") != "") {
			if e.Resource = (event.Resource{Type: first(clear(r.text("type")), n), ID: r.text("id"), Name: r.text("name")}); len(e.Resource.ID) > event.MaxID {
				e.Resource = event.Resource{}
			}
			break
		}
	}
	return one(e)
}

func firstScalar(o object, names []string) string {
	for _, n := range names {
		if v := o.scalar(n); v != "" {
			return v
		}
	}
	return ""
}

func guessedActor(o object) event.Actor {
	for _, n := range guessActor {
		u := o.object(n)
		if list := event.Elements(o.get(n)); len(list) > 0 {
			u = event.Members(list[0])
		}
		mailbox := first(u.text("email"), u.text("email_address"), u.text("alternateId"))
		if id := first(u.scalar("id"), u.scalar("user_id"), mailbox, u.text("login"), u.text("name")); id != "" && len(id) <= event.MaxID {
			return event.Actor{Type: "user", ID: strings.ReplaceAll(id, "\x00", "\uFFFD"), Name: first(u.text("name"), u.text("displayName")), Email: mail(mailbox)}
		}
		if id := o.text(n); id != "" && len(id) <= event.MaxID {
			return event.Actor{Type: "user", ID: strings.ReplaceAll(id, "\x00", "\uFFFD"), Email: mail(id)}
		}
	}
	if id := firstScalar(o, guessUserID); id != "" && len(id) <= event.MaxID {
		return event.Actor{Type: "user", ID: strings.ReplaceAll(id, "\x00", "\uFFFD"), Email: mail(id)}
	}
	return event.Actor{}
}

func guessedOutcome(o object) string {
	for _, n := range guessStatus {
		v := o.get(n)
		if len(v) == 0 {
			continue
		}
		if v[0] == '{' {
			v = quote(first(object(event.Members(v)).text("result"), object(event.Members(v)).text("status")))
		}
		switch word := strings.ToLower(event.Text(v)); {
		case slices.Contains([]string{"failure", "failed", "fail", "error", "false"}, word):
			return "failure"
		case slices.Contains([]string{"denied", "deny", "forbidden", "unauthorized", "blocked"}, word):
			return "denied"
		}
	}
	return "success"
}
