package invoice

import (
	"fmt"
	"strings"

	"github.com/govalues/decimal"

	"probity.dev/internal/errs"
)

// Problem is something about an invoice that a finance department has to look at.
type Problem struct {
	Invoice string `json:"invoice" doc:"Its number"`
	Line    int    `json:"line,omitempty" doc:"From 1; absent for the invoice as a whole"`
	Code    string `json:"code" example:"total_differs"`
	Detail  string `json:"detail"`
	// Fatal says that the invoice cannot be exported or taxed as it is.
	Fatal bool `json:"fatal,omitempty"`
}

// Checker looks at invoices one after another. The zero value is not usable: see [NewChecker].
type Checker struct {
	how      Rounding
	seen     map[string]bool
	problems []Problem
	dropped  int
}

// maxProblems are kept of a run; the rest is counted.
const maxProblems = 10_000

// NewChecker returns a checker for an organisation that rounds as how says.
func NewChecker(how Rounding) *Checker { return &Checker{how: how, seen: map[string]bool{}} }

// Problems returns what was found, in the order of the invoices, and how many more there were than are kept.
func (k *Checker) Problems() ([]Problem, int) { return k.problems, k.dropped }

func (k *Checker) say(i *Invoice, line int, fatal bool, code, format string, args ...any) {
	if len(k.problems) == maxProblems {
		k.dropped++
		return
	}
	k.problems = append(k.problems, Problem{i.Number, line, code, fmt.Sprintf(format, args...), fatal})
}

// Check looks at one invoice, and reports whether it can be used and what its figures are.
func (k *Checker) Check(i *Invoice) (Amounts, bool) {
	fatal := false
	refuse := func(line int, code, format string, args ...any) {
		fatal = true
		k.say(i, line, true, code, format, args...)
	}
	switch {
	case strings.TrimSpace(i.Number) == "":
		refuse(0, "no_number", "An invoice without a number.")
	case k.seen[i.Number]:
		refuse(0, "number_twice", "The number occurs twice.")
	}
	k.seen[i.Number] = true
	if strings.TrimSpace(i.Customer.Name) == "" {
		refuse(0, "no_customer", "It says not for whom it is.")
	}
	if i.Date.IsZero() {
		refuse(0, "no_date", "It has no date.")
	}
	if i.Kind != Sale && i.Kind != CreditNote {
		refuse(0, "unknown_kind", "It is neither an invoice nor a credit note.")
	}
	if !i.Due.IsZero() && i.Due.Before(i.Date) {
		k.say(i, 0, false, "due_before_date", "It is due on %s, before its date %s.", i.Due, i.Date)
	}
	if len(i.Lines) == 0 {
		refuse(0, "no_lines", "It has no lines.")
	}
	for n := range i.Lines {
		l := &i.Lines[n]
		if l.Quantity.IsNeg() {
			refuse(n+1, "negative_quantity", "What is taken back stands on a credit note.")
		}
		if l.TaxRate.IsNeg() || l.TaxRate.Cmp(hundred) > 0 || l.Discount.IsNeg() || l.Discount.Cmp(hundred) > 0 {
			refuse(n+1, "out_of_range", "A tax rate and a discount are 0 to 100 percent.")
		}
	}
	if fatal {
		return Amounts{}, false
	}
	a, err := i.Amounts(k.how)
	if err != nil {
		refuse(0, "not_computable", "%s.", errs.Message(err))
		return a, false
	}
	k.compare(i, &a)
	return a, true
}

// compare tells what an invoice states from what its lines come to.
func (k *Checker) compare(i *Invoice, a *Amounts) {
	for n := range i.Lines {
		l := &i.Lines[n]
		if l.Amount == nil {
			continue
		}
		digits, err := Digits(i.Currency)
		computed, err2 := l.amount()
		if err != nil || err2 != nil {
			continue
		}
		if computed = round(computed, digits); computed.Cmp(*l.Amount) != 0 {
			k.say(i, n+1, false, "amount_differs", "The line states %s, quantity times price is %s.", l.Amount, computed)
		}
	}
	k.differs(i, "total_differs", "total", i.Total, a.Gross)
	k.differs(i, "tax_differs", "tax", i.Tax, a.Tax)
}

func (k *Checker) differs(i *Invoice, code, what string, stated *decimal.Decimal, computed decimal.Decimal) {
	if stated == nil {
		return
	}
	is := *stated
	if i.Kind == CreditNote {
		is = is.Neg()
	}
	if is.Cmp(computed) != 0 {
		k.say(i, 0, false, code, "The %s is stated as %s, the lines come to %s.", what, is, computed)
	}
}
