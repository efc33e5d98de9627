package ledger

import (
	"slices"
	"sort"
	"sync"

	"probity.dev/ledger/query"
)

// HotBatch is one append batch of working copies that is not sealed yet, in the encoding of segment.AppendBatch.
type HotBatch struct {
	First, Count uint64
	Recorded     int64 // microseconds since 1970 UTC
	Body         []byte
}

// hotWindow is the list of hot batches of a log in order of seq, kept in memory because every search needs it. It is bounded by sealing.
type hotWindow struct {
	mu      sync.RWMutex
	batches []HotBatch
	// segments are the sealed files, in order of seq. They change together with batches, so a snapshot sees an event exactly once.
	segments []Segment
}

func (h *hotWindow) add(b ...HotBatch) {
	h.mu.Lock()
	h.batches = append(h.batches, b...)
	h.mu.Unlock()
}

// replace swaps hot batches for the segment that now holds them.
func (h *hotWindow) seal(s Segment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := sort.Search(len(h.batches), func(i int) bool { return h.batches[i].First >= s.First+s.Count })
	h.batches = append([]HotBatch(nil), h.batches[n:]...)
	if k := len(h.segments); k > 0 && h.segments[k-1].First >= s.First {
		return // it has been read from the database meanwhile
	}
	h.segments = append(append([]Segment(nil), h.segments...), s)
}

// takeUp adds the segments and batches of other processes to those that are there. segments are all that the database has.
func (h *hotWindow) takeUp(segments []Segment, batches []HotBatch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(segments) > len(h.segments) { // none is ever taken away
		h.segments = segments
	}
	end := h.end()
	var hot []HotBatch
	for _, b := range slices.Concat(h.batches, batches) {
		if b.First >= end {
			hot, end = append(hot, b), b.First+b.Count
		}
	}
	h.batches = hot
}

// end is the seq after the newest sealed event. The caller holds h.mu.
func (h *hotWindow) end() uint64 {
	if n := len(h.segments); n > 0 {
		return h.segments[n-1].First + h.segments[n-1].Count
	}
	return 0
}

// sealed is the seq after the newest sealed event.
func (h *hotWindow) sealed() int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return int64(h.end())
}

func (h *hotWindow) setSegments(s []Segment) {
	h.mu.Lock()
	h.segments = s
	h.mu.Unlock()
}

// events returns how many events the window holds.
func (h *hotWindow) events() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if len(h.batches) == 0 {
		return 0
	}
	last := &h.batches[len(h.batches)-1]
	return last.First + last.Count - h.batches[0].First
}

// view returns the batches and segments as they are now. Neither slice is ever changed in place.
func (h *hotWindow) view() ([]HotBatch, []Segment) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.batches[:len(h.batches):len(h.batches)], h.segments
}

// snapshot is what a query reads: everything before head.
func (t *tenant) snapshot(dir func(string) string, head uint64) query.Snapshot {
	batches, segments := t.hot.view()
	s := query.Snapshot{Log: t.logID, Head: head}
	seen := map[string]bool{}
	for _, g := range segments {
		if seen[g.WorkingPath] {
			continue
		}
		seen[g.WorkingPath] = true
		s.Segments = append(s.Segments, query.SegmentRef{Path: dir(g.WorkingPath), SHA256: g.WorkingSHA, Bytes: g.WorkingSize, First: g.WorkingFirst, Count: g.WorkingCount,
			MinRecorded: g.MinRecorded, MaxRecorded: g.MaxRecorded, MinOccurred: g.MinOccurred, MaxOccurred: g.MaxOccurred})
	}
	for _, b := range batches {
		s.Hot = append(s.Hot, query.HotBatch{First: b.First, Count: b.Count, Bytes: b.Body})
	}
	return s
}
