package export

import (
	"context"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger/event"
)

// newEvent starts an event about an export: who, from where, which export.
func newEvent(ctx context.Context, action, activity string, by actor.Principal, j *job) *event.Event {
	e := &event.Event{Source: "probity", Action: action, Category: "governance", Activity: activity, Severity: "notice",
		Actor:    event.Actor{Type: by.Type(), ID: by.ID(), Name: by.Name, Email: by.Email},
		Resource: event.Resource{Type: "export", ID: j.id},
		Context:  event.Context{IP: by.IP, UserAgent: by.UserAgent, SessionID: by.SessionID, RequestID: api.RequestID(ctx)},
		Data:     []event.Member{member("format", j.format), member("kind", j.kind)}}
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

// createEvent says what was asked for. The filter may name persons; the ledger keeps it encrypted, like any text it knows nothing about.
func createEvent(ctx context.Context, by actor.Principal, j *job, r *Request) *event.Event {
	e := newEvent(ctx, "export.create", "export", by, j)
	e.Data = append(e.Data, member("filter", r.Filter))
	if r.Title != "" {
		e.Data = append(e.Data, member("title", r.Title))
	}
	if len(r.Columns) > 0 {
		e.Data = append(e.Data, member("columns", r.Columns))
	}
	return e
}

// endEvent says how an export ended. The server is the actor, on behalf of whoever asked.
func endEvent(ctx context.Context, j *job, asked actor.Principal, r result, failure string) *event.Event {
	e := newEvent(ctx, "export.complete", "export", actor.System(j.tenant), j)
	e.Actor = event.Actor{Type: "system", ID: "probity", OnBehalfOf: []event.Ref{{Type: asked.Type(), ID: asked.ID()}}}
	e.Data = append(e.Data, member("rows", r.rows), member("bytes", r.bytes))
	if failure != "" {
		e.Outcome = event.Outcome{Status: "failure", Reason: failure}
		return e
	}
	e.Data = append(e.Data, member("sha256", r.sha256))
	return e
}

// member makes a member of an event's data from a value of our own making, which always marshals.
func member(name string, v any) event.Member {
	b, err := json.Marshal(v)
	if err != nil {
		panic("export: an event cannot be written: " + err.Error())
	}
	return event.Member{Name: name, Value: jsontext.Value(b)}
}
