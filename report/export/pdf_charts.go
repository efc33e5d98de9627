package export

import (
	"fmt"
	"time"
)

// summaryPage draws the second page: events by action, by actor and over time.
func (e *pdfEncoder) summaryPage(s *Summary) {
	note := fmt.Sprintf("%s events", thousands(s.Rows))
	if s.Rows == 1 {
		note = "1 event"
	}
	e.heading("Summary", note)
	const half = (pageWidth - 2*margin - 10) / 2
	e.bars(margin, 34, half, "Events by action", "action", s.ByAction, s.Rows)
	e.bars(margin+half+10, 34, half, "Events by actor", "actor", s.ByActor, s.Rows)
	e.timeline(margin, 128, pageWidth-2*margin, 62, s)
}

const topBars = 12

// bars draws a horizontal bar chart of the largest counts, the rest taken together. The part that was not successful is red.
func (e *pdfEncoder) bars(x, y, width float64, title, what string, counts []Count, total int64) {
	e.label(x, y, title)
	if len(counts) == 0 {
		e.t.use(&e.t.sans, 8)
		e.print(x, y+8, "none", muted)
		return
	}
	list := counts
	if len(counts) > topBars {
		list = append([]Count(nil), counts[:topBars-1]...)
		rest := Count{Key: fmt.Sprintf("%s further %ss", thousands(int64(len(counts)-topBars+1)), what)}
		for _, c := range counts[topBars-1:] {
			rest.Count += c.Count
			rest.Failures += c.Failures
		}
		list = append(list, rest)
	}
	largest := int64(1)
	for _, c := range counts[:min(len(counts), topBars)] {
		largest = max(largest, c.Count)
	}
	const labelWidth, figures, step, thick = 45.0, 27.0, 6.5, 3.6
	room := width - labelWidth - figures
	for i, c := range list {
		top := y + 5 + float64(i)*step
		e.t.use(&e.t.sans, 7.2)
		color := body
		if i == topBars-1 && len(counts) > topBars {
			color = muted
		}
		e.print(x, top+2.8, e.t.fit(e.t.clean(c.Key), labelWidth-3), color)
		if color == body { // a bar of the rest would dwarf the others and say nothing
			e.bar(x+labelWidth, top, room, thick, c, largest)
		}
		e.t.use(&e.t.bold, 7.2)
		e.printRight(x+width-11, top+2.8, thousands(c.Count), ink)
		e.t.use(&e.t.sans, 6.6)
		e.printRight(x+width, top+2.8, percent(c.Count, total), muted)
	}
}

func (e *pdfEncoder) bar(x, y, room, thick float64, c Count, largest int64) {
	e.fill(zebra)
	e.pdf.Rect(x, y, room, thick, "F")
	long := room * float64(c.Count) / float64(largest)
	e.fill(accent)
	e.pdf.Rect(x, y, max(long, 0.25), thick, "F")
	if c.Failures > 0 {
		failed := max(room*float64(c.Failures)/float64(largest), 0.25)
		e.fill(bad)
		e.pdf.Rect(x+max(long-failed, 0), y, failed, thick, "F")
	}
}

// bucket is a column of the timeline.
type bucket struct {
	start           time.Time
	count, failures int64
}

// timeline draws the number of events a day, or a week or month when there are too many days for the page.
func (e *pdfEncoder) timeline(x, y, width, height float64, s *Summary) {
	buckets, unit := buckets(s.ByDay)
	title := "Events per " + unit
	if len(buckets) > 0 && s.ByDay[0].Date.Before(buckets[0].start) {
		title += ", since " + buckets[0].start.Format("January 2006")
	}
	e.label(x, y, title)
	e.legend(x+width, y)
	if len(buckets) == 0 {
		e.t.use(&e.t.sans, 8)
		e.print(x, y+8, "none", muted)
		return
	}
	largest := int64(1)
	for _, b := range buckets {
		largest = max(largest, b.count)
	}
	ceiling, step := niceScale(largest)
	const axis = 14.0
	left, top, bottom := x+axis, y+6, y+height-8
	e.pdf.SetLineWidth(0.12)
	e.draw(hairy)
	e.t.use(&e.t.sans, 6.2)
	for v := int64(0); v <= ceiling; v += step {
		yy := bottom - (bottom-top)*float64(v)/float64(ceiling)
		e.pdf.Line(left, yy, x+width, yy)
		e.printRight(left-2, yy+0.8, thousands(v), muted)
	}
	slot := (x + width - left) / float64(len(buckets))
	bar := min(slot*0.78, 9)
	for i, b := range buckets {
		high := (bottom - top) * float64(b.count) / float64(ceiling)
		failed := (bottom - top) * float64(b.failures) / float64(ceiling)
		at := left + float64(i)*slot + (slot-bar)/2
		if b.count > 0 {
			e.fill(accent)
			e.pdf.Rect(at, bottom-high, bar, max(high, 0.2), "F")
		}
		if b.failures > 0 {
			e.fill(bad)
			e.pdf.Rect(at, bottom-failed, bar, max(failed, 0.2), "F")
		}
	}
	e.timeLabels(buckets, unit, left, slot, bottom+4)
}

func (e *pdfEncoder) legend(right, y float64) {
	e.t.use(&e.t.sans, 6.8)
	for _, l := range []struct {
		text  string
		color rgb
	}{{"not successful", bad}, {"successful", accent}} {
		right -= e.t.mm(l.text)
		e.print(right, y, l.text, muted)
		e.fill(l.color)
		e.pdf.Rect(right-4, y-2, 2.4, 2.4, "F")
		right -= 9
	}
}

// timeLabels writes as many dates below the columns as there is room for.
func (e *pdfEncoder) timeLabels(buckets []bucket, unit string, left, slot, y float64) {
	layout := "2 Jan"
	if unit == "month" {
		layout = "Jan 2006"
	} else if buckets[0].start.Year() != buckets[len(buckets)-1].start.Year() {
		layout = "2 Jan 06"
	}
	every := 1
	for e.t.mm(layout)+5 > slot*float64(every) {
		every++
	}
	for i := 0; i < len(buckets); i += every {
		text := buckets[i].start.Format(layout)
		e.print(left+(float64(i)+0.5)*slot-e.t.mm(text)/2, y, text, muted)
	}
}

// maxBuckets is how many columns the timeline has room for.
const maxBuckets = 124

// buckets groups days so that at most maxBuckets are left, with empty ones where nothing happened. Of more than ten years, only the
// latest are shown.
func buckets(days []Day) (list []bucket, unit string) {
	if len(days) == 0 {
		return nil, "day"
	}
	first, last := days[0].Date, days[len(days)-1].Date
	span := int(last.Sub(first).Hours()/24) + 1
	start, next := func(t time.Time) time.Time { return t }, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	unit = "day"
	switch {
	case span > maxBuckets*7:
		unit = "month"
		start = func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }
		next = func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }
	case span > maxBuckets:
		unit = "week"
		start = func(t time.Time) time.Time { return t.AddDate(0, 0, -(int(t.Weekday())+6)%7) }
		next = func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }
	}
	from := start(first)
	if oldest := start(last).AddDate(0, -maxBuckets+1, 0); unit == "month" && from.Before(oldest) {
		from = oldest
	}
	for t := from; !t.After(last); t = next(t) {
		list = append(list, bucket{start: t})
	}
	i := 0
	for _, d := range days {
		at := start(d.Date)
		if at.Before(from) {
			continue
		}
		for i+1 < len(list) && !list[i+1].start.After(at) {
			i++
		}
		list[i].count += d.Count
		list[i].failures += d.Failures
	}
	return list, unit
}

// niceScale returns the top of an axis that reaches n, and the distance of its lines: 1, 2 or 5 times a power of ten.
func niceScale(n int64) (ceiling, step int64) {
	step = 1
	for factor := 0; n > step*5; factor++ {
		if factor%3 == 1 {
			step = step / 2 * 5
		} else {
			step *= 2
		}
	}
	return (n + step - 1) / step * step, step
}
