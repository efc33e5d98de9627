// Package bundle is the file that carries audit events to somebody who does not trust their sender: a zip of the events, the
// disclosures and leaves that prove them, the signed checkpoint that the leaves are in, and a signed manifest (ledger/DESIGN.md §9).
//
// It writes in bounded memory whatever the number of events, and reads with limits. It decides nothing about what may be shown (its
// caller masks), and it does not verify: package verify does.
package bundle
