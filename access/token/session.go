package token

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	// JWKSPath is where the public keys of our own tokens are.
	JWKSPath = "/.well-known/jwks.json"
	// Lifetime of a token that a session is exchanged for.
	Lifetime    = 5 * time.Minute
	rotateAfter = 30 * 24 * time.Hour
	// audiencePath follows the public URL in the audience of our own tokens.
	audiencePath = "/api"
)

// Exchanged is a token for a session.
type Exchanged struct {
	AccessToken string    `json:"access_token"`
	TokenType   string    `json:"token_type"`
	ExpiresIn   int64     `json:"expires_in" doc:"Seconds"`
	ExpiresAt   time.Time `json:"expires_at"`
	Scope       string    `json:"scope" doc:"What the token may be used for, separated by spaces"`
}

// Exchange makes a token for the caller's session. scopes limits what it may be used for to some of what the session may do; nil leaves all of it. An API key or a token cannot be exchanged.
func (s *Service) Exchange(ctx context.Context, by actor.Principal, scopes []string) (Exchanged, error) {
	if by.SessionID == "" || by.UserID == "" {
		return Exchanged{}, errs.New(errs.Forbidden, "Only a console session can be exchanged for a token.")
	}
	if s.o.PublicURL == "" {
		return Exchanged{}, errs.New(errs.Conflict, "Tokens name this installation by its public address, which the operator has not set (public-url).")
	}
	granted, err := chosen(by, scopes)
	if err != nil {
		return Exchanged{}, err
	}
	_, ends, err := s.o.Sessions.BySession(ctx, by.TenantID, by.SessionID)
	if err != nil {
		return Exchanged{}, err
	}
	key, secret, err := s.signingKey(ctx, by.TenantID)
	if err != nil {
		return Exchanged{}, err
	}
	now := s.o.Now().UTC().Truncate(time.Second)
	until := now.Add(Lifetime)
	if ends.Before(until) {
		until = ends.UTC().Truncate(time.Second)
	}
	id := uuid.Must(uuid.NewV7()).String()
	payload, err := json.Marshal(map[string]any{"iss": s.o.PublicURL, "aud": s.o.PublicURL + audiencePath, "sub": by.UserID, "tid": by.TenantID, "sid": by.SessionID, "jti": id,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": until.Unix(), "scope": strings.Join(granted, " "), "roles": rolesOf(by)})
	if err != nil {
		return Exchanged{}, err
	}
	text, err := sign(payload, key.kid, secret)
	if err != nil {
		return Exchanged{}, err
	}
	e := selfaudit.New(ctx, by, "auth", "session.token", "create", event.Resource{Type: "user", ID: by.UserID, Name: by.Name})
	e.Data = []event.Member{selfaudit.Member("token_id", id), selfaudit.Member("scopes", granted), selfaudit.Member("expires_at", until)}
	if err := s.o.Recorder.Record(ctx, by.TenantID, e, func(context.Context, *sql.Tx) error { return nil }); err != nil {
		return Exchanged{}, err
	}
	return Exchanged{AccessToken: text, TokenType: "Bearer", ExpiresIn: int64(until.Sub(now) / time.Second), ExpiresAt: until, Scope: strings.Join(granted, " ")}, nil
}

func rolesOf(p actor.Principal) []string {
	if len(p.Roles) == 0 {
		return []string{}
	}
	return p.Roles
}

// chosen returns the scopes of a token: those that were asked for, each of which the caller must have, or all.
func chosen(by actor.Principal, scopes []string) ([]string, error) {
	have := make([]string, len(by.Permissions))
	for i, p := range by.Permissions {
		have[i] = scopeOf(p)
	}
	if scopes == nil {
		scopes = have
	}
	for _, x := range scopes {
		if !slices.Contains(have, x) {
			return nil, errs.Field("/scopes", "not_allowed", "A scope is one of %s.", strings.Join(have, ", "))
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(scopes))), nil
}

func sign(payload []byte, kid string, secret ed25519.PrivateKey) (string, error) {
	h := jws.NewHeaders()
	for name, v := range map[string]any{"kid": kid, "typ": "JWT"} {
		if err := h.Set(name, v); err != nil {
			return "", err
		}
	}
	b, err := jws.Sign(payload, jws.WithKey(jwa.EdDSA(), secret, jws.WithProtectedHeaders(h)))
	return string(b), err
}

// verifyOwn checks a token of our own. Its session is looked at each time, so it ends with the session, and it never allows more than its person may do now.
func (s *Service) verifyOwn(ctx context.Context, t *webToken) (Verified, error) {
	c := &t.claims
	key, err := publicKeyOf(ctx, s.o.DB.Read(ctx), t.kid, s.o.Now())
	if errs.CodeOf(err) == errs.NotFound {
		return Verified{}, s.refused(ctx, nil, refusedKey)
	}
	if err != nil {
		return Verified{}, err
	}
	ours := &Issuer{ID: key.kid, TenantID: key.tenant, Definition: Definition{Name: s.o.PublicURL}}
	err = t.signed(publicKey{"EdDSA", ed25519.PublicKey(key.public)})
	switch {
	case err != nil:
	case c.tenant != key.tenant || c.session == "" || !slices.Equal(c.audience, []string{s.o.PublicURL + audiencePath}):
		err = refusedIssuer
	default:
		err = c.timely(s.o.Now())
	}
	if err != nil {
		return Verified{}, s.refused(ctx, ours, err)
	}
	p, _, err := s.o.Sessions.BySession(ctx, key.tenant, c.session)
	if errs.CodeOf(err) == errs.Unauthorized || err == nil && p.UserID != c.subject {
		err = refusedSession
	}
	if err != nil {
		return Verified{}, s.refused(ctx, ours, err)
	}
	scopes := c.values(defaultClaim)
	p.Permissions = slices.DeleteFunc(slices.Clone(p.Permissions), func(x string) bool { return !slices.Contains(scopes, scopeOf(x)) })
	// A token is no session: what only a session may do (its sign-out, another exchange, a confirmation by a second factor) it cannot.
	p.SessionID = ""
	return Verified{TenantID: key.tenant, Caller: p, Subject: p.UserID, Roles: rolesOf(p), ExpiresAt: c.expires}, nil
}

// signingKey returns the key that signs for a tenant, and makes or replaces it when it is time.
func (s *Service) signingKey(ctx context.Context, tenantID string) (signingKey, ed25519.PrivateKey, error) {
	k, err := signing(ctx, s.o.DB.Read(ctx), tenantID)
	missing := errs.CodeOf(err) == errs.NotFound
	if missing || err == nil && s.o.Now().Sub(k.created) >= rotateAfter {
		err = s.replace(ctx, actor.System(tenantID), k.kid, Lifetime+Leeway, "")
		if errs.CodeOf(err) == errs.Conflict {
			err = nil // another server was faster
		}
		if err == nil {
			k, err = signing(ctx, s.o.DB.Read(ctx), tenantID)
		}
	}
	if err != nil {
		return k, nil, err
	}
	seed, err := s.o.Sealer.Unseal(ctx, tenantID, "token_key|"+k.kid, k.secret)
	if err != nil || len(seed) != ed25519.SeedSize {
		return k, nil, errs.Wrap(errs.Internal, err, "the key that signs tokens cannot be read")
	}
	return k, ed25519.NewKeyFromSeed(seed), nil
}

// replace makes a new key; tokens of the old one are accepted for as long as overlap says.
func (s *Service) replace(ctx context.Context, by actor.Principal, old string, overlap time.Duration, reason string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	now := s.o.Now().UTC().Truncate(time.Microsecond)
	id := make([]byte, 12)
	rand.Read(id) // never fails (crypto/rand)
	next := signingKey{kid: base64.RawURLEncoding.EncodeToString(id), tenant: by.TenantID, public: public, created: now}
	if next.secret, err = s.o.Sealer.Seal(ctx, by.TenantID, "token_key|"+next.kid, private.Seed()); err != nil {
		return err
	}
	e := selfaudit.New(ctx, by, "security", "token_key.rotate", "create", event.Resource{Type: "token_key", ID: next.kid})
	before, after := map[string]any{}, map[string]any{"/kid": next.kid}
	if old != "" {
		before["/kid"] = old
		e.Data = []event.Member{selfaudit.Member("old_accepted_until", now.Add(overlap))}
	}
	e.Changes, e.Reason = selfaudit.Changes(before, after), reason
	return s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		return replaceKey(ctx, tx, next, old, now.Add(overlap))
	})
}

// RotateKey replaces the key that signs the tokens of the caller's tenant. With revoke, the tokens of the old key are refused at once; otherwise they end by themselves, within minutes.
func (s *Service) RotateKey(ctx context.Context, by actor.Principal, revoke bool) error {
	if err := mayManage(by); err != nil {
		return err
	}
	k, err := signing(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil && errs.CodeOf(err) != errs.NotFound {
		return err
	}
	overlap := Lifetime + Leeway
	if revoke {
		overlap = 0
	}
	return s.replace(ctx, by, k.kid, overlap, "asked for")
}

// JWK is a public key as it is published (RFC 8037).
type JWK struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	KeyID     string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	X         string `json:"x"`
}

// Published returns the keys whose tokens are accepted, of every tenant: a kid says nothing about whose it is.
func (s *Service) Published(ctx context.Context) ([]JWK, error) {
	keys, err := publicKeys(ctx, s.o.DB.Read(ctx), s.o.Now())
	if err != nil {
		return nil, err
	}
	out := make([]JWK, len(keys))
	for i, k := range keys {
		out[i] = JWK{KeyType: "OKP", Curve: "Ed25519", KeyID: k.kid, Use: "sig", Algorithm: "EdDSA", X: base64.RawURLEncoding.EncodeToString(k.public)}
	}
	return out, nil
}
