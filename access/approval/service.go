package approval

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity.dev/access/scope"
	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/worker"
	"probity.dev/ledger/event"
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

// People knows who decides.
type People interface {
	// Standing is that of a user of the tenant; the zero Standing for one who is not there or locked.
	Standing(ctx context.Context, tenantID, userID string) (Standing, error)
	// Behind is the user who is responsible for a caller: himself, or the maker of the API key; "" when that is the system.
	Behind(ctx context.Context, p actor.Principal) (string, error)
	// Deciders counts the people of a tenant with [actor.AccessApprove], locked or not.
	Deciders(ctx context.Context, tenantID string) (int, error)
	// Approvers are the users of a tenant who have [actor.AccessApprove] in all of it now and are not locked.
	Approvers(ctx context.Context, tenantID string) ([]string, error)
	// Tenants are the ids of all tenants.
	Tenants(ctx context.Context) ([]string, error)
	// Names are the names of users, for people to read.
	Names(ctx context.Context, tenantID string, userIDs []string) (map[string]string, error)
}

// Done marks a request as applied. A kind's Apply MUST call it in the transaction of what it does, so that it is done once.
type Done func(ctx context.Context, tx *sql.Tx) error

// Kind is a kind of action that waits for approval.
type Kind struct {
	Name  string // such as role.assign
	Title string
	// Needed is how many people must approve in a tenant that has no rule of its own, one at least; Window how long they have.
	Needed int
	Window time.Duration
	// Apply does what was approved, for the person who asked. An error that is not Unavailable is final and shown.
	Apply func(ctx context.Context, r *Request, done Done) error
}

// Options of [New]. All but Told, Remind, Now and Logger are required.
type Options struct {
	DB       *sqldb.DB
	Recorder Recorder
	Sealer   Sealer
	People   People
	// Told is called in the transaction in which a request is made or ends, to notify people of it. May be nil.
	Told func(ctx context.Context, tx *sql.Tx, r *Request) error
	// Remind is called in a transaction when a request has waited for three quarters of its time; of r, only what is stored in clear is set. May be nil.
	Remind func(ctx context.Context, tx *sql.Tx, r *Request) error
	Now    func() time.Time
	Logger *slog.Logger
}

// Service is the approvals of all tenants. It is safe for concurrent use once all kinds are registered.
type Service struct {
	o       Options
	kinds   map[string]*Kind
	granter Granter
	armed   sync.Map // tenants, for good
	workers worker.Group
}

// New returns the service. [Service.Add] MUST have been called for every kind before it is used.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Told == nil {
		o.Told = func(context.Context, *sql.Tx, *Request) error { return nil }
	}
	if o.Remind == nil {
		o.Remind = func(context.Context, *sql.Tx, *Request) error { return nil }
	}
	return &Service{o: o, kinds: map[string]*Kind{}}
}

// Add registers a kind.
func (s *Service) Add(k Kind) { s.kinds[k.Name] = &k }

// maxPending is how many requests one person may have open.
const maxPending = 50

// Ask makes a request, or returns the one of the same person for the same change that waits already. change is stored and applied as it is. The error is Invalid for a missing reason, Conflict when too much of the same person waits.
func (s *Service) Ask(ctx context.Context, by actor.Principal, kind, summary string, change any, reason string) (*Request, error) {
	return s.ask(ctx, by, kind, summary, change, reason, actionRequest)
}

func (s *Service) ask(ctx context.Context, by actor.Principal, kind, summary string, change any, reason, action string) (*Request, error) {
	k := s.kinds[kind]
	if k == nil {
		return nil, errs.New(errs.Internal, "there is no kind %q of approval", kind)
	}
	reason = strings.TrimSpace(reason)
	if err := checkText("/reason", reason, maxReason, true); err != nil {
		return nil, err
	}
	text, err := json.Marshal(change)
	if err != nil {
		return nil, err
	}
	if len(text) > maxChange || len(summary) > maxSummary {
		return nil, errs.New(errs.TooLarge, "What is asked for is too large to be approved.")
	}
	behind, err := s.o.People.Behind(ctx, by)
	if err != nil {
		return nil, err
	}
	if behind == "" && !by.IsSystem() {
		return nil, errs.New(errs.Forbidden, "Nobody stands behind this API key, since the system made it: ask as a person, or with a key that a person has made.")
	}
	if r, err := s.same(ctx, by.TenantID, behind, kind, text); r != nil || err != nil {
		return r, err
	}
	needed, err := s.needs(ctx, s.o.DB.Read(ctx), by.TenantID, k, text)
	if err != nil {
		return nil, err
	}
	now := s.o.Now().UTC().Truncate(time.Microsecond)
	r := &row{Request: Request{ID: uuid.Must(uuid.NewV7()).String(), TenantID: by.TenantID, Kind: kind, Title: k.Title, Requester: by.ID(), Behind: behind, Summary: summary, Change: text, Reason: reason,
		Needed: needed, State: Pending, CreatedAt: now, ExpiresAt: now.Add(k.Window), Decisions: []Decision{}}}
	if err := s.seal(ctx, r); err != nil {
		return nil, err
	}
	e := newEvent(ctx, action, "create", by, &r.Request)
	if action == actionBreak {
		e.Activity, e.Severity = "grant", "critical"
	}
	e.Reason = reason
	e.Changes = []event.Change{stateChange("", Pending)}
	err = s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		n, err := pendingOf(ctx, tx, by.TenantID, behind)
		if err != nil {
			return err
		}
		if n >= maxPending {
			return errs.New(errs.Conflict, "%d of your requests wait to be decided; take some back first.", n)
		}
		if is, err := s.needs(ctx, tx, by.TenantID, k, text); err != nil || is != needed {
			return errors.Join(err, errs.New(errs.Conflict, "How many must approve this was changed at the same time; ask again."))
		}
		if err := insert(ctx, tx, r); err != nil {
			return err
		}
		return s.o.Told(ctx, tx, &r.Request)
	})
	if err != nil {
		return nil, err
	}
	return &r.Request, nil
}

// same finds a request that waits for the same.
func (s *Service) same(ctx context.Context, tenantID, behind, kind string, change []byte) (*Request, error) {
	db := s.o.DB.Read(ctx)
	rows, err := list(ctx, db, tenantID, Pending, behind, "", maxPending)
	if err != nil {
		return nil, err
	}
	for _, stored := range rows {
		if stored.Kind != kind || stored.Behind != behind || !s.o.Now().Before(stored.ExpiresAt) {
			continue
		}
		r, err := s.open(ctx, db, stored)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(r.Change, change) {
			return r, nil
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

func label(id, part string) string { return "approval|" + id + "|" + part }

func (s *Service) seal(ctx context.Context, r *row) error {
	text, err := json.Marshal(body{r.Summary, r.Reason, r.Change})
	if err != nil {
		return err
	}
	r.sealed, err = s.o.Sealer.Seal(ctx, r.TenantID, label(r.ID, "body"), text)
	return err
}

// open makes a stored request readable, with its decisions and names.
func (s *Service) open(ctx context.Context, q scope.Querier, r *row) (*Request, error) {
	text, err := s.o.Sealer.Unseal(ctx, r.TenantID, label(r.ID, "body"), r.sealed)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a request cannot be read")
	}
	var b body
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a request cannot be read")
	}
	r.Summary, r.Reason, r.Change, r.Title = b.Summary, b.Reason, b.Change, r.Kind
	if k := s.kinds[r.Kind]; k != nil {
		r.Title = k.Title
	}
	all, err := votes(ctx, q, r.TenantID, r.ID)
	if err != nil {
		return nil, err
	}
	r.Decisions, r.Given = []Decision{}, 0
	for _, v := range all {
		comment, err := s.o.Sealer.Unseal(ctx, r.TenantID, label(r.ID, v.UserID), v.sealed)
		if err != nil {
			return nil, errs.Wrap(errs.Internal, err, "a decision cannot be read")
		}
		v.Comment = string(comment)
		r.Decisions = append(r.Decisions, v.Decision)
	}
	r.Given = r.Approvals()
	return &r.Request, nil
}

// mayRead lets those who decide, who manage access, and whoever asked see a request.
func mayRead(p actor.Principal, r *Request) bool {
	return p.Can(actor.AccessApprove) || p.Can(actor.AccessManage) || p.ID() == r.Requester || p.UserID != "" && p.UserID == r.Behind
}

// Get returns a request of the caller's tenant; NotFound for those whom it does not concern.
func (s *Service) Get(ctx context.Context, by actor.Principal, id string) (*Request, error) {
	db := s.o.DB.Read(ctx)
	stored, err := get(ctx, db, by.TenantID, id)
	if err != nil {
		return nil, err
	}
	r, err := s.open(ctx, db, stored)
	if err != nil {
		return nil, err
	}
	if !mayRead(by, r) {
		return nil, errNone
	}
	return r, s.present(ctx, by, []*Request{r})
}

// Page narrows what [Service.List] returns.
type Page struct {
	State  State
	Before string // id of the last one seen
	Limit  int    // 1 to 200
}

// List returns requests of the caller's tenant, newest first: all to those who decide or manage access, his own to anybody else. more says that older ones follow.
func (s *Service) List(ctx context.Context, by actor.Principal, p Page) (all []*Request, more bool, err error) {
	own := ""
	if !mayRead(by, &Request{}) {
		own = by.ID()
	}
	db := s.o.DB.Read(ctx)
	rows, err := list(ctx, db, by.TenantID, p.State, own, p.Before, p.Limit+1)
	if err != nil {
		return nil, false, err
	}
	for _, stored := range rows {
		r, err := s.open(ctx, db, stored)
		if err != nil {
			return nil, false, err
		}
		all = append(all, r)
	}
	if more = len(all) > p.Limit; more {
		all = all[:p.Limit]
	}
	return all, more, s.present(ctx, by, all)
}

// present fills in names, and what the caller may do.
func (s *Service) present(ctx context.Context, by actor.Principal, all []*Request) error {
	var ids []string
	for _, r := range all {
		ids = append(ids, r.Behind)
		for _, d := range r.Decisions {
			ids = append(ids, d.UserID)
		}
	}
	names, err := s.o.People.Names(ctx, by.TenantID, ids)
	if err != nil {
		return err
	}
	var who Standing
	if by.UserID != "" {
		if who, err = s.o.People.Standing(ctx, by.TenantID, by.UserID); err != nil {
			return err
		}
	}
	for _, r := range all {
		r.RequesterName = names[r.Behind]
		for i := range r.Decisions {
			r.Decisions[i].Name = names[r.Decisions[i].UserID]
		}
		if r.State != Pending {
			continue
		}
		asker, err := s.asker(ctx, r)
		if err != nil {
			return err
		}
		if err := refusal(r, by, who, asker, s.o.Now()); err != nil {
			r.WhyNot = errs.Message(err)
		} else {
			r.MayDecide = true
		}
	}
	return nil
}

func (s *Service) asker(ctx context.Context, r *Request) (Standing, error) {
	if r.Behind == "" {
		return Standing{}, nil
	}
	return s.o.People.Standing(ctx, r.TenantID, r.Behind)
}
