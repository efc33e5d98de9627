package actor_test

import (
	"context"
	"testing"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

func TestRequire(t *testing.T) {
	ctx := context.Background()
	if _, err := actor.Require(ctx, ""); errs.CodeOf(err) != errs.Unauthorized {
		t.Fatalf("no caller: %v", err)
	}
	// A principal without a tenant is nobody: a query that is not confined to a tenant must be impossible.
	if _, err := actor.Require(actor.With(ctx, actor.Principal{UserID: "u"}), ""); errs.CodeOf(err) != errs.Unauthorized {
		t.Fatalf("caller without tenant: %v", err)
	}
	auditor := actor.Principal{TenantID: "t", UserID: "u", Permissions: actor.RolePermissions(actor.RoleAuditor)}
	ctx = actor.With(ctx, auditor)
	if p, err := actor.Require(ctx, actor.LedgerSearch); err != nil || p.UserID != "u" {
		t.Fatalf("search: %v", err)
	}
	for _, perm := range []string{actor.LedgerAppend, actor.LedgerViewUnmasked, actor.SettingsManage, actor.AccessManage, "nonsense"} {
		if _, err := actor.Require(ctx, perm); errs.CodeOf(err) != errs.Forbidden {
			t.Errorf("%s: %v", perm, err)
		}
	}
	if auditor.Unmasked() {
		t.Error("an auditor reads masked")
	}
	if actor.RolePermissions("root") != nil {
		t.Error("an unknown role may do nothing")
	}
}

func TestMayWriteAs(t *testing.T) {
	free := actor.Principal{TenantID: "t", KeyID: "k"}
	bound := actor.Principal{TenantID: "t", KeyID: "k", Sources: []string{"booking.*", "shop/api", "a*b*c"}}
	if !free.MayWriteAs("anything") {
		t.Error("an unbound key writes as any source")
	}
	for source, want := range map[string]bool{
		"booking.api": true, "booking.": true, "shop/api": true, "shop/web": false, "booking": false, "xbooking.api": false, "": false, "abc": true, "a/b/c": true,
		"abcb": false, "ac": false, "a*b*c": true, "axbxc": true, "acb": false, "booking.a/b": true,
	} {
		if got := bound.MayWriteAs(source); got != want {
			t.Errorf("%q: %v", source, got)
		}
	}
}

func TestIdentity(t *testing.T) {
	for _, c := range []struct {
		p       actor.Principal
		typ, id string
		system  bool
	}{
		{actor.Principal{TenantID: "t", UserID: "u1"}, "user", "u1", false},
		{actor.Principal{TenantID: "t", KeyID: "k1"}, "api_key", "k1", false},
		{actor.System("t"), "system", "system", true},
	} {
		if c.p.Type() != c.typ || c.p.ID() != c.id || c.p.IsSystem() != c.system {
			t.Errorf("%+v: %s %s %v", c.p, c.p.Type(), c.p.ID(), c.p.IsSystem())
		}
	}
}
