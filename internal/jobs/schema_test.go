package jobs

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
)

// TestSchemaIsRivers compares our migrations with River's own.
func TestSchemaIsRivers(t *testing.T) { sqldbtest.Each(t, testSchemaIsRivers) }

func testSchemaIsRivers(t *testing.T) {
	ours := sqldbtest.Open(t)
	var want, got string
	if ours.Shared() {
		want, got = shape(t, postgresOfRiver(t), postgresShape), shape(t, ours.Read(t.Context()), postgresShape)
	} else {
		want, got = shape(t, sqliteOfRiver(t), sqliteShape), shape(t, ours.Read(t.Context()), sqliteShape)
	}
	if want == "" || want != got {
		t.Errorf("River has\n%s\nwe have\n%s", want, got)
	}
}

func sqliteOfRiver(t *testing.T) *sql.DB {
	t.Helper()
	theirs, err := sql.Open("sqlite3", t.TempDir()+"/r.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	theirs.SetMaxOpenConns(1)
	m, err := rivermigrate.New(riversqlite.New(theirs), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	return theirs
}

func postgresOfRiver(t *testing.T) *sql.DB {
	t.Helper()
	theirs, err := sqldb.OpenPostgres(t.Context(), sqldbtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { theirs.Close() })
	pool, err := theirs.OpenPgx(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	m, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	return theirs.Read(t.Context())
}

const sqliteShape = `SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || COALESCE(c.dflt_value, '') || ' ' || c.pk FROM sqlite_master m, pragma_table_info(m.name) c
	WHERE m.type = 'table' AND m.name LIKE 'river%' AND m.name <> 'river_migration'
	UNION ALL SELECT name || ' ' || tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name LIKE 'river%' AND tbl_name <> 'river_migration' ORDER BY 1`

const postgresShape = `SELECT table_name || ' ' || column_name || ' ' || udt_name || ' ' || is_nullable || ' ' || COALESCE(column_default, '') FROM information_schema.columns
	WHERE table_schema = 'public' AND table_name LIKE 'river%' AND table_name <> 'river_migration'
	UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename LIKE 'river%' AND tablename <> 'river_migration'
	UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid::regclass::text LIKE 'river%' AND conrelid::regclass::text <> 'river_migration'
	UNION ALL SELECT typname || ' ' || enumlabel || ' ' || row_number() OVER (PARTITION BY typname ORDER BY enumsortorder) FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
	UNION ALL SELECT proname || ' ' || prosrc FROM pg_proc WHERE proname LIKE 'river%' ORDER BY 1`

func shape(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
