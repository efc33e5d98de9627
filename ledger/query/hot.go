package query

import (
	"encoding/binary"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/ledger/segment"
)

// hotCache keeps hot batches decoded. Batches are immutable, so an entry is right for as long as its key is listed.
type hotCache struct {
	max  int // rows
	mu   sync.Mutex
	rows int
	logs map[string]map[hotKey][]segment.Row
}

// hotKey identifies a batch: an erasure rewrites one in place, which changes its checksum.
type hotKey struct {
	first, count uint64
	crc          uint32
}

func newHotCache(max int) *hotCache {
	return &hotCache{max: max, logs: map[string]map[hotKey][]segment.Row{}}
}

func keyOf(b *HotBatch) hotKey {
	k := hotKey{first: b.First, count: b.Count}
	if n := len(b.Bytes); n >= 4 {
		k.crc = binary.LittleEndian.Uint32(b.Bytes[n-4:])
	}
	return k
}

// retain drops the batches of log that hot does not list, once there are more of them than hot lists.
func (c *hotCache) retain(log string, hot []HotBatch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.logs[log]
	if len(have) <= len(hot) { // nothing to win yet; a commit of its own per event makes many batches
		return
	}
	listed := make(map[hotKey]bool, len(hot))
	for i := range hot {
		listed[keyOf(&hot[i])] = true
	}
	for k, rows := range have {
		if !listed[k] {
			c.rows -= len(rows)
			delete(have, k)
		}
	}
	if len(have) == 0 {
		delete(c.logs, log)
	}
}

// get returns the rows of a batch. They are shared and MUST NOT be changed.
func (c *hotCache) get(log string, b *HotBatch) ([]segment.Row, error) {
	key := keyOf(b)
	c.mu.Lock()
	rows, ok := c.logs[log][key]
	c.mu.Unlock()
	if ok {
		return rows, nil
	}
	rows, err := segment.DecodeBatch(b.Bytes, nil)
	if n := len(rows); err == nil && n > 0 && (uint64(rows[0].Seq) < b.First || uint64(rows[n-1].Seq) >= b.First+b.Count) {
		err = errs.New(errs.Internal, "a hot batch does not hold the rows it is listed for")
	}
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "A recent batch of the log cannot be read.")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rows+len(rows) > c.max { // work on without remembering it
		return rows, nil
	}
	m := c.logs[log]
	if m == nil {
		m = map[hotKey][]segment.Row{}
		c.logs[log] = m
	}
	if _, ok := m[key]; !ok {
		m[key] = rows
		c.rows += len(rows)
	}
	return rows, nil
}
