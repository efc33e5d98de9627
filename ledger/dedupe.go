package ledger

import (
	"encoding/binary"

	"probity.dev/internal/evidence"
)

// dedupeWindow remembers the fingerprints of the newest events of a log, at least dedupeEvents of them, so that an event that was sent twice is recorded
// once. Only the committer touches it. What it holds is also in the table dedupe, which is where a start reads it from.
type dedupeWindow struct {
	key  evidence.Hash
	gens [dedupeGenerations]printSet // newest first
	// loaded is the log size up to which the window has been brought.
	loaded uint64
}

const (
	dedupeGenerations = 3
	generationEvents  = 5_000_000 // two full generations are always there: 10 million events at least
	dedupeEvents      = (dedupeGenerations - 1) * generationEvents
	dedupeBytes       = 16 // fingerprint and digest of an event in the table
)

func (w *dedupeWindow) find(print uint64) (seq uint64, ok bool) {
	for i := range w.gens {
		if seq, ok = w.gens[i].get(print); ok {
			return seq, true
		}
	}
	return 0, false
}

func (w *dedupeWindow) add(print, seq uint64) {
	if w.gens[0].n >= generationEvents {
		copy(w.gens[1:], w.gens[:])
		w.gens[0] = printSet{}
	}
	w.gens[0].put(print, seq)
}

// addBody adds the fingerprints of a stored row.
func (w *dedupeWindow) addBody(first uint64, body []byte) {
	for i := 0; i+dedupeBytes <= len(body); i += dedupeBytes {
		w.add(binary.BigEndian.Uint64(body[i:]), first+uint64(i/dedupeBytes))
	}
}

// printSet is an open-addressing map from fingerprint to seq without pointers: 12 bytes a slot, at most three quarters full.
type printSet struct {
	base uint64 // of seqs
	keys []uint64
	vals []uint32 // seq - base + 1; 0 is an empty slot
	n    int
}

func (s *printSet) get(print uint64) (uint64, bool) {
	if s.n == 0 {
		return 0, false
	}
	mask := uint64(len(s.keys) - 1)
	for i := print & mask; s.vals[i] != 0; i = (i + 1) & mask {
		if s.keys[i] == print {
			return s.base + uint64(s.vals[i]) - 1, true
		}
	}
	return 0, false
}

func (s *printSet) put(print, seq uint64) {
	if s.n == 0 {
		s.base = seq
	}
	if 4*(s.n+1) > 3*len(s.keys) {
		s.grow()
	}
	s.insert(print, uint32(seq-s.base+1))
	s.n++
}

func (s *printSet) insert(print uint64, val uint32) {
	mask := uint64(len(s.keys) - 1)
	i := print & mask
	for ; s.vals[i] != 0; i = (i + 1) & mask {
		if s.keys[i] == print {
			break
		}
	}
	s.keys[i], s.vals[i] = print, val
}

func (s *printSet) grow() {
	keys, vals := s.keys, s.vals
	size := max(1024, 2*len(keys))
	s.keys, s.vals = make([]uint64, size), make([]uint32, size)
	for i, v := range vals {
		if v != 0 {
			s.insert(keys[i], v)
		}
	}
}
