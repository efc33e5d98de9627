package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// OpenPgx opens a pool of at most conns connections to the same PostgreSQL database, with the same settings, for a library that works with pgx itself and begins transactions of its own,
// which take no lock. The caller closes it before the DB.
func (db *DB) OpenPgx(ctx context.Context, conns int32) (*pgxpool.Pool, error) {
	if db.pg == nil {
		return nil, errors.New("sqldb: SQLite has no connections of pgx")
	}
	own := db.pg.config.Copy()
	config, err := pgxpool.ParseConfig(own.ConnString())
	if err != nil {
		return nil, errors.New("sqldb: the address of the database cannot be read") // the cause may repeat it
	}
	setDefault(own, "statement_timeout", writeTimeout)
	config.ConnConfig, config.AfterConnect = own, unconfined
	config.MaxConns, config.MinConns, config.MinIdleConns, config.MaxConnIdleTime = conns, 0, 0, maxIdle
	pool, err := pgxpool.NewWithConfig(ctx, config)
	return pool, Translate(err)
}

// Pgx returns a transaction of this DB's Write or Snapshot, on PostgreSQL, as pgx knows it. What is begun within it is a savepoint. Its Commit and Rollback do nothing, because it ends where it was begun. It MUST NOT
// be used after that, nor while rows of tx are being read.
func (db *DB) Pgx(tx *sql.Tx) (pgx.Tx, error) {
	if db.pg != nil {
		if conn, ok := db.pg.txs.Load(tx); ok {
			own := &pgxTx{}
			err := conn.(*sql.Conn).Raw(func(c any) error {
				std, ok := c.(raw)
				if !ok {
					return fmt.Errorf("a connection to PostgreSQL is a %T", c)
				}
				own.pgxConn = std.Conn()
				return nil
			})
			return own, Translate(err)
		}
	}
	return nil, errors.New("sqldb: this is no transaction of Write or Snapshot on PostgreSQL")
}

// pgxConn is embedded under another name than that of the method Conn.
type pgxConn = pgx.Conn

// pgxTx is a transaction that somebody else ends, or a savepoint in it when depth is not zero.
type pgxTx struct {
	*pgxConn
	depth int
	ended bool
}

func (t *pgxTx) name() string { return "pgx_" + strconv.Itoa(t.depth) }

// Begin implements [pgx.Tx].
func (t *pgxTx) Begin(ctx context.Context) (pgx.Tx, error) {
	in := &pgxTx{pgxConn: t.pgxConn, depth: t.depth + 1}
	_, err := t.Exec(ctx, "SAVEPOINT "+in.name())
	return in, err
}

// Commit implements [pgx.Tx].
func (t *pgxTx) Commit(ctx context.Context) error { return t.end(ctx, "RELEASE SAVEPOINT ") }

// Rollback implements [pgx.Tx].
func (t *pgxTx) Rollback(ctx context.Context) error { return t.end(ctx, "ROLLBACK TO SAVEPOINT ") }

func (t *pgxTx) end(ctx context.Context, how string) error {
	if t.depth == 0 {
		return nil
	}
	if t.ended {
		return pgx.ErrTxClosed
	}
	t.ended = true
	_, err := t.Exec(ctx, how+t.name())
	return err
}

// LargeObjects implements [pgx.Tx]. Nobody here has any.
func (t *pgxTx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Conn implements [pgx.Tx].
func (t *pgxTx) Conn() *pgx.Conn { return t.pgxConn }
