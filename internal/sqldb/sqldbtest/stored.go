package sqldbtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"probity.dev/internal/sqldb"
)

// Stored returns everything that a database holds, to look for what must not be there: the files of SQLite, or the values in the tables of PostgreSQL, by name.
func Stored(t testing.TB, db *sqldb.DB) map[string][]byte {
	t.Helper()
	query := `SELECT file FROM pragma_database_list WHERE name = 'main'`
	if db.Shared() {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`
	}
	out := map[string][]byte{}
	for _, name := range texts(t, db, query) {
		if db.Shared() {
			out[name] = values(t, db, name)
			continue
		}
		files, err := filepath.Glob(name + "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if out[filepath.Base(f)], err = os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(out) == 0 {
		t.Fatal("nothing is stored")
	}
	return out
}

func texts(t testing.TB, db *sqldb.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Read(t.Context()).QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// values are all values of a table, each on a line.
func values(t testing.TB, db *sqldb.DB, table string) (out []byte) {
	t.Helper()
	rows, err := db.Read(t.Context()).QueryContext(t.Context(), `SELECT * FROM "`+table+`"`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, v := range row {
			if b, ok := v.([]byte); ok {
				out = append(append(out, b...), '\n')
				continue
			}
			out = fmt.Appendln(out, v)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
