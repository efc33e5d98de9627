package app

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	opstorage "github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"probity.dev/access/oidc"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

// signingOut is the storage of zitadel's example, whose clients know where to return to after signing out.
type signingOut struct {
	*opstorage.Storage
	back  string
	ended []string // users whose sessions were ended
}

type returning struct {
	op.Client
	back string
}

func (c returning) PostLogoutRedirectURIs() []string { return []string{c.back} }

func (s *signingOut) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	return returning{c, s.back}, err
}

func (s *signingOut) TerminateSession(ctx context.Context, user, client string) error {
	s.ended = append(s.ended, user)
	return s.Storage.TerminateSession(ctx, user, client)
}

// signOut signs a browser out by the way that the console goes, and returns where it is sent.
func (b *surfer) signOut(s *household) (to string) {
	b.t.Helper()
	u, err := url.Parse(s.url)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, s.url+"/api/session/sign-out", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == api.SessionCookie {
			r.Header.Set(api.CSRFHeader, api.CSRFToken(c.Value))
		}
	}
	res, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" {
		b.t.Fatalf("%d %s %v", res.StatusCode, text, err)
	}
	var out struct{ URL string }
	if err := json.Unmarshal(text, &out); err != nil {
		b.t.Fatal(err)
	}
	return out.URL
}

// TestSignOutAtARealProvider follows the console's way out through zitadel's provider and back.
func TestSignOutAtARealProvider(t *testing.T) {
	s := newHousehold(t)
	var handler http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(srv.Close)
	store := &signingOut{Storage: opstorage.NewStorage(opstorage.NewUserStore(srv.URL))}
	handler = exampleop.SetupServer(srv.URL, store, slog.New(slog.DiscardHandler), false)
	p := s.add(oidc.Definition{Name: "Zitadel", Issuer: srv.URL, ClientID: "leaving", Domains: []string{"zitadel.ch"}, DefaultRole: actor.RoleAuditor, CreateUsers: true}, "secret")
	opstorage.RegisterClients(opstorage.WebClient("leaving", "secret", p.RedirectURL))
	store.back = p.LogoutURL
	b := newSurfer(t)
	b.signInAt(s, srv.URL, p, "test-user@127.0.0.1", "")
	address := b.signOut(s)
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, srv.URL) || u.Query().Get("post_logout_redirect_uri") != s.url+"/api/session/oidc/"+p.ID+"/signed-out" || u.Query().Get("state") == "" || u.Query().Get("id_token_hint") == "" {
		t.Fatalf("sent to %s: %v", address, err)
	}
	if email, _ := b.session(s); email != "" {
		t.Errorf("still signed in as %s", email)
	}
	status, back, text := b.open(address)
	if status != http.StatusFound || !strings.HasPrefix(back, p.LogoutURL+"?") || len(store.ended) != 1 {
		t.Fatalf("%d %s %s, %d ended", status, back, text, len(store.ended))
	}
	if _, to, _ := newSurfer(t).open(back); to != "/signin" {
		t.Errorf("another browser is sent to %s", to)
	}
	if _, to, _ := b.open(back); to != "/signin?signed-out=1" {
		t.Errorf("sent to %s", to)
	}
	if _, to, _ := b.open(back + "&next=https://evil.example"); to != "/signin" {
		t.Errorf("sent to %s", to)
	}

	// A provider that is away keeps nobody in.
	b.signInAt(s, srv.URL, p, "test-user@127.0.0.1", "")
	srv.Close()
	if b.signOut(s); b.sessionEmail(s) != "" {
		t.Error("still signed in")
	}
}

func (b *surfer) sessionEmail(s *household) string {
	email, _ := b.session(s)
	return email
}

// logout is a logout token of the provider.
func (c *crooked) logout(claims map[string]any, typ string) string {
	c.t.Helper()
	all := map[string]any{"iss": c.url, "aud": "probity", "sub": "s-1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "jti": time.Now().String(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
	for k, v := range claims {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	body, err := json.Marshal(all)
	if err != nil {
		c.t.Fatal(err)
	}
	h := jws.NewHeaders()
	if typ != "" {
		if err := h.Set(jws.TypeKey, typ); err != nil {
			c.t.Fatal(err)
		}
	}
	token, err := jws.Sign(body, jws.WithKey(jwa.ES256(), c.key, jws.WithProtectedHeaders(h)))
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := jwt.ParseInsecure(token); err != nil {
		c.t.Fatal(err)
	}
	return string(token)
}

// TestBackchannelLogout: a provider's word ends the sessions that it names, and nothing that only looks like its word does.
func TestBackchannelLogout(t *testing.T) {
	s, c := newHousehold(t), newCrooked(t)
	s.user("ana@example.com", actor.RoleAuditor)
	p := s.add(oidc.Definition{Name: "P", Issuer: c.url, ClientID: "probity", Domains: []string{"example.com"}}, "")
	other := s.add(oidc.Definition{Name: "Q", Issuer: c.url, ClientID: "other", Domains: []string{"example.com"}}, "")
	ana := map[string]any{"email": "ana@example.com", "email_verified": true, "sid": "one"}
	in := func(sid string) *surfer {
		t.Helper()
		b := newSurfer(t)
		ana["sid"] = sid
		if to := s.come(b, p, c, ana); to != "/" {
			t.Fatalf("sent to %s", to)
		}
		return b
	}
	one, two := in("one"), in("two")
	send := func(address, token string) int {
		t.Helper()
		res, err := http.PostForm(address, url.Values{"logout_token": {token}}) //nolint:noctx,gosec // a test
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.Header.Get("Cache-Control") != "no-store" {
			t.Error("the answer may be kept")
		}
		return res.StatusCode
	}
	late := time.Now().Add(-time.Hour).Unix()
	none := map[string]any{}
	for what, token := range map[string]string{
		"no token": "", "an ID token": c.logout(map[string]any{"events": nil, "nonce": "n"}, ""), "a nonce": c.logout(map[string]any{"nonce": "n"}, ""), "another event": c.logout(map[string]any{"events": map[string]any{"x": none}}, ""),
		"an event that is no object": c.logout(map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": "x"}}, ""), "another audience": c.logout(map[string]any{"aud": "x"}, ""),
		"another issuer": c.logout(map[string]any{"iss": "https://evil.example"}, ""), "expired": c.logout(map[string]any{"exp": late}, ""), "old": c.logout(map[string]any{"iat": late}, ""), "of the future": c.logout(map[string]any{"iat": time.Now().Add(time.Hour).Unix()}, ""),
		"nobody": c.logout(map[string]any{"sub": nil}, ""), "no name of its own": c.logout(map[string]any{"jti": nil}, ""), "an access token": c.logout(nil, "at+jwt"), "of another provider": newCrooked(t).logout(map[string]any{"iss": c.url}, "logout+jwt"),
		"unsigned": "eyJhbGciOiJub25lIn0." + strings.Split(c.logout(nil, ""), ".")[1] + ".",
	} {
		if status := send(p.BackchannelURL, token); status != http.StatusBadRequest {
			t.Errorf("%s: %d", what, status)
		}
	}
	send(other.BackchannelURL, c.logout(map[string]any{"aud": "other"}, "logout+jwt")) // in order, of sessions that are not its own
	if status := send(s.url+"/api/session/oidc/unknown/backchannel-logout", c.logout(nil, "")); status != http.StatusBadRequest {
		t.Errorf("unknown provider: %d", status)
	}
	if one.sessionEmail(s) == "" || two.sessionEmail(s) == "" {
		t.Fatal("a session was ended")
	}
	token := c.logout(map[string]any{"sid": "one"}, "logout+jwt")
	if status := send(p.BackchannelURL, token); status != http.StatusOK || one.sessionEmail(s) != "" || two.sessionEmail(s) == "" {
		t.Errorf("%d: the session that is named ends, and no other", status)
	}
	if status := send(p.BackchannelURL, token); status != http.StatusBadRequest {
		t.Errorf("a second time: %d", status)
	}
	if status := send(p.BackchannelURL, c.logout(nil, "")); status != http.StatusOK || two.sessionEmail(s) != "" {
		t.Errorf("%d: all sessions of the person end", status)
	}
}
