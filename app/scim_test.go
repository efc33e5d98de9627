package app

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"encoding/json"

	"probity.dev/access"
	"probity.dev/access/scim"
	"probity.dev/internal/actor"
	"probity.dev/internal/sqldb/sqldbtest"
)

// directoryClient is a directory that sends what testdata holds.
type directoryClient struct {
	*visitor
	user string
	etag string
}

func (d *directoryClient) send(status int, method, path, body string, header ...string) map[string]any {
	d.t.Helper()
	text := body
	if strings.HasSuffix(body, ".json") {
		b, err := os.ReadFile(filepath.Join("..", "access", "scim", "testdata", body))
		if err != nil {
			d.t.Fatal(err)
		}
		text = strings.ReplaceAll(string(b), "USER", d.user)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.base+"/scim/v2"+path, bytes.NewReader([]byte(text)))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/scim+json")
	if d.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+d.bearer)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if res.StatusCode != status || len(b) > 0 && res.Header.Get("Content-Type") != "application/scim+json" {
		d.t.Fatalf("%s %s: %d %s %s, want %d", method, path, res.StatusCode, res.Header.Get("Content-Type"), b, status)
	}
	d.etag = res.Header.Get("ETag")
	out := map[string]any{}
	_ = json.Unmarshal(b, &out)
	return out
}

func TestDirectory(t *testing.T) { sqldbtest.Each(t, testDirectory) }

func testDirectory(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	admin, _ := signedIn(t, a, tenant, "boss@example.com", actor.RoleAdmin)
	ctx := t.Context()
	if _, err := a.scim.SetSettings(ctx, actor.System(tenant), scim.Settings{DefaultRole: actor.RoleWriter, Roles: map[string]string{"Auditors": actor.RoleAuditor}}); err != nil {
		t.Fatal(err)
	}
	_, key, err := a.Access.CreateKey(ctx, actor.System(tenant), access.NewKey{Name: "Entra", Scopes: []string{actor.AccessProvision}})
	if err != nil {
		t.Fatal(err)
	}
	d := &directoryClient{visitor: &visitor{t: t, base: admin.base, bearer: key}}
	for _, path := range []string{"/ServiceProviderConfig", "/ResourceTypes", "/Schemas", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User"} {
		d.send(200, "GET", path, "")
	}
	none := d.send(200, "GET", `/Users?filter=userName+eq+"entra_user@example.com"`, "")
	if none["totalResults"] != 0.0 {
		t.Errorf("%v", none)
	}
	made := d.send(201, "POST", "/Users", "entra-create-user.json")
	d.user, _ = made["id"].(string)
	if made["externalId"] != "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef" || made["active"] != true || d.etag != `W/"1"` {
		t.Errorf("%v %s", made, d.etag)
	}
	d.send(409, "POST", "/Users", "entra-create-user.json")
	for _, filter := range []string{`userName+eq+"ENTRA_user@example.com"`, `externalId+eq+"0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"`} {
		if found := d.send(200, "GET", "/Users?filter="+filter, ""); found["totalResults"] != 1.0 {
			t.Errorf("%s: %v", filter, found)
		}
	}
	d.send(400, "GET", `/Users?filter=userName+co+"x"`, "")
	d.send(412, "PATCH", "/Users/"+d.user, "entra-update-user.json", "If-Match", `W/"7"`)
	if changed := d.send(200, "PATCH", "/Users/"+d.user, "entra-update-user.json", "If-Match", `W/"1"`); d.etag != `W/"2"` || changed["name"].(map[string]any)["familyName"] != "updatedFamilyName" {
		t.Errorf("%v %s", changed, d.etag)
	}
	if u, err := a.Access.Working(ctx, tenant, d.user); err != nil || u.Email != "updated@example.com" {
		t.Errorf("%+v %v", u, err)
	}
	d.send(304, "GET", "/Users/"+d.user, "", "If-None-Match", `W/"2"`)

	// Deactivating ends the session at once.
	cookies, err := a.Access.SignIn(ctx, tenant, d.user, "", "test", nil)
	if err != nil {
		t.Fatal(err)
	}
	person := &visitor{t: t, base: admin.base, cookie: cookies[0].Value}
	if status, _ := person.do("GET", "/api/session", nil); status != 200 {
		t.Fatalf("%d", status)
	}
	if off := d.send(200, "PATCH", "/Users/"+d.user, "entra-disable-user.json"); off["active"] != false {
		t.Errorf("%v", off)
	}
	if status, _ := person.do("GET", "/api/session", nil); status != 401 {
		t.Errorf("a deactivated person goes on: %d", status)
	}
	d.send(200, "PATCH", "/Users/"+d.user, "entra-enable-user.json")

	// Groups give roles.
	role := func() string {
		t.Helper()
		u, err := a.Access.Working(ctx, tenant, d.user)
		if err != nil {
			t.Fatal(err)
		}
		return u.Role
	}
	group := d.send(201, "POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Auditors","members":[]}`)["id"].(string)
	d.send(409, "POST", "/Groups", `{"displayName":"auditors"}`)
	d.send(200, "PATCH", "/Groups/"+group, "entra-add-member.json")
	if got := role(); got != actor.RoleAuditor {
		t.Errorf("in the group: %s", got)
	}
	d.send(200, "PATCH", "/Groups/"+group, "okta-change-members.json")
	if got := role(); got != actor.RoleAuditor {
		t.Errorf("removed and added: %s", got)
	}
	if without := d.send(200, "GET", "/Groups?excludedAttributes=members&filter=displayName+eq+%22Auditors%22", ""); without["totalResults"] != 1.0 || without["Resources"].([]any)[0].(map[string]any)["members"] != nil {
		t.Errorf("%v", without)
	}
	d.send(200, "PATCH", "/Groups/"+group, "entra-remove-member.json")
	if got := role(); got != actor.RoleWriter {
		t.Errorf("out of the group: %s", got)
	}
	d.send(204, "DELETE", "/Groups/"+group, "")
	d.send(404, "GET", "/Groups/"+group, "")

	first := d.user
	d.user, _ = d.send(201, "POST", "/Users", "okta-create-user.json")["id"].(string)
	if off := d.send(200, "PATCH", "/Users/"+d.user, "okta-deactivate-user.json"); off["active"] != false {
		t.Errorf("%v", off)
	}
	if page := d.send(200, "GET", "/Users?startIndex=2&count=1", ""); page["itemsPerPage"] != 1.0 || page["startIndex"] != 2.0 || page["totalResults"].(float64) < 3 {
		t.Errorf("%v", page)
	}
	d.send(204, "DELETE", "/Users/"+first, "")
	d.send(404, "GET", "/Users/"+first, "")
	d.send(404, "PATCH", "/Users/"+first, "entra-enable-user.json")
	if _, err := a.Access.Working(ctx, tenant, first); err == nil {
		t.Error("a deleted person may go on")
	}

	// Who may not: nobody, a session, a key without the permission; the key may nothing else.
	(&directoryClient{visitor: &visitor{t: t, base: admin.base}}).send(401, "GET", "/Users", "")
	_, weak, err := a.Access.CreateKey(ctx, actor.System(tenant), access.NewKey{Name: "weak", Scopes: []string{actor.AccessManage}})
	if err != nil {
		t.Fatal(err)
	}
	(&directoryClient{visitor: &visitor{t: t, base: admin.base, bearer: weak}}).send(403, "GET", "/Users", "")
	if status, _ := admin.do("GET", "/scim/v2/Users", nil); status != 401 {
		t.Errorf("a session: %d", status)
	}
	if status, _ := d.do("GET", "/api/users", nil); status != 403 {
		t.Errorf("the directory's key lists users by another way: %d", status)
	}
}
