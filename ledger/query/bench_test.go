package query_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
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

// TestLookupTimes measures the searches that have a target, over ten million events, in small and in compacted files. With PROBITY_BENCH_PEER=1
// DuckDB answers the same questions on the same files in the same run.
func TestLookupTimes(t *testing.T) {
	for _, late := range []float64{0, 0.3} {
		d := benchData(t, 10_000_000, late)
		for _, files := range []struct {
			name string
			refs []query.SegmentRef
		}{{"blocks", d.Blocks}, {"merged", d.Merged}} {
			e := query.Open(query.Options{})
			l := &log{snap: query.Snapshot{Log: "bench", Segments: files.refs, Head: uint64(d.Rows)}}
			for _, m := range append(lookups(t, e, l.snap), statistics(t, e, l.snap)...) {
				t.Logf("late %.1f, %s: %s", late, files.name, m)
			}
			var mem runtime.MemStats
			runtime.ReadMemStats(&mem)
			t.Logf("late %.1f, %s: memory taken from the system %d MB", late, files.name, mem.Sys>>20)
			if os.Getenv("PROBITY_BENCH_PEER") == "1" {
				peer(t, l)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// peer asks DuckDB for a page of the positions only, which is less than what the engine delivers.
func peer(t *testing.T, l *log) {
	db := openOracle(t)
	for _, s := range []string{"SET threads=2", "SET memory_limit='512MB'", "SET parquet_metadata_cache=true"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range questions() {
		m := &timing{name: "DuckDB: " + q.name}
		for i := range 10 {
			at := time.Now()
			m.rows += len(l.oracle(t, db, q.filter(i*q.n/10), " DESC LIMIT 50"))
			m.took = append(m.took, time.Since(at))
		}
		t.Log(m)
	}
	m := &timing{name: "DuckDB: statistics over everything, by hour"}
	for range 3 {
		at := time.Now()
		for _, by := range []string{"recorded_at // 3600000000, outcome", "action", "outcome", "resource_type", "actor"} {
			if err := l.scanAll(db, by); err != nil {
				t.Fatal(err)
			}
		}
		m.took = append(m.took, time.Since(at))
	}
	t.Log(m)
}

type question struct {
	name   string
	n      int
	filter func(i int) query.Filter
}

func questions() []question {
	g := segtest.New(42, 0)
	day := func(i int) (int64, int64) {
		from := int64(segtest.Start + int64(i*13%480)*dayMicros)
		return from, from + dayMicros
	}
	return []question{
		{"newest page", 50, func(int) query.Filter { return query.Filter{} }},
		{"one event by seq", 100, func(i int) query.Filter {
			return query.Filter{SeqFrom: uint64(i*90_001 + 1), SeqTo: uint64(i*90_001 + 2)}
		}},
		{"by resource id, popular to rare", 100, func(i int) query.Filter {
			return query.Filter{ResourceIDs: []string{fmt.Sprintf("ord_%d", 1_000_000+i*i*i/2)}}
		}},
		{"by resource type and id, all popular", 100, func(i int) query.Filter {
			return query.Filter{ResourceTypes: []string{"order"}, ResourceIDs: []string{fmt.Sprintf("ord_%d", 1_000_000+i*50)}}
		}},
		{"by actor, busy to rare", 100, func(i int) query.Filter { return query.Filter{Actors: []int64{g.Actor(i * 199)}} }},
		{"by person (any role), busy to rare", 100, func(i int) query.Filter { return query.Filter{Persons: []int64{g.Actor(i * 199)}} }},
		{"unknown event id", 100, func(i int) query.Filter { return query.Filter{EventIDs: []string{fmt.Sprintf("none-%d", i)}} }},
		{"one day and action", 100, func(i int) query.Filter {
			f := query.Filter{Actions: []string{"invoice.update"}}
			f.RecordedFrom, f.RecordedTo = day(i)
			return f
		}},
		{"one day of occurred_at and action", 100, func(i int) query.Filter {
			f := query.Filter{Actions: []string{"invoice.update"}}
			f.OccurredFrom, f.OccurredTo = day(i)
			return f
		}},
		{"action glob, newest", 50, func(int) query.Filter { return query.Filter{Actions: []string{"document.*"}} }},
	}
}

func lookups(t *testing.T, e query.Engine, s query.Snapshot) []*timing {
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
	page := query.Page{Desc: true, Limit: 50}
	everything := func(int) query.Filter { return query.Filter{} }
	out := []*timing{run("newest page, before any file was opened", 1, everything, page)}
	for _, q := range questions() {
		out = append(out, run(q.name, q.n, q.filter, page))
	}
	return append(out,
		run("export of one actor (rank 100), all columns", 3, func(int) query.Filter { return query.Filter{Actors: []int64{segtest.New(42, 0).Actor(100)}} }, query.Page{}),
		run("export of one action, all columns", 1, func(int) query.Filter { return query.Filter{Actions: []string{"invoice.read"}} }, query.Page{}),
		run("export of everything, all columns", 1, everything, query.Page{}),
	)
}

func statistics(t *testing.T, e query.Engine, s query.Snapshot) []*timing {
	var out []*timing
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

// BenchmarkHot searches 65,536 events that are not sealed yet, in batches of 100: the first time, and once they are decoded.
func BenchmarkHot(b *testing.B) {
	rows := segtest.New(5, 0).Rows(65_536)
	s := query.Snapshot{Log: "hot"}
	for i := 0; i < len(rows); i += 100 {
		n := min(100, len(rows)-i)
		s.Hot = append(s.Hot, query.HotBatch{First: uint64(i), Count: uint64(n), Bytes: segment.AppendBatch(nil, rows[i:i+n])})
	}
	f := query.Filter{Actors: []int64{rows[7].Actor}, Actions: []string{"order.*"}}
	search := func(e query.Engine) {
		if err := e.Rows(context.Background(), s, f, query.Page{Desc: true}, func(*segment.Row) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			e := query.Open(query.Options{})
			search(e)
			e.Close()
		}
	})
	b.Run("again", func(b *testing.B) {
		e := query.Open(query.Options{})
		defer e.Close()
		search(e)
		for b.Loop() {
			search(e)
		}
	})
}
