package ledger_test

import (
	"context"
	"testing"

	"probity.dev/catalog/field"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
	"probity.dev/test/bench/load"
)

// BenchmarkEncode is the part of an append before the commit, for events whose persons are known.
func BenchmarkEncode(b *testing.B) {
	box := ledgertest.New(b, func(o *ledger.Options) { o.Classifier = field.New(nil) })
	g := load.New(load.Config{Seed: 1, Events: 100_000})
	var batch load.Batch
	g.Batch(0, &batch)
	items := make([]ledger.Item, len(batch.Events))
	events := make([]*event.Event, len(items))
	for i := range batch.Events {
		e, err := event.Parse(batch.Events[i].JSON)
		if err != nil {
			b.Fatal(err)
		}
		items[i].Event, events[i] = e, e
	}
	if r, err := box.Ledger.Append(context.Background(), ledgertest.Tenant, items, ledger.AppendOptions{}); err != nil || r.Accepted != len(items) {
		b.Fatal(r, err)
	}
	for b.Loop() {
		if err := ledger.Encode(context.Background(), box.Ledger, ledgertest.Tenant, events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
}
