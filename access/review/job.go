package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	lookEvery = 10 * time.Second
	lookAt    = 100 // reviews at once
)

// repeatArgs are the arguments of the job that begins the next review.
type repeatArgs struct {
	Review string `json:"review"`
}

// Kind implements jobs.Args.
func (repeatArgs) Kind() string { return "access_review.repeat" }

// lapseArgs are the arguments of the job that revokes what nobody has decided on.
type lapseArgs struct {
	Review string `json:"review"`
}

// Kind implements jobs.Args.
func (lapseArgs) Kind() string { return "access_review.lapse" }

// mailArgs are the arguments of the job that reminds one reviewer. They hold no address.
type mailArgs struct {
	Review string    `json:"review"`
	User   string    `json:"user"`
	Why    string    `json:"why"` // start, remind or overdue
	At     time.Time `json:"at"`
}

// Kind implements jobs.Args.
func (mailArgs) Kind() string { return "access_review.mail" }

// Start begins to look after reviews whose time has come, and returns at once. [Service.Close] ends it.
func (s *Service) Start(ctx context.Context) { s.workers.Start(ctx, s.loop) }

// Close stops what Start began and waits for it.
func (s *Service) Close() { s.workers.Close() }

func (s *Service) loop(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		_, err := s.o.DB.Alone(ctx, "access-reviews", func(ctx context.Context, _ *sqldb.Lease) error { return s.Sweep(ctx) })
		if err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "reviews of access cannot be looked after", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sweep enqueues what is due: the next review, reminders, and what follows when the time is over. Each step checks in its transaction that it is still to be done.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.now()
	list, err := dueOf(ctx, s.o.DB.Read(ctx), now.UnixMicro(), lookAt)
	for _, r := range list {
		if e := s.unsealed(ctx, r); e != nil {
			err = errors.Join(err, e)
			continue
		}
		if r.nextAt > 0 && r.nextAt <= now.UnixMicro() {
			err = errors.Join(err, s.unless(s.o.DB.Write(ctx, func(tx *sql.Tx) error {
				if err := setNext(ctx, tx, r, 0); err != nil {
					return err
				}
				_, err := s.o.Jobs.Enqueue(ctx, tx, r.TenantID, repeatArgs{r.ID}, jobs.Enqueuing{Unique: true})
				return err
			})))
		}
		switch {
		case r.State != Open:
		case r.overdueAt == 0 && !now.Before(r.DueAt):
			err = errors.Join(err, s.unless(s.overdue(ctx, r, now)))
		case r.remindsAt > 0 && r.remindsAt <= now.UnixMicro():
			err = errors.Join(err, s.unless(s.remind(ctx, r, now)))
		}
	}
	return err
}

// unless leaves out that somebody else was first.
func (s *Service) unless(err error) error {
	if errs.CodeOf(err) == errs.Conflict {
		return nil
	}
	return err
}

func (s *Service) remind(ctx context.Context, r *Review, now time.Time) error {
	users, err := waitingFor(ctx, s.o.DB.Read(ctx), r)
	if err != nil {
		return err
	}
	next := int64(0)
	if at := now.AddDate(0, 0, max(r.RemindDays, 1)); at.Before(r.DueAt) {
		next = at.UnixMicro()
	}
	return s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		if err := setReminder(ctx, tx, r, next); err != nil {
			return err
		}
		for _, u := range users {
			if err := s.enqueueMail(ctx, tx, r, u, "remind"); err != nil {
				return err
			}
		}
		return nil
	})
}

// overdue tells that the time is over, once, and revokes what is left where the review says so.
func (s *Service) overdue(ctx context.Context, r *Review, now time.Time) error {
	if err := count(ctx, s.o.DB.Read(ctx), r, ""); err != nil {
		return err
	}
	users, err := waitingFor(ctx, s.o.DB.Read(ctx), r)
	if err != nil {
		return err
	}
	e := newEvent(ctx, actionOverdue, actor.System(r.TenantID), r)
	e.Severity = "high"
	e.Changes = []event.Change{selfaudit.Change("/overdue_at", nil, now)}
	e.Data = []event.Member{selfaudit.Member("waiting", r.Counts.Waiting), selfaudit.Member("items", r.Counts.Total), selfaudit.Member("reviewers", users), selfaudit.Member("auto_revoke", r.AutoRevoke)}
	return s.o.Recorder.Record(ctx, r.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := setOverdue(ctx, tx, r, now.UnixMicro()); err != nil {
			return err
		}
		if r.Counts.Waiting == 0 {
			return nil // it only waits to be closed
		}
		for _, u := range users {
			if err := s.enqueueMail(ctx, tx, r, u, "overdue"); err != nil {
				return err
			}
		}
		if r.AutoRevoke {
			if _, err := s.o.Jobs.Enqueue(ctx, tx, r.TenantID, lapseArgs{r.ID}, jobs.Enqueuing{Unique: true}); err != nil {
				return err
			}
		}
		return s.o.Told(ctx, tx, r, "overdue")
	})
}

// repeat begins the review after another one, as whoever began that one; the Work of its kind of job.
func (s *Service) repeat(ctx context.Context, run *jobs.Run, a repeatArgs) error {
	db := s.o.DB.Read(ctx)
	if _, err := following(ctx, db, run.TenantID, a.Review); errs.CodeOf(err) != errs.NotFound {
		return err // it is there
	}
	last, err := get(ctx, db, run.TenantID, a.Review)
	if err == nil {
		err = s.unsealed(ctx, last)
	}
	if err != nil {
		return err
	}
	_, err = s.begin(ctx, actor.System(run.TenantID), &Review{Definition: last.Definition, CreatedBy: last.CreatedBy, Follows: last.ID})
	return err
}

// lapse revokes what nobody has decided on in time; the Work of its kind of job. What cannot be revoked, such as the role of the last admin, stays open.
func (s *Service) lapse(ctx context.Context, run *jobs.Run, a lapseArgs) error {
	by := actor.System(run.TenantID)
	r, err := s.Get(ctx, by, a.Review)
	if err != nil || r.State != Open {
		return err
	}
	var failed error
	for after := ""; ; {
		list, err := items(ctx, s.o.DB.Read(ctx), r.TenantID, r.ID, itemFilter{state: Waiting, after: after, limit: MaxAtOnce})
		if err != nil || len(list) == 0 {
			return errors.Join(failed, err)
		}
		for _, i := range list {
			after = i.ID
			if err := s.open(ctx, r.TenantID, i); err != nil {
				return err
			}
			_, err := s.revoke(ctx, by, r, i, "nobody decided in time")
			switch errs.CodeOf(err) {
			case errs.Conflict, errs.Forbidden, errs.NotFound:
				s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "what nobody reviewed in time could not be revoked", slog.String("review", r.ID), slog.String("item", i.ID), slog.Any("error", err))
			default:
				failed = errors.Join(failed, err)
			}
		}
	}
}

func (s *Service) enqueueMail(ctx context.Context, tx *sql.Tx, r *Review, user, why string) error {
	if s.o.Mailer == nil {
		return nil
	}
	_, err := s.o.Jobs.Enqueue(ctx, tx, r.TenantID, mailArgs{r.ID, user, why, s.now()}, jobs.Enqueuing{})
	return err
}

// mail reminds one reviewer; the Work of its kind of job. Who has nothing left to decide, or may not sign in any more, gets nothing.
func (s *Service) mail(ctx context.Context, run *jobs.Run, a mailArgs) error {
	r, err := get(ctx, s.o.DB.Read(ctx), run.TenantID, a.Review)
	if err == nil {
		err = s.unsealed(ctx, r)
	}
	if err == nil {
		err = count(ctx, s.o.DB.Read(ctx), r, a.User)
	}
	if err != nil || r.State != Open || r.Mine == 0 || s.o.Mailer == nil {
		return err
	}
	l := Letter{ID: fmt.Sprintf("%s.%s.%d", r.ID, a.User, run.ID), At: a.At, Subject: "A review of access waits for you",
		Text: fmt.Sprintf("%s of what people may do wait for your decision: confirm each, or revoke it, and say why. There is time until %s. What you decide is recorded in the log.", things(r.Mine), r.DueAt.Format("2 January 2006 15:04 MST"))}
	if a.Why == "overdue" {
		l.Subject = "A review of access is overdue"
	}
	if s.o.PublicURL != "" {
		l.URL = s.o.PublicURL + "/reviews?id=" + r.ID
	}
	if err := s.o.Mailer.MailUser(ctx, r.TenantID, a.User, l); err != nil {
		return s.giveUp(err)
	}
	e := newEvent(ctx, actionRemind, actor.System(r.TenantID), r)
	e.Subject = &event.Ref{Type: "user", ID: a.User}
	e.Data = []event.Member{selfaudit.Member("waiting", r.Mine), selfaudit.Member("why", a.Why)}
	return s.o.Recorder.Record(ctx, r.TenantID, e, func(context.Context, *sql.Tx) error { return nil })
}

// giveUp leaves out that a reviewer may not sign in any more: there is nobody to write to.
func (s *Service) giveUp(err error) error {
	if errs.CodeOf(err) == errs.Forbidden {
		return nil
	}
	return err
}

func things(n int) string {
	if n == 1 {
		return "One entry"
	}
	return fmt.Sprintf("%d entries", n)
}
