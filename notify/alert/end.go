package alert

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"slices"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
	"probity.dev/notify"
)

// heldNoMore is why an alert ends that nobody has ended.
const heldNoMore = "its condition held no more"

// endAttempts bounds how often the end of a rule's alerts is tried anew because they have changed meanwhile.
const endAttempts = 5

// errMoved says that the open alerts of a rule are not those any more of whose end the events tell.
var errMoved = errors.New("alert: the alerts have changed meanwhile")

// endEvent tells that an alert has ended: of what it was, and of nobody. by is nil when it ended by itself.
func endEvent(ctx context.Context, by *actor.Principal, a *row, at int64, because string) *event.Event {
	who := actor.System(a.tenant)
	if by != nil {
		who = *by
	}
	e := newEvent(ctx, "alert.resolve", "other", who, event.Resource{Type: "alert", ID: a.id})
	if who.IsSystem() {
		e.Actor = itself
	}
	e.Category = "security"
	e.Data = []event.Member{selfaudit.Member("rule_id", a.rule), selfaudit.Member("fired_at", timeOf(a.firedAt)), selfaudit.Member("resolved_at", timeOf(at)), selfaudit.Member("events", a.events),
		selfaudit.Member("resolved_because", because)}
	return e
}

// resolved tells the channels that were told of an alert that it has ended.
func (s *Service) resolved(ctx context.Context, tx *sql.Tx, r *rule, alertID string) error {
	return s.o.Notifier.Notify(ctx, tx, r.tenant, notify.Notification{Kind: notify.KindAlertResolved, Cause: notify.Cause{Type: "alert", ID: alertID}, Once: "alert.resolved:" + alertID, Channels: r.channels,
		Params: map[string]string{"alert": alertID}})
}

// end records that spells have ended. Each has a transaction of its own: the event, the alert, the notification and the rule's position, before which everything has been counted and after which
// nothing that is stored has been.
func (s *Service) end(ctx context.Context, f *follower, ended []*spell) error {
	r := f.r
	for i, sp := range ended {
		now, at := s.now(), f.c.endOf(sp)
		lease := now + leaseTime.Microseconds()
		a := &row{id: sp.id, tenant: r.tenant, rule: r.id, firedAt: sp.first.at, events: sp.events}
		err := s.o.Recorder.RecordAllLater(ctx, r.tenant, []*event.Event{endEvent(ctx, nil, a, at, heldNoMore)}, func(ctx context.Context, tx *sql.Tx) error {
			if err := moveRule(ctx, tx, r, s.owner, int64(f.next), f.at, 0, lease); err != nil {
				return err
			}
			if err := flush(ctx, tx, f); err != nil {
				return err
			}
			for _, later := range ended[i+1:] { // they go on with what they have counted if this is the last that can be stored
				if err := updateAlert(ctx, tx, later, 0); err != nil {
					return err
				}
			}
			if err := updateAlert(ctx, tx, sp, at); err != nil || !sp.told {
				return err
			}
			return s.resolved(ctx, tx, r, sp.id)
		})
		if err != nil {
			return err
		}
		f.committed(now, lease)
		s.o.Notifier.Nudge()
		s.o.Logger.LogAttrs(ctx, slog.LevelInfo, "an alert has ended", slog.String("alert", sp.id), slog.String("rule", r.id))
	}
	return nil
}

// recordAll is a method of Recorder.
type recordAll func(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error

// recordEnd records what somebody does to a rule, with the end of what it has open. change comes first: it keeps whoever follows the rule from touching its alerts.
func (s *Service) recordEnd(ctx context.Context, record recordAll, by actor.Principal, r *rule, e *event.Event, because string, change func(ctx context.Context, tx *sql.Tx) error) error {
	for range endAttempts {
		open, err := openAlerts(ctx, s.o.DB.Read(ctx), r)
		if err != nil {
			return err
		}
		at, events := s.now(), []*event.Event{e}
		for _, a := range open {
			events = append(events, endEvent(ctx, &by, a, at, because))
		}
		err = record(ctx, r.tenant, events, func(ctx context.Context, tx *sql.Tx) error {
			if err := change(ctx, tx); err != nil {
				return err
			}
			return s.endAll(ctx, tx, r, open, because, at)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return errs.New(errs.Conflict, "The rule raises alerts just now. Try again.")
}

// endAll ends what is open of a rule that does not go on as it was.
func (s *Service) endAll(ctx context.Context, tx *sql.Tx, r *rule, open []*row, because string, at int64) error {
	now, err := openAlerts(ctx, tx, r)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(now, open, func(a, b *row) bool { return a.id == b.id && a.events == b.events }) {
		return errMoved
	}
	for _, a := range open {
		if !a.told {
			continue
		}
		if err := s.resolved(ctx, tx, r, a.id); err != nil {
			return err
		}
	}
	return closeAlerts(ctx, tx, r, because, at)
}
