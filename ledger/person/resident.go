package person

import (
	"sync"
	"sync/atomic"

	"probity.dev/internal/evidence"
)

// resident keeps what entries of stored persons are made of, without pointers, for many more persons than there are entries: making one again takes a
// microsecond, reading and opening the record ten. A person's place follows from the number; who comes later takes it over. A million persons take some 90 MB, and
// from two million on it grows no more.
type resident struct {
	parts [residentParts]atomic.Pointer[residentPart]
}

const (
	residentParts = 2048
	residentSlots = 1024
)

type residentPart struct {
	mu    sync.Mutex
	slots [residentSlots]residentSlot
}

type residentSlot struct {
	number     uint32 // 0 is nobody
	unsaved    bool   // the place is not to be taken over: nothing else leads from the handle to the secret
	generation int16
	handle     int64
	// scope identifies a person who was read by identity. It is zero for others, who are found by handle only.
	scope          [lookupSize]byte
	secret         evidence.Hash
	display        uint64
	recent, digest uint64
}

// part returns the part with the place of a number, nil if nothing is there and none is to be made.
func (t *resident) part(number int64, add bool) *residentPart {
	p := &t.parts[uint64(number)/residentSlots%residentParts]
	if x := p.Load(); x != nil || !add {
		return x
	}
	p.CompareAndSwap(nil, &residentPart{})
	return p.Load()
}

// keep takes up a person, with the scope if it is known.
func (t *resident) keep(e *entry, scope [lookupSize]byte, unsaved bool) {
	p := t.part(e.number, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slots[e.number%residentSlots]
	if same := s.number == uint32(e.number); !same && s.unsaved || same && scope == ([lookupSize]byte{}) {
		return // of the same person more is known already
	}
	recent := e.recent.Load()
	*s = residentSlot{number: uint32(e.number), unsaved: unsaved, generation: int16(e.generation), handle: e.handle, scope: scope, secret: e.secret, display: e.display.Load(),
		recent: recent, digest: mixed(e.check.Load(), recent)}
}

// keepSecret takes up a stored person of whom nothing is at hand.
func (t *resident) keepSecret(number int64, r *record, secret *evidence.Hash) {
	p := t.part(number, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := &p.slots[number%residentSlots]; s.number != uint32(number) && !s.unsaved {
		*s = residentSlot{number: uint32(number), generation: int16(r.generation), handle: r.handle, secret: *secret}
	}
}

// used notes the profile used last, and display the name and e-mail last stored.
func (t *resident) used(number int64, digest, profile uint64) {
	t.change(number, func(s *residentSlot) { s.recent, s.digest = profile, digest })
}

func (t *resident) display(number int64, digest uint64) {
	t.change(number, func(s *residentSlot) { s.display = digest })
}

func (t *resident) change(number int64, fn func(*residentSlot)) {
	p := t.part(number, false)
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := &p.slots[number%residentSlots]; s.number == uint32(number) {
		fn(s)
	}
}

// drop forgets a person who is not to be stored after all.
func (t *resident) drop(number int64) {
	t.change(number, func(s *residentSlot) { *s = residentSlot{} })
}

// get returns what is kept of a person.
func (t *resident) get(number int64) (s residentSlot, ok bool) {
	p := t.part(number, false)
	if p == nil {
		return s, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s = p.slots[number%residentSlots]
	return s, s.number == uint32(number)
}

// secret returns the secret of the person with this number and handle.
func (t *resident) secret(number, handle int64) (secret evidence.Hash, ok bool) {
	p := t.part(number, false)
	if p == nil {
		return secret, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.slots[number%residentSlots]
	if s.number != uint32(number) || s.handle != handle {
		return secret, false
	}
	return s.secret, true
}

// entry makes an entry.
func (s *residentSlot) entry() *entry {
	e := &entry{handle: s.handle, number: int64(s.number), generation: int64(s.generation), secret: s.secret}
	e.display.Store(s.display)
	if s.recent != 0 {
		e.use(s.digest, int64(s.recent))
	}
	e.persisted.Store(true)
	return e
}
