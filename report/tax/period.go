package tax

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/report/invoice"
)

// Calendar is how an organisation divides its years.
type Calendar struct {
	// FirstMonth is the month with which a fiscal year begins; 0 means January.
	FirstMonth time.Month
	// NamedByEnd says that a fiscal year has the number of the calendar year in which it ends, as in the United States and in India, rather than of the one in which it begins. It makes no difference where it begins in January.
	NamedByEnd bool
}

// Period is a range of dates: From and To are both within it.
type Period struct {
	Name     string
	From, To invoice.Date
}

var (
	yearPattern    = regexp.MustCompile(`^(\d{4})$`)
	quarterPattern = regexp.MustCompile(`^(\d{4})-Q([1-4])$`)
	monthPattern   = regexp.MustCompile(`^(\d{4})-(0[1-9]|1[0-2])$`)
	fiscalPattern  = regexp.MustCompile(`^FY(\d{4})(?:-Q([1-4]))?$`)
)

// Period reads 2026, 2026-Q3 and 2026-07, which are the calendar's, and FY2026 and FY2026-Q3, which are of the fiscal year. The error is Invalid, about the parameter "period".
func (c Calendar) Period(name string) (Period, error) {
	p := Period{Name: name}
	switch {
	case yearPattern.MatchString(name):
		p.From, p.To = months(number(name), 1, 12)
	case quarterPattern.MatchString(name):
		m := quarterPattern.FindStringSubmatch(name)
		p.From, p.To = months(number(m[1]), 3*number(m[2])-2, 3)
	case monthPattern.MatchString(name):
		m := monthPattern.FindStringSubmatch(name)
		p.From, p.To = months(number(m[1]), number(m[2]), 1)
	case fiscalPattern.MatchString(name):
		m := fiscalPattern.FindStringSubmatch(name)
		year, first := number(m[1]), max(1, int(c.FirstMonth))
		if c.NamedByEnd && first > 1 {
			year--
		}
		p.From, p.To = months(year, first, 12)
		if m[2] != "" {
			p.From, p.To = months(year, first+3*(number(m[2])-1), 3)
		}
	default:
		return p, errs.Field("query/period", "wrong_format", "A period is written 2026, 2026-Q3 or 2026-07; one of the fiscal year FY2026 or FY2026-Q3.")
	}
	return p, nil
}

// Between is the period of two dates, both within it. The error is Invalid, about the member "periodEnd".
func Between(from, to invoice.Date) (Period, error) {
	if to.Before(from) {
		return Period{}, errs.Field("/periodEnd", "before_start", "The period ends before it begins.")
	}
	return Period{fmt.Sprintf("%s/%s", from, to), from, to}, nil
}

// Fiscal returns the name of the fiscal year in which a date lies.
func (c Calendar) Fiscal(d invoice.Date) string {
	first := max(1, int(c.FirstMonth))
	year := d.Year
	if int(d.Month) < first {
		year--
	}
	if c.NamedByEnd && first > 1 {
		year++
	}
	return fmt.Sprintf("FY%04d", year)
}

// Contains reports whether a date is within the period.
func (p Period) Contains(d invoice.Date) bool { return !d.Before(p.From) && !p.To.Before(d) }

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		panic(fmt.Sprintf("tax: %q matched as digits", digits))
	}
	return n
}

// months returns the first and the last day of a number of months. A month beyond the twelfth is one of the next year.
func months(year, first, n int) (from, to invoice.Date) {
	begin := time.Date(year, time.Month(first), 1, 0, 0, 0, 0, time.UTC)
	return invoice.DateOf(begin), invoice.DateOf(begin.AddDate(0, n, -1))
}
