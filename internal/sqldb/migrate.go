package sqldb

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"probity.dev/internal/errs"
)

//go:embed migrations
var embedded embed.FS

// schemaFiles holds the migrations of this program, in a folder for each dialect.
var schemaFiles fs.FS = embedded

// previousSchema is the newest migration of the release before this one, whose programs go on working on this release's schema while they are replaced one after the other: its migrations
// only add. 0 says that there is none, because programs before the first release with a schema window refuse any schema but their own.
var previousSchema int64

// Migration is one step of the schema.
type Migration struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	SQL     string `json:"-"` // the whole file, with the way back
}

const (
	dirSQLite   = "migrations/sqlite"
	dirPostgres = "migrations/postgres"
)

// Bounds of a migration that has to wait for others to let go of a table, so that everybody else does not queue behind it for long.
const (
	tablePatience = "3s"
	tableAttempts = 20
	tablePause    = time.Second
)

func (db *DB) folder() string {
	if db.pg != nil {
		return dirPostgres
	}
	return dirSQLite
}

// steps are the migrations of this program in the order of their versions.
func steps(folder string) ([]Migration, error) {
	names, err := fs.Glob(schemaFiles, folder+"/*.sql")
	if err != nil {
		return nil, err
	}
	var out []Migration
	for _, n := range names { // sorted: versions are written with leading zeroes
		b, err := fs.ReadFile(schemaFiles, n)
		if err != nil {
			return nil, err
		}
		number, name, _ := strings.Cut(strings.TrimSuffix(path.Base(n), ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, err
		}
		out = append(out, Migration{Version: version, Name: name, SQL: string(b)})
	}
	return out, nil
}

// ownSchema is the schema version of this program.
var ownSchema = sync.OnceValue(func() int64 {
	all, err := steps(dirPostgres)
	if err != nil || len(all) == 0 {
		panic("sqldb: the migrations in the program cannot be read")
	}
	return all[len(all)-1].Version
})

// Migrate brings the schema to this program's version and returns the versions before and after; it needs the rights of the tables' owner. A database that is newer is left as it is when
// this program may work on it, and refused otherwise. Of several processes that start together, one migrates and the others wait.
func (db *DB) Migrate(ctx context.Context) (from, to int64, err error) {
	if db.pg != nil {
		from, to, err = db.pg.migrate(ctx)
		db.pg.ready.Store(err == nil)
		return from, to, err
	}
	return migrate(ctx, db.write, goose.DialectSQLite3, dirSQLite)
}

func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect, folder string) (from, to int64, err error) {
	all, err := steps(folder)
	if err != nil {
		return 0, 0, err
	}
	w, err := readWindow(ctx, db, dialect == goose.DialectPostgres)
	if err != nil {
		return 0, 0, err
	}
	from, to = w.newest(), all[len(all)-1].Version
	if from > to {
		return from, from, w.admits(to)
	}
	if len(w.pending(all)) == 0 && w.Version == to {
		return from, to, nil
	}
	oldest := cmp.Or(previousSchema, to)
	if w.Version > 0 && w.Compatible < oldest { // programs that could not work on the new schema stop before it comes
		if _, err := db.ExecContext(ctx, `UPDATE schema_window SET compatible = $1, changed_at = $2`, oldest, Now()); err != nil {
			return from, to, Translate(err)
		}
	}
	dir, err := fs.Sub(schemaFiles, folder)
	if err != nil {
		return from, to, err
	}
	p, err := goose.NewProvider(dialect, db, dir, goose.WithDisableGlobalRegistry(true), goose.WithAllowOutofOrder(true))
	if err != nil {
		return from, to, err
	}
	if _, err := p.Up(ctx); err != nil {
		return from, to, Translate(err)
	}
	_, err = db.ExecContext(ctx, `INSERT INTO schema_window (id, version, compatible, changed_at) VALUES (1, $1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET version = excluded.version, compatible = excluded.compatible, changed_at = excluded.changed_at`, to, oldest, Now())
	return from, to, Translate(err)
}

// migrate has connections of its own, because a migration may take longer than any other statement. While it changes anything it holds the lock of those who write, so that neither waits
// for a table that the other has locked.
func (p *postgres) migrate(ctx context.Context) (from, to int64, err error) {
	locks, err := p.unhurried(ctx, "0")
	if err != nil {
		return 0, 0, err
	}
	defer locks.Close()
	conn, err := locks.Conn(ctx)
	if err != nil {
		return 0, 0, Translate(err)
	}
	defer conn.Close() //nolint:errcheck // closing the pool ends it, and with it the locks
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, migrateLock); err != nil {
		return 0, 0, Translate(err)
	}
	work, err := p.unhurried(ctx, tablePatience)
	if err != nil {
		return 0, 0, err
	}
	defer work.Close()
	for attempt := 1; ; attempt++ {
		if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, writeLock); err != nil {
			return 0, 0, Translate(err)
		}
		from, to, err = migrate(ctx, work, goose.DialectPostgres, dirPostgres)
		if err == nil {
			err = confineTables(ctx, work)
		}
		if err == nil {
			err = regrant(ctx, work)
		}
		if _, uerr := conn.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, writeLock); uerr != nil {
			return from, to, errors.Join(err, Translate(uerr))
		}
		if !waitedForTable(err) || attempt == tableAttempts {
			return from, to, err
		}
		select {
		case <-ctx.Done():
			return from, to, ctx.Err()
		case <-time.After(tablePause):
		}
	}
}

// unhurried are connections whose statements may take as long as they need, once they have the tables they wait for.
func (p *postgres) unhurried(ctx context.Context, lockTimeout string) (*sql.DB, error) {
	config := p.config.Copy()
	config.RuntimeParams["statement_timeout"], config.RuntimeParams["lock_timeout"], config.RuntimeParams["idle_in_transaction_session_timeout"] = "0", lockTimeout, "0"
	// What is migrated changes the answers of statements that are kept.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(unconfined))
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(Translate(err), db.Close())
	}
	return db, nil
}

func waitedForTable(err error) bool { return sqlState(err) == "55P03" }

// window is what the database says of its schema.
type window struct {
	applied map[int64]bool // migrations
	// Version and Compatible are those of the row of schema_window, 0 when there is none.
	Version, Compatible int64
}

func readWindow(ctx context.Context, q *sql.DB, postgres bool) (w window, err error) {
	exists := `SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1)`
	if postgres {
		exists = `SELECT to_regclass($1) IS NOT NULL`
	}
	w.applied = map[int64]bool{}
	there := func(table string) (found bool) {
		if err == nil {
			err = Translate(q.QueryRowContext(ctx, exists, table).Scan(&found))
		}
		return found
	}
	if there("goose_db_version") {
		if err := w.readApplied(ctx, q); err != nil {
			return w, err
		}
	}
	if there("schema_window") {
		err = Translate(q.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0), COALESCE(MAX(compatible), 0) FROM schema_window`).Scan(&w.Version, &w.Compatible))
	}
	return w, err
}

func (w *window) readApplied(ctx context.Context, q *sql.DB) error {
	rows, err := q.QueryContext(ctx, `SELECT version_id FROM goose_db_version WHERE is_applied AND version_id > 0`)
	if err != nil {
		return Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			return err
		}
		w.applied[v] = true
	}
	return Translate(rows.Err())
}

// newest is the newest migration that was applied, 0 for none.
func (w *window) newest() (v int64) {
	for a := range w.applied {
		v = max(v, a)
	}
	return v
}

// pending are those that were not applied.
func (w *window) pending(all []Migration) (out []Migration) {
	for _, m := range all {
		if !w.applied[m.Version] {
			out = append(out, m)
		}
	}
	return out
}

// admits says why a program with a schema of its own may not work on the database as it is, which has a newer one.
func (w *window) admits(own int64) error {
	if w.Version > 0 && w.Compatible <= own {
		return nil
	}
	return tooOld(own, max(w.Version, w.newest()), w.Compatible)
}

func tooOld(own, version, compatible int64) error {
	return errs.New(errs.Unavailable, "the database has schema version %d, which programs with a schema from %d on can work on; this one has %d: run a newer probity (a node works on its own schema and on the next)",
		version, max(compatible, own+1), own)
}
