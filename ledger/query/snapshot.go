package query

import (
	"context"

	"probity.dev/ledger/segment"
)

// SegmentRef names a sealed working file and what it covers. Times are microseconds since 1970 UTC, inclusive.
type SegmentRef struct {
	// Path names the file; SHA256 and Bytes, its size, are for stores that compare what they fetch.
	Path   string
	SHA256 []byte
	Bytes  int64
	// First and Count are the range of seqs the file stands for; after a retention run it may hold fewer rows than Count.
	First, Count             uint64
	MinRecorded, MaxRecorded int64
	MinOccurred, MaxOccurred int64
}

// HotBatch is one batch that is not sealed yet, encoded by [segment.AppendBatch]. Bytes MUST NOT change while an engine may use them: engines keep what they decoded for
// as long as snapshots keep listing a batch with the same log, First, Count and checksum.
type HotBatch struct {
	// First and Count are the range of seqs; rows are in ascending order.
	First, Count uint64
	Bytes        []byte
}

// Snapshot is what a search sees: the sealed files and the hot batches of one log at one moment. Segments and Hot are in ascending order of First.
// A seq that a segment covers is not looked for in Hot, so a block that is being sealed may be listed twice and is seen once.
type Snapshot struct {
	Log      string
	Segments []SegmentRef
	Hot      []HotBatch
	// Head is the size of the log: rows with a seq of Head or above are not seen. 0 = no bound.
	Head uint64
}

// Page says which part of the matches is wanted.
type Page struct {
	// Desc asks for the newest first.
	Desc bool
	// After is the seq of the last row of the previous page; the page begins beyond it. 0 = from the start; to go on after seq 0 in
	// ascending order, set Filter.SeqFrom to 1.
	After uint64
	// Limit is the number of rows wanted; 0 = all of them, streamed in bounded memory.
	Limit int
	// Columns says which columns of a row are needed; 0 = all.
	Columns segment.Columns
	// Sieve, when not nil, leaves out rows that the caller does not want although they match, before they are handed over one after the other. It is a means to be
	// quick: an engine may do without. Several goroutines call it at once.
	Sieve Sieve
	// Pause, when not nil, is called between rows when the next one may take its time.
	Pause func() error
	// Release, when not nil, is called when the memory of the rows yielded so far is about to be used again; until then they stay valid, and after the last call until the end. Only for searches
	// in ascending order without a Sieve.
	Release func() error
}

// Sieve looks at rows that match, some hundred at a time, and clears keep for each that is not wanted. keep is false already for rows that are not asked about.
// The rows are valid during the call only and MUST NOT be changed.
type Sieve func(ctx context.Context, rows []segment.Row, keep []bool) error

// Engine searches snapshots. It is safe for concurrent use.
type Engine interface {
	// Rows calls yield with the matching rows in order of seq. A row and the memory it refers to are valid during the call only, unless the page has a Release. An error of
	// yield ends the search and is returned as it is; so does the end of ctx.
	Rows(ctx context.Context, s Snapshot, f Filter, p Page, yield func(*segment.Row) error) error
	// Stats counts the matching rows.
	Stats(ctx context.Context, s Snapshot, f Filter, spec StatsSpec) (*Stats, error)
	// Close ends running searches with an error and frees everything.
	Close() error
}

// end is the first seq behind the file.
func (r *SegmentRef) end() uint64 { return r.First + r.Count }
