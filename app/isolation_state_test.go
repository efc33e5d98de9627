package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/sqldb"
)

// column is a column of a table of the database.
type column struct{ table, name string }

// columnsOf returns the columns of all tables, whatever the database.
func columnsOf(t *testing.T, db *sqldb.DB) (out []column) {
	t.Helper()
	query := `SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.name, p.cid`
	if db.Shared() {
		query = `SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`
	}
	rows, err := db.Read(context.Background()).QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.table, &c.name); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil || len(out) < 300 {
		t.Fatal(len(out), err)
	}
	return out
}

// passing are columns that change while nothing happens: what the publisher has signed, and when something was used last.
var passing = []column{{"log", "published"}, {"log", "checkpoint"}, {"session", "last_seen_at"}, {"api_key", "last_used_at"}}

// state is what the database holds of a tenant, by table.
func (o *occupant) state(db *sqldb.DB) map[string]string {
	o.t.Helper()
	ctx := context.Background()
	var no int64
	if err := db.Read(ctx).QueryRowContext(ctx, `SELECT no FROM tenant WHERE id = $1`, o.id).Scan(&no); err != nil {
		o.t.Fatal(err)
	}
	keys := map[string]any{"tenant_id": o.id, "log_id": o.log, "tenant_no": no}
	tables, key, out := map[string][]string{}, map[string]string{}, map[string]string{}
	for _, c := range columnsOf(o.t, db) {
		if _, is := keys[c.name]; is && (key[c.table] == "" || c.name == "tenant_id") {
			key[c.table] = c.name
		}
		if !slices.Contains(passing, c) {
			tables[c.table] = append(tables[c.table], c.name)
		}
	}
	for table, by := range key {
		columns := tables[table]
		rows, err := db.Read(ctx).QueryContext(ctx, `SELECT `+strings.Join(columns, ", ")+` FROM `+table+` WHERE `+by+` = $1`, keys[by])
		if err != nil {
			o.t.Fatal(err)
		}
		var lines []string
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				o.t.Fatal(err)
			}
			lines = append(lines, fmt.Sprintf("%x", values))
		}
		if err := rows.Err(); err != nil {
			o.t.Fatal(err)
		}
		slices.Sort(lines)
		out[table] = strings.Join(lines, "\n")
	}
	if filled := len(slices.DeleteFunc(slices.Collect(valuesOf(out)), func(s string) bool { return s == "" })); filled < 30 {
		o.t.Fatalf("the tenant has something in %d tables only", filled)
	}
	return out
}

func valuesOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// settle waits until nothing of the foreign tenant changes by itself any more.
func (x *replay) settle() {
	x.t.Helper()
	x.before = nil
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		now := x.foreign.state(x.s.db)
		if x.before != nil && len(x.differs(now)) == 0 {
			return
		}
		if x.before = now; time.Now().After(deadline) {
			x.t.Fatal("the foreign tenant does not come to rest")
		}
	}
}

func (x *replay) differs(now map[string]string) (tables []string) {
	for table, rows := range now {
		if x.before[table] != rows {
			tables = append(tables, table)
		}
	}
	return tables
}

// unchanged reports what of the foreign tenant a call has changed.
func (x *replay) unchanged(what string) {
	x.t.Helper()
	now := x.foreign.state(x.s.db)
	for _, table := range x.differs(now) {
		x.t.Errorf("%s: the foreign tenant's rows of %s have changed", what, table)
	}
	x.before = now
}
