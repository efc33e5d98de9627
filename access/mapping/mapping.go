package mapping

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/worker"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Recorder records an event together with its effect, in one transaction.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer encrypts under the tenant's keyset.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
}

// People knows who has which role here.
type People interface {
	Holders(ctx context.Context, tenantID string) ([]Holder, error)
	// Known reports whether there is a role.
	Known(ctx context.Context, tenantID, roleID string) (bool, error)
}

// Guard says whether an address may be entered; *outbound.Client is one.
type Guard interface {
	CheckURL(raw string) (*url.URL, error)
}

// Options of [New]. Logger and Now may be left out.
type Options struct {
	DB       *sqldb.DB
	Recorder Recorder
	Sealer   Sealer
	People   People
	Jobs     *jobs.Service
	// Queue is where runs wait.
	Queue string
	// Guard and Transport carry requests over guarded connections.
	Guard     Guard
	Transport http.RoundTripper
	// Formula reports whether a spreadsheet may take a text for a formula.
	Formula func(text string) bool
	Logger  *slog.Logger
	Now     func() time.Time
}

// Definition is what somebody enters about a system.
type Definition struct {
	Name string `json:"name" minLength:"1" maxLength:"100"`
	Kind string `json:"kind" enum:"http,medusa,strapi"`
	Base string `json:"base" maxLength:"1000" example:"https://shop.example.com" doc:"Where the system is; requests go there and nowhere else"`
	// Spec describes the requests of a system of the kind http; for the other kinds it is known.
	Spec  *Spec  `json:"spec,omitempty"`
	Rules []Rule `json:"rules" maxItems:"500" nullable:"false"`
	// Apply lets runs change the system; otherwise they only report.
	Apply bool `json:"apply" doc:"Let runs change roles there; otherwise they only report what differs"`
	// EveryHours is how often a run begins by itself, 0 for never.
	EveryHours int `json:"every_hours" minimum:"0" maximum:"720" format:"int32"`
	PerSecond  int `json:"per_second,omitempty" minimum:"0" maximum:"50" format:"int32" doc:"How many requests a second at most; 5 when left out"`
	MaxChanges int `json:"max_changes,omitempty" minimum:"0" maximum:"100000" format:"int32" doc:"A run that would change more than this changes nothing; 100 when left out"`
}

// System is a system elsewhere.
type System struct {
	ID string `json:"id"`
	Definition
	HasSecret bool       `json:"has_secret"`
	CreatedAt time.Time  `json:"created_at"`
	NextAt    *time.Time `json:"next_at,omitempty" doc:"When the next run by the clock begins"`
	Last      *Run       `json:"last,omitempty" doc:"The newest run"`

	tenant         string
	sealed, secret []byte
	nextAt         int64
}

// Run states.
const (
	Queued  = "queued"
	Running = "running"
	Done    = "done"
	Failed  = "failed"
)

// Run is one comparison, and the changes that followed.
type Run struct {
	ID        string     `json:"id"`
	Apply     bool       `json:"apply"`
	State     string     `json:"state" enum:"queued,running,done,failed"`
	Requester string     `json:"requested_by,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Problem   string     `json:"problem,omitempty"`
	Report    *Report    `json:"report,omitempty"`

	tenant, system string
	sealed         []byte
}

// Report is what a run found and did.
type Report struct {
	ComparedAt time.Time    `json:"compared_at"`
	People     int          `json:"people" format:"int32" doc:"Elsewhere"`
	Items      []Difference `json:"items"`
}

const (
	maxSystems        = 50 // of a tenant
	maxSecret         = 4096
	defaultPerSecond  = 5
	defaultMaxChanges = 100
	keepRuns          = 50 // of a system
)

// Service is the systems of all tenants. It is safe for concurrent use.
type Service struct {
	o       Options
	workers worker.Group
}

// New returns the service and registers its kind of job.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o}
	jobs.Register(o.Jobs, jobs.Kind[runArgs]{Queue: o.Queue, Attempts: 8, BackOff: 20 * time.Second, Timeout: 6 * time.Hour, Work: s.work, Failed: s.failed})
	return s
}

func (s *Service) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func mayManage(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.AccessManage) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessManage)
	}
	return nil
}

func mayView(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.AccessView) && !p.Can(actor.AccessManage) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessView)
	}
	return nil
}

// spec is how the system is spoken to.
func (d *Definition) spec() (Spec, error) {
	switch d.Kind {
	case KindMedusa:
		return Medusa(), nil
	case KindStrapi:
		return Strapi(), nil
	case KindHTTP:
		if d.Spec != nil {
			return *d.Spec, nil
		}
		return Spec{}, errs.Field("/spec", "required", "Describe the requests of the system.")
	}
	return Spec{}, errs.Field("/kind", "not_allowed", "The kind is http, medusa or strapi.")
}

func (s *Service) check(ctx context.Context, tenant string, d *Definition) error {
	d.Name = strings.TrimSpace(d.Name)
	if n := utf8.RuneCountInString(d.Name); n == 0 || n > 100 || strings.ContainsFunc(d.Name, unicode.IsControl) {
		return errs.Field("/name", "required", "Give the system a name of 1 to 100 characters.")
	}
	spec, err := d.spec()
	if err != nil {
		return err
	}
	if d.Kind != KindHTTP {
		d.Spec = nil
	}
	if err := spec.check(); err != nil {
		return err
	}
	d.Base = strings.TrimRight(strings.TrimSpace(d.Base), "/")
	u, err := s.o.Guard.CheckURL(d.Base)
	if err != nil {
		return errs.Field("/base", "not_allowed", "%s.", err)
	}
	if u.RawQuery != "" || u.User != nil || strings.Contains(u.Path, "..") {
		return errs.Field("/base", "wrong_format", "The base is a web address without a user and without ?.")
	}
	seen := map[Rule]bool{}
	for _, r := range d.Rules {
		if seen[r] || r.Outside == "" || strings.ContainsFunc(r.Outside, unicode.IsControl) {
			return errs.Field("/rules", "wrong_format", "Each rule names a role here and one there, once.")
		}
		seen[r] = true
		if known, err := s.o.People.Known(ctx, tenant, r.RoleID); err != nil || !known {
			if err == nil {
				err = errs.Field("/rules", "not_found", "A rule names a role that is not there.")
			}
			return err
		}
	}
	if d.PerSecond == 0 {
		d.PerSecond = defaultPerSecond
	}
	if d.MaxChanges == 0 {
		d.MaxChanges = defaultMaxChanges
	}
	return nil
}

func checkSecret(secret string) error {
	if secret == "" || len(secret) > maxSecret || strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errs.Field("/secret", "required", "Give the secret that the system knows, in one line.")
	}
	return nil
}

// Put makes a system (id is "") or replaces the definition of one; secret replaces the one that it has, nil keeps it. The secret of a system that moves elsewhere has to be given anew: otherwise whoever can change the address could read it.
func (s *Service) Put(ctx context.Context, by actor.Principal, id string, d Definition, secret *string) (*System, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	if err := s.check(ctx, by.TenantID, &d); err != nil {
		return nil, err
	}
	x := &System{ID: newID(), tenant: by.TenantID, CreatedAt: s.now()}
	var before map[string]any
	if id != "" {
		old, err := s.one(ctx, by.TenantID, id)
		if err != nil {
			return nil, err
		}
		if secret == nil && (old.Base != d.Base || old.Kind != d.Kind || d.Kind == KindHTTP && !sameSpec(old.Spec, d.Spec)) {
			return nil, errs.Field("/secret", "required", "The system is spoken to in another way or elsewhere: give its secret anew.")
		}
		before, x = fields(&old.Definition), old
	} else if secret == nil {
		return nil, errs.Field("/secret", "required", "Give the secret that the system knows.")
	}
	x.Definition = d
	x.nextAt = 0
	if d.EveryHours > 0 {
		x.nextAt = s.now().Add(time.Duration(d.EveryHours) * time.Hour).UnixMicro()
	}
	if err := s.seal(ctx, x, secret); err != nil {
		return nil, err
	}
	action, activity := "role_mapping.create", "create"
	if id != "" {
		action, activity = "role_mapping.update", "update"
	}
	e := newEvent(ctx, action, activity, by, x)
	e.Changes = selfaudit.Changes(before, fields(&d))
	if id != "" && secret != nil {
		e.Data = append(e.Data, selfaudit.Member("secret", "replaced"))
	}
	if err := s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return put(ctx, tx, x, id == "") }); err != nil {
		return nil, err
	}
	return s.Get(ctx, by, x.ID)
}

func sameSpec(a, b *Spec) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

func fields(d *Definition) map[string]any {
	out := map[string]any{"/name": d.Name, "/kind": d.Kind, "/base": d.Base, "/rules": d.Rules, "/apply": d.Apply, "/every_hours": d.EveryHours, "/per_second": d.PerSecond, "/max_changes": d.MaxChanges}
	if d.Spec != nil {
		out["/spec"] = d.Spec
	}
	return out
}

func (s *Service) seal(ctx context.Context, x *System, secret *string) error {
	text, err := json.Marshal(x.Definition)
	if err != nil {
		return err
	}
	if x.sealed, err = s.o.Sealer.Seal(ctx, x.tenant, "access_system|"+x.ID, text); err != nil || secret == nil {
		return err
	}
	if err := checkSecret(*secret); err != nil {
		return err
	}
	x.secret, err = s.o.Sealer.Seal(ctx, x.tenant, "access_system|"+x.ID+"|secret", []byte(*secret))
	return err
}

func newEvent(ctx context.Context, action, activity string, by actor.Principal, x *System) *event.Event {
	return selfaudit.New(ctx, by, "access", action, activity, event.Resource{Type: "access_system", ID: x.ID, Name: x.Name})
}

// Delete forgets a system with its runs. Nothing changes there.
func (s *Service) Delete(ctx context.Context, by actor.Principal, id string) error {
	if err := mayManage(by); err != nil {
		return err
	}
	x, err := s.one(ctx, by.TenantID, id)
	if err != nil {
		return err
	}
	e := newEvent(ctx, "role_mapping.delete", "delete", by, x)
	e.Changes = selfaudit.Changes(fields(&x.Definition), nil)
	return s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return remove(ctx, tx, x) })
}

// one returns a system, readable.
func (s *Service) one(ctx context.Context, tenant, id string) (*System, error) {
	x, err := get(ctx, s.o.DB.Read(ctx), tenant, id)
	if err == nil {
		err = s.open(ctx, x)
	}
	return x, err
}

func (s *Service) open(ctx context.Context, x *System) error {
	text, err := s.o.Sealer.Unseal(ctx, x.tenant, "access_system|"+x.ID, x.sealed)
	if err == nil {
		err = json.Unmarshal(text, &x.Definition)
	}
	if err != nil {
		return errs.New(errs.Internal, "a system cannot be read")
	}
	x.HasSecret = len(x.secret) > 0
	if x.nextAt > 0 {
		at := time.UnixMicro(x.nextAt).UTC()
		x.NextAt = &at
	}
	return nil
}

// Get returns a system of the caller's tenant, without its secret.
func (s *Service) Get(ctx context.Context, by actor.Principal, id string) (*System, error) {
	if err := mayView(by); err != nil {
		return nil, err
	}
	x, err := s.one(ctx, by.TenantID, id)
	if err != nil {
		return nil, err
	}
	return x, s.latest(ctx, x)
}

// latest fills in the newest run of a system, without its report.
func (s *Service) latest(ctx context.Context, x *System) error {
	all, err := runs(ctx, s.o.DB.Read(ctx), x.tenant, x.ID, 1)
	if err == nil && len(all) > 0 {
		x.Last = all[0]
	}
	return err
}

// List returns the systems of the caller's tenant, oldest first.
func (s *Service) List(ctx context.Context, by actor.Principal) ([]*System, error) {
	if err := mayView(by); err != nil {
		return nil, err
	}
	all, err := list(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil {
		return nil, err
	}
	for _, x := range all {
		if err := s.open(ctx, x); err != nil {
			return nil, err
		}
		if err := s.latest(ctx, x); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *Service) connect(ctx context.Context, x *System) (Connector, error) {
	spec, err := x.spec()
	if err != nil {
		return nil, err
	}
	secret, err := s.o.Sealer.Unseal(ctx, x.tenant, "access_system|"+x.ID+"|secret", x.secret)
	if err != nil {
		return nil, errs.New(errs.Internal, "the secret of a system cannot be read")
	}
	return newConnector(spec, x.Base, string(secret), float64(x.PerSecond), s.o.Guard, s.o.Transport), nil
}

// Outside asks a system which roles it has, which also shows whether the definition is right.
func (s *Service) Outside(ctx context.Context, by actor.Principal, id string) ([]Role, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	x, err := s.one(ctx, by.TenantID, id)
	if err != nil {
		return nil, err
	}
	c, err := s.connect(ctx, x)
	if err != nil {
		return nil, err
	}
	return c.Roles(ctx)
}
