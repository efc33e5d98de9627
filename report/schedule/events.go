package schedule

import (
	"context"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger/event"
)

// newEvent describes what somebody did to a schedule. The definition may name persons; the ledger keeps it encrypted, like any text it knows nothing about.
func newEvent(ctx context.Context, verb, activity string, by actor.Principal, c *Schedule) *event.Event {
	e := &event.Event{Source: "probity", Action: "schedule." + verb, Category: "governance", Activity: activity, Severity: "notice",
		Actor:    event.Actor{Type: by.Type(), ID: by.ID(), Name: by.Name, Email: by.Email},
		Resource: event.Resource{Type: "schedule", ID: c.ID},
		Context:  event.Context{IP: by.IP, UserAgent: by.UserAgent, SessionID: by.SessionID, RequestID: api.RequestID(ctx)},
		Data:     []event.Member{member("format", c.Definition.Format), member("period", c.Definition.Period), member("every", c.Definition.Timing.Every)}}
	if verb == "create" || verb == "update" {
		e.Data = append(e.Data, member("definition", c.Definition))
	}
	if by.Role != "" {
		e.Actor.Roles = []string{by.Role}
	}
	for _, hop := range api.Hops(ctx) {
		if hop != "unknown" {
			e.Context.ForwardedFor = append(e.Context.ForwardedFor, hop)
		}
	}
	return e
}

// member makes a member of an event's data from a value of our own making, which always marshals.
func member(name string, v any) event.Member {
	b, err := json.Marshal(v)
	if err != nil {
		panic("schedule: an event cannot be written: " + err.Error())
	}
	return event.Member{Name: name, Value: jsontext.Value(b)}
}
