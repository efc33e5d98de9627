package faults

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/test/instance"
)

// dial opens a connection of its own to a server and writes to it.
func dial(t *testing.T, s *instance.Server, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

func head(s *instance.Server, length, contentType string) string {
	return "POST /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.Key + "\r\nContent-Type: " + contentType + "\r\n" + length + "\r\n\r\n"
}

// TestVanishingClient breaks connections off in the middle of an array and of a stream of lines.
func TestVanishingClient(t *testing.T) { sqldbtest.Each(t, testVanishingClient) }

func testVanishingClient(t *testing.T) {
	s := serve(t)
	body := batch("array", 0, 1000)
	for i := range rounds() {
		c := dial(t, s, head(s, "Content-Length: "+strconv.Itoa(len(body)), "application/json")+string(body[:len(body)*(i+1)/(rounds()+1)]))
		c.Close()
	}
	c := dial(t, s, head(s, "Transfer-Encoding: chunked", "application/x-ndjson"))
	var sent int
	write := func(text string) {
		if _, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(text), text); err != nil {
			t.Fatal(err)
		}
	}
	for ; sent < 2500; sent++ {
		write(line("lines", sent) + "\n")
	}
	acked := map[string]uint64{}
	readReceipts(t, c, acked, 1000)
	write(line("lines", sent)[:100]) // and no more: a chunked body without an end
	c.Close()
	s.Until(10*time.Second, "everything that arrived was recorded", func() bool { return s.Count("source=lines") >= len(acked) })
	found := map[string]uint64{}
	s.Walk("source=lines", func(v *instance.View) { found[v.ID] = v.Seq })
	for id, seq := range acked {
		if at, ok := found[id]; !ok || at != seq {
			t.Errorf("%s was acknowledged at %d and is at %d (%v)", id, seq, at, ok)
		}
	}
	if _, half := found["e2500"]; half || len(found) > sent {
		t.Errorf("half an event was recorded, or %d of %d", len(found), sent)
	}
	if n := s.Count("source=array"); n != 0 {
		t.Errorf("%d events of half an array were recorded", n)
	}
	if r := s.Append(body); r.Accepted != 1000 {
		t.Errorf("afterwards %d of 1000 are accepted", r.Accepted)
	}
	t.Logf("%d lines acknowledged, %d recorded of %d sent", len(acked), len(found), sent)
}

// readReceipts reads the answers to a stream until so many events are acknowledged.
func readReceipts(t *testing.T, c net.Conn, acked map[string]uint64, want int) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(resp.Body); len(acked) < want; {
		var r instance.Receipt
		if err := d.Decode(&r); err != nil {
			t.Fatalf("after %d receipts: %v", len(acked), err)
		}
		for _, x := range r.Results {
			acked[x.ID] = x.Seq
		}
	}
}

// TestVanishingReader breaks off searches, downloads and live streams in the middle.
func TestVanishingReader(t *testing.T) { sqldbtest.Each(t, testVanishingReader) }

func testVanishingReader(t *testing.T) {
	s := serve(t)
	for i := range 8 {
		s.Append(batch("shop", i*1000, 1000))
	}
	e, _ := s.Export("ndjson", map[string]any{"source": "shop"})
	// Background work starts goroutines at its own time: a reader that leaves one behind on any path leaves more than all of them.
	readers := max(40, rounds())
	before := goroutines(t, s)
	for _, path := range []string{"/api/events?limit=1000", e.URL, "/api/events/stream?after=0", "/api/events?text=zzzzzz"} {
		for range readers {
			c := dial(t, s, "GET "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+s.Key+"\r\n\r\n")
			_, _ = c.Read(make([]byte, 1000)) // its beginning
			c.Close()
		}
	}
	if n := s.Count("source=shop"); n != 8000 {
		t.Errorf("%d events are found", n)
	}
	s.Until(10*time.Second, "the broken streams ended", func() bool { return goroutines(t, s) < before+readers })
}

// goroutines is how many goroutines the server has.
func goroutines(t *testing.T, s *instance.Server) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^go_goroutines (\d+)`).FindSubmatch(s.Do("GET", "/metrics", nil).Body)
	if m == nil {
		t.Fatal("the metrics do not say how many goroutines there are")
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// peakMemory is the most memory that the server has had, in bytes.
func peakMemory(t *testing.T, s *instance.Server) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
	if m == nil {
		t.Fatal("no VmHWM")
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// TestSlowClients opens many connections that say next to nothing. Others are served meanwhile, and the server hangs up on those that do not even finish a header.
func TestSlowClients(t *testing.T) { sqldbtest.Each(t, testSlowClients) }

func testSlowClients(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var slow []net.Conn
	for i := range 300 {
		text := "POST /api/events HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 1 {
			text = head(s, "Content-Length: 100000", "application/json") + "["
		}
		slow = append(slow, dial(t, s, text))
	}
	began := time.Now()
	for i := range 20 {
		if r := s.Append(batch("shop", i*100, 100)); r.Accepted != 100 {
			t.Fatalf("%+v", r)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("20 requests beside slow clients took %s", took)
	}
	if err := slow[0].SetReadDeadline(began.Add(25 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(slow[0]); err != nil {
		t.Errorf("after %s the server still waits for a header: %v", time.Since(began), err)
	}
}

// TestIdempotencyKeys repeats requests under one key.
func TestIdempotencyKeys(t *testing.T) { sqldbtest.Each(t, testIdempotencyKeys) }

func testIdempotencyKeys(t *testing.T) {
	s := serve(t)
	body := []byte(`{"source":"s","action":"a.read","data":{"n":1}}`) // without an id, only the key can tell
	header := []string{"Content-Type", "application/json", "Idempotency-Key", "k-1"}
	first := s.Do("POST", "/api/events", body, header...)
	again := s.Do("POST", "/api/events", body, header...)
	if first.Status != 201 || again.Status != 201 || !bytes.Equal(first.Body, again.Body) || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%d, then %d %q\n%s%s", first.Status, again.Status, again.Header.Get("Idempotency-Replayed"), first.Body, again.Body)
	}
	if a := s.Do("POST", "/api/events", bytes.Replace(body, []byte("1"), []byte("2"), 1), header...); a.Status != 422 {
		t.Errorf("another request under the same key: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", "/api/events", []byte(line("s", 1)), "Content-Type", "application/x-ndjson", "Idempotency-Key", "k-2"); a.Status != 415 {
		t.Errorf("a stream with a key: %d %s", a.Status, a.Body)
	}
	if a := s.Do("POST", "/api/events", body, "Content-Type", "application/json", "Idempotency-Key", strings.Repeat("k", 256)); a.Status != 400 {
		t.Errorf("a long key: %d %s", a.Status, a.Body)
	}
	// The keys of two callers are not the same key.
	other := s.As(s.NewKey("writer", "ledger.append"))
	if a := other.Do("POST", "/api/events", body, header...); a.Status != 201 || a.Header.Get("Idempotency-Replayed") != "" {
		t.Errorf("another caller's request under the same key: %d %s", a.Status, a.Body)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			a := s.Do("POST", "/api/events", []byte(`{"source":"race","action":"a.read"}`), "Content-Type", "application/json", "Idempotency-Key", "k-3")
			if a.Status != 201 && a.Status != 409 {
				t.Errorf("at the same time: %d %s", a.Status, a.Body)
			}
		})
	}
	wg.Wait()
	if n := s.Count("source=race"); n != 1 {
		t.Errorf("16 requests under one key recorded %d events", n)
	}
	if n := s.Count("source=s"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}
