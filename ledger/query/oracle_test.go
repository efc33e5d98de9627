package query_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"

	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

// The oracle is DuckDB reading the same Parquet files: an engine that shares no code with ours and that trusts our bounds, dictionaries and bloom
// filters. What it finds and what we find must be the same, which also shows that other people's tools can read the files.

// where translates a filter.
func where(f *query.Filter) (string, []any) {
	var parts []string
	var args []any
	add := func(part string, a ...any) {
		parts = append(parts, part)
		args = append(args, a...)
	}
	in := func(col string, values []any) {
		if len(values) == 1 {
			add(col+" = ?", values[0])
		} else if len(values) > 1 {
			add(col+" IN ("+strings.TrimSuffix(strings.Repeat("?,", len(values)), ",")+")", values...)
		}
	}
	if f.SeqFrom > 0 {
		add("seq >= ?", int64(f.SeqFrom))
	}
	if f.SeqTo > 0 {
		add("seq < ?", int64(f.SeqTo))
	}
	for i, v := range []int64{f.RecordedFrom, f.RecordedTo, f.OccurredFrom, f.OccurredTo} {
		if v != 0 {
			add([]string{"recorded_at >= ?", "recorded_at < ?", "occurred_at >= ?", "occurred_at < ?"}[i], v)
		}
	}
	for col, values := range map[string][]int64{"actor": f.Actors, "subject": f.Subjects, "resource": f.Resources, "ip": f.IPs} {
		in(col, anys(values))
	}
	if n := len(f.Persons); n > 0 {
		list := "(" + strings.TrimSuffix(strings.Repeat("?,", n), ",") + ")"
		add("(actor IN "+list+" OR subject IN "+list+" OR resource IN "+list+")", slices.Concat(anys(f.Persons), anys(f.Persons), anys(f.Persons))...)
	}
	for col, values := range map[string][]string{"source": f.Sources, "category": f.Categories, "activity": f.Activities, "outcome": f.Outcomes,
		"severity": f.Severities, "resource_type": f.ResourceTypes, "resource_id": f.ResourceIDs, "event_id": f.EventIDs, "correlation_id": f.CorrelationIDs} {
		in(col, anys(values))
	}
	if len(f.Actions) > 0 {
		var ors []string
		for _, a := range f.Actions {
			ors = append(ors, `action LIKE ? ESCAPE '\'`)
			args = append(args, strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `*`, `%`).Replace(a))
		}
		parts = append(parts, "("+strings.Join(ors, " OR ")+")")
	}
	if len(parts) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}

func anys[T any](values []T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}

func (l *log) source() string {
	var paths []string
	for _, s := range l.snap.Segments {
		paths = append(paths, "'"+strings.ReplaceAll(s.Path, "'", "''")+"'")
	}
	return "read_parquet([" + strings.Join(paths, ",") + "])"
}

// oracle returns the seqs that DuckDB finds; order is appended to ORDER BY seq.
func (l *log) oracle(t testing.TB, db *sql.DB, f query.Filter, order string) []int64 {
	t.Helper()
	cond, args := where(&f)
	rows, err := db.QueryContext(context.Background(), "SELECT seq FROM "+l.source()+cond+" ORDER BY seq"+order, args...)
	if err != nil {
		t.Fatalf("%s: %v", cond, err)
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var s int64
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

// scanAll counts everything by some columns and throws the result away.
func (l *log) scanAll(db *sql.DB, by string) error {
	rows, err := db.QueryContext(context.Background(), "SELECT count(*) FROM "+l.source()+" GROUP BY "+by)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

func openOracle(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func (l *log) agree(t testing.TB, e query.Engine, db *sql.DB, f query.Filter) int {
	t.Helper()
	var got []int64
	if err := e.Rows(context.Background(), l.snap, f, query.Page{Columns: segment.Times}, func(r *segment.Row) error { got = append(got, r.Seq); return nil }); err != nil {
		t.Fatal(err)
	}
	want := l.oracle(t, db, f, "")
	if !slices.Equal(got, want) {
		t.Fatalf("filter %+v: %d rows, DuckDB finds %d", f, len(got), len(want))
	}
	return len(got)
}

// TestOracleLookups looks up values of every indexed column in realistic files.
func TestOracleLookups(t *testing.T) {
	db := openOracle(t)
	rows := segtest.New(21, 0).Rows(24_000)
	l := makeLog(t, "oracle", rows, 0, 12_000, 4_000, 8_000)
	e := query.Open(query.Options{Workers: 2})
	defer e.Close()
	rng := rand.New(rand.NewPCG(2, 9))
	hits := 0
	for i := range 12 {
		r, q := &rows[rng.IntN(len(rows))], &rows[rng.IntN(len(rows))]
		for _, f := range []query.Filter{
			{Actors: []int64{r.Actor}}, {Subjects: []int64{r.Subject, q.Subject}}, {Resources: []int64{r.Resource}}, {IPs: []int64{r.IP}},
			{Persons: []int64{r.Actor, q.Subject}}, {EventIDs: []string{r.EventID}}, {ResourceIDs: []string{r.ResourceID}},
			{CorrelationIDs: []string{r.CorrelationID}}, {Actions: []string{r.Action}}, {Actions: []string{r.ResourceType + ".*"}, Outcomes: []string{"denied"}},
			{EventIDs: []string{fmt.Sprint("absent", i)}}, {Actors: []int64{rng.Int64()}},
		} {
			hits += l.agree(t, e, db, f)
		}
	}
	t.Logf("%d rows found", hits)
}

// TestOracleRandom draws logs and filters at random; sealed files only, since DuckDB knows nothing of hot batches.
func TestOracleRandom(t *testing.T) {
	db := openOracle(t)
	e := query.Open(query.Options{Workers: 2})
	defer e.Close()
	hits := 0
	for round := range 8 {
		rng := rand.New(rand.NewPCG(uint64(round), 99))
		rows := randomRows(rng, 500+rng.IntN(2500))
		l := makeLog(t, fmt.Sprint("oracle", round), rows, 0, len(rows)/4, len(rows)-len(rows)/4)
		for range 30 {
			hits += l.agree(t, e, db, randomFilter(rng, l))
		}
	}
	t.Logf("%d rows found", hits)
}
