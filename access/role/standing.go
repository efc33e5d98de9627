package role

import (
	"context"
	"maps"
	"slices"
	"time"

	"probity.dev/internal/actor"
)

// Since returns when the right to do something in the whole tenant was given that somebody has now, as far back as it goes without his losing it, and who gave it; false when he has not got it or is locked. An edit of the role that
// gives it counts as giving it anew.
func (x *Index) Since(user, permission string, at time.Time) (since time.Time, by string, has bool) {
	h := x.people[user]
	if h == nil || x.Locked(user) {
		return since, "", false
	}
	for _, g := range h.grants {
		if !g.r.Can(permission) || !g.a.InForce(at) || !g.a.Scope.Covers("", "") {
			continue
		}
		when := g.a.GrantedAt
		if g.r.UpdatedAt != nil && g.r.UpdatedAt.After(when) {
			when = *g.r.UpdatedAt
		}
		if !has || when.Before(since) {
			since, by, has = when, g.a.GrantedBy, true
		}
	}
	return since, by, has
}

// Holders counts the people who have a permission somewhere in the tenant, locked or not.
func (x *Index) Holders(permission string, at time.Time) int {
	people := map[string]bool{}
	for _, r := range x.allowing[permission] {
		for _, g := range x.holding[r.ID] {
			if g.a.InForce(at) {
				people[g.a.UserID] = true
			}
		}
	}
	return len(people)
}

// May returns the people who have a permission in the whole tenant and are not locked, by id.
func (x *Index) May(permission string, at time.Time) []string {
	people := map[string]bool{}
	for _, r := range x.allowing[permission] {
		for _, g := range x.holding[r.ID] {
			if !people[g.a.UserID] {
				_, _, people[g.a.UserID] = x.Since(g.a.UserID, permission, at)
			}
		}
	}
	maps.DeleteFunc(people, func(_ string, may bool) bool { return !may })
	return slices.Sorted(maps.Keys(people))
}

// Behind is the person who acts: he himself, or whoever made the API key that is used; "" for the system, and for keys that it made.
func (s *Service) Behind(ctx context.Context, p actor.Principal) (string, error) {
	return s.self(ctx, p)
}

// Assigned reports whether somebody has a role for just this part of the tenant now.
func (x *Index) Assigned(user, role string, part Scope, at time.Time) bool {
	a := x.same(Grant{UserID: user, RoleID: role, Scope: part})
	return a != nil && a.InForce(at)
}

// Sensitivity is that of the permissions with some keys, the highest of them.
func (x *Index) Sensitivity(keys []string) Sensitivity {
	out := Normal
	for _, k := range keys {
		if s := x.sensitivity(k); s.above(out) {
			out = s
		}
	}
	return out
}

// Reaches reports whether a sensitivity is at least as high as another one.
func (s Sensitivity) Reaches(least Sensitivity) bool { return !least.above(s) }

// Role returns a role of the tenant, nil without one. It is shared and must not be changed.
func (x *Index) Role(id string) *Role { return x.roles[id] }

// Grants returns the assignments in force of all people. They are shared and must not be changed.
func (x *Index) Grants(at time.Time) (out []*Assignment) {
	for _, id := range x.sorted {
		for _, g := range x.holding[id] {
			if g.a.InForce(at) {
				out = append(out, g.a)
			}
		}
	}
	return out
}
