package schedule

import (
	"slices"
	"time"

	"probity.dev/internal/errs"
)

// The periods that an export of a schedule can cover. Those called previous are whole days, weeks from Monday, months, quarters and years of the schedule's zone that ended before it was due.
const (
	PreviousDay     = "previous_day"
	PreviousWeek    = "previous_week"
	PreviousMonth   = "previous_month"
	PreviousQuarter = "previous_quarter"
	PreviousYear    = "previous_year"
	SinceLast       = "since_last" // from when it was due before; runs that somebody asked for do not count
	Everything      = "all"
)

// Periods are the periods, in the order of the documentation.
func Periods() []string {
	return []string{PreviousDay, PreviousWeek, PreviousMonth, PreviousQuarter, PreviousYear, SinceLast, Everything}
}

func checkPeriod(p string) error {
	if !slices.Contains(Periods(), p) {
		return errs.Field("/period", "unknown", "The period is one of previous_day, previous_week, previous_month, previous_quarter, previous_year, since_last and all.")
	}
	return nil
}

// bounds returns the period of a run that was due at a moment: from is included, to is not. Both are zero for everything; from is for the first run of since_last.
func bounds(period string, due, last time.Time, loc *time.Location) (from, to time.Time) {
	y, m, d := due.In(loc).Date()
	day := func(y int, m time.Month, d int) time.Time {
		return instants(time.Date(y, m, d, 0, 0, 0, 0, time.UTC), loc)[0]
	}
	switch period {
	case PreviousDay:
		return day(y, m, d-1), day(y, m, d)
	case PreviousWeek:
		monday := d - (int(due.In(loc).Weekday())+6)%7
		return day(y, m, monday-7), day(y, m, monday)
	case PreviousMonth:
		return day(y, m-1, 1), day(y, m, 1)
	case PreviousQuarter:
		first := (m-1)/3*3 + 1
		return day(y, first-3, 1), day(y, first, 1)
	case PreviousYear:
		return day(y-1, 1, 1), day(y, 1, 1)
	case SinceLast:
		return last, due
	}
	return time.Time{}, time.Time{}
}
