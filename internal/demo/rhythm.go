package demo

import (
	"sort"
	"time"
)

// hourOfDay is how busy each hour (UTC) of a working day is; the night is never quite empty.
var hourOfDay = [24]float64{3, 2, 2, 2, 3, 6, 14, 35, 80, 100, 98, 90, 62, 70, 92, 96, 88, 74, 50, 34, 22, 14, 8, 5}

// dayOfWeek scales a day, Sunday first.
var dayOfWeek = [7]float64{0.18, 1.05, 1.0, 1.02, 1.0, 0.94, 0.45}

// rhythm maps the k-th of n events to a time, so that days and weeks have their shape and business doubles over the span.
type rhythm struct {
	start time.Time
	// cum[h] is the share of all events before hour h.
	cum []float64
}

func newRhythm(start, end time.Time) *rhythm {
	hours := max(1, int(end.Sub(start)/time.Hour))
	r := &rhythm{start: start, cum: make([]float64, hours+1)}
	sum := 0.0
	for h := range hours {
		t := start.Add(time.Duration(h) * time.Hour)
		w := hourOfDay[t.Hour()] * dayOfWeek[t.Weekday()] * (1 + float64(h)/float64(hours))
		switch {
		case t.Month() == time.December && t.Day() >= 24, t.Month() == time.January && t.Day() == 1:
			w *= 0.2 // closed between the years
		case t.Month() == time.August:
			w *= 0.7
		}
		sum += w
		r.cum[h+1] = sum
	}
	for h := range r.cum {
		r.cum[h] /= sum
	}
	return r
}

// cursor walks a rhythm forwards.
type cursor struct {
	*rhythm
	hour int
}

// at returns the time, in microseconds since 1970, before which the share q (0 ≤ q < 1) of all events happens. Calls must not go
// backwards.
func (c *cursor) at(q float64) int64 {
	for c.hour+1 < len(c.cum)-1 && c.cum[c.hour+1] <= q {
		c.hour++
	}
	lo, hi := c.cum[c.hour], c.cum[c.hour+1]
	part := 0.0
	if hi > lo {
		part = min(max((q-lo)/(hi-lo), 0), 0.999999)
	}
	return c.start.UnixMicro() + int64((float64(c.hour)+part)*3600e6)
}

// weekday returns the given hour (UTC) of the first working day after the share q of all events.
func (r *rhythm) weekday(q float64, hour int) time.Time {
	h := sort.SearchFloat64s(r.cum, q)
	t := r.start.Add(time.Duration(h) * time.Hour).Truncate(24 * time.Hour).Add(time.Duration(hour) * time.Hour)
	for t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
		t = t.Add(24 * time.Hour)
	}
	return t
}
