// Package query searches a log's working copies: hot batches and sealed working files through one path, exactly once each, in the order of seq
// (mission rows A3, A9; "Hot and sealed" of the design).
//
// It owns filters and their meaning ([Filter.Match] is the definition), the plan of a search (which files, in what order, when to stop), and the
// evaluation of filters and statistics over the columns of sealed files. It does not decide who may see what, decrypts nothing, and knows the SQL
// database of hot batches only as bytes handed to it. Everything that crosses [Engine] is plain data, so that an engine can live elsewhere: in a
// child process, or as an external SQL engine on the same Parquet files.
//
// How a search runs. Ranges exclude files and row groups by their bounds; identifiers and handles by bloom filters, of which 32 bytes are read per
// group; every other column by its dictionary, whose entries are compared once per group instead of once per row. What remains is evaluated newest
// first (or oldest first), a few files ahead of the reader, until the page is full; only then are whole rows fetched, from the pages that hold them.
//
// A search for a text brings a sieve ([Page.Sieve]): it looks at every row that matches otherwise, some hundred at a time, row group beside row group, and what it
// keeps goes on at once, in order.
//
// The engine is written in Go because it was measured against DuckDB 1.5.5 on the same ten million events in the same run (TestLookupTimes): it
// answers the newest page and globs tens of times quicker, persons three times, statistics three times, single resources and actors as quickly or
// quicker although it delivers whole rows where DuckDB was asked for positions only, in memory that Go accounts for and without native code. DuckDB
// stays as the oracle of the tests: it reads the same files with code of its own, and both must find the same rows.
package query
