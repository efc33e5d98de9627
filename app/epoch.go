package app

import (
	"context"

	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/httpapi"
)

// OpenEpoch lets a log that a lossy restore has frozen go on in a new epoch. What is left is verified with its working copies first; decide is then shown what is lost, and its error
// calls everything off. reason is recorded in the first event of the new epoch, with the account that runs the process.
func (a *App) OpenEpoch(ctx context.Context, tenantID, reason string, decide func(*ledger.Loss) error) (*ledger.Loss, error) {
	if err := a.lone(ctx); err != nil {
		return nil, err
	}
	loss, err := a.Ledger.Loss(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	if loss.Held > 0 {
		r, err := a.verifier.run(ctx, tenantID, nil)
		if err != nil {
			return nil, err
		}
		if !r.OK {
			return nil, errs.New(errs.Conflict, "what is left of the log does not verify, so it cannot be the end of an epoch: %s", r.First())
		}
	}
	if err := decide(loss); err != nil {
		return nil, err
	}
	return a.Ledger.OpenEpoch(ctx, tenantID, httpapi.By(Operator(tenantID, false)), reason)
}

// notice is what everybody of a tenant should know before anything else.
func (a *App) notice(ctx context.Context, tenantID string) string {
	h, err := a.Ledger.Head(ctx, tenantID)
	if err != nil || h.Frozen == "" {
		return ""
	}
	return "The log is frozen and takes no events: " + h.Frozen + ". Searching and verifying work; changes and exports, which would have to be recorded, do not."
}

// AcceptDatabase lets a log go on whose high-water mark is missing: what the database itself says was signed last is taken for it. What is there is verified first; decide is then
// shown what the database says, and its error calls everything off. reason is recorded, with the account that runs the process.
func (a *App) AcceptDatabase(ctx context.Context, tenantID, reason string, decide func(*ledger.Unmarked) error) (*ledger.Unmarked, error) {
	if err := a.lone(ctx); err != nil {
		return nil, err
	}
	u, err := a.Ledger.Unmarked(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	r, err := a.verifier.run(ctx, tenantID, nil)
	if err != nil {
		return nil, err
	}
	if !r.OK {
		return nil, errs.New(errs.Conflict, "the log does not verify, so it cannot be accepted: %s", r.First())
	}
	if err := decide(u); err != nil {
		return nil, err
	}
	return a.Ledger.AcceptDatabase(ctx, tenantID, httpapi.By(Operator(tenantID, false)), reason)
}
