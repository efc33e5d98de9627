package approval

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// Decide approves or denies a request. A denial needs a comment. The last approval that is needed applies the change, before Decide returns where that is possible; otherwise it is tried again. Refused attempts are
// recorded. The error is Forbidden or Conflict, with the reason.
func (s *Service) Decide(ctx context.Context, by actor.Principal, id string, approve bool, comment string) (*Request, error) {
	comment = strings.TrimSpace(comment)
	if err := checkText("/comment", comment, maxReason, !approve); err != nil {
		return nil, err
	}
	for range 5 { // an event says what the request becomes, and two may decide at once
		r, err := s.Get(ctx, by, id)
		if err != nil {
			return nil, err
		}
		if err := s.decide(ctx, by, r, approve, comment); err == nil {
			break
		} else if !errors.Is(err, errCounted) {
			return nil, err
		}
	}
	r, err := s.Get(ctx, by, id)
	if err == nil && r.State == Denied && r.Kind == KindReview {
		err = s.withdraw(ctx, by, r)
	}
	if err == nil && r.State == Approved && r.AppliedAt == nil {
		if err := s.apply(ctx, r); err != nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "what was approved is tried again", slog.String("approval", id), slog.String("tenant", by.TenantID), slog.Any("error", err))
		}
		r, err = s.Get(ctx, by, id)
	}
	return r, err
}

// errCounted says that somebody else has decided since the request was read.
var errCounted = errs.New(errs.Conflict, "Somebody else decided at the same time; look again.")

func (s *Service) decide(ctx context.Context, by actor.Principal, r *Request, approve bool, comment string) error {
	who, err := s.o.People.Standing(ctx, by.TenantID, by.UserID)
	if err != nil {
		return err
	}
	asker, err := s.asker(ctx, r)
	if err != nil {
		return err
	}
	now := s.o.Now().UTC().Truncate(time.Microsecond)
	if no := refusal(r, by, who, asker, now); no != nil {
		if errs.CodeOf(no) != errs.Forbidden {
			return no
		}
		e := newEvent(ctx, actionOf(approve), activityOf(approve), by, r)
		e.Outcome = event.Outcome{Status: "denied", Reason: errs.Message(no)}
		return errors.Join(no, s.o.Recorder.Record(ctx, by.TenantID, e, func(context.Context, *sql.Tx) error { return nil }))
	}
	next := Pending
	switch {
	case !approve:
		next = Denied
	case r.Approvals()+1 >= r.Needed:
		next = Approved
	}
	v := vote{Decision: Decision{UserID: by.UserID, Approve: approve, Comment: comment, At: now}}
	if v.sealed, err = s.o.Sealer.Seal(ctx, by.TenantID, label(r.ID, by.UserID), []byte(comment)); err != nil {
		return err
	}
	e := newEvent(ctx, actionOf(approve), activityOf(approve), by, r)
	e.Reason = comment
	if next != Pending {
		e.Changes = []event.Change{stateChange(Pending, next)}
	}
	return s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		stored, err := get(ctx, tx, by.TenantID, r.ID)
		if err != nil {
			return err
		}
		so, err := votes(ctx, tx, by.TenantID, r.ID)
		if err != nil {
			return err
		}
		if stored.State != Pending || len(so) != len(r.Decisions) {
			return errCounted
		}
		if err := insertVote(ctx, tx, by.TenantID, r.ID, v); err != nil || next == Pending {
			return err
		}
		return s.end(ctx, tx, r, next, now)
	})
}

// end moves a request to a final state and tells of it.
func (s *Service) end(ctx context.Context, tx *sql.Tx, r *Request, to State, at time.Time) error {
	if err := end(ctx, tx, r.TenantID, r.ID, to, at.UnixMicro()); err != nil {
		return err
	}
	ended := *r
	ended.State, ended.EndedAt = to, &at
	return s.o.Told(ctx, tx, &ended)
}

// Cancel takes a request back. Only who asked may, or those who manage access; nobody takes back the review of what has been done.
func (s *Service) Cancel(ctx context.Context, by actor.Principal, id string) (*Request, error) {
	r, err := s.Get(ctx, by, id)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Kind == KindReview:
		return nil, errs.New(errs.Forbidden, "A break-glass has been done; its review is not taken back.")
	case by.ID() != r.Requester && by.UserID != r.Behind && !by.Can(actor.AccessManage):
		return nil, errs.New(errs.Forbidden, "Only who asked for it takes a request back.")
	case r.State == Cancelled:
		return r, nil
	case r.State != Pending:
		return nil, errs.New(errs.Conflict, "The request is %s already.", r.State)
	}
	if err := s.close(ctx, by, r, actionCancel, Cancelled); err != nil {
		return nil, err
	}
	return s.Get(ctx, by, id)
}

func (s *Service) close(ctx context.Context, by actor.Principal, r *Request, action string, to State) error {
	now := s.o.Now().UTC().Truncate(time.Microsecond)
	e := newEvent(ctx, action, "update", by, r)
	e.Changes = []event.Change{stateChange(Pending, to)}
	return s.o.Recorder.Record(ctx, r.TenantID, e, func(ctx context.Context, tx *sql.Tx) error { return s.end(ctx, tx, r, to, now) })
}

// apply does what was approved, once. Errors that may pass come back; a final one is noted with the request, and recorded.
func (s *Service) apply(ctx context.Context, r *Request) error {
	k := s.kinds[r.Kind]
	if k == nil {
		return errs.New(errs.Unavailable, "this server does not know approvals of the kind %q", r.Kind)
	}
	err := k.Apply(ctx, r, func(ctx context.Context, tx *sql.Tx) error {
		return applied(ctx, tx, r.TenantID, r.ID, s.o.Now().UnixMicro())
	})
	if err == nil || errors.Is(err, errMoved) { // another server was first
		return nil
	}
	switch errs.CodeOf(err) {
	case errs.Unavailable, errs.Throttled, errs.Internal:
		return err
	}
	if ctx.Err() != nil {
		return err
	}
	e := newEvent(ctx, actionApply, "update", actor.System(r.TenantID), r)
	e.Outcome = event.Outcome{Status: "failure", Reason: errs.Message(err)}
	return s.o.Recorder.Record(ctx, r.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		return failed(ctx, tx, r.TenantID, r.ID, errs.Message(err))
	})
}

// withdraw ends a break-glass that was not justified, if it still lasts.
func (s *Service) withdraw(ctx context.Context, by actor.Principal, r *Request) error {
	g, err := grantOf(r)
	if err != nil || !s.o.Now().Before(g.Until) {
		return err
	}
	return s.granter.Withdraw(ctx, by, g)
}
