// Package evidence holds the codecs of the ledger's immutable side: leaf, field commitments, group keys, search tags and
// disclosures, as specified in ledger/DESIGN.md §2-§5. It is shared by the ledger, which writes them, and the verifier, which
// checks them with nothing else at hand. It does no I/O and holds no state.
package evidence
