package approval

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// The actions that this package records. What is approved is recorded by what applies it.
const (
	actionRequest = "approval.request"
	actionApprove = "approval.approve"
	actionDeny    = "approval.deny"
	actionCancel  = "approval.cancel"
	actionExpire  = "approval.expire"
	actionApply   = "approval.apply"
	actionArm     = "approval.arm"
	actionBreak   = "access.break_glass"
)

func actionOf(approve bool) string {
	if approve {
		return actionApprove
	}
	return actionDeny
}

func activityOf(approve bool) string {
	if approve {
		return "approve"
	}
	return "deny"
}

func newEvent(ctx context.Context, action, activity string, by actor.Principal, r *Request) *event.Event {
	e := selfaudit.New(ctx, by, "access", action, activity, event.Resource{Type: "approval", ID: r.ID})
	e.Severity = "high"
	e.Data = []event.Member{selfaudit.Member("kind", r.Kind), selfaudit.Member("requested_by", r.Behind), selfaudit.Member("needed", r.Needed), selfaudit.Member("summary", r.Summary),
		{Name: "change", Value: jsontext.Value(r.Change)}}
	return e
}

func stateChange(before, after State) event.Change {
	if before == "" {
		return selfaudit.Change("/state", nil, after)
	}
	return selfaudit.Change("/state", before, after)
}
