package export

import (
	"strconv"
	"time"
	"unicode/utf8"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// The rows of the table are written as content operators directly, since there may be millions of cells: it takes a fifth of the
// memory and of the time of the library's calls. Everything else on a page goes through the library.

// maxPDFContent bounds the page content that a report holds in memory before it is compressed.
const maxPDFContent = 112 << 20

func (e *pdfEncoder) Write(r *event.Record) error {
	if e.rows >= e.limit {
		return ErrTooManyRows(e.limit)
	}
	e.row.load(r)
	height := e.measure()
	if e.y+height > tableBottom {
		e.tablePage()
	}
	e.drawRow(height)
	e.rows++
	if e.size > maxPDFContent {
		return errs.New(errs.TooLarge, "A PDF report holds at most %d MiB of text, which row %d exceeded. Narrow the selection or choose fewer "+
			"columns, or csv, ndjson or parquet, which have no limit.", maxPDFContent>>20, e.rows)
	}
	return e.pdf.Error()
}

// measure wraps every cell of the loaded record and returns the height of the row.
func (e *pdfEncoder) measure() float64 {
	e.t.current, e.t.size = &e.t.sans, tableSize
	e.cell = e.cell[:0]
	for i := range e.columns {
		e.text(&e.columns[i])
		e.ends[i] = len(e.cell)
	}
	all, from, most := string(e.cell), 0, 1
	for i := range e.columns {
		c := &e.columns[i]
		e.lines[i] = e.t.wrap(e.lines[i][:0], e.t.clean(all[from:e.ends[i]]), c.width-2*cellPadding, maxCellLines)
		most = max(most, len(e.lines[i]))
		from = e.ends[i]
	}
	return float64(most)*lineHeight + 2*rowPadding
}

func (e *pdfEncoder) text(c *pdfColumn) {
	if c.kind != kindTime {
		e.cell, _ = c.value(&e.row, e.cell)
		return
	}
	at := e.row.rec.OccurredAt
	if c.name == "recorded_at" {
		at = e.row.rec.RecordedAt
	}
	e.cell = at.In(e.meta.location()).AppendFormat(e.cell, "2006-01-02 15:04:05")
}

func (e *pdfEncoder) tablePage() {
	e.flushPage()
	e.pdf.AddPage()
	if e.rows == 0 {
		e.t.use(&e.t.sans, tableSize)
		e.pdf.Bookmark("Events", 0, 0)
	}
	e.fill(ink)
	e.pdf.Rect(margin, tableTop-8, pageWidth-2*margin, 8, "F")
	e.t.use(&e.t.bold, tableSize)
	x := margin
	for i := range e.columns {
		c := &e.columns[i]
		heading := c.title
		if c.kind == kindTime {
			heading += " (" + zoneName(e.meta.location(), e.meta.GeneratedAt) + ")"
		}
		e.print(x+cellPadding, tableTop-3, e.t.fit(e.t.clean(heading), c.width-2*cellPadding), white)
		x += c.width
	}
	e.t.use(&e.t.sans, tableSize)
	e.pdf.SetLineWidth(0.1)
	e.draw(hairy)
	e.y = tableTop
}

func zoneName(loc *time.Location, at time.Time) string {
	name, _ := at.In(loc).Zone()
	return name
}

func (e *pdfEncoder) drawRow(height float64) {
	c := content{b: e.ops}
	c.word("q")
	if e.rows%2 == 1 {
		c.color(zebra, "rg")
		c.at(margin, e.y+height)
		c.number((pageWidth - 2*margin) * pointsPerMillimetre)
		c.number(height * pointsPerMillimetre)
		c.word("re f")
	}
	c.at(margin, e.y+height)
	c.word("m")
	c.at(pageWidth-margin, e.y+height)
	c.word("l S")
	e.drawDot(&c)
	c.word("BT")
	fresh := e.drawText(&c, false)
	c.word("ET Q")
	e.ops = c.b
	if fresh {
		e.flushPage()
		e.drawText(nil, true)
	}
	e.y += height
}

// drawText writes the lines of the row's cells to c, but for lines with characters that are new to the document: these it writes
// through the library, which embeds only the characters that it has seen, in a second call. It reports whether there are any.
func (e *pdfEncoder) drawText(c *content, second bool) (fresh bool) {
	x, n := margin, 0
	for i := range e.columns {
		color, left := e.style(&e.columns[i], x+cellPadding)
		for l, line := range e.lines[i] {
			y := e.y + rowPadding + float64(l)*lineHeight + 2.3
			bit := uint64(1) << (n % 64)
			n++
			switch {
			case second && e.fresh&bit != 0:
				e.print(left, y, line, color)
			case second:
			case e.register(visual(line)):
				e.fresh |= bit
				fresh = true
			default:
				c.show(left, y, visual(line), color)
			}
		}
		x += e.columns[i].width
	}
	if second {
		e.fresh = 0
	}
	return fresh
}

// flushPage hands the rows so far to the page.
func (e *pdfEncoder) flushPage() {
	if len(e.ops) > 0 {
		e.size += len(e.ops)
		e.pdf.RawWriteStr(string(e.ops))
		e.ops = e.ops[:0]
	}
}

// style returns the colour of a column's text in the loaded row and where it starts.
func (e *pdfEncoder) style(c *pdfColumn, left float64) (rgb, float64) {
	switch c.name {
	case "outcome":
		return outcomeColor(e.row.rec.Outcome), left + 2.6
	case "seq", "ip", "source":
		return muted, left
	}
	return body, left
}

// drawDot draws the coloured dot of the outcome column: a line of no length with round ends.
func (e *pdfEncoder) drawDot(c *content) {
	x := margin
	for i := range e.columns {
		if e.columns[i].name == "outcome" {
			c.word("q 1 J 4.2 w")
			c.color(outcomeColor(e.row.rec.Outcome), "RG")
			c.at(x+cellPadding+0.8, e.y+rowPadding+lineHeight/2-0.05)
			c.word("m")
			c.at(x+cellPadding+0.8, e.y+rowPadding+lineHeight/2-0.05)
			c.word("l S Q")
		}
		x += e.columns[i].width
	}
}

// register notes the characters of a line, and reports whether one of them is new to the document.
func (e *pdfEncoder) register(line string) bool {
	fresh := false
	for _, r := range line {
		if !e.seen.has(r) {
			e.seen[r>>3] |= 1 << (r & 7)
			fresh = true
		}
	}
	return fresh
}

func outcomeColor(outcome string) rgb {
	switch outcome {
	case "success":
		return good
	case "denied":
		return warn
	}
	return bad
}

const pointsPerMillimetre = 72 / 25.4

// content builds content stream operators (ISO 32000-1, annex A).
type content struct {
	b            []byte
	lastX, lastY float64
	ink          rgb
	inked        bool
}

func (c *content) word(s string) { c.b = append(append(c.b, s...), '\n') }

func (c *content) number(v float64) {
	c.b = append(strconv.AppendFloat(c.b, v, 'f', 2, 64), ' ')
}

// at writes a point given in millimetres from the top left.
func (c *content) at(x, y float64) {
	c.number(x * pointsPerMillimetre)
	c.number((pageHeight - y) * pointsPerMillimetre)
}

func (c *content) color(v rgb, operator string) {
	for _, n := range [...]int{v.r, v.g, v.b} {
		c.b = append(strconv.AppendFloat(c.b, float64(n)/255, 'f', 3, 64), ' ')
	}
	c.word(operator)
}

// show writes a line of text in the current font; the character codes are UTF-16. Coordinates are relative to the text before.
func (c *content) show(x, y float64, s string, color rgb) {
	if !c.inked || c.ink != color {
		c.color(color, "rg")
		c.ink, c.inked = color, true
	}
	px, py := x*pointsPerMillimetre, (pageHeight-y)*pointsPerMillimetre
	c.number(px - c.lastX)
	c.number(py - c.lastY)
	c.lastX, c.lastY = px, py
	c.b = append(c.b, "Td ("...)
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		i += size
		c.octet(byte(r >> 8))
		c.octet(byte(r))
	}
	c.b = append(c.b, ") Tj\n"...)
}

func (c *content) octet(o byte) {
	switch o {
	case '\\', '(', ')':
		c.b = append(c.b, '\\', o)
	case '\r':
		c.b = append(c.b, '\\', 'r')
	default:
		c.b = append(c.b, o)
	}
}
