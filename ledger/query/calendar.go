package query

import (
	"time"

	"probity.dev/internal/errs"
)

// bucketer finds the bucket of a time. It remembers the last one, since neighbours in a log are neighbours in time. Not safe for concurrent use.
type bucketer struct {
	width  int64 // fixed, or
	unit   Unit
	loc    *time.Location
	lo, hi int64 // the last bucket, half-open
}

// newBucketer returns nil when no histogram is wanted.
func newBucketer(s *StatsSpec) (*bucketer, error) {
	if s.BucketMicros < 0 {
		return nil, errs.New(errs.Invalid, "a bucket cannot have a negative width")
	}
	b := &bucketer{width: s.BucketMicros, unit: s.Unit, loc: time.UTC}
	if b.width > 0 {
		return b, nil
	}
	switch s.Unit {
	case "":
		return nil, nil
	case Minute, Hour, Day, Week, Month:
	default:
		return nil, errs.New(errs.Invalid, "unknown bucket; use minute, hour, day, week or month")
	}
	if s.TimeZone != "" {
		loc, err := time.LoadLocation(s.TimeZone)
		if err != nil || s.TimeZone == "Local" {
			return nil, errs.New(errs.Invalid, "unknown time zone; use an IANA name such as Europe/Zurich")
		}
		b.loc = loc
	}
	return b, nil
}

// start returns the start of the bucket that holds v.
func (b *bucketer) start(v int64) int64 {
	if v < b.lo || v >= b.hi {
		b.find(v)
	}
	return b.lo
}

func (b *bucketer) find(v int64) {
	if b.width > 0 {
		b.lo = floor(v, b.width)
		b.hi = b.lo + b.width
		return
	}
	t := time.UnixMicro(v).In(b.loc)
	y, m, d := t.Date()
	switch b.unit {
	case Minute:
		b.clock(t, v, 60_000_000)
	case Hour:
		b.clock(t, v, 3600_000_000)
	case Day:
		b.lo, b.hi = b.midnight(y, m, d), b.midnight(y, m, d+1)
	case Week:
		d -= (int(t.Weekday()) + 6) % 7
		b.lo, b.hi = b.midnight(y, m, d), b.midnight(y, m, d+7)
	case Month:
		b.lo, b.hi = b.midnight(y, m, 1), b.midnight(y, m+1, 1)
	}
}

// clock buckets by what a wall clock shows. An hour that a change of the offset repeats is two buckets, since its instants differ.
func (b *bucketer) clock(t time.Time, v, width int64) {
	_, seconds := t.Zone()
	offset := int64(seconds) * 1_000_000
	b.lo = floor(v+offset, width) - offset
	b.hi = b.lo + width
	from, to := t.ZoneBounds()
	if !from.IsZero() {
		b.lo = max(b.lo, from.UnixMicro())
	}
	if !to.IsZero() {
		b.hi = min(b.hi, to.UnixMicro())
	}
}

// midnight returns when a day begins; where a change of the offset skips midnight, that is the moment of the change.
func (b *bucketer) midnight(y int, m time.Month, d int) int64 {
	t := time.Date(y, m, d, 0, 0, 0, 0, b.loc)
	if want := time.Date(y, m, d, 0, 0, 0, 0, time.UTC); t.Day() != want.Day() {
		_, t = t.ZoneBounds()
	}
	return t.UnixMicro()
}

func floor(v, width int64) int64 {
	q := v / width
	if v%width < 0 {
		q--
	}
	return q * width
}
