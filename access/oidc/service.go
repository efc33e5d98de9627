package oidc

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	oidclib "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"probity.dev/access/denial"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
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

// Accounts are the accounts and sessions that people get.
type Accounts interface {
	// ByEmail returns the id of the account with an address in a tenant; NotFound when nobody has it.
	ByEmail(ctx context.Context, tenantID, email string) (string, error)
	// Provision makes an account without a password, with also in the same transaction.
	Provision(ctx context.Context, by actor.Principal, email, name, role, source string, also func(ctx context.Context, tx *sql.Tx, userID string) error) (string, error)
	// SetRole gives an account the role that groups map to.
	SetRole(ctx context.Context, by actor.Principal, userID, role string) error
	// SignIn starts a session of an account and returns its cookies, with also in the same transaction; Unauthorized when the account is locked or gone. previous is the session that the browser had.
	SignIn(ctx context.Context, tenantID, userID, previous, source string, also func(ctx context.Context, tx *sql.Tx, sessionID string) error) ([]http.Cookie, error)
	// SignOut ends the caller's session and returns the cookies that say so.
	SignOut(ctx context.Context, p actor.Principal) ([]http.Cookie, error)
	// EndOutside ends sessions of the tenant of by, and returns how many there still were.
	EndOutside(ctx context.Context, by actor.Principal, sessions []string, source string) (int, error)
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
	Accounts Accounts
	Denials  *denial.Log
	// Transport carries requests to providers over guarded connections.
	Transport http.RoundTripper
	Guard     Guard
	// Index is a keyed hash of the installation.
	Index func(label string) []byte
	// OnlyTenant returns the tenant of an installation that has one, "" otherwise.
	OnlyTenant func(ctx context.Context) (string, error)
	// SessionFor is how long a session lasts at the most.
	SessionFor time.Duration
	// PublicURL is where people are sent back to, without a trailing slash; "" lets nobody sign in this way.
	PublicURL string
	// Secure marks cookies so; set it when people use https.
	Secure bool
	Logger *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service signs people in. It is safe for concurrent use.
type Service struct {
	o    Options
	http *http.Client

	mu    sync.Mutex
	known map[string]described
}

// described is a provider's description, which is fetched again after a while; its keys are kept with it.
type described struct {
	p  *oidclib.Provider
	at time.Time
}

const (
	requestTimeout = 10 * time.Second
	maxAnswer      = 1 << 20 // bytes of an answer of a provider
	describedFor   = time.Hour
	maxDescribed   = 1000
)

// New returns the service.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{o: o, known: map[string]described{}}
	s.http = &http.Client{Transport: bounded{o.Transport}, Timeout: requestTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s
}

// bounded cuts answers: the libraries read them whole.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxAnswer), res.Body}
	}
	return res, err
}

// client returns a context in which the libraries use guarded connections.
func (s *Service) client(ctx context.Context) context.Context {
	return oidclib.ClientContext(ctx, s.http)
}

// discover returns the description of an issuer.
func (s *Service) discover(ctx context.Context, issuer string) (*oidclib.Provider, error) {
	s.mu.Lock()
	d, ok := s.known[issuer]
	s.mu.Unlock()
	if ok && s.o.Now().Sub(d.at) < describedFor {
		return d.p, nil
	}
	// The keys are fetched later, for others than the one who asks now.
	p, err := oidclib.NewProvider(s.client(context.WithoutCancel(ctx)), issuer)
	if err != nil {
		if e := outbound.AsError(err); e != nil {
			return nil, e
		}
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "the description of an OpenID provider cannot be used", slog.String("error", firstLine(err)))
		return nil, errs.New(errs.Unavailable, "the address leads to no description of an OpenID provider of this name")
	}
	for _, address := range []string{p.Endpoint().AuthURL, p.Endpoint().TokenURL} {
		if _, err := s.o.Guard.CheckURL(address); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxDescribed {
		s.known = map[string]described{}
	}
	s.known[issuer] = described{p, s.o.Now()}
	return p, nil
}

// firstLine is what may be logged of a library's error, which can quote a whole answer.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	if len(line) > 200 {
		line = strings.ToValidUTF8(line[:200], "")
	}
	return line
}

// sentence is the message of an error as a sentence of its own.
func sentence(err error) string {
	if e := outbound.AsError(err); e != nil {
		m := e.Error()
		return strings.ToUpper(m[:1]) + m[1:] + "."
	}
	var own *errs.Error
	if errors.As(err, &own) {
		return own.Message + "."
	}
	return "it does not answer as one."
}

func (s *Service) redirectURL(id string) string {
	return s.o.PublicURL + "/api/session/oidc/" + id + "/callback"
}

func (s *Service) config(ctx context.Context, p Provider, described *oidclib.Provider) (*oauth2.Config, error) {
	secret := []byte{}
	if p.HasSecret {
		var err error
		if secret, err = s.o.Sealer.Unseal(ctx, p.tenant, "oidc_provider|"+p.ID, p.sealed); err != nil {
			return nil, errs.Wrap(errs.Internal, err, "a provider's secret cannot be read")
		}
	}
	return &oauth2.Config{ClientID: p.ClientID, ClientSecret: string(secret), Endpoint: described.Endpoint(), RedirectURL: s.redirectURL(p.ID), Scopes: []string{oidclib.ScopeOpenID, "email", "profile"}}, nil
}
