package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"probity.dev/internal/errs"
)

// Right is what the application role may do with a table.
type Right struct {
	Table string
	// Rights are privileges on the whole table, Columns those that may be changed by UPDATE beside them.
	Rights, Columns []string
	// Why says what the table holds, and why not more is given.
	Why string
}

var (
	readOnly   = []string{"SELECT"}
	appendOnly = []string{"SELECT", "INSERT"}
	everything = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
)

// ordinary is the name under which [Rights] lists the tables that it does not name.
const ordinary = "every other table"

// Rights returns what the application role gets. Tables that are not named are working tables, which it may read and change as it likes. It never gets TRUNCATE, REFERENCES, TRIGGER or a right to make or change anything in the schema.
func Rights() []Right {
	return []Right{
		{"hot_evidence", appendOnly, nil, "evidence that is not sealed yet; only seal_hot removes it"},
		{"hot_working", appendOnly, nil, "working copies that are not sealed yet; only seal_hot removes them"},
		{"tile", appendOnly, nil, "hashes of the log"},
		{"segment", appendOnly, nil, "what was sealed, with hashes and roots"},
		{"log", appendOnly, []string{"size", "root", "recorded_at", "published", "checkpoint"}, "heads and signed checkpoints; a trigger lets them only grow, and sealed is changed by seal_hot alone"},
		{"log_epoch", readOnly, []string{"opening"}, "epochs that have ended; the owner ends one (probity log new-epoch)"},
		{"log_key", appendOnly, []string{"skey", "retired_at"}, "keys of the logs; none is forgotten"},
		{"verification", appendOnly, nil, "results of verification"},
		{"tenant", appendOnly, []string{"name", "keyset", "keyset_at"}, "tenants and their wrapped keys"},
		{"tenant_secret", appendOnly, []string{"secret", "destroyed_at"}, "secrets of months; destroying one leaves the row"},
		{"goose_db_version", readOnly, nil, "migrations that were applied"},
		{"schema_window", readOnly, nil, "version of the schema, and what may work on it"},
		{ordinary, everything, nil, "accounts, sessions, settings, jobs, notifications, the directory of persons: what the product changes and forgets by design"},
	}
}

func rightOf(table string) Right {
	all := Rights()
	for _, r := range all {
		if r.Table == table {
			return r
		}
	}
	return all[len(all)-1]
}

// RoleRights is how a role stands to what the application role gets.
type RoleRights struct {
	Role string `json:"role"`
	// Missing and Excess name what it lacks, and what it has beyond, such as "INSERT on tile". Both are empty when all is well.
	Missing []string `json:"missing"`
	Excess  []string `json:"excess"`
}

// catalogue is what PostgreSQL says of the schema and of a role in it.
type catalogue struct {
	schema, owner string
	tables        []string // of the same owner, sorted
	sequences     []string
}

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// readCatalogue returns nil when there is no schema, or none that the role may use.
func readCatalogue(ctx context.Context, q querier) (*catalogue, error) {
	c := &catalogue{}
	err := q.QueryRowContext(ctx, `SELECT n.nspname, r.rolname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = to_regclass('goose_db_version')`).
		Scan(&c.schema, &c.owner)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, Translate(err)
	}
	for kind, into := range map[string]*[]string{"r": &c.tables, "S": &c.sequences} {
		*into, err = names(ctx, q, `SELECT c.relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.relnamespace = $1::text::regnamespace AND r.rolname = $2 AND c.relkind::text = $3 ORDER BY 1`,
			quoted(c.schema), c.owner, kind)
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

func names(ctx context.Context, q querier, query string, args ...any) (out []string, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, Translate(rows.Err())
}

func quoted(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

const sealFunction = "seal_hot(text, bigint)"

// grants are the statements that give a role the rights of the application role, and take from it whatever else it was given on these tables.
func (c *catalogue) grants(role string) (out []string) {
	role = quoted(role)
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	say("GRANT USAGE ON SCHEMA %s TO %s", quoted(c.schema), role)
	say("REVOKE CREATE ON SCHEMA %s FROM %s", quoted(c.schema), role)
	for _, t := range c.tables {
		name, r := quoted(c.schema, t), rightOf(t)
		say("REVOKE ALL ON TABLE %s FROM %s", name, role)
		rights := strings.Join(r.Rights, ", ")
		if len(r.Columns) > 0 {
			rights += ", UPDATE (" + strings.Join(r.Columns, ", ") + ")"
		}
		say("GRANT %s ON TABLE %s TO %s", rights, name, role)
	}
	for _, s := range c.sequences {
		say("GRANT USAGE, SELECT ON SEQUENCE %s TO %s", quoted(c.schema, s), role)
	}
	say("GRANT EXECUTE ON FUNCTION %s.%s TO %s", quoted(c.schema), sealFunction, role)
	return out
}

// appRoles are the roles that were given the rights of the application role before.
func (c *catalogue) appRoles(ctx context.Context, q querier) ([]string, error) {
	return names(ctx, q, `SELECT r.rolname FROM pg_proc p, aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = a.grantee
		WHERE p.pronamespace = $1::text::regnamespace AND p.proname = 'seal_hot' AND a.privilege_type = 'EXECUTE' AND a.grantee <> p.proowner ORDER BY 1`, quoted(c.schema))
}

// rightsOf compares what a role may do with what the application role should.
func (c *catalogue) rightsOf(ctx context.Context, q querier, role string) (RoleRights, error) {
	out := RoleRights{Role: role, Missing: []string{}, Excess: []string{}}
	var use, create, seal bool
	err := q.QueryRowContext(ctx, `SELECT has_schema_privilege($1, $2, 'USAGE'), has_schema_privilege($1, $2, 'CREATE'),
		COALESCE((SELECT has_function_privilege($1, oid, 'EXECUTE') FROM pg_proc WHERE pronamespace = $3::text::regnamespace AND proname = 'seal_hot'), false)`, role, c.schema, quoted(c.schema)).Scan(&use, &create, &seal)
	if err != nil {
		return out, Translate(err)
	}
	note := func(has, should bool, what string) {
		if has && !should {
			out.Excess = append(out.Excess, what)
		} else if should && !has {
			out.Missing = append(out.Missing, what)
		}
	}
	note(use, true, "USAGE on schema "+c.schema)
	note(create, false, "CREATE on schema "+c.schema)
	note(seal, true, "EXECUTE on function seal_hot")
	has, columns, err := c.held(ctx, q, role)
	if err != nil {
		return out, err
	}
	for _, t := range c.tables {
		r := rightOf(t)
		for _, p := range privileges {
			note(has[t][p], slices.Contains(r.Rights, p), p+" on "+t)
		}
		if slices.Contains(r.Rights, "UPDATE") || has[t]["UPDATE"] {
			continue // it includes every column, or has been noted
		}
		for _, column := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(r.Columns, columns[t])))) {
			note(slices.Contains(columns[t], column), slices.Contains(r.Columns, column), "UPDATE ("+column+") on "+t)
		}
	}
	slices.Sort(out.Missing)
	slices.Sort(out.Excess)
	return out, nil
}

// privileges are what can be granted on a table.
var privileges = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"}

// held are the privileges that a role has, however it came to them, by table, and the columns that it may update.
func (c *catalogue) held(ctx context.Context, q querier, role string) (on map[string]map[string]bool, columns map[string][]string, err error) {
	on, columns = map[string]map[string]bool{}, map[string][]string{}
	for _, t := range c.tables {
		on[t] = map[string]bool{}
	}
	const ours = ` WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r' AND `
	list, err := names(ctx, q, `SELECT c.relname || '|' || p FROM pg_class c CROSS JOIN unnest(string_to_array($3, ' ')) AS p`+ours+`has_table_privilege($2, c.oid, p)`, quoted(c.schema), role, strings.Join(privileges, " "))
	if err != nil {
		return nil, nil, err
	}
	for _, h := range list {
		if t, p, _ := strings.Cut(h, "|"); on[t] != nil {
			on[t][p] = true
		}
	}
	list, err = names(ctx, q, `SELECT c.relname || '|' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid`+ours+`a.attnum > 0 AND NOT a.attisdropped AND has_column_privilege($2, c.oid, a.attnum, 'UPDATE')`, quoted(c.schema), role)
	for _, h := range list {
		t, column, _ := strings.Cut(h, "|")
		columns[t] = append(columns[t], column)
	}
	return on, columns, err
}

// checkRole refuses roles that cannot be kept from anything.
func (c *catalogue) checkRole(ctx context.Context, q querier, role string) error {
	var super, member bool
	err := q.QueryRowContext(ctx, `SELECT rolsuper, pg_has_role(oid, $2::text::regrole, 'MEMBER') FROM pg_roles WHERE rolname = $1`, role, quoted(c.owner)).Scan(&super, &member)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return errs.New(errs.NotFound, "there is no role %s in the database: make it first, for example with CREATE ROLE %s LOGIN", role, quoted(role))
	case err != nil:
		return Translate(err)
	case super:
		return errs.New(errs.Invalid, "the role %s is a superuser, whom no grant keeps from anything: take another role for the application", role)
	case member:
		return errs.New(errs.Invalid, "the role %s is %s, which owns the tables, or may become it: take another role for the application", role, c.owner)
	}
	return nil
}

// regrant gives the application roles that there are the rights that they lack on the present schema, also those that a migration has not come to give.
func regrant(ctx context.Context, db *sql.DB) error {
	c, err := readCatalogue(ctx, db)
	if err != nil || c == nil {
		return err
	}
	roles, err := c.appRoles(ctx, db)
	if err != nil {
		return err
	}
	for _, role := range roles {
		r, err := c.rightsOf(ctx, db, role)
		if err == nil && len(r.Missing) > 0 {
			err = c.grant(ctx, db, role)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// grant changes the rights of a role at once: others see the old rights or the new.
func (c *catalogue) grant(ctx context.Context, db *sql.DB, role string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return Translate(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it is a no-op that says so
	for _, statement := range c.grants(role) {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return Translate(err)
		}
	}
	return Translate(tx.Commit())
}
