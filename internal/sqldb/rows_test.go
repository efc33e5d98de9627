package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"probity.dev/internal/confine"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
)

// walled is a database with the settings of two tenants, opened by the application role.
type walled struct {
	*sqldbtest.Separate
	db *sqldb.DB
}

func newWalled(t *testing.T) *walled {
	t.Helper()
	w := &walled{Separate: sqldbtest.NewSeparate(t, nil)}
	owner, err := sqldb.OpenPostgres(t.Context(), w.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	if _, err := owner.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := owner.Grant(t.Context(), w.AppRole); err != nil {
		t.Fatal(err)
	}
	if w.db, err = sqldb.OpenPostgres(t.Context(), w.App); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	if _, err := w.db.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = w.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `INSERT INTO setting (tenant_id, name, value, updated_at) VALUES ('a', 'x', 'of a', 1), ('b', 'x', 'of b', 1), ('b', 'y', 'of b', 1)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *walled) count(ctx context.Context, t *testing.T) (n int) {
	t.Helper()
	if err := w.db.Read(ctx).QueryRowContext(ctx, `SELECT COUNT(*) FROM setting`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestForgottenTenant: a statement that does not name the tenant sees and changes what its context is confined to, whoever runs it, and nothing where nobody has said what that is.
func TestForgottenTenant(t *testing.T) {
	w := newWalled(t)
	ctx := t.Context()
	a, b := confine.To(ctx, "a"), confine.To(ctx, "b")
	for _, x := range []struct {
		ctx  context.Context
		want int
	}{{ctx, 3}, {a, 1}, {b, 2}, {confine.To(ctx, ""), 0}, {confine.To(ctx, confine.Everybody), 0}, {confine.To(ctx, "c"), 0}, {confine.Lifted(a, "the test"), 3}, {a, 1}} {
		if n := w.count(x.ctx, t); n != x.want {
			t.Errorf("confined to %q: %d rows, want %d", confine.Of(x.ctx), n, x.want)
		}
	}
	// Writing.
	err := w.db.Write(a, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `UPDATE setting SET value = 'changed'`) // what the transaction began with holds
		if err != nil {
			return err
		}
		if n, _ := r.RowsAffected(); n != 1 {
			t.Errorf("%d rows were changed", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = w.db.Write(a, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO setting (tenant_id, name, value, updated_at) VALUES ('b', 'z', 'forged', 1)`)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("a row of another tenant was written: %v", err)
	}
	// Part of a transaction that is not confined as a whole, as with a change that is recorded in a group.
	failed := errors.New("failed")
	err = w.db.Write(ctx, func(tx *sql.Tx) error {
		count := func() (n int) {
			if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM setting`).Scan(&n); err != nil {
				t.Error(err)
			}
			return n
		}
		if err := w.db.Confined(ctx, tx, "b", func() error {
			if n := count(); n != 2 {
				t.Errorf("%d rows", n)
			}
			return nil
		}); err != nil {
			return err
		}
		if n := count(); n != 3 {
			t.Errorf("%d rows afterwards", n)
		}
		if err := sqldb.Savepoint(ctx, tx, "x", func() error { return w.db.Confined(ctx, tx, "b", func() error { return failed }) }); !errors.Is(err, failed) {
			t.Error(err)
		}
		if n := count(); n != 3 {
			t.Errorf("%d rows after a failure", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = w.db.Snapshot(a, func(tx *sql.Tx) (err error) {
		var n int
		if err = tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM setting`).Scan(&n); n != 1 {
			t.Errorf("%d rows in a snapshot", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, address := range map[string]string{"the application role": w.App, "the owner": w.Owner} {
		c, err := pgx.Connect(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := c.QueryRow(ctx, `SELECT COUNT(*) FROM setting`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s, who has not said for whom, sees %d rows: %v", name, n, err)
		}
		if name == "the application role" {
			if _, err := c.Exec(ctx, `ALTER TABLE setting DISABLE ROW LEVEL SECURITY`); err == nil {
				t.Error("the application role took the wall down")
			}
			if _, err := c.Exec(ctx, `SET row_security = off`); err == nil {
				if err := c.QueryRow(ctx, `SELECT COUNT(*) FROM setting`).Scan(&n); err == nil {
					t.Errorf("without row security there are %d rows", n)
				}
			}
		}
		c.Close(ctx)
	}
}

// TestConfinedTogether: many at once on one pool, each sees its own.
func TestConfinedTogether(t *testing.T) {
	w := newWalled(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 50 {
				ctx, want := confine.To(t.Context(), "a"), 1
				switch (i + j) % 3 {
				case 1:
					ctx, want = confine.To(t.Context(), "b"), 2
				case 2:
					ctx, want = t.Context(), 3
				}
				var n int
				if err := w.db.Read(ctx).QueryRowContext(ctx, `SELECT COUNT(*) FROM setting`).Scan(&n); err != nil || n != want {
					t.Errorf("%d rows, want %d: %v", n, want, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// TestEveryTableIsConfined fails when a migration makes a table with a tenant's column that has no policy.
func TestEveryTableIsConfined(t *testing.T) {
	w := newWalled(t)
	all, lacking := sqldb.TenantTables(t, w.db)
	if len(all) < 40 || len(lacking) > 0 {
		t.Errorf("%d tables of tenants; without a policy: %v", len(all), lacking)
	}
	// Nothing calls a tenant by another name.
	var others int
	err := w.db.Read(t.Context()).QueryRowContext(t.Context(), `SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = current_schema() AND column_name LIKE '%tenant%' AND column_name NOT IN ('tenant_id', 'tenant_no')`).Scan(&others)
	if err != nil || others != 0 {
		t.Errorf("%d columns are of a tenant in another way: %v", others, err)
	}
	owner, err := pgx.Connect(t.Context(), w.Owner)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	if _, err := owner.Exec(t.Context(), `CREATE TABLE careless (tenant_id TEXT); ALTER TABLE setting NO FORCE ROW LEVEL SECURITY`); err != nil {
		t.Fatal(err)
	}
	if _, lacking = sqldb.TenantTables(t, w.db); len(lacking) != 2 {
		t.Errorf("not noticed: %v", lacking)
	}
}
