package sqldbtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/pgserver"
)

// The kinds of databases, which are the names of the subtests that [Each] runs.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// kinds leads from the name of a subtest of Each to its kind.
var kinds sync.Map

// Each runs fn as the subtests sqlite and postgres. What [Open] gives to them is a database of that kind.
func Each(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	for _, kind := range []string{SQLite, Postgres} {
		Only(t, kind, fn)
	}
}

// Only is Each for one kind.
func Only(t *testing.T, kind string, fn func(t *testing.T)) {
	t.Helper()
	t.Run(kind, func(t *testing.T) {
		kinds.Store(t.Name(), kind)
		fn(t)
	})
}

// EachBench is [Each] for benchmarks. While benchmarks run, the server is as durable as one in production.
func EachBench(b *testing.B, fn func(b *testing.B)) {
	b.Helper()
	for _, kind := range []string{SQLite, Postgres} {
		b.Run(kind, func(b *testing.B) {
			kinds.Store(b.Name(), kind)
			fn(b)
		})
	}
}

// Cut ends all connections to the PostgreSQL server of this test process.
func Cut(t testing.TB) {
	t.Helper()
	if err := server(t).run(context.Background(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'probity'`); err != nil {
		t.Error(err)
	}
}

// Kind is the kind of database that a test is about: SQLite unless it runs within [Each].
func Kind(t testing.TB) string {
	for name := t.Name(); name != ""; {
		if kind, ok := kinds.Load(name); ok {
			return kind.(string)
		}
		name = name[:max(0, strings.LastIndexByte(name, '/'))]
	}
	return SQLite
}

// Open returns a new database with the present schema. It is closed at the end of the test.
func Open(t testing.TB) *sqldb.DB {
	t.Helper()
	db := OpenIn(t, t.TempDir())
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// OpenIn opens the database of a directory, making it with the present schema at first use. The caller closes it.
func OpenIn(t testing.TB, dir string) *sqldb.DB {
	t.Helper()
	ctx := context.Background()
	var db *sqldb.DB
	var err error
	if Kind(t) == Postgres {
		db, err = sqldb.OpenPostgres(ctx, Address(t, dir))
	} else {
		db, err = sqldb.OpenSQLite(ctx, filepath.Join(dir, "probity.db"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return db
}

// Address is the address of the PostgreSQL database that belongs to a directory. At first use it is made, empty but for the schema; at the end of the test it is dropped.
func Address(t testing.TB, dir string) string {
	t.Helper()
	return server(t).database(t, dir, templateName)
}

// Empty is the address of a new PostgreSQL database without any schema. At the end of the test it is dropped.
func Empty(t testing.TB) string {
	t.Helper()
	return server(t).database(t, t.TempDir(), "template1")
}

// shared is the server of this test process.
var shared struct {
	once      sync.Once
	server    *testServer
	err       error
	mu        sync.Mutex
	databases map[string]string
	made      int
}

type testServer struct{ *pgserver.Server }

const (
	templateName = "probity_template"
	// ownerName is the role that owns the databases of tests. It is no superuser, because no policy of a table holds for those.
	ownerName = "probity_owner"
)

// address is that of a database for its owner.
func (s *testServer) address(database string) string {
	u, err := url.Parse(s.URL(database))
	if err != nil {
		panic(err)
	}
	u.User = url.User(ownerName)
	return u.String()
}

// careless makes a server fast whose data nobody needs after a crash of the machine.
var careless = [][2]string{{"fsync", "off"}, {"full_page_writes", "off"}, {"autovacuum", "off"}}

var plain = [][2]string{{"shared_buffers", "256MB"}, {"max_wal_size", "4GB"}, {"wal_compression", "lz4"}, {"max_connections", "300"}, {"listen_addresses", ""}, {"log_min_messages", "warning"}}

func settings() [][2]string {
	if f := flag.Lookup("test.bench"); f != nil && f.Value.String() != "" {
		return plain
	}
	return slices.Concat(plain, careless)
}

// Server returns the server of this test process.
func Server(t testing.TB) *pgserver.Server {
	t.Helper()
	return server(t).Server
}

// Own returns a server that the test has for itself, to stop and start it. It ends with the test.
func Own(t testing.TB) *pgserver.Server {
	t.Helper()
	return own(t, settings())
}

// OwnDurable is [Own] for a server that may crash: what it has committed is there when it is started again.
func OwnDurable(t testing.TB) *pgserver.Server {
	t.Helper()
	return own(t, plain)
}

func own(t testing.TB, settings [][2]string) *pgserver.Server {
	t.Helper()
	need(t)
	s, err := pgserver.Create(context.Background(), os.TempDir(), settings)
	if err == nil {
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		err = s.Guard()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func server(t testing.TB) *testServer {
	t.Helper()
	need(t)
	shared.once.Do(func() { shared.server, shared.err = start() })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// need ends a test when there is no PostgreSQL.
func need(t testing.TB) {
	t.Helper()
	if pgserver.MeantAbsent() {
		t.Skip(pgserver.AbsentVar + " says that PostgreSQL is absent: nothing is tested on it")
	}
	if _, err := pgserver.FindBin(); err != nil {
		t.Fatalf("%v: install it, or set %s=absent where PostgreSQL need not work", err, pgserver.AbsentVar)
	}
}

func start() (*testServer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := pgserver.Create(ctx, os.TempDir(), settings())
	if err != nil {
		return nil, err
	}
	server := &testServer{s}
	if err := server.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return server, nil
}

// prepare makes the database that others are copied from.
func (s *testServer) prepare(ctx context.Context) error {
	if err := s.Guard(); err != nil {
		return err
	}
	for _, statement := range []string{`CREATE ROLE ` + ownerName + ` LOGIN`, `CREATE DATABASE ` + templateName + ` OWNER ` + ownerName} {
		if err := s.run(ctx, statement); err != nil {
			return err
		}
	}
	db, err := sqldb.OpenPostgres(ctx, s.address(templateName))
	if err != nil {
		return err
	}
	_, _, err = db.Migrate(ctx)
	return errors.Join(err, db.Close())
}

func (s *testServer) run(ctx context.Context, statement string) error {
	c, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, statement)
	return err
}

func isInUse(err error) bool {
	pe, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pe.Code == "55006"
}

// database returns the address of the database of a directory, made from a template at first use.
func (s *testServer) database(t testing.TB, dir, template string) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if address, ok := shared.databases[dir]; ok {
		return address
	}
	if shared.databases == nil {
		shared.databases = map[string]string{}
	}
	shared.made++
	name := fmt.Sprintf("test_%d", shared.made)
	err := s.run(context.Background(), `CREATE DATABASE `+name+` TEMPLATE `+template+` OWNER `+ownerName)
	for deadline := time.Now().Add(10 * time.Second); isInUse(err) && time.Now().Before(deadline); { // by what a killed process has left
		time.Sleep(20 * time.Millisecond)
		err = s.run(context.Background(), `CREATE DATABASE `+name+` TEMPLATE `+template+` OWNER `+ownerName)
	}
	if err != nil {
		t.Fatal(err)
	}
	shared.databases[dir] = s.address(name)
	t.Cleanup(func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		delete(shared.databases, dir)
		if err := s.run(context.Background(), `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	})
	return shared.databases[dir]
}
