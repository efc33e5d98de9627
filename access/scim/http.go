package scim

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/confine"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	maxBody      = 2 << 20
	defaultCount = 100
	maxCount     = 500
)

// call is a request of a directory that was let in.
type call struct {
	r    *http.Request
	by   actor.Principal
	id   string
	body resource
}

// answer is what is sent back; a nil body sends none.
type answer struct {
	status  int
	body    any
	version string // an ETag
}

// Register adds the operations of SCIM and of its settings to an API.
func (s *Service) Register(a *api.API) {
	s.registerSettings(a)
	handle := func(pattern string, f func(c call) (answer, error)) {
		// Public, because refusals have to have the form of the standard; let in is decided here.
		a.Handle(pattern, api.Rule{Public: true, LooseQuery: true, MaxBody: maxBody}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, f) }))
	}
	handle("GET /scim/v2/ServiceProviderConfig", func(call) (answer, error) { return answer{200, s.config(), ""}, nil })
	handle("GET /scim/v2/ResourceTypes", func(call) (answer, error) { return answer{200, listOf(s.types()), ""}, nil })
	handle("GET /scim/v2/ResourceTypes/{id}", func(c call) (answer, error) { return pick(s.types(), "id", c.id) })
	handle("GET /scim/v2/Schemas", func(call) (answer, error) { return answer{200, listOf(s.schemas()), ""}, nil })
	handle("GET /scim/v2/Schemas/{id}", func(c call) (answer, error) { return pick(s.schemas(), "id", c.id) })
	handle("GET /scim/v2/Users", s.getUsers)
	handle("GET /scim/v2/Users/{id}", func(c call) (answer, error) {
		p, err := s.person(c.r.Context(), c.by, c.id)
		return ofVersion(s.shown(p), 200), err
	})
	handle("POST /scim/v2/Users", func(c call) (answer, error) {
		r, err := s.createUser(c.r.Context(), c.by, c.body)
		return ofVersion(r, 201), err
	})
	handle("PUT /scim/v2/Users/{id}", func(c call) (answer, error) {
		r, err := s.changeUser(c.r.Context(), c.by, c.id, c.r.Header.Get("If-Match"), func(resource) (resource, error) { return canonical(c.body).(map[string]any), nil }) //nolint:forcetypeassert // an object stays one
		return ofVersion(r, 200), err
	})
	handle("PATCH /scim/v2/Users/{id}", func(c call) (answer, error) {
		r, err := s.changeUser(c.r.Context(), c.by, c.id, c.r.Header.Get("If-Match"), func(now resource) (resource, error) { return patch(now, c.body) })
		return ofVersion(r, 200), err
	})
	handle("DELETE /scim/v2/Users/{id}", func(c call) (answer, error) {
		return answer{204, nil, ""}, s.deleteUser(c.r.Context(), c.by, c.id, c.r.Header.Get("If-Match"))
	})
	s.registerGroups(handle)
	handle("/scim/v2/", func(call) (answer, error) { return answer{}, &fault{404, "", "There is no such endpoint."} })
}

func (s *Service) registerGroups(handle func(string, func(call) (answer, error))) {
	handle("GET /scim/v2/Groups", s.getGroups)
	handle("GET /scim/v2/Groups/{id}", func(c call) (answer, error) {
		g, members, err := s.groupOf(c.r.Context(), c.by.TenantID, c.id)
		if err != nil {
			return answer{}, err
		}
		return ofVersion(s.shownGroup(g, members, wantsMembers(c.r)), 200), nil
	})
	handle("POST /scim/v2/Groups", func(c call) (answer, error) {
		r, err := s.createGroup(c.r.Context(), c.by, c.body)
		return ofVersion(r, 201), err
	})
	handle("PUT /scim/v2/Groups/{id}", func(c call) (answer, error) {
		r, err := s.changeGroup(c.r.Context(), c.by, c.id, c.r.Header.Get("If-Match"), func(resource) (resource, error) { return c.body, nil })
		return ofVersion(r, 200), err
	})
	handle("PATCH /scim/v2/Groups/{id}", func(c call) (answer, error) {
		r, err := s.changeGroup(c.r.Context(), c.by, c.id, c.r.Header.Get("If-Match"), func(now resource) (resource, error) { return patch(now, c.body) })
		return ofVersion(r, 200), err
	})
	handle("DELETE /scim/v2/Groups/{id}", func(c call) (answer, error) {
		return answer{204, nil, ""}, s.removeGroup(c.r.Context(), c.by, c.id, c.r.Header.Get("If-Match"))
	})
}

// serve lets a directory in, reads its request and answers in the form of the standard.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, f func(c call) (answer, error)) {
	c, err := s.admit(r)
	var a answer
	if err == nil {
		a, err = f(c)
	}
	h := w.Header()
	h.Set("Content-Type", "application/scim+json")
	h.Set("Cache-Control", "no-store")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if a.version != "" {
		h.Set("ETag", a.version)
		if m, ok := a.body.(resource); ok && a.status == http.StatusCreated {
			h.Set("Location", str(sub(m["meta"], "location")))
		}
		if r.Method == http.MethodGet && r.Header.Get("If-None-Match") == a.version {
			a.status, a.body = http.StatusNotModified, nil
		}
	}
	w.WriteHeader(a.status)
	if a.body != nil {
		_ = json.NewEncoder(w).Encode(a.body) // the directory may be gone; nobody is left to tell
	}
}

func (s *Service) admit(r *http.Request) (call, error) {
	by, ok := actor.From(r.Context())
	switch {
	case !ok || by.KeyID == "":
		return call{}, &fault{http.StatusUnauthorized, "", "Send an API key as Authorization: Bearer."}
	case !by.Can(actor.AccessProvision):
		e := selfaudit.New(r.Context(), by, "access", "scim.request", "deny", event.Resource{Type: "directory", ID: by.TenantID})
		s.o.Denials.Note(r.Context(), by.TenantID, e, "permission")
		return call{}, &fault{http.StatusForbidden, "", "The API key needs the permission " + actor.AccessProvision + "."}
	}
	r = r.WithContext(confine.To(r.Context(), by.TenantID)) // the route is open to everybody, what follows is not
	c := call{r: r, by: by, id: r.PathValue("id")}
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		return c, nil
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c.body); err != nil || c.body == nil {
		return c, bad("invalidSyntax", "The body is not a JSON object.")
	}
	return c, nil
}

func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	var f *fault
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f):
	case errors.As(err, &large):
		f = &fault{http.StatusRequestEntityTooLarge, "", "The request is too large."}
	default:
		f = &fault{status: errs.Status(errs.CodeOf(err)), detail: errs.Message(err)}
		if errs.CodeOf(err) == errs.Invalid {
			f.kind = "invalidValue"
		}
		if f.status >= 500 {
			s.o.Logger.LogAttrs(r.Context(), slog.LevelError, "scim", slog.String("request_id", api.RequestID(r.Context())), slog.Any("error", err))
		}
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="probity"`)
	}
	body := resource{"schemas": []string{urnError}, "status": strconv.Itoa(f.status), "detail": f.detail}
	if f.kind != "" {
		body["scimType"] = f.kind
	}
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(body)
}

func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// matchesTag reports whether an If-Match header allows a change of a version.
func matchesTag(header string, version int64) bool {
	if header == "" || header == "*" {
		return true
	}
	for tag := range strings.SplitSeq(header, ",") {
		if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == strings.TrimPrefix(etag(version), "W/") {
			return true
		}
	}
	return false
}

func ofVersion(r resource, status int) answer {
	return answer{status, r, str(sub(r["meta"], "version"))}
}

func wantsMembers(r *http.Request) bool {
	for name := range strings.SplitSeq(r.URL.Query().Get("excludedAttributes"), ",") {
		if strings.EqualFold(strings.TrimSpace(name), "members") {
			return false
		}
	}
	return true
}

func listOf(all []resource) resource {
	return resource{"schemas": []string{urnList}, "totalResults": len(all), "startIndex": 1, "itemsPerPage": len(all), "Resources": all}
}

// page returns the part of a list that a request asks for, of what its filter selects.
func page(r *http.Request, all []resource) (answer, error) {
	q := r.URL.Query()
	if text := q.Get("filter"); text != "" {
		conditions, err := parseFilter(text)
		if err != nil {
			return answer{}, err
		}
		var kept []resource
		for _, x := range all {
			if matches(x, conditions) || len(conditions) == 1 && strings.EqualFold(strings.TrimSpace(text), `id eq "`+str(x["id"])+`"`) {
				kept = append(kept, x)
			}
		}
		all = kept
	}
	start, count := 1, defaultCount
	if n, err := strconv.Atoi(q.Get("startIndex")); err == nil {
		start = max(1, n)
	}
	if n, err := strconv.Atoi(q.Get("count")); err == nil {
		count = min(max(0, n), maxCount)
	}
	from := min(start-1, len(all))
	part := append([]resource{}, all[from:min(from+count, len(all))]...)
	return answer{200, resource{"schemas": []string{urnList}, "totalResults": len(all), "startIndex": start, "itemsPerPage": len(part), "Resources": part}, ""}, nil
}

func (s *Service) getUsers(c call) (answer, error) {
	people, err := s.people(c.r.Context(), c.by)
	if err != nil {
		return answer{}, err
	}
	all := make([]resource, len(people))
	for i, p := range people {
		all[i] = s.shown(p)
	}
	return page(c.r, all)
}

func (s *Service) getGroups(c call) (answer, error) {
	groups, err := s.groups(c.r.Context(), c.by.TenantID)
	if err != nil {
		return answer{}, err
	}
	members, err := s.memberships(c.r.Context(), c.by.TenantID)
	if err != nil {
		return answer{}, err
	}
	of := map[string][]string{}
	for _, m := range members {
		of[m.group] = append(of[m.group], m.account)
	}
	all := make([]resource, len(groups))
	for i, g := range groups {
		all[i] = s.shownGroup(g, of[g.id], wantsMembers(c.r))
	}
	return page(c.r, all)
}
