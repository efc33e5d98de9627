package invoice

import (
	"encoding/csv"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"probity.dev/internal/errs"
)

// Accounts says how an organisation's words are called in its accounting program.
type Accounts struct {
	TaxCodes map[string]string // our tax code → the program's, exactly as it is written there
	Items    map[string]string // product → account (Xero) or product/service (QuickBooks)
	Default  string            // for products that Items does not have
	// DateOrder is how the program's organisation writes dates: "dmy", "mdy" or "ymd".
	DateOrder string
	// PerFile is the most invoices of a file; 0 means what the program takes.
	PerFile int
}

func (a *Accounts) date(d Date) string {
	if d.IsZero() {
		return ""
	}
	layout := map[string]string{"dmy": "02/01/2006", "mdy": "01/02/2006", "ymd": time.DateOnly}[a.DateOrder]
	return d.time().Format(layout)
}

func (a *Accounts) check(most int) error {
	switch a.DateOrder {
	case "dmy", "mdy", "ymd":
	default:
		return errs.Field("/date_order", "unknown", "Dates are written dmy, mdy or ymd, as the organisation has it in its accounting program.")
	}
	if a.PerFile < 0 || a.PerFile > most {
		return errs.Field("/per_file", "out_of_range", "A file has 1 to %d invoices.", most)
	}
	return nil
}

func (a *Accounts) account(item string) string {
	if to, ok := a.Items[item]; ok {
		return to
	}
	return a.Default
}

// taxCode returns the program's name of a tax code, and whether it is known.
func (a *Accounts) taxCode(code string) (string, bool) {
	to, ok := a.TaxCodes[code]
	return to, ok
}

// Files is where an export writes its parts: it opens part 1, 2… and closes the one before.
type Files func(part int) (io.WriteCloser, error)

// parts writes rows into as many files as needed, each with the header.
type parts struct {
	open    Files
	header  []string
	most    int
	part    int
	count   int
	file    io.WriteCloser
	csv     *csv.Writer
	written int
}

// invoice writes the rows of one invoice into one file.
func (p *parts) invoice(rows [][]string) error {
	if p.file == nil || p.count == p.most {
		if err := p.next(); err != nil {
			return err
		}
	}
	p.count++
	p.written++
	return p.csv.WriteAll(rows)
}

func (p *parts) next() error {
	if err := p.close(); err != nil {
		return err
	}
	p.part++
	f, err := p.open(p.part)
	if err != nil {
		return err
	}
	p.file, p.csv, p.count = f, csv.NewWriter(f), 0
	p.csv.UseCRLF = true
	return p.csv.Write(p.header)
}

func (p *parts) close() error {
	if p.file == nil {
		return nil
	}
	p.csv.Flush()
	err := p.csv.Error()
	if e := p.file.Close(); err == nil {
		err = e
	}
	p.file = nil
	return err
}

// tooLongIn returns the first column of a row whose text is longer than the program takes; "" when all fit. Cutting a text off would be
// a change that nobody sees.
func (p *parts) tooLongIn(row []string, limits map[string]int) (string, int) {
	for i, name := range p.header {
		if most := limits[name]; most > 0 && utf8.RuneCountInString(row[i]) > most {
			return name, most
		}
	}
	return "", 0
}

// finish closes the last file; an export of no invoice is one file with the header alone.
func (p *parts) finish() error {
	if p.part == 0 {
		if err := p.next(); err != nil {
			return err
		}
	}
	return p.close()
}

// cell makes a text safe for a spreadsheet: one line, and an apostrophe before what would be taken for a formula. Numbers and
// dates do not go through it, since an apostrophe would make a text of them.
func cell(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\r' || r == '\n' || r == '\x00' }), " ")
	if s != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}
