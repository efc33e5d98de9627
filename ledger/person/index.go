package person

import (
	"context"
	"database/sql"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"probity.dev/internal/sqldb"
)

// index leads from blind indexes to the numbers of persons, without certainty: it keeps a part of each hash, and the person's record decides. It has no pointers that
// grow with the persons, so the garbage collector has nothing to look through.
type index struct {
	mu sync.RWMutex
	// scopes leads from the scope of an identifier to its person.
	scopes [indexParts]numberTable
	// lookups has, for each identifier and e-mail, 32 bits of its look-up and 32 of the number, in order of arrival. It is searched from end to end, which takes
	// a millisecond for a million: only people ask for it.
	lookups [][]uint64

	rows  atomic.Int64 // number of the newest row of the table person_identifier, those that are being written included
	read  atomic.Int64 // number of the newest row that is here
	small atomic.Int64 // rows that Compact may join
}

const (
	indexParts   = 64
	lookupsChunk = 8192
	// The table person_identifier (tenant_no, no, body) holds entries of 16 bytes: scope (8; zero for an e-mail), the first 4 bytes of the look-up, number (4).
	indexEntry = 16
	indexRow   = 500 * indexEntry // just below what a database page takes
)

// numberTable is an open-addressing hash table of words: 32 bits of a digest, 32 bits of a number. It grows by halves, so between half and three
// quarters of it are in use.
type numberTable struct {
	slots []uint64
	used  int
}

func (t *numberTable) add(tag uint32, number uint32) {
	if t.used >= len(t.slots)/4*3 {
		old := t.slots
		t.slots = make([]uint64, max(64, len(old)/2*3))
		for _, w := range old {
			if w != 0 {
				t.put(w)
			}
		}
	}
	if t.put(uint64(tag)<<32 | uint64(number)) {
		t.used++
	}
}

// start is where the search for a tag begins.
func (t *numberTable) start(tag uint32) int { return int(uint64(tag) * uint64(len(t.slots)) >> 32) }

func (t *numberTable) put(w uint64) bool {
	for i := t.start(uint32(w >> 32)); ; i++ {
		if i == len(t.slots) {
			i = 0
		}
		switch t.slots[i] {
		case 0:
			t.slots[i] = w
			return true
		case w:
			return false
		}
	}
}

func (t *numberTable) find(tag uint32, dst []int64) []int64 {
	if len(t.slots) == 0 {
		return dst
	}
	for i := t.start(tag); ; i++ {
		if i == len(t.slots) {
			i = 0
		}
		w := t.slots[i]
		if w == 0 {
			return dst
		}
		if uint32(w>>32) == tag {
			dst = append(dst, int64(uint32(w)))
		}
	}
}

// add takes up entries of the table.
func (x *index) add(entries []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for ; len(entries) >= indexEntry; entries = entries[indexEntry:] {
		number := int64(binary.BigEndian.Uint32(entries[12:]))
		if scope := binary.BigEndian.Uint64(entries); scope != 0 {
			x.addScope(scope, number)
		}
		x.addLookup(binary.BigEndian.Uint32(entries[8:]), number)
	}
}

func (x *index) addAlias(number int64, alias [lookupSize]byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.addLookup(binary.BigEndian.Uint32(alias[:]), number)
}

func (x *index) addScope(scope uint64, number int64) {
	x.scopes[scope>>58].add(uint32(scope), uint32(number))
}

func (x *index) addLookup(lookup uint32, number int64) {
	n := len(x.lookups)
	if n == 0 || len(x.lookups[n-1]) == cap(x.lookups[n-1]) {
		x.lookups = append(x.lookups, make([]uint64, 0, lookupsChunk))
		n++
	}
	x.lookups[n-1] = append(x.lookups[n-1], uint64(lookup)<<32|uint64(number))
}

// byScope appends the numbers of the persons who may have this scope.
func (x *index) byScope(scope [8]byte, dst []int64) []int64 {
	s := binary.BigEndian.Uint64(scope[:])
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.scopes[s>>58].find(uint32(s), dst)
}

// byLookup returns the numbers of up to limit persons who may have one of two look-ups.
func (x *index) byLookup(a, b [lookupSize]byte, limit int) (out []int64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	p, q := binary.BigEndian.Uint32(a[:]), binary.BigEndian.Uint32(b[:])
	for _, chunk := range x.lookups {
		for _, w := range chunk {
			if l := uint32(w >> 32); l == p || l == q {
				if out = append(out, int64(uint32(w))); len(out) == limit {
					return out
				}
			}
		}
	}
	return out
}

// entries appends the entries of a record that go into the table.
func appendEntries(dst []byte, number int64, r *record) []byte {
	for l := r.lookups; len(l) >= lookupSize; l = l[lookupSize:] {
		scope := r.scope
		if len(l) < len(r.lookups) {
			scope = [8]byte{}
		}
		dst = appendEntry(dst, scope, l, number)
	}
	return dst
}

func appendEntry(dst []byte, scope [8]byte, lookup []byte, number int64) []byte {
	return binary.BigEndian.AppendUint32(append(append(dst, scope[:]...), lookup[:4]...), uint32(number))
}

// load reads what the table has beyond what was read before, and calls seen, unless it is nil, with each row.
func (x *index) load(ctx context.Context, q queryer, tenant int64, seen func(body []byte)) error {
	rows, err := q.QueryContext(ctx, `SELECT no, body FROM person_identifier WHERE tenant_no = $1 AND no > $2 ORDER BY no`, tenant, x.read.Load())
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var no int64
		var body sql.RawBytes
		if err := rows.Scan(&no, &body); err != nil {
			return sqldb.Translate(err)
		}
		x.rows.Store(no)
		x.read.Store(no)
		if len(body) < indexRow/2 {
			x.small.Add(1)
		}
		x.add(body)
		if seen != nil {
			seen(body)
		}
	}
	return sqldb.Translate(rows.Err())
}
