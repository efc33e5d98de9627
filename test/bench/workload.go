package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"probity.dev/test/bench/load"
)

// workload is what both sides are put through.
type workload struct {
	o    options
	gen  *load.Generator
	rep  *report
	asks questions
}

// loader stores batches over one connection; a nil error means that the batch is durable.
type loader interface {
	Load(ctx context.Context, b *load.Batch) error
	Close(ctx context.Context) error
}

// inserter stores single events over one connection; a nil error means that the event is durable.
type inserter interface {
	Insert(ctx context.Context, e *load.Event) error
	Close(ctx context.Context) error
}

// window is the stretch of events that rates are given for: a million, or a fifth of fewer events.
func (w *workload) window() int { return min(1_000_000, w.o.events/5) }

// ingest stores all events over conns connections and records the rate of each window. It returns when the last was started.
func (w *workload) ingest(ctx context.Context, side string, conns int, open func(context.Context) (loader, error)) (time.Time, error) {
	say("%s: storing %d events in batches of %d over %d connections", side, w.o.events, w.gen.Config().BatchSize, conns)
	var next, done atomic.Int64
	marks := make([]atomic.Int64, w.o.events/w.window()+1) // when the k-th window was full, in nanoseconds after the start
	loaders := make([]loader, conns)
	for i := range loaders {
		l, err := open(ctx)
		if err != nil {
			return time.Time{}, err
		}
		loaders[i] = l
		defer l.Close(context.WithoutCancel(ctx))
	}
	work := make([]atomic.Int64, len(marks)) // processor time until then
	before := usageNow()
	start := time.Now()
	err := parallel(ctx, conns, func(ctx context.Context, i int) error {
		var b load.Batch
		for {
			n := int(next.Add(1) - 1)
			if n >= w.gen.Batches() {
				return nil
			}
			count := w.gen.Batch(n, &b)
			if err := loaders[i].Load(ctx, &b); err != nil {
				return err
			}
			now := int64(time.Since(start))
			after := done.Add(int64(count))
			if k := int(after) / w.window(); k != int(after-int64(count))/w.window() {
				marks[k].Store(now)
				work[k].Store(int64(usageNow().ours - before.ours))
				say("%s: %d events stored, %.0f/s so far", side, after, float64(after)/time.Duration(now).Seconds())
			}
		}
	})
	if err != nil {
		return start, err
	}
	last := int64(0)
	for k := 1; k < len(marks); k++ {
		at := marks[k].Load()
		w.rep.add(fmt.Sprintf("cpu window %d", k), side, float64(work[k].Load()-work[k-1].Load())/float64(w.window())/1000)
		w.rep.add(fmt.Sprintf("window %d", k), side, float64(w.window())/time.Duration(at-last).Seconds())
		last = at
	}
	w.rep.add("acknowledged", side, float64(w.o.events)/time.Since(start).Seconds())
	return start, nil
}

// singles stores single events for a while and records the rate and the time each took.
func (w *workload) singles(ctx context.Context, side string, open func(context.Context) (inserter, error)) error {
	conns := w.o.singleConns
	say("%s: storing single events over %d connections for %v", side, conns, w.o.single)
	// Events of another seed: new ones, whose time goes on after the last.
	end := w.gen.Config().End
	gen := load.New(load.Config{Seed: w.o.seed + 1000, Events: 1 << 40, Start: end, End: end.Add(time.Hour), V7: w.o.v7})
	ins := make([]inserter, conns)
	for i := range ins {
		in, err := open(ctx)
		if err != nil {
			return err
		}
		ins[i] = in
		defer in.Close(context.WithoutCancel(ctx))
	}
	times := make([][]time.Duration, conns)
	start := time.Now()
	err := parallel(ctx, conns, func(ctx context.Context, i int) error {
		var b load.Batch
		for n := i; ; n += conns {
			gen.Batch(n, &b)
			for k := range b.Events {
				if time.Since(start) > w.o.single || ctx.Err() != nil {
					return ctx.Err()
				}
				t := time.Now()
				if err := ins[i].Insert(ctx, &b.Events[k]); err != nil {
					return err
				}
				times[i] = append(times[i], time.Since(t))
			}
		}
	})
	took := time.Since(start)
	var all samples
	for _, t := range times {
		for _, d := range t {
			all.add(d)
		}
	}
	w.rep.add("single rate", side, float64(len(all))/took.Seconds())
	w.rep.add("single p50", side, all.quantile(0.5))
	w.rep.add("single p99", side, all.quantile(0.99))
	return err
}

// parallel runs f(0) … f(n-1) at once. The first that fails makes the others stop, and its error is returned.
func parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if err := f(ctx, i); err != nil {
				stop(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
