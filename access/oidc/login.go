package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	oidclib "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	// BrowserCookie ties a sign-in to the browser in which it began.
	BrowserCookie = "probity_oidc"
	loginFor      = 10 * time.Minute // between leaving for a provider and coming back
	maxLogins     = 10_000           // under way, of all tenants; anybody can begin one
)

// The reasons for which a sign-in is refused; the sign-in page has a sentence for each.
const (
	reasonState      = "state"      // unknown, used, expired, of another browser or another provider
	reasonProvider   = "provider"   // the provider says no, or cannot be understood
	reasonDomain     = "domain"     // no verified address of a trusted domain
	reasonNoAccount  = "no_account" // and none is made
	reasonRole       = "role"       // no group gives one
	reasonTaken      = "taken"      // the address is somebody's, and the provider is not trusted for it
	reasonLocked     = "locked"     // or gone
	reasonTemporary  = "temporary"  // nothing was decided
	claimTrue        = `"true"`     // some providers write booleans so
	algorithmsOfIDs  = "RS256 ES256 EdDSA"
	actionLogin      = "session.login"
	maxReturnAddress = 2000
)

// refused is why somebody is not signed in, one of the reasons.
type refused string

// Error returns the reason.
func (r refused) Error() string { return string(r) }

func random() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

func hashed(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// ownPath returns where to go after signing in: a path of our own pages, or "/". Whatever a browser could take for another site is none: a second slash or a backslash at the beginning, control characters, a scheme.
func ownPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || len(next) > maxReturnAddress || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") ||
		strings.ContainsFunc(next, func(r rune) bool { return r < ' ' || r == 0x7f }) || u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, "/\\") || strings.HasPrefix(u.Path, "/api/") {
		return "/"
	}
	return next
}

// secrets are what a sign-in under way must not show.
type secrets struct{ Nonce, Verifier string }

// Begin starts a sign-in at a provider and returns where to send the browser, and the value for its [BrowserCookie].
func (s *Service) Begin(ctx context.Context, id, next string) (address, browser string, err error) {
	if s.o.PublicURL == "" {
		return "", "", errNoAddress
	}
	p, err := s.named(ctx, id)
	if err != nil {
		return "", "", err
	}
	d, err := s.discover(ctx, p.Issuer)
	if err != nil {
		return "", "", errs.Wrap(errs.Unavailable, err, "The provider cannot be reached at the moment.")
	}
	c, err := s.config(ctx, p, d)
	if err != nil {
		return "", "", err
	}
	state, browser := random(), random()
	k := secrets{Nonce: random(), Verifier: oauth2.GenerateVerifier()}
	b, err := json.Marshal(k)
	if err != nil {
		return "", "", err
	}
	sealed, err := s.o.Sealer.Seal(ctx, p.tenant, "oidc_login|"+hashed(state), b)
	if err != nil {
		return "", "", err
	}
	now := s.o.Now()
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM oidc_login WHERE expires_at < $1`, now.UnixMicro()); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM oidc_login`).Scan(&n); err != nil {
			return err
		}
		if n >= maxLogins {
			return &errs.Error{Code: errs.Throttled, Message: "Too many people are signing in. Try again in some minutes.", RetryAfter: time.Minute}
		}
		_, err := scope.In(tx, p.tenant).Exec(ctx, `INSERT INTO oidc_login (state, provider_id, browser, secret, next, expires_at, tenant_id) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			hashed(state), p.ID, hashed(browser), sealed, ownPath(next), now.Add(loginFor).UnixMicro())
		return err
	})
	return c.AuthCodeURL(state, oidclib.Nonce(k.Nonce), oauth2.S256ChallengeOption(k.Verifier)), browser, err
}

// Answer is what a provider sent a browser back with.
type Answer struct {
	Provider, State, Code, Issuer, Error string
	Browser, Session                     string // cookies
}

// login is a sign-in under way.
type login struct {
	provider, browser, next string
	sealed                  []byte
	expires                 int64
}

// take removes a sign-in under way: whatever comes of it, its state works once.
func (s *Service) take(ctx context.Context, a Answer, p Provider) (secrets, string, error) {
	var l login
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		q := scope.In(tx, p.tenant)
		err := q.Row(ctx, `SELECT provider_id, browser, next, secret, expires_at FROM oidc_login WHERE state = $1 AND tenant_id = $2`, hashed(a.State)).Scan(&l.provider, &l.browser, &l.next, &l.sealed, &l.expires)
		if errors.Is(err, sql.ErrNoRows) {
			return refused(reasonState)
		}
		if err != nil {
			return err
		}
		return q.Must(ctx, refused(reasonState), `DELETE FROM oidc_login WHERE state = $1 AND tenant_id = $2`, hashed(a.State))
	})
	if err != nil {
		return secrets{}, "", err
	}
	if l.provider != p.ID || subtle.ConstantTimeCompare([]byte(l.browser), []byte(hashed(a.Browser))) != 1 || s.o.Now().UnixMicro() >= l.expires {
		return secrets{}, "", refused(reasonState)
	}
	b, err := s.o.Sealer.Unseal(ctx, p.tenant, "oidc_login|"+hashed(a.State), l.sealed)
	var k secrets
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	return k, l.next, err
}

// person is whom a provider vouches for.
type person struct {
	issuer, subject string
	session, token  string // sid, and the ID token as it came
	email, name     string
	verified        bool
	groups          []string
}

// Finish ends a sign-in that a provider sent back, and returns the session's cookies and where to go. The error is a refused, or of another code when nothing was decided.
func (s *Service) Finish(ctx context.Context, a Answer) (cookies []http.Cookie, next string, err error) {
	p, err := s.named(ctx, a.Provider)
	if errs.CodeOf(err) == errs.NotFound {
		return nil, "", refused(reasonState)
	}
	if err != nil {
		return nil, "", err
	}
	k, next, err := s.take(ctx, a, p)
	var who person
	if err == nil {
		who, err = s.redeem(ctx, a, p, k)
	}
	var user string
	if err == nil {
		user, err = s.account(ctx, p, who)
	}
	if err == nil {
		cookies, err = s.o.Accounts.SignIn(ctx, p.tenant, user, a.Session, p.Name, func(ctx context.Context, tx *sql.Tx, sessionID string) error {
			return s.remember(ctx, tx, p, who, sessionID)
		})
		if errs.CodeOf(err) == errs.Unauthorized {
			err = refused(reasonLocked)
		}
	}
	var why refused
	if errors.As(err, &why) {
		e := selfaudit.New(ctx, actor.Principal{TenantID: p.tenant}, "auth", actionLogin, "login", event.Resource{Type: "oidc_provider", ID: p.ID, Name: p.Name})
		e.Actor = event.Actor{Type: "anonymous"}
		s.o.Denials.Note(ctx, p.tenant, e, "oidc_"+string(why))
	}
	return cookies, next, err
}

// redeem exchanges the code and checks the ID token.
func (s *Service) redeem(ctx context.Context, a Answer, p Provider, k secrets) (person, error) {
	if a.Error != "" || a.Code == "" || a.Issuer != "" && a.Issuer != p.Issuer { // RFC 9207: an answer that names another issuer
		return person{}, refused(reasonProvider)
	}
	d, err := s.discover(ctx, p.Issuer)
	if err != nil {
		return person{}, errs.Wrap(errs.Unavailable, err, "The provider cannot be reached at the moment.")
	}
	c, err := s.config(ctx, p, d)
	if err != nil {
		return person{}, err
	}
	ctx = s.client(ctx)
	tok, err := c.Exchange(ctx, a.Code, oauth2.VerifierOption(k.Verifier))
	if err != nil {
		return person{}, s.misunderstood(ctx, err)
	}
	raw, _ := tok.Extra("id_token").(string)
	id, err := d.Verifier(&oidclib.Config{ClientID: p.ClientID, SupportedSigningAlgs: strings.Fields(algorithmsOfIDs), Now: s.o.Now}).Verify(ctx, raw)
	if err != nil {
		return person{}, s.misunderstood(ctx, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(k.Nonce)) != 1 || id.Subject == "" {
		return person{}, refused(reasonProvider)
	}
	claims := map[string]json.RawMessage{}
	if err := id.Claims(&claims); err != nil {
		return person{}, s.misunderstood(ctx, err)
	}
	var azp string
	if json.Unmarshal(claims["azp"], &azp); azp != "" && azp != p.ClientID || azp == "" && len(id.Audience) > 1 { //nolint:errcheck // absent is ""
		return person{}, refused(reasonProvider)
	}
	if _, there := claims["email"]; !there {
		if err := s.ask(ctx, d, tok, id.Subject, claims); err != nil {
			return person{}, err
		}
	}
	who := personOf(p, id.Subject, claims)
	who.token = raw
	_ = json.Unmarshal(claims["sid"], &who.session) // absent or of another type: there is none
	return who, nil
}

// ask adds what the provider tells only at its userinfo endpoint. What the ID token says stands.
func (s *Service) ask(ctx context.Context, d *oidclib.Provider, tok *oauth2.Token, subject string, claims map[string]json.RawMessage) error {
	if d.UserInfoEndpoint() == "" {
		return nil
	}
	info, err := d.UserInfo(ctx, oauth2.StaticTokenSource(tok))
	if err != nil {
		return s.misunderstood(ctx, err)
	}
	more := map[string]json.RawMessage{}
	if err := info.Claims(&more); err != nil || info.Subject != subject {
		return refused(reasonProvider)
	}
	for name, v := range more {
		if _, there := claims[name]; !there {
			claims[name] = v
		}
	}
	return nil
}

func (s *Service) misunderstood(ctx context.Context, err error) error {
	s.o.Logger.LogAttrs(ctx, slog.LevelInfo, "a sign-in at an OpenID provider failed", slog.String("request_id", api.RequestID(ctx)), slog.String("kind", kindOf(err)))
	return refused(reasonProvider)
}

// kindOf tells failures apart without quoting what the provider sent.
func kindOf(err error) string {
	var retrieve *oauth2.RetrieveError
	var expired *oidclib.TokenExpiredError
	switch {
	case errors.As(err, &retrieve):
		return "the token endpoint refuses"
	case errors.As(err, &expired):
		return "the ID token has expired"
	}
	return "the answer is not what OpenID Connect asks for"
}

func personOf(p Provider, subject string, claims map[string]json.RawMessage) person {
	who := person{issuer: p.Issuer, subject: subject}
	_ = json.Unmarshal(claims["email"], &who.email) // absent or of another type: there is none
	_ = json.Unmarshal(claims["name"], &who.name)
	verified := string(claims["email_verified"])
	who.verified = verified == "true" || verified == claimTrue
	var one string
	if json.Unmarshal(claims[p.GroupsClaim], &who.groups) != nil && json.Unmarshal(claims[p.GroupsClaim], &one) == nil {
		who.groups = []string{one}
	}
	who.groups = slices.DeleteFunc(who.groups, func(g string) bool { return g == "" })
	return who
}
