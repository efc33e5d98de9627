package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"probity.dev/internal/config"
)

func TestHealth(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		code   int
		out    string
	}{
		"ready":       {200, `{"status":"ready"}`, 0, "ready\n"},
		"not ready":   {503, `{"status":"unavailable","detail":"every log is frozen"}`, 3, "every log is frozen"},
		"other thing": {200, `<html>`, 3, "no probity"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Error(r.URL.Path)
			}
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		}))
		var out, errOut bytes.Buffer
		code := run(context.Background(), []string{"health", "--listen", strings.TrimPrefix(server.URL, "http://")}, nil, &out, &errOut)
		if code != c.code || !strings.Contains(out.String()+errOut.String(), c.out) {
			t.Errorf("%s: %d %s %s", name, code, &out, &errOut)
		}
		server.Close()
		if code := run(context.Background(), []string{"health", "--listen", strings.TrimPrefix(server.URL, "http://")}, nil, &out, &errOut); code != 3 {
			t.Errorf("%s: with the server gone: %d", name, code)
		}
	}
	for listen, want := range map[string]string{":8780": "http://127.0.0.1:8780/readyz", "0.0.0.0:1": "http://127.0.0.1:1/readyz", "[::]:1": "http://[::1]:1/readyz", "10.0.0.7:80": "http://10.0.0.7:80/readyz"} {
		if got := readyURL(&config.Config{Listen: listen}); got != want {
			t.Errorf("%s: %s", listen, got)
		}
	}
	if got := readyURL(&config.Config{Listen: ":443", TLSCert: "x"}); got != "https://127.0.0.1:443/readyz" {
		t.Error(got)
	}
}
