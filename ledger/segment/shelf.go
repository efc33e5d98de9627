package segment

import "sync"

// shelf keeps one writer for the next caller. A sync.Pool would drop it at every second collection, and a block is sealed less often than that; the
// tens of MB that a writer grows to are not worth allocating per block.
type shelf[T any] struct {
	mu   sync.Mutex
	free *T
	make func() *T
}

// maxShelved is the size in bytes of the values' buffers beyond which a writer is let go rather than kept.
const maxShelved = 64 << 20

func newShelf[T any](make func() *T) *shelf[T] { return &shelf[T]{make: make} }

func (s *shelf[T]) get() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.free; w != nil {
		s.free = nil
		return w
	}
	return s.make()
}

func (s *shelf[T]) put(w *T, size int) {
	if size > maxShelved {
		return
	}
	s.mu.Lock()
	s.free = w
	s.mu.Unlock()
}
