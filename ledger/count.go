package ledger

import (
	"context"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// A count that opens events goes backwards in steps, small ones first, so that one that runs out of time has something to show.
const (
	firstStep = 4096
	largeStep = 65_536
)

// Counted says how far a count got.
type Counted struct {
	// Partial says that the budget was used up before everything was looked at.
	Partial bool
	// From is the seq of the oldest event that was looked at: every matching event from it on is counted. RecordedAt is when that event was recorded; zero when there is none.
	From       uint64
	RecordedAt time.Time
}

// Count counts the events that a search by a reader would find: with conditions on values, those whose values the reader sees. Such a count opens events, newest first, and stops when
// budget is used up; others are exact. mask may be nil.
func (l *Ledger) Count(ctx context.Context, tenantID string, q Query, spec query.StatsSpec, mask event.Masker, budget time.Duration) (*query.Stats, Counted, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, Counted{}, err
	}
	f, post, err := l.resolveQuery(ctx, t, q, mask)
	if err != nil {
		return nil, Counted{}, err
	}
	h := t.committed.Load()
	next := h.base + h.tree.Size()
	if post == nil {
		s, err := l.opt.Engine.Stats(ctx, t.snapshot(l.path, next), f, spec)
		return s, Counted{}, err
	}
	c := &counting{l: l, tenant: tenantID, q: q, mask: mask, low: q.SeqFrom, at: next}
	if q.SeqTo != 0 {
		c.at = min(next, q.SeqTo)
	}
	if c.tally, err = query.NewTally(spec); err != nil {
		return nil, Counted{}, err
	}
	bounded, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	err = c.run(bounded)
	out := Counted{From: c.at}
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		out.Partial, err = true, nil
		out.RecordedAt = l.recordedAt(ctx, t, c.at)
	}
	if err != nil {
		return nil, Counted{}, err
	}
	return c.tally.Stats(), out, nil
}

// counting is a count that opens events.
type counting struct {
	l       *Ledger
	tenant  string
	q       Query
	mask    event.Masker
	tally   *query.Tally
	low, at uint64 // what is left to look at
	rows    []segment.Row
}

// run counts step by step. A step that does not end in time counts for nothing.
func (c *counting) run(ctx context.Context) error {
	for step := uint64(firstStep); c.at > c.low; step = min(2*step, largeStep) {
		from := c.low
		if c.at-c.low > step {
			from = c.at - step
		}
		if err := c.step(ctx, from); err != nil {
			return err
		}
		for i := range c.rows {
			if err := c.tally.Add(&c.rows[i]); err != nil {
				return err
			}
		}
		c.at = from
	}
	return nil
}

func (c *counting) step(ctx context.Context, from uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q := c.q
	q.SeqFrom, q.SeqTo = from, c.at
	c.rows = c.rows[:0]
	_, err := c.l.Search(ctx, c.tenant, q, Page{Ascending: true}, c.mask, func(r *event.Record) error {
		c.rows = append(c.rows, segment.Row{RecordedAt: r.RecordedAt.UnixMicro(), OccurredAt: r.OccurredAt.UnixMicro(), Action: r.Action, Outcome: r.Outcome, ResourceType: r.ResourceType, Actor: r.ActorHandle})
		return nil
	})
	return err
}

// recordedAt is when the event at seq was recorded, or the first one after it where no event has that number.
func (l *Ledger) recordedAt(ctx context.Context, t *tenant, seq uint64) (at time.Time) {
	e := t.present()
	if seq >= e.base+e.size { // nothing was looked at
		return time.UnixMicro(e.recordedAt).UTC()
	}
	if _, err := t.epochOf(seq); errs.CodeOf(err) == errs.NotFound {
		seq = e.base
	}
	// Without it the count says one thing less.
	_ = l.leaves(ctx, t, seq, seq+1, func(_ uint64, leaf []byte) error {
		at = time.UnixMicro(evidence.RecordedAt(leaf)).UTC()
		return nil
	})
	return at
}
