package export

import (
	"context"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// newEvent starts an event about an export: who, from where, which export.
func newEvent(ctx context.Context, action, activity string, by actor.Principal, j *job) *event.Event {
	e := selfaudit.New(ctx, by, "governance", action, activity, event.Resource{Type: "export", ID: j.id})
	e.Data = []event.Member{selfaudit.Member("format", j.format), selfaudit.Member("kind", j.kind)}
	return e
}

// createEvent says what was asked for. The filter may name persons; the ledger keeps it encrypted, like any text it knows nothing about.
func createEvent(ctx context.Context, by actor.Principal, j *job, r *Request) *event.Event {
	e := newEvent(ctx, "export.create", "export", by, j)
	e.Data = append(e.Data, selfaudit.Member("filter", r.Filter))
	if r.Title != "" {
		e.Data = append(e.Data, selfaudit.Member("title", r.Title))
	}
	if by.Unmasked() {
		e.Data = append(e.Data, selfaudit.Member("unmasked", true))
	}
	if by.Purpose != "" {
		e.Data = append(e.Data, selfaudit.Member("purpose", by.Purpose))
	}
	if len(r.Columns) > 0 {
		e.Data = append(e.Data, selfaudit.Member("columns", r.Columns))
	}
	return e
}

// endEvent says how an export ended. The server is the actor, on behalf of whoever asked.
func endEvent(ctx context.Context, j *job, asked actor.Principal, r result, failure string) *event.Event {
	e := newEvent(ctx, "export.complete", "export", actor.System(j.tenant), j)
	e.Actor = event.Actor{Type: "system", ID: "probity", OnBehalfOf: []event.Ref{{Type: asked.Type(), ID: asked.ID()}}}
	e.Data = append(e.Data, selfaudit.Member("rows", r.rows), selfaudit.Member("bytes", r.bytes))
	if failure != "" {
		e.Outcome = event.Outcome{Status: "failure", Reason: failure}
		return e
	}
	e.Data = append(e.Data, selfaudit.Member("sha256", r.sha256))
	return e
}
