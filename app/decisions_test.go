package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/access"
	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/sqldb/sqldbtest"
)

// decider is an installation that other systems ask, with a real ledger.
type decider struct {
	*App
	t      *testing.T
	tenant string
	caller *caller
	system actor.Principal
}

func newDecider(t *testing.T) *decider {
	t.Helper()
	dir := t.TempDir()
	first, tenant := opened(t, dir, "", "")
	cfg := *first.Config
	first.Close()
	cfg.PublicURL = "https://pdp.example"
	a, err := Open(t.Context(), &cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	end := a.runDecisions(context.Background())
	t.Cleanup(end)
	return &decider{a, t, tenant, newCaller(t, a), actor.System(tenant)}
}

// ask makes a request as the system and returns status, headers and body.
func (d *decider) ask(method, path, body string, headers ...string) (int, http.Header, string) {
	d.t.Helper()
	return d.askAs(d.system, method, path, body, headers...)
}

func (d *decider) askAs(p actor.Principal, method, path, body string, headers ...string) (int, http.Header, string) {
	d.t.Helper()
	d.caller.p = p
	r, err := http.NewRequest(method, "http://evil.example"+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := d.caller.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func (d *decider) setPolicy(policy json.RawMessage, version int64) {
	d.t.Helper()
	var body map[string]any
	if err := json.Unmarshal(policy, &body); err != nil {
		d.t.Fatal(err)
	}
	body["version"] = version
	b, err := json.Marshal(body)
	if err != nil {
		d.t.Fatal(err)
	}
	d.caller.answer(d.t, d.system, "PUT", "/api/access/policy", string(b))
}

type decided struct {
	Decision bool `json:"decision"`
	Context  struct {
		ID string `json:"evaluation_id"`
	} `json:"context"`
}

// replay waits for the event of a decision and makes it again.
func (d *decider) replay(id string) map[string]any {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		status, _, text := d.ask("GET", "/api/access/decisions/"+id, "")
		if status == http.StatusOK {
			var out map[string]any
			if err := json.Unmarshal([]byte(text), &out); err != nil {
				d.t.Fatal(err)
			}
			return out
		}
		if status != http.StatusNotFound || time.Now().After(deadline) {
			d.t.Fatalf("%d %s", status, text)
		}
	}
}

func readTable(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("../access/decision/testdata/" + name)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAuthZENTodo makes the published decisions of the Todo scenario of AuthZEN's interop, from accounts, roles and assignments, and makes each again from its event.
func TestAuthZENTodo(t *testing.T) { sqldbtest.Each(t, testAuthZENTodo) }

func testAuthZENTodo(t *testing.T) {
	var table struct {
		Roles map[string][]string
		Users []struct {
			Address string
			Roles   []string
		}
		Policy     json.RawMessage
		Evaluation []struct {
			Request  json.RawMessage
			Expected bool
		}
	}
	readTable(t, "authzen-todo.json", &table)
	d := newDecider(t)
	roles := map[string]string{}
	for name, permissions := range table.Roles {
		for _, k := range permissions {
			d.caller.answer(t, d.system, "PUT", "/api/access/permissions/"+k, `{"description":"of the Todo scenario"}`)
		}
		r, err := d.Access.Roles().CreateRole(t.Context(), d.system, role.Draft{Name: "Todo " + name, Permissions: permissions})
		if err != nil {
			t.Fatal(err)
		}
		roles[name] = r.ID
	}
	users := map[string]string{}
	for _, u := range table.Users {
		made, err := d.Access.CreateUser(t.Context(), d.system, access.NewUser{Email: u.Address, Name: "Somebody", Role: roles[u.Roles[0]], Password: "a-rather-long-passphrase-7"})
		if err != nil {
			t.Fatal(err)
		}
		users[u.Address] = made.ID
		for _, r := range u.Roles[1:] {
			if _, err := d.Access.Roles().Assign(t.Context(), d.system, role.Grant{UserID: made.ID, RoleID: roles[r]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.setPolicy(table.Policy, 0)
	if len(table.Evaluation) != 40 {
		t.Fatalf("%d decisions", len(table.Evaluation))
	}
	ids := make([]string, 0, len(table.Evaluation))
	for _, c := range table.Evaluation {
		status, _, text := d.ask("POST", "/access/v1/evaluation", string(c.Request))
		var got decided
		if err := json.Unmarshal([]byte(text), &got); status != 200 || err != nil || got.Decision != c.Expected {
			t.Fatalf("%s: %d %s", c.Request, status, text)
		}
		ids = append(ids, got.Context.ID)
	}
	// Everything changes: roles, rules, assignments and permissions. What was decided stays what it was.
	d.setPolicy(json.RawMessage(`{"rules":[]}`), d.version())
	for name, id := range roles {
		if _, err := d.Access.Roles().UpdateRole(t.Context(), d.system, id, role.Draft{Name: "Empty " + name}); err != nil {
			t.Fatal(err)
		}
	}
	rick := users["rick@the-citadel.com"]
	if _, err := d.Access.Roles().Revoke(t.Context(), d.system, role.Revocation{UserID: rick, RoleID: roles["evil_genius"]}); err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		got := d.replay(id)
		if got["replayed"] != true || got["same"] != true || got["decision"] != table.Evaluation[i].Expected || got["decision_again"] != table.Evaluation[i].Expected || got["input"] == nil {
			t.Fatalf("%s: %v", table.Evaluation[i].Request, got)
		}
	}
	if status, _, text := d.ask("POST", "/access/v1/evaluation", string(table.Evaluation[4].Request)); status != 200 || strings.Contains(text, `"decision":true`) {
		t.Fatalf("without rules: %s", text)
	}
	d.checkRights(ids[0])
}

func (d *decider) version() int64 {
	d.t.Helper()
	var p struct{ Version int64 }
	if err := json.Unmarshal([]byte(d.caller.answer(d.t, d.system, "GET", "/api/access/policy", "")), &p); err != nil {
		d.t.Fatal(err)
	}
	return p.Version
}

// checkRights demands that decisions are asked for, seen and ruled by those alone who may.
func (d *decider) checkRights(id string) {
	d.t.Helper()
	masked := actor.Principal{TenantID: d.tenant, KeyID: "k", Permissions: []string{actor.DecisionsView}}
	if status, _, text := d.askAs(masked, "GET", "/api/access/decisions/"+id, ""); status != 200 || strings.Contains(text, "@") || strings.Contains(text, `"input":`) || !strings.Contains(text, `"same":true`) {
		d.t.Errorf("%d %s", status, text)
	}
	stranger := masked
	stranger.TenantID = "another"
	if status, _, text := d.askAs(stranger, "GET", "/api/access/decisions/"+id, ""); status < 400 {
		d.t.Errorf("another tenant sees it: %d %s", status, text)
	}
	nobody := actor.Principal{TenantID: d.tenant, KeyID: "k", Permissions: []string{actor.LedgerSearch}}
	for _, op := range [][3]string{{"POST", "/access/v1/evaluation", "{}"}, {"POST", "/access/v1/evaluations", "{}"}, {"POST", "/access/v1/search/subject", "{}"}, {"POST", "/access/v1/search/resource", "{}"},
		{"POST", "/access/v1/search/action", "{}"}, {"GET", "/api/access/decisions/" + id, ""}, {"GET", "/api/access/policy", ""}, {"PUT", "/api/access/policy", `{"rules":[],"version":0}`}} {
		if status, _, text := d.askAs(nobody, op[0], op[1], op[2]); status != http.StatusForbidden {
			d.t.Errorf("%v: %d %s", op, status, text)
		}
	}
}

// TestAuthZENCertification goes through the published scenario of AuthZEN's certification: decisions, batches, searches, refusals and metadata.
func TestAuthZENCertification(t *testing.T) {
	type asked struct {
		Request  json.RawMessage
		Expected json.RawMessage
		Find     string
		Includes []string
		None     bool
	}
	var table struct {
		Policy      json.RawMessage
		Evaluation  []asked
		Evaluations []asked
		Search      []asked
		Refused     []struct{ Path, Body string }
	}
	readTable(t, "authzen-certification.json", &table)
	d := newDecider(t)
	d.setPolicy(table.Policy, 0)
	for _, c := range table.Evaluation {
		for _, path := range []string{"/access/v1/evaluation", "/access/v1/evaluations", "/access/v1/evaluation"} { // without evaluations, the second is the first
			status, h, text := d.ask("POST", path, string(c.Request), "X-Request-ID", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716")
			if status != 200 || !strings.HasPrefix(text, fmt.Sprintf(`{"decision":%s,`, c.Expected)) || h.Get("Content-Type") != "application/json" || h.Get("X-Request-ID") != "bfe9eb29-ab87-4ca3-be83-a1d5d8305716" {
				t.Errorf("%s: %d %v %s", c.Request, status, h, text)
			}
		}
	}
	for _, c := range table.Evaluations {
		status, _, text := d.ask("POST", "/access/v1/evaluations", string(c.Request))
		var got struct{ Evaluations []decided }
		var want []bool
		if err := json.Unmarshal([]byte(text), &got); err != nil || status != 200 || json.Unmarshal(c.Expected, &want) != nil || len(got.Evaluations) != len(want) {
			t.Fatalf("%s: %d %s", c.Request, status, text)
		}
		for i, e := range got.Evaluations {
			if e.Decision != want[i] {
				t.Errorf("%s: %s", c.Request, text)
			}
		}
	}
	for _, c := range table.Search {
		status, _, text := d.ask("POST", "/access/v1/search/"+c.Find, string(c.Request))
		var got struct {
			Results []struct{ Type, ID, Name string }
			Page    struct {
				Next *string `json:"next_token"`
			}
		}
		if err := json.Unmarshal([]byte(text), &got); status != 200 || err != nil || got.Results == nil || got.Page.Next == nil || c.None != (len(got.Results) == 0) {
			t.Errorf("%s %s: %d %s", c.Find, c.Request, status, text)
		}
		for _, name := range c.Includes {
			if !slices.ContainsFunc(got.Results, func(r struct{ Type, ID, Name string }) bool {
				return r.ID == name || r.Name == name && c.Find == "action"
			}) {
				t.Errorf("%s %s: %s is missing in %s", c.Find, c.Request, name, text)
			}
		}
	}
	for _, c := range table.Refused {
		if status, _, text := d.ask("POST", c.Path, c.Body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", c.Body, status, text)
		}
	}
	first := string(table.Evaluation[0].Request)
	if status, _, text := d.ask("POST", "/access/v1/evaluation", first, "Content-Type", "text/plain"); status != http.StatusBadRequest {
		t.Errorf("text/plain: %d %s", status, text)
	}
	if _, h, _ := d.ask("POST", "/access/v1/evaluation", first, "X-Request-ID", "x"); h.Get("X-Request-ID") != "x" {
		t.Errorf("a short id comes back as %q", h.Get("X-Request-ID"))
	}
	d.pages()
	d.metadata()
}

// pages goes through a search page by page.
func (d *decider) pages() {
	d.t.Helper()
	token, seen := "", []string{}
	for range 10 {
		_, _, text := d.ask("POST", "/access/v1/search/subject", fmt.Sprintf(`{"subject":{"type":"user"},"action":{"name":"read"},"resource":{"type":"record","id":"record-1"},"page":{"limit":1,"token":%q}}`, token))
		var got struct {
			Results []struct{ ID string }
			Page    struct {
				Next  string `json:"next_token"`
				Total int
			}
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Results) != 1 || got.Page.Total != 2 {
			d.t.Fatal(text)
		}
		seen = append(seen, got.Results[0].ID)
		if token = got.Page.Next; token == "" {
			break
		}
	}
	if !slices.Equal(seen, []string{"alice", "bob"}) {
		d.t.Errorf("%v", seen)
	}
}

// metadata demands that addresses are the configured ones whatever the Host header says.
func (d *decider) metadata() {
	d.t.Helper()
	status, h, text := d.askAs(actor.Principal{}, "GET", "/.well-known/authzen-configuration", "", "X-Forwarded-Host", "evil.example")
	var got map[string]string
	if err := json.Unmarshal([]byte(text), &got); status != 200 || err != nil || h.Get("Content-Type") != "application/json" || got["policy_decision_point"] != "https://pdp.example" {
		d.t.Fatalf("%d %s", status, text)
	}
	for name, path := range map[string]string{"access_evaluation_endpoint": "/access/v1/evaluation", "access_evaluations_endpoint": "/access/v1/evaluations", "search_subject_endpoint": "/access/v1/search/subject",
		"search_resource_endpoint": "/access/v1/search/resource", "search_action_endpoint": "/access/v1/search/action"} {
		if got[name] != "https://pdp.example"+path {
			d.t.Errorf("%s: %s", name, text)
		}
	}
	if strings.Contains(text, "evil") {
		d.t.Error(text)
	}
}

// TestDecisionsFollowTheState asks about people who are locked, whose role has ended or who have it for a part of the tenant, and about actions that no rule is about.
func TestDecisionsFollowTheState(t *testing.T) {
	d := newDecider(t)
	u, err := d.Access.CreateUser(t.Context(), d.system, access.NewUser{Email: "risk@example.com", Name: "Somebody", Role: actor.RoleRiskAnalyst, Password: "a-rather-long-passphrase-7"})
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(subject, action, resource string) bool {
		t.Helper()
		status, _, text := d.ask("POST", "/access/v1/evaluation", fmt.Sprintf(`{"subject":{"type":"user","id":%q},"action":{"name":%q},"resource":%s}`, subject, action, resource))
		if status != 200 {
			t.Fatalf("%d %s", status, text)
		}
		return strings.HasPrefix(text, `{"decision":true`)
	}
	order := `{"type":"order","id":"1"}`
	if !allowed(u.ID, actor.RiskApproveOrders, order) || !allowed("RISK@example.com", actor.RiskApproveOrders, order) || allowed(u.ID, actor.AccessManage, order) || allowed("nobody", actor.RiskApproveOrders, order) ||
		allowed(u.ID, "made.up", order) || allowed("nobody@example.com", actor.RiskApproveOrders, order) {
		t.Fatal("decisions do not follow from roles")
	}
	if _, err := d.Access.Roles().Assign(t.Context(), d.system, role.Grant{UserID: u.ID, RoleID: actor.RoleFinance, Scope: role.Scope{Kind: role.DataSet, Value: "eu"}}); err != nil {
		t.Fatal(err)
	}
	if !allowed(u.ID, actor.FinanceExportTax, `{"type":"report","id":"1","properties":{"dataset":"eu"}}`) || allowed(u.ID, actor.FinanceExportTax, `{"type":"report","id":"1","properties":{"dataset":"us"}}`) ||
		allowed(u.ID, actor.FinanceExportTax, `{"type":"report","id":"1"}`) {
		t.Fatal("decisions do not follow from scopes")
	}
	soon := time.Now().Add(300 * time.Millisecond)
	if _, err := d.Access.Roles().Assign(t.Context(), d.system, role.Grant{UserID: u.ID, RoleID: actor.RoleCoach, ExpiresAt: &soon}); err != nil {
		t.Fatal(err)
	}
	if !allowed(u.ID, actor.CoachingManageClients, order) {
		t.Fatal("not yet in force")
	}
	time.Sleep(time.Until(soon) + time.Millisecond)
	if allowed(u.ID, actor.CoachingManageClients, order) {
		t.Fatal("still in force after its end")
	}
	if _, err := d.Access.Roles().Revoke(t.Context(), d.system, role.Revocation{UserID: u.ID, RoleID: actor.RoleFinance}); err != nil {
		t.Fatal(err)
	}
	if allowed(u.ID, actor.FinanceExportTax, `{"type":"report","id":"1","properties":{"dataset":"eu"}}`) {
		t.Fatal("revoked, and still in force")
	}
	locked := true
	if _, err := d.Access.UpdateUser(t.Context(), d.system, u.ID, access.UserChange{Locked: &locked}); err != nil {
		t.Fatal(err)
	}
	if allowed(u.ID, actor.RiskApproveOrders, order) {
		t.Fatal("a locked user may")
	}
	for name, bad := range map[string]string{
		"for everybody": `{"rules":[{"id":"a","actions":["x"],"resources":["*"]}],"version":0}`, "no condition": `{"rules":[{"id":"a","actions":["x"],"resources":["*"],"when":"1 + "}],"version":0}`,
		"a number": `{"rules":[{"id":"a","actions":["x"],"resources":["*"],"when":"1 + 1"}],"version":0}`, "no permission": `{"rules":[{"id":"a","actions":["x"],"resources":["*"],"permission":"no.such"}],"version":0}`,
		"twice": `{"rules":[{"id":"a","actions":["x"],"resources":["*"],"when":"true"},{"id":"a","actions":["x"],"resources":["*"],"when":"true"}],"version":0}`,
	} {
		if status, _, text := d.ask("PUT", "/api/access/policy", bad); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	d.setPolicy(json.RawMessage(`{"rules":[{"id":"a","actions":["x"],"resources":["*"],"when":"true"},{"id":"b","effect":"deny","actions":["x"],"resources":["*"],"when":"resource.properties.secret"}]}`), 0)
	if allowed("anybody", "x", `{"type":"t","id":"1"}`) || !allowed("anybody", "x", `{"type":"t","id":"1","properties":{"secret":false}}`) || allowed("anybody", "x", `{"type":"t","id":"1","properties":{"secret":true}}`) {
		t.Error("a rule that denies does not win, or not where it cannot be judged")
	}
	if status, _, text := d.ask("PUT", "/api/access/policy", `{"rules":[],"version":0}`); status != http.StatusConflict {
		t.Errorf("%d %s", status, text)
	}
}
