package notify

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/notify/send"
)

// Start begins to deliver. It returns at once; [Service.Close] stops the work. What a crash interrupted is tried again when its lease has run out.
func (s *Service) Start(ctx context.Context) {
	run := []func(context.Context){s.clean}
	if s.o.Queue == nil {
		for range workers {
			run = append(run, s.work)
		}
	}
	s.run.Start(ctx, run...)
}

// Close stops the work and waits for it. An attempt under way is cut short and made again later.
func (s *Service) Close() { s.run.Close() }

func (s *Service) work(ctx context.Context) {
	for ctx.Err() == nil {
		d, err := s.claim(ctx)
		if err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "no delivery could be taken from the queue", slog.Any("error", err))
		}
		if d != nil {
			s.Nudge() // there may be more for the others
			s.try(ctx, d)
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-time.After(pollEvery):
		}
	}
}

func (s *Service) claim(ctx context.Context) (d *delivery, err error) {
	if due, err := anyDue(ctx, s.o.DB.Read(ctx), s.now()); err != nil || !due {
		return nil, err
	}
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		now := s.now()
		d, err = claim(ctx, tx, now, now+leaseTime.Microseconds())
		return err
	})
	return d, err
}

// Deliver makes one attempt for a delivery if it is due, and enqueues the next one if that fails. It is what a [Queue] calls; doing so once too often does no harm.
func (s *Service) Deliver(ctx context.Context, tenantID, deliveryID string) error {
	var d *delivery
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		now := s.now()
		d, err = claimOne(ctx, tx, tenantID, deliveryID, now, now+leaseTime.Microseconds())
		return err
	})
	if errors.Is(err, errNoDelivery) {
		return nil
	}
	if err != nil {
		return err
	}
	s.try(ctx, d)
	return nil
}

// try makes one attempt and stores how it ended.
func (s *Service) try(ctx context.Context, d *delivery) {
	start := s.now()
	o := s.attempt(ctx, d)
	if ctx.Err() != nil && !o.OK {
		return // the lease runs out, and it is tried again
	}
	if err := s.finish(context.WithoutCancel(ctx), d, o, start); err != nil {
		s.o.Logger.LogAttrs(ctx, slog.LevelError, "the end of an attempt could not be stored; the delivery is tried again", slog.String("delivery", d.id), slog.Any("error", err))
	}
}

// attempt sends. A panic counts as a failure, so that one bad message does not end the server.
func (s *Service) attempt(ctx context.Context, d *delivery) (o send.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "a delivery panicked", slog.String("delivery", d.id), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			o = send.Outcome{Problem: "an internal error; the server's log has the details", Permanent: true}
		}
	}()
	unreadable := func(err error) send.Outcome {
		s.o.Logger.LogAttrs(ctx, slog.LevelError, "a delivery cannot be read", slog.String("delivery", d.id), slog.Any("error", err))
		return send.Outcome{Problem: "an internal error; the server's log has the details"}
	}
	c, err := getChannel(ctx, s.o.DB.Read(ctx), d.tenant, d.channel)
	if err != nil {
		return unreadable(err)
	}
	v, err := s.unseal(ctx, c)
	if err != nil {
		return unreadable(err)
	}
	n, err := getNotification(ctx, s.o.DB.Read(ctx), d.tenant, d.notification)
	if err != nil {
		return unreadable(err)
	}
	m, err := s.message(ctx, d, n)
	if err != nil {
		return unreadable(err)
	}
	return s.o.Sender.Send(ctx, c.kind, &v.Settings, m)
}

// finish stores the end of an attempt, and pauses a channel that will not work again by itself.
func (s *Service) finish(ctx context.Context, d *delivery, o send.Outcome, start int64) error {
	now := s.now()
	test := d.status == statusFailed // see Test
	d.code, d.problem = int64(o.Code), o.Problem
	d.finishedAt = sql.NullInt64{Int64: now, Valid: true}
	hold := int64(0)
	switch wait, again := nextTry(d.tries, o.RetryAfter); {
	case o.OK:
		d.status = statusDelivered
	case test:
	case o.Permanent || !again:
		d.status = statusDead
	default:
		d.status, d.dueAt, d.finishedAt = statusQueued, now+wait.Microseconds(), sql.NullInt64{}
		hold = now + max(min(wait, maxHold), min(o.RetryAfter, maxWait)).Microseconds()
	}
	var c *channel
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		mine, err := settle(ctx, tx, d, &attempt{number: d.attempt, startedAt: start, took: now - start, code: d.code, problem: d.problem})
		if err != nil || !mine {
			return err
		}
		if o.OK {
			return channelWorked(ctx, tx, d.tenant, d.channel, now)
		}
		if test {
			return nil
		}
		if err := channelFailed(ctx, tx, d.tenant, d.channel, d.problem, now, hold); err != nil {
			return err
		}
		if d.status == statusQueued {
			if err := s.enqueue(ctx, tx, d); err != nil {
				return err
			}
		}
		c, err = getChannel(ctx, tx, d.tenant, d.channel)
		return err
	})
	if err != nil || c == nil {
		return err
	}
	s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a notification was not delivered", slog.String("delivery", d.id), slog.String("channel", d.channel), slog.String("status", d.status),
		slog.Int64("attempt", d.attempt), slog.Int64("code", d.code), slog.String("problem", d.problem))
	if o.Gone || c.failures >= pauseAtLeast && now-c.failingSince >= pauseAfter.Microseconds() {
		return s.giveUp(ctx, c)
	}
	return nil
}

// giveUp pauses a channel by the server's own decision and says so over the others.
func (s *Service) giveUp(ctx context.Context, c *channel) error {
	v, err := s.unseal(ctx, c)
	if err != nil {
		return err
	}
	e := channelEvent(ctx, actionPause, "update", actor.System(c.tenant), c, v.Name)
	e.Actor = event.Actor{Type: "system", ID: "probity"}
	e.Severity = "warning"
	e.Reason = "it has stopped working: " + c.lastProblem
	err = s.o.Recorder.Record(ctx, c.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := pauseChannel(ctx, tx, c.tenant, c.id, "it stopped working: "+c.lastProblem, s.now()); err != nil {
			return err
		}
		return s.Notify(ctx, tx, c.tenant, Notification{Kind: KindChannelPaused, Cause: Cause{Type: "notification_channel", ID: c.id}})
	})
	if errs.CodeOf(err) == errs.NotFound { // paused or deleted meanwhile
		return nil
	}
	s.Nudge()
	return err
}

// clean removes what is old, once an hour.
func (s *Service) clean(ctx context.Context) {
	for {
		now := s.o.Now()
		err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
			return forget(ctx, tx, now.Add(-keepDone).UnixMicro(), now.Add(-keepDead).UnixMicro())
		})
		if err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "old deliveries were not removed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(cleanEvery):
		}
	}
}
