package person

import (
	"context"
	"hash/maphash"

	"probity.dev/internal/errs"
)

// FirstProfile is the number of every person's first profile, which is kept in the person's own record.
const FirstProfile = 1

// bodyDigest tells the bodies of a person's profiles apart, in this process: 64 bits under a random seed.
func (d *Directory) bodyDigest(number int64, body []byte) uint64 {
	return maphash.Bytes(d.seed, body) ^ uint64(number)*0xc2b2ae3d27d4eb4f
}

// Profile returns the number under which body, the values of a person that repeat from event to event, is kept encrypted, adding it to b when it
// is new. Zero means that the person has too many; the caller then stores the values with the event. A body that was last used long ago may be stored
// once more.
func (d *Directory) Profile(b *Batch, p Person, body []byte) int64 {
	e := p.entry
	digest := d.bodyDigest(e.number, body)
	if n := e.used(digest); n != 0 {
		return n
	}
	if u := e.unsaved.Load(); u != nil && u.first(body) {
		e.use(digest, FirstProfile)
		return FirstProfile
	}
	if n, ok := d.numbers.Get(digest); ok {
		d.use(e, digest, n)
		return n
	}
	if n, ok := b.added[digest]; ok {
		return n
	}
	if e.added.Add(1) > maxProfiles {
		return 0
	}
	n, err := d.newProfiles.take(&b.profiles.block, b.small)
	if err != nil {
		return 0
	}
	if b.added == nil {
		b.added = map[uint64]int64{}
	}
	b.added[digest] = n
	b.profiles.list = append(b.profiles.list, newProfile{e, n, digest, append([]byte(nil), body...)})
	return n
}

// use makes a stored profile the one used last.
func (d *Directory) use(e *entry, digest uint64, profile int64) {
	e.use(digest, profile)
	d.resident.used(e.number, digest, uint64(profile))
}

// first makes body the person's first profile, if there is none yet, and reports whether it is.
func (u *unsaved) first(body []byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.profile == nil && u.record == nil {
		u.profile = append(make([]byte, 0, len(body)), body...)
	}
	return u.profile != nil && string(u.profile) == string(body)
}

// ReadProfile returns the body kept by Profile. The result is shared and must not be changed.
func (d *Directory) ReadProfile(ctx context.Context, handle, profile int64) ([]byte, error) {
	k := profileKey{handle, profile}
	if b, ok := d.profiles.Get(k); ok {
		return b, nil
	}
	if err := d.Warm(ctx, []Wanted{{Handle: handle}, {Handle: handle, Profile: profile}}); err != nil {
		return nil, err
	}
	if b, ok := d.profiles.Get(k); ok {
		return b, nil
	}
	return nil, errs.New(errs.NotFound, "these values have been erased")
}
