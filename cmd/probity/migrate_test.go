package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"probity.dev/internal/sqldb/sqldbtest"
)

// do runs a command and demands an exit code, and words in what it prints.
func do(t *testing.T, code int, words []string, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	if got := run(context.Background(), args, strings.NewReader(""), &out, &errOut); got != code {
		t.Errorf("%v ended with %d, not %d: %s%s", args, got, code, out.String(), errOut.String())
	}
	for _, w := range words {
		if !strings.Contains(out.String()+errOut.String(), w) {
			t.Errorf("%v does not say %q: %s%s", args, w, out.String(), errOut.String())
		}
	}
	return out.String()
}

func TestMigrateCommands(t *testing.T) {
	s := sqldbtest.NewSeparate(t, nil)
	owner, application := []string{"--database", s.Owner}, []string{"--database", s.App}
	on := func(command string, address []string, more ...string) []string {
		return append(append([]string{"migrate", command}, address...), more...)
	}
	do(t, 0, []string{"From schema 0 to", "0001 ledger", "0020 guard"}, on("plan", owner)...)
	do(t, 0, []string{"CREATE TABLE hot_evidence", "gets the rights"}, on("plan", owner, "--sql", "--app-role", s.AppRole)...)
	do(t, 1, []string{"schema", "none", "pending", "run probity migrate apply"}, on("status", owner)...)
	do(t, 1, []string{"no schema"}, on("status", application)...)
	do(t, 3, []string{"run probity migrate apply first"}, on("grants", owner, "--app-role", s.AppRole)...)
	do(t, 2, []string{`CREATE ROLE "nobody" LOGIN`}, on("apply", owner, "--app-role", "nobody")...)
	do(t, 1, []string{"none"}, on("status", owner)...) // a role that is not there is noticed before anything is done
	do(t, 0, []string{"The schema was brought from version 0 to", "has the rights"}, on("apply", owner, "--app-role", s.AppRole)...)
	do(t, 0, []string{"nothing was migrated"}, on("apply", owner)...)
	do(t, 0, []string{"application  " + s.AppRole, "owner        " + s.OwnerRole}, on("status", owner)...)
	do(t, 0, []string{"Nothing to migrate", "the tables belong to " + s.OwnerRole}, on("plan", application)...)
	do(t, 0, []string{"nothing was migrated"}, on("apply", application)...)
	do(t, 3, []string{"the address of the database's owner"}, on("apply", application, "--app-role", s.AppRole)...)
	do(t, 2, []string{"--app-role"}, on("grants", owner)...)
	sql := do(t, 0, []string{`REVOKE ALL ON TABLE "public"."hot_evidence" FROM "` + s.AppRole + `";`, "GRANT EXECUTE ON FUNCTION"}, on("grants", owner, "--app-role", s.AppRole)...)

	c, err := pgx.Connect(t.Context(), s.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	exec := func(statement string) {
		t.Helper()
		if _, err := c.Exec(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`REVOKE INSERT ON tile FROM "` + s.AppRole + `"; GRANT TRUNCATE ON tile TO "` + s.AppRole + `"`)
	do(t, 1, []string{"lacks INSERT on tile", "has beyond its need TRUNCATE on tile", "--app-role " + s.AppRole}, on("status", owner)...)
	do(t, 1, []string{"lacks INSERT on tile"}, on("status", application)...)
	exec(sql) // what grants prints repairs it
	var v struct {
		Ready    bool  `json:"ready"`
		Version  int64 `json:"version"`
		Own      int64 `json:"own"`
		IsOwner  bool  `json:"is_owner"`
		AppRoles []any `json:"app_roles"`
	}
	if err := json.Unmarshal([]byte(do(t, 0, nil, on("status", application, "--output", "json")...)), &v); err != nil || !v.Ready || v.Version != v.Own || v.IsOwner || len(v.AppRoles) != 1 {
		t.Errorf("%+v %v", v, err)
	}
}

func TestMigrateOnSQLite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	do(t, 2, []string{"probity init"}, "migrate", "status", "--data", dir)
	do(t, 0, nil, "init", "--data", dir)
	do(t, 0, []string{"sqlite"}, "migrate", "status", "--data", dir)
	do(t, 0, []string{"Nothing to migrate"}, "migrate", "plan", "--data", dir)
	do(t, 0, []string{"nothing was migrated"}, "migrate", "apply", "--data", dir)
	do(t, 2, []string{"SQLite has no roles"}, "migrate", "apply", "--data", dir, "--app-role", "x")
}
