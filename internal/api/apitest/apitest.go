package apitest

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

// Callers are who may call, by name; everybody else is nobody. It is an api.Authenticator.
type Callers map[string]actor.Principal

// Authenticate implements api.Authenticator.
func (c Callers) Authenticate(_ context.Context, r *http.Request) (actor.Principal, error) {
	return c[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")], nil
}

// API returns an API that knows these callers and logs nothing.
func (c Callers) API() *api.API {
	return api.New(api.Options{Logger: slog.New(slog.DiscardHandler), Auth: c})
}

// Call makes a request as who, in process. The test fails unless the status is want.
func Call(t testing.TB, h http.Handler, want int, who, method, path, body string) string {
	t.Helper()
	rec := Do(h, who, method, path, body)
	if rec.Code != want {
		t.Fatalf("%s %s as %s: %d, want %d: %s", method, path, who, rec.Code, want, rec.Body)
	}
	return rec.Body.String()
}

// Do is Call for whatever status comes.
func Do(h http.Handler, who, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+who)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}
