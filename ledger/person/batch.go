package person

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"

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

	rows    journalRows // set by Persist
	journal int64
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

// Persist writes the batch in tx, as one row of the journal: the directory's tables are in random order, and a page written for each new person
// would cost more than the events. Merge files the rows later.
//
// Prepare MUST have been called before.
func (d *Directory) Persist(ctx context.Context, tx *sql.Tx, b *Batch) error {
	if b.Empty() {
		return nil
	}
	b.journal = d.fresh.nextJournal()
	_, err := tx.ExecContext(ctx, `INSERT INTO person_journal (tenant_no, id, body) VALUES ($1, $2, $3)`, d.no, b.journal, b.rows.encode())
	return sqldb.Translate(err)
}

// Prepare seals what the batch will store. It is the expensive part and needs no transaction.
func (d *Directory) Prepare(b *Batch) error {
	b.rows = journalRows{}
	for _, e := range b.persons {
		if err := d.personRows(&b.rows, e); err != nil {
			return err
		}
	}
	for _, u := range b.displays {
		shown, err := d.sealDisplay(u.entry, u.identity)
		if err != nil {
			return err
		}
		b.rows.displays = append(b.rows.displays, displayRow{u.entry.handle, shown})
		d.addAlias(&b.rows, u.entry.handle, u.identity)
	}
	for _, p := range b.profiles {
		sealed, err := seal(p.secret, "profile", d.tenant, p.key.handle, p.key.profile, p.body)
		if err != nil {
			return err
		}
		b.rows.profiles = append(b.rows.profiles, profileRow{p.key, sealed})
	}
	return nil
}

func (d *Directory) personRows(rows *journalRows, e *entry) error {
	who := e.fresh.Load()
	if who == nil {
		return nil // another batch has stored it meanwhile
	}
	secret, err := d.keys.Seal(secretLabel(e.handle), e.secret[:])
	if err != nil {
		return err
	}
	shown, err := d.sealDisplay(e, *who)
	if err != nil {
		return err
	}
	rows.identifiers = append(rows.identifiers, identifierRow{e.at, e.handle})
	rows.persons = append(rows.persons, personRow{e.handle, e.generation, sqldb.Now(), secret, shown})
	d.addAlias(rows, e.handle, *who)
	return nil
}

// addAlias adds the row by which a person is found by e-mail, if that says more than the id.
func (d *Directory) addAlias(rows *journalRows, handle int64, id Identity) {
	if id.Email == "" || fold(id.Email) == fold(id.ID) {
		return
	}
	r := identifierRow{handle: handle}
	copy(r.lookup[:], d.lookup("email", fold(id.Email)))
	binary.BigEndian.PutUint64(r.scope[:], uint64(handle))
	rows.identifiers = append(rows.identifiers, r)
}

func (d *Directory) sealDisplay(e *entry, id Identity) ([]byte, error) {
	plain, err := json.Marshal([4]string{id.Type, id.ID, id.Name, id.Email})
	if err != nil {
		return nil, err
	}
	return seal(e.secret, "display", d.tenant, e.handle, 0, plain)
}

// Committed tells the directory that the transaction in which b was persisted has committed.
func (d *Directory) Committed(b *Batch) {
	if b.Empty() {
		return
	}
	for _, e := range b.persons {
		e.persisted.Store(true)
		if who := e.fresh.Load(); who != nil {
			d.names.put(e.handle, *who)
		}
	}
	for _, u := range b.displays {
		if u.entry.fresh.Load() != nil {
			u.entry.fresh.Store(&u.identity)
		}
		u.entry.display.Store(displayDigest(u.identity))
		d.names.put(u.entry.handle, u.identity)
	}
	for _, p := range b.profiles {
		d.profiles.Add(p.key, p.body)
		p.entry.recent.Store(p.key.profile)
	}
	d.fresh.committed(b)
}

// writer inserts many rows with few statements: a batch may hold thousands, and each statement costs more than a row.
type writer struct {
	ctx context.Context
	tx  *sql.Tx
}

// rowsPerInsert keeps a statement's parameters below every database's limit.
const rowsPerInsert = 100

// insert adds rows of width values each, leaving alone what is there.
func (w *writer) insert(into string, width int, values []any) error {
	for len(values) > 0 {
		rows := min(rowsPerInsert, len(values)/width)
		if _, err := w.tx.ExecContext(w.ctx, insertText(into, width, rows), values[:rows*width]...); err != nil {
			return sqldb.Translate(err)
		}
		values = values[rows*width:]
	}
	return nil
}

func insertText(into string, width, rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + into + " VALUES ")
	for i := range rows * width {
		switch {
		case i%width > 0:
			b.WriteString(", $")
		case i > 0:
			b.WriteString("), ($")
		default:
			b.WriteString("($")
		}
		b.WriteString(strconv.Itoa(i + 1))
	}
	b.WriteString(") ON CONFLICT DO NOTHING")
	return b.String()
}
