package role

import (
	"context"
	"slices"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// Because is an assignment as the reason why somebody may do something.
type Because struct {
	AssignmentID string     `json:"assignmentId"`
	RoleID       string     `json:"roleId"`
	RoleName     string     `json:"roleName"`
	Scope        Scope      `json:"scope"`
	ExpiresAt    *time.Time `json:"expiresAt,omitempty"`
}

func becauseOf(g *grant) Because {
	return Because{g.a.ID, g.r.ID, g.r.Name, g.a.Scope, g.a.ExpiresAt}
}

// Allowed is a permission that somebody has, and why.
type Allowed struct {
	Permission
	Because []Because `json:"because"`
}

// What is what somebody may do.
type What struct {
	UserID      string    `json:"userId"`
	UserName    string    `json:"userName,omitempty" mask:"user.name,access.manage"`
	Locked      bool      `json:"locked" doc:"May do nothing of it while the account is locked"`
	Roles       []Because `json:"roles" doc:"Assignments in force"`
	Permissions []Allowed `json:"permissions"`
}

// Who is somebody who may do something.
type Who struct {
	UserID   string    `json:"userId"`
	UserName string    `json:"userName,omitempty" mask:"user.name,access.manage"`
	Because  []Because `json:"because"`
}

// WhatCan says what somebody may do now, and why. Everybody may ask about himself.
func (s *Service) WhatCan(ctx context.Context, p actor.Principal, user string) (*What, error) {
	if err := mayView(p); err != nil && (p.UserID == "" || p.UserID != user) {
		return nil, err
	}
	x, err := s.Of(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	if _, err := in(s.o.DB.Read(ctx), p.TenantID).person(ctx, user); err != nil {
		return nil, err
	}
	names, err := s.names(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	w := &What{UserID: user, UserName: names[user], Locked: x.Locked(user), Roles: []Because{}, Permissions: []Allowed{}}
	by := map[string][]Because{}
	now := s.o.Now()
	if h := x.people[user]; h != nil {
		for _, g := range h.grants {
			if !g.a.InForce(now) {
				continue
			}
			w.Roles = append(w.Roles, becauseOf(g))
			for _, k := range g.r.Permissions {
				by[k] = append(by[k], becauseOf(g))
			}
		}
	}
	for _, k := range append(BuiltInPermissions(), x.permissions...) {
		if why := by[k.Key]; why != nil {
			w.Permissions = append(w.Permissions, Allowed{k, why})
		}
	}
	return w, nil
}

// WhoCan says who may do something now, and why; for a type of resource and a data set where they are given. People who are locked are left out.
func (s *Service) WhoCan(ctx context.Context, p actor.Principal, permission, resourceType, dataSet string) ([]Who, error) {
	if err := mayView(p); err != nil {
		return nil, err
	}
	x, err := s.Of(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	if _, known := x.how[permission]; !known {
		return nil, errs.Field("/permission", "not_found", "There is no such permission; GET /api/access/permissions lists them.")
	}
	names, err := s.names(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	by := x.WhoCan(permission, resourceType, dataSet, s.o.Now())
	out := make([]Who, 0, len(by))
	for id, why := range by {
		out = append(out, Who{id, names[id], why})
	}
	slices.SortFunc(out, func(a, b Who) int {
		if c := compare(strings.ToLower(a.UserName), strings.ToLower(b.UserName)); c != 0 {
			return c
		}
		return compare(a.UserID, b.UserID)
	})
	return out, nil
}

// WhoCan returns, by id, the people who may do something with a resource of a type and a data set at a time, and why.
func (x *Index) WhoCan(permission, resourceType, dataSet string, at time.Time) map[string][]Because {
	out := map[string][]Because{}
	for _, r := range x.allowing[permission] {
		for _, g := range x.holding[r.ID] {
			if g.a.InForce(at) && g.a.Scope.Covers(resourceType, dataSet) && !x.Locked(g.a.UserID) {
				out[g.a.UserID] = append(out[g.a.UserID], becauseOf(g))
			}
		}
	}
	return out
}

// Why returns the assignments by which somebody may do something with a resource of a type and a data set at a time; none when he may not, locked or not.
func (x *Index) Why(user, permission, resourceType, dataSet string, at time.Time) (out []Because) {
	h := x.people[user]
	if h == nil {
		return nil
	}
	for _, g := range h.grants {
		if g.r.Can(permission) && g.a.InForce(at) && g.a.Scope.Covers(resourceType, dataSet) {
			out = append(out, becauseOf(g))
		}
	}
	return out
}

// lasts returns until when somebody has a permission in the whole tenant, and false when that is for good or when he does not have it.
func (x *Index) lasts(user, permission string, at time.Time) (until time.Time, ends bool) {
	for _, b := range x.Why(user, permission, "", "", at) {
		switch {
		case b.Scope.Kind != WholeTenant:
		case b.ExpiresAt == nil:
			return time.Time{}, false
		case b.ExpiresAt.After(until):
			until, ends = *b.ExpiresAt, true
		}
	}
	return until, ends
}

func (s *Service) names(ctx context.Context, tenant string) (map[string]string, error) {
	if s.o.Names == nil {
		return nil, nil
	}
	return s.o.Names(ctx, tenant)
}

// List narrows what [Service.Assignments] returns; empty members match all.
type List struct {
	UserID, RoleID string
	// Ended asks for those that have ended too.
	Ended bool
	// After is the id that the page before ended with.
	After string
	Limit int // 1 to 1000
}

// Assignments returns the tenant's assignments by id, which is by age.
func (s *Service) Assignments(ctx context.Context, p actor.Principal, l List) ([]Assignment, error) {
	if err := mayView(p); err != nil && (p.UserID == "" || p.UserID != l.UserID) {
		return nil, err
	}
	x, err := s.Of(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	rows, err := in(s.o.DB.Read(ctx), p.TenantID).list(ctx, filter{user: l.UserID, role: l.RoleID, ended: l.Ended, after: l.After, limit: l.Limit})
	if err != nil {
		return nil, err
	}
	names, err := s.names(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	out := make([]Assignment, len(rows))
	for i, a := range rows {
		if err := s.open(ctx, p.TenantID, a); err != nil {
			return nil, err
		}
		a.UserName = names[a.UserID]
		if r := x.roles[a.RoleID]; r != nil {
			a.RoleName = r.Name
		}
		out[i] = a.Assignment
	}
	return out, nil
}
