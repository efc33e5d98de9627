package person

import (
	"context"
	"slices"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
)

// Wanted names a person whose secret will be asked for, or, with Profile, one of their profiles.
type Wanted struct {
	Handle, Profile int64
}

// Warm reads into the caches what is wanted and not there, many rows at a time. What does not exist stays away.
func (d *Directory) Warm(ctx context.Context, want []Wanted) error {
	persons, profiles := d.wanting(want)
	if err := d.warmPersons(persons, d.readPages(ctx, &d.personTable)); err != nil {
		return err
	}
	return d.warmProfiles(ctx, profiles, d.readPages(ctx, &d.profileTable))
}

// pageSource calls yield with those of the pages, which are in ascending order, that are stored. A body is valid during the call only.
type pageSource func(pages []int64, yield func(page int64, body []byte) error) error

// readPages is the source of the pages as they are stored now.
func (d *Directory) readPages(ctx context.Context, t *pageTable) pageSource {
	return func(pages []int64, yield func(int64, []byte) error) error {
		return t.read(ctx, d.db.Read(ctx), d.no, pages, yield)
	}
}

type warmPerson struct {
	handle  int64
	profile bool // the first profile is wanted too
}

// wanting returns what of the wanted is not in the caches: persons by number, and the handles of profiles by number.
func (d *Directory) wanting(want []Wanted) (persons map[int64]warmPerson, profiles map[int64]int64) {
	var handle, n int64 // of the one before, who is often the same
	for _, w := range want {
		if w.Profile != 0 {
			if _, ok := d.profiles.Get(profileKey{w.Handle, w.Profile}); ok {
				continue
			}
		}
		if w.Handle != handle {
			var ok bool
			if n, ok = d.handles.number(w.Handle); !ok {
				continue
			}
			handle = w.Handle
		}
		if w.Profile > FirstProfile {
			if profiles == nil {
				profiles = map[int64]int64{}
			}
			profiles[w.Profile] = w.Handle
		} else if _, ok := d.resident.secret(n, w.Handle); !ok || w.Profile == FirstProfile {
			if persons == nil {
				persons = make(map[int64]warmPerson, len(want))
			}
			persons[n] = warmPerson{w.Handle, w.Profile == FirstProfile || persons[n].profile}
		}
	}
	return persons, profiles
}

func (d *Directory) warmPersons(persons map[int64]warmPerson, from pageSource) error {
	if len(persons) == 0 {
		return nil
	}
	s := d.sealer()
	defer d.sealers.Put(s)
	return d.recordsFrom(from, keysOf(persons), func(number int64, r *record) error {
		w := persons[number]
		if r.handle != w.handle || len(r.secret) == 0 { // another person, or erased
			return nil
		}
		secret, ok := d.resident.secret(number, r.handle)
		if !ok {
			var err error
			if secret, err = d.opened(s, number, r); err != nil {
				return err
			}
		}
		if !w.profile {
			return nil
		}
		key := personKey(&secret)
		base, err := s.openBase(r, &key)
		if err == nil && base.profile != nil {
			d.profiles.Add(profileKey{r.handle, FirstProfile}, slices.Clone(base.profile))
		}
		return err
	})
}

// warmProfiles opens profiles of persons. One whose person is erased, or is not the one it was made for, stays away.
func (d *Directory) warmProfiles(ctx context.Context, profiles map[int64]int64, from pageSource) error {
	if len(profiles) == 0 {
		return nil
	}
	s := d.sealer()
	defer d.sealers.Put(s)
	var pages []int64
	sealed := map[int64][]byte{}
	for n := range profiles {
		pages = append(pages, n/profilesPerPage)
	}
	slices.Sort(pages)
	err := from(slices.Compact(pages), func(page int64, body []byte) error {
		return d.profileTable.items(page, body, func(n numbered) error {
			if profiles[n.number] != 0 {
				sealed[n.number] = slices.Clone(n.body)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	for n, body := range sealed {
		secret, err := d.Secret(ctx, profiles[n])
		if errs.CodeOf(err) == errs.NotFound {
			continue
		}
		if err == nil {
			err = d.openProfile(s, secret, profileKey{profiles[n], n}, body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) openProfile(s *sealer, secret evidence.Hash, k profileKey, sealed []byte) error {
	key := personKey(&secret)
	b, err := s.open(nil, &key, sealedProfile, k.handle, k.profile, sealed)
	if err != nil {
		return errs.Wrap(errs.Internal, err, "stored values of a person do not open")
	}
	d.profiles.Add(k, b)
	return nil
}

func keysOf[V any](m map[int64]V) []int64 {
	out := make([]int64, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}
