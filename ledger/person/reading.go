package person

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"slices"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// Reading opens persons for somebody who reads a whole log. It opens many at a time and leaves the directory's caches to those who serve requests. It is not safe for
// concurrent use.
type Reading struct {
	d      *Directory
	macs   evidence.HMACs
	keys   []evidence.Hash
	people []readPerson
	bodies []byte // sealed
	later  []Wanted
}

// readPerson is a person whose record was read.
type readPerson struct {
	handle   int64
	secret   evidence.Hash
	from, to int // sealed text, in bodies
}

// Reading begins a reading.
func (d *Directory) Reading() *Reading { return &Reading{d: d} }

// Opened is what a [Reading] found: the secret of a person, or with Profile the body of one of their profiles. Neither may be changed nor kept.
type Opened struct {
	Wanted
	Secret *evidence.Hash
	Body   []byte
}

// Read opens what is wanted, in no order. Of somebody whose first profile is wanted the secret is yielded as well. What does not exist, or was erased, is not yielded.
func (r *Reading) Read(ctx context.Context, want []Wanted, yield func(Opened) error) error {
	r.people, r.bodies, r.later = r.people[:0], r.bodies[:0], r.later[:0]
	first := make(map[int64]Wanted, len(want)) // by number of the person
	for _, w := range want {
		if w.Profile > firstProfile {
			r.later = append(r.later, w)
		} else if n, ok := r.d.handles.number(w.Handle); ok && (w.Profile == firstProfile || first[n].Handle == 0) {
			first[n] = w
		}
	}
	s := r.d.sealer()
	defer r.d.sealers.Put(s)
	if err := r.readPersons(ctx, s, first); err != nil {
		return err
	}
	err := r.openBodies(func(p *readPerson, c cipher.AEAD) error {
		profile, err := s.openBase(&record{handle: p.handle, base: r.bodies[p.from:p.to]}, c)
		if err != nil || profile.profile == nil {
			return err
		}
		return yield(Opened{Wanted: Wanted{p.handle, firstProfile}, Body: profile.profile})
	}, yield)
	if err != nil || len(r.later) == 0 {
		return err
	}
	return r.readProfiles(ctx, s, yield)
}

// readPersons reads records and opens their secrets.
func (r *Reading) readPersons(ctx context.Context, s *sealer, want map[int64]Wanted) error {
	return r.d.records(ctx, keysOf(want), func(number int64, rec *record) error {
		w := want[number]
		if rec.handle != w.Handle {
			return nil
		}
		secret, err := s.openSecret(rec)
		if errs.CodeOf(err) == errs.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		p := readPerson{handle: rec.handle, secret: secret, from: len(r.bodies)}
		if w.Profile == firstProfile {
			r.bodies = append(r.bodies, rec.base...)
		}
		p.to = len(r.bodies)
		r.people = append(r.people, p)
		return nil
	})
}

// openBodies yields the secrets, and calls open with the cipher of every person of whom there is a sealed text.
func (r *Reading) openBodies(open func(*readPerson, cipher.AEAD) error, yield func(Opened) error) error {
	r.macs.Reset()
	for i := range r.people {
		if p := &r.people[i]; p.from < p.to {
			r.macs.Add(&p.secret, []byte(cipherInfo))
		}
	}
	r.keys = r.macs.Sums(r.keys[:0])
	n := 0
	for i := range r.people {
		p := &r.people[i]
		if yield != nil {
			if err := yield(Opened{Wanted: Wanted{Handle: p.handle}, Secret: &p.secret}); err != nil {
				return err
			}
		}
		if p.from == p.to {
			continue
		}
		c, err := newGCM(&r.keys[n])
		n++
		if err == nil {
			err = open(p, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readProfiles opens the profiles that do not lie in the records of persons.
func (r *Reading) readProfiles(ctx context.Context, s *sealer, yield func(Opened) error) error {
	slices.SortFunc(r.later, func(a, b Wanted) int { return cmp.Compare(a.Profile, b.Profile) })
	r.people, r.bodies = r.people[:0], r.bodies[:0]
	var pages []int64
	for _, w := range r.later {
		pages = append(pages, w.Profile/profilesPerPage)
	}
	var found []int64 // profiles, by person
	err := r.d.profileTable.read(ctx, r.d.db.Read(ctx), r.d.no, slices.Compact(pages), func(page int64, body []byte) error {
		return r.d.profileTable.items(page, body, func(n numbered) error {
			at, ok := slices.BinarySearchFunc(r.later, n.number, func(w Wanted, number int64) int { return cmp.Compare(w.Profile, number) })
			if ok {
				r.people = append(r.people, readPerson{handle: r.later[at].Handle, from: len(r.bodies), to: len(r.bodies) + len(n.body)})
				r.bodies, found = append(r.bodies, n.body...), append(found, n.number)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	kept := 0
	for i, p := range r.people {
		if p.secret, err = r.d.Secret(ctx, p.handle); errs.CodeOf(err) == errs.NotFound {
			continue
		} else if err != nil {
			return err
		}
		r.people[kept], found[kept] = p, found[i]
		kept++
	}
	r.people = r.people[:kept]
	next := 0
	return r.openBodies(func(p *readPerson, c cipher.AEAD) (err error) {
		number := found[next]
		next++
		if s.plain, err = s.open(s.plain[:0], c, sealedProfile, p.handle, number, r.bodies[p.from:p.to]); err != nil {
			return errs.Wrap(errs.Internal, err, "stored values of a person do not open")
		}
		return yield(Opened{Wanted: Wanted{p.handle, number}, Body: s.plain})
	}, nil)
}

func newGCM(key *evidence.Hash) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
