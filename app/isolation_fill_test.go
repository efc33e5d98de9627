package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"probity.dev/access"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

// foreign is in every text that is made in the tenant that must not be seen.
const foreign = "zkanary"

// occupant is a tenant with an administrator, a session of his and a key with every permission.
type occupant struct {
	t               *testing.T
	http            *http.Client
	id, log         string
	email, password string
	key, cookie     string
	// ids are one of everything, by the path below which they are found.
	ids map[string]string
}

// credential is how a request is signed.
type credential int

const (
	bySession credential = iota
	byKey
	byNobody
)

func (c credential) String() string { return [...]string{"session", "key", "nobody"}[c] }

func newOccupant(t *testing.T, a *App, h http.Handler, name string) *occupant {
	t.Helper()
	o := &occupant{t: t, http: &http.Client{Transport: inProcess{h}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		email: name + "@" + name + ".example", password: NewPassword(), ids: map[string]string{}}
	r, err := a.AddTenant(context.Background(), InitOptions{Tenant: name, Email: o.email, Name: name + " boss", KeyName: name, Password: o.password})
	if err != nil {
		t.Fatal(err)
	}
	o.id, o.log, o.key = r.TenantID, r.LogID, r.APIKey
	o.signIn()
	return o
}

func (o *occupant) signIn() {
	o.t.Helper()
	res := o.send(byNobody, "POST", "/api/session", "application/json", `{"email":"`+o.email+`","password":"`+o.password+`","tenant_id":"`+o.id+`"}`)
	for _, c := range res.cookies {
		if c.Name == api.SessionCookie {
			o.cookie = c.Value
		}
	}
	if res.status != 200 || o.cookie == "" {
		o.t.Fatal("sign-in: ", res.status, res.text)
	}
}

// got is an answer.
type got struct {
	status  int
	text    string // headers and body
	body    string
	cookies []*http.Cookie
}

// send makes a request. What streams is cut after a while.
func (o *occupant) send(how credential, method, path, contentType, body string) got {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if strings.HasSuffix(strings.SplitN(path, "?", 2)[0], "/stream") {
		time.AfterFunc(300*time.Millisecond, cancel)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://probity.local"+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if body == "" {
		r.Body = http.NoBody
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	switch how {
	case bySession:
		r.AddCookie(&http.Cookie{Name: api.SessionCookie, Value: o.cookie})
		r.Header.Set(api.CSRFHeader, api.CSRFToken(o.cookie))
	case byKey:
		r.Header.Set("Authorization", "Bearer "+o.key)
	case byNobody:
	}
	res, err := o.http.Do(r)
	if err != nil && ctx.Err() != nil {
		return got{} // a stream that had nothing to say
	}
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil && ctx.Err() == nil {
		o.t.Fatal(err)
	}
	out := got{status: res.StatusCode, body: string(b), cookies: res.Cookies()}
	var headers strings.Builder
	_ = res.Header.Write(&headers)
	out.text = headers.String() + "\n" + out.body
	return out
}

// make makes something, and remembers under a name what the answer says under a field.
func (o *occupant) make(method, path, body, field, name string) string {
	o.t.Helper()
	how := bySession
	contentType := "application/json"
	if strings.HasPrefix(path, "/scim/") {
		how, contentType = byKey, "application/scim+json"
	}
	res := o.send(how, method, path, contentType, body)
	if res.status < 200 || res.status > 299 {
		o.t.Fatalf("%s %s: %d %s", method, path, res.status, res.body)
	}
	if field == "" {
		return ""
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(res.body), &fields); err != nil {
		o.t.Fatal(err)
	}
	id := fmt.Sprint(fields[field])
	if number, is := fields[field].(float64); is {
		id = fmt.Sprint(int64(number))
	}
	if id == "" || id == "<nil>" {
		o.t.Fatalf("%s %s: no %s in %s", method, path, field, res.body)
	}
	o.ids[name] = id
	return id
}

// first is a field of the first item of a list, once there is one.
func (o *occupant) first(path, field, name string) string {
	o.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res := o.send(bySession, "GET", path, "", "")
		var list struct {
			Items []map[string]any `json:"items"`
		}
		_ = json.Unmarshal([]byte(res.body), &list)
		for _, item := range list.Items {
			if v := item[field]; v != nil && v != "" {
				o.ids[name] = fmt.Sprint(v)
				if n, is := v.(float64); is {
					o.ids[name] = fmt.Sprint(int64(n))
				}
				return o.ids[name]
			}
		}
		if time.Now().After(deadline) {
			o.t.Fatalf("%s: %d %s", path, res.status, res.body)
		}
	}
}

// fill makes one of everything in the tenant.
func (o *occupant) fill(a *App) {
	o.t.Helper()
	t := o.t
	k, login := foreign, newIssuer(t)
	people := func(name, role string) string {
		u, err := a.Access.CreateUser(t.Context(), actor.System(o.id), access.NewUser{Email: name + "-" + k + "@a.example", Name: name + " " + k, Role: role, Password: NewPassword()})
		if err != nil {
			t.Fatal(err)
		}
		return u.ID
	}
	o.ids["user"] = people("dora", actor.RoleAuditor)
	for i := range 3 {
		o.make("POST", "/api/events", fmt.Sprintf(`{"id":"ev-%s-%d","source":"src-%s","action":"act.%s","correlation_id":"corr-%s","actor":{"type":"user","id":"actor-%s","name":"Ana %s","email":"ana@%s.example"},"resource":{"type":"thing","id":"res-%s","name":"Thing %s"},"context":{"ip":"203.0.113.77"},"data":{"note":"%s text"}}`,
			k, i, k, k, k, k, k, k, k, k, k), "", "")
	}
	o.ids["seq"] = "4"
	o.make("POST", "/api/keys", `{"name":"key `+k+`","scopes":["ledger.append"]}`, "id", "key")
	o.make("PUT", "/api/access/permissions/"+k+".read", `{"description":"`+k+`"}`, "", "")
	o.make("POST", "/api/access/roles", `{"name":"role `+k+`","permissions":["ledger.search"]}`, "roleId", "role")
	o.make("POST", "/api/operations/rbac/assign", `{"userId":"`+o.ids["user"]+`","roleId":"`+o.ids["role"]+`","reason":"`+k+`"}`, "assignmentId", "assignment")
	o.make("PUT", "/api/flags/flag-"+k, `{"default":true,"percentage":100,"description":"`+k+`"}`, "", "")
	o.make("PUT", "/api/subscriptions", `{"subject":"sub-`+k+`","status":"active"}`, "", "")
	o.make("POST", "/api/views", `{"name":"view `+k+`","query":"action=act.`+k+`"}`, "id", "view")
	o.make("POST", "/api/custom-fields", `{"name":"field_`+k+`","type":"string","personal":false,"description":"`+k+`"}`, "", "")
	o.make("POST", "/api/token-issuers", `{"name":"issuer `+k+`","issuer":"`+login.url+`","audience":"aud-`+k+`","jwks_url":"`+login.url+`/jwks","permissions":["ledger.search"]}`, "id", "issuer")
	o.make("POST", "/api/oidc-providers", `{"name":"provider `+k+`","issuer":"`+newCrooked(t).url+`","client_id":"client-`+k+`","client_secret":"`+k+`-secret","create_users":false,"domains":["`+k+`.example"]}`, "id", "provider")
	o.make("PUT", "/api/scim/settings", `{"default_role":"writer","roles":{"group `+k+`":"auditor"}}`, "", "")
	o.make("POST", "/scim/v2/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"scim-`+k+`@a.example","displayName":"Scim `+k+`","externalId":"ext-`+k+`","emails":[{"value":"scim-`+k+`@a.example","primary":true}]}`, "id", "scim-user")
	o.make("POST", "/scim/v2/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"other `+k+`","members":[{"value":"`+o.ids["scim-user"]+`"}]}`, "id", "scim-group")
	o.make("POST", "/api/access/reviews", `{"name":"review `+k+`","scope":{"kind":"all"},"by":"named","reviewers":["`+o.ids["user"]+`"],"days":14,"repeat_months":3,"remind_days":7,"auto_revoke":false}`, "id", "review")
	o.make("POST", "/api/access/systems", `{"name":"shop `+k+`","kind":"medusa","base":"`+login.url+`","rules":[{"role_id":"support","outside_role":"`+k+`"}],"apply":false,"every_hours":0,"per_second":50,"secret":"secret `+k+`"}`, "id", "system")
	o.make("POST", "/api/invitations", `{"email":"invited-`+k+`@a.example","name":"Ivo `+k+`","roles":["auditor"]}`, "id", "invitation")
	o.make("POST", "/api/session/factors", `{"kind":"totp","name":"phone `+k+`"}`, "id", "factor")
	o.make("PUT", "/api/access/policy", `{"rules":[],"version":0}`, "", "")
	asked := o.send(bySession, "POST", "/access/v1/evaluation", "application/json", `{"subject":{"type":"user","id":"`+o.ids["user"]+`"},"action":{"name":"ledger.search"},"resource":{"type":"tenant","id":"x"}}`)
	evaluation := regexp.MustCompile(`"evaluation_id":\s*"([^"]+)"`).FindStringSubmatch(asked.body)
	if evaluation == nil {
		t.Fatal(asked.body)
	}
	o.ids["decision"] = evaluation[1]
	o.make("POST", "/api/alert-rules", `{"name":"rule `+k+`","filter":{"action":"act.*"},"threshold":{"more_than":0,"window_seconds":300,"group_by":"actor"}}`, "id", "rule")
	o.make("POST", "/api/notify/channels", `{"name":"channel `+k+`","kind":"webhook","topics":["*"],"settings":{"url":"https://`+k+`.probity.invalid/x"}}`, "id", "channel")
	o.make("POST", "/api/notify/streams", `{"name":"stream `+k+`","kind":"webhook","format":"native","filter":{},"settings":{"url":"https://`+k+`.probity.invalid/y"}}`, "id", "stream")
	o.make("POST", "/api/schedules", `{"name":"schedule `+k+`","format":"csv","period":"all","timing":{"every":"day","at":"03:00","time_zone":"UTC"}}`, "id", "schedule")
	o.make("POST", "/api/exports", `{"format":"csv","title":"export `+k+`"}`, "id", "export")
	o.work(a)
	people("cora", actor.RoleAdmin) // from here on, what is grave waits for somebody else
	eve := people("eve", actor.RoleSupport)
	o.make("POST", "/api/operations/rbac/assign", `{"userId":"`+eve+`","roleId":"compliance_officer","reason":"`+k+`"}`, "approvalId", "approval")
	o.first("/api/sessions", "id", "session")
}

// work lets the server do what it does in the background until the tenant has what comes from that.
func (o *occupant) work(a *App) {
	o.t.Helper()
	ctx := context.Background()
	if err := a.exports.Service.Start(ctx); err != nil {
		o.t.Fatal(err)
	}
	if err := a.jobs.Start(ctx); err != nil {
		o.t.Fatal(err)
	}
	a.notify.Service.Start(ctx)
	a.notify.Alerts.Start(ctx)
	decided := a.runDecisions(ctx)
	o.make("POST", "/api/events", `{"source":"src-`+foreign+`","action":"act.`+foreign+`","actor":{"type":"user","id":"actor-`+foreign+`"}}`, "", "")
	o.first("/api/exports", "download_url", "download")
	o.make("POST", "/api/exports/"+o.ids["export"]+"/links", "", "url", "url")
	u, err := url.Parse(o.ids["url"])
	if err != nil {
		o.t.Fatal(err)
	}
	o.ids["token"] = u.Fragment
	o.first("/api/exports/"+o.ids["export"]+"/links", "id", "link")
	o.first("/api/jobs", "id", "job")
	o.first("/api/alerts", "id", "alert")
	o.first("/api/notify/deliveries", "id", "delivery")
	decided()
	a.notify.Alerts.Close()
	a.notify.Service.Close()
	if err := a.stopJobs(); err != nil {
		o.t.Fatal(err)
	}
	a.exports.Service.Close()
	err = a.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notify_delivery SET status = 'dead' WHERE tenant_id = $1`, o.id)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
}
