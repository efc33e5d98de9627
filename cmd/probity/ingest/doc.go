// Package ingest reads files, folders and streams of audit records into a ledger: it finds the files, remembers how far it came, sends batches, and counts what
// became of them. Formats are the business of ledger/intake; where events go is a [Sink].
package ingest
