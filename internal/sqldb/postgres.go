package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"probity.dev/internal/errs"
)

// Advisory locks of a database, numbers that nobody else is likely to use.
const (
	writeLock   int64 = 0x70726f6269747901 // held by the one transaction that writes
	migrateLock int64 = 0x70726f6269747902
	placesLock  int64 = 0x70726f6269747903 // held by all processes that work on the database, or by one that is alone
)

// Bounds of a process's connections, and of what one of them may do. Whoever gives others in the address of the database gets those.
const (
	readConnections  = 16
	writeConnections = 2
	leastConnections = 6
	oldestPostgres   = 150_000
	connectTimeout   = 5 * time.Second
	// patience is how long a new connection is tried for while a server restarts, or another takes over.
	patience = 10 * time.Second
	// maxIdle is after how long a connection that nobody uses is closed.
	maxIdle = 5 * time.Minute
	// writeTimeout is how long a statement of a writer may take.
	writeTimeout = "60s"
)

// postgres is what is needed beside the pools.
type postgres struct {
	config *pgx.ConnConfig
	// txs leads from the open transactions of Write and Snapshot to their connections.
	txs sync.Map // *sql.Tx → *sql.Conn
	// process names this process to others.
	process string
	// place is the connection with the lock by which this process has entered. Only opening and closing touch it.
	place *sql.DB
	alone atomic.Bool // no other process may enter
	// server is what was seen last of the server's identity, generation how often it has changed.
	server     atomic.Pointer[string]
	generation atomic.Int64
	// ready says that the schema has been found fit, so that every transaction that writes sees whether it still is.
	ready atomic.Bool
}

// OpenPostgres opens the PostgreSQL database at address, a URL (postgres://user@host/database?sslmode=verify-full) or a list of keywords and values, version 15 or later. It waits some seconds for a server that is
// starting. No error repeats the address, which may hold a password.
func OpenPostgres(ctx context.Context, address string) (*DB, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errs.New(errs.Invalid, "the address of the database cannot be read: it must be like postgres://user@host:5432/database?sslmode=verify-full")
	}
	readers, err := readLimit(config)
	if err != nil {
		return nil, err
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	setDefault(config, "application_name", "probity")
	setDefault(config, "idle_in_transaction_session_timeout", "60s") // a node that hangs must not hold the write lock for ever
	setDefault(config, "lock_timeout", "30s")
	// A machine that has gone must not hold its locks for the two hours that TCP waits.
	setDefault(config, "tcp_keepalives_idle", "30")
	setDefault(config, "tcp_keepalives_interval", "10")
	setDefault(config, "tcp_keepalives_count", "3")
	db := &DB{pg: &postgres{config: config, process: processName()}}
	db.read, db.write = openPostgresPool(config, readers, "10min"), openPostgresPool(config, writeConnections, writeTimeout)
	if err := checkServer(ctx, db.write); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// readLimit is how many connections may read, so that the process keeps to what pool_max_conns in the address says. It takes that from the parameters, which the server would not know.
func readLimit(config *pgx.ConnConfig) (int, error) {
	const name, others = "pool_max_conns", writeConnections + 1 // and one that holds a name
	v, ok := config.RuntimeParams[name]
	if !ok {
		return readConnections, nil
	}
	delete(config.RuntimeParams, name)
	n, err := strconv.Atoi(v)
	if err != nil || n < leastConnections || n > 10_000 {
		return 0, errs.New(errs.Invalid, "%s in the address of the database must be a number from %d to 10000", name, leastConnections)
	}
	return n - others, nil
}

func setDefault(config *pgx.ConnConfig, name, value string) {
	if _, ok := config.RuntimeParams[name]; !ok {
		config.RuntimeParams[name] = value
	}
}

// openPostgresPool opens at most conns connections, whose statements may take as long as limit unless the address says otherwise.
func openPostgresPool(config *pgx.ConnConfig, conns int, limit string) *sql.DB {
	own := config.Copy()
	setDefault(own, "statement_timeout", limit)
	c := stdlib.GetConnector(*own, stdlib.OptionAfterConnect(durably))
	db := sql.OpenDB(&patientConnector{Connector: c})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(maxIdle)
	return db
}

// durably makes what a new connection is told was committed durable, whatever the default of the server or of the role.
func durably(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'`)
	return err
}

func checkServer(ctx context.Context, db *sql.DB) error {
	var version int
	var name, encoding string
	var standby bool
	err := db.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::integer, current_setting('server_version'), current_setting('server_encoding'), pg_is_in_recovery()`).
		Scan(&version, &name, &encoding, &standby)
	switch {
	case err != nil:
		return Translate(err)
	case version < oldestPostgres:
		return errs.New(errs.Invalid, "the database server is PostgreSQL %s; 15 or later is needed", name)
	case encoding != "UTF8":
		return errs.New(errs.Invalid, "the database has the encoding %s; it must be made with ENCODING 'UTF8'", encoding)
	case standby:
		return errs.New(errs.Unavailable, "the database is a standby, which takes no changes; give the address of the primary")
	}
	return nil
}

// patientConnector tries again for a while when the server does not answer. Once it has not answered for that long, callers are told at once.
type patientConnector struct {
	driver.Connector
	mu    sync.Mutex
	since time.Time // of the first failure in a row
}

// Connect implements [driver.Connector].
func (p *patientConnector) Connect(ctx context.Context) (driver.Conn, error) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		c, err := p.Connector.Connect(ctx)
		if own, ok := c.(*stdlib.Conn); ok && err == nil {
			c = &confinedConn{stdConn: own}
		}
		if !p.again(err) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(wait/2 + rand.N(wait/2)): // so that many do not come back at once
		}
	}
}

func (p *patientConnector) again(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil || !lost(err) {
		p.since = time.Time{}
		return false
	}
	if p.since.IsZero() {
		p.since = time.Now()
	}
	return time.Since(p.since) < patience
}

// beginAttempts bounds how often a transaction is begun anew because its connection turned out to be dead.
const beginAttempts = 3

// writePostgres is Write on PostgreSQL. A lock that only writers take gives what SQLite gives: they follow one another, in all processes, so none fails because of another, and none of them works on what another is about to change.
func (db *DB) writePostgres(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return db.inPostgres(ctx, db.write, nil, func(tx *sql.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return Translate(tx.Commit())
	})
}

// inPostgres runs fn in a transaction, which is undone unless fn commits it. One without options has the write lock.
func (db *DB) inPostgres(ctx context.Context, pool *sql.DB, options *sql.TxOptions, fn func(tx *sql.Tx) error) error {
	conn, tx, err := db.pg.begin(ctx, pool, options)
	if err != nil {
		return Translate(err)
	}
	defer conn.Close()  //nolint:errcheck // it goes back to the pool
	defer tx.Rollback() //nolint:errcheck // after Commit it is a no-op that says so
	db.pg.txs.Store(tx, conn)
	defer db.pg.txs.Delete(tx)
	return fn(tx)
}

func (p *postgres) begin(ctx context.Context, pool *sql.DB, options *sql.TxOptions) (conn *sql.Conn, tx *sql.Tx, err error) {
	for range beginAttempts {
		if conn, err = pool.Conn(ctx); err != nil {
			return nil, nil, err
		}
		if tx, err = conn.BeginTx(ctx, options); err == nil {
			if options != nil {
				return conn, tx, nil
			}
			if err = p.lock(ctx, conn); err == nil {
				return conn, tx, nil
			}
			_ = tx.Rollback() // what matters is why the lock was not had
		}
		_ = conn.Close()
		if !lost(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, nil, err
}

// lock takes the lock of those who write, and looks whether this program may still write to the schema, which somebody may have changed meanwhile. Both take one round trip; the second statement
// sees what was committed before the lock was had.
func (p *postgres) lock(ctx context.Context, conn *sql.Conn) error {
	var compatible, version int64
	var server string
	err := conn.Raw(func(c any) error {
		own, ok := c.(raw)
		if !ok {
			return fmt.Errorf("a connection to PostgreSQL is a %T", c)
		}
		var batch pgx.Batch
		batch.Queue(`SELECT `+serverIdentity+` FROM pg_advisory_xact_lock($1)`, writeLock).QueryRow(func(row pgx.Row) error { return row.Scan(&server) })
		if p.ready.Load() {
			batch.Queue(`SELECT compatible, version FROM schema_window`).QueryRow(func(row pgx.Row) error { return row.Scan(&compatible, &version) })
		}
		return own.Conn().SendBatch(ctx, &batch).Close()
	})
	if err != nil {
		return err
	}
	p.seen(server)
	if compatible > ownSchema() {
		return tooOld(ownSchema(), version, compatible)
	}
	return nil
}
