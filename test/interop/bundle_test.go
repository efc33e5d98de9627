package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"probity.dev/internal/tlog"
	"probity.dev/verify"
)

// TestBundlesOfARealServer exports bundles through the API and checks each with nothing but the file and the key. It needs a real server,
// whose newest events are those that start sends.
func TestBundlesOfARealServer(t *testing.T) {
	if os.Getenv("PROBITY_BIN") == "" {
		t.Skip("PROBITY_BIN is not set")
	}
	g := open(t)
	keys, err := tlog.ParseKeys(g.vkey)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		body   string
		events uint64
		kind   string
	}{
		{"an action", `{"format":"bundle","filter":{"action":["invoice.update"]}}`, 3000, "proven"},
		{"an actor", `{"format":"bundle","filter":{"actor":["u4"],"source":["interop"]}}`, 333, "proven"},
		{"a resource", `{"format":"bundle","filter":{"resource":["invoice/42"]}}`, 60, "proven"},
		{"free text", `{"format":"bundle","filter":{"text":"u4@example.com","source":["interop"]}}`, 333, "claimed"},
		{"inclusion proofs", `{"format":"bundle","proof":"inclusion","filter":{"resource":["invoice/42"]}}`, 60, "claimed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := g.export(t, c.body)
			r, err := verify.Bundle(context.Background(), path, verify.Options{Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			if !r.OK || r.Bundle.Events != c.events || r.Bundle.Completeness != c.kind {
				t.Errorf("want %d events, %s\n%s", c.events, c.kind, r)
			}
		})
	}
}

// TestMaskedBundleOfARealServer exports as somebody who may not see personal data.
func TestMaskedBundleOfARealServer(t *testing.T) {
	if os.Getenv("PROBITY_BIN") == "" {
		t.Skip("PROBITY_BIN is not set")
	}
	g := open(t)
	keys, err := tlog.ParseKeys(g.vkey)
	if err != nil {
		t.Fatal(err)
	}
	var key struct {
		Secret string `json:"secret"`
	}
	req, err := http.NewRequest(http.MethodPost, g.server+"/api/keys", bytes.NewBufferString(`{"name":"masked","scopes":["ledger.search","exports.create"]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := json.Unmarshal(g.do(t, req, http.StatusCreated), &key); err != nil {
		t.Fatal(err)
	}
	g.token = key.Secret
	path := g.export(t, `{"format":"bundle","filter":{"source":["interop"]}}`)
	r, err := verify.Bundle(context.Background(), path, verify.Options{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || r.Bundle.Events != 3000 || r.Bundle.Completeness != "proven" || r.Bundle.Claims+r.Bundle.Withheld == 0 {
		t.Errorf("%s", r)
	}
	t.Logf("\n%s", r)
}

// export asks for an export, waits for it and downloads the file.
func (g *target) export(t *testing.T, body string) string {
	t.Helper()
	var e struct {
		ID     string `json:"id"`
		Status string `json:"status"`
		Error  string `json:"error"`
	}
	req, err := http.NewRequest(http.MethodPost, g.server+"/api/exports", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if err := json.Unmarshal(g.do(t, req, http.StatusAccepted), &e); err != nil {
		t.Fatal(err)
	}
	g.await(t, func() bool {
		if err := json.Unmarshal(g.get(t, g.server+"/api/exports/"+e.ID), &e); err != nil {
			t.Fatal(err)
		}
		if e.Status == "failed" {
			t.Fatalf("the export failed: %s", e.Error)
		}
		return e.Status == "done"
	})
	path := filepath.Join(t.TempDir(), "bundle.zip")
	if err := os.WriteFile(path, g.get(t, g.server+"/api/exports/"+e.ID+"/file"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
