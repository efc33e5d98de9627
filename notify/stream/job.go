package stream

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/notify"
	"probity.dev/notify/send"
)

// Start begins to follow. It returns at once; [Service.Close] stops the work.
func (s *Service) Start(ctx context.Context) { s.work.Start(ctx, s.follow) }

// Close stops the work and waits for it. A batch under way is sent again later.
func (s *Service) Close() { s.work.Close() }

func (s *Service) follow(ctx context.Context) {
	slots := make(chan struct{}, atOnce)
	for ctx.Err() == nil {
		if err := s.round(ctx, slots); err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "streams cannot be followed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// round starts every stream that has something to send and does not run yet.
func (s *Service) round(ctx context.Context, slots chan struct{}) error {
	rows, err := due(ctx, s.o.DB.Read(ctx), s.now())
	if err != nil {
		return err
	}
	for _, r := range rows {
		head, err := s.o.Source.Head(ctx, r.tenant)
		if err != nil {
			return err
		}
		if !ripe(r, head, s.now()) {
			continue
		}
		select {
		case slots <- struct{}{}:
		default:
			return nil // the next round begins with whoever has waited longest
		}
		s.work.Go(func() {
			defer func() { <-slots }()
			if err := s.run(ctx, r); err != nil && ctx.Err() == nil {
				s.o.Logger.LogAttrs(ctx, slog.LevelError, "a stream was interrupted; it goes on when its lease has ended", slog.String("stream", r.id), slog.Any("error", err))
			}
		})
	}
	return nil
}

// run sends batches until the stream has caught up, fails or is not ours any more.
func (s *Service) run(ctx context.Context, r *row) error {
	mine := false
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		now := s.now()
		mine, err = claim(ctx, tx, r, now, now+leaseTime.Microseconds())
		return err
	})
	if err != nil || !mine {
		return err
	}
	if r, err = get(ctx, s.o.DB.Read(ctx), r.tenant, r.id); err != nil {
		return err
	}
	v, err := s.unseal(ctx, r)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		more, err := s.batch(ctx, r, v)
		if err != nil || !more {
			return err
		}
	}
	return s.o.DB.Write(context.WithoutCancel(ctx), func(tx *sql.Tx) error { return release(ctx, tx, r) })
}

// batch sends one batch and moves the position. It reports whether to go on.
func (s *Service) batch(ctx context.Context, r *row, v *sealed) (bool, error) {
	events, size := limits(r.kind)
	lines, next, err := s.o.Source.Read(ctx, r.tenant, uint64(r.next), v.Filter, r.unmasked, r.format, events)
	if err != nil {
		return false, err
	}
	lines, next = trim(lines, next, size)
	if len(lines) > 0 {
		if o := deliver(ctx, s.o.Sender, r, &v.Settings, s.o.Instance, lines); !o.OK {
			if ctx.Err() != nil {
				return false, nil
			}
			return false, s.failed(context.WithoutCancel(ctx), r, v, o)
		}
	}
	ctx = context.WithoutCancel(ctx)
	more := false
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) (err error) {
		now := s.now()
		more, err = advance(ctx, tx, r, int64(next), int64(len(lines)), now, now+leaseTime.Microseconds())
		if err != nil {
			return err
		}
		moved := row{kind: r.kind, next: int64(next), lastOKAt: r.lastOKAt}
		if len(lines) > 0 {
			moved.lastOKAt = now
		}
		head, err := s.o.Source.Head(ctx, r.tenant)
		if err != nil || !more || !ripe(&moved, head, now) {
			more = false
			return release(ctx, tx, r)
		}
		return nil
	})
	if r.next = int64(next); len(lines) > 0 {
		r.lastOKAt = s.now()
	}
	return more, err
}

// failed keeps the position and lets the stream wait, longer each time; one that is told to stop, or that has failed for days, is paused.
func (s *Service) failed(ctx context.Context, r *row, v *sealed, o send.Outcome) error {
	now := s.now()
	wait := max(min(firstHold<<min(r.failures, 10), longestHold), min(o.RetryAfter, time.Hour))
	s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "a stream's receiver did not take a batch", slog.String("stream", r.id), slog.Int("code", o.Code), slog.String("problem", o.Problem), slog.Duration("wait", wait))
	if err := s.o.DB.Write(ctx, func(tx *sql.Tx) error { return fail(ctx, tx, r, o.Problem, now, now+wait.Microseconds()) }); err != nil {
		return err
	}
	if !o.Gone && (r.failingSince == 0 || now-r.failingSince < pauseAfter.Microseconds()) {
		return nil
	}
	e := newEvent(ctx, "event_stream.pause", "disable", actor.System(r.tenant), r, v)
	e.Actor, e.Severity, e.Reason = event.Actor{Type: "system", ID: "probity"}, "warning", "it has stopped working: "+o.Problem
	err := s.o.Recorder.Record(ctx, r.tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		if err := pause(ctx, tx, r, "it stopped working: "+o.Problem); err != nil || s.o.Notify == nil {
			return err
		}
		return s.o.Notify(ctx, tx, r.tenant, notify.Notification{Kind: notify.KindStreamPaused, Cause: notify.Cause{Type: "event_stream", ID: r.id}})
	})
	if errs.CodeOf(err) == errs.NotFound {
		return nil
	}
	return err
}
