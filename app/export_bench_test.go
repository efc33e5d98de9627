package app

import (
	"cmp"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"probity.dev/access/disclosure"
	"probity.dev/access/masking"
	"probity.dev/catalog/field"
	"probity.dev/internal/actor"
	"probity.dev/internal/blob"
	"probity.dev/internal/jobs"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
	"probity.dev/ledger/query"
	"probity.dev/report/export"
	"probity.dev/test/bench/load"
	"probity.dev/verify"
)

// BenchmarkRead measures what reads a sealed log from its files: a masked CSV export of every event, a search for a word in every event, verification of the
// evidence, and verification with the working copies. PROBITY_BENCH_EVENTS is the size of the log, 200,000 by default; PROBITY_BENCH_LOG a folder in which it is kept for the next time. events/s is of all processors
// together, -cpu 1 gives that of one.
func BenchmarkRead(b *testing.B) {
	engine := query.Open(query.Options{})
	defer engine.Close()
	dir := cmp.Or(os.Getenv("PROBITY_BENCH_LOG"), b.TempDir())
	box := ledgertest.Open(b, dir, func(o *ledger.Options) { o.Classifier, o.Engine = field.New(nil), engine })
	events := 200_000
	if n, err := strconv.Atoi(os.Getenv("PROBITY_BENCH_EVENTS")); err == nil {
		events = n / 1000 * 1000
	}
	if logs, err := os.ReadDir(filepath.Join(dir, "segments")); err != nil || len(logs) == 0 {
		fillLog(b, box, events)
	}
	exports := exporter(b, box)
	masks := masking.New(masking.Builtin(), [32]byte{1}, masking.WithFinder(find))
	var least leastTime
	each := func(name string, f func(ctx context.Context) int) {
		b.Run(name, func(b *testing.B) {
			debug.FreeOSMemory()
			peak := watchMemory(b)
			before := processorTime()
			for b.Loop() {
				if n := f(b.Context()); n != events {
					b.Fatalf("%d of %d events", n, events)
				}
			}
			b.ReportMetric(float64(b.N)*float64(events)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64((processorTime()-before).Nanoseconds())/float64(b.N)/float64(events), "cpu-ns/event")
			b.ReportMetric(float64(peak.Load()>>20), "more-MiB")
			if len(least.blocks) > 0 {
				b.ReportMetric(float64(least.sum())/float64(events), "least-cpu-ns/event")
			}
		})
	}
	each("csv", func(ctx context.Context) int { return exportCSV(ctx, b, exports, actor.RoleAuditor, export.Filter{}) })
	each("csv-unmasked", func(ctx context.Context) int { return exportCSV(ctx, b, exports, actor.RoleAdmin, export.Filter{}) })
	each("text", func(ctx context.Context) int {
		if _, err := box.Search(ctx, ledgertest.Tenant, ledger.Query{Text: "no such word"}, ledger.Page{Limit: 50}, masks.For("admin", true),
			func(*event.Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
		return events
	})
	files, err := blob.OpenDir(box.Dir)
	if err != nil {
		b.Fatal(err)
	}
	logs, err := ledger.OpenStored(b.Context(), box.DB, files)
	if err != nil {
		b.Fatal(err)
	}
	each("verify", func(ctx context.Context) int { return verifyLog(ctx, b, logSource{logs[0]}, nil) })
	each("verify-working", func(ctx context.Context) int {
		s, err := withWorking(ctx, logs[0], box.Ledger)
		if err != nil {
			b.Fatal(err)
		}
		return verifyLog(ctx, b, s, least.run())
	})
}

// leastTime is the least processor time that each block of a log took in any of several runs, for a machine on which other things run. It tells something with one worker only.
type leastTime struct{ blocks []time.Duration }

// run begins a run; what it returns is to be called after each block.
func (l *leastTime) run() func(done, total uint64) {
	last, block := processorTime(), 0
	return func(uint64, uint64) {
		now := processorTime()
		if block == len(l.blocks) {
			l.blocks = append(l.blocks, now-last)
		}
		l.blocks[block] = min(l.blocks[block], now-last)
		last = now
		block++
	}
}

func (l *leastTime) sum() (all time.Duration) {
	for _, d := range l.blocks {
		all += d
	}
	return all
}

// processorTime is what the process has used of all processors; unlike the time on the clock it does not depend on what else runs.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// watchMemory samples how much more memory than now the process holds until the benchmark ends.
func watchMemory(b *testing.B) *atomic.Uint64 {
	var peak atomic.Uint64
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan struct{})
	b.Cleanup(func() { close(done) })
	go func() {
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.Sys-m.HeapReleased-min(before.Sys-before.HeapReleased, m.Sys-m.HeapReleased)))
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return &peak
}

// fillLog appends and seals events, whose number is a multiple of 1,000, and returns what made them.
func fillLog(b testing.TB, box *ledgertest.Box, events int) *load.Generator {
	g := load.New(load.Config{Seed: 1, Events: events})
	for i := range g.Batches() {
		var batch load.Batch
		g.Batch(i, &batch)
		texts := make([][]byte, len(batch.Events))
		for j := range batch.Events {
			texts[j] = append([]byte(nil), batch.Events[j].JSON...)
		}
		appendAll(b, box, texts)
	}
	ctx := context.Background()
	if _, err := box.Prove(ctx, ledgertest.Tenant, uint64(events-1), nil); err != nil {
		b.Fatal(err)
	}
	if err := box.Seal(ctx, ledgertest.Tenant, time.Now().Add(time.Hour)); err != nil {
		b.Fatal(err)
	}
	return g
}

// silent records nothing, so that the log stays as it is.
type silent struct{}

func (silent) Record(context.Context, string, *event.Event, func(context.Context, *sql.Tx) error) error {
	return nil
}

func exporter(b testing.TB, box *ledgertest.Box) *export.Service {
	files, err := blob.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	s, err := export.NewService(export.ServiceOptions{DB: box.DB, Source: &exportSource{ledger: box.Ledger, masks: newMasks(box.Ledger, disclosure.New(box.DB, nil, masking.Builtin(), nil)), tracer: noop.NewTracerProvider().Tracer("")}, Recorder: silent{},
		Sealer: exportSealer{box.Ledger}, Tenants: exportTenants{box.Ledger}, Files: files, Queue: queueOfExports,
		Jobs: jobs.New(jobs.Options{DB: box.DB, Owner: "bench", Queues: map[string]jobs.Queue{queueOfExports: {Workers: 1}}}), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func exportCSV(ctx context.Context, b testing.TB, s *export.Service, role string, f export.Filter) int {
	by := actor.Principal{TenantID: ledgertest.Tenant, UserID: "u-1", Roles: []string{role}, Permissions: actor.RolePermissions(role)}
	n, err := s.Stream(ctx, by, export.Request{Format: "csv", Filter: f}, io.Discard, nil)
	if err != nil {
		b.Fatal(err)
	}
	return int(n)
}

func verifyLog(ctx context.Context, b *testing.B, s verify.Source, progress func(done, total uint64)) int {
	keys, err := tlog.ParseKeys(s.Log().Keys)
	if err != nil {
		b.Fatal(err)
	}
	r, err := verify.Dir(ctx, "", []verify.Source{s}, verify.Options{Keys: keys, Progress: progress})
	if err != nil || !r.OK {
		b.Fatal(r, err)
	}
	return int(r.Logs[0].Leaves)
}
