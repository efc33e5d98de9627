package schedule

import (
	"testing"
	"time"
)

func TestBounds(t *testing.T) {
	last := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	for _, c := range []struct{ period, zone, due, from, to string }{
		{PreviousDay, "Europe/Vienna", "2026-03-30T06:00:00+02:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"}, // a day of 23 hours
		{PreviousDay, "Asia/Kolkata", "2026-01-01T00:30:00+05:30", "2025-12-31T00:00:00+05:30", "2026-01-01T00:00:00+05:30"},
		{PreviousDay, "America/Santiago", "2026-09-07T06:00:00-03:00", "2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"}, // a day without midnight
		{PreviousWeek, "UTC", "2026-11-22T06:00:00Z", "2026-11-09T00:00:00Z", "2026-11-16T00:00:00Z"},                            // a Sunday
		{PreviousWeek, "UTC", "2026-11-23T06:00:00Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},                            // a Monday
		{PreviousMonth, "UTC", "2026-01-31T06:00:00Z", "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{PreviousQuarter, "UTC", "2026-02-15T06:00:00Z", "2025-10-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{PreviousQuarter, "UTC", "2026-12-31T06:00:00Z", "2026-07-01T00:00:00Z", "2026-10-01T00:00:00Z"},
		{PreviousYear, "UTC", "2026-12-31T06:00:00Z", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{SinceLast, "UTC", "2026-03-02T06:00:00Z", "2026-03-01T06:00:00Z", "2026-03-02T06:00:00Z"},
	} {
		loc, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		due, err := time.Parse(time.RFC3339, c.due)
		if err != nil {
			t.Fatal(err)
		}
		from, to := bounds(c.period, due, last, loc)
		if f, u := from.In(loc).Format(time.RFC3339), to.In(loc).Format(time.RFC3339); f != c.from || u != c.to {
			t.Errorf("%s of %s in %s: %s to %s, want %s to %s", c.period, c.due, c.zone, f, u, c.from, c.to)
		}
	}
	if from, to := bounds(Everything, last, last, time.UTC); !from.IsZero() || !to.IsZero() {
		t.Error("everything has bounds")
	}
}
