package alert

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api/apitest"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/selfaudit/selfaudittest"
	"probity.dev/notify"
	"probity.dev/notify/send"
)

const tenant, stranger = "t-1", "t-2"

var (
	admin   = actor.Principal{TenantID: tenant, UserID: "u-adm", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions(), Name: "Ada Canary"}
	auditor = actor.Principal{TenantID: tenant, UserID: "u-aud", Roles: []string{actor.RoleAuditor}, Permissions: actor.RolePermissions(actor.RoleAuditor)}
	writer  = actor.Principal{TenantID: tenant, KeyID: "k-1", Permissions: []string{actor.LedgerAppend}}
	other   = actor.Principal{TenantID: stranger, UserID: "u-oth", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions()}
)

// entry is an event of the log in memory.
type entry struct {
	at           time.Time
	action, user string
}

// world is a log in memory, a real database, real keys, a clock that the test moves, and a real notify service that sends nothing.
type world struct {
	t *testing.T
	*selfaudittest.Ledger
	db     *sqldb.DB
	notify *notify.Service
	s      *Service

	mu  sync.Mutex
	now time.Time
	log []entry
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := sqldbtest.Open(t)
	w := &world{t: t, Ledger: selfaudittest.New(t, db, tenant, stranger), db: db, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
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

func (w *world) Check(_ context.Context, _ actor.Principal, f Filter) error {
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

// actions returns what was recorded since the last call.
func (w *world) actions() string {
	var list []string
	for _, e := range w.Drain() {
		list = append(list, e.Action+"/"+e.Actor.ID)
	}
	return strings.Join(list, " ")
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

// caller calls the API over HTTP.
type caller func(want int, who, method, path, body string) map[string]any

func (w *world) serve() caller {
	a := apitest.Callers{"admin": admin, "auditor": auditor, "writer": writer, "other": other}.API()
	w.s.Register(a)
	return func(want int, who, method, path, body string) map[string]any {
		w.t.Helper()
		text := apitest.Call(w.t, a, want, who, method, path, body)
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
