package sqldb

import (
	"context"
	"database/sql"
	"testing"

	"probity.dev/internal/confine"
)

// TenantTables are the tables with a column of a tenant, and of these the ones without the policy that confines them.
func TenantTables(t *testing.T, db *DB) (all, lacking []string) {
	t.Helper()
	for _, without := range []bool{false, true} {
		tables, err := tenantTables(context.Background(), db.read, without)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range tables {
			if without {
				lacking = append(lacking, x[0])
			} else {
				all = append(all, x[0])
			}
		}
	}
	return all, lacking
}

// TestScopeOfAConnection: a statement outside a transaction follows its context on whichever connection it lands; within one, nothing changes it.
func TestConfinedOnSQLite(t *testing.T) {
	db, err := OpenSQLite(t.Context(), t.TempDir()+"/x.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ran := false
	err = db.Write(t.Context(), func(tx *sql.Tx) error {
		return db.Confined(t.Context(), tx, "a", func() error { ran = true; return nil })
	})
	if err != nil || !ran {
		t.Error(ran, err)
	}
	_ = confine.Everybody
}
