package person

import (
	"cmp"
	"context"
	"crypto/aes"
	"errors"
	"slices"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// Opener opens persons for somebody who reads a whole log. It opens many at a time and leaves the directory's caches to those who serve requests. It is not safe for
// concurrent use; several may share a [Reading].
type Opener struct {
	r      *Reading
	d      *Directory
	keeps  bool   // secrets stay in memory, and are taken from there
	block  []byte // for handles
	macs   evidence.HMACs
	keys   []evidence.Hash
	wanted []openerWant // persons by number, or profiles by number
	pages  []int64
	people []openerPerson
	bodies []byte // sealed
	runs   int    // see Ahead
}

// openerWant is something wanted that is to be read.
type openerWant struct {
	number int64 // of the person, or of a profile that does not lie in the person's record
	at     int   // in what Read was given
}

// openerPerson is something wanted that was read.
type openerPerson struct {
	at       int // -1 for nobody wanted
	handle   int64
	secret   evidence.Hash
	from, to int // sealed text, in bodies
}

// Opener returns an opener of the persons whose pages the reading keeps.
func (r *Reading) Opener() *Opener {
	return &Opener{r: r, d: r.d, block: make([]byte, aes.BlockSize)}
}

// Keeper returns an opener for somebody who reads for people: the secrets of those whom it opens stay at hand, and those at hand are not opened again.
func (r *Reading) Keeper() *Opener {
	o := r.Opener()
	o.keeps = true
	return o
}

// Opened is what an [Opener] found: the secret of a person, or the body of one of their profiles. Neither may be changed nor kept.
type Opened struct {
	// At is the place of what was wanted.
	At     int
	Secret *evidence.Hash
	Body   []byte
}

// Read opens what is wanted, in no order. Of somebody whose first profile is wanted the secret is yielded too, before the body. What does not exist, or was erased, is
// not yielded.
func (o *Opener) Read(ctx context.Context, want []Wanted, yield func(Opened) error) error {
	s := o.d.sealer()
	defer o.d.sealers.Put(s)
	o.begin()
	later := false
	for i, w := range want {
		if w.Profile > FirstProfile {
			later = true
		} else if validHandle(w.Handle) {
			o.wanted = append(o.wanted, openerWant{o.d.handles.numberIn(o.block, w.Handle), i})
		}
	}
	o.sort(personsPerPage)
	err := o.r.persons.get(ctx, o.d, o.pages, o.each(&o.d.personTable, func(n numbered, at int) error {
		return o.addPerson(s, n.number, n.body, at, &want[at])
	}))
	if err != nil {
		return err
	}
	err = o.openFirst(s, func(p *openerPerson, profile []byte, err error) error {
		told := yield(Opened{At: p.at, Secret: &p.secret})
		if told == nil && err == nil && profile != nil {
			told = yield(Opened{At: p.at, Body: profile})
		}
		return cmp.Or(told, err)
	})
	if err != nil || !later {
		return err
	}
	return o.readLater(ctx, s, want, yield)
}

func (o *Opener) begin() {
	o.wanted, o.people, o.bodies = o.wanted[:0], o.people[:0], o.bodies[:0]
	o.macs.Reset()
}

// sort puts what is wanted in order, and notes the pages on which it lies.
func (o *Opener) sort(perPage int64) {
	slices.SortFunc(o.wanted, func(a, b openerWant) int { return cmp.Compare(a.number, b.number) })
	o.pages = o.pages[:0]
	for i := range o.wanted {
		if p := o.wanted[i].number / perPage; len(o.pages) == 0 || o.pages[len(o.pages)-1] != p {
			o.pages = append(o.pages, p)
		}
	}
}

// each returns a function that calls fn with the items of a page that are wanted. Pages must come in ascending order.
func (o *Opener) each(t *pageTable, fn func(n numbered, at int) error) func(page int64, body []byte) error {
	next := o.wanted
	return func(page int64, body []byte) error {
		end := (page + 1) * t.width
		err := t.items(page, body, func(n numbered) error {
			for len(next) > 0 && next[0].number < n.number {
				next = next[1:]
			}
			for ; len(next) > 0 && next[0].number == n.number; next = next[1:] {
				if err := fn(n, next[0].at); err != nil {
					return err
				}
			}
			if len(next) == 0 || next[0].number >= end {
				return errNoMore
			}
			return nil
		})
		if err == errNoMore { //nolint:errorlint // as it is
			return nil
		}
		return err
	}
}

// errNoMore ends the reading of a page on which nobody else is wanted.
var errNoMore = errors.New("no more of this page")

// addPerson opens the secret of a record.
func (o *Opener) addPerson(s *sealer, number int64, body []byte, at int, w *Wanted) error {
	r, err := parseRecord(body)
	if err != nil {
		return err
	}
	if r.handle != w.Handle || len(r.secret) == 0 { // another person, or erased
		return nil
	}
	var secret evidence.Hash
	if o.keeps {
		secret, err = o.d.secretOf(s, number, &r)
	} else {
		secret, err = s.openSecret(&r)
	}
	if err != nil {
		return err
	}
	if w.Profile != FirstProfile {
		r.base = nil
	}
	o.add(at, r.handle, &secret, r.base)
	return nil
}

func (o *Opener) add(at int, handle int64, secret *evidence.Hash, sealed []byte) {
	from := len(o.bodies)
	o.bodies = append(o.bodies, sealed...)
	o.people = append(o.people, openerPerson{at: at, handle: handle, secret: *secret, from: from, to: len(o.bodies)})
	if len(sealed) > 0 {
		o.macs.Add(secret, []byte(cipherInfo))
	}
}

// openFirst yields the persons with the profiles that lie in their records, or with why that does not open; nil for none.
func (o *Opener) openFirst(s *sealer, yield func(p *openerPerson, profile []byte, err error) error) error {
	o.keys = o.macs.Sums(o.keys[:0])
	keys := o.keys
	for i := range o.people {
		p := &o.people[i]
		var base shown
		var err error
		if p.from < p.to {
			base, err = s.openBase(&record{handle: p.handle, base: o.bodies[p.from:p.to]}, &keys[0])
			keys = keys[1:]
		}
		if err := yield(p, base.profile, err); err != nil {
			return err
		}
	}
	return nil
}

// readLater opens the profiles that do not lie in the records of persons.
func (o *Opener) readLater(ctx context.Context, s *sealer, want []Wanted, yield func(Opened) error) error {
	o.begin()
	for i, w := range want {
		if w.Profile > FirstProfile {
			o.wanted = append(o.wanted, openerWant{w.Profile, i})
		}
	}
	o.sort(profilesPerPage)
	err := o.r.profiles.get(ctx, o.d, o.pages, o.each(&o.d.profileTable, func(n numbered, at int) error {
		secret, err := o.d.Secret(ctx, want[at].Handle)
		switch {
		case len(n.body) == 0:
			return errRecord
		case errs.CodeOf(err) == errs.NotFound:
			return nil
		case err != nil:
			return err
		}
		o.add(at, want[at].Handle, &secret, n.body)
		return nil
	}))
	if err != nil {
		return err
	}
	o.keys = o.macs.Sums(o.keys[:0])
	for i, p := range o.people {
		w := &want[p.at]
		if s.plain, err = s.open(s.plain[:0], &o.keys[i], sealedProfile, w.Handle, w.Profile, o.bodies[p.from:p.to]); err != nil {
			return errs.Wrap(errs.Internal, err, "stored values of a person do not open")
		}
		if err := yield(Opened{At: p.at, Body: s.plain}); err != nil {
			return err
		}
	}
	return nil
}
