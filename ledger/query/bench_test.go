package query_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

const dayMicros = 86400_000000

type timing struct {
	name string
	rows int
	took []time.Duration
}

func (t *timing) String() string {
	slices.Sort(t.took)
	at := func(q float64) time.Duration {
		return t.took[int(q*float64(len(t.took)-1))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%-44s rows %9d  p50 %10v  p95 %10v  max %10v", t.name, t.rows, at(0.5), at(0.95), at(1))
}

// TestLookupTimes measures the searches that have a target, over ten million events, in small and in compacted files.
func TestLookupTimes(t *testing.T) {
	for _, late := range []float64{0} {
		d := benchData(t, 10_000_000, late)
		for name, refs := range map[string][]query.SegmentRef{"blocks": d.Blocks, "merged": d.Merged} {
			e := query.Open(query.Options{})
			s := query.Snapshot{Log: "bench", Segments: refs, Head: uint64(d.Rows)}
			for _, m := range lookups(t, e, s) {
				t.Logf("late %g, %s: %s", late, name, m)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func lookups(t *testing.T, e query.Engine, s query.Snapshot) []*timing {
	g := segtest.New(42, 0)
	page := query.Page{Desc: true, Limit: 50}
	run := func(name string, n int, f func(i int) query.Filter, p query.Page) *timing {
		m := &timing{name: name}
		for i := range n {
			at := time.Now()
			if err := e.Rows(context.Background(), s, f(i), p, func(*segment.Row) error { m.rows++; return nil }); err != nil {
				t.Fatal(err)
			}
			m.took = append(m.took, time.Since(at))
		}
		return m
	}
	day := func(i int) (int64, int64) {
		from := int64(segtest.Start + (i*13%480)*dayMicros)
		return from, from + dayMicros
	}
	out := []*timing{
		run("newest page (first, cold files)", 1, func(int) query.Filter { return query.Filter{} }, page),
		run("newest page", 50, func(int) query.Filter { return query.Filter{} }, page),
		run("by resource id, popular to rare", 100, func(i int) query.Filter {
			return query.Filter{ResourceIDs: []string{fmt.Sprintf("ord_%d", 1_000_000+i*i*i/2)}}
		}, page),
		run("by resource type and id", 100, func(i int) query.Filter {
			return query.Filter{ResourceTypes: []string{"order"}, ResourceIDs: []string{fmt.Sprintf("ord_%d", 1_000_000+i*50)}}
		}, page),
		run("by actor, busy to rare", 100, func(i int) query.Filter { return query.Filter{Actors: []int64{g.Actor(i * 199)}} }, page),
		run("by person (any role), busy to rare", 100, func(i int) query.Filter { return query.Filter{Persons: []int64{g.Actor(i * 199)}} }, page),
		run("unknown event id", 100, func(i int) query.Filter { return query.Filter{EventIDs: []string{fmt.Sprintf("none-%d", i)}} }, page),
		run("one day and action", 100, func(i int) query.Filter {
			f := query.Filter{Actions: []string{"invoice.update"}}
			f.RecordedFrom, f.RecordedTo = day(i)
			return f
		}, page),
		run("one day of occurred_at and action", 100, func(i int) query.Filter {
			f := query.Filter{Actions: []string{"invoice.update"}}
			f.OccurredFrom, f.OccurredTo = day(i)
			return f
		}, page),
		run("action glob, newest", 50, func(int) query.Filter { return query.Filter{Actions: []string{"document.*"}} }, page),
		run("action nobody used", 20, func(int) query.Filter { return query.Filter{Actions: []string{"nobody.did"}} }, page),
		run("all of one actor (rank 100), all columns", 3, func(int) query.Filter { return query.Filter{Actors: []int64{g.Actor(100)}} }, query.Page{}),
		run("export, everything, all columns", 1, func(int) query.Filter { return query.Filter{} }, query.Page{}),
		run("export, one action, all columns", 1, func(int) query.Filter { return query.Filter{Actions: []string{"invoice.read"}} }, query.Page{}),
	}
	for _, spec := range []query.StatsSpec{{Unit: query.Day, TimeZone: "Europe/Zurich"}, {Unit: query.Hour}} {
		m := &timing{name: "statistics over everything, by " + string(spec.Unit)}
		for range 5 {
			at := time.Now()
			st, err := e.Stats(context.Background(), s, query.Filter{}, spec)
			if err != nil {
				t.Fatal(err)
			}
			m.took, m.rows = append(m.took, time.Since(at)), int(st.Total)
		}
		out = append(out, m)
	}
	return out
}
