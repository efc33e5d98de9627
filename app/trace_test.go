package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/config"
)

// TestSpans demands a span of its own for what a request does, and for what is done for many, without a value of an event in any.
func TestSpans(t *testing.T) {
	var mu sync.Mutex
	var spans strings.Builder
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		spans.Write(b)
	}))
	defer collector.Close()
	cfg := config.Defaults()
	cfg.Data, cfg.OTLPEndpoint, cfg.SealAfter = filepath.Join(t.TempDir(), "data"), collector.URL, 100*time.Millisecond
	founded, err := Init(context.Background(), cfg, InitOptions{Tenant: "T", Email: "admin@example.com", Name: "A", KeyName: "k"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(context.Background(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	c := newCaller(t, a)
	admin := actor.System(founded.TenantID)
	c.answer(t, admin, "POST", "/api/events?wait=checkpoint", purchase)
	c.answer(t, admin, "GET", "/api/events?text=whoever", "")
	if err := a.exports.Service.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := a.jobs.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	c.answer(t, admin, "POST", "/api/exports", `{"format":"csv"}`)
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		h, err := a.Ledger.Head(context.Background(), founded.TenantID)
		if err != nil {
			t.Fatal(err)
		}
		if h.Sealed > 0 && strings.Contains(c.answer(t, admin, "GET", "/api/exports", ""), `"download_url"`) {
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatal(h.Sealed, c.answer(t, admin, "GET", "/api/exports", ""))
		}
	}
	if err := a.stopJobs(); err != nil {
		t.Error(err)
	}
	a.exports.Service.Close()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	got := spans.String()
	for _, name := range []string{"POST /api/events", "ledger.append", "ledger.commit", "ledger.checkpoint", "ledger.seal", "ledger.search", "export.records", "probity.request_id"} {
		if !strings.Contains(got, name) {
			t.Errorf("no span says %s", name)
		}
	}
	for _, value := range []string{"whoever", "example.com", "zephyrine", "pet.buy"} {
		if strings.Contains(got, value) {
			t.Errorf("a span holds %q", value)
		}
	}
}
