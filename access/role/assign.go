package role

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Grant is what somebody wants to give.
type Grant struct {
	UserID, RoleID string
	ExpiresAt      *time.Time // nil for good
	Scope          Scope      // zero for the whole tenant
	Reason         string
	// Approved is set when others have approved the grant; it runs in the transaction that makes it.
	Approved func(ctx context.Context, tx *sql.Tx) error
}

// Assign gives a role to a person. Asked for again what is so already, it does nothing and returns what is there; asked for with another end, it moves the end.
// A role of high sensitivity that others have to approve first is not given: the error is a [Waiting].
func (s *Service) Assign(ctx context.Context, p actor.Principal, g Grant) (*Assignment, error) {
	e := newEvent(ctx, actionAssign, p, g.RoleID, g.UserID)
	if err := mayManage(p); err != nil {
		return nil, s.refused(ctx, e, p, err)
	}
	now := s.o.Now().UTC().Truncate(time.Microsecond)
	if err := g.check(now); err != nil {
		return nil, err
	}
	me, err := s.self(ctx, p)
	if err != nil {
		return nil, err
	}
	u, err := in(s.o.DB.Read(ctx), p.TenantID).person(ctx, g.UserID)
	if err != nil {
		return nil, err
	}
	id := newID()
	sealed, err := s.seal(ctx, p.TenantID, id, g.Reason)
	if err != nil {
		return nil, err
	}
	var out *Assignment
	var waits *Role
	approve := g.Approved == nil && !p.IsSystem() && s.approvals != nil
	if approve {
		if approve, err = s.approvals.Armed(ctx, p.TenantID); err != nil {
			return nil, err
		}
	}
	err = s.change(ctx, p, e, func(x *Index) (effect, error) {
		waits = nil
		r := x.roles[g.RoleID]
		if r == nil {
			return nil, errs.New(errs.NotFound, "There is no role %q.", g.RoleID)
		}
		old := x.same(g)
		if old != nil && sameTime(old.ExpiresAt, g.ExpiresAt) {
			out = old
			return nil, nil
		}
		if me != "" && me == u.id {
			return nil, mayNot("Nobody gives a role to himself, or more time; ask somebody else.")
		}
		if err := within(p, r); err != nil {
			return nil, err
		}
		if approve && r.Sensitivity != Normal {
			waits = r
			return nil, nil
		}
		next := &assignmentRow{sealed: sealed, Assignment: Assignment{ID: id, UserID: u.id, RoleID: r.ID, RoleName: r.Name, GrantedBy: p.ID(), GrantedAt: now, ExpiresAt: g.ExpiresAt, Scope: g.Scope, Reason: g.Reason}}
		out = &next.Assignment
		var before any
		if old != nil {
			before = givenOf(old)
		}
		e.Resource.Name, e.Reason, e.Changes = r.Name, g.Reason, []event.Change{selfaudit.Change("/assignment", before, givenOf(out))}
		if r.Sensitivity != Normal {
			e.Severity = "medium"
		}
		return func(ctx context.Context, q scoped, version int64) error {
			if err := s.replace(ctx, q, x, u.id, old, next, p.ID(), now, version); err != nil || g.Approved == nil {
				return err
			}
			return g.Approved(ctx, q.q.(*sql.Tx))
		}, nil
	})
	switch {
	case err != nil:
		return nil, err
	case waits != nil:
		return nil, s.wait(ctx, p, g, waits)
	case g.Approved != nil && out.ID != id: // it was so already
		return out, s.o.DB.Write(ctx, func(tx *sql.Tx) error { return g.Approved(ctx, tx) })
	}
	return out, nil
}

// replace ends one assignment of a person and begins another, either of which may be nil, and keeps what follows from it.
func (s *Service) replace(ctx context.Context, q scoped, x *Index, user string, old *Assignment, next *assignmentRow, by string, now time.Time, version int64) error {
	had, err := q.keepers(ctx)
	if err != nil {
		return err
	}
	if old != nil {
		how, at := "revoked", now
		if !old.InForce(now) {
			how, at, by = "expired", *old.ExpiresAt, "system"
		}
		if err := q.end(ctx, old.ID, by, how, at, version); err != nil {
			return err
		}
	}
	if next != nil {
		next.grantedIn = version
		if err := q.insert(ctx, next); err != nil {
			return err
		}
	}
	return settle(ctx, q, x, user, had)
}

// settle writes the primary role where servers of earlier versions look for it, and refuses to leave a tenant without anybody who may do everything.
func settle(ctx context.Context, q scoped, x *Index, user string, had int) error {
	if err := keep(ctx, q, had); err != nil {
		return err
	}
	running, err := q.runningOf(ctx, user)
	if err != nil {
		return err
	}
	return q.setRole(ctx, user, legacy(x.primary(running)))
}

// keep refuses a change after which nobody could do everything any more, where somebody could before.
func keep(ctx context.Context, q scoped, had int) error {
	left, err := q.keepers(ctx)
	if err == nil && had > 0 && left == 0 {
		err = errs.New(errs.Conflict, "This is the last admin; make somebody else an admin first.")
	}
	return err
}

// primary is the weightiest of somebody's roles for the whole tenant, "" without any.
func (x *Index) primary(running []*assignmentRow) string {
	best, place := "", len(x.sorted)
	for _, a := range running {
		if i := slices.Index(x.sorted, a.RoleID); a.Scope.Kind == WholeTenant && i >= 0 && i < place {
			best, place = a.RoleID, i
		}
	}
	return best
}

// legacy is a role in the words of earlier versions, which know three; under any other somebody may do nothing there.
func legacy(role string) string {
	if role == actor.RoleOwner {
		return actor.RoleAdmin
	}
	return role
}

func (g *Grant) check(now time.Time) (err error) {
	if err := g.Scope.check(); err != nil {
		return err
	}
	if g.Reason, err = checkText("/reason", g.Reason, maxReason); err != nil {
		return err
	}
	if g.ExpiresAt != nil {
		at := g.ExpiresAt.UTC().Truncate(time.Microsecond)
		if !at.After(now) {
			return errs.Field("/expiresAt", "too_early", "The expiry must be in the future.")
		}
		g.ExpiresAt = &at
	}
	return nil
}

// same returns the assignment that has not ended and gives the same for the same part of the tenant; it may have expired.
func (x *Index) same(g Grant) *Assignment {
	h := x.people[g.UserID]
	if h == nil {
		return nil
	}
	for _, o := range h.grants {
		if o.a.RoleID == g.RoleID && o.a.Scope == g.Scope {
			return o.a
		}
	}
	return nil
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// Revocation is what somebody wants to take away.
type Revocation struct {
	UserID, RoleID string
	Scope          *Scope // nil for all
	Reason         string
	Cause          Cause
}

// Cause ties a change of access to what brought it about elsewhere, such as a review. The zero Cause adds nothing.
type Cause struct {
	// EventID and CorrelationID are those of the event of the change, Data is added to it.
	EventID, CorrelationID string
	Data                   []event.Member
	// Done runs in the transaction of the change, if not nil.
	Done func(ctx context.Context, tx *sql.Tx) error
}

// Mark writes into an event what the cause says about it.
func (c *Cause) Mark(e *event.Event) {
	if c.EventID != "" {
		e.ID = c.EventID
	}
	e.CorrelationID = c.CorrelationID
	e.Data = append(e.Data, c.Data...)
}

// Do runs what belongs into the transaction of the change.
func (c *Cause) Do(ctx context.Context, tx *sql.Tx) error {
	if c.Done == nil {
		return nil
	}
	return c.Done(ctx, tx)
}

// Revoke takes a role from a person, at once on this server and within a second on others, and returns what it has ended: nothing, without running what belongs to the cause, when the person did not have it.
func (s *Service) Revoke(ctx context.Context, p actor.Principal, r Revocation) ([]*Assignment, error) {
	e := newEvent(ctx, actionRevoke, p, r.RoleID, r.UserID)
	r.Cause.Mark(e)
	if err := mayManage(p); err != nil {
		return nil, s.refused(ctx, e, p, err)
	}
	var err error
	if r.Scope != nil {
		if err := r.Scope.check(); err != nil {
			return nil, err
		}
	}
	if r.Reason, err = checkText("/reason", r.Reason, maxReason); err != nil {
		return nil, err
	}
	u, err := in(s.o.DB.Read(ctx), p.TenantID).person(ctx, r.UserID)
	if err != nil {
		return nil, err
	}
	now := s.o.Now().UTC().Truncate(time.Microsecond)
	var out []*Assignment
	err = s.change(ctx, p, e, func(x *Index) (effect, error) {
		out = nil
		role := x.roles[r.RoleID]
		if role == nil {
			return nil, errs.New(errs.NotFound, "There is no role %q.", r.RoleID)
		}
		if h := x.people[u.id]; h != nil {
			for _, g := range h.grants {
				if g.r.ID == role.ID && (r.Scope == nil || g.a.Scope == *r.Scope) {
					a := *g.a
					a.EndedAt, a.EndedBy, a.Ended, a.RoleName = &now, p.ID(), "revoked", role.Name
					out = append(out, &a)
				}
			}
		}
		if len(out) == 0 {
			return nil, nil
		}
		if role.Sensitivity == Admin {
			if err := within(p, role); err != nil {
				return nil, err
			}
		}
		e.Resource.Name, e.Reason, e.Changes = role.Name, r.Reason, nil
		for _, a := range out {
			e.Changes = append(e.Changes, selfaudit.Change("/assignment", givenOf(a), nil))
		}
		return func(ctx context.Context, q scoped, version int64) error {
			had, err := q.keepers(ctx)
			if err != nil {
				return err
			}
			for _, a := range out {
				if err := q.end(ctx, a.ID, p.ID(), "revoked", now, version); err != nil {
					return err
				}
			}
			if err := settle(ctx, q, x, u.id, had); err != nil {
				return err
			}
			return r.Cause.Do(ctx, q.q.(*sql.Tx))
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
