package selfaudit

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger/event"
)

// served returns the event that an operation makes of a request through a trusted proxy.
func served(t *testing.T, by actor.Principal) *event.Event {
	t.Helper()
	a := api.New(api.Options{Logger: slog.New(slog.DiscardHandler), Proxies: api.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}})
	var e *event.Event
	huma.Register(a, api.Op("do", "POST /api/do", "Do it", api.Public()), func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		e = New(ctx, by, "config", "thing.update", "update", event.Resource{Type: "thing", ID: "7"})
		return nil, nil
	})
	r := httptest.NewRequest("POST", "/api/do", nil)
	r.RemoteAddr = "10.0.0.1:5"
	r.Header.Set("X-Forwarded-For", "203.0.113.9, 198.51.100.7")
	r.Header.Set("User-Agent", "Browser/1")
	a.ServeHTTP(httptest.NewRecorder(), r)
	if e == nil {
		t.Fatal("the operation was not reached")
	}
	return e
}

func TestEveryHopIsKept(t *testing.T) {
	e := served(t, actor.Principal{TenantID: "t", UserID: "u-1", Roles: []string{actor.RoleAdmin}, IP: "198.51.100.7", UserAgent: "Browser/1", SessionID: "s-1"})
	if e.Actor.ID != "u-1" || !slices.Equal(e.Actor.Roles, []string{actor.RoleAdmin}) || e.Context.IP != "198.51.100.7" || e.Context.SessionID != "s-1" || e.Context.RequestID == "" || e.Resource.ID != "7" {
		t.Errorf("%+v", e)
	}
	if !slices.Contains(e.Context.ForwardedFor, "203.0.113.9") || !slices.Contains(e.Context.ForwardedFor, "10.0.0.1") {
		t.Errorf("hops are lost: %v", e.Context.ForwardedFor)
	}
}

func TestStrangersHaveAnAddress(t *testing.T) {
	if e := served(t, actor.Principal{TenantID: "t"}); e.Context.IP != "198.51.100.7" || e.Context.UserAgent != "Browser/1" {
		t.Errorf("%+v", e.Context)
	}
	if e := New(t.Context(), actor.System("t"), "config", "thing.update", "update", event.Resource{}); e.Context.IP != "" || e.Actor.Type != "system" {
		t.Errorf("outside of a request: %+v", e)
	}
}
