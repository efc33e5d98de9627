package intake

import (
	"strings"
	"time"

	"probity.dev/ledger/event"
)

// ocsfVerbs are the activities of the OCSF classes that are read, by class and activity_id.
var ocsfVerbs = map[int64][]string{
	6003: {"unknown", "create", "read", "update", "delete"},
	3004: {"unknown", "create", "read", "update", "delete", "move", "enroll", "unenroll", "enable", "disable", "activate", "deactivate", "suspend", "resume"},
	3002: {"unknown", "login", "logout", "ticket", "service_ticket", "service_ticket_renew", "preauth", "switch"},
	3001: {"unknown", "create", "enable", "password_change", "password_reset", "disable", "delete", "attach_policy", "detach_policy", "lock", "mfa_enable", "mfa_disable", "unlock"},
}

var ocsfCategories = map[int64]string{6003: "data", 3004: "data", 3002: "auth", 3001: "access"}

var ocsfSeverities = [...]string{"", "info", "low", "medium", "high", "critical", "critical"}

// ocsf reads an OCSF event of the classes API Activity (6003), Entity Management (3004), Authentication (3002) and Account Change
// (3001). Members that the event says in the same words move to it; all others are kept under data.
func (s *state) ocsf(raw []byte) []*Item {
	list, err := event.ParseObject(raw)
	if err != nil {
		return []*Item{{Err: err}}
	}
	return s.ocsfOf(list)
}

func (s *state) ocsfOf(o object) []*Item {
	class, ok := o.int("class_uid")
	verbs := ocsfVerbs[class]
	if !ok || verbs == nil {
		return reject("/class_uid", "word", "Only the classes 6003, 3004, 3002 and 3001 can be read.")
	}
	verb := verbs[0]
	if n, ok := o.int("activity_id"); ok && n >= 0 && n < int64(len(verbs)) {
		verb = verbs[n]
	} else if name := clear(o.text("activity_name")); name != "" {
		verb = name
	}
	e := &event.Event{Category: ocsfCategories[class], Activity: event.ActivityOf(verb)}
	if !ocsfTime(e, o) {
		return reject("/time", "time", "This must be the milliseconds since 1970 UTC.")
	}
	meta := o.object("metadata")
	e.ID = meta.text("uid")
	e.CorrelationID = meta.text("correlation_uid")
	e.Source = s.source(first(meta.path("product", "name"), meta.path("product", "feature", "name"), "ocsf"))
	if n, ok := o.int("severity_id"); ok && n > 0 && n < int64(len(ocsfSeverities)) {
		e.Severity = ocsfSeverities[n]
	}
	ocsfOutcome(e, o)
	ocsfPeople(e, o, class)
	ocsfSubject(e, o, class, verb)
	e.Context.IP = first(ipOrNothing(o.path("src_endpoint", "ip")), ipOrNothing(o.path("device", "ip")))
	e.Context.UserAgent = o.path("http_request", "user_agent")
	e.Context.SessionID = o.path("session", "uid")
	e.Context.RequestID = o.path("api", "request", "uid")
	e.Reason = o.text("comment")
	e.Data = o.without("time", "comment")
	return one(e)
}

func ipOrNothing(s string) string {
	if isIP(s) {
		return s
	}
	return ""
}

func ocsfTime(e *event.Event, o object) bool {
	if ms, ok := o.int("time"); ok {
		e.OccurredAt = time.UnixMilli(ms).UTC()
		return true
	}
	if t, ok := event.ParseTime(first(o.text("time_dt"), o.text("time"))); ok {
		e.OccurredAt = t
		return true
	}
	return false
}

func ocsfOutcome(e *event.Event, o object) {
	switch n, _ := o.int("status_id"); {
	case n == 2, n == 0 && strings.EqualFold(o.text("status"), "failure"):
		e.Outcome.Status = "failure"
	default:
		e.Outcome.Status = "success"
	}
	code := first(o.scalar("status_code"), o.path("api", "response", "error"))
	if n, _ := o.int("disposition_id"); n == 2 || awsDenied(code) || strings.EqualFold(code, "denied") {
		e.Outcome.Status = "denied"
	}
	e.Outcome.Reason = first(o.text("status_detail"), o.path("api", "response", "error_message"), o.path("api", "response", "error"))
}

// ocsfPeople maps the actor; in Authentication the user is who signs in, in Account Change whose account it is.
func ocsfPeople(e *event.Event, o object, class int64) {
	u := o.object("actor").object("user")
	target := o.object("user")
	if u == nil && class == 3002 {
		u = target
	}
	e.Actor = ocsfActor(u)
	if e.Actor.ID == "" && e.Actor.Name == "" && e.Actor.Email == "" {
		if app := o.path("actor", "app_name"); app != "" {
			e.Actor = event.Actor{Type: "service_account", ID: app, Name: app}
		}
	}
	if class == 3001 && target != nil {
		if a := ocsfActor(target); a.ID != "" {
			e.Subject = &event.Ref{Type: "user", ID: a.ID, Name: a.Name}
		}
	}
}

func ocsfActor(u object) event.Actor {
	if u == nil {
		return event.Actor{}
	}
	a := event.Actor{Type: "user", ID: first(u.scalar("uid"), u.text("uid_alt"), u.text("name"), u.text("email_addr")), Name: first(u.text("full_name"), u.text("name")),
		Email: u.text("email_addr")}
	switch n, _ := u.int("type_id"); n {
	case 3:
		a.Type = "system"
	case 4:
		a.Type = "service_account"
	}
	for _, v := range event.Elements(u.get("groups")) {
		if name := object(event.Members(v)).text("name"); name != "" && len(a.Roles) < 64 {
			a.Roles = append(a.Roles, name)
		}
	}
	return a
}

// ocsfSubject names the action and the resource.
func ocsfSubject(e *event.Event, o object, class int64, verb string) {
	switch class {
	case 6003:
		operation := o.path("api", "operation")
		service := strings.TrimSuffix(o.object("api").path("service", "name"), ".amazonaws.com")
		switch {
		case operation != "" && strings.Contains(operation, "."):
			e.Action = clear(operation)
		case operation != "":
			e.Action = clear(first(service, "api") + "." + operation)
		default:
			e.Action = clear(first(service, "api") + "." + verb)
		}
		for _, v := range event.Elements(o.get("resources")) {
			e.Resource = ocsfResource(event.Members(v), "resource")
			break
		}
	case 3004:
		e.Resource = ocsfResource(o.object("entity"), "entity")
		e.Action = clear(e.Resource.Type + "." + verb)
	case 3002:
		e.Action = clear("user." + verb)
		if v := o.object("service"); v != nil {
			e.Resource = ocsfResource(v, "service")
		}
	default:
		e.Action = clear("account." + verb)
		if s := e.Subject; s != nil {
			e.Resource = event.Resource{Type: "account", ID: s.ID, Name: s.Name}
		}
	}
}

func ocsfResource(r object, fallback string) event.Resource {
	if r == nil {
		return event.Resource{}
	}
	return event.Resource{Type: first(clear(r.text("type")), fallback), ID: first(r.scalar("uid"), r.text("name")), Name: r.text("name")}
}
