package person

import (
	"context"
	"slices"
	"sync"
)

// Reading reads many persons for one long work, such as an export or the verification of a log. Beside what the directory keeps, it keeps the pages that it has
// read, sealed as they are stored, so that a page is read once and not once for each of its persons; and once it has read many, it reads those that lie
// beside each other at once. It sees a page as it was when it was first read, so a person who is erased meanwhile may still be shown by the work under
// way; one who was added meanwhile is not found by it, and is for the directory itself to find. It is safe for concurrent use.
type Reading struct {
	d                 *Directory
	persons, profiles keptPages
	ahead             ahead
}

// Read begins a reading. It takes no memory before it is used, and at most 192 MiB for each of
// the two tables, of which that of later profiles is small.
func (d *Directory) Read() *Reading {
	return &Reading{d: d, persons: keptPages{table: &d.personTable, seq: &d.newPersons, limit: keptBytes, aheadFrom: aheadFrom},
		profiles: keptPages{table: &d.profileTable, seq: &d.newProfiles, limit: keptBytes, aheadFrom: aheadFrom},
		ahead:    ahead{from: aheadAsked, most: aheadMost}}
}

const (
	keptBytes = 96 << 20 // of a generation of one table's pages; both hold some 750,000 persons
	aheadFrom = 1_000    // pages asked for, after which it is clear that the work is a long one
	aheadRun  = 128      // pages read at once from then on
)

// keptPages are the pages of one table that a reading has met, in two generations like those of a cache.
type keptPages struct {
	table            *pageTable
	seq              *sequence
	limit, aheadFrom int // keptBytes and aheadFrom, but for tests

	mu         sync.RWMutex
	young, old map[int64][]byte // nil for a page that is not stored
	bytes      int              // of young
	asked      int              // pages that were not there
	size, read int64            // of all pages read so far, for their average
}

// get calls yield with those of the pages that are stored; pages is in ascending order. The bodies may be kept.
func (k *keptPages) get(ctx context.Context, d *Directory, pages []int64, yield func(page int64, body []byte) error) error {
	bodies := make([][]byte, len(pages))
	var miss []int64
	k.mu.RLock()
	for i, p := range pages {
		var ok bool
		if bodies[i], ok = k.find(p); !ok {
			miss = append(miss, p)
		}
	}
	k.mu.RUnlock()
	if len(miss) > 0 {
		k.mu.Lock()
		err := k.fetch(ctx, d, miss)
		for i, p := range pages {
			if bodies[i] == nil {
				bodies[i], _ = k.find(p)
			}
		}
		k.mu.Unlock()
		if err != nil {
			return err
		}
	}
	for i, body := range bodies {
		if body == nil {
			continue
		}
		if err := yield(pages[i], body); err != nil {
			return err
		}
	}
	return nil
}

func (k *keptPages) find(page int64) (body []byte, ok bool) {
	if body, ok = k.young[page]; !ok {
		body, ok = k.old[page]
	}
	return body, ok
}

// fetch reads pages that were not there a moment ago. They are there afterwards. The caller holds the lock.
func (k *keptPages) fetch(ctx context.Context, d *Directory, miss []int64) error {
	if k.bytes > k.limit {
		k.old, k.young, k.bytes = k.young, nil, 0
	}
	if k.young == nil {
		k.young = map[int64][]byte{}
	}
	k.asked += len(miss)
	if k.asked >= k.aheadFrom && k.fits() {
		return k.fetchRuns(ctx, d, miss)
	}
	err := k.table.read(ctx, d.db.Read(ctx), d.no, miss, func(page int64, body []byte) error {
		k.keep(page, slices.Clone(body))
		return nil
	})
	if err != nil {
		return err
	}
	for _, p := range miss {
		if _, ok := k.young[p]; !ok {
			k.young[p] = nil
		}
	}
	return nil
}

// fits reports whether the whole table is likely to fit, so that reading ahead pushes out nothing.
func (k *keptPages) fits() bool {
	k.seq.mu.Lock()
	pages := k.seq.next / k.table.width
	k.seq.mu.Unlock()
	return k.read > 0 && k.size/k.read*pages <= 2*int64(k.limit)
}

// fetchRuns reads the runs of pages in which the missing ones lie.
func (k *keptPages) fetchRuns(ctx context.Context, d *Directory, miss []int64) error {
	for _, p := range miss {
		if _, ok := k.find(p); ok {
			continue
		}
		from := p / aheadRun * aheadRun
		err := k.table.query(ctx, d.db.Read(ctx), ` AND page >= $2 AND page < $3`, []any{d.no, from, from + aheadRun}, func(page int64, body []byte) error {
			if _, ok := k.find(page); !ok {
				k.keep(page, slices.Clone(body))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for q := from; q < from+aheadRun; q++ {
			if _, ok := k.find(q); !ok {
				k.young[q] = nil
			}
		}
	}
	return nil
}

func (k *keptPages) keep(page int64, body []byte) {
	k.young[page] = body
	k.bytes += len(body)
	k.size += int64(len(body))
	k.read++
}

// Warm is [Directory.Warm] for the reading.
func (r *Reading) Warm(ctx context.Context, want []Wanted) error {
	persons, profiles := r.d.wanting(want)
	if err := r.d.warmPersons(persons, func(pages []int64, yield func(int64, []byte) error) error {
		return r.persons.get(ctx, r.d, pages, yield)
	}); err != nil {
		return err
	}
	return r.d.warmProfiles(ctx, profiles, func(pages []int64, yield func(int64, []byte) error) error {
		return r.profiles.get(ctx, r.d, pages, yield)
	})
}
