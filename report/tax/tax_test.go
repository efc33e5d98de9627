package tax

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/govalues/decimal"

	"probity.dev/internal/errs"
	"probity.dev/internal/testdata"
	"probity.dev/report/invoice"
)

func TestPeriods(t *testing.T) {
	april, october := Calendar{FirstMonth: time.April}, Calendar{FirstMonth: time.October, NamedByEnd: true}
	for _, c := range []struct {
		c              Calendar
		name, from, to string
	}{
		{april, "2026", "2026-01-01", "2026-12-31"}, {april, "2026-Q3", "2026-07-01", "2026-09-30"}, {april, "2026-07", "2026-07-01", "2026-07-31"}, {april, "2024-02", "2024-02-01", "2024-02-29"},
		{april, "FY2026", "2026-04-01", "2027-03-31"}, {april, "FY2026-Q4", "2027-01-01", "2027-03-31"}, {october, "FY2026", "2025-10-01", "2026-09-30"}, {october, "FY2026-Q1", "2025-10-01", "2025-12-31"},
		{Calendar{}, "FY2026", "2026-01-01", "2026-12-31"}, {Calendar{FirstMonth: 1, NamedByEnd: true}, "FY2026", "2026-01-01", "2026-12-31"},
	} {
		p, err := c.c.Period(c.name)
		if err != nil || p.From.String() != c.from || p.To.String() != c.to {
			t.Errorf("%s: %s to %s, want %s to %s (%v)", c.name, p.From, p.To, c.from, c.to, err)
		}
		if strings.HasPrefix(c.name, "FY") && (c.c.Fiscal(p.From) != c.name[:6] || c.c.Fiscal(p.To) != c.name[:6]) {
			t.Errorf("%s begins in %s and ends in %s", c.name, c.c.Fiscal(p.From), c.c.Fiscal(p.To))
		}
		if !p.Contains(p.From) || !p.Contains(p.To) {
			t.Errorf("%s does not contain its ends", c.name)
		}
	}
	for _, bad := range []string{"", "26", "2026-13", "2026-00", "2026-Q5", "2026-Q0", "FY26", "2026-1", "2026-01-01", "FY2026-07"} {
		if _, err := april.Period(bad); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestRates(t *testing.T) {
	table, err := NewTable([]Rate{
		{Country: "DE", Percent: "19", ValidFrom: "2007-01-01", ValidTo: "2020-06-30"}, {Country: "DE", Percent: "16", ValidFrom: "2020-07-01", ValidTo: "2020-12-31"}, {Country: "DE", Percent: "19", ValidFrom: "2021-01-01"},
		{Country: "DE", Code: "reduced", Percent: "7", ValidFrom: "2007-01-01"},
		{Country: "US", Percent: "0", ValidFrom: "2000-01-01"}, {Country: "US", State: "CA", Percent: "7.25", ValidFrom: "2017-01-01"}, {Country: "US", State: "CA", PostalCode: "941*", Percent: "8.625", ValidFrom: "2017-01-01"},
		{Country: "US", State: "CA", PostalCode: "94105", Percent: "8.63", ValidFrom: "2017-01-01"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][6]string{
		{"DE", "", "10115", "std", "2020-06-30", "19"}, {"DE", "", "10115", "std", "2020-07-01", "16"}, {"de", "", "", "", "2021-01-01", "19"}, {"DE", "", "10115", "reduced", "2020-08-01", "7"},
		{"US", "CA", "94105", "std", "2026-01-01", "8.63"}, {"US", "CA", "94110", "std", "2026-01-01", "8.625"}, {"US", "CA", "90001", "std", "2026-01-01", "7.25"}, {"US", "OR", "97035", "std", "2026-01-01", "0"},
		{"FR", "", "", "", "2026-01-01", "none"}, {"DE", "", "", "std", "2006-12-31", "none"},
	} {
		on, _ := invoice.ParseDate(c[4])
		got := "none"
		if p, ok := table.Find(c[0], c[1], c[2], c[3], on); ok {
			got = p.String()
		}
		if got != c[5] {
			t.Errorf("%v: %s", c, got)
		}
	}
	for pointer, bad := range map[string]Rate{
		"/rates/0/country": {Country: "Germany", Percent: "19", ValidFrom: "2026-01-01"}, "/rates/0/percent": {Country: "DE", Percent: "190", ValidFrom: "2026-01-01"},
		"/rates/0/valid_from": {Country: "DE", Percent: "19"}, "/rates/0/valid_to": {Country: "DE", Percent: "19", ValidFrom: "2026-01-01", ValidTo: "2025-01-01"},
	} {
		_, err := NewTable([]Rate{bad})
		if e := new(errs.Error); !asError(err, &e) || e.Fields[0].Pointer != pointer {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := NewTable([]Rate{{Country: "DE", Percent: "19", ValidFrom: "2020-01-01"}, {Country: "DE", Percent: "16", ValidFrom: "2020-07-01", ValidTo: "2020-12-31"}}); errs.CodeOf(err) != errs.Invalid {
		t.Error("two rates on the same day were taken")
	}
}

func asError(err error, to **errs.Error) bool {
	e, ok := err.(*errs.Error) //nolint:errorlint // NewTable wraps nothing
	*to = e
	return ok
}

// chinook reads the invoices of a real sample database.
func chinook(t *testing.T) []invoice.Invoice {
	t.Helper()
	f, err := os.Open(filepath.Join(testdata.Dir(t), "invoices", "chinook", "chinook-invoices.json.gz"))
	if err != nil {
		t.Fatalf("the shared data is there, and this file of it is not: %v", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var db struct {
		Customer []struct {
			CustomerID          int `json:"CustomerId"`
			FirstName, LastName string
		}
		Invoice []struct {
			InvoiceID, CustomerID        int
			InvoiceDate                  string
			BillingState, BillingCountry string
			Total                        json.Number
		}
		InvoiceLine []struct {
			InvoiceID, TrackID, Quantity int
			UnitPrice                    json.Number
		}
	}
	if err := json.NewDecoder(z).Decode(&db); err != nil {
		t.Fatal(err)
	}
	names := map[int]string{}
	for _, c := range db.Customer {
		names[c.CustomerID] = c.FirstName + " " + c.LastName
	}
	lines := map[int][]invoice.Line{}
	for _, l := range db.InvoiceLine {
		lines[l.InvoiceID] = append(lines[l.InvoiceID], invoice.Line{Item: fmt.Sprint(l.TrackID), Quantity: decimal.MustNew(int64(l.Quantity), 0), UnitPrice: decimal.MustParse(l.UnitPrice.String()), TaxCode: "none"})
	}
	var out []invoice.Invoice
	for _, i := range db.Invoice {
		d, err := invoice.ParseDate(i.InvoiceDate[:10])
		if err != nil {
			t.Fatal(err)
		}
		total := decimal.MustParse(i.Total.String())
		out = append(out, invoice.Invoice{Number: fmt.Sprint(i.InvoiceID), Kind: invoice.Sale, Status: invoice.Paid, Date: d, Currency: "USD", Lines: lines[i.InvoiceID], Total: &total,
			Customer: invoice.Customer{Name: names[i.CustomerID], State: i.BillingState, Country: i.BillingCountry}})
	}
	return out
}

// TestChinookAddsUp compares the report with a sum of cents that knows nothing of this package.
func TestChinookAddsUp(t *testing.T) {
	all := chinook(t)
	k := invoice.NewChecker(invoice.PerLine)
	p, err := Between(invoice.Date{Year: 1900, Month: 1, Day: 1}, invoice.Date{Year: 2100, Month: 1, Day: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := NewSummary(p, "")
	cents := big.NewInt(0)
	for n := range all {
		a, ok := k.Check(&all[n])
		if !ok {
			t.Fatalf("invoice %s is refused", all[n].Number)
		}
		if is, err := s.Add(&all[n], &a); !is || err != nil {
			t.Fatal(is, err)
		}
		for _, l := range all[n].Lines {
			price, ok := new(big.Rat).SetString(l.UnitPrice.String())
			quantity, ok2 := new(big.Int).SetString(l.Quantity.String(), 10)
			if !ok || !ok2 {
				t.Fatal(l)
			}
			c := price.Mul(price, big.NewRat(100, 1))
			cents.Add(cents, new(big.Int).Mul(c.Num(), quantity))
		}
	}
	totals, err := s.Totals()
	if err != nil || len(totals) != 1 {
		t.Fatal(totals, err)
	}
	want := fmt.Sprintf("%d.%02d", new(big.Int).Quo(cents, big.NewInt(100)), new(big.Int).Rem(cents, big.NewInt(100)))
	if problems, _ := k.Problems(); len(all) != 412 || totals[0].Gross != want || totals[0].Stated != want || totals[0].Difference != "0.00" || len(problems) != 0 {
		t.Errorf("%d invoices, %+v, want %s; problems %v", len(all), totals[0], want, problems)
	}
}

// TestOrdersAddUp makes invoices of real order lines, cancellations as credit notes.
func TestOrdersAddUp(t *testing.T) {
	dir := filepath.Join(testdata.Dir(t), "orders", "uci-online-retail")
	files, err := filepath.Glob(filepath.Join(dir, "*.csv.gz"))
	if err != nil || len(files) != 5 {
		t.Fatalf("the shared data is there, and these files of it are not: %d, %v", len(files), err)
	}
	invoices := map[string]*invoice.Invoice{}
	pence, lines := new(big.Int), 0 // thousandths
	for _, f := range files {
		for _, row := range rowsOf(t, f) {
			credit := strings.HasPrefix(row[0], "C")
			quantity, price := decimal.MustParse(row[3]), decimal.MustParse(row[5])
			if quantity.IsNeg() != credit || quantity.IsZero() {
				continue // stock that was written off, which nobody was billed for
			}
			i := invoices[row[0]]
			if i == nil {
				d, err := invoice.ParseDate(row[4][:10])
				if err != nil {
					t.Fatal(err)
				}
				i = &invoice.Invoice{Number: row[0], Kind: invoice.Sale, Status: invoice.Open, Date: d, Currency: "GBP", Customer: invoice.Customer{Name: "customer " + row[6], Country: row[7]}}
				if credit {
					i.Kind = invoice.CreditNote
				}
				invoices[row[0]] = i
			}
			amount := roundedPence(t, row[3], row[5])
			pence.Add(pence, amount)
			lines++
			i.Lines = append(i.Lines, invoice.Line{Item: row[1], Description: row[2], Quantity: quantity.Abs(), UnitPrice: price, TaxCode: "std", TaxRate: decimal.MustNew(20, 0)})
		}
	}
	p, _ := Between(invoice.Date{Year: 2010, Month: 1, Day: 1}, invoice.Date{Year: 2011, Month: 12, Day: 31})
	k, s := invoice.NewChecker(invoice.PerInvoice), NewSummary(p, "")
	var numbers []string
	for n := range invoices {
		numbers = append(numbers, n)
	}
	sort.Strings(numbers)
	for _, n := range numbers {
		a, ok := k.Check(invoices[n])
		if !ok {
			problems, _ := k.Problems()
			t.Fatalf("%+v", problems)
		}
		if _, err := s.Add(invoices[n], &a); err != nil {
			t.Fatal(err)
		}
	}
	totals, err := s.Totals()
	if err != nil || len(totals) != 1 {
		t.Fatal(totals, err)
	}
	want := new(big.Rat).SetFrac(pence, big.NewInt(100)).FloatString(2)
	if totals[0].Net != want || totals[0].Credits == 0 || lines < 160_000 || totals[0].Silent != len(invoices) {
		t.Errorf("%d lines: %+v, want net %s", lines, totals[0], want)
	}
	t.Logf("%d lines, %d invoices and %d credit notes, %s GBP net", lines, totals[0].Invoices, totals[0].Credits, totals[0].Net)
	list, err := s.Lines()
	if err != nil {
		t.Fatal(err)
	}
	sum := new(big.Rat)
	for _, l := range list {
		n, _ := new(big.Rat).SetString(l.Net)
		sum.Add(sum, n)
	}
	if sum.FloatString(2) != totals[0].Net {
		t.Errorf("the regions come to %s, the report to %s", sum.FloatString(2), totals[0].Net)
	}
}

func rowsOf(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// roundedPence is quantity times price in pence, rounded half away from zero with integers.
func roundedPence(t *testing.T, quantity, price string) *big.Int {
	t.Helper()
	q, ok := new(big.Int).SetString(quantity, 10)
	p, ok2 := new(big.Rat).SetString(price)
	if !ok || !ok2 {
		t.Fatal(quantity, price)
	}
	a := new(big.Rat).Mul(p, new(big.Rat).SetInt(new(big.Int).Mul(q, big.NewInt(100))))
	twice := new(big.Int).Mul(a.Num(), big.NewInt(2))
	half := new(big.Int).Set(a.Denom())
	if a.Sign() < 0 {
		half.Neg(half)
	}
	return twice.Add(twice, half).Quo(twice, new(big.Int).Mul(a.Denom(), big.NewInt(2)))
}

func TestAReportListsDifferencesAndRegions(t *testing.T) {
	d := func(s string) decimal.Decimal { return decimal.MustParse(s) }
	total := d("120.01")
	day := invoice.Date{Year: 2026, Month: time.July, Day: 31}
	one := func(number, country, state, code, rate string, kind invoice.Kind) invoice.Invoice {
		return invoice.Invoice{Number: number, Kind: kind, Status: invoice.Open, Date: day, Currency: "EUR", Customer: invoice.Customer{Name: "x", Country: country, State: state},
			Lines: []invoice.Line{{Quantity: d("1"), UnitPrice: d("100"), TaxCode: code, TaxRate: d(rate)}}}
	}
	list := []invoice.Invoice{one("1", "US", "CA", "std", "20", invoice.Sale), one("2", "US", "NY", "std", "8", invoice.Sale), one("3", "DE", "", "std", "19", invoice.Sale), one("4", "US", "CA", "std", "20.0", invoice.CreditNote), one("5", "US", "CA", "std", "20", invoice.Sale), one("6", "US", "CA", "std", "20", invoice.Sale)}
	list[0].Total = &total
	list[4].Status = invoice.Void
	list[5].Date.Month = time.August
	p, err := Calendar{}.Period("2026-07")
	if err != nil {
		t.Fatal(err)
	}
	k, s := invoice.NewChecker(invoice.PerLine), NewSummary(p, "US")
	n := 0
	for i := range list {
		a, ok := k.Check(&list[i])
		if !ok {
			t.Fatal(k.Problems())
		}
		is, err := s.Add(&list[i], &a)
		if err != nil {
			t.Fatal(err)
		}
		if is {
			n++
		}
	}
	lines, err := s.Lines()
	if err != nil {
		t.Fatal(err)
	}
	totals, err := s.Totals()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%d %+v %+v", n, lines, totals)
	want := "3 [{Region:US-CA Currency:EUR Code:std Rate:20 Invoices:1 Credits:1 Lines:2 Sales:100.00 Returns:-100.00 Net:0.00 Tax:0.00} {Region:US-NY Currency:EUR Code:std Rate:8 Invoices:1 Credits:0 Lines:1 Sales:100.00 Returns:0.00 Net:100.00 Tax:8.00}] " +
		"[{Currency:EUR Invoices:2 Credits:1 Net:100.00 Tax:8.00 Gross:108.00 Stated:120.01 Silent:2 Difference:-0.01}]"
	if got != want {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
	if problems, _ := k.Problems(); len(problems) != 1 || problems[0].Code != "total_differs" {
		t.Errorf("problems: %+v", problems)
	}
}
