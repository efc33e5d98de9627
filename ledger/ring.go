package ledger

import (
	"context"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/segment"
)

// keyRing keeps the encryption keys of groups that one decoder used last, in places that follow from their owners. A search that reads much has one for each
// processor, because the tenant's own cache is for those who write: a reading of everybody's events would drive out what they use. It takes
// half a megabyte.
type keyRing [8192]ringEntry

type ringEntry struct {
	period int
	owners [3]int64
	enc    evidence.Hash // K_enc
	known  bool
	gone   bool // one of the owners was erased
}

// enc returns the encryption key of a set of owners. NotFound means that one was erased.
func (d *decoder) enc(ctx context.Context, period int, owners [3]int64) (*evidence.Hash, error) {
	if d.ring == nil {
		k, err := d.t.groupKeys(ctx, d.l.db, groupID{periodID{period: period}, owners})
		if err != nil {
			return nil, err
		}
		return &k.Enc, nil
	}
	r := d.ring.at(owners)
	if !r.is(period, owners) {
		key, err := d.derive(ctx, period, owners)
		gone := errs.CodeOf(err) == errs.NotFound
		if err != nil && !gone {
			return nil, err
		}
		*r = ringEntry{period: period, owners: owners, enc: key, known: true, gone: gone}
	}
	if r.gone {
		return nil, errs.New(errs.NotFound, "a person has been erased")
	}
	return &r.enc, nil
}

// keyAtHand returns the encryption key of a group of a row if it is in memory. It is a copy, because the ring's place may be another's by the time the row is opened.
func (d *decoder) keyAtHand(row *segment.Row, owners [3]int64) (key evidence.Hash, ok bool) {
	period := d.months.of(row.RecordedAt)
	if d.ring != nil {
		if r := d.ring.at(owners); r.is(period, owners) && !r.gone {
			return r.enc, true
		}
		return key, false
	}
	if k, ok := d.t.groups.Get(groupID{periodID{period: period}, owners}); ok {
		return k.Enc, true
	}
	return key, false
}

// at is the place of a set of owners. Handles are random numbers.
func (r *keyRing) at(owners [3]int64) *ringEntry {
	h := uint64(owners[0]) ^ uint64(owners[1])*0x9e3779b97f4a7c15 ^ uint64(owners[2])*0xc2b2ae3d27d4eb4f
	return &r[(h^h>>32)%uint64(len(r))]
}

func (e *ringEntry) is(period int, owners [3]int64) bool {
	return e.known && e.period == period && e.owners == owners
}

// derive makes the encryption key of a set of owners.
func (d *decoder) derive(ctx context.Context, period int, owners [3]int64) (key evidence.Hash, err error) {
	s, err := d.t.period(ctx, d.l.db, periodID{period: period})
	if err != nil {
		return key, err
	}
	var secrets [3]evidence.Hash
	n := 0
	for ; n < len(owners) && owners[n] != 0; n++ {
		if secrets[n], err = d.t.people.Secret(ctx, owners[n]); err != nil {
			return key, err
		}
	}
	return evidence.EncryptionKey(s, secrets[:n]...), nil
}
