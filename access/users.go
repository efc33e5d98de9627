package access

import (
	"context"
	"database/sql"
	"slices"

	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// NewUser is what is needed to create a user.
type NewUser struct {
	Email, Name, Role, Password string
}

// UserChange is what may be changed about a user; nil leaves as it is.
type UserChange struct {
	Name *string
	// Role replaces the weightiest role, Roles all of those for the whole tenant.
	Role   *string
	Roles  *[]string
	Locked *bool
	// Reason says why, and Entry is the seq of the event of the ledger that gave cause; 0 for none.
	Reason string
	Entry  int64
}

func mayManage(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.AccessManage) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessManage)
	}
	return nil
}

// Users returns the users of the caller's tenant, oldest first.
func (s *Service) Users(ctx context.Context, p actor.Principal) ([]User, error) {
	if err := mayManage(p); err != nil {
		return nil, err
	}
	q := in(s.o.DB.Read(ctx), p.TenantID)
	rows, err := q.accounts(ctx)
	if err != nil {
		return nil, err
	}
	factors, err := q.factorsPerAccount(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]User, len(rows))
	for i, a := range rows {
		if out[i], err = s.open(ctx, a); err != nil {
			return nil, err
		}
		out[i].Factors = factors[a.id]
	}
	return out, nil
}

// CreateUser adds a user to the caller's tenant. The error is a Conflict when the address is taken there; whether another tenant has it does not show.
func (s *Service) CreateUser(ctx context.Context, p actor.Principal, n NewUser) (User, error) {
	if err := mayManage(p); err != nil {
		return User{}, err
	}
	email, err := checkEmail(n.Email)
	if err != nil {
		return User{}, err
	}
	name, err := checkName(n.Name)
	if err != nil {
		return User{}, err
	}
	if err := s.checkPassword(ctx, "/password", n.Password, s.wordsOf(ctx, p.TenantID, email, name)); err != nil {
		return User{}, err
	}
	a := account{id: newID(), tenant: p.TenantID, emailIndex: s.emailIndex(email), createdAt: s.o.Now().UnixMicro()}
	if n.Role == "" {
		return User{}, errs.Field("/role", "required", "Choose a role.")
	}
	roles, err := s.roles.Prepare(ctx, p, a.id, func([]string) []string { return []string{n.Role} })
	if err != nil {
		return User{}, s.refused(ctx, actionUserCreate, p, User{ID: a.id}, err)
	}
	a.role = roles.Legacy()
	if a.hash, err = s.hasher.hash(ctx, n.Password); err != nil {
		return User{}, err
	}
	if err := s.sealAccount(ctx, &a, email, name); err != nil {
		return User{}, err
	}
	u, err := s.open(ctx, a)
	if err != nil {
		return User{}, err
	}
	e := aboutUser(newEvent(ctx, actionUserCreate, "access", "create", p), u)
	e.Changes = []event.Change{selfaudit.Change("/email", nil, email), selfaudit.Change("/name", nil, name), selfaudit.Change("/role", nil, roles.Primary())}
	err = s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := in(tx, p.TenantID).insertAccount(ctx, a); err != nil {
			return err
		}
		return roles.Do(ctx, tx)
	})
	s.roles.Forget(p.TenantID)
	if err != nil {
		return User{}, err
	}
	return s.open(ctx, a)
}

// refused records that somebody was refused a change of a person's roles.
func (s *Service) refused(ctx context.Context, action string, p actor.Principal, u User, why error) error {
	if errs.CodeOf(why) != errs.Forbidden {
		return why
	}
	e := aboutUser(newEvent(ctx, action, "access", "update", p), u)
	e.Outcome, e.Severity = event.Outcome{Status: "denied", Reason: why.Error()}, "medium"
	if err := s.o.Recorder.Record(ctx, p.TenantID, e, nothing); err != nil {
		s.o.Logger.Warn("a refusal was not recorded", "error", err)
	}
	return why
}

// UpdateUser renames, locks, unlocks or gives another role to a user of the caller's tenant. Locking ends the user's sessions and stops the API keys that the user made, at once.
// The last admin can be neither locked nor demoted, and nobody can lock himself out.
func (s *Service) UpdateUser(ctx context.Context, p actor.Principal, id string, c UserChange) (User, error) {
	if err := mayManage(p); err != nil {
		return User{}, err
	}
	if c.Name != nil {
		name, err := checkName(*c.Name)
		if err != nil {
			return User{}, err
		}
		c.Name = &name
	}
	if id == p.UserID && c.Locked != nil && *c.Locked {
		return User{}, errs.New(errs.Conflict, "You cannot lock yourself; ask another admin.")
	}
	old, err := in(s.o.DB.Read(ctx), p.TenantID).account(ctx, id)
	if err != nil {
		return User{}, err
	}
	before, err := s.open(ctx, old)
	if err != nil {
		return User{}, err
	}
	next, err := s.applied(ctx, old, before, c)
	if err != nil {
		return User{}, err
	}
	roles, err := s.roles.Prepare(ctx, p, id, func(now []string) []string { return rolesAfter(now, c) })
	if err != nil {
		return User{}, s.refused(ctx, actionUserUpdate, p, before, err)
	}
	after, err := s.open(ctx, next)
	if err != nil {
		return User{}, err
	}
	before.Roles, before.Role, after.Roles, after.Role = roles.Before, first(roles.Before), roles.After, roles.Primary()
	e := userChangeEvent(ctx, p, before, after)
	e.Reason = c.Reason
	if c.Entry > 0 {
		e.Data = append(e.Data, selfaudit.Member("entry", c.Entry))
	}
	if len(e.Changes) == 0 {
		return before, nil
	}
	err = s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return s.store(ctx, tx, old, next, roles) })
	s.keys.forget(p.TenantID)
	s.roles.Forget(p.TenantID)
	return after, err
}

// rolesAfter are a person's roles after a change: Role takes the place of the weightiest.
func rolesAfter(now []string, c UserChange) []string {
	if c.Roles != nil {
		return *c.Roles
	}
	if c.Role == nil || first(now) == *c.Role {
		return now
	}
	if len(now) > 0 {
		now = now[1:]
	}
	return append([]string{*c.Role}, now...)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// applied returns the account as it will be.
func (s *Service) applied(ctx context.Context, a account, u User, c UserChange) (account, error) {
	if c.Name != nil && *c.Name != u.Name {
		if err := s.sealAccount(ctx, &a, u.Email, *c.Name); err != nil {
			return a, err
		}
	}
	if c.Locked != nil && *c.Locked != a.lockedAt.Valid {
		a.lockedAt = sql.NullInt64{}
		if *c.Locked {
			a.lockedAt = sql.NullInt64{Int64: s.o.Now().UnixMicro(), Valid: true}
		}
	}
	return a, nil
}

func userChangeEvent(ctx context.Context, p actor.Principal, before, after User) *event.Event {
	action, activity := actionUserUpdate, "update"
	var changes []event.Change
	if before.Name != after.Name {
		changes = append(changes, selfaudit.Change("/name", before.Name, after.Name))
	}
	if before.Role != after.Role {
		changes = append(changes, selfaudit.Change("/role", before.Role, after.Role))
	}
	if !slices.Equal(before.Roles, after.Roles) && len(before.Roles)+len(after.Roles) > 2 {
		changes = append(changes, selfaudit.Change("/roles", orNone(before.Roles), orNone(after.Roles)))
	}
	if before.Locked() != after.Locked() {
		changes = append(changes, selfaudit.Change("/locked", before.Locked(), after.Locked()))
		action, activity = actionUserUnlock, "unlock"
		if after.Locked() {
			action, activity = actionUserLock, "lock"
		}
	}
	e := aboutUser(newEvent(ctx, action, "access", activity, p), after)
	e.Changes = changes
	return e
}

// store writes a changed account, unless somebody else changed it meanwhile or the tenant would be left without an admin.
func (s *Service) store(ctx context.Context, tx *sql.Tx, old, next account, roles *role.Change) error {
	q := in(tx, old.tenant)
	if !roles.Nothing() {
		if err := roles.Do(ctx, tx); err != nil {
			return err
		}
	}
	if next.lockedAt == old.lockedAt {
		return q.rename(ctx, next)
	}
	return s.roles.Keeping(ctx, tx, old.tenant, func() error {
		now, err := q.account(ctx, old.id)
		if err != nil {
			return err
		}
		if now.lockedAt != old.lockedAt {
			return errs.New(errs.Conflict, "The user was changed by somebody else at the same time; look again.")
		}
		if err := q.updateAccount(ctx, next); err != nil {
			return err
		}
		if next.lockedAt.Valid {
			if err := q.endAllPending(ctx, next.id); err != nil {
				return err
			}
			if err := q.endResets(ctx, next.id, next.lockedAt.Int64); err != nil {
				return err
			}
			return q.deleteSessions(ctx, next.id, "")
		}
		return nil
	})
}
