package schedule

import (
	"context"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// newEvent describes what somebody did to a schedule. The definition may name persons; the ledger keeps it encrypted, like any text it knows nothing about.
func newEvent(ctx context.Context, verb, activity string, by actor.Principal, c *Schedule) *event.Event {
	e := selfaudit.New(ctx, by, "governance", "schedule."+verb, activity, event.Resource{Type: "schedule", ID: c.ID})
	e.Data = []event.Member{selfaudit.Member("format", c.Definition.Format), selfaudit.Member("period", c.Definition.Period), selfaudit.Member("every", c.Definition.Timing.Every)}
	if verb == "create" || verb == "update" {
		e.Data = append(e.Data, selfaudit.Member("definition", c.Definition))
	}
	return e
}
