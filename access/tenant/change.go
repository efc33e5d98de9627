package tenant

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// The actions that this package records: in the log of the tenant that operates the installation, and changes of a tenant's state in its own as well.
const (
	actionList     = "tenant.list"
	actionCreate   = "tenant.create"
	actionSuspend  = "tenant.suspend"
	actionResume   = "tenant.resume"
	actionGiveUp   = "tenant.give_up"
	actionTakeBack = "tenant.take_back"
	actionBlocked  = "tenant.delete_blocked"
	actionDelete   = "tenant.delete"
)

func newEvent(ctx context.Context, p actor.Principal, action, activity, id string) *event.Event {
	e := selfaudit.New(ctx, p, "governance", action, activity, event.Resource{Type: "tenant", ID: id})
	e.Severity = "high"
	return e
}

// Suspend shuts a tenant out, with a reason that its log records. The error is Conflict when it is not at work.
func (s *Service) Suspend(ctx context.Context, p actor.Principal, id, reason string) (Tenant, error) {
	return s.change(ctx, p, id, change{action: actionSuspend, from: []State{Active}, to: Suspended, reason: reason})
}

// Resume lets a suspended tenant go on.
func (s *Service) Resume(ctx context.Context, p actor.Principal, id, reason string) (Tenant, error) {
	return s.change(ctx, p, id, change{action: actionResume, from: []State{Suspended}, to: Active, reason: reason})
}

// GiveUp shuts a tenant out and has it deleted after so many days. confirm is its name, so that nobody takes one for another. The error is Conflict while a legal hold keeps its evidence.
func (s *Service) GiveUp(ctx context.Context, p actor.Principal, id, confirm, reason string, days int) (Tenant, error) {
	if days < LeastGrace || days > MostGrace {
		return Tenant{}, errs.Field("/grace_days", "out_of_range", "Give %d to %d days.", LeastGrace, MostGrace)
	}
	return s.change(ctx, p, id, change{action: actionGiveUp, from: []State{Active, Suspended}, to: Leaving, reason: reason, deleteAt: s.o.Now().Add(time.Duration(days) * 24 * time.Hour),
		check: func(ctx context.Context, t *row) error {
			if confirm != t.Name {
				return errs.Field("/confirm", "mismatch", "This is not the name of the tenant.")
			}
			return s.heldBack(ctx, id)
		}})
}

// TakeBack keeps a tenant that was given up; it stays suspended. The error is Conflict once it is deleted.
func (s *Service) TakeBack(ctx context.Context, p actor.Principal, id, reason string) (Tenant, error) {
	return s.change(ctx, p, id, change{action: actionTakeBack, from: []State{Leaving}, to: Suspended, reason: reason})
}

// heldBack says why the tenant may not be deleted; nil when nothing keeps it.
func (s *Service) heldBack(ctx context.Context, id string) error {
	held, err := s.o.Ledger.Held(ctx, id)
	if err != nil {
		return err
	}
	if held > 0 {
		return errs.New(errs.Conflict, "%d legal %s the evidence of this tenant: it cannot be deleted before they are released.", held, plural(held, "hold keeps", "holds keep"))
	}
	return nil
}

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

type change struct {
	action   string
	from     []State
	to       State
	reason   string
	deleteAt time.Time
	check    func(ctx context.Context, t *row) error
}

var errMeanwhile = errs.New(errs.Conflict, "The tenant was changed by somebody else at the same time; look again.")

func (s *Service) change(ctx context.Context, p actor.Principal, id string, c change) (Tenant, error) {
	if err := s.mayManage(ctx, p, c.action); err != nil {
		return Tenant{}, err
	}
	reason, err := checkText("/reason", c.reason, maxReason)
	if err != nil {
		return Tenant{}, err
	}
	ctx = everybody(ctx)
	old, err := s.one(ctx, id)
	if err != nil {
		return Tenant{}, err
	}
	if old.Operates {
		return Tenant{}, errs.New(errs.Conflict, "This tenant operates the installation: it can be neither suspended nor deleted.")
	}
	if !in(c.from, old.State) {
		return Tenant{}, errs.New(errs.Conflict, "The tenant is %s.", old.State)
	}
	if c.check != nil {
		if err := c.check(ctx, &old); err != nil {
			return Tenant{}, err
		}
	}
	next := old
	next.State, next.ChangedAt, next.Reason, next.DeleteAt, next.Problem, next.by, next.told = c.to, s.o.Now().UTC().Truncate(time.Microsecond), reason, c.deleteAt.UTC().Truncate(time.Microsecond), "", p.ID(), false
	if c.deleteAt.IsZero() {
		next.DeleteAt = time.Time{}
	}
	if next.sealed, err = s.o.Sealer.Seal(ctx, id, reasonLabel, []byte(reason)); err != nil {
		return Tenant{}, err
	}
	e := newEvent(ctx, p, c.action, "update", id)
	e.Resource.Name, e.Reason, e.Changes = old.Name, reason, changes(&old, &next)
	if err := s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return put(ctx, tx, &old, &next) }); err != nil {
		return Tenant{}, err
	}
	s.standings.forget()
	if err := s.tell(ctx, &next); err != nil { // the loop will
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a tenant's own log does not have the change of its state yet", slog.String("tenant_id", id), slog.Any("error", err))
	}
	return next.Tenant, nil
}

func changes(old, next *row) []event.Change {
	out := []event.Change{selfaudit.Change("/state", old.State, next.State)}
	if !next.DeleteAt.IsZero() {
		out = append(out, selfaudit.Change("/delete_at", nil, next.DeleteAt))
	}
	return out
}

func in(list []State, s State) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// tell records in the tenant's own log how it stands. Its people are not told who of another tenant decided.
func (s *Service) tell(ctx context.Context, t *row) error {
	by := actor.System(t.ID)
	by.Name = "operator of the installation"
	e := selfaudit.New(context.WithoutCancel(ctx), by, "governance", "tenant.state", "update", event.Resource{Type: "tenant", ID: t.ID})
	e.Severity, e.Reason = "high", t.Reason
	e.Changes = []event.Change{selfaudit.Change("/state", nil, t.State)}
	if !t.DeleteAt.IsZero() {
		e.Changes = append(e.Changes, selfaudit.Change("/delete_at", nil, t.DeleteAt))
	}
	return s.o.Recorder.RecordLater(ctx, t.ID, e, func(ctx context.Context, tx *sql.Tx) error { return markTold(ctx, tx, t) })
}
