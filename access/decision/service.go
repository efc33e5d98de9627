package decision

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Recorder records events of the product in a tenant's ledger, together with an effect or nil: all or none of them.
type Recorder interface {
	RecordAll(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Source finds the events of decisions.
type Source interface {
	// Decision returns the event of the product with an id as it was recorded, nothing masked; NotFound when there is none.
	Decision(ctx context.Context, tenantID, id string) (*event.Record, error)
}

// Options of [New].
type Options struct {
	DB         *sqldb.DB
	Roles      *role.Service
	Recorder   Recorder
	Source     Source
	TenantKeys func(ctx context.Context, tenantID string) (*crypt.Tenant, error)
	// AddressIndex hashes an e-mail address as accounts are found by it.
	AddressIndex func(address string) []byte
	// PublicURL is where other systems reach this server, as it is configured; "" when that is not known.
	PublicURL string
	Logger    *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service decides. It is safe for concurrent use.
type Service struct {
	o        Options
	queue    *queue
	mu       sync.Mutex
	policies map[string]loaded
}

// loaded is a tenant's policy and the version of its access up to which it is known to hold.
type loaded struct {
	upTo int64
	c    *compiled
}

// New returns the service. Its events are recorded from [Service.Run] on.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Service{o: o, queue: newQueue(), policies: map[string]loaded{}}
}

// Decision is an answer.
type Decision struct {
	Result
	ID      string
	At      time.Time
	Version int64
}

// Evaluate answers one question for a caller, who needs the permission to ask.
func (s *Service) Evaluate(ctx context.Context, p actor.Principal, r *Request) (*Decision, error) {
	x, c, err := s.state(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	d, f := s.decide(x, c, r)
	s.queue.put(p.TenantID, s.event(ctx, p, r, d, f, c))
	return d, nil
}

func (s *Service) decide(x *role.Index, c *compiled, r *Request) (*Decision, facts) {
	f := s.facts(x, &r.Subject)
	d := &Decision{Result: evaluate(x, c, f, r), ID: uuid.Must(uuid.NewV7()).String(), At: f.At, Version: x.Version}
	return d, f
}

// facts finds out who the subject is: a person is named by id or by address.
func (s *Service) facts(x *role.Index, subject *Subject) facts {
	f := facts{At: s.o.Now().UTC().Truncate(time.Microsecond)}
	if subject.Type != "user" {
		return f
	}
	switch {
	case x.Account(subject.ID):
		f.User = subject.ID
	case strings.Contains(subject.ID, "@"):
		f.User = x.ByAddress(s.o.AddressIndex(subject.ID))
	}
	f.Locked = f.User != "" && x.Locked(f.User)
	return f
}

// state returns what decisions of a tenant are made of now.
func (s *Service) state(ctx context.Context, tenant string) (*role.Index, *compiled, error) {
	x, err := s.o.Roles.Of(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	l, ok := s.policies[tenant]
	s.mu.Unlock()
	if ok && l.upTo == x.Version {
		return x, l.c, nil
	}
	c, err := s.policyAt(ctx, tenant, x.Version)
	if err != nil {
		return nil, nil, err
	}
	if ok && l.c.version == c.version {
		c = l.c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policies[tenant] = loaded{x.Version, c}
	return x, c, nil
}

// policyAt returns the policy that held at a version.
func (s *Service) policyAt(ctx context.Context, tenant string, version int64) (*compiled, error) {
	var at int64
	var sealed []byte
	err := s.o.DB.Read(ctx).QueryRowContext(ctx, `SELECT version, document FROM access_policy WHERE version <= $1 AND tenant_id = $2 ORDER BY version DESC LIMIT 1`, version, tenant).Scan(&at, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return compile(Policy{}, 0, nil)
	}
	if err != nil {
		return nil, sqldb.Translate(err)
	}
	keys, err := s.o.TenantKeys(ctx, tenant)
	if err != nil {
		return nil, err
	}
	text, err := keys.Open("access_policy", sealed)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a policy cannot be read")
	}
	var p Policy
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a policy cannot be read")
	}
	return compile(p, at, nil)
}

// Policy returns the tenant's policy and the version that brought it.
func (s *Service) Policy(ctx context.Context, p actor.Principal) (Policy, int64, error) {
	if !p.Can(actor.DecisionsView) && !p.Can(actor.DecisionsManage) {
		return Policy{}, 0, errs.New(errs.Forbidden, "This needs the permission %s.", actor.DecisionsView)
	}
	_, c, err := s.state(ctx, p.TenantID)
	if err != nil {
		return Policy{}, 0, err
	}
	return c.policy, c.version, nil
}

// SetPolicy replaces the tenant's policy. expected is the version that it replaces; another one there is a Conflict.
func (s *Service) SetPolicy(ctx context.Context, p actor.Principal, next Policy, expected int64) (int64, error) {
	if !p.Can(actor.DecisionsManage) {
		return 0, errs.New(errs.Forbidden, "This needs the permission %s.", actor.DecisionsManage)
	}
	x, c, err := s.state(ctx, p.TenantID)
	if err != nil {
		return 0, err
	}
	if c.version != expected {
		return 0, errs.New(errs.Conflict, "The rules were changed meanwhile; look again.")
	}
	if _, err := compile(next, 0, x); err != nil {
		return 0, err
	}
	text, err := json.Marshal(next)
	if err != nil {
		return 0, errs.Wrap(errs.Internal, err, "a policy cannot be written")
	}
	keys, err := s.o.TenantKeys(ctx, p.TenantID)
	if err != nil {
		return 0, err
	}
	sealed, err := keys.Seal("access_policy", text)
	if err != nil {
		return 0, err
	}
	e := selfaudit.New(ctx, p, "config", "access.policy_update", "update", event.Resource{Type: "policy", ID: "decisions"})
	e.Changes = []event.Change{{Path: "/sha256", Op: "replace", Before: quoted(fingerprint(&c.policy)), After: quoted(fingerprint(&next))}, {Path: "/rules", Op: "replace", Before: list(c.policy.Rules), After: list(next.Rules)}}
	var version int64
	err = s.o.Roles.Extend(ctx, p, e, func(ctx context.Context, tx *sql.Tx, v int64) error {
		version = v
		var latest sql.NullInt64
		if err := tx.QueryRowContext(ctx, `SELECT MAX(version) FROM access_policy WHERE tenant_id = $1`, p.TenantID).Scan(&latest); err != nil {
			return sqldb.Translate(err)
		}
		if latest.Int64 != expected {
			return errs.New(errs.Conflict, "The rules were changed meanwhile; look again.")
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO access_policy (tenant_id, version, document, created_by, created_at) VALUES ($1, $2, $3, $4, $5)`, p.TenantID, v, sealed, p.ID(), s.o.Now().UnixMicro())
		return sqldb.Translate(err)
	})
	return version, err
}

// fingerprint is the hash of a policy; that of the empty one is the same for everybody.
func fingerprint(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("decision: a value cannot be written: " + err.Error()) // it was read from JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
