package access

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

// assign gives a role over HTTP and returns the reply.
func (b *browser) assign(user, roleID string, more map[string]any) reply {
	b.w.t.Helper()
	body := map[string]any{"userId": user, "roleId": roleID}
	for k, v := range more {
		body[k] = v
	}
	return b.do("POST", "/api/operations/rbac/assign", body)
}

func (b *browser) revoke(user, roleID string) reply {
	b.w.t.Helper()
	return b.do("POST", "/api/operations/rbac/revoke", map[string]any{"userId": user, "roleId": roleID})
}

func (r reply) is(t *testing.T, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("got %d, want %d: %s", r.status, status, r.raw)
	}
	return r
}

// newRole makes a role over HTTP and returns its id.
func (b *browser) newRole(name string, more map[string]any, permissions ...string) string {
	b.w.t.Helper()
	body := map[string]any{"name": name}
	if permissions != nil {
		body["permissions"] = permissions
	}
	for k, v := range more {
		body[k] = v
	}
	return b.want(201, "POST", "/api/access/roles", body).body["roleId"].(string)
}

func TestAssignAndRevoke(t *testing.T) { sqldbtest.Each(t, testAssignAndRevoke) }

func testAssignAndRevoke(t *testing.T) {
	w := newWorld(t)
	admin := w.login("admin@acme.example")
	ana := w.user("acme", "ana@acme.example", actor.RoleWriter)
	hers := w.login("ana@acme.example")
	hers.want(403, "GET", "/api/keys", nil)

	first := admin.assign(ana.ID, actor.RoleSupport, map[string]any{"reason": "Canary covers for Bo", "expiresAt": w.now().Add(time.Hour)}).is(t, 200)
	for _, member := range []string{"assignmentId", "userId", "roleId", "grantedBy", "grantedAt", "expiresAt"} {
		if first.body[member] == nil {
			t.Errorf("%s is missing: %s", member, first.raw)
		}
	}
	e := w.rec.last(t, "acme")
	if e.Action != "role.assign" || e.Activity != "grant" || e.Subject.ID != ana.ID || e.Resource.ID != actor.RoleSupport || e.Reason == "" || len(e.Changes) != 1 || e.Changes[0].Before != nil || e.Changes[0].After == nil {
		t.Fatalf("%+v", e)
	}
	// Once more is nothing more.
	again := admin.assign(ana.ID, actor.RoleSupport, map[string]any{"expiresAt": first.body["expiresAt"]}).is(t, 200)
	if again.body["assignmentId"] != first.body["assignmentId"] || w.rec.count("acme", "role.assign") != 1 {
		t.Fatalf("%s", again.raw)
	}
	// Another end moves the end.
	moved := admin.assign(ana.ID, actor.RoleSupport, map[string]any{"expiresAt": w.now().Add(2 * time.Hour)}).is(t, 200)
	if e := w.rec.last(t, "acme"); moved.body["assignmentId"] == first.body["assignmentId"] || e.Changes[0].Before == nil || e.Changes[0].After == nil {
		t.Fatalf("%s %+v", moved.raw, e)
	}
	if r := hers.want(200, "GET", "/api/session", nil); fmt.Sprint(r.body["user"].(map[string]any)["roles"]) != "[support writer]" {
		t.Fatalf("%s", r.raw)
	}
	// The reason is about people: it is sealed.
	err := w.db.Write(t.Context(), func(tx *sql.Tx) error {
		var reason []byte
		err := tx.QueryRowContext(t.Context(), `SELECT reason FROM role_assignment WHERE id = $1`, first.body["assignmentId"]).Scan(&reason)
		if err == nil && (len(reason) == 0 || strings.Contains(string(reason), "Canary")) {
			t.Errorf("the reason is in clear: %q", reason)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	if r := admin.revoke(ana.ID, actor.RoleSupport).is(t, 200); len(r.body["revoked"].([]any)) != 1 {
		t.Fatalf("%s", r.raw)
	}
	if e := w.rec.last(t, "acme"); e.Action != "role.revoke" || e.Changes[0].Op != "remove" || e.Subject.ID != ana.ID {
		t.Fatalf("%+v", e)
	}
	if r := admin.revoke(ana.ID, actor.RoleSupport).is(t, 200); len(r.body["revoked"].([]any)) != 0 || w.rec.count("acme", "role.revoke") != 1 {
		t.Fatalf("%s", r.raw)
	}
	if list := admin.want(200, "GET", "/api/access/assignments?ended=true&user_id="+ana.ID, nil).body["items"].([]any); len(list) != 3 {
		t.Fatalf("%v", list)
	}
	admin.assign("nobody", actor.RoleSupport, nil).is(t, 404)
	admin.assign("a\x00", actor.RoleSupport, nil).is(t, 404)
	admin.assign(ana.ID, "nothing", nil).is(t, 404)
	admin.revoke("nobody", actor.RoleSupport).is(t, 404)
	admin.assign(ana.ID, actor.RoleSupport, map[string]any{"expiresAt": w.now().Add(-time.Second)}).is(t, 400)
	admin.assign(ana.ID, actor.RoleSupport, map[string]any{"scope": map[string]any{"kind": "dataset"}}).is(t, 400)
}

func TestRevocationHoldsAtOnce(t *testing.T) { sqldbtest.Each(t, testRevocationHoldsAtOnce) }

func testRevocationHoldsAtOnce(t *testing.T) {
	w := newWorld(t)
	admin := w.login("admin@acme.example")
	ana := w.user("acme", "ana@acme.example", actor.RoleAdmin)
	hers := w.login("ana@acme.example")
	// Another server of the same database, which has just looked.
	other, err := New(t.Context(), w.s.o)
	if err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		r, err := other.roles.Rights(t.Context(), "acme", ana.ID)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(r.Permissions, actor.AccessManage)
	}
	hers.want(200, "GET", "/api/users", nil)
	if !there() {
		t.Fatal("not an admin")
	}
	admin.revoke(ana.ID, actor.RoleAdmin).is(t, 200)
	hers.want(403, "GET", "/api/users", nil)
	w.pass(time.Second)
	if there() {
		t.Fatal("another server counts it after a second")
	}
	// So it is with locking, of which no version of roles is counted.
	x, err := other.roles.Of(t.Context(), "acme")
	if err != nil || x.Locked(ana.ID) {
		t.Fatal(x.Locked(ana.ID), err)
	}
	admin.want(200, "PATCH", "/api/users/"+ana.ID, map[string]any{"locked": true})
	w.pass(time.Second)
	if x, err = other.roles.Of(t.Context(), "acme"); err != nil || !x.Locked(ana.ID) {
		t.Fatal("another server does not know of the lock", err)
	}
}

func TestExpiry(t *testing.T) { sqldbtest.Each(t, testExpiry) }

func testExpiry(t *testing.T) {
	w := newWorld(t)
	admin := w.login("admin@acme.example")
	ana := w.user("acme", "ana@acme.example", actor.RoleWriter)
	hers := w.login("ana@acme.example")
	admin.assign(ana.ID, actor.RoleSecurityAnalyst, map[string]any{"expiresAt": w.now().Add(10 * time.Minute)}).is(t, 200)
	hers.want(200, "GET", "/api/access/roles", nil)
	w.pass(10*time.Minute - time.Microsecond)
	hers.want(200, "GET", "/api/access/roles", nil)
	w.pass(time.Microsecond)
	hers.want(403, "GET", "/api/access/roles", nil) // nobody has swept

	// Two servers sweep; each end is recorded once.
	other, err := New(t.Context(), w.s.o)
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for _, s := range []*Service{w.s, other} {
		both.Go(func() {
			if err := s.roles.Sweep(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	for _, s := range []*Service{w.s, other} {
		if err := s.roles.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.rec.count("acme", "role.expire"); n != 1 {
		t.Fatalf("%d ends were recorded", n)
	}
	e := w.rec.last(t, "acme")
	if e.Actor.Type != "system" || e.Subject.ID != ana.ID || e.Changes[0].Before == nil {
		t.Fatalf("%+v", e)
	}
	if role := accountRole(t, w, ana.ID); role != actor.RoleWriter {
		t.Errorf("servers of earlier versions take her for %q", role)
	}
	// What has expired can be given again, swept or not.
	admin.want(204, "POST", "/api/session/step-up", map[string]string{"password": goodPassword})
	admin.assign(ana.ID, actor.RoleSupport, map[string]any{"expiresAt": w.now().Add(time.Minute)}).is(t, 200)
	w.pass(2 * time.Minute)
	admin.assign(ana.ID, actor.RoleSupport, nil).is(t, 200)
}

func accountRole(t *testing.T, w *world, id string) (role string) {
	t.Helper()
	if err := w.db.Read(t.Context()).QueryRowContext(t.Context(), `SELECT role FROM account WHERE id = $1`, id).Scan(&role); err != nil {
		t.Fatal(err)
	}
	return role
}

func TestRolesAreEditable(t *testing.T) { sqldbtest.Each(t, testRolesAreEditable) }

func testRolesAreEditable(t *testing.T) {
	w := newWorld(t)
	admin := w.login("admin@acme.example")
	if n := len(admin.want(200, "GET", "/api/access/roles", nil).body["items"].([]any)); n != len(actor.Roles()) {
		t.Fatalf("%d roles", n)
	}
	ana := w.user("acme", "ana@acme.example", actor.RoleWriter)
	hers := w.login("ana@acme.example")
	id := admin.newRole("Front desk", map[string]any{"copyOf": actor.RoleReception})
	if e := w.rec.last(t, "acme"); e.Action != "role.create" || e.Resource.ID != id || len(e.Changes) < 4 {
		t.Fatalf("%+v", e)
	}
	admin.assign(ana.ID, id, nil).is(t, 200)
	rights, err := w.s.roles.Rights(t.Context(), "acme", ana.ID)
	if err != nil || !slices.Equal(rights.MaskAs, []string{actor.RoleWriter, actor.RoleReception}) || !slices.Contains(rights.Permissions, actor.BookingsManage) {
		t.Fatalf("%+v %v", rights, err)
	}
	hers.want(403, "GET", "/api/keys", nil)
	r := admin.want(200, "PUT", "/api/access/roles/"+id, map[string]any{"name": "Front desk", "permissions": []string{actor.AccessManage, actor.LedgerSearch}})
	if r.body["sensitivity"] != "admin" || r.body["copiedFrom"] != actor.RoleReception {
		t.Fatalf("%s", r.raw)
	}
	if e := w.rec.last(t, "acme"); e.Action != "role.update" || !strings.Contains(string(e.Changes[len(e.Changes)-1].After), "admin") {
		t.Fatalf("%+v", e)
	}
	hers.want(200, "GET", "/api/keys", nil) // at once

	// A built-in role is edited for one tenant, and cannot be deleted.
	admin.want(200, "PUT", "/api/access/roles/"+actor.RoleCoach, map[string]any{"name": "Coach", "permissions": []string{actor.BookingsView}})
	globex := w.login("admin@globex.example")
	if r := globex.want(200, "GET", "/api/access/roles", nil); strings.Contains(r.raw, `"edited":true`) || strings.Contains(r.raw, id) {
		t.Fatalf("another tenant sees it: %s", r.raw)
	}
	for _, fixed := range []string{actor.RoleOwner, actor.RoleAdmin, actor.RoleAuditor, actor.RoleWriter} {
		admin.want(409, "PUT", "/api/access/roles/"+fixed, map[string]any{"name": "X", "permissions": []string{actor.LedgerAppend}})
	}
	admin.want(409, "DELETE", "/api/access/roles/"+actor.RoleCoach, nil)
	admin.want(409, "DELETE", "/api/access/roles/"+id, nil) // somebody holds it
	admin.revoke(ana.ID, id).is(t, 200)
	admin.want(204, "DELETE", "/api/access/roles/"+id, nil)
	admin.want(404, "DELETE", "/api/access/roles/"+id, nil)

	// Permissions of one's own.
	admin.want(200, "PUT", "/api/access/permissions/todo.read", map[string]any{"description": "Read", "sensitivity": "high"})
	admin.want(400, "PUT", "/api/access/permissions/ledger.rewrite", map[string]any{"description": "X"})
	todo := admin.newRole("Reader of todos", nil, "todo.read")
	admin.want(409, "DELETE", "/api/access/permissions/todo.read", nil)
	admin.assign(ana.ID, todo, nil).is(t, 200)
	if r := admin.want(200, "GET", "/api/access/who-can?permission=todo.read", nil); !strings.Contains(r.raw, ana.ID) || !strings.Contains(r.raw, w.admin["acme"].ID) {
		t.Fatalf("%s", r.raw)
	}
	for name, bad := range map[string]map[string]any{
		"unknown permission": {"name": "A", "permissions": []string{"no.such"}}, "no name": {"name": " ", "permissions": []string{}}, "taken": {"name": "AUDITOR", "permissions": []string{}},
		"other's": {"name": "B", "copyOf": "no-such"}, "control": {"name": "A\u0000", "permissions": []string{}},
	} {
		if r := admin.do("POST", "/api/access/roles", bad); r.status != 400 {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
}

func TestWhoAndWhat(t *testing.T) { sqldbtest.Each(t, testWhoAndWhat) }

func testWhoAndWhat(t *testing.T) {
	w := newWorld(t)
	admin := w.login("admin@acme.example")
	ana, bo := w.user("acme", "ana@acme.example", actor.RoleWriter), w.user("acme", "bo@acme.example", actor.RoleRiskAnalyst)
	admin.assign(ana.ID, actor.RoleRiskAnalyst, map[string]any{"scope": map[string]any{"kind": "resource_type", "value": "order"}}).is(t, 200)
	who := func(query string) string {
		return admin.want(200, "GET", "/api/access/who-can?permission=risk.approve_orders"+query, nil).raw
	}
	if r := who(""); strings.Contains(r, ana.ID) || !strings.Contains(r, bo.ID) {
		t.Fatalf("%s", r)
	}
	if r := who("&resource_type=order"); !strings.Contains(r, ana.ID) {
		t.Fatalf("%s", r)
	}
	if r := who("&resource_type=invoice"); strings.Contains(r, ana.ID) {
		t.Fatalf("%s", r)
	}
	// A part of the tenant is not the tenant: the product itself lets her do nothing more.
	if rights, err := w.s.roles.Rights(t.Context(), "acme", ana.ID); err != nil || !slices.Equal(rights.Permissions, []string{actor.LedgerAppend}) {
		t.Fatalf("%+v %v", rights, err)
	}
	if r := admin.want(200, "GET", "/api/access/users/"+ana.ID+"/permissions", nil); !strings.Contains(r.raw, `"resource_type"`) || !strings.Contains(r.raw, `"key":"risk.approve_orders"`) {
		t.Fatalf("%s", r.raw)
	}
	admin.want(200, "PATCH", "/api/users/"+bo.ID, map[string]any{"locked": true})
	if r := who(""); strings.Contains(r, bo.ID) {
		t.Fatalf("a locked user may: %s", r)
	}
	// Everybody may ask about himself, and about nobody else.
	hers := w.login("ana@acme.example")
	hers.want(200, "GET", "/api/access/users/"+ana.ID+"/permissions", nil)
	hers.want(200, "GET", "/api/access/assignments?user_id="+ana.ID, nil)
	hers.want(403, "GET", "/api/access/users/"+bo.ID+"/permissions", nil)
	hers.want(403, "GET", "/api/access/assignments", nil)
}

func TestUsersHaveSeveralRoles(t *testing.T) { sqldbtest.Each(t, testUsersHaveSeveralRoles) }

func testUsersHaveSeveralRoles(t *testing.T) {
	w := newWorld(t)
	admin := w.login("admin@acme.example")
	ana := w.user("acme", "ana@acme.example", actor.RoleWriter)
	r := admin.want(200, "PATCH", "/api/users/"+ana.ID, map[string]any{"roles": []string{actor.RoleWriter, actor.RoleManager}})
	if r.body["role"] != actor.RoleManager || fmt.Sprint(r.body["roles"]) != "[manager writer]" {
		t.Fatalf("%s", r.raw)
	}
	if e := w.rec.last(t, "acme"); e.Action != "user.update" || string(e.Changes[len(e.Changes)-1].After) != `["manager","writer"]` {
		t.Fatalf("%+v", e)
	}
	if role := accountRole(t, w, ana.ID); role != actor.RoleManager {
		t.Errorf("%q", role)
	}
	r = admin.want(200, "PATCH", "/api/users/"+ana.ID, map[string]any{"role": actor.RoleAuditor})
	if fmt.Sprint(r.body["roles"]) != "[auditor writer]" {
		t.Fatalf("%s", r.raw)
	}
	admin.want(400, "PATCH", "/api/users/"+ana.ID, map[string]any{"roles": []string{"no-such"}})
}

// TestServersOfEarlierVersions has one of them create a user, promote and demote: it writes account.role and knows of nothing else.
func TestServersOfEarlierVersions(t *testing.T) { sqldbtest.Each(t, testServersOfEarlierVersions) }

func testServersOfEarlierVersions(t *testing.T) {
	w := newWorld(t)
	ana := w.user("acme", "ana@acme.example", actor.RoleAdmin)
	hers := w.login("ana@acme.example")
	hers.want(200, "GET", "/api/users", nil)
	set := func(role string) {
		t.Helper()
		err := w.db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), `UPDATE account SET role = $1 WHERE id = $2`, role, ana.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second)
	}
	set(actor.RoleAuditor)
	hers.want(403, "GET", "/api/users", nil)
	if e := w.rec.last(t, "acme"); e.Action != "role.assign" || e.Actor.Type != "system" || string(e.Changes[0].Before) != `"admin"` {
		t.Fatalf("%+v", e)
	}
	set(actor.RoleAdmin)
	hers.want(200, "GET", "/api/users", nil)
	// While it cannot be recorded, less counts rather than more.
	set(actor.RoleAuditor)
	w.rec.fail = errs.New(errs.Unavailable, "no")
	hers.want(http.StatusForbidden, "GET", "/api/users", nil)
	w.rec.fail = nil
	err := w.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `INSERT INTO account (id, tenant_id, email_index, email, name, role, password_hash, created_at) SELECT 'older', tenant_id, $1, email, name, 'admin', password_hash, created_at
			FROM account WHERE id = $2`, []byte("x"), ana.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	if r, err := w.s.roles.Rights(t.Context(), "acme", "older"); err != nil || !slices.Equal(r.Roles, []string{actor.RoleAdmin}) {
		t.Fatalf("%+v %v", r, err)
	}
}

func roleOf(user, id string) role.Revocation { return role.Revocation{UserID: user, RoleID: id} }

func grantOf(user, id string) role.Grant { return role.Grant{UserID: user, RoleID: id} }
