package access

import (
	"context"
	"database/sql"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// ChangePassword replaces the caller's own password and ends the caller's other sessions. Guessing the current one is throttled like signing in.
func (s *Service) ChangePassword(ctx context.Context, p actor.Principal, current, next string) error {
	if p.UserID == "" {
		return errs.New(errs.Forbidden, "Only a person has a password.")
	}
	if err := s.checkPassword(ctx, "/new", next, s.wordsOf(ctx, p.TenantID, p.Email, p.Name)); err != nil {
		return err
	}
	attempt := s.throttlesOf(p.Email, ClientOf(ctx).IP)
	if err := s.charge(ctx, attempt); err != nil {
		return err
	}
	a, err := in(s.o.DB.Read(ctx), p.TenantID).account(ctx, p.UserID)
	if err != nil {
		return err
	}
	ok, err := s.hasher.verify(ctx, a.hash, current)
	if err != nil {
		return err
	}
	e := aboutUser(newEvent(ctx, actionPasswordChange, "auth", "update", p), User{ID: p.UserID, Name: p.Name})
	if !ok {
		e.Outcome = event.Outcome{Status: "failure", Reason: "wrong password"}
		if err := s.o.Recorder.Record(ctx, p.TenantID, e, nothing); err != nil {
			return err
		}
		return errs.Field("/current", "wrong", "The current password is wrong.")
	}
	hash, err := s.hasher.hash(ctx, next)
	if err != nil {
		return err
	}
	return s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, p.TenantID)
		if err := q.setPassword(ctx, a.id, a.hash, hash); err != nil {
			return errs.Wrap(errs.Conflict, err, "The password was changed elsewhere at the same time.")
		}
		if err := forgive(ctx, tx, attempt); err != nil {
			return err
		}
		if err := q.endResets(ctx, a.id, s.o.Now().UnixMicro()); err != nil {
			return err
		}
		return q.deleteSessions(ctx, a.id, p.SessionID)
	})
}

// ResetPassword gives a person a new password without knowing the old one and ends all of the person's sessions. It is for the operator at the machine, who is the system.
func (s *Service) ResetPassword(ctx context.Context, p actor.Principal, email, next, reason string) error {
	if !p.IsSystem() {
		return errs.New(errs.Forbidden, "Only the operator may reset a password.")
	}
	found, err := accountsByEmail(ctx, s.o.DB.Read(ctx), s.emailIndex(email), p.TenantID)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errs.New(errs.NotFound, "There is no user with this e-mail address.")
	}
	a := found[0]
	u, err := s.open(ctx, a)
	if err != nil {
		return err
	}
	if err := s.checkPassword(ctx, "/new", next, s.wordsOf(ctx, a.tenant, u.Email, u.Name)); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, next)
	if err != nil {
		return err
	}
	e := aboutUser(newEvent(ctx, actionPasswordChange, "auth", "update", p), u)
	e.Reason = reason
	return s.o.Recorder.Record(ctx, p.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		q := in(tx, p.TenantID)
		if err := q.setPassword(ctx, a.id, a.hash, hash); err != nil {
			return err
		}
		if err := q.endAllPending(ctx, a.id); err != nil {
			return err
		}
		if err := q.endResets(ctx, a.id, s.o.Now().UnixMicro()); err != nil {
			return err
		}
		if err := forgive(ctx, tx, s.throttlesOf(email, ClientOf(ctx).IP)); err != nil {
			return err
		}
		return q.deleteSessions(ctx, a.id, "")
	})
}
