package main

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC) // the day on which Berlin's clocks go forward
	for _, x := range []struct {
		text string
		end  bool
		want string
	}{
		{"", false, "0001-01-01T00:00:00Z"},
		{"2026-01-31", false, "2026-01-30T23:00:00Z"},
		{"2026-01-31", true, "2026-01-31T23:00:00Z"},
		{"2026-03-29", true, "2026-03-29T22:00:00Z"},
		{"2026-01-31 14:00", false, "2026-01-31T13:00:00Z"},
		{"2026-01-31 14:00", true, "2026-01-31T13:00:00Z"},
		{"2026-07-31T14:00:05", false, "2026-07-31T12:00:05Z"},
		{"2026-01-31T14:00:00Z", false, "2026-01-31T14:00:00Z"},
		{"2026-01-31T14:00:00.123456-05:00", false, "2026-01-31T19:00:00.123456Z"},
		{"today", false, "2026-03-28T23:00:00Z"},
		{"yesterday", true, "2026-03-28T23:00:00Z"},
		{"now", false, "2026-03-29T12:00:00Z"},
		{"90m", false, "2026-03-29T10:30:00Z"},
		{"24h", false, "2026-03-28T12:00:00Z"},
		{"7d", false, "2026-03-22T12:00:00Z"},
		{"2w", false, "2026-03-15T12:00:00Z"},
		{"1.5d", false, "2026-03-28T00:00:00Z"},
	} {
		got, err := parseTime(x.text, now, berlin, x.end)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != x.want {
			t.Errorf("%q (end %v) is %v, %v; want %s", x.text, x.end, got.UTC(), err, x.want)
		}
	}
	for _, bad := range []string{"x", "2026-13-01", "-5h", "-3d", "d", "w", "1e9d", "2026-01-31 25:00", "31.01.2026", "tomorrow", "NaNd", "infd"} {
		if got, err := parseTime(bad, now, berlin, false); err == nil {
			t.Errorf("%q was taken for %v", bad, got)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-01-31", "24h", "7d", "now", ""} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) {
		_, _ = parseTime(s, time.Unix(0, 0), time.UTC, true)
	})
}
