package scim

import (
	"context"
	"database/sql"
	"slices"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const maxMembers = 10_000 // of a group

// groupOf returns a group with the ids of its members.
func (s *Service) groupOf(ctx context.Context, tenant, id string) (record, []string, error) {
	g, err := s.group(ctx, tenant, id)
	if err != nil {
		return g, nil, err
	}
	all, err := s.memberships(ctx, tenant)
	var members []string
	for _, m := range all {
		if m.group == id {
			members = append(members, m.account)
		}
	}
	return g, members, err
}

func (s *Service) shownGroup(g record, members []string, withMembers bool) resource {
	r := clone(g.resource)
	r["schemas"], r["id"] = []string{urnGroup}, g.id
	if withMembers {
		all := make([]any, len(members))
		for i, m := range members {
			all[i] = resource{"value": m, "$ref": s.o.PublicURL + "/scim/v2/Users/" + m, "type": "User"}
		}
		r["members"] = all
	}
	r["meta"] = s.meta("Group", "/Groups/"+g.id, g.created, g.changed, g.version)
	return r
}

// membersOf returns the ids in a resource, each of which must be an account.
func (s *Service) membersOf(ctx context.Context, by actor.Principal, r resource) ([]string, error) {
	all, err := s.people(ctx, by)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, m := range list(r["members"]) {
		id := idOf(m)
		if !slices.ContainsFunc(all, func(p person) bool { return p.account.ID == id }) {
			return nil, bad("invalidValue", "A member is not a user of this tenant.")
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	if len(out) > maxMembers {
		return nil, bad("tooMany", "A group has at most %d members.", maxMembers)
	}
	slices.Sort(out)
	return out, nil
}

// saveGroup stores a group and gives the roles that follow. before is nil for a new one.
func (s *Service) saveGroup(ctx context.Context, by actor.Principal, g record, before map[string]any, old []string, next resource) (resource, error) {
	next = canonical(next).(map[string]any) //nolint:forcetypeassert // an object stays one
	name := str(next["displayName"])
	if name == "" || len(name) > 256 {
		return nil, bad("invalidValue", "displayName is required, of up to 256 bytes.")
	}
	members, err := s.membersOf(ctx, by, next)
	if err != nil {
		return nil, err
	}
	g.resource, g.changed = resource{"displayName": name}, s.now()
	if x := str(next["externalId"]); x != "" {
		g.resource["externalId"] = x
	}
	action, activity := "scim_group.update", "update"
	if before == nil {
		action, activity, before = "scim_group.create", "create", map[string]any{}
	}
	e := selfaudit.New(ctx, by, "access", action, activity, event.Resource{Type: "scim_group", ID: g.id, Name: name})
	e.Changes = selfaudit.Changes(before, groupFields(name, members))
	if err := s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return s.putGroup(ctx, tx, by.TenantID, g, members) }); err != nil {
		return nil, err
	}
	if err := s.assign(ctx, by, affected(before["/name"] != name, old, members)); err != nil {
		return nil, err
	}
	g, members, err = s.groupOf(ctx, by.TenantID, g.id)
	return s.shownGroup(g, members, true), err
}

func groupFields(name string, members []string) map[string]any {
	return map[string]any{"/name": name, "/members": members}
}

// affected are those whose roles may have changed: all when the group has another name, otherwise who came and who went.
func affected(renamed bool, old, now []string) []string {
	var out []string
	for _, id := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(old, now)))) {
		if renamed || slices.Contains(old, id) != slices.Contains(now, id) {
			out = append(out, id)
		}
	}
	return out
}

func (s *Service) createGroup(ctx context.Context, by actor.Principal, body resource) (resource, error) {
	return s.saveGroup(ctx, by, record{id: uuid.Must(uuid.NewV7()).String(), created: s.now()}, nil, nil, body)
}

func (s *Service) changeGroup(ctx context.Context, by actor.Principal, id, match string, edit func(now resource) (resource, error)) (resource, error) {
	g, members, err := s.groupOf(ctx, by.TenantID, id)
	if err != nil {
		return nil, err
	}
	if !matchesTag(match, g.version) {
		return nil, errPrecondition
	}
	next, err := edit(s.shownGroup(g, members, true))
	if err != nil {
		return nil, err
	}
	return s.saveGroup(ctx, by, g, groupFields(str(g.resource["displayName"]), members), members, next)
}

func (s *Service) removeGroup(ctx context.Context, by actor.Principal, id, match string) error {
	g, members, err := s.groupOf(ctx, by.TenantID, id)
	if err != nil {
		return err
	}
	if !matchesTag(match, g.version) {
		return errPrecondition
	}
	name := str(g.resource["displayName"])
	e := selfaudit.New(ctx, by, "access", "scim_group.delete", "delete", event.Resource{Type: "scim_group", ID: id, Name: name})
	e.Changes = selfaudit.Changes(groupFields(name, members), map[string]any{})
	if err := s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return s.deleteGroup(ctx, tx, by.TenantID, id) }); err != nil {
		return err
	}
	return s.assign(ctx, by, members)
}

// Membership is somebody's place in a group that gives a role.
type Membership struct{ GroupID, Group, UserID, RoleID string }

// Memberships returns who is in a group that gives a role by the tenant's settings.
func (s *Service) Memberships(ctx context.Context, tenant string) ([]Membership, error) {
	rules, err := s.settings(ctx, tenant)
	if err != nil || len(rules.Roles) == 0 {
		return nil, err
	}
	groups, err := s.groups(ctx, tenant)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, g := range groups {
		names[g.id] = str(g.resource["displayName"])
	}
	all, err := s.memberships(ctx, tenant)
	if err != nil {
		return nil, err
	}
	var out []Membership
	for _, m := range all {
		if role := rules.Roles[names[m.group]]; role != "" {
			out = append(out, Membership{m.group, names[m.group], m.account, role})
		}
	}
	return out, nil
}
