package export

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"probity.dev/internal/errs"
)

// MaxPDFRows is the most rows a PDF report may have: about 3,500 pages, which is more than anybody reads, and what fits the 512 MiB
// promised for an export, since the library holds a document in memory. Larger selections go to another format.
const MaxPDFRows = 100_000

// ErrTooManyRows says that a selection does not fit a PDF report.
func ErrTooManyRows(limit int64) error {
	return errs.New(errs.TooLarge, "A PDF report holds at most %d rows. Narrow the selection, or choose csv, ndjson or parquet, which have no limit.", limit)
}

// The page is A4 landscape; millimetres.
const (
	pageWidth, pageHeight = 297.0, 210.0
	margin                = 12.0
	tableTop              = 20.0
	tableBottom           = pageHeight - 15
	lineHeight            = 3.0
	rowPadding            = 1.05
	cellPadding           = 1.3
	maxCellLines          = 3
	tableSize             = 6.6 // points
)

const maxPDFColumns = 14

var pdfColumns = []string{"seq", "occurred_at", "actor", "action", "resource_label", "outcome", "sentence", "ip"}

type rgb struct{ r, g, b int }

// The palette.
var (
	ink     = rgb{23, 28, 52}
	body    = rgb{44, 50, 72}
	muted   = rgb{112, 120, 142}
	hairy   = rgb{222, 226, 236}
	zebra   = rgb{246, 247, 251}
	white   = rgb{255, 255, 255}
	accent  = rgb{67, 84, 214}
	accent2 = rgb{149, 161, 240}
	good    = rgb{38, 142, 108}
	bad     = rgb{205, 62, 70}
	warn    = rgb{196, 127, 12}
)

type pdfColumn struct {
	column
	width float64
}

// pdfEncoder lays out the report while rows come in. The title and summary pages are reserved at the start and drawn at the end, when
// the counts are known, so that no row is kept anywhere but on its page.
type pdfEncoder struct {
	w       io.Writer
	pdf     *fpdf.Fpdf
	t       *typesetter
	meta    Meta
	columns []pdfColumn
	row     row
	y       float64
	rows    int64
	limit   int64
	size    int                     // bytes of page content so far
	lines   [maxPDFColumns][]string // of each cell of the row
	ends    [maxPDFColumns]int      // where each cell ends in cell
	cell    []byte
	ops     []byte // content of the page that the library does not have yet
	seen    glyphs // characters in table rows so far
	fresh   uint64 // which lines of the row, at most 42, hold a character for the first time
}

func newPDF(w io.Writer, o Options) (Encoder, error) {
	names := o.Columns
	if len(names) == 0 {
		names = pdfColumns
	}
	if len(names) > maxPDFColumns {
		return nil, errs.Field("/columns", "too_many", "At most %d columns fit the page of a PDF report.", maxPDFColumns)
	}
	list, err := pick(names, &o)
	if err != nil {
		return nil, err
	}
	e := &pdfEncoder{w: w, limit: o.MaxRows, row: row{pseudonyms: o.Pseudonym}}
	if e.limit == 0 {
		e.limit = MaxPDFRows
	}
	total := 0.0
	for i := range list {
		total += list[i].weight
	}
	for i := range list {
		e.columns = append(e.columns, pdfColumn{list[i], list[i].weight / total * (pageWidth - 2*margin)})
	}
	return e, nil
}

func (e *pdfEncoder) Begin(m Meta) error {
	e.meta = m
	e.pdf = fpdf.New("L", "mm", "A4", "")
	e.pdf.SetAutoPageBreak(false, 0)
	e.pdf.SetMargins(0, 0, 0)
	e.pdf.SetCatalogSort(true)
	e.pdf.SetCreationDate(m.GeneratedAt)
	e.pdf.SetModificationDate(m.GeneratedAt)
	e.pdf.SetProducer("Probity", true)
	e.pdf.SetCreator("Probity", true)
	e.pdf.SetLang("en")
	e.pdf.SetDisplayMode("fullpage", "single")
	e.t = newTypesetter(e.pdf)
	e.t.current = &e.t.sans
	e.pdf.SetTitle(e.t.clean(e.title()), true)
	e.pdf.SetSubject("Audit report of "+e.t.clean(m.Tenant), true)
	e.pdf.AddPage() // title
	e.t.use(&e.t.sans, 9)
	e.pdf.Bookmark("Report", 0, 0)
	e.pdf.AddPage() // summary
	e.pdf.Bookmark("Summary", 0, 0)
	e.y = tableBottom + 1
	return e.pdf.Error()
}

func (e *pdfEncoder) title() string {
	if e.meta.Title != "" {
		return e.meta.Title
	}
	return "Audit report"
}

func (e *pdfEncoder) End(s Summary) error {
	if s.Log != nil {
		e.meta.Log = *s.Log
	}
	e.flushPage()
	e.integrityPage()
	e.pdf.SetPage(1)
	e.titlePage(&s)
	e.pdf.SetPage(2)
	e.summaryPage(&s)
	e.footers()
	if err := e.pdf.Error(); err != nil {
		return err
	}
	return e.pdf.Output(e.w)
}

// footers draws the line at the foot of every page but the title, now that the number of pages is known.
func (e *pdfEncoder) footers() {
	last := e.pdf.PageCount()
	for page := 2; page <= last; page++ {
		e.pdf.SetPage(page)
		e.pdf.SetLineWidth(0.15)
		e.draw(hairy)
		e.pdf.Line(margin, pageHeight-11, pageWidth-margin, pageHeight-11)
		e.t.use(&e.t.sans, 6.5)
		e.print(margin, pageHeight-7, e.t.fit(e.t.clean(e.meta.Tenant+"  ·  "+e.title()+"  ·  generated "+e.stamp(e.meta.GeneratedAt)), 190), muted)
		e.printRight(pageWidth-margin, pageHeight-7, fmt.Sprintf("Page %d of %d", page, last), muted)
	}
	e.pdf.SetPage(last)
}

// stamp writes a time for people, with its zone.
func (e *pdfEncoder) stamp(at time.Time) string {
	if at.IsZero() {
		return "–"
	}
	return at.In(e.meta.location()).Format("2 January 2006, 15:04:05 MST")
}

func (e *pdfEncoder) fill(c rgb) { e.pdf.SetFillColor(c.r, c.g, c.b) }
func (e *pdfEncoder) draw(c rgb) { e.pdf.SetDrawColor(c.r, c.g, c.b) }

// print writes a clean text with its baseline at y.
func (e *pdfEncoder) print(x, y float64, s string, c rgb) {
	if s == "" {
		return
	}
	e.pdf.SetTextColor(c.r, c.g, c.b)
	e.pdf.Text(x, y, visual(s))
}

func (e *pdfEncoder) printRight(x, y float64, s string, c rgb) { e.print(x-e.t.mm(s), y, s, c) }

// thousands writes a number with thin spaces between groups of three digits.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
