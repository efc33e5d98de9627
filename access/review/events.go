package review

import (
	"context"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// The actions that this package records. What a reviewer revokes is recorded as role.revoke or api_key.revoke, with the review in its data.
const (
	actionCreate  = "access_review.create"
	actionConfirm = "access_review.confirm"
	actionRevoke  = "access_review.revoke" // of what can only be ended elsewhere
	actionGone    = "access_review.gone"
	actionRefuse  = "access_review.decide" // refused
	actionRemind  = "access_review.remind"
	actionOverdue = "access_review.overdue"
	actionClose   = "access_review.close"
	actionStop    = "access_review.stop_repeating"
	actionExport  = "access_review.export"
	actionOwner   = "role.owner"
)

var activities = map[string]string{actionCreate: "create", actionConfirm: "approve", actionRevoke: "revoke", actionGone: "update", actionRefuse: "update", actionRemind: "send", actionOverdue: "other",
	actionClose: "update", actionStop: "update", actionExport: "export", actionOwner: "update"}

func newEvent(ctx context.Context, action string, by actor.Principal, r *Review) *event.Event {
	e := selfaudit.New(ctx, by, "access", action, activities[action], event.Resource{Type: "access_review", ID: r.ID, Name: r.Name})
	e.CorrelationID = r.ID
	return e
}

// decision is what the event of a decision holds about the item.
func decision(r *Review, i *Item) []event.Member {
	return []event.Member{selfaudit.Member("access_review", r.ID), selfaudit.Member("item", i.ID), selfaudit.Member("grant", i.Grant)}
}

// decided is the event of a decision that ends nothing by itself.
func decided(ctx context.Context, action string, by actor.Principal, r *Review, i *Item, to, reason string) *event.Event {
	e := newEvent(ctx, action, by, r)
	if i.UserID != "" {
		e.Subject = &event.Ref{Type: "user", ID: i.UserID, Name: i.UserName}
	}
	e.Reason, e.Data = reason, decision(r, i)
	e.Changes = []event.Change{selfaudit.Change("/state", Waiting, to)}
	return e
}
