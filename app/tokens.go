package app

import (
	"context"

	"probity.dev/access/denial"
	"probity.dev/access/token"
	"probity.dev/internal/actor"
)

func (a *App) openTokens() {
	a.denials = denial.New(recorder{a.Ledger}, a.telemetry.Logger, nil)
	a.tokens = token.New(token.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Sessions: a.Access, Denials: a.denials, HTTP: a.notify.client, Guard: a.notify.client,
		PublicURL: a.Config.PublicURL, Logger: a.telemetry.Logger})
}

// present returns the rights that somebody has now who asked for something earlier.
func (a *App) present(ctx context.Context, asked actor.Principal) (actor.Principal, error) {
	if asked.IsService() {
		return a.tokens.Present(ctx, asked)
	}
	return a.Access.Present(ctx, asked)
}
