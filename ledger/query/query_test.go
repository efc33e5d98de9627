package query_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity.dev/internal/errs"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
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

// TestEveryLookup compares every indexed look-up with a full scan: values that exist, values that do not, and none at all, over several files and
// hot batches.
func TestEveryLookup(t *testing.T) {
	rows := segtest.New(11, 0).Rows(30_000)
	l := makeLog(t, "lookup", rows, 450, 8000, 9000, 1000, 7000)
	e := query.Open(query.Options{Workers: 2})
	defer e.Close()
	rng := rand.New(rand.NewPCG(5, 5))
	ints := func(of func(*segment.Row) int64) []int64 {
		v := of(&rows[rng.IntN(len(rows))])
		if rng.IntN(10) == 0 {
			v = rng.Int64()
		}
		return []int64{v}
	}
	text := func(of func(*segment.Row) string) []string {
		v := of(&rows[rng.IntN(len(rows))])
		if rng.IntN(10) == 0 {
			v = fmt.Sprintf("absent-%d", rng.Int())
		}
		return []string{v}
	}
	hits := 0
	for range 60 {
		for _, f := range []query.Filter{
			{Actors: ints(func(r *segment.Row) int64 { return r.Actor })},
			{Subjects: ints(func(r *segment.Row) int64 { return r.Subject })},
			{Resources: ints(func(r *segment.Row) int64 { return r.Resource })},
			{IPs: ints(func(r *segment.Row) int64 { return r.IP })},
			{Persons: ints(func(r *segment.Row) int64 { return r.Subject })},
			{EventIDs: text(func(r *segment.Row) string { return r.EventID })},
			{ResourceIDs: text(func(r *segment.Row) string { return r.ResourceID })},
			{CorrelationIDs: text(func(r *segment.Row) string { return r.CorrelationID })},
			{Actions: text(func(r *segment.Row) string { return r.Action })},
			{Actions: []string{"in*.up*"}, Outcomes: []string{"failure", "denied"}, Actors: ints(func(r *segment.Row) int64 { return r.Actor })},
		} {
			hits += l.check(t, e, f, query.Page{Desc: rng.IntN(2) == 0, Limit: []int{0, 1, 50, 5000}[rng.IntN(4)]})
		}
	}
	t.Logf("%d rows found", hits)
}

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

// TestAgainstNaive draws logs, filters and pages at random.
func TestAgainstNaive(t *testing.T) {
	e := query.Open(query.Options{Workers: 2, OpenFiles: 3, HotRows: 1500})
	defer e.Close()
	hits := 0
	for round := range 15 {
		rng := rand.New(rand.NewPCG(uint64(round), 77))
		l := randomLog(t, rng, fmt.Sprint("log", round))
		for range 60 {
			p := query.Page{Desc: rng.IntN(2) == 0, Limit: []int{0, 1, 7, 3000}[rng.IntN(4)]}
			if rng.IntN(3) == 0 {
				p.After = uint64(rng.IntN(len(l.rows)))
			}
			f := randomFilter(rng, l)
			hits += l.check(t, e, f, p)
			l.checkStats(t, e, f, rng)
		}
	}
	t.Logf("%d rows found", hits)
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

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "x", true}, {"a*", "a", true}, {"a*", "ba", false}, {"*a", "ba", true}, {"a*a", "a", false}, {"a*a", "aa", true},
		{"a**b", "ab", true}, {"*b*", "abc", true}, {"*ab*ab*", "abab", true}, {"*ab*ab*", "aba", false}, {"inv*.up*", "invoice.update", true}, {"a", "ab", false},
	} {
		if got := query.MatchGlob(c.pattern, c.s); got != c.want {
			t.Errorf("MatchGlob(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
	rapid.Check(t, func(rt *rapid.T) { // a pattern made from a text by replacing parts with stars matches it
		s := rapid.StringOfN(rapid.SampledFrom([]rune("ab.")), 0, 12, -1).Draw(rt, "s")
		p, i := "", 0
		for i < len(s) {
			if rapid.Bool().Draw(rt, "star") {
				p += "*"
				i += rapid.IntRange(0, len(s)-i).Draw(rt, "skip")
			} else {
				p += s[i : i+1]
				i++
			}
		}
		if !query.MatchGlob(p, s) {
			rt.Fatalf("%q does not match %q", p, s)
		}
	})
}

// TestBatchesChange shows that a rewritten batch is seen at once, and that what a snapshot no longer lists is forgotten.
func TestBatchesChange(t *testing.T) {
	rows := segtest.New(3, 0).Rows(400)
	l := makeLog(t, "hot", rows, 0)
	e := query.Open(query.Options{})
	defer e.Close()
	l.check(t, e, query.Filter{}, query.Page{Desc: true, Limit: 50})
	rows[10].Action = "changed.now"
	l.snap.Hot[0].Bytes = segment.AppendBatch(nil, rows[:300])
	if n := l.check(t, e, query.Filter{Actions: []string{"changed.*"}}, query.Page{}); n != 1 {
		t.Fatalf("%d rows, want 1", n)
	}
	e2 := makeLog(t, "hot", rows, 0, 400)
	if n := e2.check(t, e, query.Filter{Actions: []string{"changed.*"}}, query.Page{}); n != 1 {
		t.Fatalf("%d rows after sealing, want 1", n)
	}
}

func TestRefusals(t *testing.T) {
	rows := segtest.New(3, 0).Rows(400)
	l := makeLog(t, "refuse", rows, 0, 100, 100)
	e := query.Open(query.Options{})
	nop := func(*segment.Row) error { return nil }
	ctx := context.Background()

	if err := e.Rows(ctx, l.snap, query.Filter{Actors: make([]int64, query.MaxValues+1)}, query.Page{}, nop); errs.CodeOf(err) != errs.Invalid {
		t.Fatal(err)
	}
	bad := l.snap
	bad.Segments = []query.SegmentRef{l.snap.Segments[1], l.snap.Segments[0]}
	if err := e.Rows(ctx, bad, query.Filter{}, query.Page{}, nop); errs.CodeOf(err) != errs.Internal {
		t.Fatal("segments out of order were accepted")
	}
	gone := l.snap
	gone.Segments = slices.Clone(l.snap.Segments)
	gone.Segments[1].Path += ".gone"
	if err := e.Rows(ctx, gone, query.Filter{}, query.Page{}, nop); !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	damaged := l.snap
	damaged.Hot = slices.Clone(l.snap.Hot)
	damaged.Hot[0].Bytes = slices.Clone(damaged.Hot[0].Bytes)
	damaged.Hot[0].Bytes[40] ^= 1
	if err := e.Rows(ctx, damaged, query.Filter{}, query.Page{}, nop); errs.CodeOf(err) != errs.Internal {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if err := e.Rows(ctx, l.snap, query.Filter{}, query.Page{}, func(*segment.Row) error { return stop }); err != stop {
		t.Fatal(err)
	}
	for _, spec := range []query.StatsSpec{{Unit: "decade"}, {Unit: query.Day, TimeZone: "Nowhere/Land"}, {Unit: query.Day, TimeZone: "Local"}, {BucketMicros: -1}, {BucketMicros: 1}} {
		many := makeLog(t, "many", segtest.New(4, 0).Rows(3), 0)
		if spec.BucketMicros == 1 {
			many = makeLog(t, "many", segtest.New(4, 0).Rows(400_000), 0)
		}
		if _, err := e.Stats(ctx, many.snap, query.Filter{}, spec); errs.CodeOf(err) != errs.Invalid {
			t.Fatalf("%+v: %v", spec, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Rows(ctx, l.snap, query.Filter{}, query.Page{}, nop); errs.CodeOf(err) != errs.Unavailable {
		t.Fatal(err)
	}
}

// TestDamagedSegment damages sealed files: a search fails or finds exactly the right rows.
func TestDamagedSegment(t *testing.T) {
	rows := segtest.New(8, 0).Rows(3000)
	l := makeLog(t, "damage", rows, 0, 3000)
	path := l.snap.Segments[0].Path
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(6, 6))
	failed := 0
	for i := range 200 {
		b := slices.Clone(good)
		switch i % 3 {
		case 0:
			b = b[:rng.IntN(len(b))]
		case 1:
			b[rng.IntN(len(b))] ^= 0x10
		default:
			b[len(b)-1-rng.IntN(9000)] ^= 0x04
		}
		p := filepath.Join(t.TempDir(), "segment.parquet")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l.snap.Segments[0].Path = p
		e := query.Open(query.Options{})
		var got []int64
		err := e.Rows(context.Background(), l.snap, query.Filter{Outcomes: []string{"failure"}}, query.Page{}, func(r *segment.Row) error {
			got = append(got, r.Seq)
			return nil
		})
		if err != nil {
			failed++
			if strings.Contains(errs.Message(err), p) {
				t.Fatal("the message for callers names a file")
			}
		} else if want := l.naive(query.Filter{Outcomes: []string{"failure"}}, query.Page{}); !slices.Equal(got, want) {
			t.Fatalf("damage %d went unnoticed", i)
		}
		e.Close()
	}
	t.Logf("%d of 200 damages were noticed, the rest does not matter to the search", failed)
}

func TestCancel(t *testing.T) {
	rows := segtest.New(8, 0).Rows(40_000)
	l := makeLog(t, "cancel", rows, 0, 10_000, 10_000, 10_000)
	e := query.Open(query.Options{Workers: 2})
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	err := e.Rows(ctx, l.snap, query.Filter{}, query.Page{}, func(*segment.Row) error {
		if n++; n == 5000 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > 7000 {
		t.Fatalf("%v after %d rows", err, n)
	}
	if _, err := e.Stats(ctx, l.snap, query.Filter{}, query.StatsSpec{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	started := make(chan struct{})
	done := make(chan error)
	go func() {
		first := true
		done <- e.Rows(context.Background(), l.snap, query.Filter{}, query.Page{}, func(*segment.Row) error {
			if first {
				close(started)
				first = false
			}
			time.Sleep(100 * time.Microsecond)
			return nil
		})
	}()
	<-started
	e.Close()
	if err := <-done; errs.CodeOf(err) != errs.Unavailable {
		t.Fatal(err)
	}
}

// TestConcurrent runs searches at the same time as snapshots change, with so few files kept open that they are closed all the time.
func TestConcurrent(t *testing.T) {
	rows := segtest.New(12, 0).Rows(6000)
	a := makeLog(t, "both", rows, 100, 2000, 1000, 500)
	b := makeLog(t, "both", rows, 0, 3000, 2000)
	e := query.Open(query.Options{Workers: 2, OpenFiles: 1})
	defer e.Close()
	done := make(chan struct{})
	for i := range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for k := range 30 {
				l := a
				if (i+k)%2 == 0 {
					l = b
				}
				f := query.Filter{Actors: []int64{rows[(i*31+k*7)%len(rows)].Actor}}
				p := query.Page{Desc: k%2 == 0, Limit: k % 5}
				var got []int64
				if err := e.Rows(context.Background(), l.snap, f, p, func(r *segment.Row) error { got = append(got, r.Seq); return nil }); err != nil {
					t.Error(err)
				} else if !slices.Equal(got, l.naive(f, p)) {
					t.Error("wrong rows")
				}
				st, err := e.Stats(context.Background(), l.snap, f, query.StatsSpec{Unit: query.Day})
				if err != nil || int(st.Total) != len(l.naive(f, query.Page{})) {
					t.Error("wrong total", err)
				}
			}
		}()
	}
	for range 8 {
		<-done
	}
}
