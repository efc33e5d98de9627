package mapping

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"probity.dev/internal/errs"
)

// Paging says how further pages of a list are asked for.
type Paging struct {
	// Kind is none, offset (how many to leave out), page (a number, from 1) or cursor (a word of the page before).
	Kind string `json:"kind" enum:"none,offset,page,cursor"`
	// Param and SizeParam are the names of query parameters, Size how many items a page has.
	Param     string `json:"param,omitempty" maxLength:"100"`
	SizeParam string `json:"size_param,omitempty" maxLength:"100"`
	Size      int    `json:"size,omitempty" minimum:"0" maximum:"1000" format:"int32"`
	// Next is the path of the cursor in an answer; an empty one ends the list.
	Next string `json:"next,omitempty" maxLength:"200"`
}

// List is a request that lists things. Paths are member names between dots; through a list they lead to each of its items.
type List struct {
	URL    string `json:"url" maxLength:"500" doc:"After the base, such as /admin/users; {user} stands for the id of a person where one is asked about"`
	Items  string `json:"items" maxLength:"200" doc:"Path of the list in the answer; empty when the answer is the list"`
	ID     string `json:"id" maxLength:"200" doc:"Path of the id in an item"`
	Name   string `json:"name,omitempty" maxLength:"200" doc:"Path of the name of a role"`
	Email  string `json:"email,omitempty" maxLength:"200" doc:"Path of the e-mail address of a person"`
	Roles  string `json:"roles,omitempty" maxLength:"200" doc:"Path of the ids of a person's roles, such as roles.id; empty where they are asked for one by one"`
	Paging Paging `json:"paging"`
}

// Request is a request that changes something.
type Request struct {
	Method string `json:"method" enum:"POST,PUT,PATCH,DELETE"`
	URL    string `json:"url" maxLength:"500" doc:"{user} and {role} stand for ids"`
	// Body is JSON in which a text {user} or {role} stands for an id, and {roles} for the list of all roles that the person has afterwards; nil for none.
	Body json.RawMessage `json:"body,omitempty"`
}

// Spec describes a system that speaks JSON over HTTP.
type Spec struct {
	// Header and Value are the credential of each request; {secret} stands for the secret, {basic} for the Base64 of the secret and a colon.
	Header string `json:"header" maxLength:"100"`
	Value  string `json:"value" maxLength:"200"`
	Users  List   `json:"users"`
	Roles  List   `json:"roles"`
	// UserRoles lists the roles of one person, for systems whose list of people does not hold them.
	UserRoles *List   `json:"user_roles,omitempty"`
	Assign    Request `json:"assign"`
	Unassign  Request `json:"unassign"`
	// NumericIDs writes ids that are numbers as numbers.
	NumericIDs bool `json:"numeric_ids,omitempty"`
}

// Kinds of systems.
const (
	KindHTTP   = "http"
	KindMedusa = "medusa"
	KindStrapi = "strapi"
)

// Medusa describes the admin API of Medusa v2 with its feature flag rbac (docs.medusajs.com/api/admin): lists as {users: […], count, offset, limit}, POST /admin/users/{id}/roles {roles: […]}, DELETE /admin/users/{id}/roles/{role}.
// The secret is a secret API key.
func Medusa() Spec {
	pages := Paging{Kind: "offset", Param: "offset", SizeParam: "limit", Size: 100}
	return Spec{Header: "Authorization", Value: "Basic {basic}",
		Users:     List{URL: "/admin/users", Items: "users", ID: "id", Email: "email", Paging: pages},
		Roles:     List{URL: "/admin/rbac/roles", Items: "roles", ID: "id", Name: "name", Paging: pages},
		UserRoles: &List{URL: "/admin/users/{user}/roles", Items: "roles", ID: "id", Paging: pages},
		Assign:    Request{Method: "POST", URL: "/admin/users/{user}/roles", Body: json.RawMessage(`{"roles":["{role}"]}`)},
		Unassign:  Request{Method: "DELETE", URL: "/admin/users/{user}/roles/{role}"}}
}

// Strapi describes the admin API of Strapi v5 (users of the administration, not of the content API): lists as {data: {results: […], pagination}}, and PUT /admin/users/{id} {roles: […]} with all roles that somebody has afterwards.
// The secret is an admin token.
func Strapi() Spec {
	all := json.RawMessage(`{"roles":"{roles}"}`)
	return Spec{Header: "Authorization", Value: "Bearer {secret}", NumericIDs: true,
		Users:    List{URL: "/admin/users", Items: "data.results", ID: "id", Email: "email", Roles: "roles.id", Paging: Paging{Kind: "page", Param: "page", SizeParam: "pageSize", Size: 100}},
		Roles:    List{URL: "/admin/roles", Items: "data", ID: "id", Name: "name", Paging: Paging{Kind: "none"}},
		Assign:   Request{Method: "PUT", URL: "/admin/users/{user}", Body: all},
		Unassign: Request{Method: "PUT", URL: "/admin/users/{user}", Body: all}}
}

var (
	headerForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,99}$`)
	pathForm   = regexp.MustCompile(`^([A-Za-z0-9_$-]+(\.[A-Za-z0-9_$-]+)*)?$`)
	paramForm  = regexp.MustCompile(`^[A-Za-z0-9_.\[\]-]{0,100}$`)
	urlForm    = regexp.MustCompile(`^/[A-Za-z0-9_./~:@!$&'()*+,;={}%?-]*$`)
	holder     = regexp.MustCompile(`\{[^}]*\}`)
)

// forbiddenHeaders are those that would make another request of it, or another machine answer.
var forbiddenHeaders = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Cookie", "Content-Type", "Upgrade", "Te", "Trailer", "Proxy-Authorization"}

func (s *Spec) check() error {
	if !headerForm.MatchString(s.Header) || slices.Contains(forbiddenHeaders, http.CanonicalHeaderKey(s.Header)) {
		return errs.Field("/spec/header", "not_allowed", "Name the header of the credential, such as Authorization.")
	}
	if strings.ContainsAny(s.Value, "\r\n\x00") || !strings.Contains(s.Value, "{secret}") && !strings.Contains(s.Value, "{basic}") {
		return errs.Field("/spec/value", "wrong_format", "The value holds {secret} or {basic}, such as Bearer {secret}.")
	}
	lists := map[string]*List{"/spec/users": &s.Users, "/spec/roles": &s.Roles}
	if s.UserRoles != nil {
		lists["/spec/user_roles"] = s.UserRoles
		if !strings.Contains(s.UserRoles.URL, "{user}") {
			return errs.Field("/spec/user_roles/url", "wrong_format", "The address holds {user}.")
		}
	}
	for at, l := range lists {
		if err := l.check(at); err != nil {
			return err
		}
	}
	switch {
	case s.Users.Email == "":
		return errs.Field("/spec/users/email", "required", "People are matched by e-mail: say where it is.")
	case s.Users.Roles == "" && s.UserRoles == nil:
		return errs.Field("/spec/users/roles", "required", "Say where a person's roles are, or how to ask for them.")
	}
	for at, r := range map[string]*Request{"/spec/assign": &s.Assign, "/spec/unassign": &s.Unassign} {
		if err := r.check(at); err != nil {
			return err
		}
	}
	return nil
}

func checkURL(at, u string, holders ...string) error {
	if !urlForm.MatchString(u) || strings.Contains(u, "..") || strings.HasPrefix(u, "//") {
		return errs.Field(at+"/url", "wrong_format", "The address begins with / and follows the base.")
	}
	for _, h := range holder.FindAllString(u, -1) {
		if !slices.Contains(holders, h) {
			return errs.Field(at+"/url", "wrong_format", "%s stands for nothing here.", h)
		}
	}
	return nil
}

func (l *List) check(at string) error {
	if err := checkURL(at, l.URL, "{user}"); err != nil {
		return err
	}
	for _, p := range []string{l.Items, l.ID, l.Name, l.Email, l.Roles, l.Paging.Next} {
		if !pathForm.MatchString(p) {
			return errs.Field(at, "wrong_format", "A path is names between dots, such as data.results.")
		}
	}
	p := l.Paging
	switch {
	case l.ID == "":
		return errs.Field(at+"/id", "required", "Say where the id is.")
	case !paramForm.MatchString(p.Param) || !paramForm.MatchString(p.SizeParam) || p.Size < 0 || p.Size > 1000:
		return errs.Field(at+"/paging", "wrong_format", "Parameters are words, and a page has up to 1,000 items.")
	case p.Kind == "none":
	case !slices.Contains([]string{"offset", "page", "cursor"}, p.Kind):
		return errs.Field(at+"/paging/kind", "not_allowed", "Paging is none, offset, page or cursor.")
	case p.Param == "" || p.Kind != "cursor" && p.Size == 0 || p.Kind == "cursor" && p.Next == "":
		return errs.Field(at+"/paging", "required", "Give the parameter, and the size of a page or the path of the next cursor.")
	}
	return nil
}

func (r *Request) check(at string) error {
	if !slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, r.Method) {
		return errs.Field(at+"/method", "not_allowed", "The method is POST, PUT, PATCH or DELETE.")
	}
	if len(r.Body) > 16<<10 || len(r.Body) > 0 && !json.Valid(r.Body) {
		return errs.Field(at+"/body", "wrong_format", "The body is JSON of at most 16 KiB.")
	}
	return checkURL(at, r.URL, "{user}", "{role}")
}

// credential is the value of the header of a request.
func (s *Spec) credential(secret string) string {
	return strings.NewReplacer("{secret}", secret, "{basic}", base64.StdEncoding.EncodeToString([]byte(secret+":"))).Replace(s.Value)
}
