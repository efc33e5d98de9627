package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/api/apitest"
	"probity.dev/internal/outbound"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/selfaudit/selfaudittest"
	"probity.dev/notify/send"
)

const tenant, stranger = "t-1", "t-2"

// world is what the service stands on: a real database, real keys, a real sender, and a receiver that does as the test says.
type world struct {
	t testing.TB
	*selfaudittest.Ledger
	db     *sqldb.DB
	clock  atomic.Int64 // added to the time, nanoseconds
	logs   lockedBuffer
	sender *send.Sender
	hook   *httptest.Server
	s      *Service

	mu     sync.Mutex
	got    []request
	answer func(r request) (status int, header string)
}

type request struct {
	path, id, body string
	header         http.Header
	at             time.Time
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type loopback struct{}

func (loopback) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	db := sqldbtest.Open(t)
	w := &world{t: t, Ledger: selfaudittest.New(t, db, tenant, stranger), db: db}
	w.hook = httptest.NewTLSServer(http.HandlerFunc(w.receive))
	w.hook.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(w.hook.Close)
	roots := x509.NewCertPool()
	roots.AddCert(w.hook.Certificate())
	client, err := outbound.New(outbound.Options{Allow: []string{"example.com"}, RootCAs: roots, Resolver: loopback{}, Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w.sender = &send.Sender{HTTP: client}
	w.s = w.service(nil)
	return w
}

func (w *world) service(q Queue) *Service {
	return New(Options{DB: w.db, Recorder: w, Sealer: w, Sender: w.sender, Queue: q, Instance: "audit.test", PublicURL: "https://audit.test", Logger: slog.New(slog.NewTextHandler(&w.logs, nil)),
		Now: func() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }})
}

func (w *world) start() {
	w.t.Helper()
	w.s.Start(context.Background())
	w.t.Cleanup(w.s.Close)
}

func (w *world) url(path string) string {
	_, port, _ := net.SplitHostPort(w.hook.Listener.Addr().String())
	return "https://example.com:" + port + path
}

func (w *world) receive(rw http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	q := request{path: r.URL.Path, id: r.Header.Get("webhook-id"), body: string(b), header: r.Header.Clone(), at: time.Now()}
	w.mu.Lock()
	w.got = append(w.got, q)
	answer := w.answer
	w.mu.Unlock()
	if answer == nil {
		return
	}
	status, retry := answer(q)
	if retry != "" {
		rw.Header().Set("Retry-After", retry)
	}
	rw.WriteHeader(status)
}

func (w *world) answers(f func(r request) (int, string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) requests(path string) []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []request
	for _, r := range w.got {
		if r.path == path {
			out = append(out, r)
		}
	}
	return out
}

// actions returns what was recorded since the last call.
func (w *world) actions() string {
	var list []string
	for _, e := range w.Drain() {
		list = append(list, strings.TrimPrefix(e.Action, "notification_channel.")+"/"+e.Actor.ID)
	}
	return strings.Join(list, " ")
}

var (
	admin   = actor.Principal{TenantID: tenant, UserID: "u-adm", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions(), Name: "Ada Canary", Email: "ada.canary@example.com"}
	auditor = actor.Principal{TenantID: tenant, UserID: "u-aud", Roles: []string{actor.RoleAuditor}, Permissions: actor.RolePermissions(actor.RoleAuditor)}
	writer  = actor.Principal{TenantID: tenant, KeyID: "k-1", Permissions: []string{actor.LedgerAppend}}
	other   = actor.Principal{TenantID: stranger, UserID: "u-oth", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions()}
)

// caller calls the API over HTTP.
type caller func(want int, who, method, path string, body any) map[string]any

func (w *world) serve() caller {
	a := api.New(api.Options{Logger: slog.New(slog.NewTextHandler(&w.logs, nil)), Auth: apitest.Callers{"admin": admin, "auditor": auditor, "writer": writer, "other": other}})
	w.s.Register(a)
	return func(want int, who, method, path string, body any) map[string]any {
		w.t.Helper()
		var b []byte
		if body != nil {
			b, _ = json.Marshal(body)
		}
		text := apitest.Call(w.t, a, want, who, method, path, string(b))
		out := map[string]any{}
		if text != "" {
			if err := json.Unmarshal([]byte(text), &out); err != nil {
				w.t.Fatalf("%s: %v", text, err)
			}
		}
		out["raw"] = text
		return out
	}
}

// webhook makes a webhook channel.
func (w *world) webhook(path string, topics ...string) (*Channel, string) {
	w.t.Helper()
	c, secret, err := w.s.Create(context.Background(), admin, NewChannel{Name: "Hook " + path, Kind: send.Webhook, Topics: topics, Settings: send.Settings{URL: w.url(path)}})
	if err != nil {
		w.t.Fatal(err)
	}
	return c, secret
}

func (w *world) say(n Notification) {
	w.t.Helper()
	if err := w.s.Say(context.Background(), tenant, n); err != nil {
		w.t.Fatal(err)
	}
}

func ready(id string) Notification {
	return Notification{Kind: KindExportReady, Cause: Cause{"export", id}, Params: map[string]string{"format": "csv", "rows": "12", "bytes": "345"}}
}

// deliveries returns those of a channel, oldest first.
func (w *world) deliveries(channelID string) []*Delivery {
	w.t.Helper()
	list, _, err := w.s.Deliveries(context.Background(), admin, DeliveryFilter{ChannelID: channelID, Limit: 200})
	if err != nil {
		w.t.Fatal(err)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// until waits for something to become true.
func (w *world) until(what string, f func() bool) {
	w.t.Helper()
	for range 1500 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.t.Fatalf("waited in vain for %s\n%s", what, w.logs.String())
}

func (w *world) status(channelID string, i int, want string) *Delivery {
	w.t.Helper()
	var d *Delivery
	w.until(want, func() bool {
		list := w.deliveries(channelID)
		if i >= len(list) {
			return false
		}
		d = list[i]
		return d.Status == want
	})
	return d
}

// skip moves the clock.
func (w *world) skip(d time.Duration) {
	w.clock.Add(int64(d))
	w.s.Nudge()
}
