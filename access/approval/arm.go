package approval

import (
	"context"
	"database/sql"
	"errors"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Armed reports whether what is grave waits for others in a tenant. In a tenant with one person who may decide nothing could ever be approved, so it does not wait there; as soon as there has been a second one it does, for good,
// also when that one is locked or gone: otherwise an administrator could make himself the only one. The moment is an event.
func (s *Service) Armed(ctx context.Context, tenantID string) (bool, error) {
	if _, known := s.armed.Load(tenantID); known {
		return true, nil
	}
	is, err := armed(ctx, s.o.DB.Read(ctx), tenantID)
	if err != nil {
		return false, err
	}
	if !is {
		n, err := s.o.People.Deciders(ctx, tenantID)
		if err != nil || n < 2 {
			return false, err
		}
		e := selfaudit.New(ctx, actor.System(tenantID), "access", actionArm, "enable", event.Resource{Type: "tenant", ID: tenantID})
		e.Severity = "high"
		err = s.o.Recorder.Record(ctx, tenantID, e, func(ctx context.Context, tx *sql.Tx) error { return arm(ctx, tx, tenantID, s.o.Now().UnixMicro()) })
		if err != nil && !errors.Is(err, errMoved) { // another server was first
			return false, err
		}
	}
	s.armed.Store(tenantID, true)
	return true, nil
}
