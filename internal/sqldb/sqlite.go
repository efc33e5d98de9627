package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"
)

// checkpointEvery is how often committed pages are carried from the write-ahead log to the database file.
const checkpointEvery = time.Second

// OpenSQLite opens the database file at path, creating it when absent. Committed means durable: WAL with synchronous=FULL.
//
// The write-ahead log is folded into the file by a goroutine of its own (see [DB.checkpointLoop]), so that no commit waits for it.
func OpenSQLite(ctx context.Context, path string) (*DB, error) {
	file := "file:" + (&url.URL{Path: path}).EscapedPath() + "?"
	q := url.Values{
		"_synchronous": {"FULL"}, "_busy_timeout": {"10000"}, "_foreign_keys": {"on"}, "_txlock": {"immediate"}, "_secure_delete": {"FAST"}, "_cache_size": {"-32768"},
		"_stmt_cache_size": {"48"}, // on each connection: preparing took a fifth of the time of a small commit
	}
	// Large blobs are written once and read once: a bigger page saves overflow chains. It must be chosen before the first page is written.
	db := &DB{lite: &checkpointing{quit: make(chan struct{})}}
	db.write = openPool(file+q.Encode(), 1, db.committed, "PRAGMA page_size=8192", "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0", "PRAGMA journal_size_limit=268435456")
	if err := db.write.PingContext(ctx); err != nil {
		db.write.Close()
		return nil, fmt.Errorf("open %s: %w", path, Translate(err))
	}
	q.Set("_cache_size", "-1024")
	carry := openPool(file+q.Encode(), 1, nil, "PRAGMA wal_autocheckpoint=0")
	q.Set("mode", "ro")
	q.Del("_txlock")
	q.Set("_query_only", "true")
	q.Set("_cache_size", "-4096")
	db.read, db.lite.carry = openPool(file+q.Encode(), max(4, 2*runtime.NumCPU()), nil), carry
	db.lite.background.Go(db.checkpointLoop)
	return db, nil
}

// committed is called by the writer's connection at every commit, whoever began the transaction. A zero lets it go on.
func (db *DB) committed() int {
	db.lite.dirty.Store(true)
	return 0
}

// openPool opens at most conns connections, on each of which the pragmas are run. committing, if not nil, is called before each commit.
func openPool(dsn string, conns int, committing func() int, pragmas ...string) *sql.DB {
	d := &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		for _, p := range pragmas {
			if _, err := c.Exec(p, nil); err != nil {
				return err
			}
		}
		if committing != nil {
			c.RegisterCommitHook(committing)
		}
		return nil
	}}
	db := sql.OpenDB(connector{d, dsn})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

type connector struct {
	driver *sqlite3.SQLiteDriver
	dsn    string
}

// Connect implements [driver.Connector].
func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }

// Driver implements [driver.Connector].
func (c connector) Driver() driver.Driver { return c.driver }

// checkpointing is what the checkpointer needs.
type checkpointing struct {
	carry      *sql.DB     // the connection that carries pages while others commit
	dirty      atomic.Bool // something was committed since the last time
	quit       chan struct{}
	background sync.WaitGroup
}

// checkpointLoop folds the write-ahead log into the database file. SQLite would do so inside every commit that finds the log long, which then takes a hundred
// milliseconds. Here a connection beside the writer carries what is there while commits go on. Once the log is long, that is done a second time, and then, with the writer
// held for a moment, what came meanwhile is carried, so that the next commit starts the log anew. That moment is some 25 ms in which everybody waits: once a second, it was
// what the slowest hundredth of single events had met.
func (db *DB) checkpointLoop() {
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-db.lite.quit:
			return
		case <-tick.C:
		}
		if db.lite.dirty.Swap(false) {
			// A failure (the disk is full, a reader is in the way) shows in the next commit or goes away; the log only grows meanwhile.
			if db.fold() != nil {
				db.lite.dirty.Store(true)
			}
		}
	}
}

// longLog is the length of the write-ahead log, in pages of 8 KiB, at which it is started anew even under load.
const longLog = 16 << 20 / 8192

func (db *DB) fold() error {
	for _, on := range [...]*sql.DB{db.lite.carry, db.lite.carry, db.write} {
		if log, err := checkpoint(on); err != nil || log < longLog {
			return err
		}
	}
	return nil
}

// checkpoint carries what it can without waiting for anybody, and returns the length of the log in pages.
func checkpoint(on *sql.DB) (log int, err error) {
	var busy, carried int
	err = on.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &log, &carried)
	if err == nil && busy != 0 {
		err = errors.New("the write-ahead log is in use")
	}
	return log, err
}

// closeSQLite folds the write-ahead log into the database file before it closes the last connection.
func (db *DB) closeSQLite() error {
	close(db.lite.quit)
	db.lite.background.Wait()
	err := errors.Join(db.lite.carry.Close(), db.read.Close())
	_, folded := db.write.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(err, folded, db.write.Close())
}
