package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
)

// DB is an open database. On SQLite there is one writer connection and a pool of readers, so a reader never waits for a writer; PostgreSQL is used in the same way, by
// any number of processes.
type DB struct {
	read  *sql.DB
	write *sql.DB
	lite  *checkpointing // nil on PostgreSQL
	pg    *postgres      // nil on SQLite
	busy  sync.Map       // names of what Alone runs
}

// Shared reports whether other processes may work on the same database.
func (db *DB) Shared() bool { return db.pg != nil }

// Read returns the pool for queries. A query sees every transaction that committed before it began.
func (db *DB) Read(context.Context) *sql.DB { return db.read }

// Write runs fn in one transaction that holds the write lock from its start, commits when fn returns nil and rolls back otherwise.
// fn MUST NOT use any other connection of the same DB to write. An error of fn comes back unchanged; when Write returns nil, the change is durable.
// An error of the commit itself leaves open, on PostgreSQL, whether the change is there.
func (db *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if db.pg != nil {
		return db.writePostgres(ctx, fn)
	}
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

// Close closes every connection.
func (db *DB) Close() error {
	if db.pg != nil {
		err := errors.Join(db.read.Close(), db.write.Close())
		if db.pg.place != nil {
			err = errors.Join(err, db.pg.place.Close())
		}
		return err
	}
	return db.closeSQLite()
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

// Now returns t in the database's unit, microseconds since 1970 UTC.
func Now() int64 { return time.Now().UnixMicro() }
