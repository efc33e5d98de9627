package person

import (
	"context"
	"slices"
	"sync/atomic"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// Sift remembers for a search which profiles are worth opening: each is looked at once, however many events refer to it, and takes two bits. It is safe for
// concurrent use.
//
// Profiles are read page by page, and everybody on a page is looked at, because the next events will name them: a page costs as much as opening ten of its persons.
type Sift struct {
	d *Directory
	// may says whether the body of a profile is worth opening.
	may func(handle int64, body []byte) bool
	// Two bits for each number, the second of which counts when the first is set. Of a number beyond the end, which was given later, everything is worth opening.
	persons, profiles []atomic.Uint64
}

// Words of Sift hold the items of two pages.
const siftPerWord = 32

// Sift returns a sieve for the profiles that are stored now. may must be safe for concurrent use. It is asked about others' profiles too, with
// other fields perhaps than it expects.
//
// texts, when not nil, says in which first profiles the text occurs for whose sake others are worth opening: profiles where it does not occur are not looked at, and with all those where it
// does are worth opening without a look.
func (d *Directory) Sift(may func(handle int64, body []byte) bool, texts *Texts, all bool) *Sift {
	words := func(s *sequence) []atomic.Uint64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return make([]atomic.Uint64, s.next/siftPerWord+1)
	}
	s := &Sift{d: d, may: may, persons: words(&d.newPersons), profiles: words(&d.newProfiles)}
	if texts == nil {
		return s
	}
	for i, b := range texts.bits[:min(len(texts.bits), len(s.persons))] {
		if !all {
			const first = 0x5555555555555555
			may := b >> 1 & first
			b &^= may | may<<1
		}
		s.persons[i].Store(b)
	}
	return s
}

// May reports whether a profile is worth opening, as far as that is known.
func (s *Sift) May(numbers *Numbers, handle, profile int64) (may, known bool) {
	bits, n := s.profiles, profile
	if profile == FirstProfile {
		var ok bool
		bits = s.persons
		if n, ok = numbers.of(handle); !ok {
			return false, true // nobody has this handle
		}
	}
	if n < 0 || n/siftPerWord >= int64(len(bits)) {
		return true, true
	}
	b := bits[n/siftPerWord].Load() >> (2 * (n % siftPerWord))
	return b&2 != 0, b&1 != 0
}

func setSift(bits []atomic.Uint64, n int64, may bool) {
	b := uint64(1)
	if may {
		b = 3
	}
	if n >= 0 && n/siftPerWord < int64(len(bits)) {
		bits[n/siftPerWord].Or(b << (2 * (n % siftPerWord)))
	}
}

// Read looks at profiles. What cannot be read is worth opening, so that whoever opens it says what is wrong; of what was erased nothing is.
func (s *Sift) Read(ctx context.Context, want []Wanted) error {
	first := map[int64]int64{} // handle by number
	later := map[int64]int64{}
	for _, w := range want {
		if w.Profile != FirstProfile {
			later[w.Profile] = w.Handle
		} else if n, ok := s.d.handles.number(w.Handle); ok {
			first[n] = w.Handle
		}
	}
	if err := s.readPersons(ctx, first); err != nil {
		return err
	}
	return s.readProfiles(ctx, later)
}

func (s *Sift) readPersons(ctx context.Context, want map[int64]int64) error {
	if len(want) == 0 {
		return nil
	}
	d := s.d
	p := d.peeker()
	defer p.release()
	err := d.pages(ctx, &d.personTable, want, func(page int64, body []byte) {
		p.reset()
		damaged := d.personTable.items(page, body, func(n numbered) error {
			s.collect(p, n)
			return nil
		})
		p.each(func(number int64, r *record, key *evidence.Hash) {
			setSift(s.persons, number, s.mayPerson(p, r, key))
		})
		if damaged != nil {
			for n := range want {
				if n/personsPerPage == page {
					setSift(s.persons, n, true)
				}
			}
		}
	})
	if err != nil {
		return err
	}
	for n := range want { // who is not there, or has no profile
		setSift(s.persons, n, false)
	}
	return nil
}

// collect adds a stored person to those whose profile is to be looked at, unless that is decided.
func (s *Sift) collect(p *peeker, n numbered) {
	r, err := parseRecord(n.body)
	var secret evidence.Hash
	if err == nil {
		secret, err = s.d.secretOf(p.sealer, n.number, &r)
	}
	switch {
	case err == nil:
		p.add(n.number, &r, &secret)
	case errs.CodeOf(err) != errs.NotFound:
		setSift(s.persons, n.number, true)
	}
}

// mayPerson looks at the first profile of a person.
func (s *Sift) mayPerson(p *peeker, r *record, key *evidence.Hash) bool {
	plain, ok := p.peek(key, r.base)
	in := reader{b: plain}
	for range 4 {
		in.blob()
	}
	kept := in.bytes(1)
	if !ok || in.bad {
		return true
	}
	return kept[0] != 0 && s.may(r.handle, in.b)
}

func (s *Sift) readProfiles(ctx context.Context, want map[int64]int64) error {
	if len(want) == 0 {
		return nil
	}
	d := s.d
	var owners []Wanted
	for _, h := range want {
		owners = append(owners, Wanted{Handle: h})
	}
	if err := d.WarmSecrets(ctx, owners); err != nil {
		return err
	}
	p := d.peeker()
	defer p.release()
	may := make(map[int64]bool, len(want))
	sealed := map[int64][]byte{}
	err := d.pages(ctx, &d.profileTable, want, func(page int64, body []byte) {
		damaged := d.profileTable.items(page, body, func(n numbered) error {
			if want[n.number] != 0 {
				sealed[n.number] = slices.Clone(n.body)
			}
			return nil
		})
		if damaged != nil {
			for n := range want {
				may[n] = may[n] || n/profilesPerPage == page
			}
		}
	})
	if err != nil {
		return err
	}
	for n, h := range want {
		if body := sealed[n]; body != nil && !may[n] {
			may[n] = s.mayProfile(ctx, p, h, body)
		}
		setSift(s.profiles, n, may[n])
	}
	return nil
}

func (s *Sift) mayProfile(ctx context.Context, p *peeker, handle int64, sealed []byte) bool {
	secret, err := s.d.Secret(ctx, handle)
	if err != nil {
		return errs.CodeOf(err) != errs.NotFound
	}
	key := personKey(&secret)
	plain, ok := p.peek(&key, sealed)
	return !ok || s.may(handle, plain)
}

// pages yields the stored pages of items.
func (d *Directory) pages(ctx context.Context, t *pageTable, items map[int64]int64, yield func(page int64, body []byte)) error {
	pages := make([]int64, 0, len(items))
	for n := range items {
		pages = append(pages, n/t.width)
	}
	slices.Sort(pages)
	return t.read(ctx, d.db.Read(ctx), d.no, slices.Compact(pages), func(page int64, body []byte) error {
		yield(page, body)
		return nil
	})
}

// secretOf returns the secret of a record, from memory when it is there.
func (d *Directory) secretOf(s *sealer, number int64, r *record) (evidence.Hash, error) {
	if len(r.secret) != 0 {
		if secret, ok := d.resident.secret(number, r.handle); ok {
			return secret, nil
		}
	}
	return d.opened(s, number, r)
}

// KnownSecret returns the secret of a person if it is in memory.
func (d *Directory) KnownSecret(numbers *Numbers, handle int64) (secret evidence.Hash, ok bool) {
	n, ok := numbers.of(handle)
	if !ok {
		return secret, false
	}
	return d.resident.secret(n, handle)
}

// WarmSecrets reads into memory the secrets of persons, and of those beside whom they are stored. What does not exist or is damaged stays away.
func (d *Directory) WarmSecrets(ctx context.Context, want []Wanted) error {
	miss := map[int64]int64{}
	for _, w := range want {
		if n, ok := d.handles.number(w.Handle); ok {
			if _, ok := d.resident.secret(n, w.Handle); !ok {
				miss[n] = w.Handle
			}
		}
	}
	if len(miss) == 0 {
		return nil
	}
	s := d.sealer()
	defer d.sealers.Put(s)
	return d.pages(ctx, &d.personTable, miss, func(page int64, body []byte) {
		// Whoever needs a damaged one will come upon it.
		_ = d.personTable.items(page, body, func(n numbered) error {
			if r, err := parseRecord(n.body); err == nil {
				_, _ = d.secretOf(s, n.number, &r)
			}
			return nil
		})
	})
}
