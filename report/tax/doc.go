// Package tax adds up what tax an organisation's invoices hold, by region, code and rate, and shows that the figures agree (mission
// row B6): the sum of the lines is the invoices, and the sum of the invoices is the report, or every difference is listed.
//
// It files nothing with any authority and gives no advice on what is taxable; rates come from a dated table that the organisation
// keeps. The invoices are package report/invoice's.
package tax
