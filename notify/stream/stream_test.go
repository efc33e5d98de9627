package stream

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/client"
	"probity.dev/internal/actor"
	"probity.dev/internal/api/apitest"
	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/selfaudit/selfaudittest"
	"probity.dev/notify/send"
)

const tenant = "t-1"

var (
	admin   = actor.Principal{TenantID: tenant, UserID: "u", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions()}
	auditor = actor.Principal{TenantID: tenant, UserID: "a", Roles: []string{actor.RoleAuditor}, Permissions: actor.RolePermissions(actor.RoleAuditor)}
	other   = actor.Principal{TenantID: "t-2", UserID: "o", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions()}
)

// world is a log in memory, a real database and sender, and a receiver that keeps what it takes.
type world struct {
	t *testing.T
	*selfaudittest.Ledger
	db    *sqldb.DB
	s     *Service
	hook  *httptest.Server
	clock atomic.Int64

	mu     sync.Mutex
	events []string // actions
	answer func(body string) (int, string)
	got    []seen
}

type seen struct {
	header http.Header
	body   string
}

type loopback struct{}

func (loopback) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := sqldbtest.Open(t)
	w := &world{t: t, Ledger: selfaudittest.New(t, db, tenant), db: db}
	w.hook = httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		defer w.mu.Unlock()
		status, answer := 200, `{"text":"Success","code":0}`
		if w.answer != nil {
			status, answer = w.answer(string(b))
		}
		if status == 200 {
			w.got = append(w.got, seen{r.Header.Clone(), string(b)})
		}
		rw.WriteHeader(status)
		io.WriteString(rw, answer)
	}))
	t.Cleanup(w.hook.Close)
	w.s = w.service()
	return w
}

func (w *world) service() *Service {
	roots := x509.NewCertPool()
	roots.AddCert(w.hook.Certificate())
	c, err := outbound.New(outbound.Options{Allow: []string{"example.com"}, RootCAs: roots, Resolver: loopback{}, Timeout: 3 * time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return New(Options{DB: w.db, Recorder: w, Sealer: w, Sender: &send.Sender{HTTP: c}, Source: w, Instance: "audit.test", Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }})
}

func (w *world) start() {
	w.s.Start(context.Background())
	w.t.Cleanup(w.s.Close)
}

func (w *world) url(path string) string {
	_, port, _ := net.SplitHostPort(w.hook.Listener.Addr().String())
	return "https://example.com:" + port + path
}

func (w *world) append(n int, action string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range n {
		w.events = append(w.events, action)
	}
}

func (w *world) Head(context.Context, string) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return uint64(len(w.events)), nil
}

func (w *world) Read(_ context.Context, tenantID string, from uint64, f Filter, unmasked bool, format string, limit int) ([]Line, uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if tenantID != tenant {
		return nil, 0, errs.New(errs.Internal, "asked for another tenant")
	}
	var lines []Line
	for seq := from; seq < uint64(len(w.events)); seq++ {
		if len(f.Actions) > 0 && f.Actions[0] != w.events[seq] {
			continue
		}
		if len(lines) == limit {
			return lines, lines[limit-1].Seq + 1, nil
		}
		text := fmt.Sprintf(`{"seq":%d,"action":%q,"format":%q,"unmasked":%v}`, seq, w.events[seq], format, unmasked)
		lines = append(lines, Line{Seq: seq, RecordedAt: time.UnixMicro(1767323045000000 + int64(seq)), JSON: []byte(text)})
	}
	return lines, uint64(len(w.events)), nil
}

// actions returns what was recorded.
func (w *world) actions() (list []string) {
	for _, e := range w.Events() {
		list = append(list, strings.TrimPrefix(e.Action, "event_stream."))
	}
	return list
}

func (w *world) create(n NewStream) (*Stream, string) {
	w.t.Helper()
	if n.Name == "" {
		n.Name = "SIEM"
	}
	if n.Format == "" {
		n.Format = Native
	}
	v, secret, err := w.s.Create(context.Background(), admin, n)
	if err != nil {
		w.t.Fatal(err)
	}
	return v, secret
}

func (w *world) until(what string, f func() bool) {
	w.t.Helper()
	for range 1500 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatal("waited in vain for " + what)
}

func (w *world) caughtUp(id string) *Stream {
	w.t.Helper()
	var v *Stream
	w.until("the stream to catch up", func() bool {
		var err error
		v, err = w.s.Get(context.Background(), admin, id)
		return err == nil && v.Behind == 0
	})
	return v
}

// seqs returns what the webhook took, in order.
func (w *world) seqs() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []int
	for _, g := range w.got {
		var body struct {
			Data struct {
				Events []struct{ Seq int }
			}
		}
		if err := json.Unmarshal([]byte(g.body), &body); err != nil {
			w.t.Fatalf("%v: %s", err, g.body)
		}
		for _, e := range body.Data.Events {
			out = append(out, e.Seq)
		}
	}
	return out
}

func inOrder(seqs []int, from, to int) bool {
	if len(seqs) != to-from {
		return false
	}
	for i, s := range seqs {
		if s != from+i {
			return false
		}
	}
	return true
}

func zero() *int64 { return new(int64) }

func TestBackfillAndFollow(t *testing.T) { sqldbtest.Each(t, testBackfillAndFollow) }

func testBackfillAndFollow(t *testing.T) {
	w := newWorld(t)
	w.append(1234, "invoice.create")
	w.start()
	v, secret := w.create(NewStream{Kind: Webhook, From: zero(), Settings: Settings{URL: w.url("/a")}})
	w.caughtUp(v.ID)
	w.append(3, "invoice.update")
	v = w.caughtUp(v.ID)
	if !inOrder(w.seqs(), 0, 1237) || v.Sent != 1237 || v.LastOKAt == nil {
		t.Errorf("%d events, %+v", len(w.seqs()), v)
	}
	ids := map[string]bool{}
	for _, g := range w.got {
		id, err := client.VerifyWebhook(g.header, []byte(g.body), secret)
		if err != nil || ids[id] {
			t.Errorf("%q: %v", id, err)
		}
		ids[id] = true
	}
	if !ids[v.ID+"-0-499"] || !strings.Contains(w.got[0].body, `"format":"native"`) {
		t.Error(ids)
	}
	// One that names no beginning starts with what comes next.
	late, _ := w.create(NewStream{Kind: Webhook, Format: OCSF, Unmasked: true, Filter: Filter{Actions: []string{"b"}}, Settings: Settings{URL: w.url("/b")}})
	before := len(w.seqs())
	w.append(1, "a")
	w.append(1, "b")
	w.caughtUp(late.ID)
	w.caughtUp(v.ID)
	if got := w.seqs(); len(got) != before+3 {
		t.Errorf("%v", got[before:])
	}
	if body := w.got[len(w.got)-1].body + w.got[len(w.got)-2].body; !strings.Contains(body, `"unmasked":true`) || !strings.Contains(body, `"format":"ocsf"`) {
		t.Error(body)
	}
}

// TestFailures has the receiver fail now and then; everything arrives, and in order once repetitions are dropped.
func TestFailures(t *testing.T) { sqldbtest.Each(t, testFailures) }

func testFailures(t *testing.T) {
	w := newWorld(t)
	w.append(1500, "x")
	n := 0
	w.answer = func(string) (int, string) {
		if n++; n%2 == 1 {
			return 503, ""
		}
		return 200, ""
	}
	w.start()
	v, _ := w.create(NewStream{Kind: Webhook, From: zero(), Settings: Settings{URL: w.url("/a")}})
	for range 3 {
		w.until("a failure", func() bool {
			got, err := w.s.Get(t.Context(), admin, v.ID)
			return err == nil && (got.Failures > 0 || got.Behind == 0)
		})
		w.clock.Add(int64(10 * time.Minute))
		time.Sleep(50 * time.Millisecond)
	}
	if v = w.caughtUp(v.ID); !inOrder(w.seqs(), 0, 1500) || v.Failures != 0 || v.LastProblem != "" {
		t.Errorf("%d events, %+v", len(w.seqs()), v)
	}
}

func TestDeadReceiver(t *testing.T) { sqldbtest.Each(t, testDeadReceiver) }

func testDeadReceiver(t *testing.T) {
	w := newWorld(t)
	w.append(10, "x")
	status := 500
	w.answer = func(string) (int, string) { return status, "" }
	w.start()
	v, _ := w.create(NewStream{Kind: Webhook, From: zero(), Settings: Settings{URL: w.url("/a")}})
	state := func() *Stream { got, _ := w.s.Get(t.Context(), admin, v.ID); return got }
	w.until("a failure", func() bool { return state().Failures == 1 })
	if got := state(); got.Paused != "" || got.NextSeq != 0 || got.LastProblem != "the receiver failed" {
		t.Fatalf("%+v", got)
	}
	w.clock.Add(int64(pauseAfter + time.Hour))
	w.until("the pause", func() bool { return state().Paused != "" })
	w.append(10, "x")
	w.mu.Lock()
	status = 200
	w.mu.Unlock()
	no := false
	if _, err := w.s.Update(t.Context(), admin, v.ID, &no, nil); err != nil {
		t.Fatal(err)
	}
	w.caughtUp(v.ID)
	if !inOrder(w.seqs(), 0, 20) {
		t.Error(w.seqs())
	}
	// 410 pauses at once.
	w.mu.Lock()
	status = 410
	w.mu.Unlock()
	w.append(1, "x")
	w.until("the pause", func() bool { return state().Paused != "" })
	if got := strings.Join(w.actions(), " "); got != "create pause resume pause" {
		t.Error(got)
	}
}

func TestRewind(t *testing.T) { sqldbtest.Each(t, testRewind) }

func testRewind(t *testing.T) {
	w := newWorld(t)
	w.append(5, "x")
	w.start()
	v, _ := w.create(NewStream{Kind: Webhook, From: zero(), Settings: Settings{URL: w.url("/a")}})
	w.caughtUp(v.ID)
	from := int64(2)
	if got, err := w.s.Update(t.Context(), admin, v.ID, nil, &from); err != nil || got.NextSeq > 5 {
		t.Fatalf("%+v %v", got, err)
	}
	w.until("the repetition", func() bool { return len(w.seqs()) == 8 })
	if got := w.seqs(); !inOrder(got[5:], 2, 5) {
		t.Error(got)
	}
	beyond := int64(6)
	if _, err := w.s.Update(t.Context(), admin, v.ID, nil, &beyond); errs.CodeOf(err) != errs.Invalid {
		t.Error(err)
	}
	// A position that somebody sets while a batch is under way is not moved by that batch.
	r, err := get(t.Context(), w.db.Read(t.Context()), tenant, v.ID)
	if err != nil {
		t.Fatal(err)
	}
	r.next = 99
	if err := w.db.Write(t.Context(), func(tx *sql.Tx) error {
		moved, err := advance(t.Context(), tx, r, 100, 1, 1, 1)
		if moved {
			t.Error("it was moved")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// TestStopped ends the service while a batch is under way; the next one sends it again.
func TestStopped(t *testing.T) { sqldbtest.Each(t, testStopped) }

func testStopped(t *testing.T) {
	w := newWorld(t)
	w.append(7, "x")
	under := make(chan struct{})
	var once sync.Once
	w.answer = func(string) (int, string) {
		once.Do(func() { close(under) })
		time.Sleep(200 * time.Millisecond)
		return 500, ""
	}
	w.s.Start(context.Background())
	v, _ := w.create(NewStream{Kind: Webhook, From: zero(), Settings: Settings{URL: w.url("/a")}})
	<-under
	w.s.Close()
	w.mu.Lock()
	w.answer = nil
	w.mu.Unlock()
	w.clock.Add(int64(2 * leaseTime))
	w.s = w.service()
	w.start()
	w.caughtUp(v.ID)
	if got := w.seqs(); !inOrder(got, 0, 7) {
		t.Error(got)
	}
}

func TestSplunk(t *testing.T) { sqldbtest.Each(t, testSplunk) }

func testSplunk(t *testing.T) {
	w := newWorld(t)
	w.append(2, "x")
	w.answer = func(string) (int, string) { return 200, `{"text":"Success","code":0}` }
	w.start()
	v, _ := w.create(NewStream{Kind: Splunk, From: zero(), Settings: Settings{URL: w.url("/services/collector/event"), Token: "B5A79AAD-D822-46CC-80D1-819F80D7BFB0"}})
	w.caughtUp(v.ID)
	if w.got[0].header.Get("Authorization") != "Splunk B5A79AAD-D822-46CC-80D1-819F80D7BFB0" {
		t.Error(w.got[0].header)
	}
	dec := json.NewDecoder(strings.NewReader(w.got[0].body))
	for i := range 2 {
		var e struct {
			Time                     float64
			Host, Source, Sourcetype string
			Fields                   map[string]string
			Event                    struct{ Seq int }
		}
		if err := dec.Decode(&e); err != nil || e.Event.Seq != i || e.Host != "audit.test" || e.Sourcetype != "probity:native" || e.Fields["probity_seq"] != strconv.Itoa(i) || int64(e.Time) != 1767323045 {
			t.Errorf("%+v %v", e, err)
		}
	}
	for answer, want := range map[string]string{`{"text":"Invalid token","code":4}`: "token", `{"text":"Server is busy","code":9}`: "busy", `{"text":"Incorrect index","code":7}`: "index", `<html>`: "refused"} {
		w.mu.Lock()
		w.answer = func(string) (int, string) { return 403, answer }
		w.mu.Unlock()
		if o := w.s.o.Sender.SendSplunk(t.Context(), w.url("/x"), "B5A79AAD", []byte("{}")); o.OK || o.Permanent || !strings.Contains(o.Problem, want) {
			t.Errorf("%s: %+v", answer, o)
		}
	}
	w.mu.Lock()
	w.answer = func(string) (int, string) { return 200, "hello" }
	w.mu.Unlock()
	if o := w.s.o.Sender.SendSplunk(t.Context(), w.url("/x"), "B5A79AAD", []byte("{}")); o.OK {
		t.Error("what is no collector took the events")
	}
}

// syslogServer takes frames of RFC 5425 over TLS.
func (w *world) syslogServer() (port int, got func() []string) {
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: w.hook.TLS.Certificates})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { l.Close() })
	var mu sync.Mutex
	var list []string
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(c)
			for {
				size, err := r.ReadString(' ')
				if err != nil {
					break
				}
				n, _ := strconv.Atoi(strings.TrimSpace(size))
				b := make([]byte, n)
				if _, err := io.ReadFull(r, b); err != nil {
					break
				}
				mu.Lock()
				list = append(list, string(b))
				mu.Unlock()
			}
			c.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), list...)
	}
}

func TestSyslog(t *testing.T) { sqldbtest.Each(t, testSyslog) }

func testSyslog(t *testing.T) {
	w := newWorld(t)
	w.append(600, "größe")
	port, got := w.syslogServer()
	w.start()
	v, _ := w.create(NewStream{Kind: Syslog, From: zero(), Settings: Settings{Host: "example.com", Port: port}})
	w.caughtUp(v.ID)
	list := got()
	if len(list) != 600 || !strings.HasPrefix(list[7], `<109>1 2026-01-02T03:04:05.000007Z audit.test probity - event - {"seq":7,`) || !strings.Contains(list[7], "größe") {
		t.Errorf("%d messages, %s", len(list), list[:min(len(list), 8)])
	}
	// A server without TLS, and none.
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if c, err := plain.Accept(); err == nil {
			io.WriteString(c, "220 hello\r\n")
			c.Close()
		}
	}()
	if o := w.s.o.Sender.SendSyslog(t.Context(), "example.com", plain.Addr().(*net.TCPAddr).Port, []byte("1 x")); o.OK {
		t.Errorf("%+v", o)
	}
	plain.Close()
	if o := w.s.o.Sender.SendSyslog(t.Context(), "example.com", plain.Addr().(*net.TCPAddr).Port, []byte("1 x")); o.OK || o.Permanent || strings.Contains(o.Problem, "127") {
		t.Errorf("%+v", o)
	}
}

func TestTrim(t *testing.T) {
	big := make([]byte, batchBytes/2+1)
	lines := []Line{{Seq: 1, JSON: big}, {Seq: 2, JSON: big}, {Seq: 5, JSON: big}}
	if got, next := trim(lines, 9, batchBytes); len(got) != 1 || next != 2 {
		t.Errorf("%d %d", len(got), next)
	}
	if got, next := trim([]Line{{Seq: 1, JSON: make([]byte, 3*batchBytes)}}, 9, batchBytes); len(got) != 1 || next != 9 {
		t.Errorf("%d %d", len(got), next)
	}
}

func TestHTTP(t *testing.T) { sqldbtest.Each(t, testHTTP) }

func testHTTP(t *testing.T) {
	w := newWorld(t)
	w.append(3, "x")
	a := apitest.Callers{"admin": admin, "auditor": auditor, "other": other,
		"keeper": {TenantID: tenant, KeyID: "k", Permissions: []string{actor.NotifyManage, actor.NotifyView, actor.LedgerSearch}}}.API()
	w.s.Register(a)
	call := func(want int, who, method, path, body string) string {
		t.Helper()
		return apitest.Call(t, a, want, who, method, path, body)
	}
	hook := `{"name":"SIEM","kind":"webhook","from_seq":0,"settings":{"url":"` + w.url("/SECRET") + `"}`
	var made struct{ ID, Secret string }
	text := call(201, "keeper", "POST", "/api/notify/streams", hook+`}`)
	if err := json.Unmarshal([]byte(text), &made); err != nil || !strings.HasPrefix(made.Secret, "whsec_") || strings.Contains(text, "SECRET") {
		t.Fatal(text, err)
	}
	path := "/api/notify/streams/" + made.ID
	// What somebody may not see is not sent on their word.
	call(403, "keeper", "POST", "/api/notify/streams", hook+`,"unmasked":true}`)
	call(403, "auditor", "POST", "/api/notify/streams", hook+`}`)
	for _, body := range []string{`{"name":"x","kind":"webhook","settings":{"url":"https://10.0.0.1/SECRET"}}`, `{"name":"x","kind":"splunk","settings":{"url":"` + w.url("/SECRET") + `"}}`,
		`{"name":"x","kind":"syslog","settings":{"host":"169.254.169.254"}}`, `{"name":"x","kind":"syslog","settings":{"host":"localhost"}}`, `{"name":"x","kind":"syslog","settings":{"host":"logs.example.org","port":25}}`,
		`{"name":" ","kind":"webhook","settings":{"url":"` + w.url("/SECRET") + `"}}`, hook + `,"filter":{"actions":["'; DROP"]}}`} {
		if text := call(400, "admin", "POST", "/api/notify/streams", body); strings.Contains(text, "SECRET") {
			t.Error(text)
		}
	}
	if text := call(200, "auditor", "GET", "/api/notify/streams", ""); strings.Contains(text, "SECRET") || strings.Contains(text, made.Secret) || !strings.Contains(text, `"behind":3`) {
		t.Error(text)
	}
	if text := call(200, "admin", "PATCH", path, `{"paused":true,"next_seq":1}`); !strings.Contains(text, `"next_seq":1`) || !strings.Contains(text, `"paused":"`) {
		t.Error(text)
	}
	call(403, "auditor", "PATCH", path, `{"paused":false}`)
	call(403, "auditor", "DELETE", path, "")
	for _, op := range []string{"GET", "PATCH", "DELETE"} {
		body := ""
		if op == "PATCH" {
			body = `{"paused":false}`
		}
		call(404, "other", op, path, body)
	}
	call(204, "admin", "DELETE", path, "")
	call(404, "admin", "GET", path, "")
}
