package alert

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/event"
	"probity.dev/notify"
	"probity.dev/notify/send"
)

const tenant, stranger = "t-1", "t-2"

var (
	admin   = actor.Principal{TenantID: tenant, UserID: "u-adm", Role: actor.RoleAdmin, Permissions: actor.Permissions(), Name: "Ada Canary"}
	auditor = actor.Principal{TenantID: tenant, UserID: "u-aud", Role: actor.RoleAuditor, Permissions: actor.RolePermissions(actor.RoleAuditor)}
	writer  = actor.Principal{TenantID: tenant, KeyID: "k-1", Permissions: []string{actor.LedgerAppend}}
	other   = actor.Principal{TenantID: stranger, UserID: "u-oth", Role: actor.RoleAdmin, Permissions: actor.Permissions()}
)

// entry is an event of the log in memory.
type entry struct {
	at           time.Time
	action, user string
}

// world is a log in memory, a real database, real keys, a clock that the test moves, and a real notify service that sends nothing.
type world struct {
	t      *testing.T
	db     *sqldb.DB
	keys   map[string]*crypt.Tenant
	notify *notify.Service
	s      *Service

	mu       sync.Mutex
	now      time.Time
	log      []entry
	recorded []*event.Event
	fail     func() error // before anything is written
	wrote    func()       // after a fire was committed
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, db: sqldbtest.Open(t), keys: map[string]*crypt.Tenant{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	kms, err := crypt.CreateFileKMS(filepath.Join(t.TempDir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{tenant, stranger} {
		if w.keys[id], _, err = crypt.NewTenant(ctx, kms, id); err != nil {
			t.Fatal(err)
		}
	}
	w.notify = notify.New(notify.Options{DB: w.db, Recorder: w, Sealer: w, Sender: silent{}, Now: w.clock})
	w.s = w.service()
	return w
}

type silent struct{}

func (silent) Send(context.Context, string, *send.Settings, *send.Message) send.Outcome {
	return send.Outcome{OK: true}
}
func (silent) Check(string, *send.Settings) error { return nil }

func (w *world) service() *Service {
	return New(Options{DB: w.db, Recorder: w, Sealer: w, Source: w, Notifier: w.notify, Logger: slog.New(slog.DiscardHandler), Now: w.clock})
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) skip(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// happen records an event now and lets a second pass.
func (w *world) happen(action, user string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, entry{w.now, action, user})
	w.now = w.now.Add(time.Second)
}

func (w *world) Head(context.Context, string) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return uint64(len(w.log)), nil
}

func (w *world) Check(_ context.Context, _ string, f Filter) error {
	for name := range f {
		if name != "action" && name != "actor" {
			return errs.Field("/filter", "unknown_field", "unknown")
		}
	}
	return nil
}

func (w *world) Read(ctx context.Context, tenantID string, s Span, f Filter, by string, yield func(Match) error) (uint64, time.Time, error) {
	w.mu.Lock()
	log := slices.Clone(w.log)
	w.mu.Unlock()
	if tenantID != tenant {
		return 0, time.Time{}, errors.New("asked for another tenant")
	}
	to, n := uint64(len(log)), 0
	if s.To != 0 {
		to = min(to, s.To)
	}
	for seq := s.From; seq < to; seq++ {
		e := log[seq]
		if e.at.Before(s.Since) || len(f["action"]) > 0 && !slices.Contains(f["action"], e.action) {
			continue
		}
		if s.Limit > 0 && n == s.Limit {
			return seq, log[seq-1].at, nil
		}
		key := ""
		if by == ByActor {
			key = e.user
		}
		n++
		if err := yield(Match{seq, e.at, key}); err != nil {
			return 0, time.Time{}, err
		}
	}
	if len(log) == 0 {
		return 0, time.Time{}, nil
	}
	return uint64(len(log)), log[len(log)-1].at, ctx.Err()
}

func (w *world) Label(_ context.Context, viewer actor.Principal, seq uint64, _ string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !viewer.Unmasked() {
		return "masked"
	}
	return "user " + w.log[seq].user
}

func (w *world) Record(ctx context.Context, tenantID string, e *event.Event, effect func(context.Context, *sql.Tx) error) error {
	return w.RecordAll(ctx, tenantID, []*event.Event{e}, effect)
}

func (w *world) RecordAll(ctx context.Context, tenantID string, events []*event.Event, effect func(context.Context, *sql.Tx) error) error {
	w.mu.Lock()
	fail := w.fail
	w.mu.Unlock()
	if fail != nil {
		if err := fail(); err != nil {
			return err
		}
	}
	for _, e := range events {
		if err := e.Normalise(time.Now()); err != nil {
			return err
		}
	}
	if err := w.db.Write(ctx, func(tx *sql.Tx) error { return effect(ctx, tx) }); err != nil {
		return err
	}
	w.mu.Lock()
	w.recorded = append(w.recorded, events...)
	wrote := w.wrote
	w.mu.Unlock()
	if wrote != nil {
		wrote()
	}
	return nil
}

func (w *world) RecordAllLater(ctx context.Context, tenantID string, events []*event.Event, effect func(context.Context, *sql.Tx) error) error {
	return w.RecordAll(ctx, tenantID, events, effect)
}

// actions returns what was recorded since the last call.
func (w *world) actions() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, e := range w.recorded {
		list = append(list, e.Action+"/"+e.Actor.ID)
	}
	w.recorded = nil
	return strings.Join(list, " ")
}

func (w *world) Seal(_ context.Context, tenantID, label string, b []byte) ([]byte, error) {
	return w.keys[tenantID].Seal(label, b)
}

func (w *world) Unseal(_ context.Context, tenantID, label string, b []byte) ([]byte, error) {
	return w.keys[tenantID].Open(label, b)
}

// turn does one round and waits until the rules are idle.
func (w *world) turn() {
	w.t.Helper()
	w.turnOf(w.s)
}

func (w *world) turnOf(s *Service) {
	w.t.Helper()
	slots := make(chan struct{}, atOnce)
	if err := s.round(context.Background(), slots); err != nil {
		w.t.Fatal(err)
	}
	for range atOnce {
		slots <- struct{}{}
	}
}

func (w *world) create(d Draft) *Rule {
	w.t.Helper()
	if d.Name == "" {
		d.Name = "Many denied"
	}
	d.Enabled = true
	r, err := w.s.Create(context.Background(), admin, d)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// list returns the tenant's alerts, oldest first.
func (w *world) list(f Selection) []*Alert {
	w.t.Helper()
	f.Limit = 200
	list, _, err := w.s.Alerts(context.Background(), admin, f)
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

// told returns the kinds of notification that were stored, oldest first.
func (w *world) told() string {
	w.t.Helper()
	list, _, err := w.notify.Deliveries(context.Background(), admin, notify.DeliveryFilter{Limit: 200})
	if err != nil {
		w.t.Fatal(err)
	}
	var kinds []string
	for _, d := range slices.Backward(list) {
		kinds = append(kinds, d.Kind)
	}
	return strings.Join(kinds, " ")
}

func (w *world) channel(name string, topics ...string) *notify.Channel {
	w.t.Helper()
	c, _, err := w.notify.Create(context.Background(), admin, notify.NewChannel{Name: name, Kind: send.Email, Topics: topics, Settings: send.Settings{Recipients: []string{"soc@example.com"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

type callers map[string]actor.Principal

func (c callers) Authenticate(_ context.Context, r *http.Request) (actor.Principal, error) {
	return c[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")], nil
}

// caller calls the API over HTTP.
type caller func(want int, who, method, path, body string) map[string]any

func (w *world) serve() caller {
	a := api.New(api.Options{Logger: slog.New(slog.DiscardHandler), Auth: callers{"admin": admin, "auditor": auditor, "writer": writer, "other": other}})
	w.s.Register(huma.API(a))
	srv := httptest.NewServer(a)
	w.t.Cleanup(srv.Close)
	return func(want int, who, method, path, body string) map[string]any {
		w.t.Helper()
		req, _ := http.NewRequest(method, srv.URL+path, bytes.NewReader([]byte(body)))
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		req.Header.Set("Authorization", "Bearer "+who)
		res, err := srv.Client().Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		if res.StatusCode != want {
			w.t.Fatalf("%s %s as %s: %d, want %d: %s", method, path, who, res.StatusCode, want, text)
		}
		out := map[string]any{}
		if len(text) > 0 {
			if err := json.Unmarshal(text, &out); err != nil {
				w.t.Fatalf("%s: %v", text, err)
			}
		}
		out["raw"] = string(text)
		return out
	}
}
