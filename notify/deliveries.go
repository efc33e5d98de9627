package notify

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// maxReplay is how many dead letters one call replays.
const maxReplay = 1000

// Delivery describes the delivery of a notification over a channel. Times are UTC.
type Delivery struct {
	ID             string     `json:"id" doc:"The id that receivers see"`
	ChannelID      string     `json:"channel_id"`
	NotificationID string     `json:"notification_id"`
	Kind           string     `json:"kind" doc:"Kind of the notification"`
	Cause          Cause      `json:"cause"`
	Status         string     `json:"status" enum:"queued,sending,delivered,dead,discarded,muted,failed"`
	Attempts       int64      `json:"attempts" format:"int53"`
	Code           int64      `json:"code,omitempty" format:"int53" doc:"Status of HTTP or SMTP that the last attempt brought"`
	Problem        string     `json:"problem,omitempty" doc:"Why the last attempt failed"`
	NextAt         *time.Time `json:"next_at,omitempty" doc:"When it is tried again"`
	CreatedAt      time.Time  `json:"created_at"`
	FinishedAt     *time.Time `json:"finished_at,omitempty"`
}

// Attempt is one attempt to deliver.
type Attempt struct {
	Number  int64     `json:"number" format:"int53"`
	At      time.Time `json:"at"`
	TookMS  int64     `json:"took_ms" format:"int53"`
	Code    int64     `json:"code,omitempty" format:"int53"`
	Problem string    `json:"problem,omitempty"`
}

func deliveryOf(l *listed) *Delivery {
	d := &Delivery{ID: l.id, ChannelID: l.channel, NotificationID: l.notification, Kind: l.kind, Cause: Cause{Type: l.causeType, ID: l.causeID}, Status: l.status, Attempts: l.attempt, Code: l.code,
		Problem: l.problem, CreatedAt: time.UnixMicro(l.createdAt).UTC()}
	if l.status == statusQueued {
		d.NextAt = timeOf(l.dueAt)
	}
	if l.finishedAt.Valid {
		d.FinishedAt = timeOf(l.finishedAt.Int64)
	}
	return d
}

// DeliveryFilter selects deliveries; empty members do not.
type DeliveryFilter struct {
	ChannelID, Status string
	// Cursor is where the page before ended.
	Cursor string
	Limit  int
}

// Deliveries returns a page of the tenant's deliveries, newest first, and where the next begins; "" at the end.
func (s *Service) Deliveries(ctx context.Context, by actor.Principal, f DeliveryFilter) (list []*Delivery, next string, err error) {
	if err := require(by, actor.NotifyView); err != nil {
		return nil, "", err
	}
	if f.Status != "" && !slices.Contains(Statuses(), f.Status) {
		return nil, "", errs.Field("/status", "unknown", "The status is unknown. Statuses are %s.", strings.Join(Statuses(), ", "))
	}
	p := page{channel: f.ChannelID, status: f.Status, limit: min(max(f.Limit, 1), 200)}
	if f.Cursor != "" {
		at, id, ok := strings.Cut(f.Cursor, "_")
		if p.before, err = strconv.ParseInt(at, 10, 64); err != nil || !ok || p.before <= 0 {
			return nil, "", errs.Field("/cursor", "invalid", "The cursor is not one that this server made.")
		}
		p.beforeID = id
	}
	rows, err := listDeliveries(ctx, s.o.DB.Read(ctx), by.TenantID, p)
	if err != nil {
		return nil, "", err
	}
	list = make([]*Delivery, 0, len(rows))
	for _, l := range rows {
		list = append(list, deliveryOf(l))
	}
	if len(rows) == p.limit {
		last := rows[len(rows)-1]
		next = fmt.Sprintf("%d_%s", last.createdAt, last.id)
	}
	return list, next, nil
}

// Delivery returns one delivery and its attempts, oldest first.
func (s *Service) Delivery(ctx context.Context, by actor.Principal, id string) (*Delivery, []Attempt, error) {
	if err := require(by, actor.NotifyView); err != nil {
		return nil, nil, err
	}
	l, err := getListed(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return nil, nil, err
	}
	rows, err := listAttempts(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	out := make([]Attempt, 0, len(rows))
	for _, a := range rows {
		out = append(out, Attempt{Number: a.number, At: time.UnixMicro(a.startedAt).UTC(), TookMS: a.took / 1000, Code: a.code, Problem: a.problem})
	}
	return deliveryOf(l), out, err
}

// Replay queues dead letters again: the one with this id, or when id is empty, the oldest thousand, of one channel if channelID is not empty. It returns how many.
func (s *Service) Replay(ctx context.Context, by actor.Principal, id, channelID string) (int, error) {
	if err := require(by, actor.NotifyManage); err != nil {
		return 0, err
	}
	about := event.Resource{Type: "notification_delivery", ID: id}
	if id == "" {
		about = event.Resource{Type: "notification_channel", ID: channelID}
		if channelID == "" {
			about.ID = "all"
		}
	} else {
		l, err := getListed(ctx, s.o.DB.Read(ctx), by.TenantID, id)
		if err != nil || l.status != statusDead {
			return 0, errNoLetter
		}
		c, err := getChannel(ctx, s.o.DB.Read(ctx), by.TenantID, l.channel)
		if err != nil {
			return 0, err
		}
		if c.paused != "" {
			return 0, errs.New(errs.Conflict, "The channel is paused. Resume it first.")
		}
	}
	n := 0
	err := s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, actionReplay, "update", by, about), func(ctx context.Context, tx *sql.Tx) error {
		n = 0
		channels, err := listChannels(ctx, tx, by.TenantID)
		if err != nil {
			return err
		}
		for _, c := range channels {
			if c.paused != "" || channelID != "" && c.id != channelID {
				continue // it would come back at once
			}
			ids, err := revive(ctx, tx, by.TenantID, id, c.id, s.now(), maxReplay-n)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := s.enqueue(ctx, tx, &delivery{tenant: by.TenantID, id: id, status: statusQueued, dueAt: s.now()}); err != nil {
					return err
				}
			}
			n += len(ids)
		}
		if n == 0 {
			return errs.New(errs.NotFound, "There are no dead letters to replay; those of a paused channel wait until it is resumed.")
		}
		return nil
	})
	s.Nudge()
	return n, err
}

// Backlog is what is not delivered, of all tenants.
type Backlog struct {
	Waiting, Dead int64
	// Late is how long the delivery that has waited longest for its first attempt has waited.
	Late time.Duration
}

// Backlog counts what is not delivered.
func (s *Service) Backlog(ctx context.Context) (Backlog, error) {
	b, oldest, err := backlog(ctx, s.o.DB.Read(ctx))
	if oldest > 0 {
		b.Late = max(time.Duration(s.now()-oldest)*time.Microsecond, 0)
	}
	return b, err
}

// Discard puts a dead letter away.
func (s *Service) Discard(ctx context.Context, by actor.Principal, id string) error {
	if err := require(by, actor.NotifyManage); err != nil {
		return err
	}
	return s.o.Recorder.Record(ctx, by.TenantID, newEvent(ctx, actionDiscard, "update", by, event.Resource{Type: "notification_delivery", ID: id}), func(ctx context.Context, tx *sql.Tx) error {
		return discard(ctx, tx, by.TenantID, id, s.now())
	})
}

// Test sends a test over a channel, muted or paused as it may be, waits for the answer and returns it. A test is not tried again.
func (s *Service) Test(ctx context.Context, by actor.Principal, id string) (*Delivery, []Attempt, error) {
	c, v, err := s.find(ctx, by, actor.NotifyManage, id)
	if err != nil {
		return nil, nil, err
	}
	n, err := s.row(by.TenantID, Notification{Kind: KindTest, Cause: Cause{Type: "notification_channel", ID: id}})
	if err != nil {
		return nil, nil, err
	}
	now := s.now()
	// Stored as a test that failed, which nobody else takes. Should the process end here, that is what it was.
	d := &delivery{id: newID(), tenant: c.tenant, channel: c.id, notification: n.id, status: statusFailed, dueAt: now, problem: "the test was interrupted", createdAt: now,
		finishedAt: sql.NullInt64{Int64: now, Valid: true}}
	err = s.o.Recorder.Record(ctx, by.TenantID, channelEvent(ctx, actionTest, "send", by, c, v.Name), func(ctx context.Context, tx *sql.Tx) error {
		if _, err := insertNotification(ctx, tx, n); err != nil {
			return err
		}
		return insertDelivery(ctx, tx, d)
	})
	if err != nil {
		return nil, nil, err
	}
	// Whoever asked may hang up; the answer is stored all the same.
	s.try(context.WithoutCancel(ctx), []*delivery{d})
	return s.Delivery(ctx, by, d.id)
}
