package role

import (
	"context"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// Approvals has others decide whether somebody may be given a role of high sensitivity.
type Approvals interface {
	// Armed reports whether the tenant has somebody else who could decide; once there was, it stays so.
	Armed(ctx context.Context, tenant string) (bool, error)
	// Ask makes a request of a grant, or finds the one that waits already, and returns its id.
	Ask(ctx context.Context, p actor.Principal, g Grant, r *Role) (string, error)
}

// SetApprovals has grants of roles of high sensitivity wait for others. It must be called before the service is used.
func (s *Service) SetApprovals(a Approvals) { s.approvals = a }

// Waiting says that something has not been done because somebody else has to approve it first. It is an error of the code Conflict for those who do not know it.
type Waiting struct {
	// ApprovalID is the request that others decide; "" when there is none and the same has to be asked for in another way.
	ApprovalID string
	err        error
}

// Error implements error.
func (w *Waiting) Error() string { return w.err.Error() }

// Unwrap returns the error with its code.
func (w *Waiting) Unwrap() error { return w.err }

// FromOutside reports whether a role that follows from groups elsewhere has to wait, and if so asks for it: what gives no right to a person who administers access gives none to whoever puts people into groups either. Whoever has the role
// keeps it. Sent again, it changes nothing.
func (s *Service) FromOutside(ctx context.Context, by actor.Principal, user, role, why string) (waits bool, err error) {
	if s.approvals == nil {
		return false, nil
	}
	if waits, err = s.Waits(ctx, by.TenantID, user, role); err != nil || !waits {
		return false, err
	}
	x, err := s.Of(ctx, by.TenantID)
	if err != nil {
		return false, err
	}
	_, err = s.approvals.Ask(ctx, by, Grant{UserID: user, RoleID: role, Scope: Scope{Kind: WholeTenant}, Reason: why}, x.roles[role])
	return true, err
}

// Waits reports whether somebody would have to approve that a person, who may be a new one, gets a role.
func (s *Service) Waits(ctx context.Context, tenant, user, role string) (bool, error) {
	if s.approvals == nil {
		return false, nil
	}
	x, err := s.Of(ctx, tenant)
	if err != nil {
		return false, err
	}
	if r := x.roles[role]; r == nil || r.Sensitivity == Normal {
		return false, nil
	}
	if h := x.people[user]; h != nil {
		for _, g := range h.grants {
			if g.r.ID == role && g.a.Scope.Kind == WholeTenant && g.a.InForce(s.o.Now()) {
				return false, nil
			}
		}
	}
	return s.approvals.Armed(ctx, tenant)
}

func (s *Service) wait(ctx context.Context, p actor.Principal, g Grant, r *Role) error {
	id, err := s.approvals.Ask(ctx, p, g, r)
	if err != nil {
		return err
	}
	return &Waiting{id, errs.New(errs.Conflict, "Somebody else has to approve the role %s first; the request is %s.", r.Name, id)}
}

// elsewhere refuses to give roles of high sensitivity in passing, where a request could not be made of it.
func (s *Service) elsewhere(ctx context.Context, p actor.Principal, x *Index, give []string) error {
	if s.approvals == nil || p.IsSystem() {
		return nil
	}
	for _, id := range give {
		if r := x.roles[id]; r != nil && r.Sensitivity != Normal {
			if armed, err := s.approvals.Armed(ctx, p.TenantID); err != nil || !armed {
				return err
			}
			return &Waiting{"", errs.New(errs.Conflict, "Somebody else has to approve the role %s: give it as an assignment of its own.", r.Name)}
		}
	}
	return nil
}
