package token

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"

	"probity.dev/access/denial"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/selfaudit/selfaudittest"
)

const (
	acme, globex = "acme", "globex"
	issuerName   = "https://login.example.com/"
	audience     = "https://audit.example.com/api/acme"
	jwksURL      = "https://login.example.com/jwks"
	publicURL    = "https://audit.example.com"
)

func admin(tenant string) actor.Principal {
	return actor.Principal{TenantID: tenant, UserID: "u-" + tenant, Name: "Ada", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions()}
}

// keysOf are one issuer's keys, made once: RSA keys take time.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// world is a service with two tenants, an issuer that acme trusts, and sessions.
type world struct {
	t *testing.T
	*selfaudittest.Ledger
	db *sqldb.DB
	s  *Service
	ec *ecdsa.PrivateKey
	ed ed25519.PrivateKey

	mu      sync.Mutex
	clock   time.Time
	answer  func(url string) (*outbound.Response, error)
	fetches int
	ended   map[string]bool
	rights  []string
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// Do implements Outbound.
func (w *world) Do(_ context.Context, r outbound.Request) (*outbound.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fetches++
	return w.answer(r.URL)
}

func (w *world) fetched() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fetches
}

func (w *world) serve(f func(string) (*outbound.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

// CheckURL implements Guard.
func (w *world) CheckURL(raw string) (*url.URL, error) {
	c, err := outbound.New(outbound.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return c.CheckURL(raw)
}

// BySession implements Sessions.
func (w *world) BySession(_ context.Context, tenant, id string) (actor.Principal, time.Time, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended[id] || id != "s-"+tenant {
		return actor.Principal{}, time.Time{}, errs.New(errs.Unauthorized, "ended")
	}
	p := admin(tenant)
	p.SessionID, p.Permissions = id, w.rights
	return p, w.clock.Add(time.Hour), nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: sqldbtest.Open(t), clock: time.Now(), ended: map[string]bool{}, rights: actor.Permissions()}
	w.Ledger = selfaudittest.New(t, w.db, acme, globex)
	var err error
	if w.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, w.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	w.answer = func(string) (*outbound.Response, error) {
		return ok(w.jwks(map[string]any{"r": rsaKey().Public(), "e": w.ec.Public(), "d": w.ed.Public()})), nil
	}
	log := slog.New(slog.DiscardHandler)
	w.s = New(Options{DB: w.db, Recorder: w, Sealer: w, Sessions: w, Denials: denial.New(w, log, w.now), HTTP: w, Guard: w, PublicURL: publicURL, Logger: log, Now: w.now})
	return w
}

func ok(body []byte) *outbound.Response {
	return &outbound.Response{Status: http.StatusOK, Body: body}
}

func (w *world) jwks(keys map[string]any) []byte {
	w.t.Helper()
	set := jwk.NewSet()
	for kid, raw := range keys {
		k, err := jwk.Import(raw)
		if err == nil {
			err = k.Set(jwk.KeyIDKey, kid)
		}
		if err == nil {
			err = set.AddKey(k)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	b, err := json.Marshal(set)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func definition() Definition {
	return Definition{Name: "Login", Issuer: issuerName, Audience: audience, JWKSURL: jwksURL, Permissions: []string{actor.LedgerAppend, actor.LedgerSearch}, Grants: map[string][]string{"desk": {actor.LedgerSearch}}}
}

func (w *world) trust(tenant string, d Definition) Issuer {
	w.t.Helper()
	is, err := w.s.Trust(w.t.Context(), admin(tenant), d)
	if err != nil {
		w.t.Fatal(err)
	}
	return is
}

// claimsNow are those of a good token.
func (w *world) claimsNow(more map[string]any) map[string]any {
	now := w.now()
	c := map[string]any{"iss": issuerName, "aud": audience, "sub": "svc-1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "scope": "operations.ledger.search"}
	maps.Copy(c, more)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign makes a token by hand, so that it can be wrong in every way.
func (w *world) sign(header map[string]any, claims any) string {
	w.t.Helper()
	h, err := json.Marshal(header)
	if err != nil {
		w.t.Fatal(err)
	}
	payload, ok := claims.(string)
	if !ok {
		b, err := json.Marshal(claims)
		if err != nil {
			w.t.Fatal(err)
		}
		payload = string(b)
	}
	return w.signText(string(h), payload, header["alg"])
}

func (w *world) signText(header, payload string, alg any) string {
	w.t.Helper()
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	var err error
	switch alg {
	case "RS256":
		sig, err = rsa.SignPKCS1v15(rand.Reader, rsaKey(), crypto.SHA256, sum[:])
	case "ES256":
		r, s, e := ecdsa.Sign(rand.Reader, w.ec, sum[:])
		sig, err = make([]byte, 64), e
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
	case "EdDSA":
		sig = ed25519.Sign(w.ed, []byte(input))
	case "HS256": // the public key taken for a secret
		m := hmac.New(sha256.New, w.ed.Public().(ed25519.PublicKey))
		m.Write([]byte(input))
		sig = m.Sum(nil)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func (w *world) good(more map[string]any) string {
	return w.sign(map[string]any{"alg": "EdDSA", "kid": "d"}, w.claimsNow(more))
}

// refusedAs fails unless a token is refused for a reason.
func (w *world) refusedAs(what, text string, reason refusal) {
	w.t.Helper()
	v, err := w.s.Verify(w.t.Context(), text)
	r, is := err.(*Refused)
	if !is || r.Reason != string(reason) || errs.CodeOf(err) != errs.Unauthorized || v.Caller.TenantID != "" {
		w.t.Errorf("%s: %v, want %s; %+v", what, err, reason, v)
	}
	if is && strings.Contains(r.Error(), "svc-1") {
		w.t.Errorf("%s: the sentence quotes the token: %v", what, err)
	}
}
