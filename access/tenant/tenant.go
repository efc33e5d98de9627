package tenant

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"probity.dev/internal/actor"
	"probity.dev/internal/confine"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// State is how a tenant stands.
type State string

// The states of a tenant.
const (
	Active    State = "active"
	Suspended State = "suspended"
	Leaving   State = "leaving" // suspended, and to be deleted when its time has come
	Deleted   State = "deleted" // only its log is left
)

// Grace bounds how long a tenant that was given up can still be taken back, in days.
const (
	LeastGrace   = 1
	DefaultGrace = 30
	MostGrace    = 365
)

const (
	maxName   = 100 // characters
	maxReason = 500
)

// Tenant is a tenant as who operates the installation sees it: nothing of what it holds.
type Tenant struct {
	ID        string
	Name      string
	CreatedAt time.Time
	// Operates says that this is the tenant whose people manage the others.
	Operates bool
	State    State
	// ChangedAt and Reason are those of the last change of State; zero for one that never changed.
	ChangedAt time.Time
	Reason    string
	// DeleteAt is when what can be deleted of a leaving tenant will be, at the earliest.
	DeleteAt time.Time
	// Problem says why that has not happened although it is due.
	Problem string
	// LogID names the log, Events is its size.
	LogID  string
	Events uint64
	// Users counts the accounts.
	Users int
}

// New is what is needed to make a tenant.
type New struct {
	Name string
	// Email and Person are those of its first administrator.
	Email, Person string
}

// Founded is a new tenant with the password of its first administrator, which is kept nowhere.
type Founded struct {
	Tenant
	Password string
}

// Log is what the ledger knows of a tenant.
type Log struct {
	ID     string
	Events uint64
}

// Ledger is what tenants need of the ledger, and of whatever else keeps something of them.
type Ledger interface {
	// Found makes a tenant with its log and its first administrator, and returns its id and the password.
	Found(ctx context.Context, n New) (id, password string, err error)
	// Log describes the log of a tenant.
	Log(ctx context.Context, tenantID string) (Log, error)
	// Held counts the legal holds on the evidence of a tenant that have not been released.
	Held(ctx context.Context, tenantID string) (int, error)
	// Forget seals and signs what the log holds, destroys the keys of the persons and deletes the working copies and other files of a tenant. It may be called again after any failure. Unavailable says that it is to be tried later.
	Forget(ctx context.Context, tenantID string) error
	// Forgotten tells this process that another one has called Forget.
	Forgotten(tenantID string)
}

// Recorder records events; see access.Recorder.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
	RecordLater(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer keeps what people write about a change.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
}

// Denials records refused attempts; see package denial.
type Denials interface {
	Note(ctx context.Context, tenantID string, e *event.Event, reason string)
}

// Options of [NewService]. Now and Logger may be nil.
type Options struct {
	DB       *sqldb.DB
	Ledger   Ledger
	Recorder Recorder
	Sealer   Sealer
	Denials  Denials
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service is the tenants of an installation. It is safe for concurrent use.
type Service struct {
	o         Options
	standings standings
}

// NewService returns the service.
func NewService(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o}
	s.standings.s = s
	return s
}

// everybody is the context of what concerns all tenants.
func everybody(ctx context.Context) context.Context {
	return confine.Lifted(ctx, "the tenants of the installation are managed by one of them")
}

// Operating is the id of the tenant that operates the installation: the first.
func (s *Service) Operating(ctx context.Context) (string, error) {
	var id string
	err := s.o.DB.Read(everybody(ctx)).QueryRowContext(everybody(ctx), `SELECT id FROM tenant ORDER BY no LIMIT 1`).Scan(&id)
	return id, sqldb.Translate(err)
}

// Operates reports whether a caller belongs to the tenant that operates the installation.
func (s *Service) Operates(ctx context.Context, p actor.Principal) (bool, error) {
	id, err := s.Operating(ctx)
	return err == nil && id == p.TenantID, err
}

// mayManage refuses whoever may not manage the tenants of the installation, and records it.
func (s *Service) mayManage(ctx context.Context, p actor.Principal, what string) error {
	operates, err := s.Operates(ctx, p)
	if err != nil {
		return err
	}
	switch {
	case !operates:
		s.o.Denials.Note(ctx, p.TenantID, newEvent(ctx, p, what, "other", p.TenantID), "tenant")
		return errs.New(errs.Forbidden, "The tenants of an installation are managed by the one that operates it.")
	case !p.Can(actor.TenantsManage):
		s.o.Denials.Note(ctx, p.TenantID, newEvent(ctx, p, what, "other", p.TenantID), "permission")
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.TenantsManage)
	}
	return nil
}

// checkText refuses what is too long for a line or no plain text.
func checkText(pointer, text string, most int) (string, error) {
	text = strings.TrimSpace(text)
	if n := utf8.RuneCountInString(text); n == 0 || n > most || !utf8.ValidString(text) || strings.IndexFunc(text, unicode.IsControl) >= 0 {
		return "", errs.Field(pointer, "wrong_format", "Give a text of 1 to %d characters in one line.", most)
	}
	return text, nil
}

// Tenants returns the tenants of the installation in the order of their making.
func (s *Service) Tenants(ctx context.Context, p actor.Principal) ([]Tenant, error) {
	if err := s.mayManage(ctx, p, actionList); err != nil {
		return nil, err
	}
	ctx = everybody(ctx)
	rows, err := s.rows(ctx, s.o.DB.Read(ctx), "")
	if err != nil {
		return nil, err
	}
	for i := range rows {
		if err := s.complete(ctx, &rows[i]); err != nil {
			return nil, err
		}
	}
	out := make([]Tenant, len(rows))
	for i := range rows {
		out[i] = rows[i].Tenant
	}
	return out, nil
}

// complete adds to a row what other tables and the log say.
func (s *Service) complete(ctx context.Context, r *row) error {
	log, err := s.o.Ledger.Log(ctx, r.ID)
	if err != nil {
		return err
	}
	r.LogID, r.Events = log.ID, log.Events
	if len(r.sealed) > 0 {
		b, err := s.o.Sealer.Unseal(ctx, r.ID, reasonLabel, r.sealed)
		if err != nil {
			return errs.Wrap(errs.Internal, err, "the reason of a change cannot be read")
		}
		r.Reason = string(b)
	}
	return nil
}

// Tenant returns one tenant. The error is NotFound when there is none.
func (s *Service) Tenant(ctx context.Context, p actor.Principal, id string) (Tenant, error) {
	if err := s.mayManage(ctx, p, actionList); err != nil {
		return Tenant{}, err
	}
	r, err := s.one(everybody(ctx), id)
	return r.Tenant, err
}

func (s *Service) one(ctx context.Context, id string) (row, error) {
	rows, err := s.rows(ctx, s.o.DB.Read(ctx), id)
	if err != nil {
		return row{}, err
	}
	if id == "" || len(rows) != 1 {
		return row{}, errs.New(errs.NotFound, "There is no such tenant.")
	}
	return rows[0], s.complete(ctx, &rows[0])
}

// Create makes a tenant with its log and its first administrator. The error is Conflict when there is one of the name.
func (s *Service) Create(ctx context.Context, p actor.Principal, n New) (Founded, error) {
	if err := s.mayManage(ctx, p, actionCreate); err != nil {
		return Founded{}, err
	}
	var err error
	if n.Name, err = checkText("/name", n.Name, maxName); err != nil {
		return Founded{}, err
	}
	own := p.TenantID
	ctx = everybody(ctx)
	rows, err := s.rows(ctx, s.o.DB.Read(ctx), "")
	if err != nil {
		return Founded{}, err
	}
	for _, r := range rows {
		if strings.EqualFold(r.Name, n.Name) && r.State != Deleted {
			return Founded{}, errs.New(errs.Conflict, "There is a tenant of this name already.")
		}
	}
	id, password, err := s.o.Ledger.Found(ctx, n)
	if err != nil {
		return Founded{}, err
	}
	e := newEvent(ctx, p, actionCreate, "create", id)
	e.Resource.Name = n.Name
	if err := s.o.Recorder.RecordLater(ctx, own, e, nothing); err != nil {
		return Founded{}, err
	}
	made, err := s.one(ctx, id)
	return Founded{made.Tenant, password}, err
}

func nothing(context.Context, *sql.Tx) error { return nil }
