package sqldbtest

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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

func copyPostgres(t testing.TB, dir string) (restore func()) {
	t.Helper()
	bin, err := pgserver.FindBin()
	if err != nil {
		t.Fatal(err)
	}
	s := server(t)
	address := s.database(t, dir, templateName)
	name := databaseName(address)
	if err := s.run(context.Background(), `CREATE DATABASE `+name+`_copy TEMPLATE template0`); err != nil {
		t.Fatal(err)
	}
	dump := exec.CommandContext(t.Context(), filepath.Join(bin, "pg_dump"), "--dbname", address)
	text, err := dump.Output()
	if err != nil {
		t.Fatal(err)
	}
	load := exec.CommandContext(t.Context(), filepath.Join(bin, "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", s.URL(name+"_copy"))
	load.Stdin = bytes.NewReader(text)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func() {
		for _, statement := range []string{`DROP DATABASE ` + name, `ALTER DATABASE ` + name + `_copy RENAME TO ` + name} {
			if err := s.run(context.Background(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
}
