package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"probity.dev/internal/confine"
)

// Row-level security on PostgreSQL: every table with a column of a tenant has a policy that shows the rows of the tenant which the setting probity.tenant of the session names, all rows when it is [confine.Everybody], and none
// when it is missing, as with somebody who signs in to the database by other means. The policy holds for the owner of the tables too. It does not hold for superusers, whom [DB.CheckRole] therefore refuses.

// tenantSetting is the setting that the policies read.
const tenantSetting = "probity.tenant"

// policyName changes with what a policy says, so that an older one is replaced.
const policyName = "tenant_1"

// policies are the conditions under which a row is shown, by the column that says whose it is.
var policies = map[string]string{
	"tenant_id": `current_setting('probity.tenant', true) = '*' OR tenant_id = current_setting('probity.tenant', true)`,
	"tenant_no": `current_setting('probity.tenant', true) = '*' OR tenant_no = (SELECT no FROM tenant WHERE id = current_setting('probity.tenant', true))`,
}

// tenantTables lists the tables with a column of a tenant, and that column: all of them, or those that lack the present policy.
func tenantTables(ctx context.Context, q querier, lacking bool) (out [][2]string, err error) {
	rows, err := q.QueryContext(ctx, `SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND a.attname IN ('tenant_id', 'tenant_no') AND NOT a.attisdropped
		AND NOT ($1 AND c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = $2)) ORDER BY 1`, lacking, policyName)
	if err != nil {
		return nil, Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var t [2]string
		if err := rows.Scan(&t[0], &t[1]); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, Translate(rows.Err())
}

// confineTables gives every table with a column of a tenant its policy. The owner does it after each migration, so that no migration can forget a table.
func confineTables(ctx context.Context, db *sql.DB) error {
	tables, err := tenantTables(ctx, db, true)
	if err != nil || len(tables) == 0 {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return Translate(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it is a no-op that says so
	for _, t := range tables {
		name, condition := quoted(t[0]), policies[t[1]]
		old, err := names(ctx, tx, `SELECT polname FROM pg_policy WHERE polrelid = to_regclass($1)`, name)
		if err != nil {
			return err
		}
		var statements []string
		for _, p := range old {
			statements = append(statements, fmt.Sprintf("DROP POLICY %s ON %s", quoted(p), name))
		}
		statements = append(statements, fmt.Sprintf("CREATE POLICY %s ON %s USING (%s) WITH CHECK (%s)", policyName, name, condition, condition),
			fmt.Sprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY", name), fmt.Sprintf("ALTER TABLE %s FORCE ROW LEVEL SECURITY", name))
		for _, s := range statements {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return Translate(err)
			}
		}
	}
	return Translate(tx.Commit())
}

// Confined runs fn inside a transaction so that fn touches nothing but the rows of the tenant to, as [confine.Of] names it, whatever the transaction itself is confined to. An error of fn must end the transaction or a savepoint around this.
func (db *DB) Confined(ctx context.Context, tx *sql.Tx, to string, fn func() error) error {
	if db.pg == nil || to == confine.Everybody {
		return fn()
	}
	set := func(value string) error {
		_, err := tx.ExecContext(ctx, `SELECT set_config('`+tenantSetting+`', $1, true)`, value)
		return Translate(err)
	}
	var before string
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(current_setting('`+tenantSetting+`', true), '')`).Scan(&before); err != nil {
		return Translate(err)
	}
	if err := set(to); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return set(before)
}

// unconfined tells a connection of a pool that sqldb does not hand out that it is not confined: that of the jobs, whose tables know no tenant, and that of migrations.
func unconfined(ctx context.Context, c *pgx.Conn) error {
	if err := durably(ctx, c); err != nil {
		return err
	}
	_, err := c.Exec(ctx, `SELECT set_config('`+tenantSetting+`', $1, false)`, confine.Everybody)
	return err
}

// raw is what reaches through a connection to pgx.
type raw interface{ Conn() *pgx.Conn }

// stdConn is embedded under another name than that of its method Conn.
type stdConn = stdlib.Conn

// confinedConn is a connection that tells the server, before a statement or a transaction, whose rows it may touch, where that is not what the server was told last.
type confinedConn struct {
	*stdConn
	told  string
	known bool
	in    bool // a transaction, which keeps what it began with
}

// follow tells the server what ctx says.
func (c *confinedConn) follow(ctx context.Context) error {
	to := confine.Of(ctx)
	if c.in || c.known && c.told == to {
		return nil
	}
	c.known = false
	if _, err := c.Conn().Exec(ctx, `SELECT set_config('`+tenantSetting+`', $1, false)`, to); err != nil {
		if c.Conn().IsClosed() && ctx.Err() == nil {
			return driver.ErrBadConn // nothing has been asked yet: another connection will do
		}
		return err
	}
	c.told, c.known = to, true
	return nil
}

// QueryContext implements [driver.QueryerContext].
func (c *confinedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.follow(ctx); err != nil {
		return nil, err
	}
	return c.stdConn.QueryContext(ctx, query, args)
}

// ExecContext implements [driver.ExecerContext].
func (c *confinedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.follow(ctx); err != nil {
		return nil, err
	}
	return c.stdConn.ExecContext(ctx, query, args)
}

var errUnconfined = errors.New("sqldb: prepare statements within a transaction: a prepared one does not learn whose rows it may touch")

// PrepareContext implements [driver.ConnPrepareContext].
func (c *confinedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if !c.in {
		return nil, errUnconfined
	}
	return c.stdConn.PrepareContext(ctx, query)
}

// BeginTx implements [driver.ConnBeginTx].
func (c *confinedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.follow(ctx); err != nil {
		return nil, err
	}
	tx, err := c.stdConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	c.in = true
	return &confinedTx{tx, c}, nil
}

type confinedTx struct {
	driver.Tx
	c *confinedConn
}

// Commit implements [driver.Tx].
func (t *confinedTx) Commit() error {
	t.c.in = false
	return t.Tx.Commit()
}

// Rollback implements [driver.Tx].
func (t *confinedTx) Rollback() error {
	t.c.in = false
	return t.Tx.Rollback()
}
