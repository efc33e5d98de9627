package sqldb

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"probity.dev/internal/errs"
)

// The container of a PostgreSQL database begins with this line. Then follows, for each table, in an order in which those that others refer to come first, a line of JSON with its name and columns, its rows as
// PostgreSQL's COPY in its binary format gives them, in pieces of u32 length (big-endian) and that many bytes, and a piece of length 0. Then a line of JSON for each sequence, and one that says how many
// tables there were. The schema is not in it: the migrations up to the version that goes with the container make it.
const containerFormat = "probity/database/v1"

// containerLine is a line of JSON of the container; one of its members says which.
type containerLine struct {
	Table   string   `json:"table,omitempty"`
	Columns []string `json:"columns,omitempty"`

	Sequence string `json:"sequence,omitempty"`
	Last     int64  `json:"last,omitempty"`
	Called   bool   `json:"called,omitempty"`

	End int `json:"end,omitempty"`
}

// versionTable is the migrations' own, which has no place in a copy: restoring runs them.
const versionTable = "goose_db_version"

// openWhole opens one connection whose statements may take as long as they take.
func openWhole(address string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errs.New(errs.Invalid, "the address of the database cannot be read: it must be like postgres://user@host:5432/database?sslmode=verify-full")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	setDefault(config, "application_name", "probity")
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		config.RuntimeParams[name] = "0"
	}
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(unconfined))
	db.SetMaxOpenConns(1)
	return db, nil
}

// CopyPostgres takes a copy of the PostgreSQL database at address: one REPEATABLE READ snapshot, which lasts until Close.
func CopyPostgres(ctx context.Context, address string) (*Copy, error) {
	db, err := openWhole(address)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(Translate(err), db.Close())
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, errors.Join(Translate(err), conn.Close(), db.Close())
	}
	c := &Copy{Kind: KindPostgres, query: tx.QueryContext, close: func() error {
		_ = tx.Rollback() // it has changed nothing
		return errors.Join(conn.Close(), db.Close())
	}}
	c.write = func(ctx context.Context, w io.Writer) error { return dump(ctx, conn, tx, w) }
	if err := c.readSchema(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// dump writes the container.
func dump(ctx context.Context, conn *sql.Conn, tx *sql.Tx, to io.Writer) error {
	tables, err := tablesOf(ctx, tx)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(to, 1<<20)
	if _, err := fmt.Fprintln(w, containerFormat); err != nil {
		return err
	}
	for _, t := range tables {
		if err := writeLine(w, t); err != nil {
			return err
		}
		p := &pieces{w: w}
		err := conn.Raw(func(driver any) error {
			_, err := driver.(raw).Conn().PgConn().CopyTo(ctx, p, "COPY "+t.target()+" TO STDOUT (FORMAT binary)")
			return err
		})
		if err != nil {
			return Translate(err)
		}
		if err := p.end(); err != nil {
			return err
		}
	}
	sequences, err := sequencesOf(ctx, tx)
	if err != nil {
		return err
	}
	for _, s := range append(sequences, containerLine{End: len(tables)}) {
		if err := writeLine(w, s); err != nil {
			return err
		}
	}
	return w.Flush()
}

func writeLine(w io.Writer, l containerLine) error {
	b, err := json.Marshal(l)
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	return err
}

// target is the table with its columns, as COPY takes them.
func (l *containerLine) target() string {
	columns := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		columns[i] = pgx.Identifier{c}.Sanitize()
	}
	return pgx.Identifier{l.Table}.Sanitize() + " (" + strings.Join(columns, ", ") + ")"
}

// tablesOf lists the tables of the schema with the columns that can be written, those that others refer to first.
func tablesOf(ctx context.Context, tx *sql.Tx) ([]containerLine, error) {
	tables, err := columnsOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	refers, err := referencesOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	return inOrder(tables, refers), nil
}

// columnsOf lists the tables by name. Unlogged tables, whose content is lost in a crash anyway, are left out.
func columnsOf(ctx context.Context, tx *sql.Tx) ([]containerLine, error) {
	rows, err := tx.QueryContext(ctx, `SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'p' AND c.relname <> $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		ORDER BY c.relname, a.attnum`, versionTable)
	if err != nil {
		return nil, Translate(err)
	}
	defer rows.Close()
	var tables []containerLine
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return nil, err
		}
		if n := len(tables); n == 0 || tables[n-1].Table != table {
			tables = append(tables, containerLine{Table: table})
		}
		last := &tables[len(tables)-1]
		last.Columns = append(last.Columns, column)
	}
	return tables, Translate(rows.Err())
}

// referencesOf are the tables that each table refers to.
func referencesOf(ctx context.Context, tx *sql.Tx) (map[string][]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT a.relname, b.relname FROM pg_constraint f JOIN pg_class a ON a.oid = f.conrelid JOIN pg_class b ON b.oid = f.confrelid
		WHERE f.contype = 'f' AND f.connamespace = current_schema()::regnamespace AND a.oid <> b.oid`)
	if err != nil {
		return nil, Translate(err)
	}
	defer rows.Close()
	refers := map[string][]string{}
	for rows.Next() {
		var from, to string
		if err := rows.Scan(&from, &to); err != nil {
			return nil, err
		}
		refers[from] = append(refers[from], to)
	}
	return refers, Translate(rows.Err())
}

// inOrder puts every table after those that it refers to.
func inOrder(tables []containerLine, refers map[string][]string) []containerLine {
	byName, done := map[string]containerLine{}, map[string]bool{}
	for _, t := range tables {
		byName[t.Table] = t
	}
	var out []containerLine
	var visit func(name string)
	visit = func(name string) {
		t, ok := byName[name]
		if !ok || done[name] {
			return
		}
		done[name] = true
		for _, to := range refers[name] {
			visit(to)
		}
		out = append(out, t)
	}
	for _, t := range tables {
		visit(t.Table)
	}
	return out
}

// sequencesOf reads where the sequences stand. What a sequence has given out is never given back, so it may be ahead of the snapshot.
func sequencesOf(ctx context.Context, tx *sql.Tx) ([]containerLine, error) {
	rows, err := tx.QueryContext(ctx, `SELECT sequencename, COALESCE(last_value, start_value), last_value IS NOT NULL FROM pg_sequences WHERE schemaname = current_schema() ORDER BY sequencename`)
	if err != nil {
		return nil, Translate(err)
	}
	defer rows.Close()
	var out []containerLine
	for rows.Next() {
		var l containerLine
		if err := rows.Scan(&l.Sequence, &l.Last, &l.Called); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(l.Sequence, versionTable) {
			out = append(out, l)
		}
	}
	return out, Translate(rows.Err())
}

// pieces frames what COPY gives.
type pieces struct{ w io.Writer }

// Write implements io.Writer.
func (p *pieces) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := binary.Write(p.w, binary.BigEndian, uint32(len(b))); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}

func (p *pieces) end() error { return binary.Write(p.w, binary.BigEndian, uint32(0)) }

// Blank reports whether the PostgreSQL database at address has no table in the schema that would be used. A role that may not make tables there is refused.
func Blank(ctx context.Context, address string) (blank bool, err error) {
	db, err := openWhole(address)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkServer(ctx, db); err != nil {
		return false, err
	}
	var mayCreate bool
	err = db.QueryRowContext(ctx, `SELECT NOT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'S')),
		COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false)`).Scan(&blank, &mayCreate)
	if err == nil && blank && !mayCreate {
		return false, errs.New(errs.Forbidden, "the role may not make tables in the database: give the address of the role that owns it")
	}
	return blank, Translate(err)
}

// RestorePostgres makes the schema of a version in the blank database at address and loads a container into it, which write writes. Either all of it is there afterwards, or the tables are empty.
// A schema that is newer than this build is refused.
func RestorePostgres(ctx context.Context, address string, schema int64, write func(io.Writer) error) error {
	db, err := openWhole(address)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // what matters has been committed
	if err := migrateTo(ctx, db, schema); err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return Translate(err)
	}
	defer conn.Close() //nolint:errcheck // likewise
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return Translate(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it is a no-op that says so
	pr, pw := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(pw)
		pw.CloseWithError(err)
		written <- err
	}()
	err = loadAll(ctx, conn, tx, bufio.NewReaderSize(pr, 1<<20))
	if err == nil {
		_, err = io.Copy(io.Discard, pr) // whoever writes checks the content at its end
	}
	pr.CloseWithError(errRefused)
	if werr := <-written; werr != nil && !errors.Is(werr, errRefused) {
		return werr
	}
	if err != nil {
		return err
	}
	return Translate(tx.Commit())
}

// migrateTo brings a blank database to a version of the schema.
func migrateTo(ctx context.Context, db *sql.DB, version int64) error {
	if own := ownSchema(); version > own {
		return errs.New(errs.Unavailable, "the backup has schema version %d, newer than the %d this build knows; restore with a newer probity", version, own)
	}
	dir, err := fs.Sub(schemaFiles, dirPostgres)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return Translate(err)
}

// errRefused is what the writer of a container is told when the database takes no more of it.
var errRefused = errors.New("the database does not take any more")

var errContainer = errs.New(errs.Invalid, "the copy of the database is damaged")

func loadAll(ctx context.Context, conn *sql.Conn, tx *sql.Tx, r *bufio.Reader) error {
	if line, err := r.ReadString('\n'); err != nil || line != containerFormat+"\n" {
		return errors.Join(errContainer, err)
	}
	if err := emptyAll(ctx, tx); err != nil {
		return err
	}
	for tables := 0; ; {
		text, err := r.ReadBytes('\n')
		if err != nil {
			return errors.Join(errContainer, err)
		}
		var l containerLine
		if err := json.Unmarshal(text, &l); err != nil {
			return errors.Join(errContainer, err)
		}
		switch {
		case l.Table != "":
			tables++
			if err := loadTable(ctx, conn, &l, r); err != nil {
				return err
			}
		case l.Sequence != "":
			if _, err := tx.ExecContext(ctx, `SELECT setval($1::regclass, $2, $3)`, pgx.Identifier{l.Sequence}.Sanitize(), l.Last, l.Called); err != nil {
				return Translate(err)
			}
		case l.End == tables:
			return nil
		default:
			return errContainer
		}
	}
}

// emptyAll removes rows that the migrations have made.
func emptyAll(ctx context.Context, tx *sql.Tx) error {
	tables, err := tablesOf(ctx, tx)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range tables {
		name, filled := pgx.Identifier{t.Table}.Sanitize(), false
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+name+`)`).Scan(&filled); err != nil {
			return Translate(err)
		}
		if filled { // those that take no TRUNCATE, because they are for appending only, are empty
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	_, err = tx.ExecContext(ctx, "TRUNCATE "+strings.Join(names, ", "))
	return Translate(err)
}

func loadTable(ctx context.Context, conn *sql.Conn, l *containerLine, r io.Reader) error {
	return conn.Raw(func(driver any) error {
		_, err := driver.(raw).Conn().PgConn().CopyFrom(ctx, &unpieced{r: r}, "COPY "+l.target()+" FROM STDIN (FORMAT binary)")
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			// Its detail may quote a row.
			return errs.New(errs.Invalid, "the database refuses the table %s (SQLSTATE %s)", l.Table, refused.Code)
		}
		return Translate(err)
	})
}

// unpieced reads what pieces framed.
type unpieced struct {
	r    io.Reader
	left uint32
	done bool
}

// Read implements io.Reader.
func (u *unpieced) Read(b []byte) (int, error) {
	if u.done {
		return 0, io.EOF
	}
	if u.left == 0 {
		if err := binary.Read(u.r, binary.BigEndian, &u.left); err != nil {
			return 0, errors.Join(errContainer, err)
		}
		if u.left == 0 {
			u.done = true
			return 0, io.EOF
		}
	}
	n, err := u.r.Read(b[:min(uint64(len(b)), uint64(u.left))])
	u.left -= uint32(n)
	if errors.Is(err, io.EOF) {
		err = errors.Join(errContainer, io.ErrUnexpectedEOF)
	}
	return n, err
}
