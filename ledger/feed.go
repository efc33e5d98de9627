package ledger

import "sync"

// feed wakes whoever waits for a log to grow or to be published. It carries no data: a waiter looks for itself, so a slow one holds nothing up.
type feed struct {
	mu     sync.Mutex
	wake   map[string]chan struct{}
	closed bool
}

// wait returns a channel that is closed at the next change of the log. Ask for it before looking at the state.
func (f *feed) wait(logID string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wake == nil {
		f.wake = map[string]chan struct{}{}
	}
	c, ok := f.wake[logID]
	if !ok {
		c = make(chan struct{})
		f.wake[logID] = c
	}
	if f.closed && !ok {
		close(c)
	}
	return c
}

func (f *feed) notify(logID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c, ok := f.wake[logID]; ok && !f.closed {
		close(c)
		delete(f.wake, logID)
	}
}

// close wakes everybody for good.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, c := range f.wake {
		close(c)
	}
	f.wake = map[string]chan struct{}{}
}
