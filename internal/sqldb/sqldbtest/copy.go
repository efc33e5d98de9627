package sqldbtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/sqldb/pgserver"
)

// Copy takes a copy of the database of a directory as it is now, which may be open, and returns what puts it in place of the database, which nobody may have open then.
func Copy(t testing.TB, dir string) (restore func()) {
	t.Helper()
	if Kind(t) == Postgres {
		return copyPostgres(t, dir)
	}
	path, old := filepath.Join(dir, "probity.db"), filepath.Join(t.TempDir(), "old.db")
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `VACUUM INTO $1`, old); err != nil {
		t.Fatal(err)
	}
	return func() {
		for _, side := range []string{"", "-wal", "-shm"} {
			os.Remove(path + side)
		}
		if err := os.Rename(old, path); err != nil {
			t.Fatal(err)
		}
	}
}

// Clone makes a copy of the PostgreSQL database of the directory from, which nobody may have open, for the directory to, and returns its address.
func Clone(t testing.TB, from, to string) string {
	t.Helper()
	s := server(t)
	return s.database(t, to, databaseName(s.database(t, from, templateName)))
}

// databaseName is the last part of an address.
func databaseName(address string) string {
	address, _, _ = strings.Cut(address, "?")
	return address[strings.LastIndexByte(address, '/')+1:]
}

// FailOver takes a copy of the PostgreSQL database of a directory as it is now. failOver puts it in the place of the database, which may be open: all connections are cut, and the next ones lead to the copy. back undoes that.
func FailOver(t testing.TB, dir string) (failOver func() (back func())) {
	t.Helper()
	name := dumpPostgres(t, dir)
	return func() func() {
		swap(t, name, name+"_primary", name+"_copy")
		return func() { swap(t, name, name+"_copy", name+"_primary") }
	}
}

// swap renames the database name to aside, and next to name.
func swap(t testing.TB, name, aside, next string) {
	t.Helper()
	s := server(t)
	for _, statement := range []string{
		`ALTER DATABASE ` + name + ` ALLOW_CONNECTIONS false`,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '` + name + `'`,
	} {
		if err := s.run(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	// A backend takes a moment to end.
	err := errors.New("not tried")
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		err = s.run(context.Background(), `ALTER DATABASE `+name+` RENAME TO `+aside)
	}
	for _, statement := range []string{`ALTER DATABASE ` + next + ` RENAME TO ` + name, `ALTER DATABASE ` + name + ` ALLOW_CONNECTIONS true`} {
		if err == nil {
			err = s.run(context.Background(), statement)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func copyPostgres(t testing.TB, dir string) (restore func()) {
	t.Helper()
	name := dumpPostgres(t, dir)
	return func() {
		for _, statement := range []string{`DROP DATABASE ` + name, `ALTER DATABASE ` + name + `_copy RENAME TO ` + name} {
			if err := server(t).run(context.Background(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// dumpPostgres makes a copy of the database of a directory and returns the name of the database; the copy's ends with _copy.
func dumpPostgres(t testing.TB, dir string) (name string) {
	bin, err := pgserver.FindBin()
	if err != nil {
		t.Fatal(err)
	}
	s := server(t)
	name = databaseName(s.database(t, dir, templateName))
	if err := s.run(context.Background(), `CREATE DATABASE `+name+`_copy TEMPLATE template0 OWNER `+ownerName); err != nil {
		t.Fatal(err)
	}
	dump := exec.CommandContext(t.Context(), filepath.Join(bin, "pg_dump"), "--dbname", s.URL(name))
	text, err := dump.Output()
	if err != nil {
		t.Fatal(err)
	}
	load := exec.CommandContext(t.Context(), filepath.Join(bin, "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", s.URL(name+"_copy"))
	load.Stdin = bytes.NewReader(text)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return name
}
