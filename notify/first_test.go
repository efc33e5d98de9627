package notify

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
)

// firstAttempts says n notifications as fast as transactions allow, after the first burst of them twenty a second, and returns how long after its transaction each was first tried, the shortest wait first.
func (w *world) firstAttempts(path string, n, burst int) (waits []time.Duration) {
	w.t.Helper()
	c, _ := w.webhook(path)
	for i := range n {
		w.say(ready(fmt.Sprint("e-", i)))
		if i >= burst {
			time.Sleep(50 * time.Millisecond)
		}
	}
	const query = `SELECT a.started_at - d.created_at FROM notify_attempt a JOIN notify_delivery d ON d.id = a.delivery_id WHERE a.number = 1 AND d.channel_id = $1 ORDER BY 1`
	w.until("every attempt", func() bool {
		waits = waits[:0]
		rows, err := w.db.Read(w.t.Context()).Query(query, c.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var micros int64
			if err := rows.Scan(&micros); err != nil {
				w.t.Fatal(err)
			}
			waits = append(waits, time.Duration(micros)*time.Microsecond)
		}
		if err := rows.Err(); err != nil {
			w.t.Fatal(err)
		}
		return len(waits) == n
	})
	if !slices.IsSorted(waits) {
		w.t.Fatal("the waits are not in order")
	}
	return waits
}

// TestFirstAttemptSoon queues a burst of notifications, as a storm of alerts would, and then twenty a second, over a receiver that takes 20 ms for each. It looks how long after its transaction each
// was first tried: within a minute is promised, five seconds for 99 of 100 is what is kept.
func TestFirstAttemptSoon(t *testing.T) { sqldbtest.Each(t, testFirstAttemptSoon) }

func testFirstAttemptSoon(t *testing.T) {
	w := newWorld(t)
	w.answers(func(request) (int, string) { time.Sleep(20 * time.Millisecond); return 200, "" })
	w.start()
	waits := w.firstAttempts("/soon", 120, 40)
	p50, p99 := waits[len(waits)/2], waits[len(waits)*99/100]
	t.Logf("first attempt after %v for half, %v for 99 of 100", p50, p99)
	if p99 > 5*time.Second {
		t.Errorf("p99 of the first attempt is %v", p99)
	}
}

// BenchmarkFirstAttempt measures the same for 400 notifications at once over one channel, with receivers that answer at once and after a while. They are sent one after the other, so that the
// receiver's time alone makes 400 times itself.
func BenchmarkFirstAttempt(b *testing.B) { sqldbtest.EachBench(b, benchmarkFirstAttempt) }

func benchmarkFirstAttempt(b *testing.B) {
	for _, takes := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond} {
		b.Run(takes.String(), func(b *testing.B) {
			w := newWorld(b)
			w.answers(func(request) (int, string) { time.Sleep(takes); return 200, "" })
			w.start()
			var waits []time.Duration
			for i := range b.N {
				waits = append(waits, w.firstAttempts(fmt.Sprint("/", i), 400, 400)...)
			}
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2].Milliseconds()), "p50-ms")
			b.ReportMetric(float64(waits[len(waits)*99/100].Milliseconds()), "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
