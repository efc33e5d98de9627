package datamap

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"probity.dev/catalog/field"
	"probity.dev/internal/testdata"
)

func unzip(t *testing.T, into any, path ...string) {
	t.Helper()
	f, err := os.Open(filepath.Join(append([]string{testdata.Dir(t)}, path...)...))
	if err != nil {
		t.Fatalf("the shared data is there, and this file of it is not: %v", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func TestSuggest(t *testing.T) {
	c := field.New(nil)
	for _, k := range []struct {
		col   Column
		want  string
		basis string
	}{
		{Column{"clients", "email", String, nil}, "user.contact.email", "name"},
		{Column{"clients", "email", String, []string{"a@example.com", "b@example.org"}}, "user.contact.email", "both"},
		{Column{"clients", "c7", String, []string{"a@example.com", "", "b@example.org"}}, "user.contact.email", "values"},
		{Column{"clients", "email_verified", Boolean, []string{"true"}}, "system.operations", "name"},
		{Column{"payments", "ref", String, []string{"DE89370400440532013000", "GB29NWBK60161331926819"}}, "user.financial.bank_account", "values"},
		{Column{"tickets", "body", String, []string{"Please call me at +1 415 555 2671 tomorrow", "Nothing works since this morning, please help"}}, "user.content.private", "text"},
		{Column{"orders", "status", String, []string{"paid", "open"}}, "system.operations", "values"},
		{Column{"orders", "x", String, []string{"lorem ipsum", "dolor"}}, "", "nothing"},
		{Column{"orders", "x", String, nil}, "", "nothing"},
	} {
		s := Suggest(c, k.col)
		if s.Category != k.want || s.Basis != k.basis || s.Confidence < 0 || s.Confidence > 1 || (s.Category != "") != (s.Confidence > 0) {
			t.Errorf("%s.%s %q: %+v, want %q by %s", k.col.Collection, k.col.Name, k.col.Samples, s, k.want, k.basis)
		}
	}
}

// counted adds one answer to precision and recall: a category below or above the right one counts as right.
type counted struct{ right, wrong, missed int }

func (n *counted) add(t *testing.T, what string, s Suggestion, want string) {
	got := s.Category
	if s.Basis == "text" && want != "" {
		got = "" // it says that personal data is inside, and not which
	}
	switch {
	case want == "" && (got == "" || field.Within(got, "system")):
	case got == "" || field.Within(got, "system"):
		n.missed++
		t.Logf("missed: %s is %s", what, want)
	case want != "" && (field.Within(got, want) || field.Within(want, got)):
		n.right++
	default:
		n.wrong++
		t.Logf("wrong: %s is %q, taken for %s", what, want, got)
	}
}

func (n *counted) precision() float64 { return float64(n.right) / float64(max(1, n.right+n.wrong)) }
func (n *counted) recall() float64 {
	return float64(n.right) / float64(max(1, n.right+n.missed+n.wrong))
}
func (n *counted) String() string {
	return fmt.Sprintf("precision %.2f, recall %.2f (%d right, %d wrong, %d missed)", n.precision(), n.recall(), n.right, n.wrong, n.missed)
}

// TestSuggestOnAnnotatedValues makes a column of the values of each kind in the annotated data, twenty values each, once with a
// name that says nothing and once with one as databases have it.
func TestSuggestOnAnnotatedValues(t *testing.T) {
	var texts []struct {
		Spans []struct {
			Type  string `json:"entity_type"`
			Value string `json:"entity_value"`
		} `json:"spans"`
	}
	unzip(t, &texts, "pii", "presidio-research", "synth_dataset_v2.json.gz")
	values := map[string][]string{}
	for _, x := range texts {
		for _, s := range x.Spans {
			values[s.Type] = append(values[s.Type], s.Value)
		}
	}
	kinds := map[string][2]string{
		"PERSON": {field.Name, "full_name"}, "EMAIL_ADDRESS": {field.Email, "email"}, "PHONE_NUMBER": {field.Phone, "phone"}, "STREET_ADDRESS": {field.Address, "street_address"},
		"CREDIT_CARD": {field.CreditCard, "card_number"}, "IBAN_CODE": {field.BankAccount, "iban"}, "IP_ADDRESS": {field.IPAddress, "last_login_ip"}, "US_SSN": {field.NationalID, "ssn"},
		"US_DRIVER_LICENSE": {field.DrivingLicence, "driver_license"}, "ZIP_CODE": {field.PostalCode, "zip"}, "AGE": {field.AgeRange, "age"},
		"ORGANIZATION": {"", "supplier"}, "DOMAIN_NAME": {"", "domain"}, "TITLE": {"", "title"},
	}
	var names []string
	for k := range kinds {
		names = append(names, k)
	}
	sort.Strings(names)
	c := field.New(nil)
	var blind, named counted
	for _, k := range names {
		list := values[k]
		if len(list) < 5 {
			t.Fatalf("%s has only %d values", k, len(list))
		}
		for from := 0; from < len(list); from += 20 {
			col := Column{Collection: "table", Name: "c1", Type: String, Samples: list[from:min(from+20, len(list))]}
			blind.add(t, k+" by its values", Suggest(c, col), kinds[k][0])
			col.Name = kinds[k][1]
			named.add(t, k+" named "+col.Name, Suggest(c, col), kinds[k][0])
		}
	}
	t.Logf("by values alone: %s", &blind)
	t.Logf("with names:      %s", &named)
	if blind.precision() < 0.98 || named.precision() < 0.98 || named.recall() < 0.95 || blind.recall() < 0.2 {
		t.Error("the suggestions are worse than documented")
	}
}

// TestSuggestOnATable classifies the tables of a real sample database.
func TestSuggestOnATable(t *testing.T) {
	tables := map[string][]map[string]any{}
	unzip(t, &tables, "invoices", "chinook", "chinook-invoices.json.gz")
	want := map[string]string{
		"Customer.CustomerId": field.UniqueID, "Customer.FirstName": field.FirstName, "Customer.LastName": field.LastName, "Customer.Company": field.Workplace, "Customer.Address": field.Address,
		"Customer.City": field.City, "Customer.State": field.AddressState, "Customer.Country": field.Country, "Customer.PostalCode": field.PostalCode, "Customer.Phone": field.Phone, "Customer.Fax": field.Fax,
		"Customer.Email": field.Email, "Customer.SupportRepId": field.UniqueID,
		"Employee.EmployeeId": field.UniqueID, "Employee.FirstName": field.FirstName, "Employee.LastName": field.LastName, "Employee.Title": field.JobTitle, "Employee.ReportsTo": field.UniqueID,
		"Employee.BirthDate": field.BirthDate, "Employee.HireDate": field.Workplace, "Employee.Address": field.Address, "Employee.City": field.City, "Employee.State": field.AddressState,
		"Employee.Country": field.Country, "Employee.PostalCode": field.PostalCode, "Employee.Phone": field.Phone, "Employee.Fax": field.Fax, "Employee.Email": field.Email,
		"Invoice.CustomerId": field.UniqueID, "Invoice.BillingAddress": field.Address, "Invoice.BillingCity": field.City, "Invoice.BillingState": field.AddressState, "Invoice.BillingCountry": field.Country,
		"Invoice.BillingPostalCode": field.PostalCode, "Invoice.InvoiceId": "", "Invoice.InvoiceDate": "", "Invoice.Total": "",
		"InvoiceLine.InvoiceLineId": "", "InvoiceLine.InvoiceId": "", "InvoiceLine.TrackId": "", "InvoiceLine.UnitPrice": "", "InvoiceLine.Quantity": "",
	}
	c := field.New(nil)
	var n counted
	var names []string
	columns, byTable := map[string]*Column{}, map[string][]Column{}
	for table, rows := range tables {
		for _, row := range rows {
			for name, v := range row {
				key := table + "." + name
				if columns[key] == nil {
					columns[key] = &Column{Collection: table, Name: name}
					names = append(names, key)
				}
				if v != nil {
					columns[key].Samples = append(columns[key].Samples, fmt.Sprint(v))
				}
			}
		}
	}
	sort.Strings(names)
	answers := map[string]string{}
	for _, key := range names {
		category, known := want[key]
		if !known {
			t.Errorf("nobody has classified %s", key)
		}
		table := columns[key].Collection
		byTable[table] = append(byTable[table], *columns[key])
		answers[key] = category
	}
	for table, cols := range byTable {
		for i, s := range SuggestTable(c, table, cols) {
			n.add(t, table+"."+cols[i].Name, s, answers[table+"."+cols[i].Name])
		}
	}
	t.Logf("%d columns: %s", len(names), &n)
	if n.precision() < 0.95 || n.recall() < 0.9 {
		t.Error("the suggestions are worse than documented")
	}
}
