package token

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

func must(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func (w *world) exchange(tenant string, scopes ...string) Exchanged {
	w.t.Helper()
	p := admin(tenant)
	p.SessionID = "s-" + tenant
	x, err := w.s.Exchange(w.t.Context(), p, scopes)
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

func TestExchange(t *testing.T) { sqldbtest.Each(t, testExchange) }

func testExchange(t *testing.T) {
	w := newWorld(t)
	x := w.exchange(acme, "operations.ledger.search", "operations.exports.create")
	if x.TokenType != "Bearer" || x.ExpiresIn < 299 || x.Scope != "operations.exports.create operations.ledger.search" {
		t.Errorf("%+v", x)
	}
	v, err := w.s.Verify(t.Context(), x.AccessToken)
	p := v.Caller
	if err != nil || p.TenantID != acme || p.Type() != "user" || p.UserID != "u-acme" || p.SessionID != "" || !slices.Equal(p.Permissions, []string{actor.LedgerSearch, actor.ExportsCreate}) || !slices.Equal(v.Roles, []string{actor.RoleAdmin}) {
		t.Errorf("%+v %v", v, err)
	}
	if e := w.Events()[len(w.Events())-1]; e.Action != "session.token" || e.Context.SessionID != "s-acme" || strings.Contains(string(must(e)), strings.Split(x.AccessToken, ".")[2]) {
		t.Errorf("%+v", e)
	}
	// Others check it with the published keys and a library.
	keys, err := w.s.Published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.Parse(must(map[string]any{"keys": keys}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwt.Parse([]byte(x.AccessToken), jwt.WithKeySet(set), jwt.WithIssuer(publicURL), jwt.WithAudience(publicURL+"/api"), jwt.WithAcceptableSkew(time.Minute)); err != nil {
		t.Error(err)
	}
	if strings.Contains(string(must(keys)), `"d"`) {
		t.Error("a private key is published")
	}

	// It never allows more than its person may do now, and ends with the session.
	w.rights = []string{actor.LedgerSearch}
	if v, err := w.s.Verify(t.Context(), x.AccessToken); err != nil || !slices.Equal(v.Caller.Permissions, []string{actor.LedgerSearch}) {
		t.Errorf("%+v %v", v, err)
	}
	w.ended["s-acme"] = true
	w.refusedAs("after the session", x.AccessToken, refusedSession)
	w.ended = map[string]bool{}
	w.pass(Lifetime + Leeway)
	w.refusedAs("after its time", x.AccessToken, refusedExpired)
}

func TestWhatCannotBeExchanged(t *testing.T) {
	w := newWorld(t)
	p := admin(acme)
	p.SessionID = "s-acme"
	p.Permissions = []string{actor.LedgerSearch}
	if _, err := w.s.Exchange(t.Context(), p, []string{"operations.access.manage"}); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("more than the session may do: %v", err)
	}
	if _, err := w.s.Exchange(t.Context(), actor.Principal{TenantID: acme, KeyID: "k", Permissions: actor.Permissions()}, nil); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("an API key: %v", err)
	}
	v, err := w.s.Verify(t.Context(), w.exchange(acme).AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Exchange(t.Context(), v.Caller, nil); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("a token for a token: %v", err)
	}
	w.ended["s-acme"] = true
	if _, err := w.s.Exchange(t.Context(), p, nil); errs.CodeOf(err) != errs.Unauthorized {
		t.Errorf("an ended session: %v", err)
	}
	w.s.o.PublicURL = ""
	if _, err := w.s.Exchange(t.Context(), p, nil); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("without a public address: %v", err)
	}
}

func TestOwnKeysRotate(t *testing.T) { sqldbtest.Each(t, testOwnKeysRotate) }

func testOwnKeysRotate(t *testing.T) {
	w := newWorld(t)
	x, other := w.exchange(acme), w.exchange(globex)
	kid := func(x Exchanged) string { j, _ := parse(x.AccessToken); return j.kid }
	w.pass(rotateAfter)
	next := w.exchange(acme)
	if kid(next) == kid(x) || kid(x) == kid(other) {
		t.Error("the key was not replaced, or is two tenants'")
	}
	if keys, err := w.s.Published(t.Context()); err != nil || len(keys) != 3 {
		t.Errorf("%v %v", keys, err)
	}
	if err := w.s.RotateKey(t.Context(), admin(acme), true); err != nil {
		t.Fatal(err)
	}
	w.refusedAs("of a revoked key", next.AccessToken, refusedKey)
	fresh := w.exchange(acme)
	if _, err := w.s.Verify(t.Context(), fresh.AccessToken); err != nil {
		t.Error(err)
	}
	if err := w.s.RotateKey(t.Context(), admin(acme), false); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Verify(t.Context(), fresh.AccessToken); err != nil {
		t.Errorf("a token of the replaced key: %v", err)
	}
	w.pass(Lifetime + Leeway)
	w.exchange(acme)
	if keys, err := w.s.Published(t.Context()); err != nil || len(keys) != 2 {
		t.Errorf("%d keys: %v", len(keys), err)
	}
	// A token of another tenant's key, and one of an issuer that takes our name.
	j, err := parse(fresh.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	text := w.sign(map[string]any{"alg": "EdDSA", "kid": kid(w.exchange(acme))}, map[string]any{"iss": publicURL, "aud": publicURL + "/api", "sub": "u-acme", "tid": acme, "sid": "s-acme", "exp": w.now().Add(time.Minute).Unix(), "scope": "operations.access.manage"})
	w.refusedAs("signed with another key", text, refusedSignature)
	k, secret, err := w.s.signingKey(t.Context(), globex)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := sign(must(map[string]any{"iss": publicURL, "aud": publicURL + "/api", "sub": "u-acme", "tid": acme, "sid": "s-acme", "exp": w.now().Add(time.Minute).Unix(), "scope": "operations.access.manage"}), k.kid, secret)
	if err != nil {
		t.Fatal(err)
	}
	w.refusedAs("acme's session under globex's key", forged, refusedIssuer)
	if j.claims.session == "" {
		t.Error("a token without its session")
	}
	d := definition()
	d.Issuer = publicURL
	if _, err := w.s.Trust(t.Context(), admin(acme), d); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("an issuer under our name: %v", err)
	}
}
