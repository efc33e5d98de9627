package token

import (
	"encoding/base64"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of tokens.
const (
	maxToken  = 8 << 10 // bytes
	maxKid    = 256
	maxText   = 1024 // bytes of iss, aud, sub, jti
	maxValues = 200  // audiences, scopes, roles
	// Leeway is by how much the issuer's clock may differ from ours.
	Leeway = 60 * time.Second
)

// refusal is why a token is not accepted, one of a few fixed words.
type refusal string

// The reasons.
const (
	refusedTooLarge  refusal = "too_large"
	refusedMalformed refusal = "malformed"
	refusedAlgorithm refusal = "algorithm_not_allowed"
	refusedHeader    refusal = "header_not_allowed"
	refusedKey       refusal = "unknown_key"
	refusedNoKeys    refusal = "keys_unavailable"
	refusedSignature refusal = "wrong_signature"
	refusedIssuer    refusal = "unknown_issuer_or_audience"
	refusedExpired   refusal = "expired"
	refusedNotYet    refusal = "not_yet_valid"
	refusedFuture    refusal = "issued_in_the_future"
	refusedSession   refusal = "session_ended"
)

// Error returns the reason.
func (r refusal) Error() string { return string(r) }

// webToken is a token taken apart. Nothing in it is true before its signature was checked.
type webToken struct {
	text     string
	alg, kid string
	claims   claims
}

type claims struct {
	issuer, subject, session, tenant string
	audience                         []string
	expires, notBefore, issued       time.Time // zero when absent
	all                              map[string]jsontext.Value
}

// isJWT tells tokens from API keys, which hold no dot.
func isJWT(text string) bool { return strings.Count(text, ".") == 2 }

// strict has no padding and refuses bits after the end, so that a token has one spelling.
var strict = base64.RawURLEncoding.Strict()

// parse takes a token apart. The error is a [refusal]; what could be read comes with it.
func parse(text string) (*webToken, error) {
	if len(text) > maxToken {
		return nil, refusedTooLarge
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, refusedMalformed
	}
	t := &webToken{text: text}
	payload, err := strict.DecodeString(parts[1])
	if err != nil {
		return nil, refusedMalformed
	}
	err = t.claims.read(payload)
	if wrong := t.header(parts[0]); wrong != nil {
		return t, wrong
	}
	if _, wrong := strict.DecodeString(parts[2]); wrong != nil {
		return t, refusedMalformed
	}
	return t, err
}

// object reads a JSON object. The decoder refuses members that stand twice, at any depth, and text that is not UTF-8: two readers must not understand two things.
func object(b []byte) (map[string]jsontext.Value, error) {
	var m map[string]jsontext.Value
	if err := json.Unmarshal(b, &m); err != nil || m == nil {
		return nil, refusedMalformed
	}
	return m, nil
}

// header checks the header. Members that bring a key along are refused instead of ignored: whoever sends them wants something.
func (t *webToken) header(part string) error {
	b, err := strict.DecodeString(part)
	if err != nil {
		return refusedMalformed
	}
	m, err := object(b)
	if err != nil {
		return err
	}
	for _, name := range []string{"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"} {
		if _, there := m[name]; there {
			return refusedHeader
		}
	}
	var typ string
	if !text(m["alg"], &t.alg) || !text(m["kid"], &t.kid) || !text(m["typ"], &typ) {
		return refusedMalformed
	}
	if t.alg != "RS256" && t.alg != "ES256" && t.alg != "EdDSA" {
		return refusedAlgorithm
	}
	if typ = strings.TrimPrefix(strings.ToLower(typ), "application/"); typ != "" && typ != "jwt" && typ != "at+jwt" {
		return refusedHeader
	}
	if t.kid == "" || len(t.kid) > maxKid {
		return refusedKey
	}
	return nil
}

// text reads a string that may be absent.
func text(v jsontext.Value, to *string) bool {
	return v == nil || v.Kind() == '"' && json.Unmarshal(v, to) == nil && len(*to) <= maxText
}

// instant reads a NumericDate that may be absent.
func instant(v jsontext.Value, to *time.Time) bool {
	if v == nil {
		return true
	}
	var n float64
	if v.Kind() != '0' || json.Unmarshal(v, &n) != nil || !(n > 0 && n < 1e11) {
		return false
	}
	whole, part := math.Modf(n)
	*to = time.Unix(int64(whole), int64(part*1e9)).UTC()
	return true
}

func (c *claims) read(payload []byte) (err error) {
	if c.all, err = object(payload); err != nil {
		return err
	}
	if !text(c.all["iss"], &c.issuer) || !text(c.all["sub"], &c.subject) || !text(c.all["sid"], &c.session) || !text(c.all["tid"], &c.tenant) ||
		!instant(c.all["exp"], &c.expires) || !instant(c.all["nbf"], &c.notBefore) || !instant(c.all["iat"], &c.issued) {
		return refusedMalformed
	}
	var ok bool
	if c.audience, ok = list(c.all["aud"], false); !ok || c.issuer == "" || c.subject == "" || len(c.audience) == 0 || c.expires.IsZero() {
		return refusedMalformed
	}
	return nil
}

// list reads a string or a list of strings; with split, a string is a list separated by spaces, as scope is.
func list(v jsontext.Value, split bool) (out []string, ok bool) {
	switch {
	case v == nil:
		return nil, true
	case v.Kind() == '"':
		var s string
		if json.Unmarshal(v, &s) != nil {
			return nil, false
		}
		if out = []string{s}; split {
			out = strings.Fields(s)
		}
	case v.Kind() != '[' || json.Unmarshal(v, &out) != nil:
		return nil, false
	}
	return out, len(out) <= maxValues && !slices.ContainsFunc(out, func(s string) bool { return len(s) > maxText })
}

// values returns what a claim lists. A name with dots that is no claim leads into an object, as realm_access.roles does.
func (c *claims) values(name string) []string {
	v, there := c.all[name]
	for m := c.all; !there; {
		head, rest, deeper := strings.Cut(name, ".")
		inner, has := m[head]
		if !deeper || !has || json.Unmarshal(inner, &m) != nil {
			return nil
		}
		name = rest
		v, there = m[name]
	}
	out, ok := list(v, true)
	if !ok {
		return nil
	}
	return out
}

// timely checks the times of a token whose signature is right.
func (c *claims) timely(now time.Time) error {
	switch {
	case !now.Before(c.expires.Add(Leeway)):
		return refusedExpired
	case now.Before(c.notBefore.Add(-Leeway)):
		return refusedNotYet
	case now.Before(c.issued.Add(-Leeway)):
		return refusedFuture
	}
	return nil
}
