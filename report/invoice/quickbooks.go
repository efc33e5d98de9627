package invoice

import "strings"

// quickBooksHeader is the first line of QuickBooks Online's sample file for invoices in the United States.
var quickBooksHeader = strings.Split("*InvoiceNo,*Customer,*InvoiceDate,*DueDate,Terms,Location,Memo,Item(Product/Service),ItemDescription,ItemQuantity,ItemRate,*ItemAmount,Service Date", ",")

// quickBooksLimits are the most characters of a cell.
var quickBooksLimits = map[string]int{"*InvoiceNo": 21, "*Customer": 100, "Memo": 1000, "Item(Product/Service)": 100, "ItemDescription": 4000}

// QuickBooksMost is how many invoices a file has at most, and by default. QuickBooks names no limit that could be verified; people report that a hundred pass.
const QuickBooksMost = 100

// NewQuickBooks returns a writer of QuickBooks Online's CSV for invoices. withTaxCode adds the column *ItemTaxCode, which every organisation outside the United States needs. QuickBooks imports no credit notes: they are reported and
// left out. Everything else is as with [NewXero].
func NewQuickBooks(open Files, a Accounts, k *Checker, withTaxCode bool) (*Writer, error) {
	if err := a.check(QuickBooksMost); err != nil {
		return nil, err
	}
	header := quickBooksHeader
	if withTaxCode {
		header = append(header[:len(header):len(header)], "*ItemTaxCode")
	}
	w := &Writer{name: "QuickBooks", accounts: a, checker: k, limits: quickBooksLimits, mixed: map[bool]bool{}, parts: parts{open: open, header: header, most: orMost(a.PerFile, QuickBooksMost)}}
	w.rows = func(i *Invoice) ([][]string, bool) { return w.quickBooks(i, withTaxCode) }
	return w, nil
}

func (w *Writer) quickBooks(i *Invoice, withTaxCode bool) ([][]string, bool) {
	if i.Kind == CreditNote {
		w.checker.say(i, 0, true, "credit_note", "QuickBooks imports no credit notes: enter it there by hand.")
		return nil, false
	}
	digits, err := Digits(i.Currency)
	if err != nil {
		return nil, false // Check has said so
	}
	due := i.Due
	if due.IsZero() {
		due = i.Date
	}
	rows := make([][]string, len(i.Lines))
	ok := true
	for n := range i.Lines {
		l := &i.Lines[n]
		tax, known := w.accounts.taxCode(l.TaxCode)
		item := w.accounts.account(l.Item)
		ok = w.known(i, n, l, known || !withTaxCode, item) && ok
		amount, err := l.amount()
		if err != nil {
			return nil, false
		}
		amount = round(amount, digits)
		if l.Amount != nil {
			amount = *l.Amount
		}
		rows[n] = []string{
			cell(i.Number), cell(i.Customer.Name), w.accounts.date(i.Date), w.accounts.date(due), "", "", cell(i.Reference),
			cell(item), cell(l.Description), number(l.Quantity), number(l.UnitPrice), number(amount), "",
		}
		if withTaxCode {
			rows[n] = append(rows[n], cell(tax))
		}
	}
	return rows, ok
}
