package invoice

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/govalues/decimal"

	"probity.dev/internal/errs"
)

func dec(s string) decimal.Decimal { return decimal.MustParse(s) }

func date(s string) Date {
	d, err := ParseDate(s)
	if err != nil {
		panic(err)
	}
	return d
}

func stated(s string) *decimal.Decimal { d := dec(s); return &d }

// sample has what the formats stumble over: a name that is a formula, a line break, quotes, a discount, a credit note.
func sample() []Invoice {
	return []Invoice{
		{
			Number: "INV-1", Kind: Sale, Status: Open, Date: date("2026-04-30"), Due: date("2026-05-14"), Currency: "EUR", Reference: "PO 7",
			Customer: Customer{Name: "=cmd|' /C calc'!A0", Email: "ap@example.com", Street: []string{"1 High Street", "Floor 2"}, City: "Zürich", PostalCode: "8001", Country: "CH"},
			Lines: []Line{
				{Item: "cut", Description: "Haircut, \"long\"\nwith wash", Quantity: dec("2"), UnitPrice: dec("49.50"), TaxCode: "std", TaxRate: dec("19"), Tracking: []Tracking{{"Region", "North"}}},
				{Item: "gel", Description: "", Quantity: dec("1.5"), UnitPrice: dec("10"), Discount: dec("10"), TaxCode: "low", TaxRate: dec("7")},
			},
			Total: stated("132.26"), Tax: stated("19.76"),
		},
		{
			Number: "CN-1", Kind: CreditNote, Status: Paid, Date: date("2026-05-02"), Currency: "EUR", Customer: Customer{Name: "Smith & Co"},
			Lines: []Line{{Item: "cut", Description: "Haircut returned", Quantity: dec("1"), UnitPrice: dec("49.50"), TaxCode: "std", TaxRate: dec("19")}}, Total: stated("58.91"),
		},
		{Number: "DRAFT", Kind: Sale, Status: Draft, Date: date("2026-05-02"), Currency: "EUR", Customer: Customer{Name: "Nobody"}, Lines: []Line{{Item: "cut", Quantity: dec("1"), UnitPrice: dec("1"), TaxCode: "std"}}},
	}
}

func TestAmounts(t *testing.T) {
	line := func(qty, price, rate string) Line {
		return Line{Quantity: dec(qty), UnitPrice: dec(price), TaxRate: dec(rate), TaxCode: "t"}
	}
	for _, c := range []struct {
		name            string
		inv             Invoice
		how             Rounding
		net, tax, gross string
	}{
		{"half a cent is rounded away from zero", Invoice{Currency: "EUR", Lines: []Line{line("1", "0.25", "10")}}, PerLine, "0.25", "0.03", "0.28"},
		{"each line is rounded", Invoice{Currency: "EUR", Lines: []Line{line("1", "0.25", "10"), line("1", "0.25", "10")}}, PerLine, "0.50", "0.06", "0.56"},
		{"once for the invoice", Invoice{Currency: "EUR", Lines: []Line{line("1", "0.25", "10"), line("1", "0.25", "10")}}, PerInvoice, "0.50", "0.05", "0.55"},
		{"prices contain the tax", Invoice{Currency: "EUR", Inclusive: true, Lines: []Line{line("1", "119", "19")}}, PerLine, "100.00", "19.00", "119.00"},
		{"a yen has no cents", Invoice{Currency: "JPY", Lines: []Line{line("3", "333.5", "8")}}, PerLine, "1001", "80", "1081"},
		{"a dinar has a thousand fils", Invoice{Currency: "KWD", Lines: []Line{line("1", "1.0005", "0")}}, PerLine, "1.001", "0.000", "1.001"},
		{"a credit note is negative", Invoice{Kind: CreditNote, Currency: "EUR", Lines: []Line{line("1", "0.25", "10")}}, PerLine, "-0.25", "-0.03", "-0.28"},
		{"a negative price too", Invoice{Currency: "EUR", Lines: []Line{line("1", "-0.25", "10")}}, PerLine, "-0.25", "-0.03", "-0.28"},
		{"a stated tax stands", Invoice{Currency: "EUR", Lines: []Line{{Quantity: dec("1"), UnitPrice: dec("1"), TaxRate: dec("19"), Tax: stated("0.18")}}}, PerInvoice, "1.00", "0.18", "1.18"},
	} {
		a, err := c.inv.Amounts(c.how)
		if err != nil || a.Net.String() != c.net || a.Tax.String() != c.tax || a.Gross.String() != c.gross {
			t.Errorf("%s: %v %v %v, want %s %s %s (%v)", c.name, a.Net, a.Tax, a.Gross, c.net, c.tax, c.gross, err)
		}
	}
	huge := Invoice{Currency: "EUR", Lines: []Line{line("9999999999999", "99999999999999", "19")}}
	if _, err := huge.Amounts(PerLine); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("an amount of thirty digits: %v", err)
	}
	for _, bad := range []string{"", "eur", "EURO", "XYQ"} {
		if _, err := Digits(bad); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("the currency %q was taken", bad)
		}
	}
}

// TestTheSumOfLinesIsTheInvoice holds for whatever an invoice consists of, and however it is rounded.
func TestTheSumOfLinesIsTheInvoice(t *testing.T) {
	for seed := range uint64(2000) {
		i := Invoice{Currency: []string{"EUR", "JPY", "KWD"}[seed%3], Inclusive: seed%2 == 0}
		x := seed*2862933555777941757 + 3037000493
		next := func(n uint64) int64 { x = x*6364136223846793005 + 1442695040888963407; return int64(x >> 33 % n) }
		for range 1 + next(9) {
			i.Lines = append(i.Lines, Line{Quantity: decimal.MustNew(next(100000), int(next(4))), UnitPrice: decimal.MustNew(next(10000000), int(next(4))), TaxRate: decimal.MustNew(next(2500), 2), TaxCode: fmt.Sprint(next(3)), Discount: decimal.MustNew(next(100), 0)})
		}
		for _, how := range []Rounding{PerLine, PerInvoice} {
			a, err := i.Amounts(how)
			if err != nil {
				t.Fatal(err)
			}
			net, tax, lines := decimal.Zero, decimal.Zero, 0
			for _, r := range a.ByRate {
				net, _ = net.Add(r.Net)
				tax, _ = tax.Add(r.Tax)
				lines += r.Lines
			}
			gross, _ := net.Add(tax)
			if net.Cmp(a.Net) != 0 || tax.Cmp(a.Tax) != 0 || gross.Cmp(a.Gross) != 0 || lines != len(i.Lines) {
				t.Fatalf("seed %d, %s: %+v", seed, how, a)
			}
		}
	}
}

func TestProblemsAreListed(t *testing.T) {
	k := NewChecker(PerLine)
	list := sample()
	for n := range list {
		if _, ok := k.Check(&list[n]); !ok {
			t.Errorf("%s is refused", list[n].Number)
		}
	}
	if p, _ := k.Problems(); len(p) > 0 {
		t.Errorf("problems with good invoices: %+v", p)
	}
	bad := sample()[0]
	bad.Total, bad.Tax, bad.Due = stated("132.28"), stated("19.75"), date("2026-04-01")
	bad.Lines[0].Amount = stated("99.01")
	k.Check(&bad) // its number is known already
	bad.Number = "INV-2"
	if _, ok := k.Check(&bad); !ok {
		t.Error("differences alone keep an invoice back")
	}
	bad.Number, bad.Customer.Name, bad.Currency = "", "", "euro"
	bad.Lines = []Line{{Quantity: dec("-1"), TaxRate: dec("119")}}
	if _, ok := k.Check(&bad); ok {
		t.Error("an invoice without number, customer and currency passes")
	}
	var got []string
	problems, _ := k.Problems()
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%s/%d %s %v", p.Invoice, p.Line, p.Code, p.Fatal))
	}
	want := []string{"INV-1/0 number_twice true", "INV-1/0 due_before_date false", "INV-2/0 due_before_date false", "INV-2/1 amount_differs false", "INV-2/0 total_differs false", "INV-2/0 tax_differs false",
		"/0 no_number true", "/0 no_customer true", "/0 due_before_date false", "/1 negative_quantity true", "/1 out_of_range true"}
	if !slices.Equal(got, want) {
		t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

type memory struct {
	bytes.Buffer
	closed bool
}

func (m *memory) Close() error { m.closed = true; return nil }

func into(files *[]*memory) Files {
	return func(part int) (io.WriteCloser, error) {
		if part != len(*files)+1 {
			return nil, fmt.Errorf("part %d after %d", part, len(*files))
		}
		*files = append(*files, &memory{})
		return (*files)[part-1], nil
	}
}

var accounts = Accounts{TaxCodes: map[string]string{"std": "19% VAT", "low": "7% VAT"}, Items: map[string]string{"cut": "200"}, Default: "260", DateOrder: "dmy"}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s", name, got)
	}
}

func written(t *testing.T, w *Writer, k *Checker, list []Invoice) {
	t.Helper()
	for n := range list {
		if _, ok := k.Check(&list[n]); ok {
			if err := w.Write(&list[n]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestXero(t *testing.T) {
	var files []*memory
	k := NewChecker(PerLine)
	w, err := NewXero(into(&files), accounts, k)
	if err != nil {
		t.Fatal(err)
	}
	written(t, w, k, sample())
	golden(t, "xero.csv", files[0].Bytes())
	if n, f, s := w.Written(); n != 2 || f != 1 || s != 0 || !files[0].closed {
		t.Errorf("%d invoices in %d files, %d left out", n, f, s)
	}
	if len(xeroHeader) != 29 {
		t.Errorf("the header has %d columns", len(xeroHeader))
	}
}

func TestQuickBooks(t *testing.T) {
	for name, withTax := range map[string]bool{"quickbooks.csv": false, "quickbooks-tax.csv": true} {
		var files []*memory
		k := NewChecker(PerLine)
		a := accounts
		a.DateOrder = "mdy"
		w, err := NewQuickBooks(into(&files), a, k, withTax)
		if err != nil {
			t.Fatal(err)
		}
		written(t, w, k, sample())
		golden(t, name, files[0].Bytes())
		if p, _ := k.Problems(); len(p) != 1 || p[0].Code != "credit_note" {
			t.Errorf("problems: %+v", p)
		}
		if n, _, s := w.Written(); n != 1 || s != 1 {
			t.Errorf("%d written, %d left out", n, s)
		}
	}
	if len(quickBooksHeader) != 13 {
		t.Errorf("the header has %d columns", len(quickBooksHeader))
	}
}

func TestFilesAreSplitBetweenInvoices(t *testing.T) {
	var files []*memory
	k := NewChecker(PerLine)
	w, err := NewXero(into(&files), accounts, k)
	if err != nil {
		t.Fatal(err)
	}
	var list []Invoice
	for n := range 1001 {
		i := sample()[0]
		i.Number, i.Total, i.Tax = fmt.Sprintf("INV-%d", n), nil, nil
		list = append(list, i)
	}
	written(t, w, k, list)
	if n, f, _ := w.Written(); n != 1001 || f != 3 {
		t.Fatalf("%d invoices in %d files", n, f)
	}
	for n, want := range []int{500, 500, 1} {
		rows, err := csv.NewReader(&files[n].Buffer).ReadAll()
		if err != nil || len(rows) != 1+2*want || !slices.Equal(rows[0], xeroHeader) {
			t.Errorf("file %d has %d rows: %v", n+1, len(rows), err)
		}
	}
	files = nil
	w, err = NewXero(into(&files), accounts, k)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil || len(files) != 1 || !strings.HasPrefix(files[0].String(), "*ContactName,") {
		t.Errorf("an export of nothing: %v", err)
	}
}

func TestWhatTheProgramWouldRefuseIsReported(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Invoice, *Accounts)
		want   string
	}{
		"a tax code nobody has mapped": {func(i *Invoice, _ *Accounts) { i.Lines[0].TaxCode = "new" }, "no_tax_code"},
		"a product nobody has mapped":  {func(_ *Invoice, a *Accounts) { a.Default = "" }, "no_account"},
		"a text that is too long":      {func(i *Invoice, _ *Accounts) { i.Customer.Name = strings.Repeat("ü", 256) }, "too_long"},
	} {
		var files []*memory
		k := NewChecker(PerLine)
		i, a := sample()[0], accounts
		c.change(&i, &a)
		w, err := NewXero(into(&files), a, k)
		if err != nil {
			t.Fatal(err)
		}
		written(t, w, k, []Invoice{i})
		if p, _ := k.Problems(); len(p) != 1 || p[0].Code != c.want || !p[0].Fatal {
			t.Errorf("%s: %+v", name, p)
		}
	}
	var files []*memory
	k := NewChecker(PerLine)
	w, err := NewXero(into(&files), accounts, k)
	if err != nil {
		t.Fatal(err)
	}
	gross := sample()[1]
	gross.Inclusive, gross.Total = true, nil
	written(t, w, k, []Invoice{sample()[0], gross})
	if p, _ := k.Problems(); len(p) != 1 || p[0].Code != "mixed_prices" {
		t.Errorf("prices with and without tax in one file: %+v", p)
	}
	for _, bad := range []Accounts{{DateOrder: "dd/mm"}, {DateOrder: "dmy", PerFile: 501}, {DateOrder: "dmy", PerFile: -1}} {
		if _, err := NewXero(into(&files), bad, k); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestNoCellIsAFormula(t *testing.T) {
	for _, s := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1", "\r\n=1"} {
		if c := cell(s); !strings.HasPrefix(c, "'") || strings.ContainsAny(c, "\r\n") {
			t.Errorf("%q becomes %q", s, c)
		}
	}
}
