package person

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"strconv"

	"probity.dev/internal/errs"
)

// ErrStale says that a batch makes a person whom another process has made meanwhile. The events must be encoded again, from [Directory.Resolve] on.
var ErrStale = errors.New("another server has made the same person")

// share has numbers come from the database, in runs that no other process gets.
func (d *Directory) share() {
	for _, x := range []struct {
		s *sequence
		t *pageTable
	}{{&d.newPersons, &d.personTable}, {&d.newProfiles, &d.profileTable}} {
		name, least := x.t.name+"/"+strconv.FormatInt(d.no, 10), x.s.next/x.s.width
		x.s.reserve = func(pages int64) (int64, error) { return d.db.Take(context.Background(), name, least, pages) }
	}
}

// CatchUp takes up the persons that other processes have added. q is a snapshot, or a transaction that writes; then the rows that Persist adds follow what is there. MUST NOT run beside itself or [Directory.Persist].
func (d *Directory) CatchUp(ctx context.Context, q *sql.Tx) error {
	var numbers []int64
	err := d.index.load(ctx, q, d.no, func(body []byte) {
		for ; len(body) >= indexEntry; body = body[indexEntry:] {
			numbers = append(numbers, int64(binary.BigEndian.Uint32(body[12:])))
		}
	})
	if err != nil {
		return err
	}
	d.index.rows.Store(d.index.read.Load())
	if len(numbers) == 0 {
		return nil
	}
	d.foreign.Add(1)
	return d.addNames(ctx, numbers)
}

// addNames has the index of names know persons whom others have added, or who have another e-mail address.
func (d *Directory) addNames(ctx context.Context, numbers []int64) error {
	s := d.sealer()
	defer d.sealers.Put(s)
	return d.records(ctx, numbers, func(number int64, r *record) error {
		who, err := s.openIdentity(r)
		if errs.CodeOf(err) == errs.NotFound {
			return nil // erased meanwhile
		}
		if err == nil {
			d.names.put(r.handle, number, &who, restUnknown, true)
		}
		return err
	})
}

// Kept tells the directory that the transaction has committed in which Persist was called last.
func (d *Directory) Kept() { d.index.read.Store(d.index.rows.Load()) }

// Check returns [ErrStale] when b makes a person whom another process has made. It MUST be called after [Directory.CatchUp], in the transaction in which b is persisted.
func (d *Directory) Check(ctx context.Context, b *Batch) error {
	known := d.foreign.Load()
	if known == 0 {
		return nil
	}
	stale := false
	for _, e := range b.persons.list {
		u := e.unsaved.Load()
		if u == nil || u.foreign == known {
			continue
		}
		made, err := d.madeElsewhere(ctx, e, u)
		if err != nil {
			return err
		}
		if made {
			stale = true
			d.byKey.Remove(d.digest(&u.identity))
			d.resident.drop(e.number)
		}
	}
	if stale {
		return ErrStale
	}
	return nil
}

func (d *Directory) madeElsewhere(ctx context.Context, e *entry, u *unsaved) (made bool, err error) {
	found := d.index.byScope([8]byte(u.scope[:]), nil)
	if len(found) == 0 {
		return false, nil
	}
	err = d.records(ctx, found, func(number int64, r *record) error {
		made = made || number != e.number && r.scope == [8]byte(u.scope[:])
		return nil
	})
	return made, err
}
