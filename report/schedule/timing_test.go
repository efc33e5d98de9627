package schedule

import (
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the machine of the tests may have no time zones

	"github.com/adhocore/gronx"
	"pgregory.net/rapid"

	"probity.dev/internal/errs"
)

func checked(t *testing.T, timing Timing) *Timing {
	t.Helper()
	if err := timing.check(time.UTC, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	return &timing
}

func TestNext(t *testing.T) {
	cases := map[string]struct {
		timing Timing
		after  string
		want   []string // local times with their offset
	}{
		"half-hour offset":           {Timing{Every: Daily, At: "06:30", Zone: "Asia/Kolkata"}, "2026-03-01T00:59:00Z", []string{"2026-03-01T06:30:00+05:30", "2026-03-02T06:30:00+05:30"}},
		"quarter-hour offset":        {Timing{Every: Daily, At: "00:00", Zone: "Asia/Kathmandu"}, "2026-03-01T00:00:00Z", []string{"2026-03-02T00:00:00+05:45"}},
		"clock put forward":          {Timing{Every: Daily, At: "02:30", Zone: "Europe/Vienna"}, "2026-03-28T12:00:00Z", []string{"2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"}},
		"clock put back":             {Timing{Every: Daily, At: "02:30", Zone: "Europe/Vienna"}, "2026-10-24T12:00:00Z", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		"half an hour put back":      {Timing{Every: Daily, At: "01:45", Zone: "Australia/Lord_Howe"}, "2026-04-04T00:00:00Z", []string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		"no midnight":                {Timing{Every: Daily, At: "00:00", Zone: "America/Santiago"}, "2026-09-05T12:00:00Z", []string{"2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"}},
		"weekly":                     {Timing{Every: Weekly, Weekday: 7, At: "23:59", Zone: "UTC"}, "2026-11-22T23:59:00Z", []string{"2026-11-29T23:59:00Z"}},
		"monthly, short months":      {Timing{Every: Monthly, Day: 31, At: "08:00", Zone: "UTC"}, "2026-01-31T08:00:00Z", []string{"2026-02-28T08:00:00Z", "2026-03-31T08:00:00Z", "2026-04-30T08:00:00Z"}},
		"monthly, leap year":         {Timing{Every: Monthly, Day: 29, At: "08:00", Zone: "UTC"}, "2028-02-01T00:00:00Z", []string{"2028-02-29T08:00:00Z"}},
		"cron":                       {Timing{Every: Cron, Cron: "30 6 * * 1-5", Zone: "Asia/Kolkata"}, "2026-11-20T06:00:00Z", []string{"2026-11-23T06:30:00+05:30"}},
		"cron, last day":             {Timing{Every: Cron, Cron: "0 6 L * *", Zone: "UTC"}, "2026-02-01T00:00:00Z", []string{"2026-02-28T06:00:00Z", "2026-03-31T06:00:00Z"}},
		"cron, clock put forward":    {Timing{Every: Cron, Cron: "30 2 * * *", Zone: "Europe/Vienna"}, "2026-03-28T12:00:00Z", []string{"2026-03-29T03:30:00+02:00", "2026-03-30T02:30:00+02:00"}},
		"cron, clock put back":       {Timing{Every: Cron, Cron: "30 2 * * *", Zone: "Europe/Vienna"}, "2026-10-24T12:00:00Z", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		"hourly, clock put forward":  {Timing{Every: Cron, Cron: "15 * * * *", Zone: "Europe/Vienna"}, "2026-03-29T00:16:00Z", []string{"2026-03-29T03:15:00+02:00", "2026-03-29T04:15:00+02:00"}},
		"hourly, clock put back":     {Timing{Every: Cron, Cron: "15 * * * *", Zone: "Europe/Vienna"}, "2026-10-24T23:16:00Z", []string{"2026-10-25T02:15:00+02:00", "2026-10-25T02:15:00+01:00", "2026-10-25T03:15:00+01:00"}},
		"every other hour, put back": {Timing{Every: Cron, Cron: "0 */2 * * *", Zone: "Europe/Vienna"}, "2026-10-24T22:30:00Z", []string{"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T04:00:00+01:00"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			timing := checked(t, c.timing)
			at, err := time.Parse(time.RFC3339, c.after)
			if err != nil {
				t.Fatal(err)
			}
			loc, _ := time.LoadLocation(timing.Zone)
			for _, want := range c.want {
				at = timing.Next(at)
				if got := at.In(loc).Format(time.RFC3339); got != want {
					t.Fatalf("%s, want %s", got, want)
				}
			}
		})
	}
}

func TestTimingIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		timing  Timing
		pointer string
	}{
		"zone":         {Timing{Every: Daily, At: "06:00", Zone: "Mars/Olympus"}, "/timing/time_zone"},
		"zone path":    {Timing{Every: Daily, At: "06:00", Zone: "../../etc/passwd"}, "/timing/time_zone"},
		"machine zone": {Timing{Every: Daily, At: "06:00", Zone: "Local"}, "/timing/time_zone"},
		"time":         {Timing{Every: Daily, At: "25:00"}, "/timing/at"},
		"short time":   {Timing{Every: Daily, At: "6:00"}, "/timing/at"},
		"weekday":      {Timing{Every: Weekly, At: "06:00"}, "/timing/weekday"},
		"day":          {Timing{Every: Monthly, At: "06:00", Day: 32}, "/timing/day"},
		"cron":         {Timing{Every: Cron, Cron: "a b c d e"}, "/timing/cron"},
		"cron, six":    {Timing{Every: Cron, Cron: "0 0 6 * * *"}, "/timing/cron"},
		"cron, tag":    {Timing{Every: Cron, Cron: "@every_minute"}, "/timing/cron"},
		"cron, often":  {Timing{Every: Cron, Cron: "* * * * *"}, "/timing/cron"},
		"cron, 3 min":  {Timing{Every: Cron, Cron: "57,0 12 * * *"}, ""},
		"cron, pair":   {Timing{Every: Cron, Cron: "10,12 6 * * *"}, "/timing/cron"},
		"cron, never":  {Timing{Every: Cron, Cron: "0 0 30 2 *"}, "/timing/cron"},
		"event":        {Timing{Every: OnEvent, Event: "rain"}, "/timing/event"},
		"every":        {Timing{Every: "blue moon"}, "/timing/every"},
	} {
		err := c.timing.check(time.UTC, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		if c.pointer == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var e *errs.Error
		if !errors.As(err, &e) || len(e.Fields) != 1 || e.Fields[0].Pointer != c.pointer {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNextIsWhatTheClockShows holds the next time against a walk through every minute.
func TestNextIsWhatTheClockShows(t *testing.T) {
	zones := []string{"UTC", "Europe/Vienna", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca"}
	crons := []string{"15 * * * *", "*/20 */3 * * *", "30 2 * * *", "0 1,2,3 * * *", "45 1 * * 0", "0 0 1 * *"}
	rapid.Check(t, func(t *rapid.T) {
		timing := Timing{Every: Cron, Cron: rapid.SampledFrom(crons).Draw(t, "cron"), Zone: rapid.SampledFrom(zones).Draw(t, "zone")}
		loc, _ := time.LoadLocation(timing.Zone)
		start := time.Date(2026, time.Month(rapid.SampledFrom([]int{3, 4, 9, 10, 11}).Draw(t, "month")), 1, 0, 0, 0, 0, time.UTC)
		after := start.Add(time.Duration(rapid.IntRange(0, 45*24*60).Draw(t, "minute")) * time.Minute)
		next := timing.Next(after)
		if !next.After(after) {
			t.Fatalf("%s is not after %s", next, after)
		}
		every := strings.HasPrefix(strings.Fields(timing.Cron)[1], "*")
		for at := after.Add(time.Minute); at.Before(next); at = at.Add(time.Minute) {
			wall := wallOf(at, loc)
			if due, err := gronx.New().IsDue(timing.Cron, wall); err != nil || due && (every || instants(wall, loc)[0].Equal(at)) {
				t.Fatalf("%s in %s after %s: %s was left out for %s (%v)", timing.Cron, timing.Zone, after, at, next, err)
			}
		}
	})
}
