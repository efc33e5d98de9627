package link

import (
	"context"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// newEvent describes what somebody did to a link. Its resource is what the link leads to.
func newEvent(ctx context.Context, verb, activity string, by actor.Principal, l *Link) *event.Event {
	e := selfaudit.New(ctx, by, "governance", l.targetType+"."+verb, activity, event.Resource{Type: l.targetType, ID: l.targetID})
	e.Data = []event.Member{selfaudit.Member("link", l.ID), selfaudit.Member("expires_at", l.ExpiresAt)}
	if l.Recipient != "" {
		e.Data = append(e.Data, selfaudit.Member("recipient", l.Recipient))
	}
	return e
}

// taken is an event of whoever came with a link: nobody knows who that is.
func taken(ctx context.Context, l *Link) *event.Event {
	e := newEvent(ctx, "download", "export", actor.Principal{TenantID: l.tenant}, l)
	e.Actor = event.Actor{Type: "anonymous", ID: l.ID}
	return e
}

func used(ctx context.Context, l *Link, f File) *event.Event {
	e := taken(ctx, l)
	e.Data = append(e.Data, selfaudit.Member("bytes", f.Bytes), selfaudit.Member("sha256", f.SHA256))
	return e
}

// refused says that somebody came with a link that had ended.
func refused(ctx context.Context, l *Link, why string) *event.Event {
	e := taken(ctx, l)
	e.Outcome = event.Outcome{Status: "denied", Reason: "the link is " + why}
	return e
}
