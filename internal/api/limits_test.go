package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity.dev/internal/errs"
)

func proxies(t testing.TB, forwarded bool, list ...string) Proxies {
	t.Helper()
	p, err := ParseProxies(list)
	if err != nil {
		t.Fatal(err)
	}
	return Proxies{Trusted: p, Forwarded: forwarded}
}

func TestClientAddress(t *testing.T) {
	for name, c := range map[string]struct {
		p       Proxies
		peer    string
		headers []string
		client  string
		hops    string
	}{
		"direct":                       {Proxies{}, "192.0.2.1:999", nil, "192.0.2.1", ""},
		"header from nobody trusted":   {Proxies{}, "192.0.2.1:999", []string{"X-Forwarded-For", "203.0.113.9"}, "192.0.2.1", ""},
		"header from a stranger":       {proxies(t, false, "10.0.0.0/8"), "192.0.2.1:999", []string{"X-Forwarded-For", "203.0.113.9"}, "192.0.2.1", ""},
		"one proxy":                    {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", "203.0.113.9"}, "203.0.113.9", "203.0.113.9>10.0.0.1"},
		"forged left part":             {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1, 203.0.113.9"}, "203.0.113.9", "1.1.1.1>203.0.113.9>10.0.0.1"},
		"two proxies":                  {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9", "1.1.1.1>203.0.113.9>10.0.0.2>10.0.0.1"},
		"two header lines":             {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "203.0.113.9"}, "203.0.113.9", "1.1.1.1>203.0.113.9>10.0.0.1"},
		"forged proxy address":         {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1, 10.0.0.2, 203.0.113.9"}, "203.0.113.9", "1.1.1.1>10.0.0.2>203.0.113.9>10.0.0.1"},
		"rubbish ends the walk":        {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1, rubbish, 10.0.0.2"}, "10.0.0.2", "1.1.1.1>unknown>10.0.0.2>10.0.0.1"},
		"only rubbish":                 {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", "' OR 1=1"}, "10.0.0.1", "unknown>10.0.0.1"},
		"all trusted":                  {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", "10.1.1.1"}, "10.1.1.1", "10.1.1.1>10.0.0.1"},
		"ports and brackets":           {proxies(t, false, "::1"), "[::1]:1", []string{"X-Forwarded-For", "[2001:db8::1]:443"}, "2001:db8::1", "2001:db8::1>::1"},
		"mapped IPv4":                  {proxies(t, false, "10.0.0.0/8"), "[::ffff:10.0.0.1]:1", []string{"X-Forwarded-For", "::ffff:203.0.113.9"}, "203.0.113.9", "203.0.113.9>10.0.0.1"},
		"Forwarded, not chosen":        {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"Forwarded", "for=203.0.113.9"}, "10.0.0.1", ""},
		"X-Forwarded-For, not chosen":  {proxies(t, true, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1", "Forwarded", "for=203.0.113.9;proto=https"}, "203.0.113.9", "203.0.113.9>10.0.0.1"},
		"Forwarded with IPv6":          {proxies(t, true, "10.0.0.0/8"), "10.0.0.1:1", []string{"Forwarded", `For="[2001:db8:cafe::17]:4711", for=10.0.0.7`}, "2001:db8:cafe::17", "2001:db8:cafe::17>10.0.0.7>10.0.0.1"},
		"Forwarded, hidden identifier": {proxies(t, true, "10.0.0.0/8"), "10.0.0.1:1", []string{"Forwarded", "for=1.1.1.1, for=_hidden, for=10.0.0.7"}, "10.0.0.7", "1.1.1.1>unknown>10.0.0.7>10.0.0.1"},
		"empty header":                 {proxies(t, false, "10.0.0.0/8"), "10.0.0.1:1", []string{"X-Forwarded-For", ""}, "10.0.0.1", "unknown>10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.peer
			for i := 0; i+1 < len(c.headers); i += 2 {
				r.Header.Add(c.headers[i], c.headers[i+1])
			}
			client, hops := c.p.client(r)
			if client.String() != c.client || strings.Join(hops, ">") != c.hops {
				t.Fatalf("%s via %v", client, hops)
			}
		})
	}
	if _, err := ParseProxies([]string{"10.0.0.0/8", "nonsense"}); err == nil {
		t.Error("nonsense is no network")
	}
}

// FuzzClientAddress: whatever a client sends, a client that is not behind our proxy keeps its own address, and one that is never becomes an address left of an untrusted hop.
func FuzzClientAddress(f *testing.F) {
	f.Add("1.2.3.4, 5.6.7.8", "for=1.2.3.4")
	f.Add(strings.Repeat("1.1.1.1,", 5000), `for="[::1]"`)
	f.Fuzz(func(t *testing.T, xff, fwd string) {
		for _, forwarded := range []bool{false, true} {
			p := proxies(t, forwarded, "10.0.0.1")
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["X-Forwarded-For"], r.Header["Forwarded"] = []string{xff}, []string{fwd}
			r.RemoteAddr = "192.0.2.7:1"
			if a, hops := p.client(r); a != netip.MustParseAddr("192.0.2.7") || hops != nil {
				t.Fatal(a, hops)
			}
			r.RemoteAddr = "10.0.0.1:1"
			r.Header["X-Forwarded-For"], r.Header["Forwarded"] = []string{xff + ", 203.0.113.5"}, []string{fwd + ", for=203.0.113.5"}
			a, hops := p.client(r)
			if a != netip.MustParseAddr("203.0.113.5") {
				t.Fatal(a)
			}
			if len(hops) > maxHops+1 {
				t.Fatal(len(hops))
			}
		}
	})
}

func TestRateLimit(t *testing.T) {
	h := newHarness(Options{CallerRate: Rate{PerSecond: 2, Burst: 3}, AnonymousRate: Rate{PerSecond: 1, Burst: 2}})
	now := time.Now()
	h.callers.now, h.anonymous.now = func() time.Time { return now }, func() time.Time { return now }
	var got []string
	for range 5 {
		w := h.call("GET", "/api/items", "", "Authorization", asWriter)
		got = append(got, fmt.Sprintf("%d %s %s", w.Code, w.Header().Get("RateLimit"), w.Header().Get("Retry-After")))
	}
	want := []string{`200 "caller";r=2;t=1 `, `200 "caller";r=1;t=1 `, `200 "caller";r=0;t=2 `, `429 "caller";r=0;t=2 1`, `429 "caller";r=0;t=2 1`}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%q", got)
	}
	w := h.call("GET", "/api/items", "", "Authorization", "Bearer other")
	if w.Code != 200 || w.Header().Get("RateLimit-Policy") != `"caller";q=3;w=2` {
		t.Fatal("callers do not share a budget", w.Code, w.Header())
	}
	now = now.Add(time.Second)
	if w := h.call("GET", "/api/items", "", "Authorization", asWriter); w.Code != 200 {
		t.Fatal(w.Code)
	}
	// Wrong credentials spend the address's budget; valid ones do not.
	codes := ""
	for range 4 {
		codes += fmt.Sprint(h.call("GET", "/api/items", "", "Authorization", "Bearer wrong").Code, " ")
	}
	if codes != "401 401 429 429 " {
		t.Fatal(codes)
	}
	if p := problem(t, h.call("GET", "/api/items", "")); p.Code != errs.Throttled {
		t.Fatal(p)
	}
	if w := h.call("GET", "/api/items", "", "Authorization", asWriter); w.Code != 200 {
		t.Fatal(w.Code)
	}
	h.MountHealth(func(context.Context) error { return nil })
	for range 5 {
		if w := h.call("GET", "/healthz", ""); w.Code != 200 || w.Header().Get("RateLimit") != "" {
			t.Fatal("health checks are not limited")
		}
	}
}

func TestRateNotation(t *testing.T) {
	for in, want := range map[string]Rate{"0": {}, "50/s": {50, 500}, "50": {50, 500}, "60/m": {1, 10}, "3600/h": {1, 10}, "20000/s": {20000, 20000}, "5000": {5000, 10000}} {
		if got, err := ParseRate(in); err != nil || got != want {
			t.Errorf("%s: %+v %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "x", "-1", "1/d", "1/", "Inf", "NaN"} {
		if _, err := ParseRate(bad); err == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

// TestRateLimitNeverExceeds: over any sequence of requests and pauses, no more pass than the burst plus the time allows, and memory is bounded.
func TestRateLimitNeverExceeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate{PerSecond: rapid.Float64Range(0.1, 100).Draw(t, "rate"), Burst: rapid.IntRange(1, 50).Draw(t, "burst")}
		l := newLimiter("x", rate)
		start := time.Now()
		now := start
		l.now = func() time.Time { return now }
		passed := 0
		for _, pause := range rapid.SliceOfN(rapid.Int64Range(0, int64(2*time.Second)), 1, 200).Draw(t, "pauses") {
			now = now.Add(time.Duration(pause))
			if l.take(http.Header{}, "k") == nil {
				passed++
			}
		}
		if limit := float64(rate.Burst) + now.Sub(start).Seconds()*rate.PerSecond + 1e-6; float64(passed) > limit {
			t.Fatalf("%d passed, %f allowed", passed, limit)
		}
	})
	l := newLimiter("x", Rate{PerSecond: 1, Burst: 1})
	for i := range 2 * limiterShards * shardCap {
		l.spend(fmt.Sprint(i))
	}
	n := 0
	for i := range l.shards {
		n += len(l.shards[i].buckets)
	}
	if n > limiterShards*shardCap {
		t.Fatal(n)
	}
	if addressKey(netip.MustParseAddr("2001:db8::1")) != addressKey(netip.MustParseAddr("2001:db8::2")) || addressKey(netip.MustParseAddr("192.0.2.1")) == addressKey(netip.MustParseAddr("192.0.2.2")) {
		t.Error("an IPv6 customer is a /64, an IPv4 customer an address")
	}
}

// memoryReplies is an IdempotencyStore without a database.
type memoryReplies struct {
	mu   sync.Mutex
	rows map[IdempotencyScope]*storedReply
}

type storedReply struct {
	print [32]byte
	reply *Reply
}

func (m *memoryReplies) Claim(_ context.Context, s IdempotencyScope, print [32]byte) (*Reply, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	row := m.rows[s]
	switch {
	case row == nil:
		if m.rows == nil {
			m.rows = map[IdempotencyScope]*storedReply{}
		}
		m.rows[s] = &storedReply{print: print}
		return nil, nil
	case row.print != print:
		return nil, ErrKeyReused()
	case row.reply == nil:
		return nil, ErrKeyInFlight()
	}
	return row.reply, nil
}

func (m *memoryReplies) Keep(_ context.Context, s IdempotencyScope, r Reply) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Body = bytes.Clone(r.Body)
	m.rows[s].reply = &r
	return nil
}

func (m *memoryReplies) Release(_ context.Context, s IdempotencyScope) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, s)
	return nil
}

func TestIdempotency(t *testing.T) {
	h := newHarness(Options{Idempotency: &memoryReplies{}})
	post := func(auth, key, body string) *httptest.ResponseRecorder {
		return h.call("POST", "/api/items", body, "Authorization", "Bearer "+auth, "Content-Type", "application/json", "Idempotency-Key", key)
	}
	a, b := `{"name":"ok","count":1}`, `{"name":"ok","count":2}`
	first, again := post("writer", "k1", a), post("writer", "k1", a)
	if first.Code != 201 || again.Code != 201 || first.Body.String() != again.Body.String() || again.Header().Get("Idempotency-Replayed") != "true" ||
		again.Header().Get("Content-Type") != "application/json" || h.ran() != 1 {
		t.Fatalf("%d %s / %d %s %v", first.Code, first.Body, again.Code, again.Body, again.Header())
	}
	if w := post("writer", "k1", b); w.Code != 422 || problem(t, w).Code != errs.Unprocessed {
		t.Fatal(w.Code)
	}
	// Keys of different callers are different keys, in the same tenant and in another.
	if post("admin", "k1", b).Code != 201 || post("other", "k1", b).Code != 201 || h.ran() != 3 {
		t.Fatal(h.ran())
	}
	// What a retry may cure is not kept; what it cannot cure is.
	post("writer", "k2", `{"name":"secret","count":1}`)
	post("writer", "k2", `{"name":"secret","count":1}`)
	if h.ran() != 5 {
		t.Fatal(h.ran())
	}
	if w := post("writer", "k3", `{"name":"ok"}`); w.Code != 400 {
		t.Fatal(w.Code)
	}
	if w := post("writer", "k3", `{"name":"ok"}`); w.Code != 400 || w.Header().Get("Idempotency-Replayed") == "" {
		t.Fatal(w.Code)
	}
	post("writer", "k4", `{"name":"panic","count":1}`)
	if w := post("writer", "k4", a); w.Code != 201 {
		t.Fatal("a panic must release the key", w.Code)
	}
	for _, bad := range []string{strings.Repeat("x", 256), "with space", "ümlaut"} {
		if w := post("writer", bad, a); w.Code != 400 {
			t.Errorf("%q: %d", bad, w.Code)
		}
	}
	if w := h.call("POST", "/api/items", a, "Authorization", asWriter, "Content-Type", "application/x-ndjson", "Idempotency-Key", "k5"); w.Code != 415 {
		t.Error(w.Code)
	}
	// A route that takes streams without end must not keep one in memory for its key.
	h.Handle("POST /api/endless", Rule{MaxBody: -1, Streaming: true, Idempotent: true}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("ran") }))
	if w := h.call("POST", "/api/endless", strings.Repeat("x", DefaultMaxBody+1), "Authorization", asWriter, "Idempotency-Key", "k6"); w.Code != 413 {
		t.Error(w.Code)
	}
	if w := newHarness(Options{}).call("POST", "/api/items", a, "Authorization", asWriter, "Idempotency-Key", "k1"); w.Code != 415 {
		t.Error("without a store the header is refused, not ignored", w.Code)
	}
}

func TestIdempotencyInFlight(t *testing.T) {
	h := newHarness(Options{Idempotency: &memoryReplies{}})
	entered, leave := make(chan struct{}), make(chan struct{})
	h.Handle("POST /api/slow", Rule{Idempotent: true}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		fmt.Fprint(w, "once")
	}))
	post := func() *httptest.ResponseRecorder {
		return h.call("POST", "/api/slow", "x", "Authorization", asWriter, "Idempotency-Key", "k")
	}
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- post() }()
	<-entered
	if w := post(); w.Code != 409 || w.Header().Get("Retry-After") == "" {
		t.Fatal(w.Code, w.Header())
	}
	close(leave)
	if w := <-first; w.Code != 200 || w.Body.String() != "once" {
		t.Fatal(w.Code, w.Body)
	}
	if w := post(); w.Code != 200 || w.Body.String() != "once" {
		t.Fatal(w.Code, w.Body)
	}
}
