package link

import (
	"context"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger/event"
)

// newEvent describes what somebody did to a link. Its resource is what the link leads to.
func newEvent(ctx context.Context, verb, activity string, by actor.Principal, l *Link) *event.Event {
	e := &event.Event{Source: "probity", Action: l.targetType + "." + verb, Category: "governance", Activity: activity, Severity: "notice",
		Actor:    event.Actor{Type: by.Type(), ID: by.ID(), Name: by.Name, Email: by.Email},
		Resource: event.Resource{Type: l.targetType, ID: l.targetID},
		Context:  event.Context{IP: by.IP, UserAgent: by.UserAgent, SessionID: by.SessionID, RequestID: api.RequestID(ctx)},
		Data:     []event.Member{member("link", l.ID), member("expires_at", l.ExpiresAt)}}
	if by.Role != "" {
		e.Actor.Roles = []string{by.Role}
	}
	if l.Recipient != "" {
		e.Data = append(e.Data, member("recipient", l.Recipient))
	}
	for _, hop := range api.Hops(ctx) {
		if hop != "unknown" {
			e.Context.ForwardedFor = append(e.Context.ForwardedFor, hop)
		}
	}
	return e
}

// holder is whoever came with a link: nobody knows who that is.
func holder(ctx context.Context, l *Link) actor.Principal {
	p := actor.Principal{TenantID: l.tenant}
	if a := api.ClientIP(ctx); a.IsValid() {
		p.IP = a.String()
	}
	p.UserAgent = api.UserAgent(ctx)
	return p
}

func used(ctx context.Context, l *Link, f File) *event.Event {
	e := newEvent(ctx, "download", "export", holder(ctx, l), l)
	e.Actor = event.Actor{Type: "anonymous", ID: l.ID}
	e.Data = append(e.Data, member("bytes", f.Bytes), member("sha256", f.SHA256))
	return e
}

// refused says that somebody came with a link that had ended.
func refused(ctx context.Context, l *Link, why string) *event.Event {
	e := newEvent(ctx, "download", "export", holder(ctx, l), l)
	e.Actor = event.Actor{Type: "anonymous", ID: l.ID}
	e.Outcome = event.Outcome{Status: "denied", Reason: "the link is " + why}
	return e
}

// member makes a member of an event's data from a value of our own making, which always marshals.
func member(name string, v any) event.Member {
	b, err := json.Marshal(v)
	if err != nil {
		panic("link: an event cannot be written: " + err.Error())
	}
	return event.Member{Name: name, Value: jsontext.Value(b)}
}
