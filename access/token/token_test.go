package token

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
	"probity.dev/internal/sqldb/sqldbtest"
)

func TestTokens(t *testing.T) { sqldbtest.Each(t, testTokens) }

func testTokens(t *testing.T) {
	w := newWorld(t)
	is := w.trust(acme, definition())
	for alg, kid := range map[string]string{"RS256": "r", "ES256": "e", "EdDSA": "d"} {
		v, err := w.s.Verify(t.Context(), w.sign(map[string]any{"alg": alg, "kid": kid, "typ": "at+JWT"}, w.claimsNow(nil)))
		if err != nil {
			t.Fatalf("%s: %v", alg, err)
		}
		p := v.Caller
		if p.TenantID != acme || p.Type() != "service_account" || p.IsSystem() || p.Name != "svc-1" || !slices.Equal(p.Permissions, []string{actor.LedgerSearch}) || p.ServiceIssuer() != is.ID || strings.Contains(p.ID(), "svc-1") {
			t.Errorf("%s: %+v", alg, p)
		}
	}
	for name, c := range map[string]struct {
		claims map[string]any
		want   []string
	}{
		"nothing by default":       {map[string]any{"scope": nil}, []string{}},
		"an unknown scope":         {map[string]any{"scope": "operations.everything operations.* * admin"}, []string{}},
		"beyond the issuer":        {map[string]any{"scope": "operations.access.manage operations.ledger.append"}, []string{actor.LedgerAppend}},
		"a permission is no scope": {map[string]any{"scope": "ledger.append"}, []string{}},
		"a list":                   {map[string]any{"scope": []string{"operations.ledger.append", "desk"}}, []string{actor.LedgerAppend, actor.LedgerSearch}},
		"something else":           {map[string]any{"scope": map[string]any{"a": 1}}, []string{}},
	} {
		v, err := w.s.Verify(t.Context(), w.good(c.claims))
		if err != nil || !slices.Equal(v.Caller.Permissions, c.want) {
			t.Errorf("%s: %v %v", name, v.Caller.Permissions, err)
		}
	}
	if _, err := w.s.Verify(t.Context(), w.good(map[string]any{"aud": []string{"x", audience}})); err != nil {
		t.Error(err)
	}
	if e := w.Events()[0]; e.Action != "token_issuer.create" || len(e.Changes) < 7 || e.Resource.ID != is.ID {
		t.Errorf("%+v", e)
	}
}

func TestClaimPath(t *testing.T) {
	w := newWorld(t)
	d := definition()
	d.Claim = "realm_access.roles"
	w.trust(acme, d)
	v, err := w.s.Verify(t.Context(), w.good(map[string]any{"realm_access": map[string]any{"roles": []string{"desk"}}}))
	if err != nil || !slices.Equal(v.Caller.Permissions, []string{actor.LedgerSearch}) {
		t.Errorf("%+v %v", v, err)
	}
	v, err = w.s.Verify(t.Context(), w.good(map[string]any{"realm_access": "desk"}))
	if err != nil || len(v.Caller.Permissions) != 0 {
		t.Errorf("%+v %v", v, err)
	}
}

func TestForgedTokens(t *testing.T) { sqldbtest.Each(t, testForgedTokens) }

func testForgedTokens(t *testing.T) {
	w := newWorld(t)
	w.trust(acme, definition())
	d := definition()
	d.Audience, d.JWKSURL = "https://audit.example.com/api/globex", "https://login.example.com/other"
	w.trust(globex, d)
	w.Drain()
	c := w.claimsNow(nil)
	h := func(more map[string]any) map[string]any {
		out := map[string]any{"alg": "EdDSA", "kid": "d"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	good := w.good(nil)
	parts := strings.Split(good, ".")
	body := func(s string) string { return w.signText(`{"alg":"EdDSA","kid":"d"}`, s, "EdDSA") }
	now := w.now()
	for _, x := range []struct {
		what, text string
		reason     refusal
	}{
		{"none", w.sign(h(map[string]any{"alg": "none"}), c), refusedAlgorithm},
		{"None", w.sign(h(map[string]any{"alg": "None"}), c), refusedAlgorithm},
		{"no alg", w.signText(`{"kid":"d"}`, `{}`, "EdDSA"), refusedAlgorithm},
		{"HS256 with the public key", w.sign(h(map[string]any{"alg": "HS256"}), c), refusedAlgorithm},
		{"RS512", w.sign(h(map[string]any{"alg": "RS512"}), c), refusedAlgorithm},
		{"EdDSA under the kid of an RSA key", w.sign(h(map[string]any{"kid": "r"}), c), refusedAlgorithm},
		{"RS256 under the kid of an EC key", w.sign(h(map[string]any{"alg": "RS256", "kid": "e"}), c), refusedAlgorithm},
		{"jwk", w.sign(h(map[string]any{"jwk": map[string]any{"kty": "OKP"}}), c), refusedHeader},
		{"jku", w.sign(h(map[string]any{"jku": "https://evil.example/jwks"}), c), refusedHeader},
		{"x5u", w.sign(h(map[string]any{"x5u": "https://evil.example/cert"}), c), refusedHeader},
		{"x5c", w.sign(h(map[string]any{"x5c": []string{"MII"}}), c), refusedHeader},
		{"crit", w.sign(h(map[string]any{"crit": []string{"exp"}}), c), refusedHeader},
		{"b64", w.sign(h(map[string]any{"b64": false}), c), refusedHeader},
		{"typ", w.sign(h(map[string]any{"typ": "dpop+jwt"}), c), refusedHeader},
		{"no kid", w.sign(map[string]any{"alg": "EdDSA"}, c), refusedKey},
		{"kid is a path", w.sign(h(map[string]any{"kid": "../../../../dev/null"}), c), refusedKey},
		{"kid is SQL", w.sign(h(map[string]any{"kid": "d' OR '1'='1"}), c), refusedKey},
		{"kid is an address", w.sign(h(map[string]any{"kid": "http://169.254.169.254/"}), c), refusedKey},
		{"kid is long", w.sign(h(map[string]any{"kid": strings.Repeat("d", 300)}), c), refusedKey},
		{"kid is a number", w.sign(h(map[string]any{"kid": 1}), c), refusedMalformed},
		{"expired", w.good(map[string]any{"exp": now.Add(-Leeway - time.Second).Unix()}), refusedExpired},
		{"not yet", w.good(map[string]any{"nbf": now.Add(Leeway + 2*time.Second).Unix()}), refusedNotYet},
		{"future", w.good(map[string]any{"iat": now.Add(Leeway + 2*time.Second).Unix()}), refusedFuture},
		{"no exp", w.good(map[string]any{"exp": nil}), refusedMalformed},
		{"exp is text", w.good(map[string]any{"exp": "9999999999"}), refusedMalformed},
		{"exp is huge", body(`{"iss":"` + issuerName + `","aud":"` + audience + `","sub":"s","exp":1e400}`), refusedMalformed},
		{"no sub", w.good(map[string]any{"sub": nil}), refusedMalformed},
		{"no aud", w.good(map[string]any{"aud": nil}), refusedMalformed},
		{"wrong aud", w.good(map[string]any{"aud": "https://else.example"}), refusedIssuer},
		{"aud of two tenants", w.good(map[string]any{"aud": []string{audience, d.Audience}}), refusedIssuer},
		{"wrong iss", w.good(map[string]any{"iss": "https://evil.example/"}), refusedIssuer},
		{"iss without its slash", w.good(map[string]any{"iss": strings.TrimSuffix(issuerName, "/")}), refusedIssuer},
		{"twice", body(`{"iss":"` + issuerName + `","aud":"` + audience + `","sub":"a","sub":"b","exp":9999999999}`), refusedMalformed},
		{"twice within", body(`{"iss":"` + issuerName + `","aud":"` + audience + `","sub":"a","exp":9999999999,"x":{"a":1,"a":2}}`), refusedMalformed},
		{"alg twice", w.signText(`{"alg":"none","alg":"EdDSA","kid":"d"}`, string(must(c)), "EdDSA"), refusedMalformed},
		{"another payload", parts[0] + "." + strings.Split(w.good(map[string]any{"sub": "root"}), ".")[1] + "." + parts[2], refusedSignature},
		{"no signature", parts[0] + "." + parts[1] + ".", refusedSignature},
		{"padding", parts[0] + "=." + parts[1] + "." + parts[2], refusedMalformed},
		{"large", good + strings.Repeat("A", maxToken), refusedTooLarge},
		{"a list", body(`[]`), refusedMalformed},
		{"null", body(`null`), refusedMalformed},
	} {
		w.refusedAs(x.what, x.text, x.reason)
	}
	// What was refused is known to whom it was aimed at, and a flood of it is counted.
	events := w.Events()
	if len(events) != 20 {
		t.Errorf("%d events of denied attempts", len(events))
	}
	for _, e := range events {
		if e.Action != "token.refuse" || e.Outcome.Status != "denied" || e.Actor.Type != "anonymous" {
			t.Errorf("%+v", e)
		}
	}
	w.s.o.Denials.Flush(t.Context(), true)
	if e := w.Events()[len(w.Events())-1]; e.Action != "access.denials" || len(e.Data) == 0 {
		t.Errorf("%+v", e)
	}
	if _, err := w.s.Verify(t.Context(), good); err != nil {
		t.Errorf("the good one is refused now: %v", err)
	}
}

func TestTimesAreLenient(t *testing.T) {
	w := newWorld(t)
	w.trust(acme, definition())
	now := w.now()
	for _, c := range []map[string]any{{"exp": now.Add(-50 * time.Second).Unix()}, {"nbf": now.Add(50 * time.Second).Unix()}, {"iat": now.Add(50 * time.Second).Unix()}} {
		if _, err := w.s.Verify(t.Context(), w.good(c)); err != nil {
			t.Errorf("%v: %v", c, err)
		}
	}
}

func TestAnotherTenantsIssuer(t *testing.T) { sqldbtest.Each(t, testAnotherTenantsIssuer) }

func testAnotherTenantsIssuer(t *testing.T) {
	w := newWorld(t)
	is := w.trust(acme, definition())
	if _, err := w.s.Trust(t.Context(), admin(globex), definition()); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("globex takes acme's tokens over: %v", err)
	}
	d := definition()
	d.Audience = "globex"
	other := w.trust(globex, d)
	other.Audience = audience
	if _, err := w.s.Change(t.Context(), admin(globex), other.ID, other.Definition, false); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("globex takes acme's tokens over by a change: %v", err)
	}
	if _, err := w.s.Change(t.Context(), admin(globex), is.ID, d, true); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("globex changes acme's issuer: %v", err)
	}
	if err := w.s.Distrust(t.Context(), admin(globex), is.ID); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("globex removes acme's issuer: %v", err)
	}
	if list, err := w.s.Issuers(t.Context(), admin(globex)); err != nil || len(list) != 1 || list[0].ID != other.ID {
		t.Errorf("%v %v", list, err)
	}
	nobody := actor.Principal{TenantID: acme, UserID: "u", Permissions: []string{actor.LedgerSearch}}
	if _, err := w.s.Trust(t.Context(), nobody, d); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
	small := actor.Principal{TenantID: acme, UserID: "u", Permissions: []string{actor.AccessManage}}
	d.Audience = "more"
	if _, err := w.s.Trust(t.Context(), small, d); errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("somebody gives what he does not have: %v", err)
	}
	v, err := w.s.Verify(t.Context(), w.good(nil))
	if err != nil || v.TenantID != acme {
		t.Errorf("%+v %v", v, err)
	}
	// Paused, resumed and removed, at once.
	for _, paused := range []bool{true, false} {
		if _, err := w.s.Change(t.Context(), admin(acme), is.ID, is.Definition, paused); err != nil {
			t.Fatal(err)
		}
		if _, err := w.s.Verify(t.Context(), w.good(nil)); (err != nil) != paused {
			t.Errorf("paused %v: %v", paused, err)
		}
		if _, err := w.s.Present(t.Context(), v.Caller); (errs.CodeOf(err) == errs.Forbidden) != paused {
			t.Errorf("paused %v: %v", paused, err)
		}
	}
	if err := w.s.Distrust(t.Context(), admin(acme), is.ID); err != nil {
		t.Fatal(err)
	}
	w.refusedAs("removed", w.good(nil), refusedIssuer)
}

func TestKeysRotate(t *testing.T) {
	w := newWorld(t)
	w.trust(acme, definition())
	verify := func() error { _, err := w.s.Verify(t.Context(), w.good(nil)); return err }
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	n := w.fetched()
	for range 50 { // a kid that nobody has costs one fetch in half a minute
		w.refusedAs("unknown kid", w.sign(map[string]any{"alg": "EdDSA", "kid": "new"}, w.claimsNow(nil)), refusedKey)
	}
	if got := w.fetched() - n; got > 1 {
		t.Errorf("%d fetches", got)
	}
	w.serve(func(string) (*outbound.Response, error) { return ok(w.jwks(map[string]any{"new": w.ed.Public()})), nil })
	w.pass(refetchAfter)
	if _, err := w.s.Verify(t.Context(), w.sign(map[string]any{"alg": "EdDSA", "kid": "new"}, w.claimsNow(nil))); err != nil {
		t.Errorf("the new key is not found: %v", err)
	}
	w.refusedAs("the old key", w.good(nil), refusedKey)

	// The issuer is down: the last good keys are used for a day.
	w.serve(func(string) (*outbound.Response, error) { return nil, &outbound.Error{Reason: outbound.Timeout} })
	again := func() error {
		_, err := w.s.Verify(t.Context(), w.sign(map[string]any{"alg": "EdDSA", "kid": "new"}, w.claimsNow(nil)))
		return err
	}
	for range 23 {
		w.pass(time.Hour)
		if err := again(); err != nil {
			t.Fatalf("while the issuer is down: %v", err)
		}
	}
	w.pass(2 * time.Hour)
	var r *Refused
	if err := again(); !errors.As(err, &r) || r.Reason != string(refusedNoKeys) {
		t.Errorf("after a day: %v", err)
	}
}

// TestJWKSThatAreNone enters addresses that lead to no keys.
func TestJWKSThatAreNone(t *testing.T) {
	w := newWorld(t)
	w.trust(acme, definition())
	if _, err := w.s.Verify(t.Context(), w.good(nil)); err != nil {
		t.Fatal(err)
	}
	huge := append([]byte(`{"keys":[`), slices.Repeat([]byte(" "), outbound.MaxResponse)...)
	for what, answer := range map[string]*outbound.Response{
		"huge":           ok(huge[:outbound.MaxResponse]),
		"a redirect":     {Status: http.StatusFound, Header: http.Header{"Location": {"http://127.0.0.1/"}}},
		"an error":       {Status: http.StatusInternalServerError},
		"no JSON":        ok([]byte("<html>")),
		"no keys":        ok([]byte(`{"keys":[]}`)),
		"a secret key":   ok([]byte(`{"keys":[{"kty":"oct","kid":"d","k":"AAAA"}]}`)),
		"a private":      ok(w.jwks(map[string]any{"d": w.ed})),
		"for encrypting": ok([]byte(strings.Replace(string(w.jwks(map[string]any{"d": w.ed.Public()})), `"kty"`, `"use":"enc","kty"`, 1))),
	} {
		w.serve(func(string) (*outbound.Response, error) { return answer, nil })
		d := definition()
		d.Audience = "else"
		if _, err := w.s.Trust(t.Context(), admin(acme), d); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: %v", what, err)
		}
		w.pass(time.Hour) // the known ones are kept
		if _, err := w.s.Verify(t.Context(), w.good(nil)); err != nil {
			t.Errorf("%s: the last good keys are gone: %v", what, err)
		}
	}
	for _, address := range []string{"http://login.example.com/jwks", "https://127.0.0.1/jwks", "https://localhost/jwks", "https://169.254.169.254/latest", "https://[::1]/", "file:///etc/passwd", "https://a:b@login.example.com/", "https://2130706433/"} {
		d := definition()
		d.Audience, d.JWKSURL = "else", address
		if _, err := w.s.Trust(t.Context(), admin(acme), d); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// TestGuardedFetch has the guarded client refuse what resolves to this machine, whoever entered it.
func TestGuardedFetch(t *testing.T) {
	c, err := outbound.New(outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = fetchJWKS(t.Context(), c, "https://127.0.0.1:8443/jwks")
	if e := outbound.AsError(err); e == nil || e.Reason != outbound.Forbidden {
		t.Error(err)
	}
}
