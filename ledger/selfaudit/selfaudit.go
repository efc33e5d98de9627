package selfaudit

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger/event"
)

// New starts an event: by did an activity (one of event.Activities), called action, to about. What by leaves open of where the request came from is taken from the request being served.
func New(ctx context.Context, by actor.Principal, category, action, activity string, about event.Resource) *event.Event {
	e := &event.Event{Source: "probity", Action: action, Category: category, Activity: activity, Severity: "notice",
		Actor: event.Actor{Type: by.Type(), ID: by.ID(), Name: by.Name, Email: by.Email}, Resource: about,
		Context: event.Context{IP: by.IP, UserAgent: by.UserAgent, SessionID: by.SessionID, RequestID: api.RequestID(ctx)}}
	e.Actor.Roles = slices.Clone(by.Roles)
	if a := api.ClientIP(ctx); e.Context.IP == "" && a.IsValid() {
		e.Context.IP = a.String()
	}
	if e.Context.UserAgent == "" {
		e.Context.UserAgent = api.UserAgent(ctx)
	}
	for _, hop := range api.Hops(ctx) {
		if hop != "unknown" { // which RFC 7239 allows, and is no address
			e.Context.ForwardedFor = append(e.Context.ForwardedFor, hop)
		}
	}
	return e
}

// Member makes a member of an event's data from a value of our own making, which always marshals.
func Member(name string, v any) event.Member {
	b, err := json.Marshal(v)
	if err != nil {
		panic("selfaudit: the member " + name + " of an event cannot be written: " + err.Error())
	}
	return event.Member{Name: name, Value: jsontext.Value(b)}
}
