package invoice

import (
	"strings"

	"github.com/govalues/decimal"
)

// xeroHeader is the first line of Xero's template for sales invoices. Columns must be neither renamed nor reordered; those with an
// asterisk must be filled in. Total and TaxAmount stay empty, since Xero computes both.
var xeroHeader = strings.Split("*ContactName,EmailAddress,POAddressLine1,POAddressLine2,POAddressLine3,POAddressLine4,POCity,PORegion,POPostalCode,POCountry,*InvoiceNumber,Reference,*InvoiceDate,*DueDate,Total,InventoryItemCode,"+
	"*Description,*Quantity,*UnitAmount,Discount,*AccountCode,*TaxType,TaxAmount,TrackingName1,TrackingOption1,TrackingName2,TrackingOption2,Currency,BrandingTheme", ",")

// xeroLimits are the most characters of a cell.
var xeroLimits = map[string]int{"*ContactName": 255, "EmailAddress": 255, "POAddressLine1": 500, "POAddressLine2": 500, "POAddressLine3": 500, "POAddressLine4": 500, "POCity": 255, "PORegion": 255, "POPostalCode": 50, "POCountry": 50,
	"*InvoiceNumber": 255, "Reference": 255, "InventoryItemCode": 30, "*Description": 4000, "*AccountCode": 10, "*TaxType": 50, "TrackingName1": 100, "TrackingOption1": 100, "TrackingName2": 100, "TrackingOption2": 100}

// XeroMost is how many invoices Xero takes in a file.
const XeroMost = 500

// Writer writes invoices as an accounting program imports them.
type Writer struct {
	name     string
	accounts Accounts
	parts    parts
	rows     func(*Invoice) ([][]string, bool)
	limits   map[string]int
	checker  *Checker
	skipped  int
	mixed    map[bool]bool // whether prices with and without tax were seen
}

// NewXero returns a writer of Xero's CSV for sales invoices: a row for each line, dates as the organisation's country writes them,
// plain decimals, credit notes with negative unit amounts. Problems go to k, and an invoice with a fatal one is left out. The error
// is Invalid for settings that cannot be.
func NewXero(open Files, a Accounts, k *Checker) (*Writer, error) {
	if err := a.check(XeroMost); err != nil {
		return nil, err
	}
	w := &Writer{name: "Xero", accounts: a, checker: k, limits: xeroLimits, mixed: map[bool]bool{}, parts: parts{open: open, header: xeroHeader, most: orMost(a.PerFile, XeroMost)}}
	w.rows = w.xero
	return w, nil
}

func orMost(n, most int) int {
	if n == 0 {
		return most
	}
	return n
}

// Write adds an invoice that [Checker.Check] has let pass. Drafts and void ones are left out without a word.
func (w *Writer) Write(i *Invoice) error {
	if !i.Counts() {
		return nil
	}
	if w.mixed[i.Inclusive] = true; len(w.mixed) == 2 {
		w.checker.say(i, 0, true, "mixed_prices", "Its prices are %s tax while those of invoices before are not; %s takes a file with the one or the other. Export them one after the other.",
			map[bool]string{true: "with", false: "without"}[i.Inclusive], w.name)
		delete(w.mixed, i.Inclusive)
		w.skipped++
		return nil
	}
	rows, ok := w.rows(i)
	for n, row := range rows {
		if column, most := w.parts.tooLongIn(row, w.limits); ok && column != "" {
			ok = false
			w.checker.say(i, n+1, true, "too_long", "The column %s of %s takes at most %d characters.", column, w.name, most)
		}
	}
	if !ok {
		w.skipped++
		return nil
	}
	return w.parts.invoice(rows)
}

// Close finishes the last file. It must be called once, also after an error of Write.
func (w *Writer) Close() error { return w.parts.finish() }

// Written returns how many invoices were written into how many files, and how many had to be left out.
func (w *Writer) Written() (invoices, files, skipped int) {
	return w.parts.written, w.parts.part, w.skipped
}

func (w *Writer) xero(i *Invoice) ([][]string, bool) {
	c := &i.Customer
	street := append(append([]string{}, c.Street...), "", "", "", "")
	due := i.Due
	if due.IsZero() {
		due = i.Date
	}
	rows := make([][]string, len(i.Lines))
	ok := true
	for n := range i.Lines {
		l := &i.Lines[n]
		tax, known := w.accounts.taxCode(l.TaxCode)
		account := w.accounts.account(l.Item)
		ok = w.known(i, n, l, known, account) && ok
		track := append(append([]Tracking{}, l.Tracking...), Tracking{}, Tracking{})
		description := l.Description
		if description == "" {
			description = l.Item // the column must not be empty
		}
		rows[n] = []string{
			cell(c.Name), cell(c.Email), cell(street[0]), cell(street[1]), cell(street[2]), cell(street[3]), cell(c.City), cell(c.State), cell(c.PostalCode), cell(c.Country),
			cell(i.Number), cell(i.Reference), w.accounts.date(i.Date), w.accounts.date(due), "", cell(l.Item),
			cell(description), number(l.Quantity), number(i.signed(l.UnitPrice)), discount(l.Discount), cell(account), cell(tax), "",
			cell(track[0].Name), cell(track[0].Option), cell(track[1].Name), cell(track[1].Option), i.Currency, "",
		}
	}
	return rows, ok
}

// known says what the maps of an organisation lack for a line.
func (w *Writer) known(i *Invoice, n int, l *Line, tax bool, account string) bool {
	if !tax {
		w.checker.say(i, n+1, true, "no_tax_code", "The tax code %q has no counterpart in %s: add it to the map of tax codes.", l.TaxCode, w.name)
	}
	if account == "" {
		w.checker.say(i, n+1, true, "no_account", "The product %q has no counterpart in %s, and there is no default: add it to the map of products.", l.Item, w.name)
	}
	return tax && account != ""
}

// signed turns the price on a credit note, which both programs take for one when it is negative.
func (i *Invoice) signed(d decimal.Decimal) decimal.Decimal {
	if i.Kind == CreditNote {
		return d.Neg()
	}
	return d
}

// number writes a decimal without an exponent, a symbol or a separator of thousands.
func number(d decimal.Decimal) string {
	if d.IsZero() {
		return "0"
	}
	return d.Trim(0).String()
}

func discount(d decimal.Decimal) string {
	if d.IsZero() {
		return ""
	}
	return number(d)
}
