package alert

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"probity.dev/internal/errs"
)

// follower is a rule that this server follows. Its members belong to whoever works on it: the round, or the goroutine that a round has started, while busy.
type follower struct {
	r       *rule // next and seenAt as stored
	v       ruleBody
	c       *counter // nil until it was read from the log
	next    uint64
	at      int64
	lease   int64
	stored  int64 // when the position was
	busy    bool  // guarded by Service.mu
	visible atomic.Int64
}

// Start begins to follow the logs. It returns at once; [Service.Close] stops the work.
func (s *Service) Start(ctx context.Context) { s.work.Start(ctx, s.follow, s.clean) }

// Close stops the work and waits for it. Rules go on from where they were.
func (s *Service) Close() { s.work.Close() }

// position is how far a rule has come in memory, 0 when it is not followed here.
func (s *Service) position(r *rule) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.live[r.id]; f != nil && f.r.version == r.version {
		return f.visible.Load()
	}
	return 0
}

func (s *Service) follow(ctx context.Context) {
	slots := make(chan struct{}, atOnce)
	for ctx.Err() == nil {
		if err := s.round(ctx, slots); err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelError, "alert rules cannot be followed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
	for range atOnce { // until nobody works on a rule
		slots <- struct{}{}
	}
	ctx = context.WithoutCancel(ctx)
	err := s.persist(ctx, 0)
	if err == nil {
		err = s.o.DB.Write(ctx, func(tx *sql.Tx) error { return releaseRules(ctx, tx, s.owner) })
	}
	if err != nil {
		s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "alert rules go on from an earlier place", slog.Any("error", err))
	}
}

// round starts the work on every rule that has something to look at, and stores positions now and then.
func (s *Service) round(ctx context.Context, slots chan struct{}) error {
	rows, err := followed(ctx, s.o.DB.Read(ctx), s.owner, s.now())
	if err != nil {
		return err
	}
	todo, err := s.due(ctx, rows)
	if err != nil {
		return err
	}
	if todo, err = s.claim(ctx, todo); err != nil {
		return err
	}
	for i, f := range todo {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			s.give(todo[i:])
			return nil
		}
		s.work.Go(func() {
			defer func() { <-slots }()
			s.finish(ctx, f, s.run(ctx, f))
		})
	}
	return s.persist(ctx, persistEvery)
}

// finish gives a rule back after some work on it, and forgets it when that failed: the next round reads it anew.
func (s *Service) finish(ctx context.Context, f *follower, err error) {
	if errors.Is(err, errTooMuch) {
		err = s.stop(ctx, f.r, errs.Message(errTooMuch))
	}
	s.mu.Lock()
	f.busy = false
	if err != nil || f.r.stopped != "" {
		delete(s.live, f.r.id)
	}
	s.mu.Unlock()
	if err != nil && ctx.Err() == nil && !errors.Is(err, errLost) {
		s.o.Logger.LogAttrs(ctx, slog.LevelError, "an alert rule was interrupted; it goes on from where it was", slog.String("rule", f.r.id), slog.Any("error", err))
	}
}

func (s *Service) give(list []*follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range list {
		f.busy = false
	}
}

// due returns the rules that there is something to do for, as busy.
func (s *Service) due(ctx context.Context, rows []*rule) ([]*follower, error) {
	heads := map[string]uint64{}
	known := map[string]bool{}
	var todo []*follower
	for _, r := range rows {
		head, ok := heads[r.tenant]
		if !ok {
			var err error
			if head, err = s.o.Source.Head(ctx, r.tenant); err != nil {
				return nil, err
			}
			heads[r.tenant] = head
		}
		known[r.id] = true
		s.mu.Lock()
		f := s.live[r.id]
		switch {
		case f != nil && f.busy:
		case f == nil || f.r.version != r.version || f.c != nil && (r.owner != s.owner || r.next != f.r.next):
			// New, changed by somebody, or followed by another server meanwhile.
			f = &follower{r: r, busy: true}
			f.visible.Store(r.next)
			s.live[r.id] = f
			todo = append(todo, f)
		case f.c == nil || f.next < head || f.endsBefore(s.now()-settle.Microseconds()):
			f.busy = true
			todo = append(todo, f)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, f := range s.live {
		if !known[id] && !f.busy {
			delete(s.live, id)
		}
	}
	return todo, nil
}

func (f *follower) endsBefore(now int64) bool {
	for _, sp := range f.c.open {
		if f.c.endOf(sp) < now {
			return true
		}
	}
	return false
}

// claim takes the leases of rules, in one transaction; it returns those that are ours.
func (s *Service) claim(ctx context.Context, todo []*follower) (mine []*follower, err error) {
	now := s.now()
	lease := now + leaseTime.Microseconds()
	var late []*follower
	for _, f := range todo {
		if f.lease < now+leaseTime.Microseconds()/2 {
			late = append(late, f)
		} else {
			mine = append(mine, f)
		}
	}
	if len(late) == 0 {
		return mine, nil
	}
	var got []*follower
	err = s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		got = got[:0]
		for _, f := range late {
			ok, err := claimRule(ctx, tx, f.r.id, s.owner, now, lease)
			if err != nil {
				return err
			}
			if ok {
				got = append(got, f)
			}
		}
		return nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		got = nil
		for _, f := range mine {
			f.busy = false
		}
		mine = nil
	}
	for _, f := range late {
		f.busy = false
	}
	for _, f := range got {
		f.busy, f.lease = true, lease
	}
	return append(mine, got...), err
}

// load reads what a rule has counted, and its open alerts, as they were at its position.
func (s *Service) load(ctx context.Context, f *follower) (err error) {
	if f.r, err = getRule(ctx, s.o.DB.Read(ctx), f.r.tenant, f.r.id); err != nil {
		return err
	}
	r := f.r
	if err := s.unseal(ctx, r.tenant, r.id, r.body, &f.v); err != nil {
		return err
	}
	c := newCounter(r.moreThan, r.window, r.quiet)
	open, err := openAlerts(ctx, s.o.DB.Read(ctx), r)
	if err != nil {
		return err
	}
	for _, a := range open {
		c.open[a.key] = &spell{id: a.id, key: a.key, first: hit{uint64(a.firstSeq), a.firedAt}, last: hit{uint64(a.lastSeq), a.lastAt}, events: a.events, samples: a.samples, holdsUntil: a.holdsUntil, told: a.told}
	}
	if r.window > 0 && r.next > 0 {
		since := time.UnixMicro(r.seenAt - r.window)
		_, _, err = s.o.Source.Read(ctx, r.tenant, Span{To: uint64(r.next), Since: since}, f.v.Filter, r.by, func(m Match) error {
			_, err := c.count(m.Key, hit{m.Seq, m.At.UnixMicro()})
			return err
		})
		if err != nil {
			return err
		}
	}
	f.c, f.next, f.at, f.stored = c, uint64(r.next), r.seenAt, s.now()
	f.visible.Store(r.next)
	return nil
}

// run looks at everything that is new.
func (s *Service) run(ctx context.Context, f *follower) error {
	if f.c == nil {
		if err := s.load(ctx, f); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		// The time first: what is recorded after it is looked at in the next round.
		now := s.now()
		head, err := s.o.Source.Head(ctx, f.r.tenant)
		if err != nil {
			return err
		}
		if f.next >= head {
			return s.end(ctx, f, f.c.end(now-settle.Microseconds()))
		}
		if err := s.batch(ctx, f); err != nil {
			return err
		}
		if f.lease < s.now()+leaseTime.Microseconds()/2 {
			if err := s.write(ctx, []*follower{f}); err != nil {
				return err
			}
		}
	}
	return nil
}

// batch counts the next matching events, raises alerts and ends them, each in a transaction of its own.
func (s *Service) batch(ctx context.Context, f *follower) error {
	var list []Match
	next, at, err := s.o.Source.Read(ctx, f.r.tenant, Span{From: f.next, Limit: batchEvents}, f.v.Filter, f.r.by, func(m Match) error {
		list = append(list, m)
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range list {
		h := hit{m.Seq, m.At.UnixMicro()}
		began, ended, err := f.c.add(m.Key, h)
		if err != nil {
			return err
		}
		if ended != nil { // before the event that shows it, which may raise the next alert
			if err := s.end(ctx, f, []*spell{ended}); err != nil {
				return err
			}
		}
		f.next, f.at = m.Seq+1, h.at
		if began == nil {
			continue
		}
		if len(f.c.open) > maxOpen {
			return errors.Join(errLost, s.stop(ctx, f.r, "it raised more alerts at a time than anybody can look at; count more events, or raise the threshold"))
		}
		if err := s.fire(ctx, f, began); err != nil {
			return err
		}
	}
	if next > f.next {
		f.next = next
	}
	if !at.IsZero() {
		f.at = max(f.at, at.UnixMicro())
	}
	f.visible.Store(int64(f.next))
	return nil
}

// persist stores the positions of idle rules that have moved and were not stored for some time, in one transaction.
func (s *Service) persist(ctx context.Context, after time.Duration) error {
	now := s.now()
	var list []*follower
	s.mu.Lock()
	for _, f := range s.live {
		if !f.busy && f.c != nil && int64(f.next) != f.r.next && now-f.stored >= after.Microseconds() {
			f.busy = true
			list = append(list, f)
		}
	}
	s.mu.Unlock()
	if len(list) == 0 {
		return nil
	}
	err := s.write(ctx, list)
	if errors.Is(err, errLost) && len(list) > 1 { // one of them was changed; the others are stored one by one
		for _, f := range list {
			s.finish(ctx, f, s.write(ctx, []*follower{f}))
		}
		return nil
	}
	for _, f := range list {
		s.finish(ctx, f, err)
	}
	return nil
}

// write stores positions, with what changed of their alerts.
func (s *Service) write(ctx context.Context, list []*follower) error {
	now := s.now()
	lease := now + leaseTime.Microseconds()
	err := s.o.DB.Write(ctx, func(tx *sql.Tx) error {
		for _, f := range list {
			if err := moveRule(ctx, tx, f.r, s.owner, int64(f.next), f.at, 0, lease); err != nil {
				return err
			}
			if err := flush(ctx, tx, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range list {
		f.committed(now, lease)
		f.c.sweep(f.at)
	}
	return nil
}

// flush stores what changed of the open alerts of a rule.
func flush(ctx context.Context, tx *sql.Tx, f *follower) error {
	for _, sp := range f.c.open {
		if !sp.changed || sp.id == "" {
			continue
		}
		if err := updateAlert(ctx, tx, sp, 0); err != nil {
			return err
		}
	}
	return nil
}

// committed notes that everything is stored.
func (f *follower) committed(now, lease int64) {
	f.r.next, f.r.seenAt, f.stored, f.lease = int64(f.next), f.at, now, lease
	for _, sp := range f.c.open {
		sp.changed = false
	}
}

// clean removes what is old, once an hour.
func (s *Service) clean(ctx context.Context) {
	for {
		before := s.o.Now().Add(-keepFor).UnixMicro()
		if err := s.o.DB.Write(ctx, func(tx *sql.Tx) error { return forget(ctx, tx, before) }); err != nil && ctx.Err() == nil {
			s.o.Logger.LogAttrs(ctx, slog.LevelWarn, "old alerts were not removed", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(cleanEvery):
		}
	}
}
