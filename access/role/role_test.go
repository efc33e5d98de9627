package role

import (
	"slices"
	"testing"

	"probity.dev/internal/actor"
)

func TestTheCatalogueIsComplete(t *testing.T) {
	for _, k := range actor.Permissions() {
		if a := catalogue[k]; a.text == "" || !slices.Contains(sensitivities, a.how) || !keyForm.MatchString(k) {
			t.Errorf("%s: %+v", k, a)
		}
	}
	if len(catalogue) != len(actor.Permissions()) {
		t.Errorf("%d permissions are described, there are %d", len(catalogue), len(actor.Permissions()))
	}
	for _, id := range actor.Roles() {
		if builtIn[id][0] == "" || builtIn[id][1] == "" || len(actor.RolePermissions(id)) == 0 {
			t.Errorf("role %s is not described", id)
		}
		for _, k := range actor.RolePermissions(id) {
			if !slices.Contains(actor.Permissions(), k) {
				t.Errorf("role %s allows %s, which is no permission", id, k)
			}
		}
	}
	if len(builtIn) != len(actor.Roles()) {
		t.Error("there are descriptions of roles that do not exist")
	}
}

// TestSensitivityIsReadyForApprovals says of which roles a grant is sensitive.
func TestSensitivityIsReadyForApprovals(t *testing.T) {
	x := newIndex(mark{}, nil, nil, nil, nil)
	for id, want := range map[string]Sensitivity{actor.RoleOwner: Admin, actor.RoleAdmin: Admin, actor.RoleCompliance: Admin, actor.RoleSecurityAnalyst: High, actor.RoleAuditor: Normal, actor.RoleFinance: High,
		actor.RoleReception: Normal, actor.RoleRiskAnalyst: High, actor.RoleClinician: High, actor.RoleWriter: Normal} {
		if got := x.roles[id].Sensitivity; got != want {
			t.Errorf("%s is %s, not %s", id, got, want)
		}
	}
	r := &Role{Permissions: []string{actor.LedgerSearch}, raised: High}
	if r.complete(x.sensitivity); r.Sensitivity != High {
		t.Error("a sensitivity cannot be raised")
	}
	r = &Role{Permissions: []string{actor.AccessManage}, raised: Normal}
	if r.complete(x.sensitivity); r.Sensitivity != Admin {
		t.Error("a sensitivity can be lowered")
	}
}

// TestMasksOfRoles says whose masking applies to people with a role.
func TestMasksOfRoles(t *testing.T) {
	for _, c := range []struct {
		r    Role
		want string
	}{
		{Role{ID: actor.RoleReception, BuiltIn: true, Permissions: []string{actor.LedgerSearch}}, actor.RoleReception},
		{Role{ID: actor.RoleReception, BuiltIn: true, Permissions: []string{actor.LedgerViewUnmasked}}, actor.RoleAdmin},
		{Role{ID: actor.RoleAdmin, BuiltIn: true, Permissions: []string{actor.LedgerViewUnmasked}}, actor.RoleAdmin},
		{Role{ID: "x", CopiedFrom: actor.RoleManager, Permissions: []string{actor.LedgerSearch}}, actor.RoleManager},
		{Role{ID: "x", Permissions: []string{actor.LedgerSearch}}, actor.RoleAuditor},
		{Role{ID: "x", Permissions: []string{actor.LedgerAppend}}, actor.RoleWriter},
	} {
		c.r.complete(func(string) Sensitivity { return Normal })
		if got := c.r.masksAs(); got != c.want {
			t.Errorf("%s %v: %s", c.r.ID, c.r.Permissions, got)
		}
	}
}
