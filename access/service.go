package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity.dev/access/mfa"
	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// Recorder records an event of the product in a tenant's ledger together with its effect: both or neither, in one transaction. When effect returns an error, nothing is
// recorded and that error comes back. Effect may run more than once, each time in a transaction of which the earlier ones left nothing.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
	// RecordLater is Record, but when the log takes no events the effect takes place all the same, and the event is kept with it until it can be recorded.
	RecordLater(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Options of [New].
type Options struct {
	DB       *sqldb.DB
	Recorder Recorder
	// KMS wraps the secret under which addresses are looked up.
	KMS crypt.KMS
	// TenantKeys returns a tenant's keyset. It is called for every request of a session and should answer from memory.
	TenantKeys func(ctx context.Context, tenantID string) (*crypt.Tenant, error)
	// SessionIdle and SessionAbsolute end console sessions; 30 minutes and 12 hours when zero.
	SessionIdle, SessionAbsolute time.Duration
	// StepUpFor is how long a proof of who somebody is counts for what is grave; 5 minutes when zero.
	StepUpFor time.Duration
	// InvitationFor is how long the link of an invitation works; 72 hours when zero.
	InvitationFor time.Duration
	// Breached knows passwords that nobody may choose; may be nil.
	Breached Breached
	// PublicURL is the address under which people reach the server: passkeys and links in e-mails belong to it. Without it there are none.
	PublicURL string
	// Instance names the installation where authenticator apps and browsers show it.
	Instance string
	// Secure marks the session cookie Secure; set it when people use https.
	Secure bool
	Logger *slog.Logger
	// Notice returns what everybody of a tenant should know, such as that the log takes no events; "" is nothing. May be nil.
	Notice func(ctx context.Context, tenantID string) string
	// AtWork refuses tenants in which nobody may do anything at the moment, see package tenant. May be nil.
	AtWork func(ctx context.Context, tenantID string) error
	// Throttled records that somebody who had tried too often was kept out, unless nil. It counts floods rather than recording each attempt.
	Throttled func(ctx context.Context, tenantID string, e *event.Event)
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service is the access domain. It is safe for concurrent use.
type Service struct {
	o        Options
	hasher   *hasher
	passkeys *mfa.Passkeys // nil when PublicURL allows none
	indexKey []byte
	keys     keyCache
	roles    *role.Service
	held     held
	settleMu sync.Mutex
	post     *post         // nil when no e-mail can be sent
	asked    chan struct{} // somebody has said that a password is forgotten

	seenMu   sync.Mutex
	sessions map[string]int64 // last use not yet written, by id
	used     map[string]int64
}

// New returns the service. The database must be migrated.
func New(ctx context.Context, o Options) (*Service, error) {
	if o.SessionIdle == 0 {
		o.SessionIdle = 30 * time.Minute
	}
	if o.SessionAbsolute == 0 {
		o.SessionAbsolute = 12 * time.Hour
	}
	if o.StepUpFor == 0 {
		o.StepUpFor = 5 * time.Minute
	}
	if o.InvitationFor == 0 {
		o.InvitationFor = 72 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	aad := secretAAD(indexSecret)
	key, err := secret(ctx, o.DB, indexSecret,
		func(b []byte) ([]byte, error) { return o.KMS.Wrap(ctx, b, aad) }, func(b []byte) ([]byte, error) { return o.KMS.Unwrap(ctx, b, aad) })
	if err != nil {
		return nil, fmt.Errorf("open the secret of the access domain: %w", err)
	}
	s := &Service{o: o, hasher: newHasher(), indexKey: key, asked: make(chan struct{}, 1), sessions: map[string]int64{}, used: map[string]int64{}}
	s.keys.now = o.Now
	s.roles = role.New(role.Options{DB: o.DB, Recorder: o.Recorder, TenantKeys: o.TenantKeys, Names: s.Names, Logger: o.Logger, Now: o.Now})
	s.passkeys, err = mfa.NewPasskeys(o.PublicURL, "Probity ("+o.Instance+")", s.index("passkeys"), o.Now)
	return s, err
}

// index is a keyed hash by which something personal can be found without being stored.
func (s *Service) index(label string) []byte {
	m := hmac.New(sha256.New, s.indexKey)
	m.Write([]byte(label))
	return m.Sum(nil)
}

func (s *Service) emailIndex(email string) []byte { return s.index("email|" + normalEmail(email)) }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// sealAccount fills in the sealed columns of a new account.
func (s *Service) sealAccount(ctx context.Context, a *account, email, name string) error {
	keys, err := s.o.TenantKeys(ctx, a.tenant)
	if err != nil {
		return err
	}
	if a.email, err = keys.Seal("account|"+a.id+"|email", []byte(email)); err != nil {
		return err
	}
	a.name, err = keys.Seal("account|"+a.id+"|name", []byte(name))
	return err
}

// open returns an account with its e-mail and name readable.
func (s *Service) open(ctx context.Context, a account) (User, error) {
	keys, err := s.o.TenantKeys(ctx, a.tenant)
	if err != nil {
		return User{}, err
	}
	email, err := keys.Open("account|"+a.id+"|email", a.email)
	if err != nil {
		return User{}, errs.Wrap(errs.Internal, err, "an account cannot be read")
	}
	name, err := keys.Open("account|"+a.id+"|name", a.name)
	if err != nil {
		return User{}, errs.Wrap(errs.Internal, err, "an account cannot be read")
	}
	rights, err := s.roles.Rights(ctx, a.tenant, a.id)
	if err != nil {
		return User{}, err
	}
	primary := ""
	if len(rights.Roles) > 0 {
		primary = rights.Roles[0]
	}
	return User{ID: a.id, TenantID: a.tenant, Email: string(email), Name: string(name), Role: primary, Roles: rights.Roles, rights: rights,
		CreatedAt: time.UnixMicro(a.createdAt).UTC(), LockedAt: timeOf(a.lockedAt), LastLoginAt: timeOf(a.lastLoginAt)}, nil
}

// AddressIndex hashes an e-mail address as accounts are found by it.
func (s *Service) AddressIndex(address string) []byte { return s.emailIndex(address) }

// Roles are what people of each tenant may do.
func (s *Service) Roles() *role.Service { return s.roles }

// Names returns the names of a tenant's people by id.
func (s *Service) Names(ctx context.Context, tenant string) (map[string]string, error) {
	rows, err := in(s.o.DB.Read(ctx), tenant).accounts(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := s.o.TenantKeys(ctx, tenant)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(rows))
	for _, a := range rows {
		name, err := keys.Open("account|"+a.id+"|name", a.name)
		if err != nil {
			return nil, errs.Wrap(errs.Internal, err, "an account cannot be read")
		}
		out[a.id] = string(name)
	}
	return out, nil
}

// person is the principal of a user who calls.
func person(u User) actor.Principal {
	return actor.Principal{TenantID: u.TenantID, UserID: u.ID, Name: u.Name, Email: u.Email, Roles: u.rights.Roles, MaskAs: u.rights.MaskAs, Permissions: u.rights.Permissions}
}

// Client is where a request comes from, for throttling and for the ledger.
type Client struct {
	IP        netip.Addr
	Hops      []string
	UserAgent string
	RequestID string
}

// ClientOf returns the client of the request being served.
func ClientOf(ctx context.Context) Client {
	return Client{IP: api.ClientIP(ctx), Hops: api.Hops(ctx), UserAgent: api.UserAgent(ctx), RequestID: api.RequestID(ctx)}
}
