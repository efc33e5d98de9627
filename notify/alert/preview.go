package alert

import (
	"context"
	"errors"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// previewBudget is how long a preview looks through the log. previewSamples is how many of the alerts it lists.
const (
	previewBudget  = 8 * time.Second
	previewSamples = 20
	sweepEvery     = 50_000 // matches of a preview between two sweeps
)

// Preview says what a rule would have done.
type Preview struct {
	From    time.Time      `json:"from"`
	Until   time.Time      `json:"until" doc:"Up to which time the log was looked at"`
	Partial bool           `json:"partial" doc:"The time ran out before the present was reached"`
	Matches int64          `json:"matches" format:"int53" doc:"Events that the filter selects"`
	Alerts  int64          `json:"alerts" format:"int53" doc:"Alerts that the rule would have raised"`
	Newest  []PreviewAlert `json:"newest" doc:"The newest of them, newest first"`
	Problem string         `json:"problem,omitempty" doc:"Why the rule would have been stopped"`
}

// PreviewAlert is an alert that a rule would have raised.
type PreviewAlert struct {
	FiredAt  time.Time `json:"fired_at"`
	FirstSeq int64     `json:"first_seq" format:"int53"`
	Group    string    `json:"group,omitempty"`
}

// Preview runs a draft over the events that were recorded in the last days, as it would have run then.
func (s *Service) Preview(ctx context.Context, by actor.Principal, d Draft, days int) (*Preview, error) {
	if err := require(by, actor.NotifyManage, actor.LedgerSearch); err != nil {
		return nil, err
	}
	r := &rule{tenant: by.TenantID}
	if err := s.condition(ctx, by, &d, r); err != nil {
		return nil, err
	}
	now := s.o.Now().UTC()
	out := &Preview{From: now.AddDate(0, 0, -days), Until: now, Newest: []PreviewAlert{}}
	bounded, cancel := context.WithTimeout(ctx, previewBudget)
	defer cancel()
	c := newCounter(r.moreThan, r.window, r.quiet)
	last, began := out.From, []*spell{}
	_, _, err := s.o.Source.Read(bounded, by.TenantID, Span{Since: out.From.Add(-time.Duration(r.window) * time.Microsecond)}, d.Filter, r.by, func(m Match) error {
		h := hit{m.Seq, m.At.UnixMicro()}
		if m.At.Before(out.From) { // only counted
			_, err := c.count(m.Key, h)
			return err
		}
		last = m.At
		if out.Matches++; out.Matches%sweepEvery == 0 {
			c.end(h.at)
			c.sweep(h.at)
		}
		sp, _, err := c.add(m.Key, h)
		if sp != nil {
			out.Alerts++
			if began = append(began, sp); len(began) > previewSamples {
				began = began[1:]
			}
		}
		return err
	})
	switch {
	case errors.Is(err, errTooMuch):
		out.Problem, out.Partial, out.Until = errs.Message(errTooMuch), true, last
	case err != nil && bounded.Err() != nil && ctx.Err() == nil:
		out.Partial, out.Until = true, last
	case err != nil:
		return nil, err
	}
	for i := len(began) - 1; i >= 0; i-- {
		a := PreviewAlert{FiredAt: time.UnixMicro(began[i].first.at).UTC(), FirstSeq: int64(began[i].first.seq)}
		if r.by != ByNone {
			a.Group = s.o.Source.Label(ctx, by, began[i].first.seq, r.by)
		}
		out.Newest = append(out.Newest, a)
	}
	return out, nil
}
