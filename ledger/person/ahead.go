package person

import (
	"context"
	"sync"

	"probity.dev/internal/evidence"
)

// ahead is what the openers of a [Reading] know of the persons who were opened before anybody asked for them. A page of the directory is read in any case for one of the persons on it, and a long
// reading comes to nearly all; opened together they take half of the time.
type ahead struct {
	mu    sync.Mutex
	asked int // persons, so far
	runs  map[int64]bool
	// from and most are aheadAsked and aheadMost, but for tests.
	from, most int
}

const (
	aheadAsked = 2_000   // persons asked for, after which it is clear that the reading is a long one
	aheadMost  = 1 << 19 // numbers of persons, not all of which are given, more than which the caller is not expected to remember
)

// Ahead opens the persons who are stored near those wanted, once in a reading, if that is a long one and the directory not too large for the caller to remember everybody. It yields each with the
// body of their first profile, nil when they have none; neither may be kept. Whom it cannot open it leaves out: [Opener.Read] says what is wrong. It reports whether there are persons whom it, or
// another opener of the reading, has yielded since this was asked last.
func (o *Opener) Ahead(ctx context.Context, want []Wanted, yield func(handle int64, secret *evidence.Hash, profile []byte)) (news bool, err error) {
	a := &o.r.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asked += len(want); a.asked < a.from || o.d.persons() > int64(a.most) {
		return false, nil
	}
	if a.runs == nil {
		a.runs = map[int64]bool{}
	}
	for _, w := range want {
		if !validHandle(w.Handle) {
			continue
		}
		if run := o.d.handles.numberIn(o.block, w.Handle) / (personsPerPage * aheadRun); !a.runs[run] {
			a.runs[run] = true
			if err := o.openRun(ctx, run, yield); err != nil {
				return false, err
			}
		}
	}
	news, o.runs = len(a.runs) > o.runs, len(a.runs)
	return news, nil
}

// persons is how many the directory has at most: on some pages there is room left.
func (d *Directory) persons() int64 {
	d.newPersons.mu.Lock()
	defer d.newPersons.mu.Unlock()
	return d.newPersons.next
}

// openRun yields the persons of a run of pages.
func (o *Opener) openRun(ctx context.Context, run int64, yield func(handle int64, secret *evidence.Hash, profile []byte)) error {
	s := o.d.sealer()
	defer o.d.sealers.Put(s)
	o.begin()
	from := run * aheadRun
	err := o.d.personTable.query(ctx, o.d.db.Read(ctx), ` AND page >= $2 AND page < $3`, []any{o.d.no, from, from + aheadRun}, func(page int64, body []byte) error {
		// What is damaged is left to whoever needs it.
		_ = o.d.personTable.items(page, body, func(n numbered) error {
			if r, err := parseRecord(n.body); err == nil && len(r.secret) > 0 && validHandle(r.handle) && o.d.handles.numberIn(o.block, r.handle) == n.number {
				if secret, err := s.openSecret(&r); err == nil {
					o.add(-1, r.handle, &secret, r.base)
				}
			}
			return nil
		})
		return nil
	})
	if err != nil {
		return err
	}
	return o.openFirst(s, func(p *openerPerson, profile []byte, err error) error {
		if err == nil {
			yield(p.handle, &p.secret, profile)
		}
		return nil
	})
}
