// Package ledgertest opens ledgers for tests: a real database and real files in a temporary folder, a plain classifier, and a search engine that reads everything and is the
// oracle for the real one.
package ledgertest
