package faults

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
)

// BenchmarkServers appends to one server and to three on the same machine, as many clients together in either case.
func BenchmarkServers(b *testing.B) { sqldbtest.EachBench(b, benchmarkServers) }

func benchmarkServers(b *testing.B) {
	if sqldbtest.Kind(b) != sqldbtest.Postgres {
		return // which has one server only
	}
	for _, load := range []struct {
		name           string
		clients, batch int
	}{{"batches", 12, 500}, {"singles", 48, 1}} {
		for _, servers := range []int{1, 3} {
			b.Run(fmt.Sprintf("%s/%d", load.name, servers), func(b *testing.B) {
				c := joined(b, servers)
				c.startAll()
				var n atomic.Int64
				var wg sync.WaitGroup
				before := c.cpu()
				b.ResetTimer()
				for w := range load.clients {
					s := c.at(w % servers)
					wg.Go(func() {
						for n.Add(1) <= int64(b.N) {
							a, err := s.Send("POST", "/api/events", bytes.NewReader(batch("w"+strconv.Itoa(w), int(n.Load())*load.batch, load.batch)), "Content-Type", "application/json")
							if err != nil || a.Status != 201 {
								b.Errorf("%v %s", err, textOf(a))
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				events := float64(b.N * load.batch)
				b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric((c.cpu()-before).Seconds()/events*1e6, "cpu-µs/event")
			})
		}
	}
}

// cpu is the processor time that the servers have used.
func (c *cluster) cpu() (sum time.Duration) {
	for i := range c.dirs {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.at(i).Pid()))
		if err != nil {
			c.t.Fatal(err)
		}
		f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		for _, ticks := range f[11:13] {
			n, err := strconv.Atoi(string(ticks))
			if err != nil {
				c.t.Fatal(err)
			}
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}
