package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	opstorage "github.com/zitadel/oidc/v3/example/server/storage"

	"probity.dev/access"
	"probity.dev/access/oidc"
	"probity.dev/internal/actor"
	"probity.dev/internal/outbound"
)

// household is a served app whose public address is its own, and which may reach providers on this machine.
type household struct {
	t      *testing.T
	a      *App
	tenant string
	url    string
}

func newHousehold(t *testing.T) *household {
	t.Helper()
	a, tenant := opened(t, t.TempDir(), "", "")
	client, err := outbound.New(outbound.Options{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &household{t: t, a: a, tenant: tenant, url: "http://" + l.Addr().String()}
	a.notify.client.Close()
	a.notify.client, a.Config.PublicURL = client, s.url
	a.openTokens()
	h, err := a.Handler()
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}} //nolint:gosec // a test
	srv.Start()
	t.Cleanup(func() {
		srv.Close()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *household) user(email, role string) access.User {
	s.t.Helper()
	u, err := s.a.Access.CreateUser(s.t.Context(), actor.System(s.tenant), access.NewUser{Email: email, Name: "Bea", Role: role, Password: passphrase})
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *household) add(d oidc.Definition, secret string) oidc.Provider {
	s.t.Helper()
	p, err := s.a.oidc.Add(s.t.Context(), actor.System(s.tenant), d, secret)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// surfer is a browser that shows where it is sent.
type surfer struct {
	t *testing.T
	http.Client
}

func newSurfer(t *testing.T) *surfer {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &surfer{t: t, Client: http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// open goes to an address and returns the status, where it leads, and the page.
func (b *surfer) open(address string) (int, string, string) {
	b.t.Helper()
	res, err := b.Get(address) //nolint:noctx // a test
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Location"), string(text)
}

// session is what /api/session says.
func (b *surfer) session(s *household) (email, role string) {
	b.t.Helper()
	status, _, text := b.open(s.url + "/api/session")
	if status != 200 {
		return "", ""
	}
	var out struct{ User struct{ Email, Role string } }
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		b.t.Fatal(err)
	}
	return out.User.Email, out.User.Role
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// signInAt drives the login form of zitadel's provider and returns where the browser is sent in the end.
func (b *surfer) signInAt(s *household, provider string, p oidc.Provider, user, next string) string {
	b.t.Helper()
	_, to, _ := b.open(s.url + "/api/session/oidc/" + p.ID + "/start?next=" + url.QueryEscape(next))
	u, err := url.Parse(to)
	if err != nil || !strings.HasPrefix(to, provider) || u.Query().Get("code_challenge_method") != "S256" || u.Query().Get("nonce") == "" || u.Query().Get("redirect_uri") != p.RedirectURL {
		b.t.Fatalf("sent to %s: %v", to, err)
	}
	_, to, _ = b.open(to)
	_, _, page := b.open(provider + to)
	id := hiddenID.FindStringSubmatch(page)
	if id == nil {
		b.t.Fatalf("no login form: %s", page)
	}
	res, err := b.PostForm(provider+"/login/username", url.Values{"id": {id[1]}, "username": {user}, "password": {"verysecure"}})
	if err != nil {
		b.t.Fatal(err)
	}
	res.Body.Close()
	_, to, _ = b.open(res.Header.Get("Location"))
	if !strings.HasPrefix(to, p.RedirectURL) {
		b.t.Fatalf("sent back to %s", to)
	}
	_, to, _ = b.open(to)
	return to
}

// TestSignInAtARealProvider drives the login form of zitadel's OpenID provider.
func TestSignInAtARealProvider(t *testing.T) {
	s := newHousehold(t)
	var handler http.Handler
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(op.Close)
	log := slog.New(slog.DiscardHandler)
	handler = exampleop.SetupServer(op.URL, opstorage.NewStorage(opstorage.NewUserStore(op.URL)), log, false)
	p := s.add(oidc.Definition{Name: "Zitadel", Issuer: op.URL, ClientID: "probity", Domains: []string{"zitadel.ch"}, DefaultRole: actor.RoleAuditor, CreateUsers: true}, "secret")
	opstorage.RegisterClients(opstorage.WebClient("probity", "secret", p.RedirectURL))
	b := newSurfer(t)
	if to := b.signInAt(s, op.URL, p, "test-user@127.0.0.1", "/events?action=x"); to != "/events?action=x" {
		t.Fatalf("sent to %s", to)
	}
	if email, role := b.session(s); email != "test-user@zitadel.ch" || role != actor.RoleAuditor {
		t.Errorf("signed in as %q, %q", email, role)
	}
	users, err := s.a.Access.Users(t.Context(), actor.System(s.tenant))
	if err != nil {
		t.Fatal(err)
	}
	b = newSurfer(t)
	if to := b.signInAt(s, op.URL, p, "test-user@127.0.0.1", ""); to != "/" {
		t.Errorf("sent to %s", to)
	}
	if again, err := s.a.Access.Users(t.Context(), actor.System(s.tenant)); err != nil || len(again) != len(users) {
		t.Errorf("the second sign-in made another account: %v", err)
	}
	if status, _, text := b.open(s.url + "/api/session/providers"); status != 200 || !strings.Contains(text, `"name":"Zitadel"`) || strings.Contains(text, "secret") {
		t.Errorf("%d %s", status, text)
	}
}

// crooked is a provider that says whatever a test wants.
type crooked struct {
	t   *testing.T
	url string
	key jwk.Key

	mu     sync.Mutex
	claims map[string]any
	nonces map[string]string // by code
	secret map[string]string // what the code was redeemed with
}

func newCrooked(t *testing.T) *crooked {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &crooked{t: t, nonces: map[string]string{}, secret: map[string]string{}}
	if c.key, err = jwk.Import(private); err == nil {
		err = c.key.Set(jwk.KeyIDKey, "k")
	}
	public, perr := jwk.PublicKeyOf(c.key)
	if err != nil || perr != nil {
		t.Fatal(err, perr)
	}
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	c.url = srv.URL
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"issuer": c.url, "authorization_endpoint": c.url + "/auth", "token_endpoint": c.url + "/token", "jwks_uri": c.url + "/jwks", "id_token_signing_alg_values_supported": []string{"ES256", "none", "HS256"}})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]any{"keys": []any{public}}) })
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		code := r.FormValue("code")
		nonce, ok := c.nonces[code]
		delete(c.nonces, code)
		c.secret[code] = r.FormValue("code_verifier")
		if !ok || r.FormValue("code_verifier") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": c.idToken(nonce)})
	})
	return c
}

func (c *crooked) idToken(nonce string) string {
	all := map[string]any{"iss": c.url, "aud": "probity", "sub": "s-1", "nonce": nonce, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	maps.Copy(all, c.claims)
	tok := jwt.New()
	for k, v := range all {
		if err := tok.Set(k, v); err != nil {
			c.t.Error(err)
		}
	}
	b, err := jwt.Sign(tok, jwt.WithKey(jwa.ES256(), c.key))
	if err != nil {
		c.t.Error(err)
	}
	return string(b)
}

// code is one for the sign-in that an address began.
func (c *crooked) code(address string, claims map[string]any) (code, state string) {
	c.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	code, c.claims = "c-"+u.Query().Get("state"), claims
	c.nonces[code] = u.Query().Get("nonce")
	return code, u.Query().Get("state")
}

func (s *household) begin(b *surfer, p oidc.Provider) string {
	s.t.Helper()
	status, to, _ := b.open(s.url + "/api/session/oidc/" + p.ID + "/start")
	if status != 303 {
		s.t.Fatalf("%d %s", status, to)
	}
	return to
}

// come goes the whole way with these claims and returns where the browser is sent.
func (s *household) come(b *surfer, p oidc.Provider, c *crooked, claims map[string]any) string {
	s.t.Helper()
	code, state := c.code(s.begin(b, p), claims)
	_, to, _ := b.open(p.RedirectURL + "?code=" + code + "&state=" + state)
	return to
}

func TestAccountsAtSignIn(t *testing.T) {
	s, c := newHousehold(t), newCrooked(t)
	admin := s.user("boss@example.com", actor.RoleAdmin)
	base := oidc.Definition{Name: "P", Issuer: c.url, ClientID: "probity"}
	trusted := base
	trusted.Domains = []string{"example.com"}
	open, narrow := s.add(base, ""), s.add(trusted, "")
	refused := func(what string, p oidc.Provider, claims map[string]any, reason string) {
		t.Helper()
		b := newSurfer(t)
		if to := s.come(b, p, c, claims); to != "/signin?problem="+reason {
			t.Errorf("%s: sent to %s, want %s", what, to, reason)
		}
		if email, _ := b.session(s); email != "" {
			t.Errorf("%s: signed in as %s", what, email)
		}
	}
	mine := map[string]any{"email": "boss@example.com", "email_verified": true}
	with := func(more map[string]any) map[string]any { m := maps.Clone(mine); maps.Copy(m, more); return m }
	refused("an address of a domain for which the provider is not trusted", open, mine, "no_account")
	refused("an unverified address of an admin", narrow, with(map[string]any{"email_verified": false}), "domain")
	refused("no word of verification", narrow, map[string]any{"email": "boss@example.com"}, "domain")
	refused("another domain", narrow, with(map[string]any{"email": "boss@example.com.evil.example"}), "domain")
	refused("a domain that ends like it", narrow, with(map[string]any{"email": "boss@notexample.com"}), "domain")
	refused("two addresses in one", narrow, with(map[string]any{"email": "boss@evil.example,x@example.com"}), "no_account")
	refused("nobody has the address", narrow, with(map[string]any{"email": "new@example.com"}), "no_account")
	refused("another nonce", narrow, with(map[string]any{"nonce": "x"}), "provider")
	refused("another client", narrow, with(map[string]any{"aud": "other"}), "provider")
	refused("two audiences without a party", narrow, with(map[string]any{"aud": []string{"probity", "other"}}), "provider")
	refused("for another party", narrow, with(map[string]any{"azp": "other"}), "provider")
	refused("another issuer", narrow, with(map[string]any{"iss": "https://evil.example"}), "provider")
	refused("expired", narrow, with(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), "provider")

	b := newSurfer(t)
	if to := s.come(b, narrow, c, mine); to != "/" {
		t.Fatalf("sent to %s", to)
	}
	if email, _ := b.session(s); email != "boss@example.com" {
		t.Errorf("signed in as %q", email)
	}
	// Linked: found by sub from now on, whatever the address; and somebody else with the address is another person.
	if to := s.come(newSurfer(t), open, c, map[string]any{"email": "changed@else.example"}); to != "/" {
		t.Errorf("sent to %s", to)
	}
	refused("another person of the provider", open, with(map[string]any{"sub": "s-2"}), "no_account")
	yes := true
	if _, err := s.a.Access.UpdateUser(t.Context(), actor.System(s.tenant), admin.ID, access.UserChange{Locked: &yes}); err != nil {
		t.Fatal(err)
	}
	refused("a locked account", narrow, mine, "locked")
	if email, _ := b.session(s); email != "" {
		t.Error("locking has not ended the session")
	}

	// Groups give roles, at each sign-in.
	d := trusted
	d.CreateUsers, d.Roles = true, map[string]string{"auditors": actor.RoleAuditor, "writers": actor.RoleWriter}
	mapped := s.add(d, "")
	eve := map[string]any{"sub": "s-9", "email": "eve@example.com", "email_verified": true, "name": "Eve", "groups": []string{"x"}}
	refused("in no group", mapped, eve, "role")
	for _, role := range []string{actor.RoleWriter, actor.RoleAuditor} {
		eve["groups"] = []string{"x", role + "s"}
		b := newSurfer(t)
		to := s.come(b, mapped, c, eve)
		if email, got := b.session(s); to != "/" || email != "eve@example.com" || got != role {
			t.Errorf("%s: %s %s %s", role, to, email, got)
		}
	}
}

func TestSignInAttacks(t *testing.T) {
	s, c, other := newHousehold(t), newCrooked(t), newCrooked(t)
	s.user("boss@example.com", actor.RoleAdmin)
	d := oidc.Definition{Name: "P", Issuer: c.url, ClientID: "probity", Domains: []string{"example.com"}}
	p := s.add(d, "")
	d.Issuer, d.Domains = other.url, nil
	q := s.add(d, "")
	mine := map[string]any{"email": "boss@example.com", "email_verified": true}
	bounced := func(what string, b *surfer, address string) {
		t.Helper()
		_, to, _ := b.open(address)
		if !strings.HasPrefix(to, "/signin?problem=") {
			t.Errorf("%s: sent to %s", what, to)
		}
		if email, _ := b.session(s); email != "" {
			t.Errorf("%s: signed in as %s", what, email)
		}
	}
	back := func(p oidc.Provider, code, state, more string) string {
		return p.RedirectURL + "?code=" + code + "&state=" + state + more
	}

	b := newSurfer(t)
	code, state := c.code(s.begin(b, p), mine)
	bounced("in another browser", newSurfer(t), back(p, code, state, ""))
	bounced("a state that was tried", b, back(p, code, state, ""))
	code, state = c.code(s.begin(b, p), mine)
	bounced("another state", b, back(p, code, "x"+state, ""))
	code, state = c.code(s.begin(b, p), mine)
	bounced("two states", b, back(p, code, state, "&state="+state))
	code, state = c.code(s.begin(b, p), mine)
	bounced("mix-up: at another provider's address", b, back(q, code, state, ""))
	code, state = c.code(s.begin(b, p), mine)
	bounced("mix-up: another issuer in the answer", b, back(p, code, state, "&iss="+url.QueryEscape(other.url)))
	code, state = c.code(s.begin(b, p), mine)
	bounced("an error", b, back(p, code, state, "&error=access_denied"))
	bounced("nothing", b, p.RedirectURL)

	// A code that was used for somebody else's sign-in: its nonce is another.
	stolen, _ := c.code(s.begin(newSurfer(t), p), mine)
	_, state = c.code(s.begin(b, p), mine)
	bounced("another sign-in's code", b, back(p, stolen, state, ""))

	// A good one works once.
	code, state = c.code(s.begin(b, p), mine)
	if _, to, _ := b.open(back(p, code, state, "")); to != "/" {
		t.Fatalf("sent to %s", to)
	}
	if email, _ := b.session(s); email != "boss@example.com" {
		t.Errorf("signed in as %q", email)
	}
	bounced("replayed", newSurfer(t), back(p, code, state, ""))
	if c.secret[code] == "" {
		t.Error("the code is redeemed without a verifier")
	}

	// Where to go afterwards is on this site, whatever was asked for and whatever the request calls us.
	for _, next := range []string{"https://evil.example", "//evil.example", `/\evil.example`, `\\evil.example`, "/%2f%2fevil.example/..", "javascript:alert(1)", "/\t/evil.example", "///evil.example", "evil.example", "/api/session"} {
		b := newSurfer(t)
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/api/session/oidc/"+p.ID+"/start?next="+url.QueryEscape(next), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example")
		res, err := b.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		to := res.Header.Get("Location")
		if u, err := url.Parse(to); err != nil || u.Query().Get("redirect_uri") != p.RedirectURL {
			t.Errorf("a poisoned host: %s", to)
		}
		for _, k := range res.Cookies() { // the jar keeps those of evil.example apart
			u, err := url.Parse(s.url + "/api/session/oidc/")
			if err != nil {
				t.Fatal(err)
			}
			b.Jar.SetCookies(u, []*http.Cookie{k})
		}
		code, state := c.code(to, mine)
		if _, to, _ := b.open(back(p, code, state, "")); to != "/" {
			t.Errorf("%q leads to %s", next, to)
		}
	}
	events := newSurfer(t)
	s.come(events, p, c, mine)
	if _, _, text := events.open(s.url + "/api/events?action=session.login&outcome=denied&limit=100"); strings.Count(text, `oidc_state`) < 3 || !strings.Contains(text, "oidc_provider") {
		t.Errorf("refusals are not recorded: %s", text)
	}
}
