package main

import (
	"context"
	"fmt"
	"time"

	"probity.dev/test/bench/load"
)

// answer is one search as the client saw it.
type answer struct {
	rows int
	// first and total are the times until the first byte and the last.
	first, total time.Duration
}

// reader searches for pages of 50, newest first, over one connection.
type reader interface {
	Newest(ctx context.Context) (answer, error)
	ByResource(ctx context.Context, typ, id string) (answer, error)
	ByActor(ctx context.Context, actor string) (answer, error)
	ByDayAndAction(ctx context.Context, from, to time.Time, action string) (answer, error)
	ByText(ctx context.Context, from, to time.Time, text string) (answer, error)
}

// questions are the parameters of the searches, taken from events all over the span, so that what is busy is asked for more
// often. Both sides are asked the same.
type questions struct {
	// resource, actor and day each hold one event a run; month holds the beginnings of the months.
	resource, actor, day []load.Event
	month                []time.Time
	// rows remembers what each question found on the side that was asked first.
	rows map[string]int
}

func makeQuestions(gen *load.Generator, o options) questions {
	q := questions{rows: make(map[string]int)}
	pick := func(k, n, shift int) load.Event { return gen.At((k*o.events/n + shift) % o.events) }
	for k := range o.runs {
		q.resource = append(q.resource, pick(k, o.runs, 101))
		q.actor = append(q.actor, pick(k, o.runs, 2003))
		q.day = append(q.day, pick(k, o.runs, 3011))
	}
	c := gen.Config()
	room := c.End.AddDate(0, -1, 0).Sub(c.Start)
	for k := range o.textRuns {
		at := c.Start.Add(room * time.Duration(k) / time.Duration(max(1, o.textRuns-1)))
		q.month = append(q.month, at.Truncate(time.Second))
	}
	return q
}

// search asks every question and records the times.
func (w *workload) search(ctx context.Context, side string, r reader) error {
	say("%s: searching", side)
	q := &w.asks
	ask := func(name string, n int, f func(k int) (answer, error)) error {
		var first, total samples
		for k := -2; k < n; k++ { // two for warming up
			a, err := f(max(k, 0))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if k < 0 {
				continue
			}
			first.add(a.first)
			total.add(a.total)
			w.compare(fmt.Sprintf("%s %d", name, k), a.rows)
		}
		w.rep.add(name+" p50", side, total.quantile(0.5))
		w.rep.add(name+" p95", side, total.quantile(0.95))
		w.rep.add(name+" first byte p95", side, first.quantile(0.95))
		return nil
	}
	if err := ask("newest page", w.o.runs, func(int) (answer, error) { return r.Newest(ctx) }); err != nil {
		return err
	}
	if err := ask("by resource", w.o.runs, func(k int) (answer, error) {
		return r.ByResource(ctx, q.resource[k].ResourceType, q.resource[k].ResourceID)
	}); err != nil {
		return err
	}
	if err := ask("by actor", w.o.runs, func(k int) (answer, error) { return r.ByActor(ctx, q.actor[k].Actor) }); err != nil {
		return err
	}
	if err := ask("one day and action", w.o.runs, func(k int) (answer, error) {
		day := time.UnixMicro(q.day[k].OccurredAt).UTC().Truncate(24 * time.Hour)
		return r.ByDayAndAction(ctx, day, day.AddDate(0, 0, 1), q.day[k].Action)
	}); err != nil {
		return err
	}
	return ask("text over one month", w.o.textRuns, func(k int) (answer, error) {
		return r.ByText(ctx, q.month[k], q.month[k].AddDate(0, 1, 0), load.Needle)
	})
}

// compare checks that both sides find the same number of events for the same question.
func (w *workload) compare(question string, rows int) {
	before, asked := w.asks.rows[question]
	if !asked {
		w.asks.rows[question] = rows
		return
	}
	if before != rows {
		w.rep.disagree++
		if w.rep.disagree <= 5 {
			w.rep.note("DIFFERENT ANSWERS to %q: %d rows, then %d", question, before, rows)
		}
	}
	w.rep.compared++
}
