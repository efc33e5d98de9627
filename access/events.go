package access

import (
	"context"
	"encoding/json"

	"github.com/go-json-experiment/json/jsontext"

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

func change(path string, before, after any) event.Change {
	c := event.Change{Path: path, Op: "replace", Before: jsonText(before), After: jsonText(after)}
	switch {
	case before == nil:
		c.Op = "add"
	case after == nil:
		c.Op = "remove"
	}
	return c
}

// jsonText renders values of our own making: strings, booleans and lists of strings, which always marshal.
func jsonText(v any) jsontext.Value {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic("access: a change cannot be written: " + err.Error())
	}
	return b
}
