package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"probity.dev/internal/api"
)

type person struct{ Name, Email string }

type lazy struct{ v slog.Value }

func (l lazy) LogValue() slog.Value { return l.v }

// canaries are values of which no trace may be left in a log line.
var canaries = map[string]string{
	"email": "canary.person+tag@example-mail.org", "card": "4111 1111 1111 1111", "key": "pk_abcdefgh_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG", "iban": "DE89 3704 0044 0532 0130 00",
	"ip": "203.0.113.77", "ip6": "2001:db8:85a3::8a2e:370:7334", "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl", "unicode": "jürgen.müller@exämple.de",
}

func logTo(t *testing.T, format string) (*slog.Logger, *bytes.Buffer) {
	t.Helper()
	var b bytes.Buffer
	tel, err := New(context.Background(), Options{LogFormat: format, LogLevel: "debug", Output: &b})
	if err != nil {
		t.Fatal(err)
	}
	return tel.Logger, &b
}

func TestNoCanaryPasses(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		for what, c := range canaries {
			for where, write := range map[string]func(*slog.Logger){
				"message": func(l *slog.Logger) { l.Info("failed for " + c + ".") },
				"string":  func(l *slog.Logger) { l.Info("x", "detail", "value <"+c+"> is bad") },
				"error": func(l *slog.Logger) {
					l.Error("x", "error", fmt.Errorf("query: %w", errors.New("duplicate key ("+c+")")))
				},
				"wrapped url": func(l *slog.Logger) { l.Error("x", "error", &url.Error{Op: "Get", URL: "http://" + c, Err: io.EOF}) },
				"with":        func(l *slog.Logger) { l.With("detail", c).Info("x") },
				"group":       func(l *slog.Logger) { l.Info("x", slog.Group("g", slog.Group("h", slog.String("detail", c)))) },
				"with group":  func(l *slog.Logger) { l.WithGroup("g").Info("x", "detail", c) },
				"struct":      func(l *slog.Logger) { l.Info("x", "who", person{c, c}) },
				"pointer":     func(l *slog.Logger) { l.Info("x", "who", &person{c, c}) },
				"map":         func(l *slog.Logger) { l.Info("x", "m", map[string]string{c: c}) },
				"bytes":       func(l *slog.Logger) { l.Info("x", "m", []byte(c)) },
				"strings":     func(l *slog.Logger) { l.Info("x", "m", []string{"a", c}) },
				"LogValuer":   func(l *slog.Logger) { l.Info("x", "v", lazy{slog.StringValue(c)}) },
				"lazy group": func(l *slog.Logger) {
					l.Info("x", "v", lazy{slog.GroupValue(slog.String("email", c), slog.Any("a", lazy{slog.StringValue(c)}))})
				},
				"lazy, secret":   func(l *slog.Logger) { l.Info("x", "password", lazy{slog.StringValue(c)}) },
				"context":        func(l *slog.Logger) { l.WarnContext(context.Background(), c) },
				"Stringer":       func(l *slog.Logger) { u, _ := url.Parse("http://h/" + url.PathEscape(c)); l.Info("x", "target", u) },
				"group by value": func(l *slog.Logger) { l.Info("x", slog.Any("", slog.GroupValue(slog.String("d", c)))) },
			} {
				l, b := logTo(t, format)
				write(l)
				if b.Len() == 0 {
					t.Errorf("%s, %s, %s: nothing was logged", format, what, where)
				}
				if leaked(b.String(), c) {
					t.Errorf("%s, %s, %s: %s", format, what, where, b)
				}
			}
		}
	}
}

// leaked looks for the value as it is and as URLs and JSON spell it.
func leaked(log, c string) bool {
	for _, s := range []string{c, url.PathEscape(c), url.QueryEscape(c), strings.ReplaceAll(c, "@", "%40")} {
		if strings.Contains(log, s) {
			return true
		}
	}
	return false
}

func TestKeysThatAreWithheld(t *testing.T) {
	l, b := logTo(t, "json")
	for _, key := range []string{"password", "Password", "new_password", "newPassword", "authorization", "Authorization", "cookie", "set-cookie", "Set-Cookie", "secret", "client_secret", "token", "csrf_token", "csrfToken",
		"api_key", "apiKey", "API-Key", "email", "user.email", "e_mail", "name", "user_name", "userName", "ip", "client_ip", "clientIP", "remote_addr", "RemoteAddr", "user_agent", "phone", "address", "body", "query", "url",
		"before", "after", "value", "subject", "display_name"} {
		l.Info("x", key, "canary-value-of-"+strings.ToLower(key))
		l.Info("x", slog.Group("g", slog.Int(key, 98765432101234)))
		l.Info("x", slog.Group(key, slog.String("inner", "canary-inner")))
	}
	if strings.Contains(b.String(), "canary-value") || strings.Contains(b.String(), "98765432101234") || strings.Contains(b.String(), "canary-inner") {
		t.Error(b)
	}
	l, b = logTo(t, "json")
	for key, v := range map[string]any{"request_id": "0123456789abcdef", "route": "/api/users/{id}", "status": 200, "ms": 1.5, "table_name": "events", "zip": "kept-zip", "chip": "kept-chip", "ok": true, "token_valid": true,
		"took": time.Second, "at": time.Unix(0, 0), "seq": uint64(1234567890123456), "caller": "user:0199c2d0-aaaa-7bbb-8ccc-0123456789ab", "listen": "127.0.0.1:8780", "version": "1.2.3", "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"} {
		l.Info("x", key, v)
	}
	for _, want := range []string{"0123456789abcdef", "/api/users/{id}", "200", "events", "kept-zip", "kept-chip", "1234567890123456", "0199c2d0-aaaa", "127.0.0.1:8780", "1.2.3", "9f86d0", `"ok":true`, `"token_valid":true`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing: %s", want, b)
		}
	}
}

func TestScrub(t *testing.T) {
	for in, want := range map[string]string{
		"mail to a.b@c.example now":                         "mail to [email] now",
		"q=a%40b.example&x=1":                               "q=[email]&x=1",
		"Authorization: Bearer abcdef123456":                "Authorization: Bearer [withheld]",
		"sent bearer abcdef123456":                          "sent bearer [withheld]",
		`{"password":"hunter2 x","n":1}`:                    `{"password":"[withheld] x","n":1}`,
		"token=abc&next=1":                                  "token=[withheld]&next=1",
		"postgres://user:pass@db.example/probity":           "postgres://[withheld]@db.example/probity",
		"card 4111-1111-1111-1111":                          "card [card]",
		"seq 4111111111111112":                              "seq 4111111111111112",
		"no evidence-0000000000000000-7e5.parquet":          "no evidence-0000000000000000-7e5.parquet",
		"read tcp 127.0.0.1:8780->203.0.113.7:51234: reset": "read tcp 127.0.0.1:8780->[ip]:51234: reset",
		"dial [2001:db8::1]:443":                            "dial [[ip]]:443",
		"took 12:34:56 at 2026-01-02T03:04:05Z":             "took 12:34:56 at 2026-01-02T03:04:05Z",
		"GB82 WEST 1234 5698 7654 32 is closed":             "[iban] is closed",
		"version 1.2.3.4.5 of go1.26":                       "version [ip].5 of go1.26",
		"nothing to hide":                                   "nothing to hide",
		"":                                                  "",
	} {
		if got := Scrub(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		user := rapid.StringMatching(`[a-z]{1,10}(\.[a-z]{1,5})?`).Draw(t, "user")
		host := rapid.StringMatching(`[a-z]{1,10}\.(org|example|co\.uk)`).Draw(t, "host")
		before, after := rapid.StringMatching(`[ (<"':=]`).Draw(t, "before"), rapid.StringMatching(`[ )>"',;]`).Draw(t, "after")
		if got := Scrub("x" + before + user + "@" + host + after + "y"); strings.Contains(got, user+"@") {
			t.Fatal(got)
		}
	})
}

// FuzzScrub: scrubbing never panics, and scrubbing twice hides nothing more.
func FuzzScrub(f *testing.F) {
	for _, c := range canaries {
		f.Add("x " + c + " y")
	}
	f.Fuzz(func(t *testing.T, s string) { Scrub(s) })
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{LogLevel: "loud"}, {LogFormat: "xml"}, {OTLPEndpoint: "nowhere"}} {
		if _, err := New(context.Background(), o); err == nil {
			t.Errorf("%+v accepted", o)
		}
	}
	var b bytes.Buffer
	tel, err := New(context.Background(), Options{LogLevel: "warn", Output: &b})
	if err != nil {
		t.Fatal(err)
	}
	tel.Logger.Info("quiet")
	tel.Logger.Warn("loud")
	if s := b.String(); strings.Contains(s, "quiet") || !strings.Contains(s, "loud") {
		t.Error(s)
	}
	if err := tel.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// collector is an OTLP/HTTP sink.
type collector struct {
	mu     sync.Mutex
	bodies [][]byte
	auth   string
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.URL.Path == "/v1/traces" {
		c.bodies, c.auth = append(c.bodies, b), r.Header.Get("Authorization")
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func TestTracesAndMetricsHoldTemplatesOnly(t *testing.T) {
	sink := &collector{}
	otlp := httptest.NewServer(sink)
	defer otlp.Close()
	var logs bytes.Buffer
	tel, err := New(context.Background(), Options{Version: "9.9", Output: &logs, OTLPEndpoint: otlp.URL, OTLPHeaders: "authorization=Bearer collector"})
	if err != nil {
		t.Fatal(err)
	}
	a := api.New(api.Options{Logger: tel.Logger, Observer: tel.Observer()})
	a.Handle("GET /api/users/{id}", api.Rule{Public: true}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	a.Handle("GET /metrics", api.Rule{Public: true}, tel.Metrics())
	a.Handle("GET /api/broken", api.Rule{Public: true}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("canary-panic a@b.example") }))
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	get := func(path string) string {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
		r.Header.Set("baggage", "who=canary-baggage")
		r.Header.Set("User-Agent", "canary-agent")
		r.RemoteAddr = "203.0.113.77:1234"
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Body.String()
	}
	get("/api/users/canary-id?mail=canary@example.org")
	get("/api/canary-path")
	get("/api/broken")
	metrics := get("/metrics")
	for _, want := range []string{`probity_http_requests_total{method="GET",route="/api/users/{id}",status="200"} 1`, `probity_http_requests_total{method="GET",route="unmatched",status="404"} 1`,
		`probity_http_requests_total{method="GET",route="/api/broken",status="500"} 1`, `probity_build_info{version="9.9"} 1`, `probity_http_response_bytes_total{route="/api/users/{id}"} 5`, "probity_http_requests_in_flight 1", "go_goroutines"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := tel.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	spans := string(bytes.Join(sink.bodies, nil))
	if !strings.Contains(spans, "GET /api/users/{id}") || !strings.Contains(spans, "probity.request_id") || sink.auth != "Bearer collector" {
		t.Errorf("%d bytes of spans, authorization %q", len(spans), sink.auth)
	}
	if !strings.Contains(logs.String(), trace) {
		t.Error("log lines lack the trace id")
	}
	for where, text := range map[string]string{"spans": spans, "metrics": metrics, "log": strings.ReplaceAll(logs.String(), "canary-panic", "")} {
		if strings.Contains(text, "canary") || strings.Contains(text, "203.0.113") || strings.Contains(text, "a@b.example") {
			t.Errorf("%s hold what they must not: %s", where, text)
		}
	}
}

func TestUnreachableCollectorCostsNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	tel, err := New(context.Background(), Options{Output: io.Discard, OTLPEndpoint: "http://" + addr})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.Tracer.Start(context.Background(), "x")
	span.End()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = tel.Shutdown(ctx)
}

func BenchmarkAccessLine(b *testing.B) {
	l := slog.New(Redact(slog.NewJSONHandler(io.Discard, nil)))
	for b.Loop() {
		l.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.String("request_id", "0123456789abcdef01234567"), slog.String("method", "POST"), slog.String("route", "/api/events"),
			slog.Int("status", 201), slog.Int64("bytes", 345), slog.Float64("ms", 1.234), slog.String("tenant", "0199c2d0-aaaa-7bbb-8ccc-0123456789ab"), slog.String("caller", "api_key:0199c2d0-aaaa-7bbb-8ccc-0123456789ab"))
	}
}
