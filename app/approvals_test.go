package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"probity.dev/access"
	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/sqldb/sqldbtest"
)

// staff are the people of a site with accounts, and calls in their names.
type staff struct {
	*site
	ids map[string]string
}

func newStaff(t *testing.T) *staff {
	s := &staff{site: newSite(t), ids: map[string]string{}}
	s.hire(t, "ana", actor.RoleAdmin)
	s.hire(t, "dora", actor.RoleAuditor)
	return s
}

func (s *staff) hire(t *testing.T, name, role string) {
	t.Helper()
	u, err := s.Access.CreateUser(context.Background(), actor.System(s.tenant), access.NewUser{Email: name + "@example.com", Name: name, Role: role, Password: NewPassword()})
	if err != nil {
		t.Fatal(err)
	}
	s.ids[name] = u.ID
}

// do makes a request in somebody's name, with what he may do now.
func (s *staff) do(t *testing.T, name, method, path, body string, want int, into any) string {
	t.Helper()
	p, err := s.Access.Now(context.Background(), actor.Principal{TenantID: s.tenant, UserID: s.ids[name]})
	if err != nil {
		t.Fatal(err)
	}
	p.SessionID, p.SteppedUpAt = "s-"+name, time.Now()
	s.c.p = p
	r, err := http.NewRequest(method, "http://probity.local"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.AddCookie(&http.Cookie{Name: api.SessionCookie, Value: p.SessionID})
	r.Header.Set("X-CSRF-Token", api.CSRFToken(p.SessionID))
	res, err := s.c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != want {
		t.Fatalf("%s: %s %s: %d, want %d: %s %v", name, method, path, res.StatusCode, want, b, err)
	}
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	return string(b)
}

func (s *staff) can(t *testing.T, name, permission string) bool {
	t.Helper()
	p, err := s.Access.Now(context.Background(), actor.Principal{TenantID: s.tenant, UserID: s.ids[name]})
	if err != nil {
		t.Fatal(err)
	}
	return p.Can(permission)
}

type approvalID struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	MayDecide bool   `json:"may_decide"`
}

// TestGrantsWaitForOthers: with one person who may decide nothing waits, with two a role of high sensitivity does, by whatever way somebody tries to give it.
func TestGrantsWaitForOthers(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		s := newStaff(t)
		boss := s.ids["ana"]
		s.lockFirstAdmin(t)
		give := func(name, role string) string {
			return `{"userId":"` + s.ids[name] + `","roleId":"` + role + `","reason":"she takes over"}`
		}
		s.do(t, "ana", "POST", "/api/operations/rbac/assign", give("dora", actor.RoleSupport), 200, nil)
		s.hire(t, "carl", actor.RoleAdmin)
		s.hire(t, "eve", actor.RoleSupport)
		s.do(t, "ana", "POST", "/api/operations/rbac/assign", give("dora", actor.RoleFinance), 202, nil) // finance.export_tax is grave
		if spec := s.do(t, "ana", "GET", "/api/openapi.json", "", 200, nil); !strings.Contains(spec, "nothing is given yet") {
			t.Error("the reference does not know 202")
		}
		var made struct {
			ApprovalID   string `json:"approvalId"`
			AssignmentID string `json:"assignmentId"`
		}
		s.do(t, "ana", "POST", "/api/operations/rbac/assign", give("eve", actor.RoleCompliance), 202, &made)
		again := made
		s.do(t, "ana", "POST", "/api/operations/rbac/assign", give("eve", actor.RoleCompliance), 202, &again)
		if made.ApprovalID == "" || made.AssignmentID != "" || again != made {
			t.Fatalf("%+v %+v", made, again)
		}
		s.do(t, "ana", "PATCH", "/api/users/"+s.ids["eve"], `{"role":"admin"}`, 409, nil)
		s.do(t, "ana", "POST", "/api/users", `{"email":"new@example.com","name":"New","role":"admin","password":"correct horse battery"}`, 409, nil)
		if s.can(t, "eve", actor.LedgerViewUnmasked) {
			t.Fatal("given before anybody approved it")
		}
		path := "/api/approvals/" + made.ApprovalID
		var r approvalID
		if s.do(t, "ana", "GET", path, "", 200, &r); r.State != "pending" || r.MayDecide {
			t.Errorf("%+v", r)
		}
		if text := s.do(t, "carl", "GET", path, "", 200, nil); !strings.Contains(text, `"summary":"Give eve the role Compliance officer"`) {
			t.Errorf("whoever decides is not told for whom it is: %s", text)
		}
		s.do(t, "ana", "POST", path+"/approve", `{}`, 403, nil)
		s.do(t, "dora", "GET", path, "", 404, nil)
		s.do(t, "dora", "POST", path+"/approve", `{}`, 403, nil)
		if s.do(t, "carl", "POST", path+"/approve", `{"comment":"agreed"}`, 200, &r); r.State != "approved" || !s.can(t, "eve", actor.LedgerViewUnmasked) {
			t.Errorf("%+v", r)
		}
		var list struct {
			Items []struct {
				UserID, RoleID, GrantedBy, Reason string
			} `json:"items"`
		}
		s.do(t, "carl", "GET", "/api/access/assignments?user_id="+s.ids["eve"]+"&role_id="+actor.RoleCompliance, "", 200, &list)
		if len(list.Items) != 1 || list.Items[0].GrantedBy != boss || list.Items[0].Reason != "she takes over" {
			t.Errorf("%+v", list)
		}
		// Groups elsewhere give no more than people do.
		by := actor.System(s.tenant)
		by.Name = "sign-in through X"
		for range 2 { // each time somebody signs in
			if err := s.Access.SetRole(context.Background(), by, s.ids["dora"], actor.RoleAdmin); err != nil {
				t.Fatal(err)
			}
		}
		fay, err := s.Access.Provision(context.Background(), by, "fay@example.com", "fay", actor.RoleAdmin, "scim", func(context.Context, *sql.Tx, string) error { return nil })
		if err != nil || s.can(t, "dora", actor.AccessManage) {
			t.Fatalf("a group made an admin: %v", err)
		}
		s.ids["fay"] = fay
		if s.can(t, "fay", actor.LedgerSearch) {
			t.Error("a group made an admin of somebody new")
		}
		var waiting struct {
			Items []struct{ ID, Summary string } `json:"items"`
		}
		s.do(t, "carl", "GET", "/api/approvals?state=pending", "", 200, &waiting)
		n := 0
		for _, w := range waiting.Items {
			if w.Summary == "Give fay the role Administrator" {
				s.do(t, "carl", "POST", "/api/approvals/"+w.ID+"/approve", `{}`, 200, nil)
			}
			if w.Summary == "Give dora the role Administrator" {
				n++
			}
		}
		if n != 1 || !s.can(t, "fay", actor.AccessManage) {
			t.Errorf("%d requests for one, and the other is not applied: %+v", n, waiting)
		}
		// Alone again, the first cannot make himself the only one.
		s.do(t, "ana", "PATCH", "/api/users/"+s.ids["carl"], `{"locked":true}`, 200, nil)
		s.do(t, "ana", "POST", "/api/operations/rbac/assign", give("dora", actor.RoleAdmin), 202, nil)
		for action, n := range map[string]int{"approval.arm": 1, "approval.request": 5, "approval.approve": 3} {
			if got := strings.Count(s.do(t, "ana", "GET", "/api/events?source=probity&action="+action, "", 200, nil), `"action":"`+action+`"`); got != n && action != "approval.approve" || got < n {
				t.Errorf("%d events %s", got, action)
			}
		}
	})
}

// lockFirstAdmin leaves ana as the only one who may decide.
func (s *staff) lockFirstAdmin(t *testing.T) {
	t.Helper()
	users, err := s.Access.Users(context.Background(), actor.System(s.tenant))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if u.Email == "admin@example.com" {
			s.ids["first"] = u.ID
			s.do(t, "ana", "PATCH", "/api/users/"+u.ID, `{"role":"support"}`, 200, nil)
		}
	}
}

// TestElevatedViewing: an auditor sees values as they are when somebody else has approved it, until the time is over, and at once in an emergency, which is reviewed.
func TestElevatedViewing(t *testing.T) {
	s := newStaff(t)
	var r approvalID
	s.do(t, "dora", "POST", "/api/access/elevations", `{"purpose":"who opened the file of P-4711","case":"INC-7","minutes":30}`, 202, &r)
	if s.can(t, "dora", actor.LedgerViewUnmasked) {
		t.Fatal("elevated before anybody approved it")
	}
	s.do(t, "dora", "GET", "/api/approvals/"+r.ID, "", 200, nil)
	s.do(t, "ana", "POST", "/api/approvals/"+r.ID+"/approve", `{}`, 200, &r)
	if r.State != "approved" || !s.can(t, "dora", actor.LedgerViewUnmasked) {
		t.Fatalf("%+v", r)
	}
	s.do(t, "dora", "POST", "/api/access/elevations", `{"purpose":"more","minutes":30}`, 409, nil)
	if _, err := s.Access.Roles().Revoke(t.Context(), actor.System(s.tenant), revocation(s.ids["dora"], actor.RoleElevated)); err != nil {
		t.Fatal(err)
	}
	s.do(t, "dora", "POST", "/api/access/break-glass", `{"justification":"a patient is unconscious and unknown","minutes":30}`, 403, nil)
	if _, err := s.Access.Roles().Assign(t.Context(), actor.System(s.tenant), grantOf(s.ids["dora"], s.custom(t, actor.AccessBreakGlass))); err != nil {
		t.Fatal(err)
	}
	s.do(t, "dora", "POST", "/api/access/break-glass", `{"justification":"a patient is unconscious and unknown","minutes":30}`, 200, &r)
	if !s.can(t, "dora", actor.LedgerViewUnmasked) {
		t.Fatal("an emergency waits")
	}
	if text := s.do(t, "ana", "GET", "/api/events?source=probity&action=access.break_glass", "", 200, nil); !strings.Contains(text, `"severity":"critical"`) {
		t.Errorf("no alarm: %s", text)
	}
	s.do(t, "ana", "POST", "/api/approvals/"+r.ID+"/deny", `{"comment":"nobody was"}`, 200, &r)
	if r.State != "denied" || s.can(t, "dora", actor.LedgerViewUnmasked) {
		t.Errorf("goes on after a review that found no justification: %+v", r)
	}
}

func grantOf(user, id string) role.Grant { return role.Grant{UserID: user, RoleID: id} }

func revocation(user, id string) role.Revocation { return role.Revocation{UserID: user, RoleID: id} }

// custom makes a role of the tenant's own.
func (s *staff) custom(t *testing.T, permissions ...string) string {
	t.Helper()
	r, err := s.Access.Roles().CreateRole(t.Context(), actor.System(s.tenant), role.Draft{Name: "custom", Permissions: permissions})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}
