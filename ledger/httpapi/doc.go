// Package httpapi is the ledger's HTTP interface: append, search, prove, the log as C2SP tlog-tiles, settings. It translates between requests
// and package ledger, and decides nothing itself.
package httpapi
