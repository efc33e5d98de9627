package send

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"probity.dev/client"
	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

type localNames struct{}

func (localNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// service is a receiver that speaks as its documentation says. It keeps what it was sent.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	header http.Header
	body   []byte
	path   string
	answer func(w http.ResponseWriter, r *http.Request, body map[string]any)
}

func (s *service) url(path string) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "https://example.com:" + port + path
}

func (s *service) got(t *testing.T) map[string]any {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var m map[string]any
	if err := json.Unmarshal(s.body, &m); err != nil {
		t.Fatalf("%v: %s", err, s.body)
	}
	return m
}

func newService(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, body map[string]any)) (*service, *Sender) {
	t.Helper()
	s := &service{answer: answer}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var m map[string]any
		if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") || json.Unmarshal(b, &m) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		s.header, s.body, s.path = r.Header.Clone(), b, r.URL.Path
		s.mu.Unlock()
		s.answer(w, r, m)
	}))
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c, err := outbound.New(outbound.Options{Allow: []string{"example.com"}, RootCAs: roots, Resolver: localNames{}, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return s, &Sender{HTTP: c, Endpoints: Endpoints{Slack: s.url("/api/chat.postMessage"), PagerDutyUS: s.url("/v2/enqueue"), PagerDutyEU: s.url("/eu/v2/enqueue")}}
}

func message() *Message {
	return &Message{ID: "0198c1f2", Type: "export.failed", Severity: Error, Group: "export:e-1", Title: "Export <failed> & gone", Text: "The export could not be written.\n\nAsk for a new one.",
		Facts: []Fact{{"Export", "e-1"}, {"Rows", "12"}}, Link: "https://audit.example.com/exports", Sender: "audit.example.com · Klinik", At: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		Data: map[string]any{"cause": "e-1"}}
}

// dig follows names and indexes into decoded JSON.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func TestSlackWebhook(t *testing.T) {
	status, text := 200, "ok"
	s, sender := newService(t, func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
		if body["text"] == nil {
			status, text = 400, "no_text"
		}
		if status == 429 {
			w.Header().Set("Retry-After", "30")
		}
		w.WriteHeader(status)
		io.WriteString(w, text)
	})
	set := &Settings{URL: s.url("/services/T0/B0/SECRET")}
	if o := sender.Send(t.Context(), Slack, set, message()); !o.OK || o.Code != 200 {
		t.Fatalf("%+v", o)
	}
	got := s.got(t)
	if got["text"] != "Export <failed> & gone" || !strings.Contains(dig(got, "blocks", 0, "text", "text").(string), "*Export &lt;failed&gt; &amp; gone*") ||
		dig(got, "blocks", 1, "fields", 0, "text") != "*Export*\ne-1" || dig(got, "blocks", 2, "elements", 0, "url") != "https://audit.example.com/exports" {
		t.Errorf("%s", s.body)
	}
	for _, x := range []struct {
		status          int
		text            string
		permanent, gone bool
		after           time.Duration
	}{
		{429, "rate_limited", false, false, 30 * time.Second}, {500, "rollup_error", false, false, 0}, {400, "invalid_payload", true, false, 0}, {403, "invalid_token", true, true, 0},
		{404, "no_service", true, true, 0}, {410, "channel_is_archived", true, true, 0}, {302, "", false, false, 0},
	} {
		status, text = x.status, x.text
		o := sender.Send(t.Context(), Slack, set, message())
		if o.OK || o.Code != x.status || o.Permanent != x.permanent || o.Gone != x.gone || o.RetryAfter != x.after || o.Problem == "" {
			t.Errorf("%d %s: %+v", x.status, x.text, o)
		}
	}
}

func TestSlackPostMessage(t *testing.T) {
	answer := `{"ok":true,"channel":"C024BE91L","ts":"1503435956.000247"}`
	s, sender := newService(t, func(w http.ResponseWriter, r *http.Request, body map[string]any) {
		if r.Header.Get("Authorization") != "Bearer xoxb-1234567890-SECRET" {
			io.WriteString(w, `{"ok":false,"error":"invalid_auth"}`)
			return
		}
		if body["channel"] != "C024BE91L" {
			io.WriteString(w, `{"ok":false,"error":"channel_not_found"}`)
			return
		}
		io.WriteString(w, answer)
	})
	set := &Settings{Token: "xoxb-1234567890-SECRET", Channel: "C024BE91L"}
	if err := sender.Check(Slack, set); err != nil {
		t.Fatal(err)
	}
	if o := sender.Send(t.Context(), Slack, set, message()); !o.OK || s.path != "/api/chat.postMessage" {
		t.Fatalf("%+v", o)
	}
	for error, want := range map[string]Outcome{
		"ratelimited": {}, "internal_error": {}, "is_archived": {Permanent: true, Gone: true}, "invalid_auth": {Permanent: true, Gone: true}, "msg_too_long": {Permanent: true},
		"<script>alert</script>": {Permanent: true},
	} {
		answer = `{"ok":false,"error":"` + error + `"}`
		o := sender.Send(t.Context(), Slack, set, message())
		if o.OK || o.Permanent != want.Permanent || o.Gone != want.Gone || strings.Contains(o.Problem, "<") {
			t.Errorf("%s: %+v", error, o)
		}
	}
	answer = "<html>"
	if o := sender.Send(t.Context(), Slack, set, message()); o.OK || o.Permanent {
		t.Errorf("%+v", o)
	}
}

func TestDiscord(t *testing.T) {
	status, answer := 204, ""
	s, sender := newService(t, func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.WriteHeader(status)
		io.WriteString(w, answer)
	})
	set := &Settings{URL: s.url("/api/webhooks/1/SECRET")}
	if o := sender.Send(t.Context(), Discord, set, message()); !o.OK {
		t.Fatalf("%+v", o)
	}
	got := s.got(t)
	if dig(got, "embeds", 0, "title") != "Export <failed> & gone" || dig(got, "embeds", 0, "timestamp") != "2026-03-04T05:06:07Z" || dig(got, "embeds", 0, "fields", 1, "value") != "12" ||
		len(dig(got, "allowed_mentions", "parse").([]any)) != 0 {
		t.Errorf("%s", s.body)
	}
	status, answer = 429, `{"message": "You are being rate limited.", "retry_after": 64.57, "global": false}`
	if o := sender.Send(t.Context(), Discord, set, message()); o.OK || o.Permanent || o.RetryAfter != 64570*time.Millisecond {
		t.Errorf("%+v", o)
	}
	status, answer = 404, `{"message": "Unknown Webhook", "code": 10015}`
	if o := sender.Send(t.Context(), Discord, set, message()); !o.Gone || !o.Permanent {
		t.Errorf("%+v", o)
	}
	status, answer = 400, `{"embeds": ["0"]}`
	if o := sender.Send(t.Context(), Discord, set, message()); o.Gone || !o.Permanent {
		t.Errorf("%+v", o)
	}
}

func TestTeams(t *testing.T) {
	status := 202
	s, sender := newService(t, func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
		if dig(body, "type") != "message" || dig(body, "attachments", 0, "contentType") != "application/vnd.microsoft.card.adaptive" {
			w.WriteHeader(400)
			return
		}
		w.WriteHeader(status)
	})
	set := &Settings{URL: s.url("/workflows/SECRET/triggers/manual/paths/invoke")}
	if o := sender.Send(t.Context(), Teams, set, message()); !o.OK {
		t.Fatalf("%+v", o)
	}
	card := dig(s.got(t), "attachments", 0, "content")
	if dig(card, "type") != "AdaptiveCard" || dig(card, "body", 2, "facts", 0, "value") != "e-1" || dig(card, "actions", 0, "url") != "https://audit.example.com/exports" {
		t.Errorf("%s", s.body)
	}
	for code, permanent := range map[int]bool{429: false, 408: false, 502: false, 401: true, 404: true} {
		status = code
		if o := sender.Send(t.Context(), Teams, set, message()); o.OK || o.Permanent != permanent {
			t.Errorf("%d: %+v", code, o)
		}
	}
}

func TestPagerDuty(t *testing.T) {
	key := strings.Repeat("R0", 16)
	open := map[string]bool{}
	failing := 0
	s, sender := newService(t, func(w http.ResponseWriter, _ *http.Request, b map[string]any) {
		if failing != 0 {
			w.WriteHeader(failing)
			return
		}
		if b["routing_key"] != key || b["event_action"] == "trigger" && (dig(b, "payload", "summary") == nil || dig(b, "payload", "source") == nil || dig(b, "payload", "severity") == nil) {
			w.WriteHeader(400)
			io.WriteString(w, `{"status":"invalid event","message":"Event object is invalid","errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}`)
			return
		}
		open[b["dedup_key"].(string)] = b["event_action"] != "resolve"
		w.WriteHeader(202)
		fmt.Fprintf(w, `{"status":"success","message":"Event processed","dedup_key":%q}`, b["dedup_key"])
	})
	set := &Settings{RoutingKey: key}
	if err := sender.Check(PagerDuty, set); err != nil {
		t.Fatal(err)
	}
	m := message()
	for _, action := range []string{"", Acknowledge} {
		m.Action = action
		if o := sender.Send(t.Context(), PagerDuty, set, m); !o.OK || o.Code != 202 || !open["export:e-1"] {
			t.Fatalf("%+v %v", o, open)
		}
		if action == "" && (dig(s.got(t), "payload", "severity") != "error" || dig(s.got(t), "payload", "custom_details", "Rows") != "12" || dig(s.got(t), "links", 0, "href") == nil) {
			t.Errorf("%s", s.body)
		}
	}
	m.Action = Resolve
	if o := sender.Send(t.Context(), PagerDuty, &Settings{RoutingKey: key, Region: "eu"}, m); !o.OK || open["export:e-1"] || s.path != "/eu/v2/enqueue" {
		t.Errorf("%+v %v", o, open)
	}
	if o := sender.Send(t.Context(), PagerDuty, &Settings{RoutingKey: "wrong"}, m); !o.Permanent || o.Code != 400 || strings.Contains(o.Problem, "wrong") {
		t.Errorf("%+v", o)
	}
	for code, permanent := range map[int]bool{429: false, 500: false, 408: false, 403: true} {
		failing = code
		if o := sender.Send(t.Context(), PagerDuty, set, m); o.OK || o.Permanent != permanent {
			t.Errorf("%d: %+v", code, o)
		}
	}
}

// TestWebhook has the requests verified by the specification's own library and by our client's.
func TestWebhook(t *testing.T) {
	status := 200
	s, sender := newService(t, func(w http.ResponseWriter, _ *http.Request, _ map[string]any) { w.WriteHeader(status) })
	now, old, retired, other := NewKey(), NewKey(), NewKey(), NewKey()
	old.Until, retired.Until = time.Now().Add(time.Hour).UnixMicro(), time.Now().Add(-time.Second).UnixMicro()
	set := &Settings{URL: s.url("/hook"), Keys: []Key{now, old, retired}}
	if o := sender.Send(t.Context(), Webhook, set, message()); !o.OK {
		t.Fatalf("%+v", o)
	}
	for name, x := range map[string]struct {
		key  Key
		want bool
	}{"current": {now, true}, "previous": {old, true}, "retired": {retired, false}, "another": {other, false}} {
		wh, err := standardwebhooks.NewWebhook(x.key.SecretText())
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(s.body, s.header); (err == nil) != x.want {
			t.Errorf("%s: the specification's library says %v", name, err)
		}
		for _, k := range []string{x.key.SecretText(), x.key.PublicText()} {
			if id, err := client.VerifyWebhook(s.header, s.body, k); (err == nil) != x.want || x.want && id != "0198c1f2" {
				t.Errorf("%s %.6s: %q %v", name, k, id, err)
			}
		}
	}
	if _, err := client.VerifyWebhook(s.header, append(s.body, ' '), now.SecretText(), now.PublicText()); err == nil {
		t.Error("a changed body was accepted")
	}
	got := s.got(t)
	if got["type"] != "export.failed" || got["timestamp"] != "2026-03-04T05:06:07Z" || dig(got, "data", "cause") != "e-1" {
		t.Errorf("%s", s.body)
	}
	for code, want := range map[int]Outcome{410: {Permanent: true, Gone: true}, 400: {}, 404: {}, 429: {}, 500: {}, 301: {}} {
		status = code
		if o := sender.Send(t.Context(), Webhook, set, message()); o.OK || o.Permanent != want.Permanent || o.Gone != want.Gone {
			t.Errorf("%d: %+v", code, o)
		}
	}
}

func TestChecks(t *testing.T) {
	_, sender := newService(t, nil)
	for _, x := range []struct {
		kind  string
		set   Settings
		field string
	}{
		{Webhook, Settings{}, "/settings/url"}, {Webhook, Settings{URL: "http://example.org/SECRET"}, "/settings/url"}, {Discord, Settings{URL: "https://169.254.169.254/SECRET"}, "/settings/url"},
		{Teams, Settings{URL: "https://localhost/SECRET"}, "/settings/url"}, {Slack, Settings{URL: "https://10.0.0.1/SECRET"}, "/settings/url"}, {Slack, Settings{Token: "SECRET", Channel: "C024BE91L"}, "/settings/token"},
		{Slack, Settings{Token: "xoxb-1234567890", Channel: "no"}, "/settings/channel"}, {Slack, Settings{Token: "xoxb-1234567890", Channel: "#a", URL: "https://example.org/SECRET"}, "/settings/url"},
		{PagerDuty, Settings{RoutingKey: "SECRET"}, "/settings/routing_key"}, {PagerDuty, Settings{RoutingKey: strings.Repeat("a", 32), Region: "mars"}, "/settings/region"}, {"pigeon", Settings{}, "/kind"},
		{Email, Settings{Recipients: []string{"a@example.org"}}, "/kind"},
	} {
		err := sender.Check(x.kind, &x.set)
		e, ok := err.(*errs.Error)
		if !ok || e.Code != errs.Invalid || len(e.Fields) != 1 || e.Fields[0].Pointer != x.field || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s %+v: %v", x.kind, x.set, err)
		}
	}
	for want, x := range map[string]struct {
		kind string
		set  Settings
	}{"hooks.slack.com": {Slack, Settings{URL: "https://hooks.slack.com/services/SECRET"}}, "channel C024BE91L": {Slack, Settings{Token: "SECRET", Channel: "C024BE91L"}},
		"2 recipients": {Email, Settings{Recipients: []string{"a@b.c", "d@e.f"}}}, "events.eu.pagerduty.com": {PagerDuty, Settings{RoutingKey: "SECRET", Region: "eu"}}} {
		if got := Target(x.kind, &x.set); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestUnreachableReceivers has nobody listen, and looks for the secret in what is said about it.
func TestUnreachableReceivers(t *testing.T) {
	s, sender := newService(t, nil)
	url := s.url("/services/SECRET")
	s.Close()
	for _, kind := range []string{Slack, Discord, Teams, Webhook} {
		o := sender.Send(t.Context(), kind, &Settings{URL: url, Keys: []Key{NewKey()}}, message())
		if o.OK || o.Permanent || o.Code != 0 || strings.Contains(o.Problem, "SECRET") || strings.Contains(o.Problem, "example.com") {
			t.Errorf("%s: %+v", kind, o)
		}
	}
}
