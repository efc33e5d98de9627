package invoice

import (
	"time"

	"github.com/govalues/decimal"
)

// Kind tells invoices from what takes them back.
type Kind string

// The kinds. The amounts of a credit note are positive, as they are printed; they count as negative ones.
const (
	Sale       Kind = "invoice"
	CreditNote Kind = "credit_note"
)

// Status is how far an invoice has got.
type Status string

// The states. A draft and a void one are not exported and not taxed; a refund is a credit note and not a state.
const (
	Draft Status = "draft"
	Open  Status = "open"
	Paid  Status = "paid"
	Void  Status = "void"
)

// Invoice is one invoice or credit note.
type Invoice struct {
	Number   string
	Kind     Kind
	Status   Status
	Customer Customer
	Date     Date
	Due      Date // of a credit note: its date
	Currency string
	// Inclusive says that prices and line amounts contain the tax.
	Inclusive bool
	Reference string
	Lines     []Line
	// Total and Tax are what the invoice itself states; nil when it states nothing.
	Total, Tax *decimal.Decimal
}

// Customer is whom an invoice is for.
type Customer struct {
	ID, Name, Email, Phone string
	Street                 []string // up to four lines
	City, State            string
	PostalCode             string
	Country                string // ISO 3166-1 alpha-2
}

// Line is one item of an invoice.
type Line struct {
	Item        string // the product's number
	Description string
	Quantity    decimal.Decimal // not negative; what is taken back stands on a credit note, or has a negative price
	UnitPrice   decimal.Decimal
	Discount    decimal.Decimal // percent
	TaxCode     string          // the organisation's own
	TaxRate     decimal.Decimal // percent
	// Amount and Tax are what the invoice states for the line, net or gross as its prices are; nil when it states nothing.
	Amount, Tax *decimal.Decimal
	Tracking    []Tracking // up to two
}

// Tracking is a dimension of Xero's: a category and one of its options.
type Tracking struct{ Name, Option string }

// Date is a calendar date without a time or zone.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the date of a moment in its location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// ParseDate reads 2006-01-02.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	return DateOf(t), err
}

// IsZero reports whether there is no date.
func (d Date) IsZero() bool { return d == Date{} }

// time is midnight UTC of the date.
func (d Date) time() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// String writes 2006-01-02, "" without a date.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.time().Format(time.DateOnly)
}

// Before reports whether d is earlier than e.
func (d Date) Before(e Date) bool { return d.time().Before(e.time()) }

// Counts reports whether an invoice is one for the books: neither a draft nor void.
func (i *Invoice) Counts() bool { return i.Status != Draft && i.Status != Void }
