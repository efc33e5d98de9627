package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"probity.dev/internal/api"
	"probity.dev/internal/errs"
)

// tracker receives envelopes as the Sentry protocol has them: lines of JSON, each item after its header.
type tracker struct {
	t  *testing.T
	mu sync.Mutex
	// everything is what arrived: addresses, headers and bodies.
	everything bytes.Buffer
	events     []map[string]any
}

// ServeHTTP implements http.Handler.
func (k *tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			k.t.Error(err)
			return
		}
		body = z
	}
	b, _ := io.ReadAll(body)
	fmt.Fprintf(&k.everything, "%s %s %v\n%s\n", r.Method, r.URL, r.Header, b)
	if r.Method != "POST" || r.URL.Path != "/api/7/envelope/" || !strings.Contains(r.Header.Get("X-Sentry-Auth"), "sentry_key=publickey") {
		k.t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	var header struct {
		EventID string `json:"event_id"`
		SentAt  string `json:"sent_at"`
	}
	if err := json.Unmarshal(lines[0], &header); err != nil {
		k.t.Errorf("the envelope's header: %v in %s", err, b)
	}
	for i := 1; i+1 < len(lines); i += 2 {
		var item struct {
			Type   string
			Length int
		}
		if err := json.Unmarshal(lines[i], &item); err != nil || item.Length > 0 && item.Length != len(lines[i+1]) {
			k.t.Errorf("an item's header: %v in %s", err, b)
		}
		if item.Type != "event" {
			continue
		}
		var e map[string]any
		if err := json.Unmarshal(lines[i+1], &e); err != nil || e["event_id"] != header.EventID {
			k.t.Errorf("an event: %v in %s", err, b)
		}
		k.events = append(k.events, e)
	}
	fmt.Fprint(w, `{"id":"0"}`)
}

// named returns the event of a route, or of a message.
func (k *tracker) named(name string) map[string]any {
	for _, e := range k.events {
		if e["transaction"] == name || e["message"] == name {
			return e
		}
	}
	return nil
}

func TestFailuresAreTrackedWithoutValues(t *testing.T) {
	sink := &tracker{t: t}
	server := httptest.NewServer(sink)
	defer server.Close()
	t.Setenv("SENTRY_TAGS_OWNER", "canary-variable")
	const canary = "Ottilie Kanarienvogel"
	tel, err := New(context.Background(), Options{Version: "9.9", Instance: "audit.example.com", Output: io.Discard, SentryEnvironment: "testing",
		SentryDSN: strings.Replace(server.URL, "http://", "http://publickey@", 1) + "/7"})
	if err != nil {
		t.Fatal(err)
	}
	a := api.New(api.Options{Logger: tel.Logger, Observer: tel.Observer()})
	handle := func(pattern string, h http.HandlerFunc) {
		a.Handle(pattern, api.Rule{Public: true, LooseQuery: true}, h)
	}
	handle("GET /api/persons/{id}", func(http.ResponseWriter, *http.Request) { panic("no record of " + canary) })
	handle("GET /api/typed/{id}", func(http.ResponseWriter, *http.Request) { panic(fmt.Errorf("%s: %w", canary, io.EOF)) })
	handle("GET /api/index/{id}", func(_ http.ResponseWriter, r *http.Request) { _ = []int{}[len(r.URL.Path)] })
	handle("POST /api/wrapped", func(w http.ResponseWriter, r *http.Request) {
		cause := &fs.PathError{Op: "open", Path: "/data/" + canary, Err: syscall.ENOSPC}
		api.WriteError(w, r, errs.Wrap(errs.Unavailable, fmt.Errorf("store %s: %w", canary, errors.Join(cause, errors.New(canary))), "%s cannot be stored", canary))
	})
	handle("GET /api/late", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		panic(canary)
	})
	handle("GET /api/missing", func(w http.ResponseWriter, r *http.Request) {
		api.WriteError(w, r, errs.New(errs.NotFound, "no %s", canary))
	})
	do := func(method, path string) (id string) {
		r := httptest.NewRequest(method, path+"?name=Ottilie+Kanarienvogel&q=Kanarienvogel", strings.NewReader(`{"name":"Ottilie Kanarienvogel"}`))
		r.Header.Set("X-Patient", canary)
		r.Header.Set("User-Agent", canary)
		r.Header.Set("Cookie", "probity_session=canary-cookie")
		r.Header.Set("Authorization", "Bearer canary-bearer")
		r.RemoteAddr = "203.0.113.77:1234"
		w := httptest.NewRecorder()
		func() {
			defer func() { _ = recover() }() // the connection is cut where half an answer was given
			a.ServeHTTP(w, r)
		}()
		return w.Header().Get("X-Request-Id")
	}
	id := do("GET", "/api/persons/Kanarienvogel")
	do("GET", "/api/typed/Kanarienvogel")
	do("GET", "/api/index/Kanarienvogel")
	do("GET", "/api/late")
	do("GET", "/api/missing")
	for range 5 { // the same again is reported once
		do("POST", "/api/wrapped")
	}
	tel.Logger.Error("sealing failed; it will be tried again", "log_id", "0199c2d0", "error", fmt.Errorf("%s: %w", canary, syscall.EIO), "subject", canary)
	tel.Logger.Warn("not worth a report", "error", io.EOF)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := tel.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	sink.mu.Lock()
	defer sink.mu.Unlock()
	if len(sink.events) != 6 {
		t.Errorf("%d events", len(sink.events))
	}
	if s := sink.everything.String(); strings.Contains(strings.ToLower(s), "canary") || strings.Contains(s, "Kanarien") || strings.Contains(s, "Ottilie") || strings.Contains(s, "203.0.113") || strings.Contains(s, "/tmp/") || strings.Contains(s, "/internal/telemetry/") {
		t.Errorf("what left holds what must not leave: %s", s)
	}
	e := sink.named("GET /api/persons/{id}")
	if e == nil {
		t.Fatalf("no event of the panic: %v", sink.events)
	}
	tags := e["tags"].(map[string]any)
	if e["release"] != "probity@9.9" || e["environment"] != "testing" || e["server_name"] != "audit.example.com" || e["level"] != "fatal" || id == "" || tags["request_id"] != id ||
		tags["route"] != "/api/persons/{id}" || tags["status"] != "500" || e["user"] != nil || e["request"] != nil || e["modules"] != nil {
		t.Errorf("%v", e)
	}
	frames := exceptions(e)[0]["stacktrace"].(map[string]any)["frames"].([]any)
	last := frames[len(frames)-1].(map[string]any)
	if last["module"] != "probity.dev/internal/telemetry" || !strings.HasPrefix(last["function"].(string), "TestFailuresAreTrackedWithoutValues") || last["filename"] != "failures_test.go" || last["in_app"] != true {
		t.Errorf("the innermost frame is not where the panic was: %v", last)
	}
	for name, want := range map[string]string{
		"GET /api/persons/{id}": "panic: string=", "GET /api/typed/{id}": "panic: *fmt.wrapError=", "GET /api/index/{id}": "panic: runtime.boundsError=runtime error: index out of range [24] with length 0",
		"GET /api/late": "panic: string=", "POST /api/wrapped": "syscall.Errno=no space left on device|*fs.PathError=open|*errors.joinError=|*fmt.wrapError=|*errs.Error=unavailable",
		"sealing failed; it will be tried again": "syscall.Errno=input/output error|*fmt.wrapError=sealing failed; it will be tried again",
	} {
		var parts []string
		for _, x := range exceptions(sink.named(name)) {
			parts = append(parts, fmt.Sprintf("%v=%v", x["type"], text(x["value"])))
		}
		if got := strings.Join(parts, "|"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if tags, _ := sink.named("sealing failed; it will be tried again")["tags"].(map[string]any); tags["log_id"] != "0199c2d0" {
		t.Errorf("%v", tags)
	}
}

func exceptions(e map[string]any) (out []map[string]any) {
	list, _ := e["exception"].([]any)
	for _, x := range list {
		out = append(out, x.(map[string]any))
	}
	return out
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// TestFloodIsBounded: a failure that repeats is reported once a minute, many different ones to a bound.
func TestFloodIsBounded(t *testing.T) {
	sink := &tracker{t: t}
	server := httptest.NewServer(sink)
	defer server.Close()
	f, err := newFailures(Options{SentryDSN: strings.Replace(server.URL, "http://", "http://publickey@", 1) + "/7"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxFailures {
		f.request(api.Outcome{Method: "GET", Route: fmt.Sprintf("/api/%d", i%(2*maxFailures)), Status: 500})
	}
	for what := range f.sent {
		f.sent[what] = time.Now().Add(-sameFailure)
		break
	}
	f.request(api.Outcome{Method: "GET", Route: "/api/later", Status: 503})
	f.close(context.Background())
	sink.mu.Lock()
	defer sink.mu.Unlock()
	if n := len(sink.events); n != maxFailures+1 || sink.named("GET /api/later") == nil {
		t.Errorf("%d events", n)
	}
}

func TestTrackerThatDoesNotAnswerCostsNothing(t *testing.T) {
	if _, err := New(context.Background(), Options{SentryDSN: "nonsense"}); err == nil || strings.Contains(err.Error(), "nonsense") {
		t.Error(err)
	}
	f, err := newFailures(Options{SentryDSN: "http://publickey@127.0.0.1:1/7"})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	f.request(api.Outcome{Method: "GET", Route: "/", Status: 500})
	if took := time.Since(begin); took > time.Second {
		t.Errorf("a report held its request up for %s", took)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	f.close(ctx)
	var none *failures
	none.request(api.Outcome{Status: 500})
	none.close(context.Background())
}
