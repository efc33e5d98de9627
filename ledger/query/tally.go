package query

import "probity.dev/ledger/segment"

// Tally counts rows that are given to it one by one. It is not safe for concurrent use.
type Tally struct {
	c    *counter
	topN int
}

// NewTally begins an empty count. The error is about the spec: a time zone or unit that does not exist.
func NewTally(spec StatsSpec) (*Tally, error) {
	c, err := newCounter(&spec)
	return &Tally{c: c, topN: spec.TopN}, err
}

// Add counts a row by its times, action, outcome, resource type and actor. The error says that the histogram has too many bars.
func (t *Tally) Add(r *segment.Row) error { return t.c.row(r) }

// Stats is what was counted so far.
func (t *Tally) Stats() *Stats { return t.c.result(t.topN) }
