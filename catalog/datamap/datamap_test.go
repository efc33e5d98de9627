package datamap

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"probity.dev/internal/errs"
)

// salonMap is a small shop: clients, their invoices and the lines of these, a price list about nobody.
const salonMap = `
controller: {name: Salon GmbH, contact: privacy@salon.example}
activities:
  - {key: billing, purpose: Invoicing clients, data_use: essential.service.payment_processing, legal_basis: contract, retention: ten years}
  - {key: care, purpose: Treatment notes, legal_basis: consent, special_category_basis: explicit consent}
datasets:
  - key: salon
    connector: records
    collections:
      - key: clients
        subject: id
        subject_type: client
        jurisdiction: country
        artifact_type: client_profile
        purposes: [billing]
        fields:
          - {name: id, type: integer, data_categories: [user.unique_id], primary_key: true, identity: client_id}
          - {name: email, type: string, data_categories: [user.contact.email], identity: email}
          - {name: name, type: string, data_categories: [user.name]}
          - {name: country, type: string, data_categories: [user.contact.address.country]}
      - key: invoices
        subject: client_id
        jurisdiction: client_id/country
        artifact_type: invoice
        purposes: [billing]
        fields:
          - {name: number, type: string, data_categories: [system.operations], primary_key: true}
          - name: client_id
            type: integer
            data_categories: [user.unique_id]
            references: [{collection: clients, field: id}]
          - {name: total, type: decimal, data_categories: [user.behavior.purchase_history]}
      - key: invoice_lines
        subject: invoice/client_id
        jurisdiction: invoice/client_id/country
        artifact_type: invoice
        purposes: [billing]
        fields:
          - {name: id, type: integer, data_categories: [system.operations], primary_key: true}
          - name: invoice
            type: string
            data_categories: [system.operations]
            references: [{collection: invoices, field: number, direction: from}]
          - {name: article, type: string, data_categories: [user.behavior.purchase_history]}
      - key: prices
        artifact_type: price
        unreached: prices are about nobody
        fields:
          - {name: article, type: string, data_categories: [system.operations], primary_key: true}
          - {name: price, type: decimal, data_categories: [system.operations]}
`

func parsed(t *testing.T, text string) *Map {
	t.Helper()
	m, err := Parse("map.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMapWithoutFaultsHasNoFindings(t *testing.T) {
	if found := parsed(t, salonMap).Lint(); len(found) > 0 {
		t.Errorf("findings in a good map: %+v", found)
	}
}

func TestAPathLeadsToThePerson(t *testing.T) {
	m := parsed(t, salonMap)
	d := m.Dataset("salon")
	p, err := m.Follow(d, d.Collection("invoice_lines"), "invoice/client_id/country")
	if err != nil {
		t.Fatal(err)
	}
	if p.End.String() != "salon.clients.country" || len(p.Steps) != 2 || p.Steps[0].To.String() != "salon.invoices.number" || p.Steps[1].From.String() != "salon.invoices.client_id" {
		t.Errorf("the path is %+v", p)
	}
	for _, bad := range []string{"", "nothing", "invoice/nothing", "article/client_id", "invoice/client_id/country/id", strings.Repeat("invoice/", 9) + "id"} {
		if _, err := m.Follow(d, d.Collection("invoice_lines"), bad); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("the path %q: %v", bad, err)
		}
	}
}

// TestLint breaks the good map in one place at a time; each must be found, and nothing else.
func TestLint(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"no identity leads there", "references: [{collection: invoices, field: number, direction: from}]", "references: [{collection: invoices, field: number, direction: to}]", "error unreachable salon.invoice_lines"},
		{"nobody knows what it holds", "{name: name, type: string, data_categories: [user.name]}", "{name: name, type: string}", "warning unclassified salon.clients.name"},
		{"nobody's records", "        subject: invoice/client_id\n", "", "error no_subject salon.invoice_lines"},
		{"ends at no person", "subject: invoice/client_id", "subject: article", "warning subject_is_no_identity salon.invoice_lines"},
		{"no key", "{name: id, type: integer, data_categories: [system.operations], primary_key: true}", "{name: id, type: integer, data_categories: [system.operations]}", "error no_primary_key salon.invoice_lines"},
		{"no purpose", "        jurisdiction: client_id/country\n        artifact_type: invoice\n        purposes: [billing]\n", "        jurisdiction: client_id/country\n        artifact_type: invoice\n", "warning no_purpose salon.invoices"},
		{"a special category", "{name: article, type: string, data_categories: [user.behavior.purchase_history]}", "{name: article, type: string, data_categories: [user.health_and_medical]}", "error no_special_basis salon.invoice_lines"},
		{"other types", "- name: client_id\n            type: integer", "- name: client_id\n            type: string", "warning type_mismatch salon.invoices.client_id"},
		{"no policy can name it", "        artifact_type: price\n", "", "note no_artifact_type salon.prices"},
		{"a circle", "{name: email, type: string, data_categories: [user.contact.email], identity: email}", "{name: email, type: string, data_categories: [user.contact.email], identity: email, references: [{collection: invoices, field: number}]}", "warning cycle salon.clients"},
		{"cannot be read", "connector: records", "description: somewhere", "warning no_connector salon"},
		{"reached after all", "identity: email}", "identity: email, references: [{collection: prices, field: article}]}", "note reached salon.prices"},
		{"cannot be changed", "{name: name, type: string, data_categories: [user.name]}", "{name: name, type: string, data_categories: [user.name], read_only: true}", "note read_only salon.clients.name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(salonMap, c.from, c.to, 1)
			if text == salonMap {
				t.Fatal("the map is as it was")
			}
			var got []string
			for _, f := range parsed(t, text).Lint() {
				got = append(got, f.Severity+" "+f.Code+" "+f.Place.String())
			}
			if !slices.Equal(got, []string{c.want}) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
	none := strings.NewReplacer(", identity: client_id", "", ", identity: email", "").Replace(salonMap)
	if found := parsed(t, none).Lint(); !slices.ContainsFunc(found, func(f Finding) bool { return f.Code == "no_identity" }) {
		t.Errorf("a map without identities: %+v", found)
	}
}

func TestDeleteOrder(t *testing.T) {
	m := parsed(t, salonMap)
	order, circles := m.DeleteOrder()
	at := func(key string) int { return slices.Index(order, Place{Dataset: "salon", Collection: key}) }
	if len(order) != 4 || len(circles) != 0 || at("invoice_lines") > at("invoices") || at("invoices") > at("clients") {
		t.Errorf("the order is %v, circles %v", order, circles)
	}
}

func TestBadMapsAreRefusedWithThePlace(t *testing.T) {
	for _, c := range []struct{ from, to, pointer, line string }{
		{"key: salon", "key: Salon!", "/datasets/0/key", "line 7"},
		{"user.contact.email", "customer.email", "/datasets/0/collections/0/fields/1/data_categories/0", "line 18"},
		{"collection: clients, field: id", "collection: customers, field: id", "/datasets/0/collections/1/fields/1/references/0/collection", "line 31"},
		{"field: number, direction: from", "field: no, direction: from", "/datasets/0/collections/2/fields/1/references/0/field", ""},
		{"direction: from", "direction: sideways", "/datasets/0/collections/2/fields/1/references/0/direction", ""},
		{"subject: invoice/client_id", "subject: invoice/nobody", "/datasets/0/collections/2/subject", ""},
		{"jurisdiction: country", "jurisdiction: =Germany", "/datasets/0/collections/0/jurisdiction", ""},
		{"purposes: [billing]", "purposes: [marketing]", "/datasets/0/collections/0/purposes/0", ""},
		{"legal_basis: contract", "legal_basis: because", "/activities/0/legal_basis", "line 4"},
		{"type: decimal", "type: float", "/datasets/0/collections/1/fields/2/type", ""},
		{"key: invoices", "key: clients", "/datasets/0/collections/1/key", ""},
		{"name: email, type: string", "name: e.mail, type: string", "/datasets/0/collections/0/fields/1/name", ""},
	} {
		_, err := Parse("map.yaml", []byte(strings.Replace(salonMap, c.from, c.to, 1)))
		var e *errs.Error
		if !errors.As(err, &e) || e.Code != errs.Invalid || len(e.Fields) == 0 || e.Fields[0].Pointer != c.pointer || !strings.Contains(e.Message, "map.yaml "+c.line) {
			t.Errorf("%s: %v %+v", c.to, err, e)
		}
	}
	for _, bad := range []string{"datasets: [", "datasets: []\nowner: me", "datasets: []\n---\ndatasets: []", "- a", "datasets: {}", strings.Repeat("#", MaxBytes+1), "a: &a [*a]"} {
		if _, err := Parse("map.yaml", []byte(bad)); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%.30q was taken: %v", bad, err)
		}
	}
}

func TestAMapSurvivesBeingWritten(t *testing.T) {
	m := parsed(t, salonMap)
	text, err := m.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if d := Compare(m, parsed(t, string(text))); len(d) > 0 {
		t.Errorf("written and read again it differs: %+v", d)
	}
}

func TestCompare(t *testing.T) {
	before := parsed(t, salonMap)
	after := parsed(t, strings.NewReplacer("[user.name]", "[user.name.first, user.name.last]", "          - {name: price, type: decimal, data_categories: [system.operations]}\n", "", "retention: ten years", "retention: eight years").Replace(salonMap))
	slices.Reverse(after.Datasets[0].Collections) // order is no difference
	var got []string
	for _, d := range Compare(before, after) {
		got = append(got, d.Path)
	}
	want := []string{"/activities/billing/retention", "/datasets/salon/collections/clients/fields/name/data_categories", "/datasets/salon/collections/prices/fields/price"}
	if !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
	if d := Compare(nil, before); len(d) != 3 {
		t.Errorf("a first version differs in %d members, want controller, datasets, activities", len(d))
	}
}

func TestFidesFilesAreRead(t *testing.T) {
	m := parsed(t, `
dataset:
  - fides_key: shop
    organization_fides_key: default_organization
    name: Shop
    meta: null
    data_categories: []
    collections:
      - name: orders
        fields:
          - name: id
            data_categories: [system.operations]
            fides_meta: {primary_key: true, data_type: integer}
          - name: customer
            fides_meta: {data_type: object}
            fields:
              - name: email
                data_categories: [user.contact.email]
                fides_meta: {identity: email, data_type: string, length: 40}
              - name: tags
                data_categories: [user.demographic.profile]
                fides_meta: {data_type: "string[]"}
          - name: address_id
            data_categories: [user.unique_id]
            fides_meta: {references: [{dataset: shop, field: addresses.id, direction: to}]}
      - name: addresses
        fields:
          - name: id
            data_categories: [user.unique_id]
            fides_meta: {primary_key: true}
`)
	c := m.Dataset("shop").Collection("orders")
	email := c.Field("customer.email")
	if email == nil || email.Identity != "email" || email.Length != 40 || c.Field("customer").Type != Object || c.Field("customer.tags").Type != Array {
		t.Fatalf("the fields are %+v", c.Fields)
	}
	if r := c.Field("address_id").References; len(r) != 1 || r[0] != (Reference{Collection: "addresses", Field: "id", Direction: "to"}) {
		t.Errorf("the reference is %+v", r)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(salonMap))
	f.Add([]byte(`{"datasets":[{"key":"a","collections":[{"key":"b","fields":[{"name":"c","references":[{"collection":"b","field":"c"}]}]}]}]}`))
	f.Add([]byte("dataset:\n- fides_key: a\n  collections:\n  - name: b\n    fields: []\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := Parse("m", text)
		if err != nil {
			if errs.CodeOf(err) != errs.Invalid {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		m.Lint()
		again, err := m.YAML()
		if err != nil {
			t.Fatal(err)
		}
		n, err := Parse("m", again)
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, again)
		}
		if d := Compare(m, n); len(d) > 0 {
			t.Fatalf("written and read again it differs: %+v", d)
		}
	})
}
