package sqldb

import (
	"context"
	"database/sql"
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
