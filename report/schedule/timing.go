package schedule

import (
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"probity.dev/internal/errs"
)

// The ways in which a schedule repeats.
const (
	Daily   = "day"
	Weekly  = "week"
	Monthly = "month"
	Cron    = "cron"
	OnEvent = "event"
)

// Timing says when a schedule is due.
type Timing struct {
	Every string `json:"every" enum:"day,week,month,cron,event"`
	// At is the time of day of the first three.
	At string `json:"at,omitempty" maxLength:"5" doc:"Time of day, HH:MM; for day, week and month"`
	// Weekday is 1 for Monday to 7 for Sunday.
	Weekday int `json:"weekday,omitempty" minimum:"0" maximum:"7" doc:"1 for Monday to 7 for Sunday; for week"`
	// Day is a day of the month; one that a month does not have means its last.
	Day  int    `json:"day,omitempty" minimum:"0" maximum:"31" doc:"Day of the month; in shorter months the last day; for month"`
	Cron string `json:"cron,omitempty" maxLength:"200" doc:"Minute, hour, day of month, month, day of week; for cron"`
	// Event is one of Triggers.
	Event string `json:"event,omitempty" maxLength:"64" doc:"What it waits for: verification.failed, or evidence.hold_placed for a legal hold; for event"`
	Zone  string `json:"time_zone,omitempty" maxLength:"64" doc:"Name of a time zone such as Asia/Kolkata; that of the organisation when absent"`
}

// What a schedule can wait for.
const (
	// TriggerVerificationFailed is a verification that found something wrong.
	TriggerVerificationFailed = "verification.failed"
	// TriggerHoldPlaced is a legal hold that somebody has placed; it has the name of the event that records it.
	TriggerHoldPlaced = "evidence.hold_placed"
)

// Triggers are what a schedule can wait for.
func Triggers() []string { return []string{TriggerVerificationFailed, TriggerHoldPlaced} }

// shortest is how far two times of a cron line must be apart: an export reads everything anew.
const shortest = 5 * time.Minute

// horizon is how far ahead the next time of a cron line is looked for; lines such as "0 0 30 2 *" have none.
const horizon = 5 * 366 * 24 * time.Hour

// check refuses a timing that cannot be kept, and fills in what it leaves open. zone is the organisation's.
func (t *Timing) check(zone *time.Location, now time.Time) error {
	if t.Zone == "" {
		t.Zone = zone.String()
	}
	loc, err := time.LoadLocation(t.Zone)
	if err != nil || t.Zone == "Local" {
		return errs.Field("/timing/time_zone", "unknown", "There is no time zone %q. Zones have names such as Europe/Vienna or Asia/Kolkata.", t.Zone)
	}
	switch t.Every {
	case Daily, Weekly, Monthly:
		if err := t.checkDay(); err != nil {
			return err
		}
		t.Cron, t.Event = "", ""
		return nil
	case OnEvent:
		for _, known := range Triggers() {
			if t.Event == known {
				t.At, t.Cron, t.Weekday, t.Day = "", "", 0, 0
				return nil
			}
		}
		return errs.Field("/timing/event", "unknown", "A schedule can wait for: %s.", strings.Join(Triggers(), ", "))
	case Cron:
		t.At, t.Event, t.Weekday, t.Day = "", "", 0, 0
		return t.checkCron(loc, now)
	}
	return errs.Field("/timing/every", "unknown", "A schedule repeats every day, week or month, or by cron or event.")
}

func (t *Timing) checkDay() error {
	if _, err := time.Parse("15:04", t.At); err != nil || len(t.At) != 5 {
		return errs.Field("/timing/at", "format", "The time of day is HH:MM, such as 06:30.")
	}
	if t.Every == Weekly && (t.Weekday < 1 || t.Weekday > 7) {
		return errs.Field("/timing/weekday", "range", "The day of the week is 1 for Monday to 7 for Sunday.")
	}
	if t.Every == Monthly && (t.Day < 1 || t.Day > 31) {
		return errs.Field("/timing/day", "range", "The day of the month is 1 to 31.")
	}
	if t.Every != Weekly {
		t.Weekday = 0
	}
	if t.Every != Monthly {
		t.Day = 0
	}
	return nil
}

func (t *Timing) checkCron(loc *time.Location, now time.Time) error {
	if len(strings.Fields(t.Cron)) != 5 || !gronx.IsValid(t.Cron) {
		return errs.Field("/timing/cron", "format", "A cron line has five fields: minute, hour, day of month, month, day of week. \"30 6 * * 1-5\" is half past six on working days.")
	}
	first, ok := t.cronNext(loc, now)
	if !ok {
		return errs.Field("/timing/cron", "never", "This cron line is never due.")
	}
	// A line repeats itself within a day or two, if it is often due at all.
	for at := first; at.Before(first.Add(50 * time.Hour)); {
		next, ok := t.cronNext(loc, at)
		if ok && next.Sub(at) < shortest {
			return errs.Field("/timing/cron", "too_often", "This cron line is due more often than every 5 minutes.")
		}
		if !ok {
			break
		}
		at = next
	}
	return nil
}

// Next returns the first time after a moment at which the schedule is due; the zero time when it waits for an event. The timing MUST have been checked.
func (t *Timing) Next(after time.Time) time.Time {
	loc, err := time.LoadLocation(t.Zone)
	if err != nil {
		loc = time.UTC
	}
	switch t.Every {
	case Daily, Weekly, Monthly:
		return t.nextDay(loc, after)
	case Cron:
		next, _ := t.cronNext(loc, after)
		return next
	}
	return time.Time{}
}

func (t *Timing) nextDay(loc *time.Location, after time.Time) time.Time {
	clock, err := time.Parse("15:04", t.At)
	if err != nil {
		return time.Time{}
	}
	y, m, d := after.In(loc).Date()
	for n := -1; n < 64; n++ {
		day := time.Date(y, m, d+n, clock.Hour(), clock.Minute(), 0, 0, time.UTC)
		if !t.on(day) {
			continue
		}
		if at := instants(day, loc)[0]; at.After(after) {
			return at.UTC()
		}
	}
	return time.Time{}
}

// on reports whether the schedule is due on a day.
func (t *Timing) on(day time.Time) bool {
	switch t.Every {
	case Weekly:
		return (int(day.Weekday())+6)%7+1 == t.Weekday
	case Monthly:
		last := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		return day.Day() == min(t.Day, last)
	}
	return true
}

// cronNext lets the cron line walk over a clock without daylight saving and then asks when the clock of the zone shows what it says.
func (t *Timing) cronNext(loc *time.Location, after time.Time) (time.Time, bool) {
	hours := strings.Fields(t.Cron)[1]
	everyHour := strings.HasPrefix(hours, "*")
	local := after.In(loc)
	// Begin before a clock that was put back or forward meanwhile.
	wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour()-3, local.Minute(), 0, 0, time.UTC)
	end := after.Add(horizon)
	var best time.Time
	for {
		next, err := gronx.NextTickAfter(t.Cron, wall, false)
		if err != nil || next.After(end) {
			return best, !best.IsZero()
		}
		wall = next
		// What comes later on the clock can come earlier in time only where the clock is put back, by less than three hours.
		if !best.IsZero() && wall.Sub(wallOf(best, loc)) > 3*time.Hour {
			return best, true
		}
		for _, at := range t.candidates(wall, loc, everyHour) {
			if at.After(after) && (best.IsZero() || at.Before(best)) {
				best = at.UTC()
			}
		}
		if !best.IsZero() && !everyHour {
			return best, true
		}
	}
}

func (t *Timing) candidates(wall time.Time, loc *time.Location, everyHour bool) []time.Time {
	all := instants(wall, loc)
	if !everyHour {
		return all[:1]
	}
	if !wallOf(all[0], loc).Equal(wall) {
		return nil // this hour does not exist today
	}
	return all
}

// wallOf is what the clock of a zone shows, as if it were UTC.
func wallOf(at time.Time, loc *time.Location) time.Time {
	l := at.In(loc)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), 0, time.UTC)
}

// instants returns the moments at which the clock of a zone shows wall, the first one first. When it never does, because the clock is put forward over it, it returns the moment as much later as the clock jumps.
func instants(wall time.Time, loc *time.Location) []time.Time {
	// Whatever is in force a day before and a day after are the only offsets around a change.
	var out []time.Time
	var offsets [2]time.Duration
	for i, near := range []time.Time{wall.Add(-24 * time.Hour), wall.Add(24 * time.Hour)} {
		_, seconds := near.In(loc).Zone()
		offsets[i] = time.Duration(seconds) * time.Second
	}
	for _, o := range offsets {
		at := wall.Add(-o)
		if wallOf(at, loc).Equal(wall) && (len(out) == 0 || !out[0].Equal(at)) {
			out = append(out, at)
		}
	}
	if len(out) == 0 {
		return []time.Time{wall.Add(-offsets[0])} // the offset of before reads a skipped time as one that is later
	}
	if len(out) == 2 && out[1].Before(out[0]) {
		out[0], out[1] = out[1], out[0]
	}
	return out
}
