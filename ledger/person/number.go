package person

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// maxNumber bounds the numbers of persons, so that one and a digest fit into a word of the index.
const maxNumber = 1<<32 - 1

// handles turns a person's number into a handle and back. A handle is the encryption of 20 random bits, drawn at each start, and the number: to all
// who lack the directory's key it is a random number below 2^52, which every JSON reader keeps exact. The random bits keep a handle from meaning
// two persons after an older copy of the database has been restored and has given its numbers again.
//
// The cipher is a balanced Feistel network of four rounds over two halves of 26 bits, whose round function is AES-256: a pseudo-random
// permutation (Luby and Rackoff), which need not resist anybody who may choose the numbers.
type handles struct {
	block cipher.Block
	salt  uint64
}

const (
	halfBits   = 26
	halfMask   = 1<<halfBits - 1
	handleBits = 2 * halfBits
	rounds     = 4
)

func newHandles(directory evidence.Hash) (h handles, err error) {
	key := evidence.HMAC(&directory, []byte("probity/handle/v1"))
	if h.block, err = aes.NewCipher(key[:]); err != nil {
		return h, err
	}
	var b [8]byte
	rand.Read(b[:]) //nolint:errcheck // never fails
	h.salt = binary.BigEndian.Uint64(b[:]) >> 44
	return h, nil
}

// of returns the handle of a number; zero, once in four quadrillions, means that the number must not be used.
func (h *handles) of(number int64) int64 {
	x := h.salt<<32 | uint64(number)
	l, r := x>>halfBits, x&halfMask
	buf := make([]byte, aes.BlockSize)
	for i := range rounds {
		l, r = r, l^h.round(buf, i, r)
	}
	return int64(l<<halfBits | r)
}

// number returns the number in a handle. Whether the person has just this handle is for their record to say.
func (h *handles) number(handle int64) (int64, bool) {
	if !validHandle(handle) {
		return 0, false
	}
	return h.numberIn(make([]byte, aes.BlockSize), handle), true
}

func validHandle(handle int64) bool { return handle > 0 && handle < 1<<handleBits }

// numberIn is number of what is known to be in the range of handles, with a block of memory to work in.
func (h *handles) numberIn(buf []byte, handle int64) int64 {
	l, r := uint64(handle)>>halfBits, uint64(handle)&halfMask
	for i := rounds - 1; i >= 0; i-- {
		l, r = r^h.round(buf, i, l), l
	}
	return int64((l<<halfBits | r) & maxNumber)
}

// Numbers remembers the numbers of the handles that one goroutine asked for last: rows that follow one another name the same persons, each several times. It is not safe for concurrent use.
type Numbers struct {
	h     *handles
	block [aes.BlockSize]byte
	slots [4096]struct{ handle, number int64 }
}

// Numbers returns a memory of numbers of handles, of 64 KiB.
func (d *Directory) Numbers() *Numbers { return &Numbers{h: &d.handles} }

// of is [handles.number].
func (m *Numbers) of(handle int64) (int64, bool) {
	if !validHandle(handle) {
		return 0, false
	}
	s := &m.slots[handle%int64(len(m.slots))]
	if s.handle != handle {
		s.handle, s.number = handle, m.h.numberIn(m.block[:], handle)
	}
	return s.number, true
}

func (h *handles) round(buf []byte, i int, half uint64) uint64 {
	clear(buf)
	buf[0] = byte(i)
	binary.BigEndian.PutUint64(buf[8:], half)
	h.block.Encrypt(buf, buf)
	return binary.BigEndian.Uint64(buf) & halfMask
}

// block is a run of numbers, at most those of one page.
type block struct{ next, end int64 }

// sequence hands out numbers in runs, so that what one batch brings fills pages of its own; what a batch leaves of a run is the next batch's. Small batches share a run
// number by number: dozens of them are committed together, and would otherwise each rewrite a page.
type sequence struct {
	mu    sync.Mutex
	width int64 // numbers of a page
	next  int64
	spare []block
	// reserve, when not nil, gets runs of pages that no other process gets; those from next to end are left.
	reserve func(pages int64) (first int64, err error)
	end     int64
	// shared is the run of small batches.
	shared block
}

// reservedPages is how many pages a process takes at once from those of a shared database.
const reservedPages = 64

// take returns the next number of b, which gets another run when it has none left.
func (s *sequence) take(b *block, small bool) (int64, error) {
	if small {
		s.mu.Lock()
		defer s.mu.Unlock()
		b = &s.shared
	}
	if b.next == b.end {
		if !small {
			s.mu.Lock()
			defer s.mu.Unlock()
		}
		if n := len(s.spare); n > 0 {
			*b, s.spare = s.spare[n-1], s.spare[:n-1]
		} else if err := s.advance(b); err != nil {
			return 0, err
		}
	}
	b.next++
	return b.next - 1, nil
}

// advance gives b the numbers of a new page. The caller holds s.mu.
func (s *sequence) advance(b *block) error {
	if s.reserve != nil && s.next == s.end {
		first, err := s.reserve(reservedPages)
		if err != nil {
			return err
		}
		s.next, s.end = first*s.width, (first+reservedPages)*s.width
	}
	if s.next+s.width > maxNumber {
		return errs.New(errs.Unavailable, "the directory of persons is full")
	}
	*b = block{s.next, s.next + s.width}
	s.next += s.width
	return nil
}

// giveBack leaves what is left of a run to others.
func (s *sequence) giveBack(b *block) {
	if b.next < b.end {
		s.mu.Lock()
		s.spare = append(s.spare, *b)
		s.mu.Unlock()
	}
	*b = block{}
}

// after makes a sequence of the numbers that a table does not have yet. The first page stays empty: a number is never 0, nor that of a later profile 1.
func (s *sequence) after(ctx context.Context, q queryer, tenant int64, t *pageTable) error {
	last, err := t.last(ctx, q, tenant)
	s.width, s.next = t.width, max(last+1, 1)*t.width
	s.end = s.next
	return err
}
