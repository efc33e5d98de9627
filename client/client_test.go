package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fake is a server that behaves as a test tells it.
func fake(t *testing.T, h http.HandlerFunc, options ...Option) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := New(srv.URL+"/", "pk_test", options...)
	if err != nil {
		t.Fatal(err)
	}
	c.sleep = func(ctx context.Context, d time.Duration) error { return ctx.Err() }
	return c
}

func TestAddress(t *testing.T) {
	for _, bad := range []string{"", "audit.example.com", "ftp://x", "http://", "http://x?y=1", "http://x#y"} {
		if _, err := New(bad, "k"); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
	for _, bad := range []string{"pk_a\npk_b", "pk_a pk_b", "pk_ä"} {
		if _, err := New("https://audit.example.com", bad); err == nil || strings.Contains(err.Error(), "pk_") {
			t.Errorf("key %q: %v", bad, err)
		}
	}
}

func TestRequestsAreRepeatedWhereThatIsSafe(t *testing.T) {
	problem := func(w http.ResponseWriter, status int) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":%d,"code":"throttled","detail":"d","instance":"r1"}`, status)
	}
	cut := func(w http.ResponseWriter, _ int) { panic(http.ErrAbortHandler) }
	create := func(c *Client) error {
		_, err := c.CreateExport(context.Background(), ExportRequest{Format: "csv"})
		return err
	}
	get := func(c *Client) error { _, err := c.Get(context.Background(), 1); return err }
	add := func(c *Client) error {
		_, err := c.Append(context.Background(), Event{Source: "a", Action: "b"})
		return err
	}
	for name, x := range map[string]struct {
		call  func(*Client) error
		fail  func(http.ResponseWriter, int)
		with  int
		calls int
	}{
		"get, cut":        {get, cut, 0, 5},
		"get, 502":        {get, problem, 502, 5},
		"append, cut":     {add, cut, 0, 5},
		"append, 503":     {add, problem, 503, 5},
		"append, 429":     {add, problem, 429, 5},
		"append, 500":     {add, problem, 500, 1},
		"append, 400":     {add, problem, 400, 1},
		"create, cut":     {create, cut, 0, 1},
		"create, 504":     {create, problem, 504, 1},
		"create, 429":     {create, problem, 429, 5},
		"create, 503":     {create, problem, 503, 5},
		"get, a page":     {get, func(w http.ResponseWriter, s int) { http.Error(w, "<html>proxy", s) }, 503, 5},
		"get, half a one": {get, func(w http.ResponseWriter, s int) { w.WriteHeader(s); fmt.Fprint(w, `{"seq":`) }, 200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			calls := 0
			var ids []string
			c := fake(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				calls++
				var events []Event
				if b, _ := io.ReadAll(r.Body); json.Unmarshal(b, &events) == nil && len(events) == 1 {
					ids = append(ids, events[0].ID)
				}
				x.fail(w, x.with)
			})
			err := x.call(c)
			mu.Lock()
			defer mu.Unlock()
			if err == nil || calls != x.calls {
				t.Fatalf("%d calls: %v", calls, err)
			}
			for _, id := range ids {
				if id == "" || id != ids[0] {
					t.Fatalf("a repeated event must keep its id: %v", ids)
				}
			}
			if name == "append, 429" {
				var p *Error
				if !errors.As(err, &p) || p.RetryAfter != 3*time.Second || p.RequestID != "r1" || p.Code != Throttled || !strings.Contains(err.Error(), "request r1") {
					t.Fatalf("%+v", err)
				}
			}
		})
	}
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) { problem(w, 429) }, WithRetries(0))
	if err := add(c); CodeOf(err) != Throttled {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Get(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	for attempt := range 100 {
		d, again := retryAfter(io.ErrUnexpectedEOF, attempt)
		if !again || d < 0 || d > 15*time.Second || (attempt == 0 && d > time.Second/4) {
			t.Fatal(attempt, d)
		}
	}
	for s, want := range map[string]time.Duration{"": 0, "5": 5 * time.Second, "-5": 0, "999999": time.Hour, "x": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0} {
		if got := parseRetryAfter(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func TestTheKeyStaysWithItsServer(t *testing.T) {
	leaked := ""
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { leaked = r.Header.Get("Authorization") + r.URL.Path }))
	defer other.Close()
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/stolen", http.StatusTemporaryRedirect)
	}, WithRetries(0))
	if _, err := c.Get(context.Background(), 1); err == nil || leaked != "" {
		t.Fatal(leaked, err)
	}
	c = fake(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
	}, WithRetries(0))
	if _, err := c.Get(context.Background(), 1); err == nil {
		t.Fatal("a circle of redirects")
	}
}

// flaky takes streams, remembers ids as the server does, and cuts the connection after so many lines.
type flaky struct {
	mu      sync.Mutex
	seen    map[string]uint64
	cuts    []int // lines after which connection i is cut; none when exhausted
	streams int
	loseAck bool // the batch before a cut is recorded and not acknowledged
}

func (f *flaky) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streams
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	limit := 1 << 30
	if f.streams < len(f.cuts) {
		limit = f.cuts[f.streams]
	}
	f.streams++
	f.mu.Unlock()
	_ = http.NewResponseController(w).EnableFullDuplex()
	w.Header().Set("Content-Type", "application/x-ndjson")
	sc := bufio.NewScanner(r.Body)
	for at := 0; ; {
		batch := Receipt{FirstIndex: at}
		for len(batch.Results) < 100 && sc.Scan() {
			batch.Results = append(batch.Results, f.record(sc.Bytes(), at, &batch))
			at++
		}
		if at >= limit {
			if !f.loseAck {
				_ = json.NewEncoder(w).Encode(batch)
				_ = http.NewResponseController(w).Flush()
				time.Sleep(20 * time.Millisecond)
			}
			panic(http.ErrAbortHandler)
		}
		if len(batch.Results) == 0 {
			fmt.Fprintln(w, `{"done":true}`)
			return
		}
		_ = json.NewEncoder(w).Encode(batch)
		_ = http.NewResponseController(w).Flush()
	}
}

func (f *flaky) record(line []byte, index int, batch *Receipt) Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	var e Event
	if err := json.Unmarshal(line, &e); err != nil || e.ID == "" {
		batch.Rejected++
		return Result{Index: index, Status: Rejected}
	}
	if seq, ok := f.seen[e.ID]; ok {
		batch.Duplicates++
		return Result{Index: index, Status: Duplicate, Seq: seq, ID: e.ID}
	}
	f.seen[e.ID] = uint64(len(f.seen))
	batch.Accepted++
	return Result{Index: index, Status: Accepted, Seq: f.seen[e.ID], ID: e.ID}
}

func count(n int) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for i := range n {
			if !yield(Event{ID: fmt.Sprint("e", i), Source: "s", Action: "a.b", Reason: strings.Repeat("x", 100)}, nil) {
				return
			}
		}
	}
}

func TestBulkContinuesAfterACut(t *testing.T) {
	for _, lose := range []bool{false, true} {
		for _, n := range []int{0, 1, 99, 100, 101, 45_000} {
			f := &flaky{seen: map[string]uint64{}, cuts: []int{50, 1000, 1, 30_000}, loseAck: lose}
			c := fake(t, f.ServeHTTP)
			next := 0
			sum, err := c.Bulk(context.Background(), count(n), BulkOptions{OnReceipt: func(r *Receipt) error {
				for _, x := range r.Results {
					if x.Index != next || x.ID != fmt.Sprint("e", next) {
						t.Fatalf("result %d of %s, expected %d", x.Index, x.ID, next)
					}
					next++
				}
				return nil
			}})
			if err != nil || len(f.seen) != n || sum.Accepted+sum.Duplicates != n || next != n {
				t.Fatalf("lost acknowledgements %v, %d events: %d recorded, %+v, %d told, %d streams: %v", lose, n, len(f.seen), sum, next, f.streams, err)
			}
		}
	}
}

func TestBulkGivesUp(t *testing.T) {
	f := &flaky{seen: map[string]uint64{}, cuts: []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, loseAck: true}
	if _, err := fake(t, f.ServeHTTP).Bulk(context.Background(), count(10), BulkOptions{}); err == nil || f.count() != 5 {
		t.Fatal(f.count(), err)
	}
	mine := errors.New("mine")
	f = &flaky{seen: map[string]uint64{}}
	sum, err := fake(t, f.ServeHTTP).Bulk(context.Background(), func(yield func(Event, error) bool) {
		_ = yield(Event{Source: "s", Action: "a"}, nil) && yield(Event{}, mine)
	}, BulkOptions{})
	if !errors.Is(err, mine) || f.count() > 1 {
		t.Fatal(sum, f.count(), err)
	}
	if _, err := fake(t, f.ServeHTTP).Bulk(context.Background(), count(10), BulkOptions{OnReceipt: func(*Receipt) error { return mine }}); !errors.Is(err, mine) {
		t.Fatal(err)
	}
	if _, err := fake(t, f.ServeHTTP).Bulk(context.Background(), func(yield func(Event, error) bool) {
		yield(Event{Custom: map[string]json.RawMessage{"x": json.RawMessage("{")}}, nil)
	}, BulkOptions{}); err == nil || !strings.Contains(err.Error(), "JSON") {
		t.Fatal(err)
	}
	liar := fake(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, `{"first_index":0,"accepted":999}`)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	if _, err := liar.Bulk(context.Background(), count(3), BulkOptions{}); err == nil || !strings.Contains(err.Error(), "not sent") {
		t.Fatal(err)
	}
	var frozen atomic.Int64
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		frozen.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintln(w, `{"done":false,"error":{"code":"unavailable","detail":"The log is frozen."}}`)
	})
	if _, err := c.Bulk(context.Background(), count(3), BulkOptions{}); CodeOf(err) != Unavailable || frozen.Load() != 5 {
		t.Fatal(frozen.Load(), err)
	}
	denied := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(403)
		fmt.Fprint(w, `{"status":403,"code":"forbidden","detail":"no"}`)
	})
	if _, err := denied.Bulk(context.Background(), count(100_000), BulkOptions{}); CodeOf(err) != Forbidden {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stuck := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		_, _ = io.Copy(io.Discard, r.Body) // until the connection is cut
	})
	if _, err := stuck.Bulk(ctx, count(10), BulkOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestBulkSendsWhatWaits: an event must not lie in a buffer until the next one comes.
func TestBulkSendsWhatWaits(t *testing.T) {
	arrived := make(chan struct{})
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		rd := bufio.NewReader(r.Body)
		_, _ = rd.ReadString('\n')
		close(arrived)
		_, _ = io.Copy(io.Discard, rd)
		fmt.Fprintln(w, `{"first_index":0,"accepted":2}`)
		fmt.Fprintln(w, `{"done":true}`)
	})
	_, err := c.Bulk(context.Background(), func(yield func(Event, error) bool) {
		if !yield(Event{Source: "s", Action: "a"}, nil) {
			return
		}
		select {
		case <-arrived:
		case <-time.After(5 * time.Second):
			t.Error("the first event waited for the second")
		}
		yield(Event{Source: "s", Action: "a"}, nil)
	}, BulkOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBatchSize(t *testing.T) {
	c := fake(t, func(http.ResponseWriter, *http.Request) { t.Error("sent") })
	if _, err := c.Append(context.Background()); err == nil {
		t.Error("nothing to append")
	}
	if _, err := c.AppendWith(context.Background(), make([]Event, MaxBatch+1)); err == nil {
		t.Error("too many")
	}
}

func TestReceiptIsChecked(t *testing.T) {
	r := Receipt{Accepted: 1, Promise: "nonsense", Results: []Result{{Status: Accepted, LeafHash: make([]byte, 32)}}}
	if r.Check("nonsense") == nil || r.Check("") == nil {
		t.Error("a promise without a signature")
	}
	if (&Receipt{Rejected: 3}).Check("") != nil {
		t.Error("without accepted events there is nothing to promise")
	}
}

func TestSearchStopsAtErrors(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"items":[{"seq":7}],"error":{"code":"unavailable","detail":"x"}}`)
	})
	var seqs []uint64
	var last error
	for r, err := range c.Search(context.Background(), Query{}) {
		if last = err; err == nil {
			seqs = append(seqs, r.Seq)
		}
	}
	if len(seqs) != 1 || CodeOf(last) != Unavailable {
		t.Fatal(seqs, last)
	}
	c = fake(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"items":[],"next_cursor":"5"}`) })
	last = nil
	for _, err := range c.Search(context.Background(), Query{}) {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "does not advance") {
		t.Fatal(last)
	}
}

func TestQueryText(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("x", 3600))
	q := Query{From: at, To: at, Actor: []string{"a", "handle:1"}, Fields: map[string]string{"ward": "3"}, Text: "x&y", OldestFirst: true, ID: []string{"i"}}
	if got := q.values().Encode(); got != "actor=a&actor=handle%3A1&field.ward=3&from=2026-01-02T02%3A04%3A05Z&id=i&order=asc&text=x%26y&to=2026-01-02T02%3A04%3A05Z" {
		t.Fatal(got)
	}
	f, err := json.Marshal(q.filter())
	if err != nil || string(f) != `{"actor":["a","handle:1"],"field":{"ward":"3"},"from":"2026-01-02T02:04:05Z","text":"x\u0026y","to":"2026-01-02T02:04:05Z"}` {
		t.Fatal(string(f), err)
	}
}
