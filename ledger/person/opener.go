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

// Opener opens persons for somebody who reads a whole log. It opens many at a time and leaves the directory's caches to those who serve requests. It is not safe for
// concurrent use; several may share a [Reading].
type Opener struct {
	r      *Reading
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

// Opener returns an opener of the persons whose pages the reading keeps.
func (r *Reading) Opener() *Opener { return &Opener{r: r, d: r.d} }

// Opened is what an [Opener] found: the secret of a person, or with Profile the body of one of their profiles. Neither may be changed nor kept.
type Opened struct {
	Wanted
	Secret *evidence.Hash
	Body   []byte
}

// Read opens what is wanted, in no order. Of somebody whose first profile is wanted the secret is yielded as well. What does not exist, or was erased, is not yielded.
func (o *Opener) Read(ctx context.Context, want []Wanted, yield func(Opened) error) error {
	o.people, o.bodies, o.later = o.people[:0], o.bodies[:0], o.later[:0]
	first := make(map[int64]Wanted, len(want)) // by number of the person
	for _, w := range want {
		if w.Profile > firstProfile {
			o.later = append(o.later, w)
		} else if n, ok := o.d.handles.number(w.Handle); ok && (w.Profile == firstProfile || first[n].Handle == 0) {
			first[n] = w
		}
	}
	s := o.d.sealer()
	defer o.d.sealers.Put(s)
	if err := o.readPersons(ctx, s, first); err != nil {
		return err
	}
	err := o.openBodies(func(p *readPerson, c cipher.AEAD) error {
		profile, err := s.openBase(&record{handle: p.handle, base: o.bodies[p.from:p.to]}, c)
		if err != nil || profile.profile == nil {
			return err
		}
		return yield(Opened{Wanted: Wanted{p.handle, firstProfile}, Body: profile.profile})
	}, yield)
	if err != nil || len(o.later) == 0 {
		return err
	}
	return o.readProfiles(ctx, s, yield)
}

// readPersons reads records and opens their secrets.
func (o *Opener) readPersons(ctx context.Context, s *sealer, want map[int64]Wanted) error {
	from := func(pages []int64, yield func(int64, []byte) error) error {
		return o.r.persons.get(ctx, o.d, pages, yield)
	}
	return o.d.recordsFrom(from, keysOf(want), func(number int64, rec *record) error {
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
		p := readPerson{handle: rec.handle, secret: secret, from: len(o.bodies)}
		if w.Profile == firstProfile {
			o.bodies = append(o.bodies, rec.base...)
		}
		p.to = len(o.bodies)
		o.people = append(o.people, p)
		return nil
	})
}

// openBodies yields the secrets, and calls open with the cipher of every person of whom there is a sealed text.
func (o *Opener) openBodies(open func(*readPerson, cipher.AEAD) error, yield func(Opened) error) error {
	o.macs.Reset()
	for i := range o.people {
		if p := &o.people[i]; p.from < p.to {
			o.macs.Add(&p.secret, []byte(cipherInfo))
		}
	}
	o.keys = o.macs.Sums(o.keys[:0])
	n := 0
	for i := range o.people {
		p := &o.people[i]
		if yield != nil {
			if err := yield(Opened{Wanted: Wanted{Handle: p.handle}, Secret: &p.secret}); err != nil {
				return err
			}
		}
		if p.from == p.to {
			continue
		}
		c, err := newGCM(&o.keys[n])
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
func (o *Opener) readProfiles(ctx context.Context, s *sealer, yield func(Opened) error) error {
	slices.SortFunc(o.later, func(a, b Wanted) int { return cmp.Compare(a.Profile, b.Profile) })
	o.people, o.bodies = o.people[:0], o.bodies[:0]
	var pages []int64
	for _, w := range o.later {
		pages = append(pages, w.Profile/profilesPerPage)
	}
	var found []int64 // profiles, by person
	err := o.r.profiles.get(ctx, o.d, slices.Compact(pages), func(page int64, body []byte) error {
		return o.d.profileTable.items(page, body, func(n numbered) error {
			at, ok := slices.BinarySearchFunc(o.later, n.number, func(w Wanted, number int64) int { return cmp.Compare(w.Profile, number) })
			if ok {
				o.people = append(o.people, readPerson{handle: o.later[at].Handle, from: len(o.bodies), to: len(o.bodies) + len(n.body)})
				o.bodies, found = append(o.bodies, n.body...), append(found, n.number)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	kept := 0
	for i, p := range o.people {
		if p.secret, err = o.d.Secret(ctx, p.handle); errs.CodeOf(err) == errs.NotFound {
			continue
		} else if err != nil {
			return err
		}
		o.people[kept], found[kept] = p, found[i]
		kept++
	}
	o.people = o.people[:kept]
	next := 0
	return o.openBodies(func(p *readPerson, c cipher.AEAD) (err error) {
		number := found[next]
		next++
		if s.plain, err = s.open(s.plain[:0], c, sealedProfile, p.handle, number, o.bodies[p.from:p.to]); err != nil {
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
