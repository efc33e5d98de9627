package subscription

import (
	"bytes"
	"context"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"probity.dev/access/denial"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/selfaudit/selfaudittest"
)

// tokens stand for checked ones: a text leads to what it says.
type tokens map[string]Token

func (k tokens) check(_ context.Context, h http.Header) (*Token, error) {
	auth := h.Values("Authorization")
	text, ok := strings.CutPrefix(strings.Join(auth, ","), "Bearer ")
	if !ok || len(auth) != 1 || !strings.HasSuffix(text, "..") {
		return nil, nil
	}
	v, ok := k[text]
	if !ok {
		reason := strings.TrimSuffix(text, "..")
		return nil, &Refused{Reason: reason, TenantID: "acme", Undecided: reason == "keys_unavailable"}
	}
	return &v, nil
}

type world struct {
	*selfaudittest.Ledger
	s     *Service
	db    *sqldb.DB
	k     tokens
	srv   *httptest.Server
	clock time.Time
}

const clinician = "dr.zebulon@canary.example"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{db: sqldbtest.Open(t), clock: time.Now()}
	w.Ledger = selfaudittest.New(t, w.db, "acme", "globex")
	of := func(tenant, subject string, roles ...string) Token {
		return Token{TenantID: tenant, Subject: subject, Roles: roles, Caller: actor.Principal{TenantID: tenant, KeyID: actor.ServiceKeyID("i", subject), Name: subject}}
	}
	w.k = tokens{"good..": of("acme", clinician, "x", ScribeRole), "roleless..": of("acme", clinician, "scribe_users", "SCRIBE_USER"), "globex..": of("globex", clinician, ScribeRole)}
	log := slog.New(slog.DiscardHandler)
	now := func() time.Time { return w.clock }
	w.s = New(Options{DB: w.db, Recorder: w, Sealer: w, Check: w.k.check, Denials: denial.New(w, log, now), Now: now,
		Index:      func(label string) []byte { h := sha256.Sum256([]byte("key" + label)); return h[:] },
		OnlyTenant: func(context.Context) (string, error) { return "acme", nil },
		Features: func(_ context.Context, tenant, subject string, roles []string) (map[string]bool, error) {
			return map[string]bool{"notes": tenant == "acme" && subject == clinician && slices.Contains(roles, ScribeRole)}, nil
		}})
	a := api.New(api.Options{Logger: log})
	w.s.Register(a)
	w.srv = httptest.NewServer(a)
	t.Cleanup(w.srv.Close)
	return w
}

func admin(tenant string) actor.Principal {
	return actor.Principal{TenantID: tenant, UserID: "u-" + tenant, Permissions: actor.Permissions()}
}

func (w *world) ask(t *testing.T, auth ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest("GET", w.srv.URL+"/api/access/scribe/authorization", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range auth {
		r.Header.Add("Authorization", x)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b.String()
}

func TestScribe(t *testing.T) { sqldbtest.Each(t, testScribe) }

func testScribe(t *testing.T) {
	w := newWorld(t)
	hour := func(n int) *time.Time { at := w.clock.Add(time.Duration(n) * time.Hour); return &at }
	set := func(u Subscription) {
		t.Helper()
		if _, err := w.s.Set(t.Context(), admin("acme"), u); err != nil {
			t.Fatal(err)
		}
		w.Drain()
	}
	denied := func(what, reason string, auth ...string) {
		t.Helper()
		w.clock = w.clock.Add(2 * time.Minute)
		status, body := w.ask(t, auth...)
		if status != 403 || !strings.Contains(body, `"reason":"`+reason+`"`) || strings.Contains(body, "zebulon") {
			t.Errorf("%s: %d %s", what, status, body)
		}
		e := w.Drain()
		if len(e) != 1 || e[0].Action != "scribe.authorize" || e[0].Outcome.Status != "denied" || e[0].Outcome.Reason != reason {
			t.Errorf("%s: %+v", what, e)
		}
	}
	good := "Bearer good.."
	denied("no token", TokenMissing)
	denied("an API key", TokenMissing, "Bearer pk_7h2k9qxw_x")
	denied("two tokens", TokenMissing, good, good)
	denied("another scheme", TokenMissing, "Basic good..")
	denied("wrong signature", TokenInvalid, "Bearer wrong_signature..")
	denied("expired", TokenExpired, "Bearer expired..")
	denied("not yet", TokenNotYetValid, "Bearer not_yet_valid..")
	denied("issuer", IssuerNotTrusted, "Bearer unknown_issuer_or_audience..")
	denied("session", SessionEnded, "Bearer session_ended..")
	denied("nothing paid", SubscriptionMissing, good)
	set(Subscription{Status: "active"})
	denied("no role", RoleMissing, "Bearer roleless..")
	if status, body := w.ask(t, good); status != 200 || !strings.Contains(body, `"features":{"notes":true}`) || !strings.Contains(body, `"subscription":"active"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := w.ask(t, "Bearer globex.."); status != 403 {
		t.Errorf("acme pays for globex: %d", status)
	}
	w.Drain()
	for status, reason := range map[string]string{"past_due": SubscriptionInactive, "suspended": SubscriptionInactive, "cancelled": SubscriptionInactive} {
		set(Subscription{Subject: clinician, Status: status})
		denied(status, reason, good)
	}
	set(Subscription{Subject: clinician, Status: "trial", EndsAt: hour(-1)})
	denied("the trial is over", SubscriptionExpired, good)
	set(Subscription{Subject: clinician, Status: "active", StartsAt: hour(1)})
	denied("not begun", SubscriptionNotBegun, good)
	set(Subscription{Subject: clinician, Status: "trial", StartsAt: hour(-1), EndsAt: hour(1)})
	if status, body := w.ask(t, good); status != 200 || !strings.Contains(body, `"subscription":"trial"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := w.ask(t, "Bearer keys_unavailable.."); status != 503 {
		t.Errorf("undecided: %d %s", status, body)
	}
	if len(w.Drain()) != 0 {
		t.Error("what is allowed or undecided is no denied attempt")
	}
}

// TestFloodOfRefusals makes a thousand attempts, which are twenty events and one that counts.
func TestFloodOfRefusals(t *testing.T) {
	w := newWorld(t)
	for range 1000 {
		if _, err := w.s.Authorize(t.Context(), http.Header{}); errs.CodeOf(err) != errs.Forbidden {
			t.Fatal(err)
		}
	}
	if n := len(w.Events()); n != denial.PerMinute {
		t.Errorf("%d events", n)
	}
	w.Drain()
	w.clock = w.clock.Add(time.Minute)
	w.s.o.Denials.Flush(t.Context(), false)
	e := w.Drain()
	if len(e) != 1 || e[0].Action != "access.denials" || e[0].Data[0].Name != "denied" || string(e[0].Data[0].Value) != "980" || string(e[0].Data[1].Value) != `{"scribe.authorize token_missing":980}` {
		t.Errorf("%+v", e)
	}
	w.s.o.Denials.Flush(t.Context(), true)
	if len(w.Drain()) != 0 {
		t.Error("counted twice")
	}
}

func TestSubscriptions(t *testing.T) { sqldbtest.Each(t, testSubscriptions) }

func testSubscriptions(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.s.Set(ctx, admin("acme"), Subscription{Subject: clinician, Status: "trial"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Set(ctx, admin("acme"), Subscription{Subject: clinician, Status: "active"}); err != nil {
		t.Fatal(err)
	}
	e := w.Drain()
	if len(e) != 2 || e[0].Action != "subscription.create" || e[1].Action != "subscription.update" || string(e[1].Changes[0].Before) != `"trial"` || e[1].Subject.ID != clinician {
		t.Errorf("%+v", e)
	}
	if list, err := w.s.List(ctx, admin("acme")); err != nil || len(list) != 1 || list[0].Subject != clinician {
		t.Errorf("%+v %v", list, err)
	}
	if list, err := w.s.List(ctx, admin("globex")); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	if err := w.s.Remove(ctx, admin("globex"), clinician); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("globex removes acme's: %v", err)
	}
	reader := actor.Principal{TenantID: "acme", UserID: "u", Permissions: []string{actor.LedgerSearch}}
	if _, err := w.s.Set(ctx, reader, Subscription{Status: "active"}); errs.CodeOf(err) != errs.Forbidden {
		t.Error(err)
	}
	for name, b := range sqldbtest.Stored(t, w.db) {
		if bytes.Contains(b, []byte("zebulon")) {
			t.Errorf("the clinician is readable in %s", name)
		}
	}
	if err := w.s.Remove(ctx, admin("acme"), clinician); err != nil {
		t.Fatal(err)
	}
}
