package app

import (
	"context"
	"io"
	"testing"
	"time"

	"probity.dev/access/masking"
	"probity.dev/catalog/field"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
	"probity.dev/ledger/query"
	"probity.dev/report/export"
	"probity.dev/test/bench/load"
)

// BenchmarkExport reads, opens, masks and encodes every event of a sealed log as CSV. An operation is the whole log.
func BenchmarkExport(b *testing.B) {
	const batches = 200
	engine := query.Open(query.Options{})
	defer engine.Close()
	box := ledgertest.New(b, func(o *ledger.Options) { o.Classifier, o.Engine = field.New(nil), engine })
	g := load.New(load.Config{Seed: 1, Events: 1000 * batches})
	for i := range batches {
		var batch load.Batch
		g.Batch(i, &batch)
		texts := make([][]byte, len(batch.Events))
		for j := range batch.Events {
			texts[j] = append([]byte(nil), batch.Events[j].JSON...)
		}
		appendAll(b, box, texts)
	}
	ctx := context.Background()
	if _, err := box.Prove(ctx, ledgertest.Tenant, 1000*batches-1, nil); err != nil {
		b.Fatal(err)
	}
	if err := box.Seal(ctx, ledgertest.Tenant, time.Now().Add(time.Hour)); err != nil {
		b.Fatal(err)
	}
	mask := masking.New(masking.Builtin(), [32]byte{1}, masking.WithFinder(find)).For("auditor", false)
	for b.Loop() {
		out, err := export.New("csv", io.Discard, export.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := out.Begin(export.Meta{}); err != nil {
			b.Fatal(err)
		}
		n := 0
		if _, err := box.Search(ctx, ledgertest.Tenant, ledger.Query{}, ledger.Page{Ascending: true}, mask, func(r *event.Record) error {
			n++
			return out.Write(r)
		}); err != nil || n != 1000*batches {
			b.Fatal(n, err)
		}
		if err := out.End(export.Summary{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000*batches/b.Elapsed().Seconds(), "rows/s")
}
