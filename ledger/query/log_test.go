package query_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// log is a small log: some files, then hot batches, of which the first may repeat rows that are sealed already.
type log struct {
	rows []segment.Row
	snap query.Snapshot
}

// makeLog cuts rows into files of the given sizes and the rest into hot batches of at most 300.
func makeLog(t testing.TB, name string, rows []segment.Row, overlap int, files ...int) *log {
	t.Helper()
	l := &log{rows: rows, snap: query.Snapshot{Log: name}}
	dir := t.TempDir()
	at := 0
	for i, n := range files {
		part := rows[at : at+n]
		at += n
		l.snap.Segments = append(l.snap.Segments, writeFile(t, filepath.Join(dir, fmt.Sprintf("%s-%d.parquet", name, i)), func(f *os.File) (segment.Info, error) {
			return segment.WriteWorking(f, func(yield func(*segment.Row, error) bool) {
				for k := range part {
					if !yield(&part[k], nil) {
						return
					}
				}
			})
		}))
	}
	for k := max(0, at-overlap); k < len(rows); {
		n := min(300, len(rows)-k)
		l.snap.Hot = append(l.snap.Hot, query.HotBatch{First: uint64(rows[k].Seq), Count: uint64(rows[k+n-1].Seq - rows[k].Seq + 1), Bytes: segment.AppendBatch(nil, rows[k:k+n])})
		k += n
	}
	return l
}

// naive is the obvious implementation of Rows.
func (l *log) naive(f query.Filter, p query.Page) []int64 {
	var out []int64
	for i := range l.rows {
		r := &l.rows[i]
		if p.Desc {
			r = &l.rows[len(l.rows)-1-i]
		}
		if !f.Match(r) || l.snap.Head > 0 && r.Seq >= int64(l.snap.Head) || p.After > 0 && (p.Desc && r.Seq >= int64(p.After) || !p.Desc && r.Seq <= int64(p.After)) {
			continue
		}
		if out = append(out, r.Seq); len(out) == p.Limit {
			break
		}
	}
	return out
}

func collect(t testing.TB, e query.Engine, s query.Snapshot, f query.Filter, p query.Page) []segment.Row {
	t.Helper()
	var out []segment.Row
	if err := e.Rows(context.Background(), s, f, p, func(r *segment.Row) error { out = append(out, *r.Clone()); return nil }); err != nil {
		t.Fatalf("%+v: %v", f, err)
	}
	return out
}

func seqs(rows []segment.Row) []int64 {
	var out []int64
	for i := range rows {
		out = append(out, rows[i].Seq)
	}
	return out
}

// check runs one search and compares it with the naive one, row by row.
func (l *log) check(t testing.TB, e query.Engine, f query.Filter, p query.Page) int {
	t.Helper()
	got, want := collect(t, e, l.snap, f, p), l.naive(f, p)
	if !slices.Equal(seqs(got), want) {
		k := 0
		for k < min(len(got), len(want)) && got[k].Seq == want[k] {
			k++
		}
		t.Fatalf("filter %+v page %+v: after %d rows\n got %v\nwant %v", f, p, k, clip(seqs(got)[k:]), clip(want[k:]))
	}
	for i := range got {
		k, _ := slices.BinarySearchFunc(l.rows, got[i].Seq, func(r segment.Row, s int64) int { return int(r.Seq - s) })
		if !reflect.DeepEqual(got[i], *l.rows[k].Clone()) {
			t.Fatalf("row %d differs:\n got %+v\nwant %+v", got[i].Seq, got[i], l.rows[k])
		}
	}
	return len(got)
}

func clip(s []int64) []int64 { return s[:min(len(s), 20)] }

// word and number pools are small, so that filters hit, and contain what could confuse an engine.
var (
	wordPool = []string{"", "a", "ab", "invoice.update", "invoice.read", "in_oice.read", "100%", "x'y", `back\slash`, "ü€", "*", "nul\x00in"}
	numPool  = []int64{0, 1, 2, 3, 1 << 40, 1<<63 - 1}
)

func randomRows(rng *rand.Rand, n int) []segment.Row {
	w := func() string { return wordPool[rng.IntN(len(wordPool))] }
	h := func() int64 { return numPool[rng.IntN(len(numPool))] }
	rows := make([]segment.Row, n)
	seq := int64(rng.IntN(3))
	for i := range rows {
		rows[i] = segment.Row{Seq: seq, RecordedAt: 1000 + int64(i) + int64(rng.IntN(20)), OccurredAt: int64(rng.IntN(3000)) - 500, Source: w(), Action: w(), Category: w(),
			Activity: w(), Outcome: w(), Severity: w(), ResourceType: w(), ResourceID: w(), EventID: fmt.Sprint(w(), i/2), CorrelationID: w(), Shape: w(),
			Actor: h(), Subject: h(), Resource: h(), IP: h(), Profile: h(), Clear: []byte(w()), Sealed: []byte(w())}
		seq += 1 + int64(rng.IntN(8)/7)
	}
	return rows
}

func randomFilter(rng *rand.Rand, l *log) query.Filter {
	var f query.Filter
	pick := func(s *[]string) {
		for rng.IntN(4) == 0 {
			*s = append(*s, wordPool[rng.IntN(len(wordPool))])
		}
	}
	nums := func(s *[]int64) {
		for rng.IntN(4) == 0 {
			*s = append(*s, numPool[rng.IntN(len(numPool))])
		}
	}
	n := int64(len(l.rows))
	if rng.IntN(4) == 0 {
		f.SeqFrom = uint64(rng.Int64N(n))
	}
	if rng.IntN(4) == 0 {
		f.SeqTo = uint64(rng.Int64N(n + 50))
	}
	if rng.IntN(5) == 0 {
		f.RecordedFrom, f.RecordedTo = 1000+rng.Int64N(n), 1000+rng.Int64N(n)
	}
	if rng.IntN(5) == 0 {
		f.OccurredFrom, f.OccurredTo = rng.Int64N(2000)-600, rng.Int64N(3000)
	}
	members := []func(){
		func() { nums(&f.Actors) }, func() { nums(&f.Subjects) }, func() { nums(&f.Resources) }, func() { nums(&f.IPs) }, func() { nums(&f.Persons) },
		func() { pick(&f.Sources) }, func() { pick(&f.Categories) }, func() { pick(&f.Activities) }, func() { pick(&f.Outcomes) },
		func() { pick(&f.Severities) }, func() { pick(&f.ResourceTypes) }, func() { pick(&f.ResourceIDs) }, func() { pick(&f.CorrelationIDs) },
		func() {
			if rng.IntN(3) == 0 {
				f.Actions = append(f.Actions, []string{"invoice.*", "*read", "*", "in*ce*", "100%", "a*", "in_oice*", "", "x'*"}[rng.IntN(9)])
			}
		},
		func() {
			if rng.IntN(3) == 0 {
				f.EventIDs = append(f.EventIDs, l.rows[rng.IntN(len(l.rows))].EventID, "none")
			}
		},
	}
	for range 1 + rng.IntN(3) {
		members[rng.IntN(len(members))]()
	}
	return f
}

func randomLog(t testing.TB, rng *rand.Rand, name string) *log {
	rows := randomRows(rng, 600+rng.IntN(3000))
	a := rng.IntN(len(rows) / 3)
	b := 1 + rng.IntN(len(rows)/3)
	sizes := []int{b}
	if a > 0 {
		sizes = []int{a, b}
	}
	l := makeLog(t, name, rows, rng.IntN(b), sizes...)
	if rng.IntN(2) == 0 {
		l.snap.Head = uint64(rows[len(rows)-1].Seq - int64(rng.IntN(100)))
	}
	return l
}

func (l *log) checkStats(t testing.TB, e query.Engine, f query.Filter, rng *rand.Rand) {
	t.Helper()
	spec := query.StatsSpec{BucketMicros: 1 + rng.Int64N(500), TopN: 3, Occurred: rng.IntN(2) == 0}
	got, err := e.Stats(context.Background(), l.snap, f, spec)
	if err != nil {
		t.Fatal(err)
	}
	want := query.Stats{}
	bars, actions, actors := map[int64]*query.Bucket{}, map[string]int64{}, map[int64]int64{}
	for i := range l.rows {
		r := &l.rows[i]
		if !f.Match(r) || l.snap.Head > 0 && r.Seq >= int64(l.snap.Head) {
			continue
		}
		want.Total++
		actions[r.Action]++
		actors[r.Actor]++
		v := r.RecordedAt
		if spec.Occurred {
			v = r.OccurredAt
		}
		start := v - ((v%spec.BucketMicros)+spec.BucketMicros)%spec.BucketMicros
		if bars[start] == nil {
			bars[start] = &query.Bucket{Start: start}
		}
		bars[start].Count++
		if r.Outcome != "success" {
			bars[start].Failures++
		}
	}
	if got.Total != want.Total || len(got.Buckets) != len(bars) {
		t.Fatalf("filter %+v: total %d in %d bars, want %d in %d", f, got.Total, len(got.Buckets), want.Total, len(bars))
	}
	for i, b := range got.Buckets {
		if *bars[b.Start] != b || i > 0 && b.Start <= got.Buckets[i-1].Start {
			t.Fatalf("bar %+v, want %+v", b, bars[b.Start])
		}
	}
	for _, a := range got.Actions {
		if actions[a.Key] != a.Count {
			t.Fatalf("action %q counted %d, want %d", a.Key, a.Count, actions[a.Key])
		}
	}
	for _, a := range got.Actors {
		if a.Handle == 0 || actors[a.Handle] != a.Count {
			t.Fatalf("actor %d counted %d, want %d", a.Handle, a.Count, actors[a.Handle])
		}
	}
}
