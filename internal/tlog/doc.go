// Package tlog is the transparency log without its storage: the appendable RFC 6962 tree, C2SP tlog-tiles addresses and
// contents, inclusion, consistency and range proofs, signed checkpoints, proof texts and signed promises, as specified in
// ledger/DESIGN.md §1 and §6-§7. The ledger writes with it, the verifier checks with it and with nothing else.
//
// It does no I/O of its own (tiles come through [TileReader]), keeps no files and knows nothing of events: to it a leaf is
// bytes, or only a hash.
package tlog
