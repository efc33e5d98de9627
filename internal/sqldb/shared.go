package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"hash/fnv"

	"github.com/jackc/pgx/v5/stdlib"
)

// Take takes n consecutive numbers of a named counter, which nobody else gets, and returns the first. A counter begins at least. Numbers that are taken and not used are lost.
func (db *DB) Take(ctx context.Context, name string, least, n int64) (first int64, err error) {
	const query = `INSERT INTO counter (name, next) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET next = counter.next + $3 RETURNING next`
	if db.pg != nil { // one statement that locks one row, so it needs no other lock
		err = db.read.QueryRowContext(ctx, query, name, least+n, n).Scan(&first)
	} else {
		err = db.Write(ctx, func(tx *sql.Tx) error { return tx.QueryRowContext(ctx, query, name, least+n, n).Scan(&first) })
	}
	return first - n, Translate(err)
}

// Snapshot runs fn in a transaction that only reads and sees one state of the database.
func (db *DB) Snapshot(ctx context.Context, fn func(tx *sql.Tx) error) error {
	if db.pg != nil {
		return db.inPostgres(ctx, db.read, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, fn)
	}
	tx, err := db.read.BeginTx(ctx, nil) // what SQLite reads in a transaction is one state in any case
	if err != nil {
		return Translate(err)
	}
	defer tx.Rollback() //nolint:errcheck // it has changed nothing
	return fn(tx)
}

// Alone runs fn while no other process runs what it calls by the same name, and reports whether it did: false means that another process is at it. On SQLite, which has one process, it always does. fn MAY use the database.
func (db *DB) Alone(ctx context.Context, name string, fn func() error) (ran bool, err error) {
	if db.pg == nil {
		return true, fn()
	}
	conn, err := db.read.Conn(ctx)
	if err != nil {
		return false, Translate(err)
	}
	defer conn.Close() //nolint:errcheck // it goes back to the pool
	key := lockKey(name)
	if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, key).Scan(&ran); err != nil || !ran {
		return false, Translate(err)
	}
	defer func() {
		// A connection that cannot give the lock back must not go back to the pool with it.
		_, uerr := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, key)
		if uerr != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
			err = errors.Join(err, Translate(uerr))
		}
	}()
	return true, fn()
}

// Hold reserves a name for this process until the DB is closed, or the process ends in any way. It is false when another process holds the name. On SQLite there is no other process.
func (db *DB) Hold(ctx context.Context, name string) (held bool, err error) {
	if db.pg == nil {
		return true, nil
	}
	pool := stdlib.OpenDB(*db.pg.config)
	pool.SetMaxOpenConns(1)
	if err := pool.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, lockKey(name)).Scan(&held); err != nil || !held {
		return false, errors.Join(Translate(err), pool.Close())
	}
	db.pg.held = append(db.pg.held, pool)
	return true, nil
}

func lockKey(name string) int64 {
	h := fnv.New64a()
	h.Write([]byte("probity/" + name))
	return int64(h.Sum64())
}
