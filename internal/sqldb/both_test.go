package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
)

// things opens a database with a table.
func things(t *testing.T) *sqldb.DB {
	t.Helper()
	db := sqldbtest.Open(t)
	err := db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`CREATE TABLE thing (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func put(tx *sql.Tx, id, n int) error {
	_, err := tx.Exec(`INSERT INTO thing (id, n) VALUES ($1, $2)`, id, n)
	return sqldb.Translate(err)
}

func sum(t *testing.T, db *sqldb.DB) (ids, n int) {
	t.Helper()
	if err := db.Read(t.Context()).QueryRow(`SELECT COALESCE(SUM(id), 0), COALESCE(SUM(n), 0) FROM thing`).Scan(&ids, &n); err != nil {
		t.Fatal(err)
	}
	return ids, n
}

func TestWriteIsAllOrNothing(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		db, mine := things(t), errors.New("mine")
		err := db.Write(t.Context(), func(tx *sql.Tx) error {
			if err := put(tx, 1, 0); err != nil {
				return err
			}
			err := sqldb.Savepoint(t.Context(), tx, "one", func() error {
				if err := put(tx, 2, 0); err != nil {
					return err
				}
				return mine
			})
			if !errors.Is(err, mine) {
				t.Errorf("the savepoint gave %v", err)
			}
			err = sqldb.Savepoint(t.Context(), tx, "two", func() error { return put(tx, 1, 0) })
			if errs.CodeOf(err) != errs.Conflict {
				t.Errorf("a second row with the same key gave %v", err)
			}
			return put(tx, 4, 0)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), func(tx *sql.Tx) error { tx.Exec(`DELETE FROM thing`); return mine }); !errors.Is(err, mine) { //nolint:errcheck // undone
			t.Error(err)
		}
		if ids, _ := sum(t, db); ids != 5 {
			t.Errorf("the ids stored add up to %d", ids)
		}
	})
}

// TestWritersFollowOneAnother has several connections read and write back what they read; none may work on what another is about to change.
func TestWritersFollowOneAnother(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		db := things(t)
		if err := db.Write(t.Context(), func(tx *sql.Tx) error { return put(tx, 1, 0) }); err != nil {
			t.Fatal(err)
		}
		const writers, times = 8, 20
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range times {
					err := db.Write(context.Background(), func(tx *sql.Tx) error {
						var n int
						if err := tx.QueryRow(`SELECT n FROM thing WHERE id = 1`).Scan(&n); err != nil {
							return err
						}
						_, err := tx.Exec(`UPDATE thing SET n = $1 WHERE id = 1`, n+1)
						return err
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if _, n := sum(t, db); n != writers*times {
			t.Errorf("%d of %d increments are there", n, writers*times)
		}
	})
}

func TestExecManyStatements(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		db := things(t)
		insert := `INSERT INTO thing (id, n) VALUES ($1, $2) ON CONFLICT DO NOTHING`
		err := db.Write(t.Context(), func(tx *sql.Tx) error {
			n, err := db.Exec(t.Context(), tx, sqldb.Statement{SQL: insert, Args: []any{uint64(1), uint8(2)}}, sqldb.Statement{SQL: insert, Args: []any{int64(1), 3}},
				sqldb.Statement{SQL: `UPDATE thing SET n = n + $1`, Args: []any{10}})
			if err == nil && (len(n) != 3 || n[0] != 1 || n[1] != 0 || n[2] != 1) {
				t.Errorf("rows changed: %v", n)
			}
			return err
		})
		if _, n := sum(t, db); err != nil || n != 12 {
			t.Errorf("the sum is %d (%v)", n, err)
		}
		err = db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := db.Exec(t.Context(), tx, sqldb.Statement{SQL: insert, Args: []any{5, 5}}, sqldb.Statement{SQL: `INSERT INTO thing (id, n) VALUES ($1, $2)`, Args: []any{1, 1}})
			return err
		})
		if ids, _ := sum(t, db); errs.CodeOf(err) != errs.Conflict || ids != 1 {
			t.Errorf("a violated constraint gave %v, and the ids add up to %d", err, ids)
		}
	})
}

func TestMigrateOnceWhenManyStart(t *testing.T) {
	t.Run(sqldbtest.Postgres, func(t *testing.T) {
		address := sqldbtest.Empty(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		migrated := 0
		for range 5 {
			wg.Go(func() {
				db, err := sqldb.OpenPostgres(context.Background(), address)
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				from, to, err := db.Migrate(context.Background())
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if from != to {
					migrated++
				}
			})
		}
		wg.Wait()
		if migrated != 1 {
			t.Errorf("%d of 5 have migrated", migrated)
		}
	})
}

// admin runs a statement as the superuser.
func admin(t *testing.T, statement string) {
	t.Helper()
	c, err := sqldbtest.Server(t).Connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestLostConnections(t *testing.T) {
	address := sqldbtest.Address(t, t.TempDir())
	db, err := sqldb.OpenPostgres(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	kill := `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'probity'`
	setting := func(name string) error {
		return db.Write(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.Exec(`INSERT INTO setting (tenant_id, name, value, updated_at) VALUES ('t', $1, 'v', 1)`, name)
			return sqldb.Translate(err)
		})
	}
	for _, name := range []string{"a", "b", "c"} {
		if err := setting(name); err != nil {
			t.Errorf("after all connections were cut: %v", err)
		}
		admin(t, kill)
	}
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		admin(t, kill)
		_, err := tx.Exec(`DELETE FROM setting`)
		return sqldb.Translate(err)
	})
	if errs.CodeOf(err) != errs.Unavailable || errs.Message(err) != "the database cannot be reached" {
		t.Errorf("a connection cut within a transaction gave %v", err)
	}
	var n int
	if err := db.Read(t.Context()).QueryRow(`SELECT COUNT(*) FROM setting`).Scan(&n); err != nil || n != 3 {
		t.Errorf("%d rows are left (%v)", n, err)
	}
}

// TestServerRestarts stops a server of its own under a database and starts it again a moment later: writers wait for it.
func TestServerRestarts(t *testing.T) {
	s := sqldbtest.Own(t)
	db, err := sqldb.OpenPostgres(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	started := make(chan error)
	go func() {
		time.Sleep(300 * time.Millisecond)
		started <- s.Start(context.Background())
	}()
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT INTO setting (tenant_id, name, value, updated_at) VALUES ('t', 'n', 'v', 1)`)
		return err
	})
	if err := errors.Join(err, <-started); err != nil {
		t.Error(err)
	}
}

func TestClearErrors(t *testing.T) {
	for name, c := range map[string]struct{ address, want string }{
		"nonsense":    {"postgres://u:secret@[", "cannot be read"},
		"no server":   {"postgres://u:secret@127.0.0.1:1/db", "cannot be reached"},
		"no database": {sqldbtest.Server(t).URL("nosuch"), "no such database"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if name != "no server" {
			cancel()
			ctx, cancel = context.WithCancel(t.Context())
		}
		_, err := sqldb.OpenPostgres(ctx, c.address)
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.want) && !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRolesWithoutRights(t *testing.T) {
	dir := t.TempDir()
	address := sqldbtest.Address(t, dir)
	admin(t, `DROP ROLE IF EXISTS reader`)
	admin(t, `CREATE ROLE reader LOGIN`)
	t.Cleanup(func() { admin(t, `DROP ROLE reader`) })
	config, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqldb.OpenPostgres(t.Context(), strings.Replace(address, config.User+"@", "reader@", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM setting`)
		return sqldb.Translate(err)
	})
	if errs.CodeOf(err) != errs.Unavailable || !strings.Contains(errs.Message(err), "rights") {
		t.Errorf("a role without rights was told %v", err)
	}
}

func TestStatementsEnd(t *testing.T) {
	address := sqldbtest.Address(t, t.TempDir()) + "&statement_timeout=100"
	db, err := sqldb.OpenPostgres(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`SELECT pg_sleep(10)`)
		return sqldb.Translate(err)
	})
	if errs.CodeOf(err) != errs.Unavailable || !strings.Contains(errs.Message(err), "too long") {
		t.Errorf("a statement that took too long gave %v", err)
	}
}

func TestTakeGivesEachNumberOnce(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		db := sqldbtest.Open(t)
		var mu sync.Mutex
		var wg sync.WaitGroup
		seen := map[int64]bool{}
		for range 10 {
			wg.Go(func() {
				for range 5 {
					first, err := db.Take(context.Background(), "n", 7, 3)
					mu.Lock()
					if err != nil || seen[first] || (first-7)%3 != 0 {
						t.Errorf("%d was taken twice or is none (%v)", first, err)
					}
					seen[first] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if !seen[7] || !seen[7+49*3] {
			t.Errorf("numbers are missing: %v", seen)
		}
	})
}

func TestAlone(t *testing.T) {
	dir := t.TempDir()
	address := sqldbtest.Address(t, dir)
	var dbs [2]*sqldb.DB
	for i := range dbs {
		db, err := sqldb.OpenPostgres(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		dbs[i] = db
	}
	try := func(i int, fn func() error) bool {
		ran, err := dbs[i].Alone(t.Context(), "sealing", fn)
		if err != nil {
			t.Fatal(err)
		}
		return ran
	}
	if !try(0, func() error {
		if try(1, func() error { return nil }) {
			t.Error("two were at it at once")
		}
		return nil
	}) || !try(1, func() error { return nil }) {
		t.Error("nobody was at it")
	}
	for i, want := range []bool{true, false} {
		if held, err := dbs[i].Hold(t.Context(), "name"); err != nil || held != want {
			t.Errorf("process %d holds the name: %v (%v)", i, held, err)
		}
	}
	if err := dbs[0].Close(); err != nil {
		t.Error(err)
	}
	if held, err := dbs[1].Hold(t.Context(), "name"); err != nil || !held {
		t.Errorf("a name that was let go of is not to be had (%v)", err)
	}
}
