package app

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
)

// TestNotifications follows an export from its request to the delivery that tells of it, through the whole server.
func TestNotifications(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	c := newCaller(t, a)
	admin := actor.System(tenant)
	if err := a.exports.Service.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer a.exports.Service.Close()
	if err := a.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.stopJobs()
	a.notify.Service.Start(context.Background())
	defer a.notify.Service.Close()
	// Nothing of this machine or the network around it can be reached.
	for _, url := range []string{"https://127.0.0.1:8780/", "https://localhost/", "https://169.254.169.254/latest/meta-data/"} {
		c.p = admin
		r := httptest.NewRequest("POST", "/api/notify/channels", strings.NewReader(`{"name":"x","kind":"webhook","settings":{"url":"`+url+`"}}`))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if c.Transport.(inProcess).h.ServeHTTP(w, r); w.Code != 400 || strings.Contains(w.Body.String(), "169.254") {
			t.Errorf("%s: %d %s", url, w.Code, w.Body)
		}
	}
	// The name does not exist, so that the delivery is tried and waits.
	c.answer(t, admin, "POST", "/api/notify/channels", `{"name":"Ops","kind":"webhook","topics":["export.*"],"settings":{"url":"https://hooks.probity.invalid/x"}}`)
	c.answer(t, admin, "POST", "/api/exports", `{"format":"csv"}`)
	deadline := time.Now().Add(20 * time.Second)
	for {
		body := c.answer(t, admin, "GET", "/api/notify/deliveries", "")
		if strings.Contains(body, `"kind":"export.ready"`) && strings.Contains(body, `"attempts":1`) && strings.Contains(body, `cannot be resolved`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(body)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if f := figures(t, a); f["probity_deliveries_waiting"] != 1 || f["probity_deliveries_dead"] != 0 || f["probity_scrape_error"] != 0 {
		t.Errorf("%v", f)
	}
	if err := a.watchOnce(context.Background(), map[string]bool{}); err != nil {
		t.Error(err)
	}
}
