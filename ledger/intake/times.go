package intake

import (
	"math"
	"strconv"
	"strings"
	"time"

	"probity.dev/ledger/event"
)

// layouts are the times that are understood beside RFC 3339; those without a zone are in the location of the options.
var layouts = []string{
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05.999999999 MST",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700", "2006-01-02", "01/02/2006 15:04:05.999999999", "01/02/2006 03:04:05 PM", "01/02/2006 3:04:05 PM",
	"02/Jan/2006:15:04:05 -0700", "01-02-2006 15:04:05.999999999", time.RFC1123Z, time.RFC1123, time.ANSIC,
}

// parseTime reads a time as logs write it, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970 UTC, told
// apart by its size.
func parseTime(s string, loc *time.Location) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 64 {
		return time.Time{}, false
	}
	if t, ok := event.ParseTime(s); ok {
		return t, true
	}
	if c := s[0]; c >= '0' && c <= '9' || c == '-' {
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return epoch(s, n)
		}
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t.UTC().Truncate(time.Microsecond), true
		}
	}
	return time.Time{}, false
}

// epoch reads a number of units since 1970. Whole numbers are read exactly.
func epoch(s string, n float64) (time.Time, bool) {
	unit := time.Second
	switch a := math.Abs(n); {
	case a >= 1e17:
		unit = time.Nanosecond
	case a >= 1e14:
		unit = time.Microsecond
	case a >= 1e11:
		unit = time.Millisecond
	}
	return since1970(s, unit)
}

// since1970 reads a number of units since 1970 UTC.
func since1970(s string, unit time.Duration) (time.Time, bool) {
	perSecond := int64(time.Second / unit)
	if whole, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(whole/perSecond, whole%perSecond*int64(unit)).UTC().Truncate(time.Microsecond), true
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.Abs(n) > 1e18 {
		return time.Time{}, false
	}
	sec, frac := math.Modf(n / float64(perSecond))
	return time.Unix(int64(sec), int64(math.Round(frac*1e6))*1000).UTC(), true
}
