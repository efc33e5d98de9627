// Package segment holds the stored forms of a log's events: the hot batch (one binary value per append), and the two Parquet files
// that a sealed block becomes, *working* (typed columns for searching plus field values) and *evidence* (the leaves, verbatim).
// Design: ledger/DESIGN.md and the "Hot and sealed" part of the design notes (mission rows A2, A3).
//
// It owns the encodings and nothing else: it does not decide when a block is sealed, opens no database, encrypts nothing, and treats
// Shape, Clear and Sealed as opaque. Searching these files is package ledger/query; proofs over the leaves are internal/tlog.
package segment
