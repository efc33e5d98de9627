package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/catalog/field"
	"probity.dev/internal/actor"
	"probity.dev/ledger"
	"probity.dev/ledger/ledgertest"
	"probity.dev/ledger/query"
	"probity.dev/report/export"
)

// TestExportMemory exports a quarter of a sealed log and all of it, masked, from its files, and compares how much memory each takes: what an export holds must not
// grow with its rows. What it remembers of persons does grow, up to the bounds of its caches, so a person may cost some hundred bytes.
// PROBITY_EXPORT_EVENTS is the size of the log, 40,000 by default; 2,000,000 is for the promise of 512 MiB.
func TestExportMemory(t *testing.T) {
	events := 40_000
	if n, err := strconv.Atoi(os.Getenv("PROBITY_EXPORT_EVENTS")); err == nil {
		events = n / 1000 * 1000
	}
	engine := query.Open(query.Options{})
	defer engine.Close()
	box := ledgertest.New(t, func(o *ledger.Options) { o.Classifier, o.Engine = field.New(nil), engine })
	g := fillLog(t, box, events)
	exports := exporter(t, box)
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // so that the heap is little more than what is held
	quarter := export.Filter{Time: "occurred", To: time.UnixMicro(g.At(events / 4).OccurredAt).UTC().Format(time.RFC3339)}
	measure := func(f export.Filter) (rows int, peak int64) {
		stop := heapPeak(&peak)
		rows = exportCSV(t.Context(), t, exports, actor.RoleAuditor, f)
		stop()
		return rows, peak
	}
	measure(quarter) // what stays from one export to the next
	some, small := measure(quarter)
	all, large := measure(export.Filter{})
	t.Logf("%d rows take %.1f MiB, %d rows %.1f MiB", some, float64(small)/(1<<20), all, float64(large)/(1<<20))
	if some < events/5 || some > events/3 || all != events {
		t.Fatalf("%d and %d rows of %d", some, all, events)
	}
	const person = 600 // bytes; there are at most two new ones in a row
	if most := small + min(int64(all-some)*2*person, 256<<20) + 16<<20; large > most {
		t.Errorf("an export of %d rows held %d MiB, want at most %d", all, large>>20, most>>20)
	}
	if large > 512<<20 {
		t.Errorf("an export held %d MiB, want at most 512", large>>20)
	}
}

// heapPeak samples how much larger the heap gets than it is now, until the function that it returns is called.
func heapPeak(peak *int64) (stop func()) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before := int64(m.HeapAlloc)
	var most atomic.Int64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most.Store(max(most.Load(), int64(m.HeapAlloc)-before))
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		*peak = most.Load()
	}
}
