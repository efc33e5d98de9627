package notify

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestFirstAttemptSoon queues a burst of notifications, as a storm of alerts would, and then twenty a second, over a receiver that takes 20 ms for each. It looks how long after its transaction each
// was first tried: within a minute is promised, five seconds for 99 of 100 is what is kept.
func TestFirstAttemptSoon(t *testing.T) {
	w := newWorld(t)
	w.answers(func(request) (int, string) { time.Sleep(20 * time.Millisecond); return 200, "" })
	w.start()
	c, _ := w.webhook("/soon")
	const n, burst = 120, 40
	for i := range n {
		w.say(ready(fmt.Sprint("e-", i)))
		if i >= burst {
			time.Sleep(50 * time.Millisecond)
		}
	}
	w.until("every delivery", func() bool { return len(w.requests("/soon")) >= n })
	rows, err := w.db.Read(t.Context()).Query(`SELECT a.started_at - d.created_at FROM notify_attempt a JOIN notify_delivery d ON d.id = a.delivery_id WHERE a.number = 1 AND d.channel_id = $1`, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var waits []time.Duration
	for rows.Next() {
		var micros int64
		if err := rows.Scan(&micros); err != nil {
			t.Fatal(err)
		}
		waits = append(waits, time.Duration(micros)*time.Microsecond)
	}
	if err := rows.Err(); err != nil || len(waits) < n*99/100 {
		t.Fatalf("%d attempts, %v", len(waits), err)
	}
	slices.Sort(waits)
	p50, p99 := waits[len(waits)/2], waits[len(waits)*99/100]
	t.Logf("first attempt after %v for half, %v for 99 of 100", p50, p99)
	if p99 > 5*time.Second {
		t.Errorf("p99 of the first attempt is %v", p99)
	}
}
