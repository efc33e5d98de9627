// Package query searches a log's working copies: hot batches and sealed working files through one path, exactly once each, in the order of seq
// (mission rows A3, A9; "Hot and sealed" of the design).
//
// It owns filters and their meaning ([Filter.Match] is the definition; the SQL must agree with it and tests compare the two), the plan of a
// search (which files, in what order, when to stop), and the hardened DuckDB instance that evaluates filters and statistics over sealed files.
// It does not decide who may see what, decrypts nothing, and knows the SQL database of hot batches only as bytes handed to it. Everything that
// crosses [Engine] is plain data, so that an engine can live in a child process.
package query
