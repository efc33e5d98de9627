package query_test

import (
	"context"
	"testing"
	"time"

	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// TestCalendarBuckets checks bars around changes of the offset, where days have 23, 24 or 25 hours and midnight may not exist.
func TestCalendarBuckets(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixMicro()
	}
	for _, c := range []struct {
		zone   string
		unit   query.Unit
		times  []string
		starts []string
		counts []int64
	}{
		{"Europe/Zurich", query.Day, []string{"2025-03-29T22:59:59Z", "2025-03-29T23:00:00Z", "2025-03-30T21:59:59Z", "2025-03-30T22:00:00Z"},
			[]string{"2025-03-28T23:00:00Z", "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"}, []int64{1, 2, 1}},
		{"Europe/Zurich", query.Hour, []string{"2025-10-26T00:30:00Z", "2025-10-26T01:30:00Z", "2025-10-26T01:59:59Z"}, // 02:30 twice
			[]string{"2025-10-26T00:00:00Z", "2025-10-26T01:00:00Z"}, []int64{1, 2}},
		{"Asia/Kolkata", query.Hour, []string{"2025-05-01T00:29:00Z", "2025-05-01T00:31:00Z"}, []string{"2025-04-30T23:30:00Z", "2025-05-01T00:30:00Z"}, []int64{1, 1}},
		{"America/Santiago", query.Day, []string{"2025-09-07T03:59:59Z", "2025-09-07T04:00:00Z", "2025-09-07T03:30:00Z"}, // midnight is skipped
			[]string{"2025-09-06T04:00:00Z", "2025-09-07T04:00:00Z"}, []int64{2, 1}},
		{"", query.Week, []string{"2025-06-01T23:59:59Z", "2025-06-02T00:00:00Z", "2025-06-08T12:00:00Z"}, []string{"2025-05-26T00:00:00Z", "2025-06-02T00:00:00Z"}, []int64{1, 2}},
		{"America/New_York", query.Month, []string{"2025-12-31T23:00:00Z", "2026-01-01T05:00:00Z", "2026-01-01T04:59:59Z"},
			[]string{"2025-12-01T05:00:00Z", "2026-01-01T05:00:00Z"}, []int64{2, 1}},
		{"UTC", query.Minute, []string{"1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z"}, []string{"1969-12-31T23:59:00Z", "1970-01-01T00:00:00Z"}, []int64{1, 1}},
	} {
		var rows []segment.Row
		for i, s := range c.times {
			rows = append(rows, segment.Row{Seq: int64(i), RecordedAt: 1 << 40, OccurredAt: at(s), Outcome: "success"})
		}
		e := query.Open(query.Options{})
		l := makeLog(t, "calendar", rows, 0)
		got, err := e.Stats(context.Background(), l.snap, query.Filter{}, query.StatsSpec{Unit: c.unit, TimeZone: c.zone, Occurred: true})
		e.Close()
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Buckets) != len(c.starts) {
			t.Fatalf("%s %s: %+v", c.zone, c.unit, got.Buckets)
		}
		for i, b := range got.Buckets {
			if b.Start != at(c.starts[i]) || b.Count != c.counts[i] {
				t.Errorf("%s %s: bar %d starts %s with %d, want %s with %d", c.zone, c.unit, i, time.UnixMicro(b.Start).UTC(), b.Count, c.starts[i], c.counts[i])
			}
		}
	}
}
