package sqldb

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5/stdlib"
)

// serverIdentity is an expression that differs for any two servers, for one after a restart, and for a database that has been put in place of another.
const serverIdentity = `(SELECT extract(epoch FROM pg_postmaster_start_time())::text || '/' || oid FROM pg_database WHERE datname = current_database())`

// processName is different for every process that works on a database at the same time.
func processName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return fmt.Sprintf("%.80s-%d-%.12s", host, os.Getpid(), rand.Text())
}

// seen notes which server has answered.
func (p *postgres) seen(server string) {
	if old := p.server.Swap(&server); old != nil && *old != server {
		p.generation.Add(1)
	}
}

// Generation changes whenever the database server turns out to be another process than before: it has been restarted, or another has taken its place. It is looked at as each transaction
// of Write begins, and with each lease that is taken.
func (db *DB) Generation() int64 {
	if db.pg == nil {
		return 0
	}
	return db.pg.generation.Load()
}

// patienceWithStarts is how long a process waits for another that is just starting.
const patienceWithStarts = 15 * time.Second

// Enter says that this process works on the database, until the DB is closed or the process ends in any way. With alone it must be the only one; otherwise there may be others that have not asked to be alone. It
// reports whether that is so. A process that finds itself the only one runs first before others may enter; first may be nil. On SQLite there is no other process.
func (db *DB) Enter(ctx context.Context, alone bool, first func() error) (entered bool, err error) {
	if db.pg == nil {
		if first != nil {
			err = first()
		}
		return err == nil, err
	}
	pool := stdlib.OpenDB(*db.pg.config)
	pool.SetMaxOpenConns(1)
	db.pg.place = pool
	for until := time.Now().Add(patienceWithStarts); ; {
		only, err := placeLock(ctx, pool, `SELECT pg_try_advisory_lock($1)`)
		if err != nil {
			return false, err
		}
		if only {
			return true, db.enterFirst(ctx, alone, first)
		}
		if alone {
			return false, nil
		}
		if entered, err = placeLock(ctx, pool, `SELECT pg_try_advisory_lock_shared($1)`); err != nil || entered {
			return entered, err
		}
		if time.Now().After(until) {
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func placeLock(ctx context.Context, pool *sql.DB, query string) (got bool, err error) {
	err = pool.QueryRowContext(ctx, query, placesLock).Scan(&got)
	return got, Translate(err)
}

func (db *DB) enterFirst(ctx context.Context, alone bool, first func() error) error {
	if first != nil {
		if err := first(); err != nil {
			return err
		}
	}
	if db.pg.alone.Store(alone); alone {
		return nil
	}
	// Whoever had a lease is gone.
	if _, err := db.read.ExecContext(ctx, `UPDATE lease SET until_at = 0 WHERE until_at > 0`); err != nil {
		return Translate(err)
	}
	_, err := db.pg.place.ExecContext(ctx, `SELECT pg_advisory_lock_shared($1)`, placesLock)
	if err == nil {
		_, err = db.pg.place.ExecContext(ctx, `SELECT pg_advisory_unlock($1)`, placesLock)
	}
	return Translate(err)
}

// Lone keeps others out, if there are none, until the DB is closed. It MUST follow Enter.
func (db *DB) Lone(ctx context.Context) (bool, error) {
	if db.pg == nil || db.pg.alone.Load() {
		return true, nil
	}
	if db.pg.place == nil {
		return false, errors.New("sqldb: Lone without Enter")
	}
	only, err := placeLock(ctx, db.pg.place, `SELECT pg_try_advisory_lock($1)`)
	if only {
		db.pg.alone.Store(true)
	}
	return only, err
}
