package role

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
)

// Recorder records an event of the product in a tenant's ledger together with its effect: both or neither, in one transaction. Effect may run more than once, each time in a transaction of which the
// earlier ones left nothing.
type Recorder interface {
	Record(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Options of [New].
type Options struct {
	DB       *sqldb.DB
	Recorder Recorder
	// TenantKeys returns a tenant's keyset, under which reasons are sealed.
	TenantKeys func(ctx context.Context, tenantID string) (*crypt.Tenant, error)
	// Names returns the names of a tenant's people by id.
	Names  func(ctx context.Context, tenantID string) (map[string]string, error)
	Logger *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service keeps roles and assignments. It is safe for concurrent use.
type Service struct {
	o         Options
	indexes   indexes
	approvals Approvals
}

// New returns the service. The database must be migrated.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o: o}
	s.indexes = indexes{load: s.load, now: o.Now, by: map[string]*kept{}}
	return s
}

// Of returns what a tenant's people may do, as it was a second ago or later.
func (s *Service) Of(ctx context.Context, tenant string) (*Index, error) {
	return s.indexes.get(ctx, tenant)
}

// Rights returns what a person may do now everywhere in the tenant.
func (s *Service) Rights(ctx context.Context, tenant, user string) (Rights, error) {
	x, err := s.Of(ctx, tenant)
	if err != nil {
		return Rights{}, err
	}
	return x.Rights(user, s.o.Now()), nil
}

// Forget has the next question about a tenant look at the database; whoever changes what it is made of, such as whether an account is locked, calls it.
func (s *Service) Forget(tenant string) { s.indexes.forget(tenant) }

// load reads a tenant's index, unless nothing has changed since the old one.
func (s *Service) load(ctx context.Context, tenant string, old *Index) (*Index, error) {
	m, err := in(s.o.DB.Read(ctx), tenant).mark(ctx)
	if err != nil {
		return nil, err
	}
	if old != nil && m == old.mark {
		return old, nil
	}
	if m.strays > 0 {
		if err := s.adopt(ctx, tenant); err != nil {
			s.o.Logger.Warn("changes of roles by a server of an earlier version cannot be taken over yet", slog.Any("error", err))
		}
	}
	var x *Index
	err = s.o.DB.Snapshot(ctx, func(tx *sql.Tx) error { x, err = read(ctx, in(tx, tenant)); return err })
	return x, err
}

func read(ctx context.Context, q scoped) (*Index, error) {
	m, err := q.mark(ctx)
	if err != nil {
		return nil, err
	}
	own, err := q.ownPermissions(ctx)
	if err != nil {
		return nil, err
	}
	roles, err := q.roles(ctx)
	if err != nil {
		return nil, err
	}
	assignments, err := q.running(ctx)
	if err != nil {
		return nil, err
	}
	locked, err := q.locked(ctx)
	if err != nil {
		return nil, err
	}
	accounts, err := q.accounts(ctx)
	if err != nil {
		return nil, err
	}
	strays, err := q.strays(ctx)
	if err != nil {
		return nil, err
	}
	// What another version has changed and nobody could take over yet counts for nothing: less rather than more.
	assignments = slices.DeleteFunc(assignments, func(a *assignmentRow) bool {
		return slices.ContainsFunc(strays, func(p person) bool { return p.id == a.UserID && a.Scope.Kind == WholeTenant })
	})
	x := newIndex(m, own, roles, assignments, locked)
	x.know(accounts)
	return x, nil
}

// At returns the index of a tenant as it was at an earlier version, as far as it is about one person. Which accounts are locked and what their addresses are is not part of it.
func (s *Service) At(ctx context.Context, tenant string, version int64, user string) (x *Index, err error) {
	err = s.o.DB.Snapshot(ctx, func(tx *sql.Tx) error {
		q := in(tx, tenant)
		own, err := q.permissionsAt(ctx, version)
		if err != nil {
			return err
		}
		roles, err := q.rolesAt(ctx, version)
		if err != nil {
			return err
		}
		assignments, err := q.assignmentsAt(ctx, user, version)
		if err != nil {
			return err
		}
		for _, a := range assignments {
			a.EndedAt = nil // it had not ended then
		}
		x = newIndex(mark{version: version}, own, roles, assignments, nil)
		return nil
	})
	return x, err
}

// Extend has somebody who may do so change what belongs to a tenant's access and is kept elsewhere, such as rules of decisions, as a change of its own version: do gets the version that it makes.
func (s *Service) Extend(ctx context.Context, p actor.Principal, e *event.Event, do func(ctx context.Context, tx *sql.Tx, version int64) error) error {
	return s.change(ctx, p, e, func(*Index) (effect, error) {
		return func(ctx context.Context, q scoped, version int64) error { return do(ctx, q.q.(*sql.Tx), version) }, nil
	})
}

// errMoved says that somebody else has changed the tenant's access since it was looked at.
var errMoved = errs.New(errs.Conflict, "Access was changed by somebody else at the same time; look again.")

// maxTries bounds how often a change is thought through again because other servers were faster.
const maxTries = 20

// effect is what a change does in its transaction, and the version that it makes.
type effect func(ctx context.Context, q scoped, version int64) error

// change thinks a change through with the index as it is, and then records its event and does it if nothing has changed meanwhile; otherwise once more. A plan without an effect needs no change. What is not allowed is recorded as
// refused, under the event that refusal makes.
func (s *Service) change(ctx context.Context, p actor.Principal, e *event.Event, plan func(x *Index) (effect, error)) error {
	k := s.indexes.of(p.TenantID)
	k.changing.Lock()
	defer k.changing.Unlock()
	for try := 1; ; try++ {
		s.Forget(p.TenantID)
		x, err := s.Of(ctx, p.TenantID)
		if err != nil {
			return err
		}
		do, err := plan(x)
		if err != nil {
			return s.refused(ctx, e, p, err)
		}
		if do == nil {
			return nil
		}
		err = s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
			q := in(tx, p.TenantID)
			version, err := q.bump(ctx)
			if err != nil {
				return err
			}
			if version != x.Version+1 {
				return errMoved
			}
			return do(ctx, q, version)
		})
		s.Forget(p.TenantID)
		if errors.Is(err, errMoved) && try < maxTries {
			continue
		}
		if err != nil {
			return s.refused(ctx, e, p, err)
		}
		return nil
	}
}

// self is the person who acts: he himself, or whoever made the API key that is used. Giving to that person is giving to oneself.
func (s *Service) self(ctx context.Context, p actor.Principal) (string, error) {
	if p.UserID != "" || p.KeyID == "" {
		return p.UserID, nil
	}
	m, err := in(s.o.DB.Read(ctx), p.TenantID).madeKey(ctx, p.KeyID)
	return m.by, err
}

// Lasting returns the person on whose behalf somebody acts, "" for the system, and until when he has all of some permissions; zero when for good.
func (s *Service) Lasting(ctx context.Context, p actor.Principal, permissions []string) (user string, until time.Time, err error) {
	if p.KeyID != "" {
		m, err := in(s.o.DB.Read(ctx), p.TenantID).madeKey(ctx, p.KeyID)
		if m.until.Valid {
			until = time.UnixMicro(m.until.Int64)
		}
		return m.by, until, err
	}
	x, err := s.Of(ctx, p.TenantID)
	if err != nil || p.UserID == "" {
		return "", until, err
	}
	for _, k := range permissions {
		if last, ends := x.lasts(p.UserID, k, s.o.Now()); ends && (until.IsZero() || last.Before(until)) {
			until = last
		}
	}
	return p.UserID, until, nil
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func mayNot(format string, args ...any) error { return errs.New(errs.Forbidden, format, args...) }

// mayView is for reading; who may manage may view.
func mayView(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.AccessView) && !p.Can(actor.AccessManage) {
		return mayNot("This needs the permission %s.", actor.AccessView)
	}
	return nil
}

func mayManage(p actor.Principal) error {
	if p.TenantID == "" || !p.Can(actor.AccessManage) {
		return mayNot("This needs the permission %s.", actor.AccessManage)
	}
	return nil
}

// seal hides a reason: people write about people in it.
func (s *Service) seal(ctx context.Context, tenant, id, reason string) ([]byte, error) {
	if reason == "" {
		return nil, nil
	}
	keys, err := s.o.TenantKeys(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return keys.Seal("role_assignment|"+id+"|reason", []byte(reason))
}

func (s *Service) open(ctx context.Context, tenant string, a *assignmentRow) error {
	if len(a.sealed) == 0 {
		return nil
	}
	keys, err := s.o.TenantKeys(ctx, tenant)
	if err != nil {
		return err
	}
	reason, err := keys.Open("role_assignment|"+a.ID+"|reason", a.sealed)
	if err != nil {
		return errs.Wrap(errs.Internal, err, "an assignment cannot be read")
	}
	a.Reason = string(reason)
	return nil
}
