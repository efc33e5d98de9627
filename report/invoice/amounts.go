package invoice

import (
	"fmt"
	"slices"
	"strings"

	"github.com/govalues/decimal"
	"golang.org/x/text/currency"

	"probity.dev/internal/errs"
)

// Rounding says when amounts are rounded to the minor unit of the currency.
type Rounding string

// The ways of rounding. Both are lawful in most countries, and an organisation uses one of them.
const (
	PerLine    Rounding = "line"    // the tax of each line
	PerInvoice Rounding = "invoice" // the tax on the sum of the lines with the same rate
)

// Amounts are the figures of an invoice. Those of a credit note are negative.
type Amounts struct {
	Net, Tax, Gross decimal.Decimal
	ByRate          []RateAmount // by tax code, then rate
}

// RateAmount is what of an invoice has one tax code and rate.
type RateAmount struct {
	Code  string
	Rate  decimal.Decimal // percent
	Net   decimal.Decimal
	Tax   decimal.Decimal
	Lines int
}

var hundred = decimal.MustNew(100, 0)

// Digits returns the digits after the point of a currency's minor unit: 2 of EUR, 0 of JPY, 3 of KWD. The error is Invalid for a
// code that ISO 4217 does not have.
func Digits(code string) (int, error) {
	u, err := currency.ParseISO(code)
	if err != nil || u.String() != code {
		return 0, errs.New(errs.Invalid, "a currency is an ISO 4217 code such as EUR")
	}
	scale, _ := currency.Standard.Rounding(u)
	return scale, nil
}

// round rounds half away from zero, as tax offices do.
func round(d decimal.Decimal, digits int) decimal.Decimal {
	half := decimal.MustNew(5, digits+1)
	if d.IsNeg() {
		half = half.Neg()
	}
	shifted, err := d.Add(half)
	if err != nil {
		return d.Round(digits)
	}
	return shifted.Trunc(digits)
}

// line returns the amount of a line before rounding: quantity times price less the discount; net or gross as the invoice's prices are.
func (l *Line) amount() (decimal.Decimal, error) {
	gross, err := l.Quantity.Mul(l.UnitPrice)
	if err != nil || l.Discount.IsZero() {
		return gross, err
	}
	rest, err := hundred.Sub(l.Discount)
	if err != nil {
		return decimal.Decimal{}, err
	}
	if gross, err = gross.Mul(rest); err != nil {
		return decimal.Decimal{}, err
	}
	return gross.Quo(hundred)
}

// taxOf returns the tax on (or, inclusive, in) an amount, before rounding.
func taxOf(amount, rate decimal.Decimal, inclusive bool) (decimal.Decimal, error) {
	t, err := amount.Mul(rate)
	if err != nil {
		return t, err
	}
	divisor := hundred
	if inclusive {
		if divisor, err = hundred.Add(rate); err != nil {
			return t, err
		}
	}
	return t.Quo(divisor)
}

// sum is an error-keeping accumulator.
type sum struct {
	d   decimal.Decimal
	err error
}

func (s *sum) add(d decimal.Decimal, err error) {
	if s.err == nil {
		s.err = err
	}
	if s.err == nil {
		s.d, s.err = s.d.Add(d)
	}
}

// Amounts computes the figures of an invoice from its lines. A tax that a line states is taken as it stands. The error is Invalid
// for a number that does not fit into 19 digits.
func (i *Invoice) Amounts(how Rounding) (Amounts, error) {
	digits, err := Digits(i.Currency)
	if err != nil {
		return Amounts{}, err
	}
	groups := map[string]*rateGroup{}
	var order []*rateGroup
	for n := range i.Lines {
		l := &i.Lines[n]
		key := l.TaxCode + "\x00" + l.TaxRate.Trim(0).String()
		g := groups[key]
		if g == nil {
			g = &rateGroup{code: l.TaxCode, rate: l.TaxRate.Trim(0)}
			groups[key], order = g, append(order, g)
		}
		if err := g.take(l, digits, how, i.Inclusive); err != nil {
			return Amounts{}, tooLong(n, err)
		}
	}
	slices.SortFunc(order, func(a, b *rateGroup) int {
		if c := strings.Compare(a.code, b.code); c != 0 {
			return c
		}
		return a.rate.Cmp(b.rate)
	})
	return i.total(order, digits, how)
}

func tooLong(line int, cause error) error {
	return errs.Wrap(errs.Invalid, cause, "the amount of line %d has more than 19 digits", line+1)
}

// rateGroup gathers the lines with one tax code and rate.
type rateGroup struct {
	code   string
	rate   decimal.Decimal
	amount sum // rounded line amounts, as the prices are
	tax    sum // rounded or stated taxes of lines
	open   sum // amounts whose tax is computed once for all of them
	lines  int
}

func (g *rateGroup) take(l *Line, digits int, how Rounding, inclusive bool) error {
	amount, err := l.amount()
	if err != nil {
		return err
	}
	amount = round(amount, digits)
	if l.Amount != nil {
		amount = *l.Amount
	}
	g.lines++
	g.amount.add(amount, nil)
	switch {
	case l.Tax != nil:
		g.tax.add(*l.Tax, nil)
	case how == PerInvoice:
		g.open.add(amount, nil)
	default:
		t, err := taxOf(amount, l.TaxRate, inclusive)
		g.tax.add(round(t, digits), err)
	}
	for _, s := range []*sum{&g.amount, &g.tax, &g.open} {
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

// total adds the groups up, and turns the sign of a credit note.
func (i *Invoice) total(groups []*rateGroup, digits int, how Rounding) (Amounts, error) {
	var net, tax, gross sum
	a := Amounts{ByRate: make([]RateAmount, 0, len(groups))}
	for _, g := range groups {
		if how == PerInvoice {
			t, err := taxOf(g.open.d, g.rate, i.Inclusive)
			g.tax.add(round(t, digits), err)
		}
		r := RateAmount{Code: g.code, Rate: g.rate, Net: g.amount.d, Tax: g.tax.d, Lines: g.lines}
		if i.Inclusive {
			n, err := g.amount.d.Sub(g.tax.d)
			if err != nil {
				return a, tooLong(0, err)
			}
			r.Net = n
		}
		if i.Kind == CreditNote {
			r.Net, r.Tax = r.Net.Neg(), r.Tax.Neg()
		}
		r.Net, r.Tax = r.Net.Rescale(digits), r.Tax.Rescale(digits)
		net.add(r.Net, g.tax.err)
		tax.add(r.Tax, nil)
		both, err := r.Net.Add(r.Tax)
		gross.add(both, err)
		a.ByRate = append(a.ByRate, r)
	}
	for _, s := range []sum{net, tax, gross} {
		if s.err != nil {
			return a, errs.Wrap(errs.Invalid, s.err, "the total of the invoice has more than 19 digits")
		}
	}
	a.Net, a.Tax, a.Gross = net.d, tax.d, gross.d
	return a, nil
}

// Percent writes a rate as people do: "7.25 %".
func Percent(rate decimal.Decimal) string { return fmt.Sprintf("%s %%", rate.Trim(0)) }
