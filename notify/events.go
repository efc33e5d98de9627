package notify

import (
	"context"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger/event"
)

// The actions that this package records.
const (
	actionCreate  = "notification_channel.create"
	actionUpdate  = "notification_channel.update"
	actionDelete  = "notification_channel.delete"
	actionPause   = "notification_channel.pause"
	actionResume  = "notification_channel.resume"
	actionMute    = "notification_channel.mute"
	actionUnmute  = "notification_channel.unmute"
	actionTest    = "notification_channel.test"
	actionRotate  = "notification_channel.rotate_key"
	actionReplay  = "dead_letter.replay"
	actionDiscard = "dead_letter.discard"
)

// newEvent starts an event of this domain: who, from where, about what.
func newEvent(ctx context.Context, action, activity string, by actor.Principal, about event.Resource) *event.Event {
	e := &event.Event{Source: "probity", Action: action, Category: "config", Activity: activity, Severity: "notice",
		Actor: event.Actor{Type: by.Type(), ID: by.ID(), Name: by.Name, Email: by.Email}, Resource: about,
		Context: event.Context{IP: by.IP, UserAgent: by.UserAgent, SessionID: by.SessionID, RequestID: api.RequestID(ctx)}}
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

// channelEvent is an event about a channel. It says of what kind the channel is and what goes over it, and nothing of its settings.
func channelEvent(ctx context.Context, action, activity string, by actor.Principal, c *channel, name string) *event.Event {
	e := newEvent(ctx, action, activity, by, event.Resource{Type: "notification_channel", ID: c.id, Name: name})
	e.Data = append(e.Data, member("kind", c.kind), member("topics", c.topics))
	return e
}

// member makes a member of an event's data from a value of our own making, which always marshals.
func member(name string, v any) event.Member {
	b, err := json.Marshal(v)
	if err != nil {
		panic("notify: an event cannot be written: " + err.Error())
	}
	return event.Member{Name: name, Value: jsontext.Value(b)}
}
