package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"probity.dev/access/role"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/worker"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Recorder records events together with their effect, in one transaction.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
	RecordAll(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer encrypts under the tenant's keyset.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
}

// Grants knows what people have been given.
type Grants interface {
	// List returns what the people and keys of a tenant have now.
	List(ctx context.Context, tenantID string) ([]Grant, error)
	// Holds reports of each grant whether it is still there.
	Holds(ctx context.Context, tenantID string, all []Grant) ([]bool, error)
	// Revoke ends a grant in the name of by, with the rights of the user starter besides his own, in the transaction in which the cause is done. false says that there was nothing here to end; then nothing was done.
	Revoke(ctx context.Context, by actor.Principal, starter string, g Grant, reason string, c role.Cause) (bool, error)
}

// People knows who reviews.
type People interface {
	// Working is nil for a user of the tenant who may sign in, else Forbidden.
	Working(ctx context.Context, tenantID, userID string) error
	Names(ctx context.Context, tenantID string) (map[string]string, error)
	// Known reports whether there is a role.
	Known(ctx context.Context, tenantID, roleID string) (bool, error)
}

// Log gives what proves a review.
type Log interface {
	// Proofs returns the events of the product with a correlation id, each with its proof, and what they are checked with.
	Proofs(ctx context.Context, tenantID, correlation string) (*Proofs, error)
	// Report writes the same events as a PDF file, or as a bundle, as viewer may see them.
	Report(ctx context.Context, viewer actor.Principal, format, title, correlation string, w io.Writer) error
}

// Mailer sends a letter to a user. The error is Permanent (package jobs) when trying again cannot help.
type Mailer interface {
	MailUser(ctx context.Context, tenantID, userID string, l Letter) error
}

// Letter is a reminder.
type Letter struct {
	ID, Subject, Text, URL string
	At                     time.Time
}

// Options of [New]. Told, Mailer, Logger and Now may be left out.
type Options struct {
	DB       *sqldb.DB
	Recorder Recorder
	Sealer   Sealer
	Grants   Grants
	People   People
	Log      Log
	Jobs     *jobs.Service
	// Queue is where reviews begin and lapse, MailQueue where reminders wait.
	Queue, MailQueue string
	Mailer           Mailer
	// Formula reports whether a spreadsheet may take a text for a formula.
	Formula func(text string) bool
	// PublicURL is where people reach the console, without a slash at its end.
	PublicURL string
	// Told is called in the transaction in which a review begins, becomes overdue or ends; what is one of these words: started, overdue, closed.
	Told   func(ctx context.Context, tx *sql.Tx, r *Review, what string) error
	Logger *slog.Logger
	Now    func() time.Time
}

// Service is the reviews of all tenants. It is safe for concurrent use.
type Service struct {
	o       Options
	workers worker.Group
}

// New returns the service and registers its kinds of jobs.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Told == nil {
		o.Told = func(context.Context, *sql.Tx, *Review, string) error { return nil }
	}
	s := &Service{o: o}
	jobs.Register(o.Jobs, jobs.Kind[repeatArgs]{Queue: o.Queue, Work: s.repeat})
	jobs.Register(o.Jobs, jobs.Kind[lapseArgs]{Queue: o.Queue, Work: s.lapse})
	jobs.Register(o.Jobs, jobs.Kind[mailArgs]{Queue: o.MailQueue, Attempts: 8, BackOff: time.Minute, Timeout: time.Minute, Work: s.mail})
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

// sees reports whether somebody sees all items of all reviews, and not only what waits for him.
func sees(p actor.Principal) bool { return p.Can(actor.AccessManage) || p.Can(actor.AccessView) }

// Create begins a review: what the scope covers is taken down as it is now, and the reviewers are told.
func (s *Service) Create(ctx context.Context, by actor.Principal, d Definition) (*Review, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	if by.UserID == "" || by.SessionID == "" {
		return nil, errs.New(errs.Forbidden, "Only a person who is signed in begins a review, because his rights stand behind what is revoked.")
	}
	if err := s.check(ctx, by.TenantID, &d); err != nil {
		return nil, err
	}
	return s.begin(ctx, by, &Review{Definition: d, CreatedBy: by.UserID})
}

func (s *Service) check(ctx context.Context, tenant string, d *Definition) error {
	if err := d.check(); err != nil {
		return err
	}
	for _, id := range d.Reviewers {
		if err := s.o.People.Working(ctx, tenant, id); err != nil {
			if errs.CodeOf(err) == errs.Forbidden {
				return errs.Field("/reviewers", "not_found", "A reviewer is not a user who may sign in.")
			}
			return err
		}
	}
	if d.Scope.Kind == ScopeRole {
		if known, err := s.o.People.Known(ctx, tenant, d.Scope.Value); err != nil || !known {
			if err == nil {
				err = errs.Field("/scope/value", "not_found", "There is no such role.")
			}
			return err
		}
	}
	return nil
}

// begin takes down what there is and stores the review.
func (s *Service) begin(ctx context.Context, by actor.Principal, r *Review) (*Review, error) {
	now := s.now()
	r.ID, r.TenantID, r.State, r.CreatedAt, r.DueAt = newID(), by.TenantID, Open, now, now.AddDate(0, 0, r.Days)
	if r.RepeatMonths > 0 {
		r.nextAt = now.AddDate(0, r.RepeatMonths, 0).UnixMicro()
	}
	if r.RemindDays > 0 {
		r.remindsAt = now.AddDate(0, 0, r.RemindDays).UnixMicro()
	}
	items, err := s.takeDown(ctx, r)
	if err != nil {
		return nil, err
	}
	r.fill()
	r.Counts = Counts{Total: len(items), Waiting: len(items)}
	text, err := json.Marshal(r.Definition)
	if err != nil {
		return nil, err
	}
	if r.sealed, err = s.o.Sealer.Seal(ctx, r.TenantID, "access_review|"+r.ID, text); err != nil {
		return nil, err
	}
	e := newEvent(ctx, actionCreate, by, r)
	e.Changes = []event.Change{selfaudit.Change("/state", nil, Open)}
	e.Data = []event.Member{selfaudit.Member("definition", r.Definition), selfaudit.Member("items", len(items)), selfaudit.Member("due_at", r.DueAt)}
	if r.Follows != "" {
		e.Data = append(e.Data, selfaudit.Member("follows", r.Follows))
	}
	err = s.o.Recorder.Record(ctx, r.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := insert(ctx, tx, r); err != nil {
			return err
		}
		for _, i := range items {
			if err := insertItem(ctx, tx, r, i); err != nil {
				return err
			}
		}
		for _, user := range reviewersOf(items) {
			if err := s.enqueueMail(ctx, tx, r, user, "start"); err != nil {
				return err
			}
		}
		return s.o.Told(ctx, tx, r, "started")
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// takeDown returns what a review is about, with who reviews it.
func (s *Service) takeDown(ctx context.Context, r *Review) ([]*Item, error) {
	all, err := s.o.Grants.List(ctx, r.TenantID)
	if err != nil {
		return nil, err
	}
	owners, err := owners(ctx, s.o.DB.Read(ctx), r.TenantID)
	if err != nil {
		return nil, err
	}
	var items []*Item
	for _, g := range all {
		if !r.Scope.covers(&g) {
			continue
		}
		if len(items) == MaxItems {
			return nil, errs.New(errs.TooLarge, "A review has at most %d items; narrow its scope.", MaxItems)
		}
		i := &Item{ID: newID(), Grant: g, State: Waiting, Reviewers: r.reviewersFor(&g, owners)}
		text, err := json.Marshal(g)
		if err != nil {
			return nil, err
		}
		if i.snapshot, err = s.o.Sealer.Seal(ctx, r.TenantID, "access_review_item|"+i.ID, text); err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	if len(items) == 0 && r.Follows == "" { // one of a row is made all the same: that there was nothing is evidence too
		return nil, errs.New(errs.Conflict, "There is nothing to review: nobody has been given anything that the scope covers.")
	}
	return items, nil
}

// reviewersFor is who reviews a grant, without the person who has it; nobody when only those who manage access can.
func (r *Review) reviewersFor(g *Grant, owners map[string]string) []string {
	var out []string
	if r.By == ByNamed {
		out = slices.Clone(r.Reviewers)
	} else if o := owners[g.RoleID]; o != "" && g.RoleID != "" {
		out = []string{o}
	}
	out = slices.DeleteFunc(out, func(id string) bool { return id == g.UserID })
	if len(out) == 0 && r.CreatedBy != g.UserID {
		out = []string{r.CreatedBy}
	}
	return out
}

func reviewersOf(items []*Item) (out []string) {
	for _, i := range items {
		out = append(out, i.Reviewers...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// StopRepeating keeps the next review from beginning.
func (s *Service) StopRepeating(ctx context.Context, by actor.Principal, id string) (*Review, error) {
	if err := mayManage(by); err != nil {
		return nil, err
	}
	r, err := s.Get(ctx, by, id)
	if err != nil || r.nextAt == 0 {
		return r, err
	}
	e := newEvent(ctx, actionStop, by, r)
	e.Changes = []event.Change{selfaudit.Change("/next_at", r.NextAt, nil)}
	if err := s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return setNext(ctx, tx, r, 0) }); err != nil {
		return nil, err
	}
	return s.Get(ctx, by, id)
}

// Owners returns the owners of roles, by role.
func (s *Service) Owners(ctx context.Context, by actor.Principal) (map[string]string, error) {
	if !sees(by) {
		return nil, errs.New(errs.Forbidden, "This needs the permission %s.", actor.AccessView)
	}
	return owners(ctx, s.o.DB.Read(ctx), by.TenantID)
}

// SetOwner says who answers for a role; "" for nobody.
func (s *Service) SetOwner(ctx context.Context, by actor.Principal, roleID, userID string) error {
	if err := mayManage(by); err != nil {
		return err
	}
	if known, err := s.o.People.Known(ctx, by.TenantID, roleID); err != nil || !known {
		if err == nil {
			err = errs.New(errs.NotFound, "There is no such role.")
		}
		return err
	}
	if userID != "" {
		if err := s.o.People.Working(ctx, by.TenantID, userID); err != nil {
			if errs.CodeOf(err) == errs.Forbidden {
				return errs.Field("/user_id", "not_found", "The owner is not a user who may sign in.")
			}
			return err
		}
	}
	all, err := owners(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil || all[roleID] == userID {
		return err
	}
	e := selfaudit.New(ctx, by, "access", actionOwner, activities[actionOwner], event.Resource{Type: "role", ID: roleID})
	e.Changes = []event.Change{selfaudit.Change("/owner", given(all[roleID]), given(userID))}
	return s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return setOwner(ctx, tx, by.TenantID, roleID, userID) })
}

// given is a value of a change, nil for none.
func given(id string) any {
	if id == "" {
		return nil
	}
	return id
}

func joined(ids []string) string { return "," + strings.Join(ids, ",") + "," }
