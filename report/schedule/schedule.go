package schedule

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/ledger/event"
	"probity.dev/report/export"
)

// Limits of a [Service].
const (
	maxSchedules  = 100 // of a tenant
	maxName       = 100 // characters
	pollEvery     = time.Second
	dueAtOnce     = 50
	grace         = 15 * time.Minute // later than this, a run was missed
	rememberRuns  = 400 * 24 * time.Hour
	forgetEvery   = time.Hour
	runsInHistory = 100
)

// What becomes of a run that was due while no server ran.
const (
	MissedRun  = "run"  // made once, for the newest time that was missed
	MissedSkip = "skip" // noted in the history and left out
)

// Definition is what a schedule is made of.
type Definition struct {
	Name   string        `json:"name" minLength:"1" maxLength:"100"`
	Format string        `json:"format" enum:"csv,json,ndjson,pdf,parquet,ocsf,bundle"`
	Filter export.Filter `json:"filter,omitempty"`
	Period string        `json:"period" enum:"previous_day,previous_week,previous_month,previous_quarter,previous_year,since_last,all" doc:"Of the schedule's time zone, before it was due; takes the place of from and to in the filter"`
	Timing Timing        `json:"timing"`
	Missed string        `json:"missed,omitempty" enum:"run,skip" doc:"What becomes of times at which no server ran: one export for the newest of them (the default), or none"`
	Mail   bool          `json:"mail,omitempty" doc:"E-mail a download link to the owner, whatever the size"`
}

// Schedule is a definition with its state. Times are UTC.
type Schedule struct {
	ID         string     `json:"id"`
	Definition Definition `json:"definition"`
	Owner      string     `json:"owner" doc:"Id of the user or API key that set it up, with whose rights it runs"`
	Paused     string     `json:"paused,omitempty" enum:"by_user,owner_gone" doc:"Why it does not run; absent while it does"`
	NextAt     *time.Time `json:"next_at,omitempty" doc:"Absent while it is paused, or waits for an event"`
	LastAt     *time.Time `json:"last_at,omitempty" doc:"When the newest run was due"`
	CreatedAt  time.Time  `json:"created_at"`

	tenant string
	sealed []byte
	nextAt int64 // 0 when there is none
	lastAt int64
}

// Run is one time that a schedule was due.
type Run struct {
	ID       string    `json:"id" doc:"Also the id of its export"`
	DueAt    time.Time `json:"due_at"`
	Cause    string    `json:"cause" enum:"time,asked,event"`
	Status   string    `json:"status" enum:"waiting,started,skipped,failed" doc:"started: the export exists and has a status of its own"`
	Problem  string    `json:"problem,omitempty"`
	ExportID string    `json:"export_id,omitempty"`

	schedule, tenant string
	last             int64 // when the run before was due, or the schedule made
}

// kept is what nobody may read in the database.
type kept struct {
	Definition Definition      `json:"definition"`
	Owner      actor.Principal `json:"owner"`
}

// DB is the database (see package sqldb).
type DB interface {
	Read(ctx context.Context) *sql.DB
	Write(ctx context.Context, fn func(tx *sql.Tx) error) error
}

// Recorder records an event of the product in a tenant's ledger together with its effect: both or neither, in one transaction. Effect may run more than once.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Sealer encrypts definitions, whose filters may name persons.
type Sealer interface {
	Seal(ctx context.Context, tenantID, label string, b []byte) ([]byte, error)
	Unseal(ctx context.Context, tenantID, label string, sealed []byte) ([]byte, error)
}

// Exports makes exports; [export.Service] is one.
type Exports interface {
	Check(ctx context.Context, by actor.Principal, r *export.Request) error
	CreateAs(ctx context.Context, by actor.Principal, id string, r export.Request) (*export.Export, error)
}

// Options of [New]. All but Logger and Now must be set.
type Options struct {
	DB       DB
	Recorder Recorder
	Sealer   Sealer
	Exports  Exports
	Jobs     *jobs.Service
	Queue    string
	// Mails says that this server can e-mail a download link.
	Mails bool
	// Present returns the rights that somebody has now, see access.Service.Present.
	Present func(ctx context.Context, asked actor.Principal) (actor.Principal, error)
	// Zone returns a tenant's time zone.
	Zone   func(ctx context.Context, tenantID string) (*time.Location, error)
	Logger *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service keeps schedules and runs them. It is safe for concurrent use.
type Service struct {
	o    Options
	mu   sync.Mutex
	stop context.CancelFunc
	done sync.WaitGroup
}

// New returns a service and registers its kind of job; [Service.Start] makes it run what is due. The database must be migrated.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o}
	jobs.Register(o.Jobs, jobs.Kind[runArgs]{Queue: o.Queue, Attempts: 10, Timeout: 5 * time.Minute, BackOff: 10 * time.Second, Work: s.work, Failed: s.failed})
	return s
}

const label = "schedule"

func mayUse(by actor.Principal) error {
	if !by.Can(actor.ExportsCreate) {
		return errs.New(errs.Forbidden, "This needs the permission %s.", actor.ExportsCreate)
	}
	return nil
}

// visible reports whether somebody may see and change a schedule: its owner, and those who manage access and read unmasked.
func visible(by actor.Principal, s *Schedule) bool {
	return s.Owner == by.ID() || by.IsSystem() || by.Unmasked() && by.Can(actor.AccessManage)
}

// check refuses a definition that cannot run, and fills in what it leaves open.
func (s *Service) check(ctx context.Context, by actor.Principal, d *Definition) error {
	if d.Name = strings.TrimSpace(d.Name); d.Name == "" || len([]rune(d.Name)) > maxName {
		return errs.Field("/name", "length", "A name has 1 to %d characters.", maxName)
	}
	if d.Missed == "" {
		d.Missed = MissedRun
	}
	if d.Missed != MissedRun && d.Missed != MissedSkip {
		return errs.Field("/missed", "unknown", "What was missed is run or skip.")
	}
	if d.Mail && (!s.o.Mails || by.UserID == "") {
		return errs.Field("/mail", "unavailable", "Nothing can be e-mailed: the server needs the settings smtp-server and public-url, and the schedule the account of a user.")
	}
	if err := checkPeriod(d.Period); err != nil {
		return err
	}
	if d.Filter.From != "" || d.Filter.To != "" {
		return errs.Field("/filter", "period", "The period of a schedule moves on: say it as period, and leave from and to out of the filter.")
	}
	zone, err := s.o.Zone(ctx, by.TenantID)
	if err != nil {
		return err
	}
	if err := d.Timing.check(zone, s.o.Now()); err != nil {
		return err
	}
	r := d.request()
	return s.o.Exports.Check(ctx, by, &r)
}

func (d *Definition) request() export.Request {
	return export.Request{Format: d.Format, Filter: d.Filter, Title: d.Name, Mail: d.Mail}
}

func (s *Service) seal(ctx context.Context, by actor.Principal, d *Definition) ([]byte, error) {
	by.Name, by.Email, by.IP, by.UserAgent, by.SessionID = "", "", "", "", "" // what running needs is who and what rights
	b, err := json.Marshal(kept{Definition: *d, Owner: by})
	if err != nil {
		return nil, err
	}
	return s.o.Sealer.Seal(ctx, by.TenantID, label, b)
}

func (s *Service) open(ctx context.Context, c *Schedule) (*kept, error) {
	b, err := s.o.Sealer.Unseal(ctx, c.tenant, label, c.sealed)
	if err != nil {
		return nil, err
	}
	var k kept
	if err := json.Unmarshal(b, &k); err != nil {
		return nil, err
	}
	c.Definition = k.Definition
	return &k, nil
}

// Create sets up a schedule, which runs with the rights that the caller has whenever it does, but never more than now.
func (s *Service) Create(ctx context.Context, by actor.Principal, d Definition) (*Schedule, error) {
	if err := mayUse(by); err != nil {
		return nil, err
	}
	if err := s.check(ctx, by, &d); err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	c := &Schedule{ID: id.String(), tenant: by.TenantID, Owner: by.ID(), Definition: d, CreatedAt: now.UTC().Truncate(time.Microsecond)}
	c.next(d.Timing.Next(now))
	if c.sealed, err = s.seal(ctx, by, &d); err != nil {
		return nil, err
	}
	return c, s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, "create", "create", by, c), func(ctx context.Context, tx *sql.Tx) error {
		if n, err := count(ctx, tx, by.TenantID); err != nil || n >= maxSchedules {
			return errors.Join(err, errs.New(errs.Conflict, "There are %d schedules already. Delete one first.", maxSchedules))
		}
		return insert(ctx, tx, c)
	})
}

// next sets the time at which a schedule is due; the zero time stands for none.
func (c *Schedule) next(at time.Time) {
	c.nextAt, c.NextAt = 0, nil
	if !at.IsZero() {
		at = at.UTC()
		c.nextAt, c.NextAt = at.UnixMicro(), &at
	}
}

// Get returns a schedule that the caller may see.
func (s *Service) Get(ctx context.Context, by actor.Principal, id string) (*Schedule, error) {
	if err := mayUse(by); err != nil {
		return nil, err
	}
	c, err := get(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return nil, err
	}
	if !visible(by, c) {
		return nil, errNone
	}
	_, err = s.open(ctx, c)
	return c, err
}

// List returns the schedules that the caller may see, newest first.
func (s *Service) List(ctx context.Context, by actor.Principal) ([]*Schedule, error) {
	if err := mayUse(by); err != nil {
		return nil, err
	}
	all, err := list(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil {
		return nil, err
	}
	shown := []*Schedule{}
	for _, c := range all {
		if !visible(by, c) {
			continue
		}
		if _, err := s.open(ctx, c); err != nil {
			return nil, err
		}
		shown = append(shown, c)
	}
	return shown, nil
}

// Update replaces the definition. The schedule belongs to whoever changed it last, since it runs with their rights; one that was paused because its owner had gone goes on.
func (s *Service) Update(ctx context.Context, by actor.Principal, id string, d Definition) (*Schedule, error) {
	c, err := s.Get(ctx, by, id)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx, by, &d); err != nil {
		return nil, err
	}
	c.Definition, c.Owner = d, by.ID()
	if c.Paused == pausedOwner {
		c.Paused = ""
	}
	if c.sealed, err = s.seal(ctx, by, &d); err != nil {
		return nil, err
	}
	s.plan(c)
	return c, s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, "update", "update", by, c), func(ctx context.Context, tx *sql.Tx) error { return update(ctx, tx, c) })
}

// plan finds the next time anew.
func (s *Service) plan(c *Schedule) {
	if c.Paused != "" {
		c.next(time.Time{})
		return
	}
	c.next(c.Definition.Timing.Next(s.o.Now()))
}

// Why a schedule is paused.
const (
	pausedByUser = "by_user"
	pausedOwner  = "owner_gone"
)

// Pause stops a schedule until it is resumed. What is due meanwhile is not made up for.
func (s *Service) Pause(ctx context.Context, by actor.Principal, id string) (*Schedule, error) {
	return s.change(ctx, by, id, "pause", "disable", func(c *Schedule) { c.Paused = pausedByUser })
}

// Resume lets a paused schedule go on with its next time.
func (s *Service) Resume(ctx context.Context, by actor.Principal, id string) (*Schedule, error) {
	return s.change(ctx, by, id, "resume", "enable", func(c *Schedule) { c.Paused = "" })
}

func (s *Service) change(ctx context.Context, by actor.Principal, id, verb, activity string, do func(*Schedule)) (*Schedule, error) {
	c, err := s.Get(ctx, by, id)
	if err != nil {
		return nil, err
	}
	before := c.Paused
	if do(c); c.Paused == before {
		return c, nil // as it was: a repeated request
	}
	s.plan(c)
	return c, s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, verb, activity, by, c), func(ctx context.Context, tx *sql.Tx) error { return update(ctx, tx, c) })
}

// Delete removes a schedule with its history. Exports that it made stay.
func (s *Service) Delete(ctx context.Context, by actor.Principal, id string) error {
	c, err := s.Get(ctx, by, id)
	if err != nil {
		return err
	}
	return s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, "delete", "delete", by, c), func(ctx context.Context, tx *sql.Tx) error { return remove(ctx, tx, c) })
}

// Runs returns the newest runs of a schedule, at most 100.
func (s *Service) Runs(ctx context.Context, by actor.Principal, id string) ([]*Run, error) {
	c, err := s.Get(ctx, by, id)
	if err != nil {
		return nil, err
	}
	return runs(ctx, s.o.DB.Read(ctx), c, runsInHistory)
}

// Preview returns the next five times of a timing.
func (s *Service) Preview(ctx context.Context, by actor.Principal, t Timing) ([]time.Time, error) {
	if err := mayUse(by); err != nil {
		return nil, err
	}
	zone, err := s.o.Zone(ctx, by.TenantID)
	if err != nil {
		return nil, err
	}
	if err := t.check(zone, s.o.Now()); err != nil {
		return nil, err
	}
	times := []time.Time{}
	for at := t.Next(s.o.Now()); !at.IsZero() && len(times) < 5; at = t.Next(at) {
		times = append(times, at)
	}
	return times, nil
}
