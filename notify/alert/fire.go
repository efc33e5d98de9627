package alert

import (
	"context"
	"database/sql"
	"log/slog"
	"strconv"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
	"probity.dev/notify"
	"probity.dev/notify/send"
)

// itself is the actor of what the server does by itself.
var itself = event.Actor{Type: "system", ID: "probity"}

// fire raises an alert: the event, the alert, the notification and the rule's position, all or none. A frozen log gets the event later.
func (s *Service) fire(ctx context.Context, f *follower, sp *spell) error {
	r, now := f.r, s.now()
	sp.id, sp.told = newID(), r.mutedUntil <= now
	body, err := s.seal(ctx, r.tenant, sp.id, alertBody{Rule: f.v.Name})
	if err != nil {
		return err
	}
	a := &row{id: sp.id, tenant: r.tenant, rule: r.id, body: body, severity: r.severity, by: r.by, key: sp.key, firstSeq: int64(sp.first.seq), firedAt: sp.first.at, lastSeq: int64(sp.last.seq), lastAt: sp.last.at,
		holdsUntil: sp.holdsUntil, events: sp.events, samples: sp.samples, told: sp.told}
	lease := now + leaseTime.Microseconds()
	err = s.o.Recorder.RecordAllLater(ctx, r.tenant, []*event.Event{fireEvent(ctx, f, sp)}, func(ctx context.Context, tx *sql.Tx) error {
		if err := moveRule(ctx, tx, r, s.owner, int64(f.next), f.at, sp.first.at, lease); err != nil {
			return err
		}
		if err := insertAlert(ctx, tx, a); err != nil {
			return err
		}
		if err := flush(ctx, tx, f); err != nil {
			return err
		}
		if !sp.told {
			return nil
		}
		return s.o.Notifier.Notify(ctx, tx, r.tenant, notify.Notification{Kind: kindOf(r.severity), Cause: notify.Cause{Type: "alert", ID: a.id}, Once: "alert:" + a.id, Channels: r.channels,
			Params: map[string]string{"alert": a.id, "what": what(r, sp.events), "events": strconv.FormatInt(sp.events, 10), "first_seq": strconv.FormatUint(sp.first.seq, 10)}})
	})
	if err != nil {
		return err
	}
	f.committed(now, lease)
	f.visible.Store(int64(f.next))
	s.o.Notifier.Nudge()
	s.o.Logger.LogAttrs(ctx, slog.LevelInfo, "an alert was raised", slog.String("alert", a.id), slog.String("rule", r.id), slog.String("severity", r.severity))
	return nil
}

// what says in words of ours what a rule has found.
func what(r *rule, events int64) string {
	if r.window == 0 {
		return "A matching event was recorded"
	}
	by := map[string]string{ByNone: "", ByActor: " by one actor", ByResource: " about one resource", ByAddress: " from one address"}[r.by]
	noun := " matching events"
	if events == 1 {
		noun = " matching event"
	}
	return strconv.FormatInt(events, 10) + noun + by + " within " + (time.Duration(r.window) * time.Microsecond).String()
}

func fireEvent(ctx context.Context, f *follower, sp *spell) *event.Event {
	e := newEvent(ctx, "alert.fire", "other", actor.System(f.r.tenant), event.Resource{Type: "alert", ID: sp.id, Name: f.v.Name})
	e.Actor, e.Category = itself, "security"
	e.Severity = map[string]string{send.Info: "info", send.Warning: "medium", send.Error: "high", send.Critical: "critical"}[f.r.severity]
	e.Data = []event.Member{selfaudit.Member("rule_id", f.r.id), selfaudit.Member("events", sp.events), selfaudit.Member("group_by", f.r.by), selfaudit.Member("first_seq", sp.first.seq), selfaudit.Member("muted", !sp.told)}
	return e
}
