package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"

	"probity.dev/internal/errs"
)

//go:embed migrations
var migrations embed.FS

// DB is an open database. On SQLite there is one writer connection and a pool of readers, so a reader never waits for a writer.
type DB struct {
	read  *sql.DB
	write *sql.DB
	checkpointing
}

// Read returns the pool for queries. A query sees every transaction that committed before it began.
func (db *DB) Read(context.Context) *sql.DB { return db.read }

// Write runs fn in one transaction that holds the write lock from its start, commits when fn returns nil and rolls back otherwise.
// fn MUST NOT use any other connection of the same DB to write. An error of fn comes back unchanged; when Write returns nil, the change is durable.
func (db *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return Translate(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it is a no-op that says so
	if err := fn(tx); err != nil {
		return err
	}
	return Translate(tx.Commit())
}

// Savepoint runs fn inside tx so that an error of fn undoes fn's statements only. Name must be a plain identifier.
func Savepoint(ctx context.Context, tx *sql.Tx, name string, fn func() error) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT "+name); err != nil {
		return Translate(err)
	}
	if err := fn(); err != nil {
		if _, rerr := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT "+name); rerr != nil {
			return errors.Join(err, Translate(rerr))
		}
		return err
	}
	_, err := tx.ExecContext(ctx, "RELEASE SAVEPOINT "+name)
	return Translate(err)
}

// Migrate brings the schema to this build's version and returns the versions before and after. A database that is newer than this
// build is refused.
func (db *DB) Migrate(ctx context.Context) (from, to int64, err error) {
	dir, err := fs.Sub(migrations, "migrations/sqlite")
	if err != nil {
		return 0, 0, err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db.write, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return 0, 0, err
	}
	if from, err = p.GetDBVersion(ctx); err != nil {
		return 0, 0, Translate(err)
	}
	sources := p.ListSources()
	to = sources[len(sources)-1].Version
	if from > to {
		return from, to, errs.New(errs.Unavailable, "the database has schema version %d, newer than the %d this build knows; run a newer probity", from, to)
	}
	_, err = p.Up(ctx)
	return from, to, Translate(err)
}

// ErrDiskFull is in the chain of every error that says the disk has no room left.
var ErrDiskFull = errors.New("no space left on the disk of the database")

// Translate gives driver errors the codes of package errs: a full or read-only disk and a busy database are Unavailable, a violated
// constraint is a Conflict. Other errors, nil included, come back unchanged.
func Translate(err error) error {
	var se sqlite3.Error
	if err == nil || !errors.As(err, &se) {
		return err
	}
	switch se.Code {
	case sqlite3.ErrFull:
		e := errs.Wrap(errs.Unavailable, errors.Join(ErrDiskFull, err), "the disk is full; nothing was recorded. Free space and retry")
		e.RetryAfter = 30 * time.Second
		return e
	case sqlite3.ErrIoErr, sqlite3.ErrReadonly, sqlite3.ErrCantOpen:
		e := errs.Wrap(errs.Unavailable, err, "the database cannot be read or written")
		e.RetryAfter = 10 * time.Second
		return e
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		e := errs.Wrap(errs.Unavailable, err, "the database is busy")
		e.RetryAfter = time.Second
		return e
	case sqlite3.ErrConstraint:
		return errs.Wrap(errs.Conflict, err, "the change contradicts what is stored")
	}
	return err
}

// Now returns t in the database's unit, microseconds since 1970 UTC.
func Now() int64 { return time.Now().UnixMicro() }
