package ledger

import (
	"context"
	"slices"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/person"
)

// Layouts of the cells in which a long reading remembers persons: their secrets (nothing when destroyed), and the bodies of their profiles.
const (
	secretCell  = 0
	profileCell = 1
)

// heldSecret is the secret of a person of the row at hand.
type heldSecret struct {
	handle int64
	secret evidence.Hash
}

// heldKeys are the keys of a set of owners of the row at hand.
type heldKeys struct {
	owners [3]int64
	keys   evidence.GroupKeys
}

// secret returns the secret of a person. NotFound means erased.
func (d *decoder) secret(ctx context.Context, handle int64) (evidence.Hash, error) {
	for i := range d.secrets {
		if d.secrets[i].handle == handle {
			return d.secrets[i].secret, nil
		}
	}
	k := cellKey{handle: handle, layout: secretCell}
	if d.people != nil {
		if b, ok := d.people.get(k); ok && len(b) == 0 {
			return evidence.Hash{}, errs.New(errs.NotFound, "this person has been erased")
		} else if ok {
			return evidence.Hash(b), nil
		}
	}
	s, err := d.t.people.Secret(ctx, handle)
	if d.people != nil && err == nil {
		d.people.put(k, s[:])
	} else if d.people != nil && errs.CodeOf(err) == errs.NotFound {
		d.people.put(k, nil)
	}
	return s, err
}

// profile returns the body of a profile, which must not be changed. NotFound means erased.
func (d *decoder) profile(ctx context.Context, handle, profile int64) ([]byte, error) {
	body, err := d.t.people.ReadProfile(ctx, handle, profile)
	if d.people != nil && err == nil {
		d.people.put(cellKey{handle, profile, profileCell}, body)
	}
	return body, err
}

// keys derives the keys of a set of owners in the month of the row at hand, once for each row.
func (d *decoder) keys(ctx context.Context, period int, owners [3]int64) (*evidence.GroupKeys, error) {
	for i := range d.derived {
		if d.derived[i].owners == owners {
			return &d.derived[i].keys, nil
		}
	}
	if d.month != period {
		s, err := d.t.period(ctx, d.l.db, periodID{period: period})
		if err != nil {
			return nil, err
		}
		d.month, d.ofMonth, d.resources = period, s, evidence.ResourceTags(s)
	}
	var secrets [3]evidence.Hash
	n := 0
	for ; n < len(owners) && owners[n] != 0; n++ {
		var err error
		if secrets[n], err = d.secret(ctx, owners[n]); err != nil {
			return nil, err
		}
	}
	d.derived = append(d.derived, heldKeys{owners, evidence.DeriveGroup(d.ofMonth, secrets[:n]...)})
	return &d.derived[len(d.derived)-1].keys, nil
}

// cipherOf returns what opens the values of a set of owners. Those of single persons are kept, because many of their events follow each other.
func (d *decoder) cipherOf(ctx context.Context, period int, owners [3]int64) (*person.Keys, error) {
	id := groupID{periodID{period: period}, owners}
	if d.people == nil {
		return d.t.groupKeys(ctx, d.l.db, id)
	}
	k, err := d.keys(ctx, period, owners)
	if err != nil {
		return nil, err
	}
	c := person.KeysOf(k, owners[1] == 0)
	if owners[1] == 0 {
		d.t.groups.Add(id, &c)
	}
	return &c, nil
}

// hold makes what was looked up of the persons of a row known for it.
func (d *decoder) hold(ahead []found) {
	for i := range ahead {
		if f := &ahead[i]; len(f.secret) == len(evidence.Hash{}) && !slices.ContainsFunc(d.secrets, func(h heldSecret) bool { return h.handle == f.owner }) {
			d.secrets = append(d.secrets, heldSecret{f.owner, evidence.Hash(f.secret)})
		}
	}
}
