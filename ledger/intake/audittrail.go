package intake

import (
	"strings"

	"probity.dev/ledger/event"
)

const auditStart = "Audit:["

// auditTrail reads an entry of Splunk's audit trail: Audit:[timestamp=…, user=…, action=…, info=…, …]. An entry may span lines. All
// pairs but those four are kept under data as text; what cannot be taken apart is kept as "details".
func (s *state) auditTrail(raw []byte) []*Item {
	text, ok := strings.CutPrefix(strings.TrimSpace(validText(string(raw))), auditStart)
	if !ok {
		return reject("", "syntax", "The entry does not start with Audit:[.")
	}
	if i := strings.LastIndexByte(text, ']'); i >= 0 {
		text = text[:i] // an unsigned or signed entry: a signature may follow
	}
	pairs, rest := auditPairs(text)
	get := func(name string) string {
		for _, p := range pairs {
			if p.name == name {
				return p.value
			}
		}
		return ""
	}
	t, ok := parseTime(get("timestamp"), s.opt.Location)
	if !ok {
		return reject("/timestamp", "time", "The entry has no timestamp that can be read.")
	}
	action := get("action")
	if action == "" {
		return reject("/action", "required", "The entry has no action.")
	}
	e := &event.Event{Source: s.source("splunk.audittrail"), Action: clear("splunk." + action), Activity: event.ActivityOf(action), OccurredAt: t}
	if user := get("user"); user != "" && user != "n/a" {
		e.Actor = event.Actor{Type: "user", ID: user}
		if user == "splunk-system-user" {
			e.Actor.Type = "system"
		}
	} else {
		e.Actor = event.Actor{Type: "system", ID: "splunk"}
	}
	e.Category = auditCategory(action)
	info, more, _ := strings.Cut(get("info"), " ")
	e.Outcome.Status = auditOutcome(info)
	e.Resource = auditResource(get, more)
	for _, p := range pairs {
		switch p.name {
		case "timestamp", "user", "action":
		default:
			e.Data = add(e.Data, p.name, p.value)
		}
	}
	e.Data = add(e.Data, "details", rest)
	return one(e)
}

func auditCategory(action string) string {
	switch {
	case strings.Contains(action, "user"), strings.Contains(action, "role"), strings.Contains(action, "authentication"):
		return "access"
	case strings.Contains(action, "login"), strings.Contains(action, "session"), strings.Contains(action, "token"):
		return "auth"
	case action == "add", action == "update", action == "delete":
		return "system"
	case strings.HasPrefix(action, "edit_"):
		return "config"
	}
	return "data"
}

func auditOutcome(info string) string {
	switch strings.ToLower(strings.Trim(info, ",")) {
	case "denied":
		return "denied"
	case "failed", "bad_request", "error":
		return "failure"
	}
	return "success"
}

// auditResource names the file, search or object that an entry is about.
func auditResource(get func(string) string, more string) event.Resource {
	if path := get("path"); path != "" {
		return event.Resource{Type: "splunk.file", ID: path}
	}
	for _, known := range [...]pair{{"object", "splunk.object"}, {"search_id", "splunk.search"}} {
		if id := get(known.name); id != "" && len(id) <= event.MaxID {
			return event.Resource{Type: known.value, ID: id}
		}
	}
	if _, id, ok := strings.Cut(more, `object="`); ok {
		if id, _, ok = strings.Cut(id, `"`); ok && id != "" && len(id) <= event.MaxID {
			return event.Resource{Type: "splunk.object", ID: id}
		}
	}
	return event.Resource{}
}

type pair struct{ name, value string }

const maxPairs = 200

// auditPairs takes name=value pairs apart that are separated by commas. A value in single or double quotes may hold anything; it ends
// at a quote that a comma or the end follows. What is no pair is returned as rest.
func auditPairs(s string) (pairs []pair, rest string) {
	for len(pairs) < maxPairs {
		s = strings.TrimLeft(s, ", \r\n")
		name, value, ok := strings.Cut(s, "=")
		if s == "" || !ok || strings.ContainsAny(name, " ,'\"\n") || name == "" || len(name) > 64 {
			break
		}
		end := strings.IndexByte(value, ',')
		if q := value; q != "" && (q[0] == '\'' || q[0] == '"') {
			if n := quoteEnd(q); n > 0 {
				pairs = append(pairs, pair{name, q[1:n]})
				s = q[n+1:]
				continue
			}
		}
		if end < 0 {
			end = len(value)
		}
		pairs = append(pairs, pair{name, strings.TrimRight(value[:end], " \r\n")})
		s = value[end:]
	}
	return pairs, s
}

func quoteEnd(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] == s[0] && (i+1 == len(s) || s[i+1] == ',') {
			return i
		}
	}
	return 0
}
