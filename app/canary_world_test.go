package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/access"
	"probity.dev/access/masking"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/config"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

// viewer is somebody with one role, by session or by key.
type viewer struct {
	role string
	key  bool
	p    actor.Principal
	own  []*canary // the viewer's own name and address
}

func (v *viewer) String() string {
	if v.key {
		return v.role + " by key"
	}
	return v.role + " by session"
}

// sees says what the policy shows a viewer, independently of what applies it.
func (v *viewer) sees(policy masking.Policy, x *canary) bool {
	if slices.Contains(v.own, x) {
		return true
	}
	role := v.role
	if v.key { // a key is masked by what it may do
		switch {
		case v.p.Can(actor.LedgerViewUnmasked):
			role = actor.RoleAdmin
		case v.p.Can(actor.LedgerSearch):
			role = actor.RoleAuditor
		default:
			role = actor.RoleWriter
		}
	}
	r := policy.Roles[role]
	if strings.HasPrefix(x.category, "user.authorization") {
		return false
	}
	if r.Unmasked && v.p.Can(actor.LedgerViewUnmasked) {
		return true
	}
	if x.shown != nil && x.shown(v) {
		return true
	}
	return !r.Nothing && x.category != ledger.CategoryUnknown && shows(r, x.category)
}

// shows resolves a category as the documentation says: the longest entry that covers it.
func shows(r masking.Role, category string) bool {
	for c := category; c != ""; {
		if m, ok := r.Categories[c]; ok {
			return m == masking.Show
		}
		i := strings.LastIndexByte(c, '.')
		c = c[:max(i, 0)]
	}
	return r.Default == masking.Show
}

// locked is a buffer that many write to.
type locked struct {
	mu sync.Mutex
	b  []byte
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	return len(p), nil
}

func (l *locked) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.b)
}

// canaryWorld is a tenant in which every kind of personal value lies in every kind of place.
type canaryWorld struct {
	*App
	t       *testing.T
	c       *caller
	tenant  string
	admin   actor.Principal
	can     canaries
	events  []*canary // those that are part of an event that was sent
	viewers []*viewer
	logs    locked
	spans   locked
	box     *letterBox
	ids     map[string]string // of things that were made, by the operation that shows them
}

func newCanaryWorld(t *testing.T) *canaryWorld {
	w := &canaryWorld{t: t, box: &letterBox{}, ids: map[string]string{}}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = w.spans.Write(b)
	}))
	t.Cleanup(collector.Close)
	dir := t.TempDir()
	cfg := config.Defaults()
	cfg.Data, cfg.OTLPEndpoint, cfg.LogLevel, cfg.PublicURL = filepath.Join(dir, "data"), collector.URL, "debug", "https://probity.example"
	cfg.SMTPServer, cfg.SMTPTLS, cfg.SMTPFrom, cfg.ExportMailFrom = w.box.open(t), "none", "probity@audit.example", 1
	if sqldbtest.Kind(t) == sqldbtest.Postgres {
		cfg.Database = sqldbtest.Address(t, dir)
	}
	if _, err := Init(t.Context(), cfg, InitOptions{Tenant: "T", Email: w.can.email("first admin", "user.contact.email"), Name: w.can.name("first admin"), KeyName: "k"}, &w.logs); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.App, err = Open(t.Context(), cfg, &w.logs); err != nil {
		t.Fatal(err)
	}
	tenants, err := w.Ledger.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.tenant, w.c = tenants[0].ID, newCaller(t, w.App)
	w.admin = actor.System(w.tenant)
	w.hire()
	return w
}

// hire makes somebody and a key for every built-in role.
func (w *canaryWorld) hire() {
	ctx := context.Background()
	for _, role := range actor.Roles() {
		from := len(w.can.list)
		name, email := w.can.name("account of "+role), w.can.email("account of "+role, "user.contact.email")
		own := slices.Clone(w.can.list[from:])
		u, err := w.Access.CreateUser(ctx, w.admin, access.NewUser{Email: email, Name: name, Role: role, Password: passphrase + role})
		if err != nil {
			w.t.Fatal(role, err)
		}
		p, err := w.Access.Now(ctx, actor.Principal{TenantID: w.tenant, UserID: u.ID})
		if err != nil {
			w.t.Fatal(role, err)
		}
		p.SessionID, p.SteppedUpAt, p.IP = "s-"+role, time.Now(), w.can.ip4("address of "+role, "user.device.ip_address")
		own = append(own, w.can.list[len(w.can.list)-1])
		w.viewers = append(w.viewers, &viewer{role: role, p: p, own: own})
		k, _, err := w.Access.CreateKey(ctx, w.admin, access.NewKey{Name: "key of " + role, Scopes: actor.RolePermissions(role)})
		if err != nil {
			w.t.Fatal(role, err)
		}
		w.viewers = append(w.viewers, &viewer{role: role, key: true, p: actor.Principal{TenantID: w.tenant, KeyID: k.ID, Name: k.Name, Permissions: actor.RolePermissions(role)}})
	}
}

// send appends an event and remembers which canaries are part of it.
func (w *canaryWorld) send(body func(c *canaries) string) {
	from := len(w.can.list)
	text := body(&w.can)
	w.events = append(w.events, w.can.list[from:]...)
	w.c.answer(w.t, w.admin, "POST", "/api/events", text)
}

// fill sends the events.
func (w *canaryWorld) fill() {
	w.send(func(c *canaries) string {
		return fmt.Sprintf(`{"id":"order-1","source":"shop","action":"client.update","actor":{"type":"user","id":%q,"name":%q,"email":%q,"roles":["reception"]},
			"subject":{"type":"client","id":%q,"name":%q},"resource":{"type":"client","id":%q,"name":%q},"reason":%q,"correlation_id":"op-1","tags":["vip"],
			"outcome":{"status":"failure","reason":%q},
			"context":{"ip":%q,"forwarded_for":[%q],"user_agent":%q,"device":%q,"session_id":"s-1","geo":{"city":%q}},
			"changes":[{"path":"/phone","before":%q,"after":%q},{"path":"/email","before":%q,"after":%q},{"path":"/note","before":null,"after":%q}],
			"data":{"card_number":%q,"iban":%q,"ssn":%q,"date_of_birth":%q,"address":%q,"ip":%q,"transcript":%q,"password":%q,
				"order":{"customer":{"full_name":%q,"email":%q,"phone":%q,"devices":[{"device_id":%q}]}},"diagnosis":%q}}`,
			c.other("actor id", "user.unique_id", "act-kvx%d"), c.name("actor name"), c.email("actor e-mail", "user.contact.email"),
			c.other("subject id", "user.unique_id", "cli-kvy%d"), c.name("subject name"), c.other("resource id", "user.unique_id", "res-kvz%d"), c.name("resource name"),
			c.text("reason"), c.text("outcome reason"), c.ip4("context ip", "user.device.ip_address"), c.ip6("forwarded for", "user.device.ip_address"),
			c.other("user agent", "user.device", "CanaryBrowser/77.%d (Kestrel)"), c.other("device", "user.device", "kestrel-phone-%d"), c.other("city", "user.location", "Ostermoor%d"),
			c.phone("change before", "user.contact"), c.phone("change after", "user.contact"), c.email("change before", "user.contact.email"), c.email("change after", "user.contact.email"),
			c.text("note after"), c.card("data card", "user.financial"), c.iban("data iban", "user.financial"), c.other("ssn", "user.government_id", "536-90-4%d"),
			c.add("date of birth", "user.demographic", "1961-03-17"), c.other("street", "user.contact.address", "44%d Quillfeather Lane, Ostermoor"), c.ip4("data ip", "user.device.ip_address"),
			c.text("transcript"), c.other("password", "user.authorization", "hunter-Kvq%d"),
			c.name("nested name"), c.email("nested e-mail", "user.contact.email"), c.phone("nested phone", "user.contact.phone_number"), c.other("nested device", "user.device", "KDX-8841-%d"),
			c.other("diagnosis", "user.health_and_medical", "acute kvorbitis %d"))
	})
	w.send(func(c *canaries) string { // values where things usually stand, labels and lists
		return fmt.Sprintf(`{"id":%q,"source":"shop","action":"ticket.close","actor":{"type":"service","id":"svc-1","name":"Ticket robot"},"resource":{"type":"ticket","id":%q,"name":%q},"correlation_id":%q,
			"tags":[%q,"urgent"],"data":{"labels":[%q,%q],"free":{"deep":{"er":[{"text":%q}]}},"n":%s}}`,
			c.email("event id", "user"), c.email("resource id", "user"), c.text("resource label"), c.email("correlation id", "user"), c.email("tag", "user"),
			c.phone("label", "user"), c.email("label", "user"), c.text("deep text"), c.card("number", "user"))
	})
	for i := range 3 {
		w.send(func(c *canaries) string {
			return fmt.Sprintf(`{"source":"portal","action":"document.view","actor":{"type":"user","id":"staff-%d","name":%q},"resource":{"type":"document","id":"doc-%d","name":%q},"context":{"ip":%q}}`,
				i, c.name("staff"), i, c.text("document"), c.ip4("staff", "user.device.ip_address"))
		})
	}
}

// records are all events as they are kept.
func (w *canaryWorld) records() (out []*event.Record) {
	w.t.Helper()
	if _, err := w.Ledger.Search(context.Background(), w.tenant, ledger.Query{}, ledger.Page{Ascending: true}, nil, func(r *event.Record) error { out = append(out, r); return nil }); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// get answers a GET as somebody, whatever the status is.
func (w *canaryWorld) get(v *viewer, method, path, body string) (int, []byte) {
	w.t.Helper()
	w.c.p = v.p
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://probity.local"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if !v.key {
		r.AddCookie(&http.Cookie{Name: api.SessionCookie, Value: v.p.SessionID})
		r.Header.Set(api.CSRFHeader, api.CSRFToken(v.p.SessionID))
	}
	res, err := w.c.Do(r)
	if err != nil {
		w.t.Fatal(method, path, err)
	}
	defer res.Body.Close()
	var out []byte
	for key, list := range res.Header {
		out = fmt.Appendf(out, "%s: %s\n", key, strings.Join(list, ", "))
	}
	buf := make([]byte, 32<<10)
	stream := strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
	for {
		n, err := res.Body.Read(buf)
		out = append(out, buf[:n]...)
		if err != nil || stream && strings.Contains(string(out), "event: head") {
			return res.StatusCode, out
		}
	}
}
