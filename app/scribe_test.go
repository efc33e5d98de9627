package app

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"probity.dev/internal/actor"
	"probity.dev/internal/outbound"
)

// outsideIssuer is an issuer of tokens on this machine, which the operator allows.
type outsideIssuer struct {
	t   *testing.T
	key jwk.Key
	url string
}

func newIssuer(t *testing.T) *outsideIssuer {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &outsideIssuer{t: t}
	k, err := jwk.Import(public)
	if err == nil {
		i.key, err = jwk.Import(private)
	}
	if err == nil {
		err = k.Set(jwk.KeyIDKey, "one")
	}
	if err == nil {
		err = i.key.Set(jwk.KeyIDKey, "one")
	}
	if err != nil {
		t.Fatal(err)
	}
	set := jwk.NewSet()
	if err := set.AddKey(k); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(set) }))
	t.Cleanup(srv.Close)
	i.url = srv.URL
	return i
}

func (i *outsideIssuer) token(claims map[string]any) string {
	i.t.Helper()
	b := jwt.NewBuilder().Issuer(i.url).Audience([]string{"probity"}).Subject("dr-1").IssuedAt(time.Now()).Expiration(time.Now().Add(time.Hour))
	for k, v := range claims {
		b = b.Claim(k, v)
	}
	tok, err := b.Build()
	if err != nil {
		i.t.Fatal(err)
	}
	s, err := jwt.Sign(tok, jwt.WithKey(jwa.EdDSA(), i.key))
	if err != nil {
		i.t.Fatal(err)
	}
	return string(s)
}

// TestScribeAuthorization goes the whole way: an admin trusts an issuer, sets a flag and a subscription, and a clinician's token is decided on.
func TestScribeAuthorization(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	client, err := outbound.New(outbound.Options{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	a.notify.client.Close()
	a.notify.client = client
	a.openTokens()
	i := newIssuer(t)
	v, _ := signedIn(t, a, tenant, "bea@example.com", actor.RoleAdmin)
	want := func(who *visitor, status int, method, path string, body any) map[string]any {
		t.Helper()
		got, out := who.do(method, path, body)
		if got != status {
			t.Fatalf("%s %s: %d %v, want %d", method, path, got, out, status)
		}
		return out
	}
	want(v, 201, "POST", "/api/token-issuers", map[string]any{"name": "Login", "issuer": i.url, "audience": "probity", "jwks_url": i.url + "/jwks", "permissions": []string{actor.LedgerSearch}})
	want(v, 200, "PUT", "/api/flags/notes", map[string]any{"default": false, "percentage": 100, "roles": []string{"scribe_user"}})
	doctor := &visitor{t: t, base: v.base, bearer: i.token(map[string]any{"roles": []string{"scribe_user"}, "scope": "operations.ledger.search"})}
	if out := want(doctor, 403, "GET", "/api/access/scribe/authorization", nil); out["reason"] != "subscription_missing" {
		t.Errorf("%v", out)
	}
	want(v, 200, "PUT", "/api/subscriptions", map[string]any{"subject": "dr-1", "status": "trial"})
	out := want(doctor, 200, "GET", "/api/access/scribe/authorization", nil)
	if features, _ := out["features"].(map[string]any); features["notes"] != true || out["subscription"] != "trial" {
		t.Errorf("%v", out)
	}
	if out := want(&visitor{t: t, base: v.base}, 403, "GET", "/api/access/scribe/authorization", nil); out["reason"] != "token_missing" {
		t.Errorf("%v", out)
	}
	if out := want(&visitor{t: t, base: v.base, bearer: doctor.bearer[:len(doctor.bearer)-8] + "AAAAAAAA"}, 403, "GET", "/api/access/scribe/authorization", nil); out["reason"] != "token_invalid" {
		t.Errorf("%v", out)
	}
	// The same token is a caller of the API, within its scopes, and under its own type in the log.
	want(doctor, 200, "GET", "/api/events", nil)
	want(doctor, 403, "GET", "/api/users", nil)
	if out := want(doctor, 200, "POST", "/api/flags/evaluate", map[string]any{"subject": "x", "roles": []string{"scribe_user"}}); out["flags"].(map[string]any)["notes"].(map[string]any)["on"] != true {
		t.Errorf("%v", out)
	}
	b, err := json.Marshal(want(v, 200, "GET", "/api/events?action=scribe.authorize", nil))
	if err != nil || strings.Count(string(b), `"denied"`) != 3 || !strings.Contains(string(b), `"service_account"`) {
		t.Errorf("%s %v", b, err)
	}
}
