package ledger

import (
	"context"

	"probity.dev/ledger/event"
)

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
