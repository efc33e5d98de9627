package query_test

import (
	"context"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
	"testing"
)

func BenchmarkActor(b *testing.B) {
	d := benchData(b, 10_000_000, 0)
	e := query.Open(query.Options{})
	g := segtest.New(42, 0)
	s := query.Snapshot{Log: "bench", Segments: d.Merged}
	i := 0
	for b.Loop() {
		i++
		e.Rows(context.Background(), s, query.Filter{Actors: []int64{g.Actor(i * 199 % 20000)}}, query.Page{Desc: true, Limit: 50}, func(*segment.Row) error { return nil })
	}
}
