package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"probity.dev/internal/evidence"
)

// dedupeWindow remembers the fingerprints of the newest events of a log, at least dedupeEvents of them, so that an event that was sent twice is recorded
// once. Only the committer touches it. What it holds is also in the table dedupe, which is where a start reads it from.
type dedupeWindow struct {
	mac  cipher.AEAD
	gens [dedupeGenerations]printSet // newest first
	// loaded is the seq up to which the window has been brought.
	loaded uint64
}

const (
	dedupeGenerations = 3
	generationEvents  = 5_000_000 // two full generations are always there: 10 million events at least
	dedupeEvents      = (dedupeGenerations - 1) * generationEvents
	dedupeBytes       = 16 // fingerprint and digest of an event in the table
)

func newDedupeWindow(key evidence.Hash) (*dedupeWindow, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	mac, err := cipher.NewGCM(block)
	return &dedupeWindow{mac: mac}, err
}

// fingerprint is 64 bits of AES-256-GMAC (NIST SP 800-38D) over b, with one nonce for all: a keyed universal hash, five times as fast as SHA-256. Fingerprints never
// leave the database, and whoever has not seen any cannot find two texts with the same one.
func (w *dedupeWindow) fingerprint(s *printScratch, b []byte) uint64 {
	return binary.BigEndian.Uint64(w.mac.Seal(s.tag[:0], s.nonce[:], nil, b))
}

// printScratch is memory that fingerprint would otherwise take from the heap.
type printScratch struct {
	nonce [12]byte // always zero
	tag   [16]byte
}

// find calls check with the seq of every event that may have this fingerprint, until check says that one has. Nearly always that is none or one.
func (w *dedupeWindow) find(print uint64, check func(seq uint64) (bool, error)) error {
	for i := range w.gens {
		if done, err := w.gens[i].find(print, check); done || err != nil {
			return err
		}
	}
	return nil
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

// printSet is an open-addressing map from fingerprint to seq without pointers, at most three quarters full. A slot takes 8 bytes: the upper half of the fingerprint
// as a tag, which also says where the slot is, and the seq. With five million entries, one look-up in a thousand meets a stranger with the same tag.
type printSet struct {
	base  uint64   // of seqs
	slots []uint64 // tag << 32 | seq - base + 1; 0 is an empty slot
	n     int
}

func (s *printSet) find(print uint64, check func(seq uint64) (bool, error)) (bool, error) {
	if s.n == 0 {
		return false, nil
	}
	mask := uint64(len(s.slots) - 1)
	for i := print >> 32 & mask; s.slots[i] != 0; i = (i + 1) & mask {
		if s.slots[i]>>32 == print>>32 {
			if done, err := check(s.base + s.slots[i]&0xffffffff - 1); done || err != nil {
				return done, err
			}
		}
	}
	return false, nil
}

func (s *printSet) put(print, seq uint64) {
	if s.n == 0 {
		s.base = seq
		s.slots = make([]uint64, 1024)
	}
	if 4*(s.n+1) > 3*len(s.slots) {
		s.grow()
	}
	s.insert(print>>32<<32 | (seq - s.base + 1))
	s.n++
}

func (s *printSet) insert(slot uint64) {
	mask := uint64(len(s.slots) - 1)
	i := slot >> 32 & mask
	for s.slots[i] != 0 {
		i = (i + 1) & mask
	}
	s.slots[i] = slot
}

func (s *printSet) grow() {
	old := s.slots
	s.slots = make([]uint64, 2*len(old))
	for _, slot := range old {
		if slot != 0 {
			s.insert(slot)
		}
	}
}
