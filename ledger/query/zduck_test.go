package query_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment/segtest"
)

func TestDuck(t *testing.T) {
	if os.Getenv("DUCK") == "" {
		t.Skip()
	}
	d := benchData(t, 10_000_000, 0)
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, s := range []string{"SET threads=2", "SET memory_limit='512MB'", "SET parquet_metadata_cache=true", "SET preserve_insertion_order=false"} {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	g := segtest.New(42, 0)
	list := func(rs []query.SegmentRef) string {
		var p []string
		for _, r := range rs {
			p = append(p, "'"+r.Path+"'")
		}
		return "read_parquet([" + strings.Join(p, ",") + "])"
	}
	run := func(name, q string, args ...any) {
		var ts []time.Duration
		n := 0
		for range 9 {
			t0 := time.Now()
			rows, err := db.QueryContext(ctx, q, args...)
			if err != nil {
				t.Fatal(name, err)
			}
			n = 0
			for rows.Next() {
				n++
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			rows.Close()
			ts = append(ts, time.Since(t0))
		}
		first := ts[0]
		sort.Slice(ts, func(i, j int) bool { return ts[i] < ts[j] })
		fmt.Printf("%-40s n=%-7d first %8v p50 %8v max %8v\n", name, n, first.Round(100*time.Microsecond), ts[4].Round(100*time.Microsecond), ts[8].Round(100*time.Microsecond))
	}
	for name, rs := range map[string][]query.SegmentRef{"blocks": d.Blocks, "merged": d.Merged} {
		src := list(rs)
		last := list(rs[len(rs)-2:])
		run(name+" event_id literal", "SELECT seq FROM "+src+" WHERE event_id='0194b1c8-xx'")
		run(name+" event_id param", "SELECT seq FROM "+src+" WHERE event_id=?", "0194b1c8-xx")
		run(name+" resource lit lim50", "SELECT seq FROM "+src+" WHERE resource_id='ord_1000777' ORDER BY seq DESC LIMIT 50")
		run(name+" resource param lim50", "SELECT seq FROM "+src+" WHERE resource_id=? ORDER BY seq DESC LIMIT 50", "ord_1000777")
		run(name+" resource lit all", "SELECT seq FROM "+src+" WHERE resource_id='ord_1000777'")
		for _, a := range []int{0, 100, 5000, 19000} {
			run(name+fmt.Sprintf(" actor %d lit lim50", a), fmt.Sprintf("SELECT seq FROM %s WHERE actor=%d ORDER BY seq DESC LIMIT 50", src, g.Actor(a)))
			run(name+fmt.Sprintf(" actor %d lit all", a), fmt.Sprintf("SELECT seq FROM %s WHERE actor=%d", src, g.Actor(a)))
		}
		run(name+" actor IN 2 ", fmt.Sprintf("SELECT seq FROM %s WHERE actor IN (%d,%d)", src, g.Actor(19000), g.Actor(18000)))
		run(name+" any of 3", fmt.Sprintf("SELECT seq FROM %s WHERE (actor=%d OR subject=%d OR resource=%d)", src, g.Actor(19000), g.Actor(19000), g.Actor(19000)))
		day := int64(segtest.Start + 300*86400_000000)
		run(name+" day+action", fmt.Sprintf("SELECT seq FROM %s WHERE recorded_at>=%d AND recorded_at<%d AND action='invoice.update' ORDER BY seq DESC LIMIT 50", src, day, day+86400_000000))
		run(name+" day+action param", fmt.Sprintf("SELECT seq FROM %s WHERE recorded_at>=? AND recorded_at<? AND action=? ORDER BY seq DESC LIMIT 50", src), day, day+86400_000000, "invoice.update")
		run(name+" newest all files", fmt.Sprintf("SELECT seq FROM %s ORDER BY seq DESC LIMIT 50", src))
		run(name+" action last2", fmt.Sprintf("SELECT seq FROM %s WHERE action='invoice.update' ORDER BY seq DESC LIMIT 50", last))
		run(name+" full action all", fmt.Sprintf("SELECT count(*) FROM %s WHERE action='invoice.update'", src))
		run(name+" stats hour", fmt.Sprintf("SELECT recorded_at//3600000000 b, count(*), count(*) FILTER (outcome<>'success') FROM %s GROUP BY b", src))
		run(name+" stats by action,outcome", fmt.Sprintf("SELECT action, outcome, resource_type, count(*) FROM %s GROUP BY ALL", src))
		run(name+" stats actor", fmt.Sprintf("SELECT actor, count(*) c FROM %s GROUP BY actor ORDER BY c DESC LIMIT 10", src))
		run(name+" count", "SELECT count(*) FROM "+src)
	}
}
