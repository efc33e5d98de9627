package app

import (
	"context"
	"database/sql"
	"errors"
	"net/http"

	"probity.dev/access"
	"probity.dev/access/flag"
	"probity.dev/access/oidc"
	"probity.dev/access/scim"
	"probity.dev/access/subscription"
	"probity.dev/access/token"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

func (a *App) openTokens() {
	a.tokens = token.New(token.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Sessions: a.Access, Denials: a.denials, HTTP: a.notify.client, Guard: a.notify.client,
		PublicURL: a.Config.PublicURL, Logger: a.telemetry.Logger})
	a.flags = flag.New(a.db, recorder{a.Ledger}, sealer{a.Ledger}, nil)
	a.subscriptions = subscription.New(subscription.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Check: a.checkToken, Denials: a.denials, Index: a.Access.Index,
		Features: a.features, OnlyTenant: a.Access.OnlyTenant})
	a.oidc = oidc.New(oidc.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Accounts: a.Access, Denials: a.denials, Transport: a.notify.client.Transport(), Guard: a.notify.client,
		Index: a.Access.Index, OnlyTenant: a.Access.OnlyTenant, SessionFor: a.Config.SessionAbsolute, PublicURL: a.Config.PublicURL, Secure: a.Config.Secure(), Logger: a.telemetry.Logger})
	a.scim = scim.New(scim.Options{DB: a.db, Recorder: recorder{a.Ledger}, Sealer: sealer{a.Ledger}, Accounts: directory{a.Access}, Denials: a.denials, Index: a.Access.Index, PublicURL: a.Config.PublicURL,
		Logger: a.telemetry.Logger})
}

// directory lets a directory manage accounts.
type directory struct{ *access.Service }

// List implements scim.Accounts.
func (d directory) List(ctx context.Context, by actor.Principal) ([]scim.Account, error) {
	users, err := d.Users(ctx, by)
	out := make([]scim.Account, len(users))
	for i, u := range users {
		out[i] = scim.Account{ID: u.ID, Email: u.Email, Name: u.Name, Active: !u.Locked(), CreatedAt: u.CreatedAt}
	}
	return out, err
}

// Change implements scim.Accounts.
func (d directory) Change(ctx context.Context, by actor.Principal, next scim.Account, also func(ctx context.Context, tx *sql.Tx) error) error {
	return d.Revise(ctx, by, next.ID, next.Email, next.Name, !next.Active, also)
}

// checkToken checks the token of a request for a domain that records refusals itself.
func (a *App) checkToken(ctx context.Context, h http.Header) (*subscription.Token, error) {
	text, ok := token.Bearer(h)
	if !ok {
		return nil, nil
	}
	v, err := a.tokens.Check(ctx, text)
	var r *token.Refused
	if errors.As(err, &r) {
		return nil, &subscription.Refused{Reason: r.Reason, TenantID: r.TenantID, Undecided: r.Undecided()}
	}
	if err != nil {
		return nil, err
	}
	if err := a.tenants.Check(ctx, v.TenantID); err != nil {
		return nil, err
	}
	return &subscription.Token{TenantID: v.TenantID, Caller: v.Caller, Subject: v.Subject, Roles: v.Roles, ExpiresAt: v.ExpiresAt}, nil
}

// features returns which flags of a tenant are on for a user.
func (a *App) features(ctx context.Context, tenantID, subject string, roles []string) (map[string]bool, error) {
	values, err := a.flags.Evaluate(ctx, tenantID, subject, roles, nil)
	out := make(map[string]bool, len(values))
	for name, v := range values {
		out[name] = v.On
	}
	return out, err
}

// present returns the rights that somebody has now who asked for something earlier.
func (a *App) present(ctx context.Context, asked actor.Principal) (actor.Principal, error) {
	var p actor.Principal
	var err error
	if asked.IsService() {
		p, err = a.tokens.Present(ctx, asked)
	} else {
		p, err = a.Access.Present(ctx, asked)
	}
	p.Purpose = asked.Purpose
	return p, err
}

// stillThere says whether the caller of a stream may go on: of a session or key, and of a service as long as its issuer is trusted.
func (a *App) stillThere(ctx context.Context, p actor.Principal) error {
	if err := a.tenants.Check(ctx, p.TenantID); err != nil {
		return err
	}
	if p.IsService() {
		_, err := a.tokens.Present(ctx, p)
		return err
	}
	if err := a.Access.StillThere(ctx, p); err != nil || !p.Unmasked() || p.IsSystem() {
		return err
	}
	// An elevation ends while a stream goes on.
	now, err := a.Access.Now(ctx, p)
	if err == nil && !now.Unmasked() {
		err = errs.New(errs.Forbidden, "You no longer see values as they are; open the stream again.")
	}
	return err
}
