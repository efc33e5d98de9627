package role

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/selfaudit"
)

// Change of the roles that a person has in the whole tenant, thought through by [Service.Prepare], to be done within the transaction of whoever asked for it.
type Change struct {
	// Before and After are the ids of the roles, by weight.
	Before, After []string

	s    *Service
	p    actor.Principal
	user string
	seen []string // assignments of the person that there were
	x    *Index
	old  []*Assignment
	give []string
}

// Prepare thinks through a change of the roles that a person, who may be a new one, has in the whole tenant to those that decide returns of the present ones. Those that stay keep their end. The error is Forbidden when p may not do
// so; it is not recorded, which is for whoever asked.
func (s *Service) Prepare(ctx context.Context, p actor.Principal, user string, decide func(now []string) []string) (*Change, error) {
	s.Forget(p.TenantID)
	x, err := s.Of(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	me, err := s.self(ctx, p)
	if err != nil {
		return nil, err
	}
	c := &Change{s: s, p: p, user: user, x: x}
	now := s.o.Now()
	held := map[string]*Assignment{}
	if h := x.people[user]; h != nil {
		for _, g := range h.grants {
			c.seen = append(c.seen, g.a.ID)
			if g.a.Scope.Kind == WholeTenant {
				held[g.a.RoleID] = g.a
			}
		}
	}
	for _, id := range x.sorted {
		if a := held[id]; a != nil && a.InForce(now) {
			c.Before = append(c.Before, id)
		}
	}
	want := decide(slices.Clone(c.Before))
	for _, id := range want {
		if x.roles[id] == nil {
			return nil, errs.Field("/role", "not_allowed", "There is no role %q.", id)
		}
	}
	for _, id := range x.sorted {
		a, wanted := held[id], slices.Contains(want, id)
		if wanted {
			c.After = append(c.After, id)
		}
		if a != nil && (!wanted || !a.InForce(now)) {
			c.old = append(c.old, a)
		}
		if wanted && (a == nil || !a.InForce(now)) {
			c.give = append(c.give, id)
		}
	}
	if me != "" && me == user && !slices.Equal(c.Before, c.After) {
		return nil, errs.New(errs.Conflict, "You cannot change your own roles; ask another admin.")
	}
	if err := c.check(x); err != nil {
		return c, err
	}
	return c, s.elsewhere(ctx, p, x, c.give)
}

// check applies the rules to what is given and taken away.
func (c *Change) check(x *Index) error {
	for _, id := range c.give {
		if x.roles[id] == nil {
			return errMoved
		}
		if err := within(c.p, x.roles[id]); err != nil {
			return err
		}
	}
	for _, a := range c.old {
		if r := x.roles[a.RoleID]; r != nil && r.Sensitivity == Admin && !slices.Contains(c.After, a.RoleID) {
			if err := within(c.p, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// Nothing reports whether the change changes nothing.
func (c *Change) Nothing() bool { return len(c.old) == 0 && len(c.give) == 0 }

// Primary is the weightiest of the roles that there will be, "" when there will be none.
func (c *Change) Primary() string {
	if len(c.After) == 0 {
		return ""
	}
	return c.After[0]
}

// Legacy is the primary role in the words of servers of earlier versions.
func (c *Change) Legacy() string { return legacy(c.Primary()) }

// Do makes the change. [Service.Forget] comes after the transaction.
func (c *Change) Do(ctx context.Context, tx *sql.Tx) error {
	q := in(tx, c.p.TenantID)
	version, err := q.bump(ctx)
	if err != nil {
		return err
	}
	x := c.x
	if version != x.Version+1 {
		if x, err = read(ctx, q); err != nil {
			return err
		}
		if err := c.check(x); err != nil {
			return err
		}
	}
	running, err := q.runningOf(ctx, c.user)
	if err != nil {
		return err
	}
	if len(running) != len(c.seen) || slices.ContainsFunc(running, func(a *assignmentRow) bool { return !slices.Contains(c.seen, a.ID) }) {
		return errMoved
	}
	had, err := q.keepers(ctx)
	if err != nil {
		return err
	}
	now := c.s.o.Now().UTC().Truncate(time.Microsecond)
	for _, a := range c.old {
		how, at, by := "revoked", now, c.p.ID()
		if !a.InForce(now) {
			how, at, by = "expired", *a.ExpiresAt, "system"
		}
		if err := q.end(ctx, a.ID, by, how, at, version); err != nil {
			return err
		}
	}
	for _, id := range c.give {
		if err := q.insert(ctx, &assignmentRow{Assignment: Assignment{ID: newID(), UserID: c.user, RoleID: id, GrantedBy: c.p.ID(), GrantedAt: now, Scope: Scope{Kind: WholeTenant}, grantedIn: version}}); err != nil {
			return err
		}
	}
	return settle(ctx, q, x, c.user, had)
}

// Keeping runs fn, which locks or deletes accounts, and refuses what leaves the tenant without anybody who may do everything.
func (s *Service) Keeping(ctx context.Context, tx *sql.Tx, tenant string, fn func() error) error {
	q := in(tx, tenant)
	if _, err := q.bump(ctx); err != nil {
		return err
	}
	had, err := q.keepers(ctx)
	if err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return keep(ctx, q, had)
}

// adopt takes over what a server of an earlier version has changed: it knows one role for each person, and writes it into the account.
func (s *Service) adopt(ctx context.Context, tenant string) error {
	strays, err := in(s.o.DB.Read(ctx), tenant).strays(ctx)
	if err != nil {
		return err
	}
	system := actor.System(tenant)
	system.Name = "a server of an earlier version"
	for _, u := range strays {
		e := newEvent(ctx, actionAssign, system, u.role, u.id)
		e.Reason = "the role was changed by a server of an earlier version"
		var before any
		if u.seen != "" {
			before = u.seen
		}
		e.Changes = append(e.Changes, selfaudit.Change("/role", before, u.role))
		now := s.o.Now().UTC().Truncate(time.Microsecond)
		err := s.o.Recorder.Record(ctx, tenant, e, func(ctx context.Context, tx *sql.Tx) error { return take(ctx, in(tx, tenant), u, now) })
		if err != nil && !errors.Is(err, errMoved) { // another server took it over
			return err
		}
	}
	return nil
}

func take(ctx context.Context, q scoped, u person, now time.Time) error {
	version, err := q.bump(ctx)
	if err != nil {
		return err
	}
	if is, err := q.person(ctx, u.id); err != nil || is.role != u.role || is.seen != u.seen {
		return errMoved
	}
	running, err := q.runningOf(ctx, u.id)
	if err != nil {
		return err
	}
	has := false
	for _, a := range running {
		switch {
		case a.Scope.Kind != WholeTenant:
		case a.RoleID == u.role:
			has = true
		case a.RoleID == u.seen || legacy(a.RoleID) == u.seen:
			if err := q.end(ctx, a.ID, "system", "revoked", now, version); err != nil {
				return err
			}
		}
	}
	if !has {
		err := q.insert(ctx, &assignmentRow{Assignment: Assignment{ID: newID(), UserID: u.id, RoleID: u.role, GrantedBy: "system", GrantedAt: now, Scope: Scope{Kind: WholeTenant}, grantedIn: version}})
		if err != nil {
			return err
		}
	}
	return q.setRole(ctx, u.id, u.role)
}
