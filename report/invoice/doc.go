// Package invoice knows what an invoice is, whether its figures agree, and how accounting programs want to be told of it (mission
// row B6): as the CSV files that Xero and QuickBooks Online import.
//
// Money is decimal: github.com/govalues/decimal, 19 digits, never a float. Amounts are rounded to the minor unit of their
// currency (ISO 4217, from golang.org/x/text/currency), half away from zero, once per line or once per invoice and tax rate, as
// the organisation does it.
//
// The package reads no database: whoever has invoices (a mapped collection, billing) hands them over one after another. What tax
// is due where, and whether everything adds up, is package report/tax's.
package invoice
