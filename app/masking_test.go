package app

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"probity.dev/access"
	"probity.dev/internal/actor"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

// clinic is a tenant with some events, and people with roles.
type clinic struct {
	*staff
	t *testing.T
}

func newClinic(t *testing.T) *clinic {
	c := &clinic{newStaff(t), t}
	for name, role := range map[string]string{"mia": actor.RoleManager, "rex": actor.RoleReception, "sam": actor.RoleSecurityAnalyst} {
		c.hire(t, name, role)
	}
	for i, who := range []string{"vesna", "oskar", "vesna"} {
		c.do(t, "ana", "POST", "/api/events", fmt.Sprintf(`{"source":"clinic","action":"record.view","actor":{"type":"user","id":"dr-7","name":"Ivo Babic","email":"ivo.babic@example.org"},
			"subject":{"type":"patient","id":"pat-%s","name":"%s Kovac"},"resource":{"type":"patient","id":"pat-%s"},"context":{"ip":"198.51.100.%d"},"data":{"phone":"+1 555 010 123%d"}}`, who, who, who, i+20, i), 201, nil)
	}
	return c
}

// get is a GET with headers, as somebody; it returns the status and the body.
func (c *clinic) get(name, path string, headers ...string) (int, string) {
	c.t.Helper()
	p, err := c.Access.Now(c.t.Context(), actor.Principal{TenantID: c.tenant, UserID: c.ids[name]})
	if err != nil {
		c.t.Fatal(err)
	}
	p.SessionID = "s-" + name
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "purpose" {
			p.Purpose = headers[i+1]
		}
	}
	w := canaryWorld{App: c.App, t: c.t, c: c.c}
	status, b := w.get(&viewer{p: p}, "GET", path, "")
	return status, string(b[strings.IndexByte(string(b), '{'):])
}

// TestSearchIsNoOracle: whoever sees a value masked learns nothing by looking for it, neither whether it is there nor who has it.
func TestSearchIsNoOracle(t *testing.T) { sqldbtest.Each(t, testSearchIsNoOracle) }

func testSearchIsNoOracle(t *testing.T) {
	c := newClinic(t)
	there, nowhere := []string{"pat-vesna", "ivo.babic@example.org", "Ivo Babic"}, []string{"pat-nobody", "no.body@example.org", "No Body"}
	refused := func(name, path string) string {
		t.Helper()
		status, body := c.get(name, path)
		if status != 403 || !strings.Contains(body, "problem-masked_filter") {
			t.Errorf("%s: %s: %d %s", name, path, status, body)
		}
		return regexp.MustCompile(`"instance":"\w+"`).ReplaceAllString(body, "")
	}
	same := func(name, format string, there, nowhere []string) {
		t.Helper()
		for i := range there {
			esc := strings.NewReplacer(" ", "%20", "@", "%40")
			a, b := refused(name, fmt.Sprintf(format, esc.Replace(there[i]))), refused(name, fmt.Sprintf(format, esc.Replace(nowhere[i])))
			if a != b {
				t.Errorf("%s tells %s apart: %s %s", format, name, a, b)
			}
		}
	}
	for _, member := range []string{"actor", "subject", "person"} {
		for _, at := range []string{"/api/events", "/api/stats", "/api/audit-log", "/api/events/stream"} {
			same("dora", at+"?"+member+"=%s", there, nowhere)
		}
	}
	same("dora", "/api/events?resource=patient/%s", there[:1], nowhere[:1])
	same("dora", "/api/resources/patient/%s/history", there[:1], nowhere[:1])
	same("dora", "/api/events?ip=%s", []string{"198.51.100.20"}, []string{"198.51.100.99"})
	same("dora", "/api/events?id=%s", []string{"ivo.babic@example.org"}, []string{"no.body@example.org"})
	same("rex", "/api/events?ip=%s", []string{"198.51.100.20"}, []string{"198.51.100.99"})
	found := func(name, path string) int {
		t.Helper()
		status, body := c.get(name, path)
		if status != 200 {
			t.Fatalf("%s: %s: %d %s", name, path, status, body)
		}
		return strings.Count(body, `"action":"record.view"`) + strings.Count(body, `"kind":"person"`)
	}
	for path, want := range map[string]map[string]int{
		// Typing ahead begins nowhere for an auditor, and knows names only for the reception.
		"/api/persons?q=ivo":                        {"dora": 0, "rex": 1, "mia": 1, "ana": 1},
		"/api/persons?q=ivo.b":                      {"dora": 0, "rex": 0, "mia": 1, "ana": 1},
		"/api/persons?q=pat-":                       {"dora": 0, "rex": 0, "mia": 0, "ana": 2},
		"/api/events?actor=Ivo%20Babic":             {"rex": 3, "mia": 3, "ana": 3},
		"/api/events?actor=ivo.babic%40example.org": {"rex": 0, "mia": 3, "ana": 3},
		"/api/events?subject=pat-vesna":             {"rex": 0, "mia": 0, "ana": 2},
		"/api/events?ip=198.51.100.20":              {"sam": 1, "ana": 1},
		"/api/events?text=babic":                    {"dora": 0, "rex": 3, "ana": 3},
		"/api/events?text=555%20010%201231":         {"dora": 0, "rex": 0, "ana": 1},
	} {
		for name, n := range want {
			if got := found(name, path); got != n {
				t.Errorf("%s finds %d with %s, want %d", name, got, path, n)
			}
		}
	}
	// The handle that is shown searches.
	_, body := c.get("dora", "/api/events?action=record.view&limit=1")
	handle := regexp.MustCompile(`"actor_handle":(\d+)|"handle":(\d+)`).FindStringSubmatch(body)
	if handle == nil {
		t.Fatal(body)
	}
	if n := found("dora", "/api/events?actor=handle:"+handle[1]+handle[2]); n != 3 {
		t.Errorf("%d by handle", n)
	}
	// Neither exports nor rules nor schedules ask what a search may not.
	for path, text := range map[string]string{"/api/exports": `{"format":"csv","filter":{"actor":["ivo.babic@example.org"]}}`,
		"/api/schedules": `{"name":"x","format":"csv","filter":{"ip":["198.51.100.20"]},"period":"all","timing":{"every":"day","at":"03:00"}}`} {
		if got := c.do(t, "dora", "POST", path, text, 403, nil); !strings.Contains(got, "masked_filter") {
			t.Error(got)
		}
	}
	for _, path := range []string{"/api/alert-rules", "/api/alert-rules/preview"} {
		text := `{"filter":{"actor":["ivo.babic@example.org"]},"threshold":{"more_than":0,"window_seconds":60}}`
		if path == "/api/alert-rules" {
			text = `{"name":"x",` + text[1:]
		}
		c.do(t, "sam", "POST", path, text, 403, nil)
		c.do(t, "ana", "POST", path, text, map[string]int{"/api/alert-rules": 201}[path]+map[string]int{"/api/alert-rules/preview": 200}[path], nil)
	}
}

// TestPurposes: what is read for a purpose shows what the purpose leaves, under pseudonyms of its own that cannot be put together with others.
func TestPurposes(t *testing.T) {
	c := newClinic(t)
	name := func(body string) string {
		return strings.Join(regexp.MustCompile(`"name":"([^"]*)"`).FindStringSubmatch(body), "|")
	}
	_, plain := c.get("dora", "/api/events?action=record.view&limit=1")
	_, again := c.get("dora", "/api/events?action=record.view&limit=1", "purpose", "investigation")
	_, analytics := c.get("dora", "/api/events?action=record.view&limit=1", "purpose", "analytics")
	_, twice := c.get("mia", "/api/events?action=record.view&limit=1", "purpose", "analytics")
	_, manager := c.get("mia", "/api/events?action=record.view&limit=1")
	if name(plain) != name(again) || name(plain) == name(analytics) || name(analytics) != name(twice) || !strings.Contains(name(analytics), "u_") {
		t.Errorf("pseudonyms %s, %s, %s, %s", name(plain), name(again), name(analytics), name(twice))
	}
	if !strings.Contains(manager, "Ivo Babic") || strings.Contains(twice, "Ivo Babic") || strings.Contains(twice, "ivo.babic@") {
		t.Error(twice)
	}
	if strings.Contains(analytics, `handle":`) && !strings.Contains(analytics, `handle":0`) {
		t.Errorf("handles tie the purposes together: %s", analytics)
	}
	if status, body := c.get("dora", "/api/events?actor=handle:5", "purpose", "analytics"); status != 403 {
		t.Error(status, body)
	}
	_, owner := c.get("ana", "/api/events?action=record.view&limit=1", "purpose", "analytics")
	if strings.Contains(owner, "Ivo Babic") || strings.Contains(owner, "555 010") {
		t.Error("an admin who reads for analytics sees who it was: " + owner)
	}
	if _, stats := c.get("ana", "/api/stats", "purpose", "analytics"); strings.Contains(stats, "Ivo") || regexp.MustCompile(`"handle":[1-9]`).MatchString(stats) {
		t.Error(stats)
	}
}

// TestTenantDecidesWhatRolesSee changes the policy of a tenant, and sees it hold at once, in versions and events.
func TestTenantDecidesWhatRolesSee(t *testing.T) { sqldbtest.Each(t, testTenantDecidesWhatRolesSee) }

func testTenantDecidesWhatRolesSee(t *testing.T) {
	c := newClinic(t)
	seen := func() string { _, b := c.get("dora", "/api/events?action=record.view&limit=1"); return b }
	if strings.Contains(seen(), "Ivo Babic") {
		t.Fatal(seen())
	}
	const change = `{"version":%d,"reason":"they know everybody anyway","roles":{"auditor":{"unmasked":false,"nothing":false,"default":"redact","unknown":"withhold","categories":{"user.name":%q}}}}`
	c.do(t, "dora", "PUT", "/api/settings/masking", fmt.Sprintf(change, 0, "show"), 403, nil)
	var v struct {
		Version int64
		Own     []string
	}
	c.do(t, "ana", "PUT", "/api/settings/masking", fmt.Sprintf(change, 0, "show"), 200, &v)
	if v.Version != 1 || !slices.Equal(v.Own, []string{"auditor"}) || !strings.Contains(seen(), "Ivo Babic") || strings.Contains(seen(), "ivo.babic@") {
		t.Errorf("%+v %s", v, seen())
	}
	c.do(t, "ana", "PUT", "/api/settings/masking", fmt.Sprintf(change, 0, "redact"), 409, nil)
	c.do(t, "ana", "PUT", "/api/settings/masking", fmt.Sprintf(change, 1, "initials"), 200, nil)
	if b := seen(); !strings.Contains(b, `"I.B."`) {
		t.Error(b)
	}
	for _, wrong := range []string{`{"version":2,"roles":{"auditor":{"categories":{"user.authorization.credentials":"show"},"default":"redact","unknown":"redact","nothing":false,"unmasked":false}}}`,
		`{"version":2,"roles":{"stranger":{"categories":{},"default":"redact","unknown":"redact","nothing":false,"unmasked":false}}}`,
		`{"version":2,"roles":{"auditor":{"categories":{},"default":"everything","unknown":"redact","nothing":false,"unmasked":false}}}`} {
		c.do(t, "ana", "PUT", "/api/settings/masking", wrong, 400, nil)
	}
	if list := c.do(t, "ana", "GET", "/api/settings/masking/versions", "", 200, nil); strings.Count(list, `"changed_at"`) != 2 {
		t.Error(list)
	}
	if events := c.do(t, "ana", "GET", "/api/events?action=settings.masking", "", 200, nil); strings.Count(events, `"action":"settings.masking"`) != 2 || !strings.Contains(events, "/roles/auditor") || !strings.Contains(events, "they know everybody") {
		t.Error(events)
	}
	preview := c.do(t, "ana", "POST", "/api/settings/masking/preview", `{"role":"reception"}`, 200, nil)
	for _, want := range []string{`"shown":"Ana Horvat"`, `"shown":"+1 555-****"`, `"shown":"203.0.113.0/24"`, `"shown":"1984"`, `"shown":"•••• 4242"`} {
		if !strings.Contains(preview, want) {
			t.Errorf("no %s in %s", want, preview)
		}
	}
	// Values as they are only for those who say what for.
	c.do(t, "ana", "PUT", "/api/settings/masking", `{"version":2,"require_purpose":true}`, 200, nil)
	if _, b := c.get("ana", "/api/events?action=record.view&limit=1"); strings.Contains(b, "Ivo Babic") {
		t.Error("without a purpose: " + b)
	}
	if _, b := c.get("ana", "/api/events?action=record.view&limit=1", "purpose", "investigation"); !strings.Contains(b, "Ivo Babic") {
		t.Error("with a purpose: " + b)
	}
}

// TestSeeingUnmaskedIsAnEvent: one event for each request that shows values as they are, none for others, and none because of another one.
func TestSeeingUnmaskedIsAnEvent(t *testing.T) { sqldbtest.Each(t, testSeeingUnmaskedIsAnEvent) }

func testSeeingUnmaskedIsAnEvent(t *testing.T) {
	c := newClinic(t)
	reveals := func() (out []*event.Record) {
		if _, err := c.Ledger.Search(t.Context(), c.tenant, ledger.Query{Action: []string{"ledger.view_unmasked"}}, ledger.Page{Ascending: true}, nil, func(r *event.Record) error { out = append(out, r); return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	n := len(reveals())
	grown := func(what string, want int) {
		t.Helper()
		now := len(reveals())
		if now-n != want {
			t.Errorf("%s: %d events, want %d", what, now-n, want)
		}
		n = now
	}
	c.get("dora", "/api/events")
	c.get("mia", "/api/events")
	grown("masked readers", 0)
	c.get("ana", "/api/events?action=record.view&actor=dr-7", "purpose", "investigation")
	grown("a search", 1)
	last := reveals()[n-1]
	if last.Text("/data/purpose") != "investigation" || last.Text("/data/events") != "3" || !strings.Contains(last.Text("/data/query"), "actor=dr-7") || !strings.Contains(last.Text("/data/categories"), "user.name") ||
		last.Text("/actor/id") != c.ids["ana"] {
		t.Errorf("%+v", last.Fields)
	}
	for _, f := range last.Fields {
		if f.Path == "/data/query" && f.State == event.Clear {
			t.Error("what was asked for names people, and is kept in clear")
		}
	}
	_, body := c.get("ana", "/api/events?action=record.view&limit=1")
	grown("a page", 1)
	c.get("ana", "/api/events/"+regexp.MustCompile(`"seq":(\d+)`).FindStringSubmatch(body)[1])
	grown("one event", 1)
	c.get("ana", "/api/events?action=ledger.view_unmasked")
	grown("reading of the readings", 0)
	c.get("ana", "/api/events/stream?after=0")
	grown("a stream", 1)
	if _, _, err := c.Access.CreateKey(t.Context(), actor.System(c.tenant), access.NewKey{Name: "k", Scopes: []string{actor.LedgerSearch}}); err != nil {
		t.Fatal(err)
	}
}
