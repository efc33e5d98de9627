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

// HalfOpenEpoch does what OpenEpoch does up to where a crash would leave the new epoch without its first event.
func (l *Ledger) HalfOpenEpoch(ctx context.Context, tenantID string, by event.Actor, reason string) error {
	loss, err := l.Loss(ctx, tenantID)
	if err != nil {
		return err
	}
	t, err := l.tenant(ctx, tenantID)
	if err != nil {
		return err
	}
	if err := l.sealAll(ctx, t); err != nil {
		return err
	}
	return l.switchEpoch(ctx, t, loss, loss.opening(t, by, reason))
}
