package sqldb_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
)

func connect(t *testing.T, address string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.OpenPostgres(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// says demands that a database is refused with an error that has the given words in it, and holds no address.
func says(t *testing.T, db *sqldb.DB, words ...string) {
	t.Helper()
	_, err := db.Prepare(t.Context())
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) || errs.CodeOf(err) != errs.Unavailable {
			t.Errorf("%v, without %q", err, w)
		}
	}
}

func run(t *testing.T, address string, statements ...string) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, s := range statements {
		if _, err := c.Exec(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// TestApplicationRoleIsToldWhatIsMissing takes an application role from an empty database to one it can work on, and away from it again.
func TestApplicationRoleIsToldWhatIsMissing(t *testing.T) {
	s := sqldbtest.NewSeparate(t, nil)
	owner, app := connect(t, s.Owner), connect(t, s.App)
	role := pgx.Identifier{s.AppRole}.Sanitize()
	says(t, app, "no schema", "probity migrate apply", "--app-role "+s.AppRole)
	if _, err := owner.Grants(t.Context(), s.AppRole); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("rights on an empty database: %v", err)
	}
	if st, err := owner.Prepare(t.Context()); err != nil || !st.IsOwner {
		t.Fatalf("%+v %v", st, err)
	}
	says(t, app, "lacks rights", "probity migrate apply", "--app-role "+s.AppRole)
	if _, _, err := app.Migrate(t.Context()); err == nil {
		t.Error("the application role could migrate")
	}
	if err := owner.Grant(t.Context(), s.AppRole); err != nil {
		t.Fatal(err)
	}
	st, err := app.Prepare(t.Context())
	if err != nil || st.IsOwner || st.Owner != s.OwnerRole || len(st.AppRoles) != 1 || len(st.AppRoles[0].Missing)+len(st.AppRoles[0].Excess) != 0 {
		t.Fatalf("%+v %v", st, err)
	}
	run(t, s.Owner, `REVOKE INSERT ON tile FROM `+role, `REVOKE EXECUTE ON FUNCTION seal_hot(text, bigint) FROM `+role, `REVOKE UPDATE (published) ON log FROM `+role)
	says(t, app, "INSERT on tile", "EXECUTE on function seal_hot", "UPDATE (published) on log")
	run(t, s.Owner, `GRANT EXECUTE ON FUNCTION seal_hot(text, bigint) TO `+role, `CREATE TABLE made_later (id BIGINT)`)
	if _, _, err := owner.Migrate(t.Context()); err != nil { // gives known roles what they lack
		t.Fatal(err)
	}
	if _, err := app.Prepare(t.Context()); err != nil {
		t.Error(err)
	}
	run(t, s.Owner, `GRANT DELETE, UPDATE (body) ON hot_evidence TO `+role, `GRANT CREATE ON SCHEMA public TO PUBLIC`)
	if err := owner.Grant(t.Context(), s.AppRole); err != nil {
		t.Fatal(err)
	}
	run(t, s.Owner, `GRANT DELETE, UPDATE (body) ON hot_evidence TO `+role)
	if st, err = app.Prepare(t.Context()); err != nil || !slices.Equal(st.AppRoles[0].Excess, []string{"CREATE on schema public", "DELETE on hot_evidence", "UPDATE (body) on hot_evidence"}) {
		t.Errorf("%+v %v", st.AppRoles, err)
	}
	run(t, s.Owner, `DELETE FROM goose_db_version WHERE version_id = 20`, `UPDATE schema_window SET version = 7, compatible = 7`)
	says(t, app, "has schema version", "may not change it", "probity migrate apply")
}

func TestRolesThatNothingKeepsBack(t *testing.T) {
	s := sqldbtest.NewSeparate(t, nil)
	owner := connect(t, s.Owner)
	if _, err := owner.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	super, err := pgx.ParseConfig(s.Super)
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[string]string{super.User: "superuser", s.OwnerRole: "owns the tables", "no such role": "CREATE ROLE"} {
		if err := owner.Grant(t.Context(), role); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", role, err)
		}
	}
	run(t, s.Super, `GRANT `+s.OwnerRole+` TO `+pgx.Identifier{s.AppRole}.Sanitize())
	if err := owner.Grant(t.Context(), s.AppRole); err == nil || !strings.Contains(err.Error(), "may become it") {
		t.Error(err)
	}
	if err := sqldbtest.Open(t).Grant(t.Context(), "x"); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("SQLite has roles: %v", err)
	}
}

// TestSchemaWindow has programs meet schemas of other versions, on both databases.
func TestSchemaWindow(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		db := sqldbtest.Open(t)
		st, err := db.Prepare(t.Context())
		if err != nil || st.Version != st.Own || st.Compatible != st.Own || len(st.Pending) != 0 {
			t.Fatalf("%+v %v", st, err)
		}
		exec := func(statement string, args ...any) {
			t.Helper()
			if _, err := db.Read(t.Context()).ExecContext(t.Context(), statement, args...); db.Shared() && err != nil {
				t.Fatal(err)
			} else if !db.Shared() {
				if err := db.Write(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(statement, args...); return err }); err != nil {
					t.Fatal(err)
				}
			}
		}
		write := func() error { return db.Write(t.Context(), func(*sql.Tx) error { return nil }) }
		exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)`, st.Own+5, true)
		exec(`UPDATE schema_window SET version = $1, compatible = $2`, st.Own+5, st.Own)
		if s, err := db.Prepare(t.Context()); err != nil || s.Version != st.Own+5 {
			t.Errorf("the next schema: %+v %v", s, err)
		}
		if err := write(); err != nil {
			t.Errorf("writing to the next schema: %v", err)
		}
		exec(`UPDATE schema_window SET compatible = $1`, st.Own+1)
		if _, err := db.Prepare(t.Context()); errs.CodeOf(err) != errs.Unavailable || !strings.Contains(err.Error(), "run a newer probity") {
			t.Errorf("the schema after the next: %v", err)
		}
		if err := write(); db.Shared() && (errs.CodeOf(err) != errs.Unavailable || !strings.Contains(err.Error(), "run a newer probity")) {
			t.Errorf("writing to the schema after the next: %v", err)
		}
	})
}

func TestPoolLimit(t *testing.T) {
	address := sqldbtest.Address(t, t.TempDir())
	db := connect(t, address+"&pool_max_conns=6")
	if got := db.Read(t.Context()).Stats().MaxOpenConnections; got != 3 {
		t.Errorf("%d connections may read", got)
	}
	for _, bad := range []string{"5", "x", "-1", "100000"} {
		if _, err := sqldb.OpenPostgres(t.Context(), address+"&pool_max_conns="+bad); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestGrantsAreDocumented keeps the table of rights in docs/operators.md true.
func TestGrantsAreDocumented(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "operators.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range sqldb.Rights() {
		rights := strings.Join(r.Rights, ", ")
		if len(r.Columns) > 0 {
			rights += ", UPDATE (" + strings.Join(r.Columns, ", ") + ")"
		}
		if row := "| " + r.Table + " | " + rights + " | " + r.Why + " |"; !strings.Contains(string(b), row) {
			t.Errorf("docs/operators.md lacks the row\n%s", row)
		}
	}
}

// TestBlankForWhoMakesTables lets a restore begin for the owner of an empty database alone.
func TestBlankForWhoMakesTables(t *testing.T) {
	s := sqldbtest.NewSeparate(t, nil)
	if blank, err := sqldb.Blank(t.Context(), s.Owner); !blank || err != nil {
		t.Errorf("the owner: %v %v", blank, err)
	}
	if blank, err := sqldb.Blank(t.Context(), s.App); blank || errs.CodeOf(err) != errs.Forbidden {
		t.Errorf("another role: %v %v", blank, err)
	}
}
