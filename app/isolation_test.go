package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/api"
	"probity.dev/internal/config"
	"probity.dev/internal/sqldb/sqldbtest"
)

// TestTenantsAreApart fills one tenant with one of everything and then calls every route there is as another tenant, by session and by key, and as nobody, with the ids of the first: nothing of it may come
// back, and nothing of it may change. A route, a place in a path, a parameter or a body that the tables do not know fails the test.
func TestTenantsAreApart(t *testing.T) { sqldbtest.Each(t, testTenantsAreApart) }

func testTenantsAreApart(t *testing.T) {
	s := newSite(t, func(c *config.Config) {
		c.PublicURL, c.SealAfter, c.OutboundAllow = "https://probity.example", 24*time.Hour, []string{"127.0.0.1/32"}
	})
	h, err := s.Handler()
	if err != nil {
		t.Fatal(err)
	}
	foreign, own := newOccupant(t, s.App, h, "a"), newOccupant(t, s.App, h, "b")
	foreign.ids["tenant"], foreign.ids["log"] = foreign.id, foreign.log
	foreign.fill(s.App)
	served, is := h.(*api.API)
	if !is {
		t.Fatalf("the handler is a %T", h)
	}
	calls := plan(t, foreign, served.Routes(), parameters(t, foreign))
	if t.Failed() {
		t.FailNow()
	}
	x := &replay{t: t, s: s, foreign: foreign, own: own, calls: calls}
	x.secrets = x.harvest()
	x.settle()
	for _, how := range []credential{byNobody, byKey, bySession} {
		x.run(how)
	}
	x.control()
}

// replayed is one request that a test makes.
type replayed struct{ route, method, path, body, contentType string }

// pathOf returns the path of a route, and its method, GET where it has none.
func pathOf(route string) (method, path string) {
	if method, path, is := strings.Cut(route, " "); is {
		return method, path
	}
	return "GET", route
}

var placeholder = regexp.MustCompile(`\{[^}]+\}`)

// parameters are the names of the parameters that operations take in their query, from the description of the API.
func parameters(t *testing.T, o *occupant) map[string][]string {
	t.Helper()
	var document struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In string }
		}
	}
	if err := json.Unmarshal([]byte(o.send(byNobody, "GET", "/api/openapi.json", "", "").body), &document); err != nil {
		t.Fatal(err)
	}
	out, n := map[string][]string{}, 0
	for path, operations := range document.Paths {
		for method, operation := range operations {
			n++
			route := strings.ToUpper(method) + " " + path
			out[route] = []string{}
			for _, p := range operation.Parameters {
				if p.In == "query" {
					out[route] = append(out[route], p.Name)
				}
			}
		}
	}
	if n < 150 {
		t.Fatalf("the description has %d operations", n)
	}
	return out
}

// plan makes the calls of every route, and fails where the tables say nothing.
func plan(t *testing.T, o *occupant, routes []string, parameters map[string][]string) (calls []replayed) {
	t.Helper()
	known := map[string]bool{}
	for _, route := range routes {
		known[route] = true
		method, path := pathOf(route)
		if bare[route] {
			calls = append(calls, replayed{route: route, method: method, path: path})
			continue
		}
		for place := placeholder.FindStringIndex(path); place != nil; place = placeholder.FindStringIndex(path) {
			name, is := places[stem(route, path[:place[0]])]
			id, there := o.value(name)
			if route == "GET /api/log/{rest...}" {
				id, is, there = "checkpoint", true, true
			}
			if !is || !there {
				t.Errorf("%s: nothing is known of the place after %s (%q)", route, path[:place[0]], name)
				id = "x"
			}
			if !strings.Contains(path[place[0]:place[1]], "...") {
				id = url.PathEscape(id)
			}
			path = path[:place[0]] + id + path[place[1]:]
		}
		targets := []string{path}
		if q := required[route]; q != "" {
			targets[0] = path + "?" + q
		}
		for _, name := range parameters[route] {
			v, is := queries[name]
			id, there := o.value(v)
			switch {
			case v == "-":
			case !is || !there:
				t.Errorf("%s: nothing is known of the parameter %s", route, name)
			default:
				q, _ := url.ParseQuery(required[route])
				q.Set(name, id)
				targets = append(targets, path+"?"+q.Encode())
			}
		}
		for _, target := range targets {
			list := bodies[route]
			if len(list) == 0 {
				if method == "PUT" || method == "PATCH" {
					t.Errorf("%s: no body is known", route)
				}
				list = []string{""}
			}
			for _, body := range list {
				c := replayed{route: route, method: method, path: target, body: o.with(body, escaped(route))}
				if body != "" {
					c.contentType = contentTypeOf(route)
				}
				if i := placeholder.FindString(c.body); i != "" && !strings.Contains(i, "\"") {
					t.Errorf("%s: nothing is called %s", route, i)
				}
				calls = append(calls, c)
			}
		}
	}
	for route := range bodies {
		if !known[route] {
			t.Errorf("there is no route %s", route)
		}
	}
	for route := range parameters {
		if !known[route] {
			t.Errorf("%s is described and not served", route)
		}
	}
	return calls
}

// stem is the beginning of a route's path that is as long, in parts, as what has been filled in of it.
func stem(route, filled string) string {
	_, path := pathOf(route)
	parts := strings.Split(path, "/")
	return strings.Join(parts[:strings.Count(filled, "/")], "/") + "/"
}

type replay struct {
	t            *testing.T
	s            *site
	foreign, own *occupant
	calls        []replayed
	secrets      []string // what nobody else may be told
	before       map[string]string
	said         string // by the other tenant so far
}

var idLike = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|"[^"\\]*` + foreign + `[^"\\]*"`)

// harvest collects what the foreign tenant sees of itself and no other tenant does.
func (x *replay) harvest() []string {
	x.t.Helper()
	all := map[string]bool{x.foreign.id: true, x.foreign.log: true, x.foreign.key: true, x.foreign.cookie: true, x.foreign.email: true}
	for _, id := range x.foreign.ids {
		if len(id) > 10 {
			all[id] = true
		}
	}
	answered := 0
	for _, c := range x.calls {
		if c.method != "GET" || bare[c.route] {
			continue
		}
		res := x.foreign.send(bySession, c.method, c.path, "", "")
		if res.status == 200 {
			answered++
		}
		for _, id := range idLike.FindAllString(res.body, -1) {
			all[strings.Trim(id, `"`)] = true
		}
	}
	if answered < 60 || len(all) < 60 {
		x.t.Fatalf("the foreign tenant sees too little of itself for the test to mean anything: %d answers, %d values", answered, len(all))
	}
	return slices.Sorted(maps.Keys(all))
}

// run makes all calls in one way.
func (x *replay) run(how credential) {
	x.t.Helper()
	for _, c := range x.calls {
		if how == bySession {
			x.own.signInAgain()
		}
		res := x.own.send(how, c.method, c.path, c.contentType, c.body)
		what := fmt.Sprintf("%v: %s %s %s", how, c.method, c.path, c.body)
		if res.status >= 500 && res.status != 503 {
			x.t.Errorf("%s: %d %s", what, res.status, res.body)
		}
		if doors[c.route] {
			x.settle()
			continue
		}
		x.silent(what, c, res)
		_, pattern := pathOf(c.route)
		if strings.Contains(pattern, "{") && !ownNames[c.route] && res.status < 400 {
			x.t.Errorf("%s: %d %.300s", what, res.status, res.body)
		}
		if c.method != "GET" {
			x.unchanged(what)
		}
	}
	x.unchanged("reading as " + how.String())
}

// silent reports whether an answer holds nothing that was not asked with.
func (x *replay) silent(what string, c replayed, res got) {
	x.t.Helper()
	asked, _ := url.QueryUnescape(c.path + " " + c.body)
	x.said += asked
	if c.route == "GET /api/events" || c.route == "GET /api/audit-log" { // the caller's own log, which has recorded what he asked for
		asked = x.said
	}
	for _, secret := range x.secrets {
		if strings.Contains(res.text, secret) && !strings.Contains(asked, secret) {
			x.t.Errorf("%s: the answer (%d) holds %q: %.400s", what, res.status, secret, res.text)
			return
		}
	}
}

// signInAgain makes a session where the last call has ended it.
func (o *occupant) signInAgain() {
	if o.send(bySession, "GET", "/api/session", "", "").status != 200 {
		o.signIn()
	}
}

// control makes the calls as the foreign tenant itself: what was refused is there, for who may have it.
func (x *replay) control() {
	x.t.Helper()
	found := 0
	for _, c := range x.calls {
		_, pattern := pathOf(c.route)
		if c.method != "GET" || !strings.Contains(pattern, "{") || ownNames[c.route] || absent[c.route] || strings.HasPrefix(pattern, "/api/tenants/") {
			continue
		}
		how := bySession
		if strings.HasPrefix(pattern, "/scim/") {
			how = byKey
		}
		x.foreign.signInAgain()
		if res := x.foreign.send(how, c.method, c.path, "", ""); res.status >= 300 {
			x.t.Errorf("as its own tenant: %s: %d %.300s", c.path, res.status, res.body)
		} else {
			found++
		}
	}
	if found < 15 {
		x.t.Errorf("only %d things were found by their own tenant", found)
	}
}

// absent are things of which the test makes none: those of ended epochs.
var absent = map[string]bool{"GET /api/log/{log_id}/epoch/{epoch}/consistency": true, "GET /api/log/{log_id}/epoch/{epoch}/checkpoint": true, "GET /api/log/{log_id}/epoch/{epoch}/keys": true, "GET /api/log/{log_id}/epoch/{epoch}/tile/{rest...}": true,
	"GET /api/log/{log_id}/tile/{rest...}": true, "GET /api/exports/{id}/file": true,
	// Of a review that is open, and of a system that no run has compared yet.
	"GET /api/access/reviews/{id}/evidence": true, "GET /api/access/systems/{id}/drift": true, "GET /api/access/systems/{id}/drift.csv": true, "GET /api/access/systems/{id}/roles": true}
