package tax

import (
	"fmt"
	"slices"
	"strings"

	"github.com/govalues/decimal"

	"probity.dev/internal/errs"
	"probity.dev/report/invoice"
)

// Rate is one row of an organisation's table of rates, of the shape that TaxJar's rates have: a place, as narrow as it is given, a
// code, and from when to when.
type Rate struct {
	Country    string `json:"country" minLength:"2" maxLength:"2" example:"US"`
	State      string `json:"state,omitempty" maxLength:"10" example:"CA"`
	PostalCode string `json:"postal_code,omitempty" maxLength:"12" example:"941*" doc:"A code, or the beginning of one followed by *"`
	Code       string `json:"code,omitempty" maxLength:"50" example:"reduced" doc:"The organisation's tax code; empty for all that have no row of their own"`
	Percent    string `json:"percent" maxLength:"10" example:"7.25"`
	ValidFrom  string `json:"valid_from" format:"date"`
	ValidTo    string `json:"valid_to,omitempty" format:"date" doc:"The last day; absent while it holds"`
}

// Table is a table of rates that has been checked.
type Table struct{ rows []row }

type row struct {
	country, state, postal, code string
	prefix                       bool
	percent                      decimal.Decimal
	from, to                     invoice.Date
}

var hundred = decimal.MustNew(100, 0)

// NewTable checks a table of rates: every row is well-formed, and no two rows of the same place and code hold on the same day. The error is Invalid and points at the row.
func NewTable(rates []Rate) (*Table, error) {
	t := &Table{}
	for i, r := range rates {
		at := fmt.Sprintf("/rates/%d", i)
		w := row{country: strings.ToUpper(r.Country), state: strings.ToUpper(r.State), code: r.Code}
		w.postal, w.prefix = strings.CutSuffix(strings.ToUpper(r.PostalCode), "*")
		var err error
		if len(w.country) != 2 {
			return nil, errs.Field(at+"/country", "wrong_format", "A country is two letters (ISO 3166-1).")
		}
		if w.percent, err = decimal.Parse(r.Percent); err != nil || w.percent.IsNeg() || w.percent.Cmp(hundred) > 0 {
			return nil, errs.Field(at+"/percent", "out_of_range", "A rate is a decimal number from 0 to 100.")
		}
		if w.from, err = invoice.ParseDate(r.ValidFrom); err != nil {
			return nil, errs.Field(at+"/valid_from", "wrong_format", "A date is written 2026-07-31.")
		}
		if w.to = (invoice.Date{Year: 9999, Month: 12, Day: 31}); r.ValidTo != "" {
			if w.to, err = invoice.ParseDate(r.ValidTo); err != nil || w.to.Before(w.from) {
				return nil, errs.Field(at+"/valid_to", "wrong_format", "A date is written 2026-07-31 and is not before the first day.")
			}
		}
		if n := slices.IndexFunc(t.rows, func(o row) bool { return o.same(&w) && !o.to.Before(w.from) && !w.to.Before(o.from) }); n >= 0 {
			return nil, errs.Field(at+"/valid_from", "overlaps", "The row of the same place and code at %d holds on the same days.", n)
		}
		t.rows = append(t.rows, w)
	}
	return t, nil
}

func (r *row) same(o *row) bool {
	return r.country == o.country && r.state == o.state && r.postal == o.postal && r.prefix == o.prefix && r.code == o.code
}

// narrowness orders rows that hold for the same place: a postal code before a state before a country, and a row for the code before one for all.
func (r *row) narrowness() int {
	n := len(r.postal) * 4
	if r.postal != "" && !r.prefix {
		n += 1000
	}
	if r.state != "" {
		n += 2
	}
	if r.code != "" {
		n += 10_000
	}
	return n
}

// Find returns the rate for a place, a code and a day: of the rows that hold, the narrowest. ok is false when there is none.
func (t *Table) Find(country, state, postal, code string, on invoice.Date) (percent decimal.Decimal, ok bool) {
	country, state, postal = strings.ToUpper(country), strings.ToUpper(state), strings.ToUpper(postal)
	var best *row
	for i := range t.rows {
		r := &t.rows[i]
		switch {
		case r.country != country, r.state != "" && r.state != state, r.code != "" && r.code != code, on.Before(r.from), r.to.Before(on),
			r.prefix && !strings.HasPrefix(postal, r.postal), !r.prefix && r.postal != "" && r.postal != postal:
		case best == nil || r.narrowness() > best.narrowness():
			best = r
		}
	}
	if best == nil {
		return decimal.Decimal{}, false
	}
	return best.percent, true
}
