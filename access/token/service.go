package token

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"probity.dev/access/denial"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Recorder records an event together with its effect; see access.Recorder.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer keeps secrets of a tenant.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
}

// Sessions knows the console sessions.
type Sessions interface {
	// BySession returns the caller of a session as it would be now; Unauthorized when the session has ended or its person is locked.
	BySession(ctx context.Context, tenantID, sessionID string) (p actor.Principal, expires time.Time, err error)
}

// Guard says whether an address may be entered; *outbound.Client is one.
type Guard interface {
	CheckURL(raw string) (*url.URL, error)
}

// Options of [New].
type Options struct {
	DB       *sqldb.DB
	Recorder Recorder
	Sealer   Sealer
	Sessions Sessions
	Denials  *denial.Log
	HTTP     Outbound
	Guard    Guard
	// PublicURL is the issuer of tokens of our own, without a trailing slash; "" makes none.
	PublicURL string
	Logger    *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service accepts and makes tokens. It is safe for concurrent use.
type Service struct {
	o       Options
	sets    keySets
	issuers issuerCache
}

// New returns the service.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o, sets: keySets{http: o.HTTP, log: o.Logger, now: o.Now}, issuers: issuerCache{now: o.Now}}
}

// Verified is what a token says, all of it checked.
type Verified struct {
	TenantID string
	// Caller is whom it stands for.
	Caller actor.Principal
	// Subject is the sub of the token, or the id of the person of a session. It may be personal.
	Subject string
	// Roles are the values of the claim roles, or the role that the person of a session has now.
	Roles     []string
	ExpiresAt time.Time
}

// Authenticator returns an authenticator that takes tokens and leaves every other credential to next.
func (s *Service) Authenticator(next api.Authenticator) api.Authenticator {
	return authenticator{s, next}
}

type authenticator struct {
	s    *Service
	next api.Authenticator
}

// Authenticate implements [api.Authenticator].
func (a authenticator) Authenticate(ctx context.Context, r *http.Request) (actor.Principal, error) {
	text, ok := Bearer(r.Header)
	if !ok {
		return a.next.Authenticate(ctx, r)
	}
	v, err := a.s.Verify(ctx, text)
	if err != nil {
		return actor.Principal{}, err
	}
	return v.Caller, nil
}

// Bearer returns the token of a request's one Authorization header; other credentials are no tokens.
func Bearer(h http.Header) (string, bool) {
	auth := h.Values("Authorization")
	if len(auth) != 1 {
		return "", false
	}
	scheme, text, _ := strings.Cut(auth[0], " ")
	text = strings.TrimSpace(text)
	return text, strings.EqualFold(scheme, "Bearer") && isJWT(text)
}

// Refused is the error of a token that is not accepted: Unauthorized, with the reason.
type Refused struct {
	Reason string
	// TenantID is set when the token names an issuer and an audience of a tenant.
	TenantID string

	about event.Resource
	err   *errs.Error
}

// Error returns the sentence that callers see.
func (r *Refused) Error() string { return r.err.Message }

// Undecided reports whether the token may be good, and the keys of its issuer cannot be had.
func (r *Refused) Undecided() bool { return r.Reason == string(refusedNoKeys) }

// Unwrap returns the error that callers see.
func (r *Refused) Unwrap() error { return r.err }

var sentences = map[refusal]string{
	refusedTooLarge: "The token is larger than 8 KiB.", refusedAlgorithm: "The token must be signed with RS256, ES256 or EdDSA.",
	refusedHeader: "The header of the token holds a member that is not allowed here.", refusedExpired: "The token has expired.", refusedNotYet: "The token is not valid yet.",
	refusedFuture: "The token says that it was issued in the future.", refusedIssuer: "Nobody here trusts the issuer of this token for its audience.",
	refusedKey: "The issuer of the token has published no key with this kid.", refusedNoKeys: "The keys of the token's issuer cannot be had at the moment.", refusedSession: "The session of this token has ended.",
}

func (s *Service) refused(ctx context.Context, is *Issuer, why error) error {
	var reason refusal
	if !errors.As(why, &reason) {
		return why
	}
	message := sentences[reason]
	if message == "" {
		message = "The token is not valid."
	}
	out := &Refused{Reason: string(reason), err: errs.New(errs.Unauthorized, "%s", message)}
	s.o.Logger.LogAttrs(ctx, slog.LevelInfo, "a token is refused", slog.String("request_id", api.RequestID(ctx)), slog.String("reason", string(reason)))
	if is != nil {
		out.TenantID, out.about = is.TenantID, event.Resource{Type: "token_issuer", ID: is.ID, Name: is.Name}
	}
	return out
}

// Verify checks a token and says whom it stands for. The error is a [Refused], which is recorded where it is known whose tenant the token was aimed at, or of another code when nothing could be decided.
func (s *Service) Verify(ctx context.Context, text string) (Verified, error) {
	v, err := s.Check(ctx, text)
	var r *Refused
	if errors.As(err, &r) && r.TenantID != "" {
		e := selfaudit.New(ctx, actor.Principal{TenantID: r.TenantID}, "auth", "token.refuse", "deny", r.about)
		e.Actor = event.Actor{Type: "anonymous"}
		s.o.Denials.Note(ctx, r.TenantID, e, r.Reason)
	}
	return v, err
}

// Check is Verify for those who record refusals themselves.
func (s *Service) Check(ctx context.Context, text string) (Verified, error) {
	t, err := parse(text)
	if err != nil {
		return Verified{}, s.refused(ctx, s.aimed(ctx, t), err)
	}
	if s.o.PublicURL != "" && t.claims.issuer == s.o.PublicURL {
		return s.verifyOwn(ctx, t)
	}
	is, err := s.issuer(ctx, t)
	if err != nil {
		return Verified{}, s.refused(ctx, nil, err)
	}
	key, err := s.sets.find(ctx, is.JWKSURL, t.kid)
	if err == nil {
		err = t.signed(key)
	}
	if err == nil {
		err = t.claims.timely(s.o.Now())
	}
	if err != nil {
		return Verified{}, s.refused(ctx, &is, err)
	}
	c := &t.claims
	p := actor.Principal{TenantID: is.TenantID, KeyID: actor.ServiceKeyID(is.ID, c.subject), Name: c.subject, Permissions: is.allows(c.values(is.Claim))}
	return Verified{TenantID: is.TenantID, Caller: p, Subject: c.subject, Roles: c.values("roles"), ExpiresAt: c.expires}, nil
}

// aimed returns the issuer that a token claims to be of whose header is refused, so that the tenant learns of the attempt; nil when there is none.
func (s *Service) aimed(ctx context.Context, t *webToken) *Issuer {
	if t == nil || t.claims.issuer == "" {
		return nil
	}
	is, err := s.issuer(ctx, t)
	if err != nil {
		return nil
	}
	return &is
}

// issuer returns the one issuer that a token's iss and aud lead to. A token that is for two tenants at once is for none.
func (s *Service) issuer(ctx context.Context, t *webToken) (Issuer, error) {
	named, err := s.issuers.get(ctx, s.o.DB, t.claims.issuer)
	if err != nil {
		return Issuer{}, err
	}
	var found []Issuer
	for _, is := range named {
		if !is.Paused && slices.Contains(t.claims.audience, is.Audience) {
			found = append(found, is)
		}
	}
	if len(found) != 1 {
		return Issuer{}, refusedIssuer
	}
	return found[0], nil
}

// Present returns the rights that a caller has now who came with a token earlier and asked for something that takes longer than the token was valid; see access.Service.Present. It is Forbidden when the issuer is no longer trusted.
func (s *Service) Present(ctx context.Context, asked actor.Principal) (actor.Principal, error) {
	is, err := issuerOf(ctx, s.o.DB.Read(ctx), asked.TenantID, asked.ServiceIssuer())
	if errs.CodeOf(err) == errs.NotFound || err == nil && is.Paused {
		return actor.Principal{}, errs.New(errs.Forbidden, "Whoever asked for this may not do it any more.")
	}
	if err != nil {
		return actor.Principal{}, err
	}
	asked.Permissions = slices.DeleteFunc(slices.Clone(asked.Permissions), func(p string) bool { return !slices.Contains(is.Permissions, p) })
	return asked, nil
}

const (
	issuersFor       = time.Second // how long another server may go on taking tokens of an issuer that was removed on this one
	maxCachedIssuers = 4096
)

// issuerCache remembers issuers by name, those too that nobody has.
type issuerCache struct {
	now  func() time.Time
	mu   sync.Mutex
	rows map[string]cachedIssuers
	gen  int // of clears: what was read before one is not kept
}

type cachedIssuers struct {
	list []Issuer
	at   time.Time
}

func (c *issuerCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows = nil
	c.gen++
}

func (c *issuerCache) get(ctx context.Context, db *sqldb.DB, name string) ([]Issuer, error) {
	c.mu.Lock()
	e, ok := c.rows[name]
	gen, now := c.gen, c.now()
	c.mu.Unlock()
	if ok && now.Sub(e.at) < issuersFor {
		return e.list, nil
	}
	list, err := issuersNamed(ctx, db.Read(ctx), name)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen == gen {
		if c.rows == nil || len(c.rows) >= maxCachedIssuers {
			c.rows = map[string]cachedIssuers{}
		}
		c.rows[name] = cachedIssuers{list, now}
	}
	return list, nil
}
