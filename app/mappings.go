package app

import (
	"context"
	"time"

	"probity.dev/access/mapping"
	"probity.dev/internal/actor"
	"probity.dev/report/export"
)

func (a *App) openMappings() {
	a.mappings = mapping.New(mapping.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, People: holders{reviewers{a}}, Jobs: a.jobs, Queue: queueOfAccess,
		Guard: a.notify.client, Transport: a.notify.client.Transport(), Formula: export.StartsFormula, Logger: a.telemetry.Logger})
}

// holders knows who has which role, for systems elsewhere.
type holders struct{ reviewers }

// Holders implements mapping.People.
func (h holders) Holders(ctx context.Context, tenantID string) ([]mapping.Holder, error) {
	h.a.Access.Roles().Forget(tenantID) // what another server has just revoked must not be given elsewhere
	x, err := h.a.Access.Roles().Of(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	users, err := h.a.Access.Users(ctx, actor.System(tenantID))
	if err != nil {
		return nil, err
	}
	out := make([]mapping.Holder, len(users))
	for i, u := range users {
		out[i] = mapping.Holder{ID: u.ID, Name: u.Name, Email: u.Email}
		if !u.Locked() {
			out[i].Roles = x.Rights(u.ID, time.Now()).Roles
		}
	}
	return out, nil
}
