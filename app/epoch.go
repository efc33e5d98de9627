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
	loss, err := a.Ledger.Loss(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	if loss.Held > 0 {
		r, err := a.verifier.run(ctx, tenantID)
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
