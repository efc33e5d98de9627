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

// Close stops the work and waits for it. An attempt under way is cut short; it, and what was to follow it, goes back to the queue.
func (s *Service) Close() { s.run.Close() }

func (s *Service) work(ctx context.Context) {
	for ctx.Err() == nil {
		batch, err := s.claim(ctx)
		if err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "no delivery could be taken from the queue", slog.Any("error", err))
		}
		if len(batch) > 0 {
			s.Nudge() // there may be more for the others
			s.try(ctx, batch)
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-time.After(pollEvery):
		}
	}
}

// claim takes a batch for this worker. Most of the time there is nothing to take; that is found out without the lock that writers share.
func (s *Service) claim(ctx context.Context) (batch []*delivery, err error) {
	if id, err := nextChannel(ctx, s.o.DB.Read(ctx), s.now()); err != nil || id == "" {
		return nil, err
	}
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		now := s.now()
		batch, err = claim(ctx, tx, now, now+leaseTime.Microseconds(), batchSize)
		return err
	})
	return batch, err
}

// Deliver makes one attempt for a delivery if it is due, and enqueues the next one if that fails. It is what a [Queue] calls; doing so once too often does no harm.
func (s *Service) Deliver(ctx context.Context, tenantID, deliveryID string) error {
	var batch []*delivery
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		now := s.now()
		batch, err = claimOne(ctx, tx, tenantID, deliveryID, now, now+leaseTime.Microseconds())
		return err
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	s.try(ctx, batch)
	return nil
}

// outcome is how an attempt ended.
type outcome struct {
	send.Outcome
	d         *delivery
	startedAt int64
	took      int64 // microseconds
}

// try sends a batch of one channel's deliveries, one after the other, and stores how that went in one transaction: how the attempts ended, and that the rest waits again, untried. It ends early when the channel is to be
// left alone, when the server stops, and after batchTime, so that what is sent is soon known to be, a crash repeats little, and other channels get their turn; thus the lease covers a batch as it does one attempt.
func (s *Service) try(ctx context.Context, batch []*delivery) {
	var over line
	var ended []*outcome
	begun := time.Now()
	for len(ended) < len(batch) && ctx.Err() == nil && time.Since(begun) < s.batchTime {
		o := &outcome{d: batch[len(ended)], startedAt: s.now()}
		var made bool
		if o.Outcome, made = s.attempt(ctx, o.d, &over); !made || ctx.Err() != nil && !o.OK {
			break
		}
		o.took = s.now() - o.startedAt
		ended = append(ended, o)
		if !o.OK && !o.Permanent || o.Gone {
			break
		}
	}
	if err := s.finish(context.WithoutCancel(ctx), batch, ended); err != nil {
		s.o.Logger.LogAttrs(ctx, slog.LevelError, "the end of an attempt could not be stored; the delivery is tried again", slog.String("delivery", batch[0].id), slog.Int("deliveries", len(batch)), slog.Any("error", err))
	}
}

// line is the channel that a batch goes over, opened.
type line struct {
	c *channel
	v *sealed
}

// refresh looks at the channel again, and opens it again if somebody has changed it.
func (l *line) refresh(ctx context.Context, s *Service, d *delivery) error {
	c, err := getChannel(ctx, s.o.DB.Read(ctx), d.tenant, d.channel)
	if err != nil {
		return err
	}
	if l.v == nil || l.c.updatedAt != c.updatedAt {
		if l.v, err = s.unseal(ctx, c); err != nil {
			return err
		}
	}
	l.c = c
	return nil
}

// attempt sends; it reports false when that was not to be tried, because the channel was paused or deleted meanwhile. A panic counts as a failure, so that one bad message does not end the server.
func (s *Service) attempt(ctx context.Context, d *delivery, over *line) (o send.Outcome, made bool) {
	defer func() {
		if p := recover(); p != nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "a delivery panicked", slog.String("delivery", d.id), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			o, made = send.Outcome{Problem: "an internal error; the server's log has the details", Permanent: true}, true
		}
	}()
	unreadable := func(err error) (send.Outcome, bool) {
		s.o.Logger.LogAttrs(ctx, slog.LevelError, "a delivery cannot be read", slog.String("delivery", d.id), slog.Any("error", err))
		return send.Outcome{Problem: "an internal error; the server's log has the details"}, true
	}
	err := over.refresh(ctx, s, d)
	if errors.Is(err, errNoChannel) || err == nil && over.c.paused != "" && d.status == statusSending {
		return send.Outcome{}, false
	}
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
	return s.o.Sender.Send(ctx, over.c.kind, &over.v.Settings, m), true
}

// ending changes a delivery to what an attempt has made of it, and returns how long the channel is to be left alone: until hold, 0 for not at all.
func (o *outcome) ending(now int64) (hold int64) {
	d, test := o.d, o.d.status == statusFailed // see Test
	d.attempt, d.tries = d.attempt+1, d.tries+1
	d.code, d.problem = int64(o.Code), o.Problem
	d.finishedAt = sql.NullInt64{Int64: now, Valid: true}
	switch wait, again := nextTry(d.tries, o.RetryAfter); {
	case o.OK:
		d.status = statusDelivered
	case test:
	case o.Gone:
		d.status = statusDead
		return now + maxHold.Microseconds() // until it is paused
	case o.Permanent || !again:
		d.status = statusDead
	default:
		d.status, d.dueAt, d.finishedAt = statusQueued, now+wait.Microseconds(), sql.NullInt64{}
		return now + max(min(wait, maxHold), min(o.RetryAfter, maxWait)).Microseconds()
	}
	return 0
}

// finish stores how the first attempts of a batch ended, hands the rest back, and pauses a channel that will not work again by itself.
func (s *Service) finish(ctx context.Context, batch []*delivery, ended []*outcome) error {
	now := s.now()
	test := batch[0].status == statusFailed
	lease := batch[0].dueAt
	holds := make([]int64, len(ended))
	for i, o := range ended {
		holds[i] = o.ending(now)
	}
	var c *channel
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		for i, o := range ended {
			mine, err := settle(ctx, tx, o.d, lease, &attempt{number: o.d.attempt, startedAt: o.startedAt, took: o.took, code: o.d.code, problem: o.d.problem})
			if err != nil {
				return err
			}
			// Of several successes in a row, the last says it all.
			if mine && !(o.OK && i+1 < len(ended) && ended[i+1].OK) {
				if err := s.note(ctx, tx, o, test, now, holds[i]); err != nil {
					return err
				}
			}
		}
		for _, d := range batch[len(ended):] {
			if err := s.handBack(ctx, tx, d); err != nil {
				return err
			}
		}
		c, err = getChannel(ctx, tx, batch[0].tenant, batch[0].channel)
		switch {
		case errors.Is(err, errNoChannel): // deleted meanwhile, with all that waited
			c, err = nil, nil
		case err == nil && c.paused != "":
			err = bury(ctx, tx, c.tenant, c.id, now) // what was on its way when it was paused
		}
		return err
	})
	if err != nil || c == nil || test {
		return err
	}
	return s.complain(ctx, c, ended, now)
}

// note stores what an attempt says about its channel, and enqueues the next one.
func (s *Service) note(ctx context.Context, tx *sql.Tx, o *outcome, test bool, now, hold int64) error {
	if o.OK {
		return channelWorked(ctx, tx, o.d.tenant, o.d.channel, now)
	}
	if test {
		return nil
	}
	if err := channelFailed(ctx, tx, o.d.tenant, o.d.channel, o.d.problem, now, hold); err != nil {
		return err
	}
	return s.enqueue(ctx, tx, o.d)
}

// handBack lets a delivery that was not tried wait again.
func (s *Service) handBack(ctx context.Context, tx *sql.Tx, d *delivery) error {
	mine, err := handBack(ctx, tx, d)
	if err != nil || !mine {
		return err
	}
	return s.enqueue(ctx, tx, &delivery{id: d.id, tenant: d.tenant, status: statusQueued, dueAt: d.before})
}

// complain logs what was not delivered over a channel, and pauses it when it is not worth trying on.
func (s *Service) complain(ctx context.Context, c *channel, ended []*outcome, now int64) error {
	failed, gone := false, false
	for _, o := range ended {
		if o.OK {
			continue
		}
		failed, gone = true, gone || o.Gone
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a notification was not delivered", slog.String("delivery", o.d.id), slog.String("channel", o.d.channel), slog.String("status", o.d.status),
			slog.Int64("attempt", o.d.attempt), slog.Int64("code", o.d.code), slog.String("problem", o.d.problem))
	}
	if failed && (gone || c.failures >= pauseAtLeast && now-c.failingSince >= pauseAfter.Microseconds()) {
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
