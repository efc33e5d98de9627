package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"probity.dev/test/bench/load"
)

func TestQuantiles(t *testing.T) {
	var s samples
	for i := 100; i >= 1; i-- {
		s.add(time.Duration(i) * time.Millisecond)
	}
	for q, want := range map[float64]float64{0.5: 50, 0.95: 95, 0.99: 99, 1: 100, 0: 1} {
		if got := s.quantile(q); got != want {
			t.Errorf("quantile %v = %v, want %v", q, got, want)
		}
	}
	if (samples{}).quantile(0.5) != 0 || median(nil) != 0 || median([]float64{3, 1, 2}) != 2 || median([]float64{4, 1}) != 2.5 {
		t.Error("edge cases")
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct {
		limit *limit
		text  string
		yes   float64
		no    float64
	}{
		{ratioMin(2), "≥ 2×", 2, 1.99}, {ratioMax(0.27), "≤ 0.27×", 0.27, 0.2701}, {below(50), "< 50", 49.9, 50}, {atLeast(150_000), "≥ 150,000", 150_000, 149_999},
	} {
		if c.limit.String() != c.text || !c.limit.met(c.yes) || c.limit.met(c.no) {
			t.Errorf("%q: %v %v", c.limit.String(), c.limit.met(c.yes), c.limit.met(c.no))
		}
	}
}

func TestReport(t *testing.T) {
	r := newReport(options{events: 5_000_000, repeat: 3, singleConns: 64})
	for _, v := range []float64{90_000, 110_000, 100_000} {
		r.add("sustained", probitySide, v)
		r.add("sustained", postgresSide, v/4)
	}
	r.add("bytes/event", probitySide, 300)
	r.add("bytes/event", postgresSide, 1000)
	r.add("verify", probitySide, 1_500_000)
	var out strings.Builder
	r.print(&out)
	for _, want := range []string{`sealing included +events/s +≥ 2× +100,000 +25,000 +4.00× +yes`, `tiles\) +bytes/event +≤ 0.27× +300 +1,000 +0.30× +NO`, `verification.* +1,500,000 +– +yes`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no line like %q in\n%s", want, out.String())
		}
	}
}

func TestFindKey(t *testing.T) {
	for in, want := range map[string]string{
		`{"api_key":"pk_1","admin":{"password":"x"}}`:       "pk_1",
		`{"tenant":{"id":"t"},"api_key":{"secret":"pk_2"}}`: "pk_2",
		`{"keys":[{"name":"first","secret":"pk_3"}]}`:       "pk_3",
		`{"url":"http://127.0.0.1:1"}`:                      "",
		`not JSON`:                                          "",
	} {
		if got := findKey([]byte(in)); got != want {
			t.Errorf("findKey(%s) = %q, want %q", in, got, want)
		}
	}
}

func TestKindOf(t *testing.T) {
	for path, want := range map[string]string{
		"probity.db": "database", "probity.db-wal": "database", "logs/a1/evidence/0.parquet": "evidence", "logs/a1/0-evidence.parquet": "evidence",
		"logs/a1/working/0.parquet": "working", "logs/a1/tile/0/x001/000": "tiles", "keys/master": "other",
	} {
		if got := kindOf(path); got != want {
			t.Errorf("kindOf(%s) = %s, want %s", path, got, want)
		}
	}
}

func TestParseBench(t *testing.T) {
	got := parseBench([]byte("goos: linux\nBenchmarkInclusionProof-2   \t  120000\t   9876 ns/op\t  25000 p99-ns\nBenchmarkVerifySealed \t 3\t 1 ns/op\t 1400000 events/s\nPASS\n"))
	if len(got) != 2 || got[0].metrics["p99-ns"] != 25000 || got[1].metrics["events/s"] != 1.4e6 || !strings.Contains(got[1].name, "Verify") {
		t.Errorf("%+v", got)
	}
}

// TestClient puts the workload's HTTP side through a server that counts, refuses once, and answers in chunks.
func TestClient(t *testing.T) {
	stored, refused := 0, false
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/events", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer pk_test" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if !refused {
			refused = true
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		n := max(1, strings.Count(string(b), `"occurred_at"`))
		stored += n
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"accepted":%d,"duplicates":0,"results":[%s]}`, n, strings.Repeat(`{"status":"accepted"},`, 3000))
	})
	mux.HandleFunc("GET /api/events", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("text") == "slow" {
			w.(http.Flusher).Flush()
			time.Sleep(30 * time.Millisecond)
		}
		fmt.Fprintf(w, `{"items":[{},{},{%q:%q}]}`, "actor", q.Get("actor"))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	c, err := dial(strings.TrimPrefix(srv.URL, "http://"), "pk_test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	ctx := context.Background()
	g := load.New(load.Config{Seed: 1, Events: 2500})
	var b load.Batch
	for n := range g.Batches() {
		g.Batch(n, &b)
		if err := (httpLoader{c}).Load(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := (httpInserter{c}).Insert(ctx, &b.Events[0]); err != nil {
		t.Fatal(err)
	}
	if stored != 2501 || pauses.Load() != 1 {
		t.Errorf("%d stored, %d pauses", stored, pauses.Load())
	}
	a, err := (httpReader{c}).ByActor(ctx, "u-1")
	if err != nil || a.rows != 3 || a.first > a.total {
		t.Errorf("%+v, %v", a, err)
	}
	a, err = (httpReader{c}).ByText(ctx, time.Unix(0, 0), time.Unix(1, 0), "slow")
	if err != nil || a.total-a.first < 20*time.Millisecond {
		t.Errorf("first byte and last are not told apart: %+v, %v", a, err)
	}
	bad, err := dial(c.addr, "pk_wrong")
	if err != nil {
		t.Fatal(err)
	}
	defer bad.close()
	if err := bad.post(ctx, []byte("{}"), 1); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a refused request gives %v", err)
	}
}

func TestUsage(t *testing.T) {
	if _, err := os.Stat("/proc/stat"); err != nil {
		t.Skip("no /proc")
	}
	before := usageNow()
	for x, start := 0, time.Now(); time.Since(start) < 100*time.Millisecond; x++ {
		_ = x * x
	}
	after := usageNow()
	if used := after.ours - before.ours; used < 30*time.Millisecond || used > 5*time.Second {
		t.Errorf("100 ms of work show as %v", used)
	}
	if peakMemory(os.Getpid()) < 1<<20 {
		t.Error("no peak memory")
	}
}

func TestStorage(t *testing.T) {
	s := &server{data: t.TempDir()}
	for name, size := range map[string]int{"a.db": 10, "log/evidence/1": 20, "log/working/1": 30, "log/tile/0/000": 40} {
		path := filepath.Join(s.data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := s.storage(t.Context())
	if err != nil || sums["database"] != 10 || sums["evidence"] != 20 || sums["working"] != 30 || sums["tiles"] != 40 {
		t.Errorf("%v, %v", sums, err)
	}
}

func TestTileBytes(t *testing.T) {
	for n, want := range map[int64]int64{0: 0, 255: 0, 256: 8192, 65_535: 255 * 8192, 65_536: 257 * 8192, 5_000_000: (19_531 + 76) * 8192} {
		if got := tileBytes(n); got != want {
			t.Errorf("%d events have %d bytes of tiles, not %d", n, got, want)
		}
	}
}
