package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"probity.dev/catalog/field"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
)

func BenchmarkAppend(b *testing.B) {
	box := ledgertest.New(b, func(o *ledger.Options) { o.Classifier = field.New(nil); o.CheckpointInterval = 500 * time.Millisecond })
	const n = 1000
	mk := func(k int) []ledger.Item {
		items := make([]ledger.Item, n)
		for i := range items {
			s := fmt.Sprintf(`{"id":"%08x-%04x-4abc-8def-0123456789ab","source":"salon.app","action":"service.update%d","occurred_at":"2026-11-20T10:00:00.123Z","actor":{"type":"user","id":"u-%d","name":"Bob Example","email":"bob%d@salon.example","roles":["manager"]},"resource":{"type":"service","id":"s-%d","name":"Haircut"},"subject":{"type":"client","id":"c-%d","name":"Ana"},"changes":[{"path":"/price","before":50,"after":10}],"context":{"ip":"192.0.2.%d","user_agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","session_id":"s%d","request_id":"r%d"},"outcome":{"status":"success"},"reason":"told by Ana","data":{"amount":12,"currency":"EUR","channel":"web"}}`, k, i, i%20, (k*7+i)%5000, (k*7+i)%5000, i%3000, (i*31+k)%9000, i%250, i, i)
			e, err := event.Parse([]byte(s))
			if err != nil {
				b.Fatal(err)
			}
			items[i].Event = e
		}
		return items
	}
	var batches [][]ledger.Item
	for k := 0; k < b.N; k++ {
		batches = append(batches, mk(k))
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	ch := make(chan []ledger.Item)
	for w := 0; w < 4; w++ {
		wg.Go(func() {
			for it := range ch {
				r, err := box.Ledger.Append(context.Background(), ledgertest.Tenant, it, ledger.AppendOptions{})
				if err != nil {
					b.Error(err)
					return
				}
				if r.Accepted != n {
					b.Error(r.Results[0].Err, r.Rejected, r.Duplicates)
					return
				}
			}
		})
	}
	for _, x := range batches {
		ch <- x
	}
	close(ch)
	wg.Wait()
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
}
