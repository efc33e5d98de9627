package export

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

const bandWidth = 88.0

// titlePage draws the first page: whose events, which period, selected how, asked for by whom.
func (e *pdfEncoder) titlePage(s *Summary) {
	e.pdf.LinearGradient(0, 0, bandWidth, pageHeight, 19, 23, 46, 46, 56, 140, 0, 0, 0, 1)
	e.mark(14, 16)
	e.t.use(&e.t.bold, 13)
	e.print(30, 24.2, "Probity", white)
	e.t.use(&e.t.sans, 8)
	e.print(14, 88, "AUDIT REPORT", accent2)
	e.t.use(&e.t.bold, 21)
	y := 100.0
	for _, line := range e.t.wrap(nil, e.t.clean(e.title()), bandWidth-26, 5) {
		e.print(14, y, line, white)
		y += 9.4
	}
	e.t.use(&e.t.sans, 10.5)
	y += 2
	for _, line := range e.t.wrap(nil, e.t.clean(e.meta.Tenant), bandWidth-26, 3) {
		e.print(14, y, line, rgb{205, 211, 250})
		y += 5.4
	}
	e.t.use(&e.t.sans, 7)
	e.print(14, pageHeight-14, "Generated "+e.stamp(e.meta.GeneratedAt), accent2)

	e.cards(s)
	e.facts(s)
}

// mark draws the product's sign, a small hash tree.
func (e *pdfEncoder) mark(x, y float64) {
	e.draw(accent2)
	e.pdf.SetLineWidth(0.5)
	for _, l := range [][4]float64{{6, 1.5, 2.6, 6}, {6, 1.5, 9.4, 6}, {2.6, 6, 1, 10.5}, {2.6, 6, 4.4, 10.5}, {9.4, 6, 7.6, 10.5}, {9.4, 6, 11, 10.5}} {
		e.pdf.Line(x+l[0], y+l[1], x+l[2], y+l[3])
	}
	e.fill(white)
	for _, p := range [][3]float64{{6, 1.5, 1.5}, {2.6, 6, 1.2}, {9.4, 6, 1.2}, {1, 10.5, 0.95}, {4.4, 10.5, 0.95}, {7.6, 10.5, 0.95}, {11, 10.5, 0.95}} {
		e.pdf.Circle(x+p[0], y+p[1], p[2], "F")
	}
}

// cards draws the figures at the top of the title page.
func (e *pdfEncoder) cards(s *Summary) {
	var failures int64
	for _, c := range s.ByOutcome {
		failures += c.Failures
	}
	share := "0 %"
	if s.Rows > 0 {
		share = percent(failures, s.Rows)
	}
	const width, gap, height = 42.5, 4.0, 24.0
	x := bandWidth + 15
	for _, c := range []struct {
		value, label string
		color        rgb
	}{
		{thousands(s.Rows), "events", accent},
		{thousands(int64(len(s.ByActor))), "actors", ink},
		{thousands(int64(len(s.ByAction))), "kinds of action", ink},
		{share, "not successful", bad},
	} {
		e.panel(x, 20, width, height)
		e.fill(c.color)
		e.pdf.Rect(x, 20, 1.1, height, "F")
		e.t.use(&e.t.bold, 17)
		for size := 17.0; e.t.mm(c.value) > width-9 && size > 8; size-- {
			e.t.use(&e.t.bold, size)
		}
		e.print(x+5, 33, c.value, c.color)
		e.t.use(&e.t.sans, 7.5)
		e.print(x+5, 39, c.label, muted)
		x += width + gap
	}
}

func (e *pdfEncoder) panel(x, y, w, h float64) {
	e.fill(zebra)
	e.pdf.Rect(x, y, w, h, "F")
}

func percent(part, whole int64) string {
	p := float64(part) * 100 / float64(whole)
	switch {
	case part == 0:
		return "0 %"
	case p < 0.1:
		return "< 0.1 %"
	case p < 10:
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}

// facts draws the list of what the report is about.
func (e *pdfEncoder) facts(s *Summary) {
	m := &e.meta
	log := cmp.Or(m.Log.Origin, "–")
	if m.Log.Size > 0 {
		log += fmt.Sprintf(", %s entries at the checkpoint on the last page", thousands(int64(m.Log.Size)))
	}
	sequence := "–"
	if s.Rows > 0 {
		sequence = fmt.Sprintf("%d to %d", s.FirstSeq, s.LastSeq)
	}
	y := 58.0
	for _, f := range []struct {
		label string
		lines []string
		max   int
	}{
		{"Organisation", []string{m.Tenant}, 2},
		{"Period", []string{e.period(s)}, 2},
		{"Selection", m.FilterWords, 4},
		{"Requested by", []string{cmp.Or(m.RequestedBy, "–")}, 1},
		{"Generated", []string{e.stamp(m.GeneratedAt)}, 1},
		{"Time zone", []string{m.location().String()}, 1},
		{"Masking", []string{cmp.Or(m.Masking, "none")}, 2},
		{"Log", []string{log}, 2},
		{"Sequence numbers", []string{sequence}, 1},
	} {
		y = e.fact(y, f.label, f.lines, f.max)
	}
	e.t.use(&e.t.sans, 7)
	for i, line := range e.t.wrap(nil, "This document shows events of an append-only, hash-chained log as its holder may see them. It is made to be read; the proof is in "+
		"the log. The last page says how to check an event, a range or this very selection against a signed checkpoint without trusting the operator.",
		pageWidth-bandWidth-15-margin-8, 4) {
		e.print(bandWidth+15, pageHeight-22+float64(i)*3.8, line, muted)
	}
}

func (e *pdfEncoder) fact(y float64, label string, lines []string, most int) float64 {
	const labelWidth = 36.0
	x := bandWidth + 15
	e.t.use(&e.t.sans, 8)
	e.print(x, y, label, muted)
	e.t.use(&e.t.sans, 9)
	var out []string
	for _, l := range lines {
		if len(out) < most {
			out = e.t.wrap(out, e.t.clean(l), pageWidth-margin-x-labelWidth-6, most-len(out))
		}
	}
	if len(lines) > most && len(out) == most {
		out[most-1] = e.t.fit(out[most-1], 120) + fmt.Sprintf("  (and %d more)", len(lines)-most)
	}
	if len(out) == 0 {
		out = []string{"–"}
	}
	for i, l := range out {
		e.print(x+labelWidth, y+float64(i)*4.7, l, ink)
	}
	y += float64(len(out))*4.7 + 1.9
	e.draw(hairy)
	e.pdf.SetLineWidth(0.15)
	e.pdf.Line(x, y-3.2, pageWidth-margin, y-3.2)
	return y + 2.9
}

func (e *pdfEncoder) period(s *Summary) string {
	m := &e.meta
	format := func(t time.Time) string { return t.In(m.location()).Format("2 January 2006, 15:04:05") }
	switch {
	case !m.From.IsZero() && !m.To.IsZero():
		return format(m.From) + "  –  " + format(m.To)
	case !m.From.IsZero():
		return "from " + format(m.From)
	case !m.To.IsZero():
		return "up to " + format(m.To)
	case len(s.ByDay) > 0:
		const day = "2 January 2006"
		first, last := s.ByDay[0].Date.Format(day), s.ByDay[len(s.ByDay)-1].Date.Format(day)
		if first == last {
			return "unbounded; events of " + first
		}
		return "unbounded; events of " + first + "  –  " + last
	}
	return "unbounded"
}

// heading draws the heading of a page.
func (e *pdfEncoder) heading(title, note string) {
	e.t.use(&e.t.bold, 15)
	e.print(margin, 20, title, ink)
	x := margin + e.t.mm(title) + 5
	e.t.use(&e.t.sans, 8)
	e.print(x, 20, e.t.fit(e.t.clean(note), pageWidth-margin-x), muted)
	e.fill(accent)
	e.pdf.Rect(margin, 23.4, 14, 0.9, "F")
}

// integrityPage is the last page: the checkpoint, how to verify, and where a reviewer signs.
func (e *pdfEncoder) integrityPage() {
	e.pdf.AddPage()
	e.t.use(&e.t.sans, 8)
	e.pdf.Bookmark("Integrity and sign-off", 0, 0)
	e.heading("Integrity and sign-off", "")
	const left, width = margin, 158.0
	l := &e.meta.Log
	y := 33.0
	e.label(left, y, "Signed checkpoint of the log")
	e.t.use(&e.t.mono, 6.6)
	var lines []string
	for _, line := range strings.Split(strings.TrimRight(cmp.Or(l.Checkpoint, "no checkpoint has been signed yet"), "\n"), "\n") {
		before := len(lines)
		if lines = e.t.chop(lines, e.t.clean(line), width-8); len(lines) == before {
			lines = append(lines, "")
		}
	}
	const step = 3.7
	shown := min(len(lines), 14)
	e.panel(left, y+2.5, width, float64(shown)*step+5)
	e.t.use(&e.t.mono, 6.6)
	for i, line := range lines[:shown] {
		e.print(left+4, y+7.4+float64(i)*step, line, ink)
	}
	y += float64(shown)*step + 14
	for _, f := range [][2]string{{"Tree size", thousands(int64(l.Size))}, {"Root hash (SHA-256)", cmp.Or(l.Root, "–")}, {"Origin", cmp.Or(l.Origin, "–")},
		{"Signed", e.stamp(l.SignedAt)}, {"Verifier key", cmp.Or(l.VKey, "–")}} {
		e.t.use(&e.t.sans, 7.5)
		e.print(left, y, f[0], muted)
		e.t.use(&e.t.mono, 7)
		for i, line := range e.t.wrap(nil, e.t.clean(f[1]), width-36, 2) {
			if i > 0 {
				y += step
			}
			e.print(left+36, y, line, ink)
		}
		y += 5.3
	}
	e.howTo(left, y+5, width)
	e.signOff(left+width+16, 33, pageWidth-margin-left-width-16)
}

func (e *pdfEncoder) label(x, y float64, text string) {
	e.t.use(&e.t.bold, 9)
	e.print(x, y, text, ink)
}

func (e *pdfEncoder) howTo(x, y, width float64) {
	e.label(x, y, "How to verify")
	y += 5.5
	for i, step := range []struct{ text, command string }{
		{"Obtain the verifier key above from the organisation by a way of its own, not from this document, and compare.", ""},
		{"Ask for the same selection as a proof bundle (format “bundle”). It holds the events, their inclusion proofs and a statement of completeness.", ""},
		{"Check it on any machine, offline:", "probity verify bundle.zip --key VERIFIER-KEY"},
		{"Check that the log still is an extension of the checkpoint you kept, and keep the new one:", "probity verify https://SERVER --state checkpoint.txt"},
		{"Hashes follow RFC 6962, checkpoints C2SP tlog-checkpoint with Ed25519: tools that are not ours can check them too.", ""},
	} {
		e.t.use(&e.t.bold, 7.5)
		e.print(x, y, fmt.Sprintf("%d", i+1), accent)
		e.t.use(&e.t.sans, 7.5)
		for _, line := range e.t.wrap(nil, step.text, width-6, 3) {
			e.print(x+5, y, line, body)
			y += 4
		}
		if step.command != "" {
			e.t.use(&e.t.mono, 7)
			e.print(x+5, y, step.command, ink)
			y += 4
		}
		y += 1.2
	}
}

// signOff draws the block that a reviewer fills in by hand.
func (e *pdfEncoder) signOff(x, y, width float64) {
	e.pdf.SetLineWidth(0.25)
	e.draw(hairy)
	e.pdf.RoundedRect(x, y-5, width, 128, 2, "1234", "D")
	in, inner := x+7, width-14
	e.label(in, y+4, "Review")
	e.t.use(&e.t.sans, 7.5)
	yy := y + 10
	for _, line := range e.t.wrap(nil, "I have reviewed the events in this report for the period and selection named on its first page.", inner, 3) {
		e.print(in, yy, line, body)
		yy += 4
	}
	yy += 3
	for _, choice := range []string{"No findings", "Findings, described in an attachment", "Checkpoint verified against the log"} {
		e.draw(muted)
		e.pdf.Rect(in, yy-2.7, 3.2, 3.2, "D")
		e.print(in+5.5, yy, choice, body)
		yy += 6
	}
	yy += 11
	e.draw(muted)
	for _, field := range []string{"Name", "Function", "Place and date", "Signature"} {
		e.pdf.SetLineWidth(0.2)
		e.pdf.Line(in, yy, in+inner, yy)
		e.t.use(&e.t.sans, 6.5)
		e.print(in, yy+3.4, field, muted)
		yy += 18
	}
}
