package query

import (
	"errors"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/ledger/segment"
)

// fileCache keeps working files open, because reading a footer takes as long as answering many a search. A file is closed when nobody uses it and
// either newer snapshots of its log no longer list it or more than max are open.
type fileCache struct {
	max   int
	load  func(*SegmentRef) (*segment.Working, error)
	mu    sync.Mutex
	files map[string]*cachedFile
	tick  uint64
}

type cachedFile struct {
	log   string
	refs  int
	used  uint64
	ready sync.Once
	w     *segment.Working
	err   error
}

func newFileCache(max int, load func(*SegmentRef) (*segment.Working, error)) *fileCache {
	return &fileCache{max: max, load: load, files: map[string]*cachedFile{}}
}

// open returns the file of a segment and a function that gives it back.
func (c *fileCache) open(log string, ref *SegmentRef) (*segment.Working, func(), error) {
	path := ref.Path
	c.mu.Lock()
	if c.files == nil {
		c.mu.Unlock()
		return nil, nil, errClosed
	}
	f, ok := c.files[path]
	if !ok {
		f = &cachedFile{log: log}
		c.files[path] = f
		c.shrink()
	}
	c.tick++
	f.refs, f.used = f.refs+1, c.tick
	c.mu.Unlock()

	f.ready.Do(func() { f.w, f.err = c.load(ref) })
	if f.err != nil {
		err := f.err
		c.mu.Lock()
		if c.files[path] == f { // let the next search try again
			delete(c.files, path)
		}
		c.mu.Unlock()
		return nil, nil, damaged(err)
	}
	return f.w, func() { c.release(path, f) }, nil
}

func (c *fileCache) release(path string, f *cachedFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.refs--
	if f.refs == 0 && c.files[path] != f { // dropped meanwhile
		f.w.Close()
	}
}

// retain drops the files of log that a newer snapshot does not list any more, once there are more of them than it lists.
func (c *fileCache) retain(log string, segments []SegmentRef) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, f := range c.files {
		if f.log == log {
			n++
		}
	}
	if n <= len(segments) {
		return
	}
	listed := make(map[string]bool, len(segments))
	for i := range segments {
		listed[segments[i].Path] = true
	}
	for p, f := range c.files {
		if f.log == log && !listed[p] {
			c.drop(p, f)
		}
	}
}

func (c *fileCache) drop(path string, f *cachedFile) {
	delete(c.files, path)
	if f.refs == 0 && f.w != nil {
		f.w.Close()
	}
}

// shrink drops unused files, longest unused first, until at most max remain.
func (c *fileCache) shrink() {
	for len(c.files) > c.max {
		var oldest string
		var at *cachedFile
		for p, f := range c.files {
			if f.refs == 0 && f.used > 0 && (at == nil || f.used < at.used) {
				oldest, at = p, f
			}
		}
		if at == nil {
			return
		}
		c.drop(oldest, at)
	}
}

func (c *fileCache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, f := range c.files {
		c.drop(p, f)
	}
	c.files = nil
}

var errClosed = errs.New(errs.Unavailable, "The search engine is shutting down.")

// damaged wraps what reading a file came up against; the cause names the file.
func damaged(err error) error {
	var e *errs.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return errs.Wrap(errs.Internal, err, "A sealed file of the log cannot be read.")
}
