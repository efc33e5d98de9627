package access

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// ResetFactors takes every factor and the recovery codes from a person and ends all of their sessions: for somebody who has lost the device. The password alone signs in afterwards, or leads to setting up a new factor.
func (s *Service) ResetFactors(ctx context.Context, p actor.Principal, userID, reason string) error {
	if err := mayManage(p); err != nil {
		return err
	}
	if userID == p.UserID {
		return errs.New(errs.Conflict, "Remove your own factors one by one; somebody else can reset them.")
	}
	a, err := in(s.o.DB.Read(ctx), p.TenantID).account(ctx, userID)
	if err != nil {
		return err
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return err
	}
	e := aboutUser(newEvent(ctx, actionFactorReset, "auth", "delete", p), u)
	e.Severity, e.Reason = "medium", reason
	err = s.o.Recorder.Record(ctx, a.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, a.tenant)
		confirmed, _, err := q.countFactors(ctx, a.id)
		if err != nil || confirmed == 0 {
			return errors.Join(err, errs.New(errs.NotFound, "This person has no factor besides the password."))
		}
		if err := q.deleteFactors(ctx, a.id); err != nil {
			return err
		}
		if err := q.endAllPending(ctx, a.id); err != nil {
			return err
		}
		return q.deleteSessions(ctx, a.id, "")
	})
	return err
}

// ResetFactorsOf is ResetFactors by e-mail address, for the operator at the machine.
func (s *Service) ResetFactorsOf(ctx context.Context, p actor.Principal, email, reason string) error {
	found, err := accountsByEmail(ctx, s.o.DB.Read(ctx), s.emailIndex(email), p.TenantID)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errs.New(errs.NotFound, "There is no user with this e-mail address.")
	}
	return s.ResetFactors(ctx, p, found[0].id, reason)
}

// mustHaveFactor reports whether a second factor is demanded of a person.
func (s *Service) mustHaveFactor(ctx context.Context, q scoped, a account) (bool, error) {
	of, err := q.demand(ctx)
	if err != nil || len(of) == 0 || slices.Contains(of, "*") {
		return len(of) > 0, err
	}
	has, err := s.roles.Rights(ctx, a.tenant, a.id)
	return slices.ContainsFunc(has.Roles, func(r string) bool { return slices.Contains(of, r) }), err
}

// FactorDemand returns the roles of which a second factor is demanded, * for everybody.
func (s *Service) FactorDemand(ctx context.Context, p actor.Principal) ([]string, error) {
	if err := mayManage(p); err != nil {
		return nil, err
	}
	return in(s.o.DB.Read(ctx), p.TenantID).demand(ctx)
}

// SetFactorDemand demands a second factor of roles, or of everybody with *. It holds from the next sign-in on.
func (s *Service) SetFactorDemand(ctx context.Context, p actor.Principal, roles []string) error {
	if err := mayManage(p); err != nil {
		return err
	}
	known, err := s.roles.Of(ctx, p.TenantID)
	if err != nil {
		return err
	}
	for _, r := range roles {
		if r != "*" && !known.Known(r) {
			return errs.Field("/second_factor_of", "not_allowed", "There is no such role.")
		}
	}
	roles = slices.Compact(slices.Sorted(slices.Values(roles)))
	before, err := in(s.o.DB.Read(ctx), p.TenantID).demand(ctx)
	if err != nil || slices.Equal(before, roles) {
		return err
	}
	e := newEvent(ctx, actionFactorDemand, "config", "update", p)
	e.Resource = event.Resource{Type: "sign_in_policy", ID: p.TenantID}
	e.Changes = []event.Change{selfaudit.Change("/second_factor_of", orNone(before), orNone(roles))}
	return s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return in(tx, p.TenantID).setDemand(ctx, roles) })
}
