package app

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"probity.dev/access"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/sqldb/sqldbtest"
)

// visitor is a browser, or an application with a credential of its own.
type visitor struct {
	t            *testing.T
	base         string
	cookie, csrf string
	bearer       string
}

func (v *visitor) do(method, path string, body any) (int, map[string]any) {
	v.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		v.t.Fatal(err)
	}
	r, err := http.NewRequest(method, v.base+path, bytes.NewReader(b))
	if err != nil {
		v.t.Fatal(err)
	}
	if method != http.MethodGet {
		r.Header.Set("Content-Type", "application/json")
	}
	if v.cookie != "" {
		r.AddCookie(&http.Cookie{Name: api.SessionCookie, Value: v.cookie})
		r.Header.Set(api.CSRFHeader, v.csrf)
	}
	if v.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+v.bearer)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		if c.Name == api.SessionCookie {
			v.cookie = c.Value
		}
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	out := map[string]any{}
	_ = json.Unmarshal(text, &out)
	return res.StatusCode, out
}

const passphrase = "a-rather-long-passphrase-7"

// signedIn serves an app and signs in as a user of it.
func signedIn(t *testing.T, a *App, tenant, email, role string) (*visitor, access.User) {
	t.Helper()
	h, err := a.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := a.Access.CreateUser(t.Context(), actor.System(tenant), access.NewUser{Email: email, Name: "Bea", Role: role, Password: passphrase})
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{t: t, base: srv.URL}
	status, body := v.do("POST", "/api/session", map[string]string{"email": email, "password": passphrase})
	if status != 200 {
		t.Fatalf("sign-in: %d %v", status, body)
	}
	v.csrf, _ = body["csrf_token"].(string)
	return v, u
}

func TestTokenOfASession(t *testing.T) { sqldbtest.Each(t, testTokenOfASession) }

func testTokenOfASession(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	a.Config.PublicURL = "https://audit.example.com"
	a.openTokens()
	v, u := signedIn(t, a, tenant, "bea@example.com", actor.RoleAuditor)
	exchange := func() *visitor {
		status, body := v.do("POST", "/api/session/token", map[string]any{})
		if status != 200 || !strings.Contains(body["scope"].(string), "operations.ledger.search") {
			t.Fatalf("%d %v", status, body)
		}
		return &visitor{t: t, base: v.base, bearer: body["access_token"].(string)}
	}
	want := func(who *visitor, status int, method, path string) {
		t.Helper()
		if got, body := who.do(method, path, map[string]any{}); got != status {
			t.Errorf("%s %s: %d %v, want %d", method, path, got, body, status)
		}
	}
	service := exchange()
	want(service, 200, "GET", "/api/events")
	want(service, 403, "GET", "/api/users")
	want(service, 403, "POST", "/api/session/token")
	want(&visitor{t: t, base: v.base}, 200, "GET", "/.well-known/jwks.json")
	want(&visitor{t: t, base: v.base, cookie: v.cookie}, 403, "POST", "/api/session/token") // no token against forgery

	// Locked: the token is worth nothing from then on.
	yes := true
	if _, err := a.Access.UpdateUser(t.Context(), actor.System(tenant), u.ID, access.UserChange{Locked: &yes}); err != nil {
		t.Fatal(err)
	}
	want(service, 401, "GET", "/api/events")
	no := false
	if _, err := a.Access.UpdateUser(t.Context(), actor.System(tenant), u.ID, access.UserChange{Locked: &no}); err != nil {
		t.Fatal(err)
	}
	want(service, 401, "GET", "/api/events")

	// Signed out: the same.
	_, body := v.do("POST", "/api/session", map[string]string{"email": "bea@example.com", "password": passphrase})
	v.csrf = body["csrf_token"].(string)
	service = exchange()
	want(service, 200, "GET", "/api/events")
	want(v, 204, "DELETE", "/api/session")
	want(service, 401, "GET", "/api/events")
	// An answer on a token never signs anybody in.
	if service.cookie != "" {
		t.Error("a token made a session")
	}
}
