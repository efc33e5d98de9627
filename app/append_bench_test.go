package app

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"probity.dev/catalog/field"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
	"probity.dev/test/bench/load"
)

// BenchmarkAppend is the write path without HTTP: parse, encode, commit durably and seal, in batches of 1,000 from four senders.
func BenchmarkAppend(b *testing.B) { sqldbtest.EachBench(b, benchAppend) }

func benchAppend(b *testing.B) {
	box := ledgertest.New(b, func(o *ledger.Options) { o.Classifier, o.CheckpointInterval = field.New(nil), 500*time.Millisecond })
	g := load.New(load.Config{Seed: 1, Events: 1000 * b.N})
	var bodies [][][]byte
	for i := range b.N {
		var batch load.Batch
		g.Batch(i, &batch)
		texts := make([][]byte, len(batch.Events))
		for j := range batch.Events {
			texts[j] = append([]byte(nil), batch.Events[j].JSON...)
		}
		bodies = append(bodies, texts)
	}
	b.ResetTimer()
	cpu := cpuTime(b)
	var wg sync.WaitGroup
	work := make(chan [][]byte)
	for range 4 {
		wg.Go(func() {
			for texts := range work {
				appendAll(b, box, texts)
			}
		})
	}
	for _, texts := range bodies {
		work <- texts
	}
	close(work)
	wg.Wait()
	b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N*1000), "cpu-µs/event")
}

func appendAll(b testing.TB, box *ledgertest.Box, texts [][]byte) {
	items := make([]ledger.Item, len(texts))
	for i, text := range texts {
		e, err := event.Parse(text)
		if err != nil {
			b.Error(err)
			return
		}
		items[i].Event = e
	}
	r, err := box.Ledger.Append(context.Background(), ledgertest.Tenant, items, ledger.AppendOptions{})
	if err != nil || r.Accepted != len(texts) {
		b.Error(err, r)
	}
}

// cpuTime is the processor time that the process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppendSingle is the write path for single events from 64 senders at once, without HTTP.
func BenchmarkAppendSingle(b *testing.B) { sqldbtest.EachBench(b, benchAppendSingle) }

func benchAppendSingle(b *testing.B) {
	box := ledgertest.New(b, func(o *ledger.Options) { o.Classifier, o.CheckpointInterval = field.New(nil), 500*time.Millisecond })
	g := load.New(load.Config{Seed: 1, Events: b.N + 1000})
	texts := make([][]byte, 0, b.N+1000)
	for i := 0; len(texts) < b.N; i++ {
		var batch load.Batch
		g.Batch(i, &batch)
		for j := range batch.Events {
			texts = append(texts, append([]byte(nil), batch.Events[j].JSON...))
		}
	}
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	b.ResetTimer()
	cpu := cpuTime(b)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				start := time.Now()
				appendAll(b, box, texts[i:i+1])
				took[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/event")
	b.ReportMetric(float64(took[b.N*99/100].Microseconds())/1000, "p99-ms")
}
