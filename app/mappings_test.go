package app

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"probity.dev/access/mapping"
	"probity.dev/internal/actor"
	"probity.dev/internal/config"
	"probity.dev/internal/sqldb/sqldbtest"
)

// elsewhere is a system with people and roles, which answers as Medusa v2 or Strapi v5 does.
type elsewhere struct {
	mu      sync.Mutex
	people  []mapping.Person
	roles   []mapping.Role
	changes int
	wrong   []string // what no such system takes
	kind    string
	secret  string
}

func (e *elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	want := "Bearer " + e.secret
	if e.kind == mapping.KindMedusa {
		want = "Basic " + base64.StdEncoding.EncodeToString([]byte(e.secret+":"))
	}
	if r.Header.Get("Authorization") != want {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet {
		e.changes++
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		e.wrong = append(e.wrong, err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	if e.kind == mapping.KindMedusa {
		e.medusa(w, r, body)
	} else {
		e.strapi(w, r, body)
	}
}

func (e *elsewhere) answer(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		e.wrong = append(e.wrong, err.Error())
	}
}

// medusa speaks as docs.medusajs.com/api/admin says: users and roles by offset and limit, the roles of each user apart.
func (e *elsewhere) medusa(w http.ResponseWriter, r *http.Request, body []byte) {
	page := func(name string, all []map[string]any) {
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
		if err != nil {
			limit = 50
		}
		from := min(offset, len(all))
		e.answer(w, map[string]any{name: all[from:min(from+limit, len(all))], "count": len(all), "offset": offset, "limit": limit})
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method == "GET" && r.URL.Path == "/admin/users":
		all := []map[string]any{}
		for _, p := range e.people {
			all = append(all, map[string]any{"id": p.ID, "email": p.Email, "first_name": nil})
		}
		page("users", all)
	case r.Method == "GET" && r.URL.Path == "/admin/rbac/roles":
		all := []map[string]any{}
		for _, x := range e.roles {
			all = append(all, map[string]any{"id": x.ID, "name": x.Name})
		}
		page("roles", all)
	case len(parts) >= 4 && parts[1] == "users" && parts[3] == "roles":
		i := slices.IndexFunc(e.people, func(p mapping.Person) bool { return p.ID == parts[2] })
		if i < 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		p := &e.people[i]
		switch {
		case r.Method == "GET":
			all := []map[string]any{}
			for _, id := range p.Roles {
				all = append(all, map[string]any{"id": id})
			}
			page("roles", all)
		case r.Method == "POST" && len(parts) == 4:
			var b struct {
				Roles []string `json:"roles"`
			}
			if err := json.Unmarshal(body, &b); err != nil || len(b.Roles) != 1 {
				e.wrong = append(e.wrong, string(body))
			}
			p.Roles = append(p.Roles, b.Roles...)
			e.answer(w, map[string]any{"roles": []any{}})
		case r.Method == "DELETE" && len(parts) == 5:
			p.Roles = slices.DeleteFunc(p.Roles, func(id string) bool { return id == parts[4] })
			e.answer(w, map[string]any{"id": parts[4], "object": "user_role", "deleted": true})
		default:
			e.wrong = append(e.wrong, r.Method+" "+r.URL.Path)
		}
	default:
		e.wrong = append(e.wrong, r.Method+" "+r.URL.Path)
	}
}

// strapi speaks as the admin API of Strapi v5 does: users by page with their roles, and an update with all roles, whose ids are numbers.
func (e *elsewhere) strapi(w http.ResponseWriter, r *http.Request, body []byte) {
	number := func(id string) int { n, _ := strconv.Atoi(id); return n }
	switch {
	case r.Method == "GET" && r.URL.Path == "/admin/users":
		n, size := number(r.URL.Query().Get("page")), number(r.URL.Query().Get("pageSize"))
		all := []map[string]any{}
		for _, p := range e.people {
			roles := []map[string]any{}
			for _, id := range p.Roles {
				roles = append(roles, map[string]any{"id": number(id), "code": "x"})
			}
			all = append(all, map[string]any{"id": number(p.ID), "email": p.Email, "roles": roles})
		}
		from := min((n-1)*size, len(all))
		e.answer(w, map[string]any{"data": map[string]any{"results": all[from:min(from+size, len(all))], "pagination": map[string]any{"page": n, "pageSize": size, "total": len(all)}}})
	case r.Method == "GET" && r.URL.Path == "/admin/roles":
		all := []map[string]any{}
		for _, x := range e.roles {
			all = append(all, map[string]any{"id": number(x.ID), "name": x.Name, "usersCount": 1})
		}
		e.answer(w, map[string]any{"data": all})
	case r.Method == "PUT" && strings.HasPrefix(r.URL.Path, "/admin/users/"):
		var b struct {
			Roles []int `json:"roles"`
		}
		i := slices.IndexFunc(e.people, func(p mapping.Person) bool { return "/admin/users/"+p.ID == r.URL.Path })
		if err := json.Unmarshal(body, &b); err != nil || i < 0 {
			e.wrong = append(e.wrong, string(body))
			return
		}
		e.people[i].Roles = nil
		for _, id := range b.Roles {
			e.people[i].Roles = append(e.people[i].Roles, strconv.Itoa(id))
		}
		e.answer(w, map[string]any{"data": map[string]any{"id": number(e.people[i].ID)}})
	default:
		e.wrong = append(e.wrong, r.Method+" "+r.URL.Path)
	}
}

func (e *elsewhere) rolesOf(email string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.people {
		if p.Email == email {
			return slices.Sorted(slices.Values(p.Roles))
		}
	}
	return nil
}

type mapped struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Last  *struct {
		ID, State, Problem string
	} `json:"last"`
}

// ran asks for a run and returns its report.
func (s *staff) ran(t *testing.T, id, body, state string) mapping.Run {
	t.Helper()
	var r, got mapping.Run
	s.do(t, "ana", "POST", "/api/access/systems/"+id+"/runs", body, 202, &r)
	eventually(t, "the run has ended", func() bool {
		var x mapped
		s.do(t, "ana", "GET", "/api/access/systems/"+id, "", 200, &x)
		return x.Last != nil && x.Last.ID == r.ID && x.Last.State == state
	})
	s.do(t, "ana", "GET", "/api/access/systems/"+id+"/drift", "", 200, &got)
	return got
}

func drift(r mapping.Run) (out []string) {
	for _, d := range r.Report.Items {
		out = append(out, d.Kind+" "+d.Email+" "+d.Role)
	}
	return out
}

// TestRoleMappings: what differs elsewhere is reported, and changed only where that was allowed; with Medusa and Strapi as they answer.
func TestRoleMappings(t *testing.T) {
	t.Run(mapping.KindMedusa, func(t *testing.T) { testRoleMapping(t, mapping.KindMedusa) })
	t.Run(mapping.KindStrapi, func(t *testing.T) {
		sqldbtest.Each(t, func(t *testing.T) { testRoleMapping(t, mapping.KindStrapi) })
	})
}

func testRoleMapping(t *testing.T, kind string) {
	e := &elsewhere{kind: kind, secret: "sk_" + kind + "_4711", roles: []mapping.Role{{ID: "1", Name: "Editor"}, {ID: "2", Name: "Author"}, {ID: "3", Name: "Chef"}},
		people: []mapping.Person{{ID: "10", Email: "dora@example.com", Roles: []string{"3"}}, {ID: "11", Email: "CARL@example.com", Roles: []string{"1", "2"}}, {ID: "12", Email: "ghost@example.com", Roles: []string{"1"}}}}
	for i := range 98 { // a second page
		e.people = append(e.people, mapping.Person{ID: strconv.Itoa(100 + i), Email: fmt.Sprintf("p%d@example.com", i), Roles: []string{"3"}})
	}
	server := httptest.NewServer(e)
	defer server.Close()
	s := &staff{site: newSite(t, func(c *config.Config) { c.OutboundAllow = []string{"127.0.0.1"} }), ids: map[string]string{}}
	s.hire(t, "ana", actor.RoleAdmin)
	s.hire(t, "dora", actor.RoleSupport)
	s.hire(t, "carl", actor.RoleCoach)
	s.hire(t, "eve", actor.RoleSupport)
	if err := s.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stopJobs(); err != nil {
			t.Error(err)
		}
	})
	body := func(apply bool, more string) string {
		return fmt.Sprintf(`{"name":"Shop","kind":%q,"base":%q,"rules":[{"role_id":"support","outside_role":"1"},{"role_id":"finance","outside_role":"9"}],"apply":%t,"every_hours":0,"per_second":50%s}`, kind, server.URL, apply, more)
	}
	secret := `,"secret":"` + e.secret + `"`
	s.do(t, "dora", "POST", "/api/access/systems", body(false, secret), 403, nil)
	s.do(t, "ana", "POST", "/api/access/systems", strings.ReplaceAll(body(false, secret), "127.0.0.1", "169.254.169.254"), 400, nil)
	var x mapped
	made := s.do(t, "ana", "POST", "/api/access/systems", body(false, secret), 201, &x)
	if strings.Contains(made, e.secret) {
		t.Error("the secret is shown")
	}
	var roles struct {
		Items []mapping.Role `json:"items"`
	}
	s.do(t, "ana", "GET", "/api/access/systems/"+x.ID+"/roles", "", 200, &roles)
	if len(roles.Items) != 3 || roles.Items[0] != (mapping.Role{ID: "1", Name: "Editor"}) {
		t.Errorf("%+v", roles)
	}
	want := []string{"no_role  9", "extra carl@example.com 1", "missing dora@example.com 1", "no_account eve@example.com 1", "unknown_person ghost@example.com 1"}
	if got := drift(s.ran(t, x.ID, `{}`, "done")); !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	// It only reports until somebody lets it apply, and does nothing when more would change than it may.
	s.do(t, "ana", "POST", "/api/access/systems/"+x.ID+"/runs", `{"apply":true}`, 409, nil)
	s.do(t, "ana", "PUT", "/api/access/systems/"+x.ID, strings.Replace(body(true, ""), server.URL, server.URL+"/elsewhere", 1), 400, nil)
	s.do(t, "ana", "PUT", "/api/access/systems/"+x.ID, body(true, `,"max_changes":1`), 200, nil)
	if r := s.ran(t, x.ID, `{"apply":true}`, "done"); !strings.Contains(r.Problem, "Nothing was changed") || e.changes != 0 {
		t.Fatalf("%+v, %d changes", r, e.changes)
	}
	s.do(t, "ana", "PUT", "/api/access/systems/"+x.ID, body(true, ""), 200, nil)
	r := s.ran(t, x.ID, `{"apply":true}`, "done")
	for _, d := range r.Report.Items {
		if d.Done != (d.Kind == mapping.Missing || d.Kind == mapping.Extra) {
			t.Errorf("%+v", d)
		}
	}
	if got := [][]string{e.rolesOf("dora@example.com"), e.rolesOf("CARL@example.com"), e.rolesOf("ghost@example.com")}; !slices.Equal(got[0], []string{"1", "3"}) || !slices.Equal(got[1], []string{"2"}) || !slices.Equal(got[2], []string{"1"}) {
		t.Errorf("%v", got)
	}
	if len(e.wrong) > 0 {
		t.Errorf("no such system takes %q", e.wrong)
	}
	if got := drift(s.ran(t, x.ID, `{}`, "done")); len(got) != 3 {
		t.Errorf("after it was applied: %q", got)
	}
	table := s.do(t, "ana", "GET", "/api/access/systems/"+x.ID+"/drift.csv", "", 200, nil)
	if !strings.Contains(table, "unknown_person,,,ghost@example.com,12,1,Editor,false,") {
		t.Error(table)
	}
	// Somebody who is locked has no role elsewhere either.
	s.do(t, "ana", "PATCH", "/api/users/"+s.ids["dora"], `{"locked":true}`, 200, nil)
	s.ran(t, x.ID, `{"apply":true}`, "done")
	if got := e.rolesOf("dora@example.com"); !slices.Equal(got, []string{"3"}) {
		t.Errorf("%v", got)
	}
	for action, n := range map[string]int{"role_mapping.create": 1, "role_mapping.update": 2, "role_mapping.run": 5, "role_mapping.assign": 1, "role_mapping.unassign": 2, "role_mapping.compare": 5} {
		all := s.do(t, "ana", "GET", "/api/events?source=probity&action="+action, "", 200, nil)
		if got := strings.Count(all, `"action":"`+action+`"`); got != n || strings.Contains(all, e.secret) {
			t.Errorf("%d events %s, want %d; or the secret is among them", got, action, n)
		}
	}
	s.do(t, "ana", "DELETE", "/api/access/systems/"+x.ID, "", 204, nil)
	s.do(t, "ana", "GET", "/api/access/systems/"+x.ID, "", 404, nil)
}
