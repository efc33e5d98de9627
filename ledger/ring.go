package ledger

import (
	"context"
	"crypto/aes"
	"crypto/cipher"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/segment"
)

// keyRing keeps the ciphers of groups that one decoder used last, in places that follow from their owners. A search that reads much has one for each
// processor, because the tenant's own cache is for those who write: a reading of everybody's events would drive out what they use. It takes
// half a megabyte, and ten more when it is full.
type keyRing [8192]ringEntry

type ringEntry struct {
	period int
	owners [3]int64
	aead   cipher.AEAD // nil when one of the owners was erased
	known  bool
}

// aead returns the cipher of a set of owners. NotFound means that one was erased.
func (d *decoder) aead(ctx context.Context, period int, owners [3]int64) (cipher.AEAD, error) {
	if d.ring == nil {
		k, err := d.cipherOf(ctx, period, owners)
		if err != nil {
			return nil, err
		}
		return k.cipher(), nil
	}
	r := d.ring.at(owners)
	if !r.is(period, owners) {
		aead, err := d.derive(ctx, period, owners)
		if err != nil && errs.CodeOf(err) != errs.NotFound {
			return nil, err
		}
		*r = ringEntry{period, owners, aead, true}
	}
	if r.aead == nil {
		return nil, errs.New(errs.NotFound, "a person has been erased")
	}
	return r.aead, nil
}

// cipherAtHand returns the cipher of a group of a row if it is in memory.
func (d *decoder) cipherAtHand(row *segment.Row, owners [3]int64) cipher.AEAD {
	period := d.months.of(row.RecordedAt)
	if d.ring != nil {
		if r := d.ring.at(owners); r.is(period, owners) {
			return r.aead
		}
		return nil
	}
	if k, ok := d.t.groups.Get(groupID{periodID{period: period}, owners}); ok {
		return k.cipher()
	}
	return nil
}

// at is the place of a set of owners. Handles are random numbers.
func (r *keyRing) at(owners [3]int64) *ringEntry {
	h := uint64(owners[0]) ^ uint64(owners[1])*0x9e3779b97f4a7c15 ^ uint64(owners[2])*0xc2b2ae3d27d4eb4f
	return &r[(h^h>>32)%uint64(len(r))]
}

func (e *ringEntry) is(period int, owners [3]int64) bool {
	return e.known && e.period == period && e.owners == owners
}

// derive makes the cipher of a set of owners.
func (d *decoder) derive(ctx context.Context, period int, owners [3]int64) (cipher.AEAD, error) {
	s, err := d.t.period(ctx, d.l.db, periodID{period: period})
	if err != nil {
		return nil, err
	}
	var secrets [3]evidence.Hash
	n := 0
	for ; n < len(owners) && owners[n] != 0; n++ {
		if secrets[n], err = d.t.people.Secret(ctx, owners[n]); err != nil {
			return nil, err
		}
	}
	return groupAEAD(evidence.EncryptionKey(s, secrets[:n]...)), nil
}

// groupAEAD returns AES-256-GCM under the key of a group.
func groupAEAD(key evidence.Hash) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	c, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return c
}
