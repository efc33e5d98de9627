package role

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// The actions that this package records.
const (
	actionRoleCreate       = "role.create"
	actionRoleUpdate       = "role.update"
	actionRoleDelete       = "role.delete"
	actionPermissionPut    = "permission.update"
	actionPermissionDelete = "permission.delete"
	actionAssign           = "role.assign"
	actionRevoke           = "role.revoke"
	actionExpire           = "role.expire"
)

var activities = map[string]string{actionRoleCreate: "create", actionRoleUpdate: "update", actionRoleDelete: "delete", actionPermissionPut: "update", actionPermissionDelete: "delete",
	actionAssign: "grant", actionRevoke: "revoke", actionExpire: "revoke"}

func newEvent(ctx context.Context, action string, by actor.Principal, roleID, user string) *event.Event {
	e := selfaudit.New(ctx, by, "access", action, activities[action], event.Resource{Type: "role", ID: roleID})
	if user != "" {
		e.Subject = &event.Ref{Type: "user", ID: user}
	}
	return e
}

// refused records that somebody was refused something, and returns why. A log that takes no events does not turn a refusal into anything else.
func (s *Service) refused(ctx context.Context, e *event.Event, by actor.Principal, why error) error {
	var known *errs.Error
	if by.TenantID == "" || !errors.As(why, &known) || known.Code != errs.Forbidden && known.Code != errs.Conflict {
		return why
	}
	e.Changes, e.Outcome, e.Severity = nil, event.Outcome{Status: "denied", Reason: known.Message}, "medium"
	if err := s.o.Recorder.Record(ctx, by.TenantID, e, func(context.Context, *sql.Tx) error { return nil }); err != nil {
		s.o.Logger.Warn("a refusal was not recorded", "error", err)
	}
	return why
}

// given is an assignment as events show it; who has it is the event's subject.
type given struct {
	ID        string     `json:"assignment_id"`
	RoleID    string     `json:"role_id"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Scope     Scope      `json:"scope"`
}

func givenOf(a *Assignment) given { return given{a.ID, a.RoleID, a.ExpiresAt, a.Scope} }
