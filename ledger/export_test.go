package ledger

import (
	"context"

	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// Encode does what an append does before it is committed.
func Encode(ctx context.Context, l *Ledger, tenantID string, events []*event.Event) error {
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	s := &submission{ctx: ctx, t: t, period: periodID{period: evidence.Period(sqldb.Now())}}
	at := make([]int, len(events))
	_, err = l.prepare(ctx, s, &Receipt{Results: make([]Result, len(events))}, at, events, AppendOptions{})
	return err
}
