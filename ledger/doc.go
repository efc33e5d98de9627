// Package ledger keeps a tenant's audit log: it records events so that nobody can change or drop one unnoticed, finds them again, proves
// them to outsiders, and lets a person's data be erased without breaking a proof (mission rows A1-A3, A6, A8, A13, A15, C2, F4, K3).
//
// DESIGN.md beside this file specifies the formats. An event is kept twice: as evidence, a leaf of a Merkle log that holds commitments
// instead of personal values, and as a working copy, which is what people search and which may be rewritten. An append goes through
// service.go (validate) → encode.go (leaf and working row, outside any lock) → commit.go (one committer, one transaction) →
// publish.go (signed checkpoint) → seal.go (Parquet). Reading goes through search.go and decode.go; proofs through proof.go and bundle.go.
//
// The package does not know who may do what, how values are masked, or which fields are personal: access/masking and catalog/field plug in through
// the interfaces of ledger/event.
package ledger
