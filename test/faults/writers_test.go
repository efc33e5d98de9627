package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"probity.dev/test/instance"
)

// load writes to a server from several sides at once until the server dies, and notes in the book what was acknowledged.
type load struct {
	s       *instance.Server
	book    *instance.Book
	round   int
	writers int
	pause   time.Duration // between two requests of a writer
	stop    atomic.Bool
	wg      sync.WaitGroup
	refused atomic.Int64 // answers other than a receipt

	mu   sync.Mutex
	sent map[string]int // events sent, by source; each begins at 0
}

func start(s *instance.Server, book *instance.Book, round, writers int, pause time.Duration) *load {
	l := &load{s: s, book: book, round: round, writers: writers, pause: pause, sent: map[string]int{}}
	for i := range writers {
		l.wg.Go(func() { l.write(fmt.Sprintf("w%d.r%d", i, round)) })
	}
	l.wg.Go(func() { l.stream(fmt.Sprintf("stream.r%d", round)) })
	l.wg.Go(l.watch)
	return l
}

// end stops the load, or waits for it to notice that the server is gone.
func (l *load) end() {
	l.stop.Store(true)
	l.wg.Wait()
}

func (l *load) note(source string, n int) {
	l.mu.Lock()
	l.sent[source] = n
	l.mu.Unlock()
}

func (l *load) write(source string) {
	for n := 0; !l.stop.Load(); time.Sleep(l.pause) {
		k := 1
		if rand.IntN(3) > 0 {
			k = 1 + rand.IntN(60)
		}
		l.note(source, n+k)
		a, err := l.s.Send("POST", "/api/events", strings.NewReader(string(batch(source, n, k))), "Content-Type", "application/json")
		n += k
		if err != nil {
			return // the server is gone
		}
		if a.Status != http.StatusCreated {
			l.refused.Add(1)
			continue
		}
		r := new(instance.Receipt)
		if json.Unmarshal(a.Body, r) == nil {
			l.book.Receipt(source, r)
		}
	}
}

// stream sends lines without end and reads the receipts that come back meanwhile.
func (l *load) stream(source string) {
	pr, pw := io.Pipe()
	req, err := http.NewRequest("POST", l.s.URL+"/api/events", pr)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+l.s.Key)
	req.Header.Set("Content-Type", "application/x-ndjson")
	go func() {
		for n := 0; !l.stop.Load(); n++ {
			l.note(source, n+1)
			if _, err := io.WriteString(pw, line(source, n)+"\n"); err != nil {
				return
			}
			time.Sleep(l.pause / 8)
		}
		pw.Close()
	}()
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		pr.CloseWithError(err)
		return
	}
	defer resp.Body.Close()
	for sc := bufio.NewReader(resp.Body); ; {
		text, err := sc.ReadBytes('\n')
		if err != nil {
			pr.CloseWithError(err)
			return
		}
		r := new(instance.Receipt)
		if json.Unmarshal(text, r) == nil && r.Results != nil {
			l.book.Receipt(source, r)
		}
	}
}

// watch collects checkpoints.
func (l *load) watch() {
	for !l.stop.Load() {
		a, err := l.s.Send("GET", "/api/log/checkpoint", nil)
		if err != nil {
			return
		}
		if a.Status == http.StatusOK {
			l.book.Checkpoint(a.Body)
		}
		time.Sleep(3 * time.Millisecond)
	}
}

// resend sends again everything that the load sent: what was acknowledged must be a duplicate, and nothing may contradict what is recorded.
func (l *load) resend(s *instance.Server) (recorded, missing int) {
	for source, n := range l.sent {
		for from := 0; from < n; from += 1000 {
			r := s.Append(batch(source, from, min(1000, n-from)))
			l.book.Receipt(source, r)
			recorded += r.Duplicates
			missing += r.Accepted
			if r.Rejected > 0 {
				panic(fmt.Sprintf("%d of %s rejected: %+v", r.Rejected, source, r.Results))
			}
		}
	}
	return recorded, missing
}
