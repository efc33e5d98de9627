package tax

import (
	"cmp"
	"slices"

	"github.com/govalues/decimal"

	"probity.dev/internal/errs"
	"probity.dev/report/invoice"
)

// Line is a row of a tax report: what was sold and taken back in one region, in one currency, with one code at one rate.
type Line struct {
	Region   string `json:"region" example:"DE" doc:"Country, and state where the country has taxes of states"`
	Currency string `json:"currency" example:"EUR"`
	Code     string `json:"code"`
	Rate     string `json:"rate" example:"19" doc:"Percent"`
	Invoices int    `json:"invoices"`
	Credits  int    `json:"credit_notes"`
	Lines    int    `json:"lines"`
	Sales    string `json:"sales" example:"1000.00" doc:"Net, of invoices"`
	Returns  string `json:"returns" example:"-20.00" doc:"Net, of credit notes"`
	Net      string `json:"net" example:"980.00"`
	Tax      string `json:"tax" example:"186.20"`
}

// Total adds a currency up.
type Total struct {
	Currency string `json:"currency"`
	Invoices int    `json:"invoices"`
	Credits  int    `json:"credit_notes"`
	Net      string `json:"net"`
	Tax      string `json:"tax"`
	Gross    string `json:"gross"`
	// Stated is what the invoices state themselves; those that state nothing are counted in Silent.
	Stated     string `json:"stated" doc:"The totals that the invoices state, added up"`
	Silent     int    `json:"without_total" doc:"Invoices that state no total"`
	Difference string `json:"difference" doc:"Gross of the invoices that state a total, less what they state; 0 when everything agrees"`
}

// Summary is a tax report in the making: invoices go in, lines come out.
type Summary struct {
	period Period
	region string
	lines  map[key]*figures
	totals map[string]*total
}

type key struct{ region, currency, code, rate string }

type figures struct {
	key
	invoices, credits, lines int
	sales, returns, tax      decimal.Decimal
}

type total struct {
	invoices, credits, silent     int
	net, tax, gross, stated, said decimal.Decimal
}

// NewSummary begins a report of a period, for one region or, with "", for all.
func NewSummary(p Period, region string) *Summary {
	return &Summary{period: p, region: region, lines: map[key]*figures{}, totals: map[string]*total{}}
}

// RegionOf is the region in which an invoice is taxed: the customer's country, with the state where it has taxes of its own.
func RegionOf(i *invoice.Invoice) string {
	if (i.Customer.Country == "US" || i.Customer.Country == "CA") && i.Customer.State != "" {
		return i.Customer.Country + "-" + i.Customer.State
	}
	return i.Customer.Country
}

// within reports whether a region lies in the one that is asked for: US-CA in US.
func within(region, asked string) bool {
	return asked == "" || region == asked || len(region) > len(asked) && region[:len(asked)] == asked && region[len(asked)] == '-'
}

// Add counts an invoice that [invoice.Checker.Check] has let pass, with the figures that it returned, and reports whether it is of this report. The error is Invalid when a sum does not fit into 19 digits.
func (s *Summary) Add(i *invoice.Invoice, a *invoice.Amounts) (bool, error) {
	region := RegionOf(i)
	if !i.Counts() || !s.period.Contains(i.Date) || !within(region, s.region) {
		return false, nil
	}
	credit := i.Kind == invoice.CreditNote
	t := s.totals[i.Currency]
	if t == nil {
		t = &total{}
		s.totals[i.Currency] = t
	}
	var w adder
	for _, r := range a.ByRate {
		k := key{region, i.Currency, r.Code, r.Rate.String()}
		f := s.lines[k]
		if f == nil {
			f = &figures{key: k}
			s.lines[k] = f
		}
		f.lines += r.Lines
		if credit {
			f.credits++
			w.add(&f.returns, r.Net)
		} else {
			f.invoices++
			w.add(&f.sales, r.Net)
		}
		w.add(&f.tax, r.Tax)
	}
	if credit {
		t.credits++
	} else {
		t.invoices++
	}
	w.add(&t.net, a.Net)
	w.add(&t.tax, a.Tax)
	w.add(&t.gross, a.Gross)
	switch {
	case i.Total == nil:
		t.silent++
	case credit:
		w.add(&t.stated, i.Total.Neg())
		w.add(&t.said, a.Gross)
	default:
		w.add(&t.stated, *i.Total)
		w.add(&t.said, a.Gross)
	}
	return true, w.err
}

// adder adds up until a sum does not fit.
type adder struct{ err error }

func (w *adder) add(to *decimal.Decimal, d decimal.Decimal) {
	sum, err := to.Add(d)
	if err != nil {
		w.err = errs.Wrap(errs.Invalid, err, "A sum of the report has more than 19 digits.")
		return
	}
	*to = sum
}

// Lines returns the rows by region, currency, code and rate.
func (s *Summary) Lines() ([]Line, error) {
	var all []*figures
	for _, f := range s.lines {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *figures) int {
		return cmp.Or(cmp.Compare(a.region, b.region), cmp.Compare(a.currency, b.currency), cmp.Compare(a.code, b.code), decimal.MustParse(a.rate).Cmp(decimal.MustParse(b.rate)))
	})
	out := make([]Line, len(all))
	var w adder
	for n, f := range all {
		net := f.sales
		w.add(&net, f.returns)
		out[n] = Line{f.region, f.currency, f.code, f.rate, f.invoices, f.credits, f.lines, money(f.sales, f.currency), money(f.returns, f.currency), money(net, f.currency), money(f.tax, f.currency)}
	}
	return out, w.err
}

// Totals returns what the report comes to in each currency.
func (s *Summary) Totals() ([]Total, error) {
	var out []Total
	var w adder
	for c, t := range s.totals {
		difference := t.said
		w.add(&difference, t.stated.Neg())
		out = append(out, Total{c, t.invoices, t.credits, money(t.net, c), money(t.tax, c), money(t.gross, c), money(t.stated, c), t.silent, money(difference, c)})
	}
	slices.SortFunc(out, func(a, b Total) int { return cmp.Compare(a.Currency, b.Currency) })
	return out, w.err
}

// money writes an amount with the digits of its currency; more when it has more.
func money(d decimal.Decimal, currency string) string {
	digits, err := invoice.Digits(currency)
	if err != nil {
		digits = 2
	}
	if d.IsZero() {
		return decimal.Zero.Rescale(digits).String()
	}
	return d.Pad(digits).String()
}
