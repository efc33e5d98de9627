package notify

import (
	"context"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
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
	return selfaudit.New(ctx, by, "config", action, activity, about)
}

// channelEvent is an event about a channel. It says of what kind the channel is and what goes over it, and nothing of its settings.
func channelEvent(ctx context.Context, action, activity string, by actor.Principal, c *channel, name string) *event.Event {
	e := newEvent(ctx, action, activity, by, event.Resource{Type: "notification_channel", ID: c.id, Name: name})
	e.Data = append(e.Data, selfaudit.Member("kind", c.kind), selfaudit.Member("topics", c.topics))
	return e
}
