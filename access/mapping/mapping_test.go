package mapping

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"probity.dev/internal/errs"
)

type anywhere struct{}

func (anywhere) CheckURL(raw string) (*url.URL, error) { return url.Parse(raw) }

func TestSpecsAreChecked(t *testing.T) {
	for name, good := range map[string]Spec{"medusa": Medusa(), "strapi": Strapi()} {
		if err := good.check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Spec){
		"another host":           func(s *Spec) { s.Header = "host" },
		"a length":               func(s *Spec) { s.Header = "Content-Length" },
		"no secret":              func(s *Spec) { s.Value = "Bearer" },
		"a second header":        func(s *Spec) { s.Value = "{secret}\r\nX: y" },
		"another machine":        func(s *Spec) { s.Users.URL = "//evil.example/users" },
		"a whole address":        func(s *Spec) { s.Users.URL = "https://evil.example/users" },
		"a user before the host": func(s *Spec) { s.Users.URL = "@evil.example/users" },
		"upwards":                func(s *Spec) { s.Users.URL = "/admin/../users" },
		"an unknown holder":      func(s *Spec) { s.Assign.URL = "/users/{secret}" },
		"no address of people":   func(s *Spec) { s.Users.Email = "" },
		"no roles of people":     func(s *Spec) { s.Users.Roles, s.UserRoles = "", nil },
		"a body that is no JSON": func(s *Spec) { s.Assign.Body = json.RawMessage(`{"a":`) },
		"reading as a change":    func(s *Spec) { s.Assign.Method = "GET" },
		"pages without a size":   func(s *Spec) { s.Users.Paging = Paging{Kind: "page", Param: "p"} },
	} {
		s := Strapi()
		change(&s)
		if err := s.check(); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIdsStayIds: what a system calls an id cannot lead a request elsewhere, nor write anything else into a body.
func TestIdsStayIds(t *testing.T) {
	c := newConnector(Medusa(), "https://shop.example/base/", "s", 5, anywhere{}, nil)
	if got := c.address("/users/{user}/roles/{role}", "../../admin?x=1#y", "a/b"); got != "https://shop.example/base/users/..%2F..%2Fadmin%3Fx=1%23y/roles/a%2Fb" {
		t.Error(got)
	}
	b, err := c.body(json.RawMessage(`{"roles":["{role}"],"all":"{roles}","x":"user {user}"}`), "u", `","admin":true,"`, []string{"1", "b"})
	if err != nil || string(b) != `{"all":["1","b"],"roles":["\",\"admin\":true,\""],"x":"user {user}"}` {
		t.Errorf("%s %v", b, err)
	}
	c.spec.NumericIDs = true
	if b, err = c.body(json.RawMessage(`{"roles":"{roles}"}`), "u", "", []string{"1", "b"}); err != nil || string(b) != `{"roles":[1,"b"]}` {
		t.Errorf("%s %v", b, err)
	}
}

// TestSecretsStayThere: a redirect is not followed, and no error repeats the secret, an address or what was answered.
func TestSecretsStayThere(t *testing.T) {
	reached := false
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer evil.Close()
	for _, answer := range []http.HandlerFunc{
		func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, evil.URL, http.StatusFound) },
		func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "the token sk_1234 is wrong", http.StatusForbidden)
		},
		func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "sk_1234", http.StatusInternalServerError) },
		func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "slow", http.StatusTooManyRequests) },
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>sk_1234")) },
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"users":"sk_1234"}`)) },
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat(" ", maxAnswer+1))) },
	} {
		server := httptest.NewServer(answer)
		c := newConnector(Medusa(), server.URL, "sk_1234", 1000, anywhere{}, http.DefaultTransport)
		_, err := c.People(t.Context())
		server.Close()
		if err == nil || strings.Contains(err.Error(), "sk_1234") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%v", err)
		}
	}
	if reached {
		t.Error("the credential went elsewhere")
	}
}

func TestPages(t *testing.T) {
	all := []string{"a", "b", "c", "d", "e"}
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		from := slices.Index(all, r.URL.Query().Get("after")) + 1
		to := min(from+2, len(all))
		next := ""
		if to < len(all) {
			next = all[to-1]
		}
		items := []map[string]any{}
		for _, id := range all[from:to] {
			items = append(items, map[string]any{"key": map[string]any{"id": id}})
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"list": items, "meta": map[string]any{"next": next}}); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	s := Spec{Header: "X-Key", Value: "{secret}", Roles: List{URL: "/roles?kind=all", Items: "list", ID: "key.id", Paging: Paging{Kind: "cursor", Param: "after", Next: "meta.next"}}}
	roles, err := newConnector(s, server.URL, "s", 1000, anywhere{}, http.DefaultTransport).Roles(t.Context())
	if err != nil || len(roles) != 5 || roles[4].ID != "e" || !slices.Equal(asked, []string{"kind=all", "kind=all&after=b", "kind=all&after=d"}) {
		t.Errorf("%v %q %v", roles, asked, err)
	}
}

func TestCompare(t *testing.T) {
	rules := []Rule{{"support", "1"}, {"admin", "1"}, {"finance", "2"}}
	people := []Holder{{ID: "a", Email: "A@x", Roles: []string{"admin", "support"}}, {ID: "b", Email: "b@x", Roles: []string{"finance"}}, {ID: "c", Email: "c@x"}, {ID: "d", Email: "d@x", Roles: []string{"support"}}}
	outside := []Person{{ID: "1", Email: "a@x", Roles: []string{"1", "7"}}, {ID: "2", Email: "b@x", Roles: []string{"1"}}, {ID: "4", Email: "d@x"}, {ID: "5", Email: "d@x"}, {ID: "6", Email: "", Roles: []string{"1"}}, {ID: "7", Email: "z@x", Roles: []string{"7"}}}
	var got []string
	for _, d := range compare(rules, people, outside, []Role{{"1", "One"}, {"2", "Two"}, {"7", "Seven"}}) {
		got = append(got, d.Kind+" "+d.Email+" "+d.Outside+" "+d.Role)
	}
	if want := []string{"unknown_person  6 1", "extra b@x 2 1", "missing b@x 2 2", "ambiguous d@x  "}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
