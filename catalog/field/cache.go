package field

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// cacheSlots bounds the cache: at most this many decisions are remembered, about 4 MiB with long names.
const cacheSlots = 1 << 14

// ways is the number of places an entry may be in.
const ways = 4

// cache remembers what names were decided to mean. It is a fixed table of atomically replaced entries: readers never wait, an
// entry that hashes to a full place replaces another, and a lost race costs one more decision.
type cache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cacheEntry]
}

type cacheEntry struct {
	action, path, member string
	decision             decision
}

func newCache() *cache { return &cache{seed: maphash.MakeSeed()} }

func (c *cache) place(action, path, member string) uint64 {
	h := maphash.String(c.seed, path)
	h ^= maphash.String(c.seed, action) * 0x9e3779b97f4a7c15
	if member != "" {
		h ^= maphash.String(c.seed, member) * 0xc2b2ae3d27d4eb4f
	}
	h ^= h >> 32
	return h & (cacheSlots - 1)
}

func (e *cacheEntry) is(action, path, member string) bool {
	return e != nil && e.path == path && e.action == action && e.member == member
}

// get returns the remembered decision, and the place to put a new one.
func (c *cache) get(action, path, member string) (*cacheEntry, uint64) {
	at := c.place(action, path, member)
	for i := range uint64(ways) {
		if e := c.slots[at^i].Load(); e.is(action, path, member) {
			return e, at
		}
	}
	return nil, at
}

// put remembers a decision. Names are copied, since they may be parts of a large request.
func (c *cache) put(at uint64, action, path, member string, d decision) {
	if len(action)+len(path)+len(member) > 384 {
		return
	}
	e := &cacheEntry{strings.Clone(action), strings.Clone(path), strings.Clone(member), d}
	for i := range uint64(ways) {
		if c.slots[at^i].CompareAndSwap(nil, e) {
			return
		}
	}
	c.slots[at].Store(e)
}
