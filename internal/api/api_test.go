package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// tokens is an Authenticator by a table.
type tokens map[string]actor.Principal

func (t tokens) Authenticate(_ context.Context, r *http.Request) (actor.Principal, error) {
	if auth := r.Header.Get("Authorization"); auth != "" {
		if auth == "Bearer broken-store" {
			return actor.Principal{}, errs.New(errs.Unavailable, "the database is busy")
		}
		if p, ok := t[strings.TrimPrefix(auth, "Bearer ")]; ok {
			return p, nil
		}
		return actor.Principal{}, errs.New(errs.Unauthorized, "The API key is not valid.")
	}
	if c, err := r.Cookie(SessionCookie); err == nil {
		p := t[c.Value]
		p.SessionID = "s1"
		return p, nil
	}
	return actor.Principal{}, nil
}

var callers = tokens{
	"admin":  {TenantID: "t1", UserID: "u1", Permissions: actor.Permissions()},
	"writer": {TenantID: "t1", KeyID: "k1", Permissions: []string{actor.LedgerAppend}},
	"other":  {TenantID: "t2", KeyID: "k2", Permissions: actor.Permissions()},
}

type itemRequest struct {
	Body struct {
		Name  string   `json:"name" minLength:"2" maxLength:"10"`
		Count int64    `json:"count" minimum:"1"`
		Tags  []string `json:"tags,omitempty" maxItems:"2"`
		Kind  string   `json:"kind,omitempty" enum:"a,b"`
		At    string   `json:"at,omitempty" format:"date-time"`
		Email string   `json:"email,omitempty" format:"email"`
		Deep  []struct {
			X int32 `json:"x"`
		} `json:"deep,omitempty"`
	}
}

type itemResponse struct {
	Body struct {
		Seq   uint64   `json:"seq"`
		Names []string `json:"names"`
		Zero  int32    `json:"zero,omitempty"`
	}
}

type harness struct {
	*API
	logs *bytes.Buffer
	mu   sync.Mutex
	runs int
}

func (h *harness) ran() int { h.mu.Lock(); defer h.mu.Unlock(); return h.runs }

func newHarness(o Options) *harness {
	h := &harness{logs: &bytes.Buffer{}}
	o.Logger = slog.New(slog.NewJSONHandler(&lockedWriter{w: h.logs}, nil))
	if o.Auth == nil {
		o.Auth = callers
	}
	h.API = New(o)
	huma.Register(h, Op("make", "POST /api/items", "Make an item", Needs(actor.LedgerAppend), Idempotent(), Status(201)), func(ctx context.Context, r *itemRequest) (*itemResponse, error) {
		h.mu.Lock()
		h.runs++
		n := h.runs
		h.mu.Unlock()
		switch r.Body.Name {
		case "conflict":
			return nil, errs.New(errs.Conflict, "There is one already.")
		case "throttle":
			return nil, &errs.Error{Code: errs.Throttled, Message: "Slow down.", RetryAfter: 1500 * time.Millisecond}
		case "secret":
			return nil, fmt.Errorf("dial 10.0.0.1: password=%s", "canary-internal")
		case "panic":
			panic("canary-panic")
		case "field":
			return nil, errs.Field("/name", "taken", "Choose another.")
		}
		out := &itemResponse{}
		out.Body.Seq = uint64(n)
		return out, nil
	})
	huma.Register(h, Op("list", "GET /api/items", "List items"), func(ctx context.Context, r *struct {
		Limit int32  `query:"limit" minimum:"1" maximum:"10"`
		After string `query:"after" format:"date-time"`
	}) (*itemResponse, error) {
		return &itemResponse{}, nil
	})
	h.Handle("POST /api/raw", Rule{MaxBody: 100}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		fmt.Fprintf(w, "%d", len(b))
	}))
	h.Handle("POST /api/stream", Rule{MaxBody: -1, Streaming: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		fmt.Fprintf(w, "%d", n)
	}))
	h.Handle("GET /api/whoami", Rule{Public: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := actor.From(r.Context())
		fmt.Fprintf(w, "%s|%s|%s", p.ID(), ClientIP(r.Context()), strings.Join(Hops(r.Context()), ">"))
	}))
	return h
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (h *harness) call(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, rd)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const asWriter = "Bearer writer"

func problem(t *testing.T, w *httptest.ResponseRecorder) Problem {
	t.Helper()
	if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
		t.Fatalf("%d %s: %s", w.Code, ct, w.Body)
	}
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if int(p.Status) != w.Code || p.Instance == "" || p.Instance != w.Header().Get("X-Request-Id") || p.Title == "" || !strings.HasPrefix(p.Type, "/api/docs#problem-") {
		t.Fatalf("%+v", p)
	}
	return p
}

func TestProblems(t *testing.T) {
	h := newHarness(Options{})
	valid := `{"name":"ok","count":1}`
	for name, c := range map[string]struct {
		method, target, body, auth string
		status                     int
		code                       errs.Code
		pointer, fieldCode         string
	}{
		"nobody":            {"POST", "/api/items", valid, "", 401, errs.Unauthorized, "", ""},
		"wrong key":         {"POST", "/api/items", valid, "Bearer nonsense", 401, errs.Unauthorized, "", ""},
		"no permission":     {"POST", "/api/items", valid, "Bearer nobody", 401, errs.Unauthorized, "", ""},
		"auth broken":       {"POST", "/api/items", valid, "Bearer broken-store", 503, errs.Unavailable, "", ""},
		"missing":           {"POST", "/api/items", `{"name":"ok"}`, asWriter, 400, errs.Invalid, "/count", "required"},
		"too long":          {"POST", "/api/items", `{"name":"canary-canary","count":1}`, asWriter, 400, errs.Invalid, "/name", "too_long"},
		"wrong type":        {"POST", "/api/items", `{"name":"ok","count":"canary"}`, asWriter, 400, errs.Invalid, "/count", "wrong_type"},
		"unknown member":    {"POST", "/api/items", `{"name":"ok","count":1,"extra":"canary"}`, asWriter, 400, errs.Invalid, "/extra", "unknown_field"},
		"enum":              {"POST", "/api/items", `{"name":"ok","count":1,"kind":"canary"}`, asWriter, 400, errs.Invalid, "/kind", "not_allowed"},
		"date":              {"POST", "/api/items", `{"name":"ok","count":1,"at":"canary"}`, asWriter, 400, errs.Invalid, "/at", "wrong_format"},
		"email":             {"POST", "/api/items", `{"name":"ok","count":1,"email":"canary@@"}`, asWriter, 400, errs.Invalid, "/email", "wrong_format"},
		"deep":              {"POST", "/api/items", `{"name":"ok","count":1,"deep":[{"x":1},{"x":"canary"}]}`, asWriter, 400, errs.Invalid, "/deep/1/x", "wrong_type"},
		"not JSON":          {"POST", "/api/items", `{"name":canary`, asWriter, 400, errs.Invalid, "", "wrong_format"},
		"repeated name":     {"POST", "/api/items", `{"name":"canary","name":"ok","count":1}`, asWriter, 400, errs.Invalid, "", "wrong_format"},
		"bad UTF-8":         {"POST", "/api/items", "{\"name\":\"canary\xff\",\"count\":1}", asWriter, 400, errs.Invalid, "", "wrong_format"},
		"empty":             {"POST", "/api/items", "", asWriter, 400, errs.Invalid, "", ""},
		"unknown parameter": {"GET", "/api/items?actr=canary", "", asWriter, 400, errs.Invalid, "query/actr", "unknown_parameter"},
		"bad parameter":     {"GET", "/api/items?limit=canary", "", asWriter, 400, errs.Invalid, "query/limit", "wrong_type"},
		"range":             {"GET", "/api/items?limit=99", "", asWriter, 400, errs.Invalid, "query/limit", "out_of_range"},
		"nothing there":     {"GET", "/api/canary", "", asWriter, 404, errs.NotFound, "", ""},
		"wrong method":      {"PUT", "/api/items", "", asWriter, 405, "method_not_allowed", "", ""},
		"handler's own":     {"POST", "/api/items", `{"name":"conflict","count":1}`, asWriter, 409, errs.Conflict, "", ""},
		"handler's field":   {"POST", "/api/items", `{"name":"field","count":1}`, asWriter, 400, errs.Invalid, "/name", "taken"},
		"unknown error":     {"POST", "/api/items", `{"name":"secret","count":1}`, asWriter, 500, errs.Internal, "", ""},
		"panic":             {"POST", "/api/items", `{"name":"panic","count":1}`, asWriter, 500, errs.Internal, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"Content-Type", "application/json"}
			if c.auth != "" {
				args = append(args, "Authorization", c.auth)
			}
			w := h.call(c.method, c.target, c.body, args...)
			p := problem(t, w)
			if w.Code != c.status || p.Code != c.code {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "canary") {
				t.Errorf("the answer repeats the input: %s", w.Body)
			}
			if c.fieldCode != "" && (len(p.Errors) == 0 || p.Errors[0].Pointer != c.pointer || p.Errors[0].Code != c.fieldCode) {
				t.Errorf("%+v", p.Errors)
			}
			if c.status == 401 && w.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
	if w := h.call("PUT", "/api/items", "", "Authorization", asWriter); !strings.Contains(w.Header().Get("Allow"), "POST") {
		t.Error("405 without Allow")
	}
	w := h.call("POST", "/api/items", `{"name":"throttle","count":1}`, "Authorization", asWriter, "Content-Type", "application/json")
	if p := problem(t, w); w.Code != 429 || p.Code != errs.Throttled || w.Header().Get("Retry-After") != "2" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	w = h.call("POST", "/api/items", valid, "Authorization", asWriter, "Content-Type", "text/csv")
	if w.Code != 415 || problem(t, w).Code != errs.Unsupported {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if logs := h.logs.String(); !strings.Contains(logs, "dial 10.0.0.1") || strings.Contains(logs, "/api/canary") || strings.Contains(logs, "actr") {
		t.Errorf("causes belong into the log, raw paths and queries do not: %s", logs)
	}
}

func TestAnswers(t *testing.T) {
	h := newHarness(Options{HSTS: true})
	w := h.call("POST", "/api/items", `{"name":"ok","count":1}`, "Authorization", asWriter, "X-Request-Id", "abc-DEF_123")
	if w.Code != 201 || strings.TrimSpace(w.Body.String()) != `{"seq":1,"names":[]}` {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w.Header().Get("X-Request-Id") != "abc-DEF_123" || !strings.Contains(h.logs.String(), `"request_id":"abc-DEF_123"`) {
		t.Error("a sane request id is kept")
	}
	for _, bad := range []string{"short", strings.Repeat("a", 65), "has space in", "line\nbreak1", "quote\"quote", "ünïcödé-id"} {
		if id := h.call("GET", "/api/whoami", "", "X-Request-Id", bad).Header().Get("X-Request-Id"); id == bad || len(id) != 24 {
			t.Errorf("%q became %q", bad, id)
		}
	}
	for header, want := range map[string]string{"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		"X-Frame-Options": "DENY", "Cache-Control": "no-store", "Strict-Transport-Security": "max-age", "Cross-Origin-Opener-Policy": "same-origin"} {
		if !strings.Contains(w.Header().Get(header), want) {
			t.Errorf("%s: %q", header, w.Header().Get(header))
		}
	}
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(csp, "script-src 'self';") || strings.Contains(csp, "script-src 'self' 'unsafe") {
		t.Error("scripts must come from files of ours")
	}
	if w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Error("no other site may read answers")
	}
}

func TestRoutesAreClosedUnlessOpened(t *testing.T) {
	h := newHarness(Options{})
	ran := false
	h.Handle("GET /api/forgotten", Rule{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true }))
	huma.Register(h, huma.Operation{OperationID: "bare", Method: "GET", Path: "/api/bare"}, func(context.Context, *struct{}) (*struct{}, error) { ran = true; return nil, nil })
	for _, path := range []string{"/api/forgotten", "/api/bare"} {
		if w := h.call("GET", path, ""); w.Code != 401 || ran {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := h.call("POST", "/api/items", `{"name":"ok","count":1}`, "Authorization", "Bearer admin"); w.Code != 201 {
		t.Error(w.Code)
	}
	huma.Register(h, Op("manage", "GET /api/manage", "Manage", Needs(actor.SettingsManage)), func(context.Context, *struct{}) (*struct{}, error) { ran = true; return nil, nil })
	if w := h.call("GET", "/api/manage", "", "Authorization", asWriter); w.Code != 403 || ran || !strings.Contains(w.Body.String(), "settings.manage") {
		t.Error(w.Code, w.Body)
	}
	if w := h.call("GET", "/api/whoami", "", "Authorization", "Bearer wrong"); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "system|") {
		t.Error(w.Code, w.Body)
	}
}

func gzipped(b []byte) string {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, _ = z.Write(b)
	_ = z.Close()
	return buf.String()
}

func TestBodies(t *testing.T) {
	h := newHarness(Options{})
	zeros := bytes.Repeat([]byte{'0'}, 64<<20)
	random := make([]byte, 64)
	_, _ = rand.Read(random)
	for name, c := range map[string]struct {
		target, body, encoding string
		status                 int
		want                   string
	}{
		"at the limit":         {"/api/raw", strings.Repeat("a", 100), "", 200, "100"},
		"beyond":               {"/api/raw", strings.Repeat("a", 101), "", 413, "too_large"},
		"zipped":               {"/api/raw", gzipped(random), "gzip", 200, "64"},
		"zipped at the limit":  {"/api/raw", gzipped(bytes.Repeat([]byte{'a'}, 100)), "gzip", 200, "100"},
		"zipped beyond":        {"/api/raw", gzipped(bytes.Repeat([]byte{'a'}, 101)), "gzip", 413, "too_large"},
		"bomb":                 {"/api/raw", gzipped(zeros[:1<<20]), "gzip", 413, "too_large"},
		"bomb on a stream":     {"/api/stream", gzipped(zeros), "gzip", 413, "expands more than"},
		"big stream":           {"/api/stream", string(zeros), "", 200, fmt.Sprint(len(zeros))},
		"two members":          {"/api/raw", gzipped([]byte("ab")) + gzipped([]byte("cd")), "gzip", 200, "4"},
		"cut short":            {"/api/raw", gzipped(random)[:20], "gzip", 400, "not a complete gzip stream"},
		"damaged":              {"/api/raw", gzipped(random)[:30] + strings.Repeat("\xff", 30), "gzip", 400, "not a complete gzip stream"},
		"empty but zipped":     {"/api/raw", "x", "gzip", 400, "not a complete gzip stream"},
		"not zipped at all":    {"/api/raw", "plain", "gzip", 400, "not a complete gzip stream"},
		"another encoding":     {"/api/raw", "x", "br", 415, "unsupported"},
		"two encodings":        {"/api/raw", "x", "gzip, gzip", 415, "unsupported"},
		"identity":             {"/api/raw", "x", "identity", 200, "1"},
		"zipped JSON":          {"/api/items", gzipped([]byte(`{"name":"ok","count":1}`)), "gzip", 201, "seq"},
		"JSON beyond":          {"/api/items", `{"name":"` + strings.Repeat("a", 9<<20) + `"}`, "", 413, "too_large"},
		"zipped JSON beyond":   {"/api/items", gzipped([]byte(`{"name":"` + strings.Repeat("a", 9<<20) + `"}`)), "gzip", 413, "too_large"},
		"zipped JSON cut":      {"/api/items", gzipped([]byte(`{"name":"ok","count":1}`))[:25], "gzip", 400, "gzip"},
		"identity, mixed case": {"/api/raw", "x", "Identity", 200, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"Authorization", asWriter, "Content-Type", "application/json"}
			if c.encoding != "" {
				args = append(args, "Content-Encoding", c.encoding)
			}
			w := h.call("POST", c.target, c.body, args...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Fatalf("%d %.300s", w.Code, w.Body)
			}
		})
	}
	// A body of unknown length is bounded as well.
	r := httptest.NewRequest("POST", "/api/raw", io.MultiReader(strings.NewReader(strings.Repeat("a", 101))))
	r.ContentLength = -1
	r.Header.Set("Authorization", asWriter)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != 413 {
		t.Fatal(w.Code)
	}
}

func TestDescription(t *testing.T) {
	h := newHarness(Options{Version: "1.2.3"})
	w := h.call("GET", "/api/openapi.json", "")
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc["openapi"] != "3.1.0" {
		t.Fatal(err, doc["openapi"])
	}
	text := w.Body.String()
	if strings.Contains(text, "int64") || !strings.Contains(text, `"seq"`) || strings.Contains(text, "$schema") {
		t.Error("64-bit integers must be plain integers")
	}
	if !strings.Contains(text, `"x-permission": "ledger.append"`) || !strings.Contains(text, "Idempotency-Key") || !strings.Contains(text, "application/problem+json") {
		t.Error("permission, idempotency key or problems are not described")
	}
	w = h.call("GET", "/api/docs", "")
	page := w.Body.String()
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Fatal(w.Code)
	}
	for _, want := range []string{"/api/items", "Make an item", "ledger.append", `id="problem-throttled"`, `id="schema-Problem"`, "1.2.3"} {
		if !strings.Contains(page, want) {
			t.Errorf("the reference lacks %s", want)
		}
	}
	for _, banned := range []string{"<script", "http://", "https://", "src="} {
		if strings.Contains(page, banned) {
			t.Errorf("the reference is not self-contained: %s", banned)
		}
	}
}

// TestDescriptionOfHeaders demands that what the server really sends is described.
func TestDescriptionOfHeaders(t *testing.T) {
	h := newHarness(Options{CallerRate: Rate{PerSecond: 10, Burst: 10}})
	raw, err := h.Document()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Headers map[string]struct {
					Ref string `json:"$ref"`
				}
			}
		}
		Components struct{ Headers, Parameters map[string]any }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Components.Parameters[MaskedHeader] == nil {
		t.Error(MaskedHeader + " is not described")
	}
	protection := []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Permissions-Policy", "Content-Type"}
	w := h.call("GET", "/api/items?limit=1", "", "Authorization", asWriter)
	for name := range w.Header() {
		described := slices.ContainsFunc(slices.Collect(maps.Keys(doc.Components.Headers)), func(x string) bool { return http.CanonicalHeaderKey(x) == name })
		if !described && !slices.Contains(protection, name) {
			t.Errorf("the header %s is not described", name)
		}
	}
	for path, item := range doc.Paths {
		for method, op := range item {
			for status, r := range op.Responses {
				if r.Headers["X-Request-Id"].Ref != "#/components/headers/X-Request-Id" || status == "429" && r.Headers["Retry-After"].Ref == "" {
					t.Errorf("%s %s %s: %v", method, path, status, r.Headers)
				}
			}
		}
	}
}

func TestSchemaNamesMayMeet(t *testing.T) {
	h := newHarness(Options{})
	type Item struct {
		A string `json:"a"`
	}
	// An anonymous struct of the harness is called Item already.
	huma.Register(h, Op("one", "GET /api/one", "One"), func(context.Context, *struct{}) (*struct{ Body Item }, error) { return nil, nil })
	func() {
		type Item struct {
			B string `json:"b"`
		}
		huma.Register(h, Op("two", "GET /api/two", "Two"), func(context.Context, *struct{}) (*struct{ Body Item }, error) { return nil, nil })
	}()
	doc, err := h.Document()
	if err != nil || !bytes.Contains(doc, []byte(`schemas/ApiItem"`)) || !bytes.Contains(doc, []byte(`schemas/ApiItem2"`)) {
		t.Fatal(err)
	}
}

func TestObserver(t *testing.T) {
	o := &observed{}
	h := newHarness(Options{Observer: o})
	h.call("GET", "/api/items?limit=1", "", "Authorization", asWriter)
	h.call("GET", "/api/none/such", "")
	h.call("BREW", "/api/items", "")
	h.call("POST", "/api/items", `{"name":"panic","count":1}`, "Authorization", asWriter)
	want := []string{"GET /api/items 200", "GET unmatched 404", "OTHER unmatched 405", "POST /api/items 500"}
	if fmt.Sprint(o.seen) != fmt.Sprint(want) {
		t.Fatalf("%v", o.seen)
	}
}

type observed struct{ seen []string }

func (o *observed) Begin(r *http.Request) (context.Context, func(Outcome)) {
	return r.Context(), func(out Outcome) { o.seen = append(o.seen, fmt.Sprintf("%s %s %d", out.Method, out.Route, out.Status)) }
}

func TestWriteErrorKeepsCauses(t *testing.T) {
	h := newHarness(Options{})
	h.Handle("GET /api/fail", Rule{Public: true}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		WriteError(w, r, errs.Wrap(errs.Unavailable, errors.New("cause-text"), "Try later."))
	}))
	w := h.call("GET", "/api/fail", "")
	if p := problem(t, w); w.Code != 503 || p.Detail != "Try later." || strings.Contains(w.Body.String(), "cause-text") || !strings.Contains(h.logs.String(), "cause-text") {
		t.Fatal(w.Body, h.logs)
	}
}
