package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"probity.dev/internal/errs"
)

// Cache holds copies of objects as local files named by the SHA-256 of their content, so that a copy can never stand for anything else. It keeps no other state: a copy is compared with
// its name when it is filled and again when it is first used after a start, since a machine that lost power may have kept half of it.
type Cache struct {
	dir string
	max int64

	mu      sync.Mutex
	copies  map[string]*cached
	total   int64
	tick    uint64
	filling map[string]*fill
	stats   CacheStats
}

// CacheStats are counts since the start, and the present size in bytes.
type CacheStats struct {
	Hits, Misses int64
	Bytes        int64
}

type cached struct {
	size    int64
	used    uint64
	checked bool
}

// fill is a copy on its way.
type fill struct {
	done chan struct{}
	err  error
}

// OpenCache returns a cache in a folder of its own, which is made when absent. It holds at most size bytes, besides what is being filled; copies that were used longest ago go first.
func OpenCache(dir string, size int64) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &Cache{dir: dir, max: size, copies: map[string]*cached{}, filling: map[string]*fill{}}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type old struct {
		name string
		at   time.Time
		size int64
	}
	var found []old
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || e.IsDir() {
			continue
		}
		if b, err := hex.DecodeString(e.Name()); err != nil || len(b) != sha256.Size {
			if strings.HasPrefix(e.Name(), tempPrefix) {
				os.Remove(filepath.Join(dir, e.Name()))
			}
			continue
		}
		found = append(found, old{e.Name(), st.ModTime(), st.Size()})
	}
	slices.SortFunc(found, func(a, b old) int { return a.at.Compare(b.at) })
	for _, f := range found {
		c.add(f.name, f.size, false)
	}
	return c, nil
}

// Limit is the size in bytes that the cache was opened with.
func (c *Cache) Limit() int64 { return c.max }

// Stats returns figures for monitoring.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Bytes = c.total
	return s
}

// add enters a copy and makes room. The caller holds mu, or is alone.
func (c *Cache) add(name string, size int64, checked bool) {
	c.drop(name, false)
	c.tick++
	c.copies[name] = &cached{size: size, used: c.tick, checked: checked}
	c.total += size
	for c.total > c.max {
		oldest := ""
		for n, e := range c.copies {
			if oldest == "" || e.used < c.copies[oldest].used {
				oldest = n
			}
		}
		c.drop(oldest, true)
	}
}

// drop forgets a copy. Who has the file open keeps reading it.
func (c *Cache) drop(name string, remove bool) {
	if e := c.copies[name]; e != nil {
		delete(c.copies, name)
		c.total -= e.size
		if remove {
			os.Remove(filepath.Join(c.dir, name))
		}
	}
}

// open returns the copy of an object of store, which is fetched when there is none, or when fresh.
func (c *Cache) open(ctx context.Context, store Store, r Ref, fresh bool) (*os.File, error) {
	if len(r.SHA256) != sha256.Size {
		return nil, errs.New(errs.Internal, "%s is to be read without a hash to compare it with", r.Name)
	}
	name := hex.EncodeToString(r.SHA256)
	for ctx.Err() == nil {
		c.mu.Lock()
		if e := c.copies[name]; e != nil && !fresh {
			c.tick++
			e.used = c.tick
			checked := e.checked
			c.stats.Hits++
			c.mu.Unlock()
			f, err := c.reopen(name, r, checked)
			if f != nil || err != nil {
				return f, err
			}
			continue // it was damaged, and is gone
		}
		if w := c.filling[name]; w != nil {
			c.mu.Unlock()
			select {
			case <-w.done:
				if w.err == nil {
					fresh = false // what has just come is as fresh as can be
				} else if !errors.Is(w.err, context.Canceled) {
					return nil, w.err
				}
			case <-ctx.Done():
			}
			continue
		}
		w := &fill{done: make(chan struct{})}
		c.filling[name] = w
		c.stats.Misses++
		c.mu.Unlock()
		f, err := c.fetch(ctx, store, r, name, fresh)
		w.err = err
		c.mu.Lock()
		delete(c.filling, name)
		c.mu.Unlock()
		close(w.done)
		return f, err
	}
	return nil, context.Cause(ctx)
}

// reopen opens a copy. A damaged one is dropped, and both results are nil.
func (c *Cache) reopen(name string, r Ref, checked bool) (*os.File, error) {
	path := filepath.Join(c.dir, name)
	f, err := os.Open(path)
	if err == nil && !checked {
		if err = compare(f, r); err != nil {
			f.Close()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.drop(name, true)
		return nil, nil
	}
	if e := c.copies[name]; e != nil {
		e.checked = true
	}
	now := time.Now()
	if err := os.Chtimes(path, now, now); err != nil && !errors.Is(err, os.ErrNotExist) { // the order of use, for the next start
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// fetch copies an object into the cache. One that is wanted fresh, to be verified, pushes out no other.
func (c *Cache) fetch(ctx context.Context, store Store, r Ref, name string, fresh bool) (_ *os.File, err error) {
	in, err := store.Open(ctx, r.Name, 0, -1)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	f, err := os.CreateTemp(c.dir, tempPrefix+"*")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			f.Close()
		}
	}()
	h := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(f, h), struct{ io.Reader }{io.LimitReader(in, r.Size+1)}, make([]byte, writeBuffer))
	if err != nil {
		return nil, err
	}
	if n != r.Size || string(h.Sum(nil)) != string(r.SHA256) {
		return nil, wrongContent(r)
	}
	c.mu.Lock()
	if fresh && c.copies[name] == nil && c.total+n > c.max {
		err = os.Remove(f.Name())
	} else if err = os.Rename(f.Name(), filepath.Join(c.dir, name)); err == nil {
		c.add(name, n, true)
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, err
}

// ErrContent is in the chain of errors about objects that do not hold what they should.
var ErrContent = errors.New("other content than was stored")

func wrongContent(r Ref) error {
	return errs.Wrap(errs.Internal, ErrContent, "%s does not read back as it was written", r.Name)
}

// compare reads an open file and compares size and hash with what it must hold.
func compare(f *os.File, r Ref) error {
	h := sha256.New()
	n, err := io.CopyBuffer(h, struct{ io.Reader }{f}, make([]byte, writeBuffer))
	if err != nil {
		return err
	}
	if n != r.Size || string(h.Sum(nil)) != string(r.SHA256) {
		return wrongContent(r)
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// Verify reads an object back from its store and compares size and hash. An error with ErrContent says that it holds something else.
func Verify(ctx context.Context, s Files, r Ref) error {
	f, err := s.File(ctx, r, true)
	if err != nil {
		return err
	}
	defer f.Close()
	return compare(f, r)
}

// Cached is a store with a cache of local files.
type Cached struct {
	Store
	cache *Cache
}

// NewCached puts a cache before a store. Several stores may share one cache.
func NewCached(s Store, c *Cache) *Cached { return &Cached{s, c} }

// File implements [Files].
func (c *Cached) File(ctx context.Context, r Ref, fresh bool) (*os.File, error) {
	return c.cache.open(ctx, c.Store, r, fresh)
}
