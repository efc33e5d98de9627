package role

import (
	"context"
	"slices"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Draft is what somebody wants a role to be.
type Draft struct {
	Name        string
	Description string
	Permissions []string
	// Sensitivity raises that of the permissions; "" leaves it.
	Sensitivity Sensitivity
	// CopyOf names the role that a new one is a copy of: what is left empty is taken from it, and how personal values are masked.
	CopyOf string
}

// Roles returns the tenant's roles: the built-in ones by weight, then its own by age.
func (s *Service) Roles(ctx context.Context, p actor.Principal) ([]*Role, error) {
	if err := mayView(p); err != nil {
		return nil, err
	}
	x, err := s.Of(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	out := make([]*Role, 0, len(x.sorted))
	for _, id := range x.sorted {
		out = append(out, x.roles[id])
	}
	return out, nil
}

// Permissions returns the permissions that the tenant's roles may hold.
func (s *Service) Permissions(ctx context.Context, p actor.Principal) ([]Permission, error) {
	if err := mayView(p); err != nil {
		return nil, err
	}
	x, err := s.Of(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	return append(BuiltInPermissions(), x.permissions...), nil
}

// PutPermission makes or changes a permission of the tenant's own.
func (s *Service) PutPermission(ctx context.Context, p actor.Principal, want Permission) (Permission, error) {
	want.BuiltIn = false
	e := newEvent(ctx, actionPermissionPut, p, "", "")
	e.Resource = event.Resource{Type: "permission", ID: want.Key}
	if err := mayManage(p); err != nil {
		return want, s.refused(ctx, e, p, err)
	}
	if err := checkPermission(&want); err != nil {
		return want, err
	}
	err := s.change(ctx, p, e, func(x *Index) (effect, error) {
		var before any
		if i := slices.IndexFunc(x.permissions, func(o Permission) bool { return o.Key == want.Key }); i >= 0 {
			before = x.permissions[i]
		} else if len(x.permissions) >= MaxPermissions {
			return nil, errs.New(errs.TooLarge, "A tenant may have %d permissions of its own.", MaxPermissions)
		}
		e.Changes = []event.Change{selfaudit.Change("/permission", before, want)}
		return func(ctx context.Context, q scoped, version int64) error { return q.putPermission(ctx, want, version) }, nil
	})
	return want, err
}

// DeletePermission removes a permission of the tenant's own that no role holds.
func (s *Service) DeletePermission(ctx context.Context, p actor.Principal, key string) error {
	e := newEvent(ctx, actionPermissionDelete, p, "", "")
	e.Resource = event.Resource{Type: "permission", ID: key}
	if err := mayManage(p); err != nil {
		return s.refused(ctx, e, p, err)
	}
	return s.change(ctx, p, e, func(x *Index) (effect, error) {
		i := slices.IndexFunc(x.permissions, func(o Permission) bool { return o.Key == key })
		if i < 0 {
			return nil, errs.New(errs.NotFound, "There is no permission of yours with this key.")
		}
		for _, r := range x.allowing[key] {
			if !r.everything {
				return nil, errs.New(errs.Conflict, "The role %s holds this permission; take it out there first.", r.ID)
			}
		}
		e.Changes = []event.Change{selfaudit.Change("/permission", x.permissions[i], nil)}
		return func(ctx context.Context, q scoped, version int64) error { return q.deletePermission(ctx, key, version) }, nil
	})
}

// CreateRole makes a role of the tenant's own. Nobody makes one that may do what he may not, or that shows personal values which he does not see.
func (s *Service) CreateRole(ctx context.Context, p actor.Principal, d Draft) (*Role, error) {
	now := s.o.Now().UTC().Truncate(time.Microsecond)
	r := &Role{ID: newID(), CreatedAt: &now, UpdatedAt: &now}
	e := newEvent(ctx, actionRoleCreate, p, r.ID, "")
	if err := mayManage(p); err != nil {
		return nil, s.refused(ctx, e, p, err)
	}
	err := s.change(ctx, p, e, func(x *Index) (effect, error) {
		if len(x.roles) >= MaxRoles+len(actor.Roles()) {
			return nil, errs.New(errs.TooLarge, "A tenant may have %d roles of its own.", MaxRoles)
		}
		if err := copyInto(r, &d, x); err != nil {
			return nil, err
		}
		if err := fill(r, d, x); err != nil {
			return nil, err
		}
		if err := within(p, r); err != nil {
			return nil, err
		}
		e.Changes = roleChanges(nil, r)
		return func(ctx context.Context, q scoped, version int64) error { return q.putRole(ctx, r, version, false) }, nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// copyInto takes from the role that is copied what the draft leaves empty.
func copyInto(r *Role, d *Draft, x *Index) error {
	r.CopiedFrom = ""
	if d.CopyOf == "" {
		return nil
	}
	from := x.roles[d.CopyOf]
	if from == nil {
		return errs.Field("/copyOf", "not_found", "There is no role %q.", d.CopyOf)
	}
	r.CopiedFrom = from.CopiedFrom
	if from.BuiltIn {
		r.CopiedFrom = from.ID
	}
	if d.Permissions == nil {
		d.Permissions = from.Permissions
	}
	if d.Description == "" {
		d.Description = from.Description
	}
	if d.Sensitivity == "" {
		d.Sensitivity = from.raised
	}
	return nil
}

// fill writes a draft into a role, if it keeps the rules.
func fill(r *Role, d Draft, x *Index) (err error) {
	if r.Name, err = checkText("/name", d.Name, maxName); err != nil {
		return err
	}
	if r.Name == "" {
		return errs.Field("/name", "required", "Give the role a name.")
	}
	for id, other := range x.roles {
		if id != r.ID && strings.EqualFold(other.Name, r.Name) {
			return errs.Field("/name", "taken", "There is a role with this name already.")
		}
	}
	if r.Description, err = checkText("/description", d.Description, maxDescription); err != nil {
		return err
	}
	if d.Sensitivity != "" && !slices.Contains(sensitivities, d.Sensitivity) {
		return errs.Field("/sensitivity", "not_allowed", "The sensitivity is normal, high or admin.")
	}
	r.raised = d.Sensitivity
	known := x.everything()
	r.Permissions = []string{}
	for _, k := range known { // in the order of the documentation, each once
		if slices.Contains(d.Permissions, k) {
			r.Permissions = append(r.Permissions, k)
		}
	}
	for _, k := range d.Permissions {
		if !slices.Contains(known, k) {
			return errs.Field("/permissions", "not_found", "There is no permission %q.", k)
		}
	}
	r.complete(x.sensitivity)
	return nil
}

// within refuses what holds more than somebody has himself.
func within(p actor.Principal, r *Role) error {
	if p.IsSystem() {
		return nil
	}
	for _, k := range r.Permissions {
		if !p.Can(k) {
			return mayNot("The role %s allows %s, which you may not do yourself.", r.Name, k)
		}
	}
	if as := r.masksAs(); !p.Can(actor.LedgerViewUnmasked) && !slices.Contains(p.MaskAs, as) && !slices.Contains(maskAll, as) {
		return mayNot("The role %s shows personal values that are masked for you.", r.Name)
	}
	return nil
}

// maskAll are the built-in roles that show no personal value which an auditor does not see.
var maskAll = []string{actor.RoleAuditor, actor.RoleWriter, actor.RoleFinance, actor.RoleRiskAnalyst, actor.RoleOnCallEngineer, actor.RoleProgrammeManager, actor.RoleClinician, actor.RolePatient}

// UpdateRole changes a role of the tenant's own, or a built-in one that is not fixed. Nobody edits a role that may do more than he, or adds to one that he holds himself.
func (s *Service) UpdateRole(ctx context.Context, p actor.Principal, id string, d Draft) (*Role, error) {
	e := newEvent(ctx, actionRoleUpdate, p, id, "")
	if err := mayManage(p); err != nil {
		return nil, s.refused(ctx, e, p, err)
	}
	me, err := s.self(ctx, p)
	if err != nil {
		return nil, err
	}
	var r *Role
	err = s.change(ctx, p, e, func(x *Index) (effect, error) {
		old := x.roles[id]
		if old == nil {
			return nil, errs.New(errs.NotFound, "There is no such role.")
		}
		if old.Fixed() {
			return nil, errs.New(errs.Conflict, "The role %s cannot be changed; make a copy and change that.", old.ID)
		}
		now := s.o.Now().UTC().Truncate(time.Microsecond)
		r = &Role{ID: id, BuiltIn: old.BuiltIn, Edited: old.BuiltIn, CopiedFrom: old.CopiedFrom, CreatedAt: old.CreatedAt, UpdatedAt: &now}
		if r.CreatedAt == nil {
			r.CreatedAt = &now
		}
		if err := fill(r, d, x); err != nil {
			return nil, err
		}
		if err := within(p, old); err != nil {
			return nil, err
		}
		if err := within(p, r); err != nil {
			return nil, err
		}
		if h := x.people[me]; me != "" && h != nil && slices.ContainsFunc(h.grants, func(g *grant) bool { return g.r.ID == id }) {
			for _, k := range r.Permissions {
				if !old.Can(k) {
					return nil, mayNot("You hold the role %s yourself: somebody else has to add %s to it.", old.Name, k)
				}
			}
		}
		e.Changes = roleChanges(old, r)
		return func(ctx context.Context, q scoped, version int64) error { return q.putRole(ctx, r, version, false) }, nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// DeleteRole removes a role of the tenant's own that nobody holds.
func (s *Service) DeleteRole(ctx context.Context, p actor.Principal, id string) error {
	e := newEvent(ctx, actionRoleDelete, p, id, "")
	if err := mayManage(p); err != nil {
		return s.refused(ctx, e, p, err)
	}
	return s.change(ctx, p, e, func(x *Index) (effect, error) {
		r := x.roles[id]
		if r == nil {
			return nil, errs.New(errs.NotFound, "There is no such role.")
		}
		if r.BuiltIn {
			return nil, errs.New(errs.Conflict, "The role %s is built in and cannot be deleted.", r.ID)
		}
		if err := within(p, r); err != nil {
			return nil, err
		}
		if n := len(x.holding[id]); n > 0 {
			return nil, errs.New(errs.Conflict, "%d assignments give this role; revoke them first.", n)
		}
		now := s.o.Now().UTC()
		gone := *r
		gone.UpdatedAt = &now
		e.Changes = roleChanges(r, nil)
		return func(ctx context.Context, q scoped, version int64) error { return q.putRole(ctx, &gone, version, true) }, nil
	})
}

func roleChanges(before, after *Role) []event.Change {
	members := func(r *Role) map[string]any {
		if r == nil {
			return nil
		}
		out := map[string]any{"/name": r.Name, "/description": r.Description, "/permissions": r.Permissions, "/sensitivity": r.Sensitivity}
		if r.CopiedFrom != "" {
			out["/copied_from"] = r.CopiedFrom
		}
		return out
	}
	return selfaudit.Changes(members(before), members(after))
}
