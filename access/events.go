package access

import (
	"context"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// The actions that this package records.
const (
	actionLogin          = "session.login"
	actionLogout         = "session.logout"
	actionPasswordChange = "user.password_change"
	actionUserCreate     = "user.create"
	actionUserUpdate     = "user.update"
	actionUserLock       = "user.lock"
	actionUserUnlock     = "user.unlock"
	actionKeyCreate      = "api_key.create"
	actionKeyRevoke      = "api_key.revoke"
	actionKeyRotate      = "api_key.rotate"

	actionPassword        = "session.password" // was right, and a second step is awaited
	actionSessionSwitch   = "session.switch"   // to another tenant
	actionSessionRevoke   = "session.revoke"
	actionStepUp          = "session.step_up"
	actionSessionRestrict = "session.restrict"
	actionSessionFree     = "session.unrestrict"
	actionFactorAdd       = "user.factor_add"
	actionFactorRemove    = "user.factor_remove"
	actionFactorReset     = "user.factor_reset"
	actionRecoveryCodes   = "user.recovery_codes"
	actionFactorDemand    = "sign_in_policy.update"
)

// newEvent starts an event of the product with the actor and where the request came from.
func newEvent(ctx context.Context, action, category, activity string, by actor.Principal) *event.Event {
	return selfaudit.New(ctx, by, category, action, activity, event.Resource{})
}

func aboutUser(e *event.Event, u User) *event.Event {
	e.Resource = event.Resource{Type: "user", ID: u.ID, Name: u.Name}
	e.Subject = &event.Ref{Type: "user", ID: u.ID, Name: u.Name}
	return e
}

func aboutKey(e *event.Event, k Key) *event.Event {
	e.Resource = event.Resource{Type: "api_key", ID: k.ID, Name: k.Name}
	return e
}
