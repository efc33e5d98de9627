package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/errs"
)

func start(t *testing.T, s *Server) (addr string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(cancel)
	return l.Addr().String(), func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(5 * time.Second):
			return fmt.Errorf("the server did not stop")
		}
	}
}

func TestStreamOutlivesTheDeadlineAndEndsAtTheStop(t *testing.T) {
	h := newHarness(Options{Timeout: 200 * time.Millisecond})
	h.Handle("GET /api/ticks", Rule{Public: true, Streaming: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i)
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case <-Stopping(r.Context()):
				fmt.Fprint(w, "event: bye\n\n")
				return
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}))
	h.Handle("GET /api/slow", Rule{Public: true}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(400 * time.Millisecond)
		fmt.Fprint(w, "late")
	}))
	h.Handle("POST /api/lines", Rule{Public: true, Streaming: true, MaxBody: -1}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := 0
		for sc := bufio.NewScanner(r.Body); sc.Scan(); n++ {
		}
		fmt.Fprint(w, n)
	}))
	h.MountHealth(func(context.Context) error { return errs.New(errs.Unavailable, "The log is frozen.") })
	addr, stop := start(t, &Server{Handler: h, Grace: 2 * time.Second})

	if _, err := http.Get("http://" + addr + "/api/slow"); err == nil {
		t.Error("an answer after the deadline must not arrive")
	}
	res, err := http.Get("http://" + addr + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 503 || !strings.Contains(string(body), "The log is frozen.") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	// A request body that takes longer than the deadline, as long as it moves.
	pr, pw := io.Pipe()
	go func() {
		for range 10 {
			fmt.Fprintln(pw, "{}")
			time.Sleep(50 * time.Millisecond)
		}
		pw.Close()
	}()
	res, err = http.Post("http://"+addr+"/api/lines", "application/x-ndjson", pr)
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(res.Body); string(body) != "10" {
		t.Errorf("%s", body)
	}

	res, err = http.Get("http://" + addr + "/api/ticks")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	begin := time.Now()
	for time.Since(begin) < 500*time.Millisecond {
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal("the stream was cut:", err)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(r)
	if !strings.Contains(string(rest), "bye") {
		t.Error("the stream was not told about the stop")
	}
	if _, err := http.Get("http://" + addr + "/healthz"); err == nil {
		t.Error("still accepting")
	}
}

func TestStopDoesNotWaitForever(t *testing.T) {
	h := newHarness(Options{})
	entered := make(chan struct{})
	h.Handle("GET /api/stuck", Rule{Public: true, Streaming: true}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}))
	addr, stop := start(t, &Server{Handler: h, Grace: 100 * time.Millisecond})
	go http.Get("http://" + addr + "/api/stuck") //nolint:errcheck,bodyclose // it is cut on purpose
	<-entered
	if err := stop(); err == nil || !strings.Contains(err.Error(), "still running") {
		t.Fatal(err)
	}
}

func TestPanicAfterTheAnswerBeganCutsTheConnection(t *testing.T) {
	h := newHarness(Options{})
	h.Handle("GET /api/half", Rule{Public: true}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		fmt.Fprint(w, strings.Repeat("x", 100_000))
		panic("late")
	}))
	addr, stop := start(t, &Server{Handler: h})
	res, err := http.Get("http://" + addr + "/api/half")
	if err == nil {
		if _, err = io.ReadAll(res.Body); err == nil {
			t.Error("half an answer looked like a whole one")
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestDeadlinesDoNotOutliveTheirRequest: a connection that was idle for longer than a request may take answers the next one all the same.
func TestDeadlinesDoNotOutliveTheirRequest(t *testing.T) {
	h := newHarness(Options{Timeout: 100 * time.Millisecond})
	addr, stop := start(t, &Server{Handler: h})
	for _, path := range []string{"/api/whoami", "/api/nothing", "/api/whoami", "/api/nothing"} {
		res, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(path, err)
		}
		if _, err := io.ReadAll(res.Body); err != nil {
			t.Fatal(path, err)
		}
		res.Body.Close()
		time.Sleep(150 * time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkChain is the cost of everything around an operation that does nothing.
func BenchmarkChain(b *testing.B) {
	h := newHarness(Options{CallerRate: Rate{PerSecond: 1e9, Burst: 1e9}})
	h.log = slog.New(slog.DiscardHandler)
	r := httptest.NewRequest("GET", "/api/items?limit=5", nil)
	r.Header.Set("Authorization", asWriter)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// TestFailed: a node that says that it is not ready has failed nobody, so that a restart is nothing for an error tracker.
func TestFailed(t *testing.T) {
	for _, c := range []struct {
		o    Outcome
		want bool
	}{
		{Outcome{Route: "/api/events", Status: 200}, false},
		{Outcome{Route: "/api/events", Status: 409}, false},
		{Outcome{Route: "/api/events", Status: 500}, true},
		{Outcome{Route: "/api/events", Status: 503}, true},
		{Outcome{Route: "/api/events", Status: 200, Panic: &Panic{}}, true},
		{Outcome{Route: "/readyz", Status: 503}, false},
		{Outcome{Route: "/readyz", Status: 500}, true},
		{Outcome{Route: "/readyz", Status: 503, Panic: &Panic{}}, true},
	} {
		if got := c.o.Failed(); got != c.want {
			t.Errorf("%+v: %v", c.o, got)
		}
	}
}
