package query_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

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
	for range 25 {
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
			hits += l.check(t, e, f, query.Page{Desc: rng.IntN(2) == 0, Limit: []int{0, 1, 50, 2100}[rng.IntN(4)]})
		}
	}
	t.Logf("%d rows found", hits)
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
			spec.Occurred = true
			many = makeLog(t, "many", segtest.New(4, 0).Rows(query.MaxBuckets+1000), 0)
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

// TestDamagedSegment damages a sealed file anywhere: bounds, dictionaries, bloom filters, values. Each search then fails or finds exactly the right
// rows; none may lose one in silence.
func TestDamagedSegment(t *testing.T) {
	rows := segtest.New(8, 0).Rows(3000)
	l := makeLog(t, "damage", rows, 0, 3000)
	path := l.snap.Segments[0].Path
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := &rows[1234]
	filters := []query.Filter{{Outcomes: []string{"failure"}}, {Actors: []int64{r.Actor}}, {Actions: []string{r.Action}}, {EventIDs: []string{r.EventID}},
		{ResourceIDs: []string{rows[5].ResourceID, rows[6].ResourceID, rows[7].ResourceID}}, {SeqFrom: 1000, SeqTo: 1100}, {OccurredFrom: r.OccurredAt, OccurredTo: r.OccurredAt + 1}}
	rng := rand.New(rand.NewPCG(6, 6))
	noticed := 0
	for i := range 250 {
		b := slices.Clone(good)
		switch i % 5 {
		case 0:
			b = b[:rng.IntN(len(b))]
		case 1, 2:
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		default:
			b[len(b)-1-rng.IntN(40_000)] ^= 1 << rng.IntN(8) // filters, indexes and footer are at the end
		}
		p := filepath.Join(t.TempDir(), "segment.parquet")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l.snap.Segments[0].Path = p
		e := query.Open(query.Options{})
		for _, f := range filters {
			var got []int64
			err := e.Rows(context.Background(), l.snap, f, query.Page{}, func(r *segment.Row) error { got = append(got, r.Seq); return nil })
			if err != nil {
				noticed++
				if strings.Contains(errs.Message(err), p) {
					t.Fatal("the message for callers names a file")
				}
			} else if want := l.naive(f, query.Page{}); !slices.Equal(got, want) {
				t.Fatalf("damage %d went unnoticed: %+v finds %d rows of %d", i, f, len(got), len(want))
			}
		}
		e.Close()
	}
	t.Logf("%d of %d searches in damaged files failed, the others were right", noticed, 250*len(filters))
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
