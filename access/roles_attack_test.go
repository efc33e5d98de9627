package access

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/sqldb/sqldbtest"
)

// deputy makes somebody who manages access and may otherwise do little, and returns him, his browser and the id of his role.
func (w *world) deputy(admin *browser) (User, *browser, string) {
	w.t.Helper()
	id := admin.newRole("Deputy", nil, actor.AccessManage, actor.LedgerSearch)
	u := w.user("acme", "deputy@acme.example", actor.RoleWriter)
	admin.want(200, "PATCH", "/api/users/"+u.ID, map[string]any{"roles": []string{id}})
	return u, w.login("deputy@acme.example"), id
}

// denied demands that the last event says who was refused what.
func (w *world) denied(action, user string) {
	w.t.Helper()
	e := w.rec.last(w.t, "acme")
	if e.Action != action || e.Outcome.Status != "denied" || e.Outcome.Reason == "" || e.Actor.ID != user || len(e.Changes) != 0 {
		w.t.Errorf("the refusal is not an event: %+v", e)
	}
}

func TestNobodyGainsByManaging(t *testing.T) { sqldbtest.Each(t, testNobodyGainsByManaging) }

func testNobodyGainsByManaging(t *testing.T) {
	w := newWorld(t)
	admin := w.login("admin@acme.example")
	u, deputy, mine := w.deputy(admin)
	puppet := w.user("acme", "puppet@acme.example", actor.RoleWriter)
	boss := w.admin["acme"].ID

	// Editing the role that one holds oneself.
	deputy.want(403, "PUT", "/api/access/roles/"+mine, map[string]any{"name": "Deputy", "permissions": actor.Permissions()})
	w.denied("role.update", u.ID)
	deputy.want(403, "PUT", "/api/access/roles/"+mine, map[string]any{"name": "Deputy", "permissions": []string{actor.AccessManage, actor.LedgerSearch, actor.LedgerViewUnmasked}})
	// What one has for a while cannot be put into a role that one keeps.
	admin.assign(u.ID, actor.RoleAdmin, map[string]any{"expiresAt": w.now().Add(time.Hour)}).is(t, 200)
	deputy.want(403, "PUT", "/api/access/roles/"+mine, map[string]any{"name": "Deputy", "permissions": []string{actor.AccessManage, actor.LedgerSearch, actor.LedgerViewUnmasked}})
	w.denied("role.update", u.ID)
	deputy.assign(u.ID, actor.RoleAdmin, nil).is(t, 403) // nor kept
	w.denied("role.assign", u.ID)
	deputy.want(400, "POST", "/api/keys", map[string]any{"name": "k", "scopes": actor.Permissions()}) // nor kept in a key
	key := deputy.want(201, "POST", "/api/keys", map[string]any{"name": "k", "scopes": actor.Permissions(), "expires_at": w.now().Add(time.Hour)}).body["secret"].(string)
	app := &browser{w: w, key: key}
	app.assign(u.ID, actor.RoleAdmin, nil).is(t, 403) // nor by a key of one's own
	app.want(400, "POST", "/api/keys", map[string]any{"name": "k2", "scopes": actor.Permissions()})
	second := &browser{w: w, key: app.want(201, "POST", "/api/keys", map[string]any{"name": "k2", "scopes": actor.Permissions(), "expires_at": w.now().Add(time.Hour)}).body["secret"].(string)}
	second.assign(u.ID, actor.RoleAdmin, nil).is(t, 403) // nor by a key that the key has made
	app.want(403, "PUT", "/api/access/roles/"+mine, map[string]any{"name": "Deputy", "permissions": actor.Permissions()})
	app.want(409, "PATCH", "/api/users/"+u.ID, map[string]any{"roles": []string{actor.RoleAdmin}})
	w.pass(2 * time.Hour)

	deputy = w.login("deputy@acme.example")
	// Making a role that may do more, or giving one, to whomever.
	deputy.want(403, "POST", "/api/access/roles", map[string]any{"name": "Strong", "permissions": []string{actor.SettingsManage}})
	w.denied("role.create", u.ID)
	deputy.want(403, "POST", "/api/access/roles", map[string]any{"name": "Twin", "copyOf": actor.RoleAdmin})
	// A copy of a manager's role sees names that the deputy does not see, although it may do nothing that he may not.
	deputy.want(403, "POST", "/api/access/roles", map[string]any{"name": "Seer", "copyOf": actor.RoleManager, "permissions": []string{actor.LedgerSearch}})
	deputy.assign(puppet.ID, actor.RoleAdmin, nil).is(t, 403)
	w.denied("role.assign", u.ID)
	deputy.assign(puppet.ID, actor.RoleAdmin, map[string]any{"scope": map[string]any{"kind": "dataset", "value": "x"}}).is(t, 403)
	deputy.want(403, "POST", "/api/users", map[string]any{"email": "new@acme.example", "name": "N", "role": actor.RoleAdmin, "password": goodPassword})
	w.denied("user.create", u.ID)
	deputy.want(403, "PATCH", "/api/users/"+puppet.ID, map[string]any{"role": actor.RoleOwner})
	w.denied("user.update", u.ID)
	deputy.want(409, "PATCH", "/api/users/"+u.ID, map[string]any{"roles": []string{mine, actor.RoleAuditor}})
	// Taking away from those who may do more.
	deputy.revoke(boss, actor.RoleAdmin).is(t, 403)
	w.denied("role.revoke", u.ID)
	deputy.want(403, "PATCH", "/api/users/"+boss, map[string]any{"roles": []string{}})

	// Who may manage nothing is refused everything, and each refusal is an event.
	w.login("puppet@acme.example").assign(puppet.ID, actor.RoleAuditor, nil).is(t, 403)
	w.denied("role.assign", puppet.ID)
	w.login("puppet@acme.example").revoke(boss, actor.RoleAdmin).is(t, 403)
	w.denied("role.revoke", puppet.ID)
	for _, x := range [][2]string{{"GET", "/api/access/roles"}, {"GET", "/api/access/permissions"}, {"GET", "/api/access/assignments"}, {"GET", "/api/access/who-can?permission=ledger.search"}} {
		w.login("puppet@acme.example").want(403, x[0], x[1], nil)
		(&browser{w: w}).want(401, x[0], x[1], nil)
	}
	if r, err := w.s.roles.Rights(t.Context(), "acme", puppet.ID); err != nil || len(r.Roles) != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	if r, err := w.s.roles.Rights(t.Context(), "acme", u.ID); err != nil || len(r.Permissions) != 2 {
		t.Fatalf("%+v %v", r, err)
	}
}

// TestRolesOfAnotherTenant tries every operation with another tenant's ids.
func TestRolesOfAnotherTenant(t *testing.T) { sqldbtest.Each(t, testRolesOfAnotherTenant) }

func testRolesOfAnotherTenant(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.login("admin@acme.example"), w.login("admin@globex.example")
	me, them := w.admin["acme"], w.admin["globex"]
	theirs := globex.newRole("Theirs", nil, actor.LedgerSearch)
	globex.want(200, "PUT", "/api/access/permissions/todo.read", map[string]any{"description": "Read"})
	ana := w.user("acme", "ana@acme.example", actor.RoleWriter)

	acme.assign(them.ID, actor.RoleAuditor, nil).is(t, 404)
	acme.assign(ana.ID, theirs, nil).is(t, 404)
	acme.revoke(them.ID, actor.RoleAdmin).is(t, 404)
	acme.want(404, "PUT", "/api/access/roles/"+theirs, map[string]any{"name": "Mine", "permissions": []string{}})
	acme.want(404, "DELETE", "/api/access/roles/"+theirs, nil)
	acme.want(400, "POST", "/api/access/roles", map[string]any{"name": "Copy", "copyOf": theirs})
	acme.want(400, "POST", "/api/access/roles", map[string]any{"name": "Copy", "permissions": []string{"todo.read"}})
	acme.want(404, "DELETE", "/api/access/permissions/todo.read", nil)
	acme.want(404, "GET", "/api/access/users/"+them.ID+"/permissions", nil)
	acme.want(404, "PATCH", "/api/users/"+them.ID, map[string]any{"roles": []string{}})
	acme.want(400, "PATCH", "/api/users/"+ana.ID, map[string]any{"roles": []string{theirs}})
	acme.want(400, "GET", "/api/access/who-can?permission=todo.read", nil)
	for _, path := range []string{"/api/access/assignments?user_id=" + them.ID, "/api/access/assignments?role_id=" + theirs, "/api/access/assignments?ended=true", "/api/access/roles", "/api/access/permissions",
		"/api/access/who-can?permission=ledger.search"} {
		if r := acme.want(200, "GET", path, nil); strings.Contains(r.raw, them.ID) || strings.Contains(r.raw, theirs) || strings.Contains(r.raw, "todo.read") {
			t.Errorf("%s shows another tenant's: %s", path, r.raw)
		}
	}
	if me.ID == them.ID {
		t.Fatal("the test compares nothing")
	}
	globex.want(200, "GET", "/api/access/users/"+them.ID+"/permissions", nil)
}

// TestTheLastAdminStays has two admins take each other's role away at the same time, again and again.
func TestTheLastAdminStays(t *testing.T) { sqldbtest.Each(t, testTheLastAdminStays) }

func testTheLastAdminStays(t *testing.T) {
	w := newWorld(t)
	first := w.admin["acme"]
	second := w.user("acme", "second@acme.example", actor.RoleOwner)
	other, err := New(t.Context(), w.s.o) // another server
	if err != nil {
		t.Fatal(err)
	}
	system := actor.System("acme")
	for range 8 {
		var both sync.WaitGroup
		both.Go(func() { _, _ = w.s.roles.Revoke(context.Background(), system, roleOf(first.ID, actor.RoleAdmin)) })
		both.Go(func() { _, _ = other.roles.Revoke(context.Background(), system, roleOf(second.ID, actor.RoleOwner)) })
		both.Wait()
		w.pass(2 * time.Second)
		a, err := w.s.roles.Rights(t.Context(), "acme", first.ID)
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.s.roles.Rights(t.Context(), "acme", second.ID)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(a.Roles) + len(b.Roles); n != 1 {
			t.Fatalf("%d admins are left", n)
		}
		for id, r := range map[string]string{first.ID: actor.RoleAdmin, second.ID: actor.RoleOwner} {
			if _, err := w.s.roles.Assign(t.Context(), system, grantOf(id, r)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// An end, a lock and a change of roles take the last one away no less than a revocation does.
	if _, err := w.s.roles.Revoke(t.Context(), system, roleOf(second.ID, actor.RoleOwner)); err != nil {
		t.Fatal(err)
	}
	soon := w.now().Add(time.Hour)
	g := grantOf(first.ID, actor.RoleAdmin)
	g.ExpiresAt = &soon
	locked := true
	_, byEnd := w.s.roles.Assign(t.Context(), system, g)
	_, byLock := w.s.UpdateUser(t.Context(), system, first.ID, UserChange{Locked: &locked})
	_, byRoles := w.s.UpdateUser(t.Context(), system, first.ID, UserChange{Roles: &[]string{actor.RoleAuditor}})
	_, byRevoking := w.s.roles.Revoke(t.Context(), system, roleOf(first.ID, actor.RoleAdmin))
	for name, err := range map[string]error{"end": byEnd, "lock": byLock, "roles": byRoles, "revocation": byRevoking} {
		if err == nil || !strings.Contains(err.Error(), "last admin") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An admin for a while is none for good.
	g.UserID = second.ID
	if _, err := w.s.roles.Assign(t.Context(), system, g); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.roles.Revoke(t.Context(), system, roleOf(first.ID, actor.RoleAdmin)); err == nil {
		t.Error("in an hour there will be no admin")
	}
}
