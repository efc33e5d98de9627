package person

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb"
)

// Batch collects what the directory must store together with a group of events. The zero value is empty. It is not safe for
// concurrent use.
type Batch struct {
	persons  []*entry
	seen     map[*entry]bool
	displays []display
	profiles []newProfile
}

type display struct {
	entry    *entry
	identity Identity
}

type newProfile struct {
	key    profileKey
	entry  *entry
	secret evidence.Hash
	body   []byte
}

// Empty reports whether there is nothing to store.
func (b *Batch) Empty() bool { return len(b.persons)+len(b.displays)+len(b.profiles) == 0 }

func (b *Batch) addPerson(e *entry) {
	if b.seen == nil {
		b.seen = map[*entry]bool{}
	}
	if !b.seen[e] {
		b.seen[e] = true
		b.persons = append(b.persons, e)
	}
}

func (b *Batch) addDisplay(e *entry, id Identity) {
	for i := range b.displays {
		if b.displays[i].entry == e {
			b.displays[i].identity = id
			return
		}
	}
	b.displays = append(b.displays, display{e, id})
}

// Persist writes the batch in tx. ErrStale means that the events must be encoded again, after Forget.
func (d *Directory) Persist(ctx context.Context, tx *sql.Tx, b *Batch) error {
	if b.Empty() {
		return nil
	}
	s := stmts{ctx: ctx, tx: tx}
	defer s.close()
	for _, e := range b.persons {
		if err := d.insertPerson(&s, e); err != nil {
			return err
		}
	}
	for _, u := range b.displays {
		if err := d.putDisplay(&s, u.entry, u.identity); err != nil {
			return err
		}
	}
	for _, p := range b.profiles {
		sealed, err := seal(p.secret, "profile", d.tenant, p.key.handle, p.key.profile, p.body)
		if err != nil {
			return err
		}
		if _, err := s.exec(`INSERT INTO person_profile (tenant_id, handle, profile, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			d.tenant, p.key.handle, p.key.profile, sealed); err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) insertPerson(s *stmts, e *entry) error {
	n, err := s.exec(`INSERT INTO person_identifier (tenant_id, lookup, handle) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, d.tenant, e.lookup, e.handle)
	if err != nil {
		return err
	}
	if n == 0 {
		return d.checkSame(s, e)
	}
	var secret, shown []byte
	if e.kind == KindPerson {
		if secret, err = d.keys.Seal(secretLabel(e.handle), e.secret[:]); err != nil {
			return err
		}
		if shown, err = d.sealDisplay(e, e.who()); err != nil {
			return err
		}
	}
	if _, err = s.exec(`INSERT INTO person (tenant_id, handle, kind, secret, display, generation, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		d.tenant, e.handle, e.kind, secret, shown, e.generation, sqldb.Now()); err != nil {
		return err
	}
	return d.addAliases(s, e.handle, e.who())
}

func (d *Directory) checkSame(s *stmts, e *entry) error {
	var handle int64
	err := s.tx.QueryRowContext(s.ctx, `SELECT handle FROM person_identifier WHERE tenant_id = $1 AND lookup = $2`, d.tenant, e.lookup).Scan(&handle)
	if err != nil {
		return sqldb.Translate(err)
	}
	if handle != e.handle {
		return ErrStale
	}
	return nil
}

func (d *Directory) addAliases(s *stmts, handle int64, id Identity) error {
	const q = `INSERT INTO person_alias (tenant_id, lookup, handle) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	if _, err := s.exec(q, d.tenant, d.lookup("id", fold(id.ID)), handle); err != nil {
		return err
	}
	if id.Email == "" || fold(id.Email) == fold(id.ID) {
		return nil
	}
	_, err := s.exec(q, d.tenant, d.lookup("email", fold(id.Email)), handle)
	return err
}

func (d *Directory) sealDisplay(e *entry, id Identity) ([]byte, error) {
	plain, err := json.Marshal([4]string{id.Type, id.ID, id.Name, id.Email})
	if err != nil {
		return nil, err
	}
	return seal(e.secret, "display", d.tenant, e.handle, 0, plain)
}

func (d *Directory) putDisplay(s *stmts, e *entry, id Identity) error {
	shown, err := d.sealDisplay(e, id)
	if err != nil {
		return err
	}
	if _, err := s.exec(`UPDATE person SET display = $1 WHERE tenant_id = $2 AND handle = $3 AND secret IS NOT NULL`, shown, d.tenant, e.handle); err != nil {
		return err
	}
	return d.addAliases(s, e.handle, id)
}

// Committed tells the directory that the transaction in which b was persisted has committed.
func (d *Directory) Committed(b *Batch) {
	for _, e := range b.persons {
		e.persisted.Store(true)
		if e.kind == KindPerson {
			d.names.put(e.handle, e.who())
		}
	}
	for _, u := range b.displays {
		u.entry.identity.Store(&u.identity)
		u.entry.display.Store(displayDigest(u.identity))
		d.names.put(u.entry.handle, u.identity)
	}
	for _, p := range b.profiles {
		d.profiles.Add(p.key, p.body)
		p.entry.recent.Store(&recentProfile{p.key.profile, p.body})
	}
}

// Forget drops what is cached of the batch's persons, so that they are read again. It follows ErrStale.
func (d *Directory) Forget(b *Batch) {
	for _, e := range b.persons {
		d.byKey.Remove(e.who().key())
		d.byHandle.Remove(e.handle)
	}
}

// stmts prepares each statement once per transaction; a batch may insert thousands of rows.
type stmts struct {
	ctx  context.Context
	tx   *sql.Tx
	open map[string]*sql.Stmt
}

func (s *stmts) exec(query string, args ...any) (int64, error) {
	st, ok := s.open[query]
	if !ok {
		var err error
		if st, err = s.tx.PrepareContext(s.ctx, query); err != nil {
			return 0, sqldb.Translate(err)
		}
		if s.open == nil {
			s.open = map[string]*sql.Stmt{}
		}
		s.open[query] = st
	}
	res, err := st.ExecContext(s.ctx, args...)
	if err != nil {
		return 0, sqldb.Translate(err)
	}
	return res.RowsAffected()
}

func (s *stmts) close() {
	var err error
	for _, st := range s.open {
		err = errors.Join(err, st.Close())
	}
}
