package faults

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/test/instance"
)

// canary is in everything that belongs to the second tenant.
const canary = "Xanthippe"

// TestTenantsApart asks with the keys of one tenant for everything that another has.
func TestTenantsApart(t *testing.T) { sqldbtest.Each(t, testTenantsApart) }

func testTenantsApart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	mine, other := two(t, dir)
	s := instance.Start(t, dir, mine.APIKey)
	theirs := s.As(other.APIKey)
	s.Append(batch("shop", 0, 20))
	own := fmt.Sprintf(`{"id":"theirs-1","source":"their.app","action":"secret.read","actor":{"id":"x1","name":"%[1]s Long","email":"%[1]s@example.org"},"resource":{"type":"vault","id":"v-1","name":"%[1]s"},`+
		`"subject":{"type":"patient","id":"p1","name":"%[1]s Short"},"context":{"ip":"198.51.100.77"},"correlation_id":"c-77","custom":{"mark":"%[1]s"}}`, canary)
	theirs.Post("/api/custom-fields", 201, map[string]any{"name": "mark", "type": "string", "description": canary}, nil)
	r := theirs.Append([]byte(own))
	if r.Accepted != 1 {
		t.Fatalf("%+v", r.Results[0].Error)
	}
	seq := r.FirstSeq
	export, _ := theirs.Export("ndjson", map[string]any{"source": "their.app"})
	var view, key struct{ ID, Secret string }
	theirs.Post("/api/views", 201, map[string]any{"name": canary, "query": "actor=" + canary}, &view)
	theirs.Post("/api/keys", 201, map[string]any{"name": canary, "scopes": []string{"ledger.search"}}, &key)
	log := theirs.State()

	nothing := func(method, path string, statuses ...int) {
		t.Helper()
		a := s.Do(method, path, []byte(`{}`), "Content-Type", "application/json")
		if bytes.Contains(bytes.ToLower(a.Body), []byte(strings.ToLower(canary))) || bytes.Contains(a.Body, []byte("theirs-1")) || bytes.Contains(a.Body, []byte(log.LogID)) && a.Status < 300 {
			t.Errorf("%s %s gives away another tenant's data: %.300s", method, path, a.Body)
		}
		for _, want := range statuses {
			if a.Status == want {
				return
			}
		}
		t.Errorf("%s %s: %d %.200s, want %v", method, path, a.Status, a.Body, statuses)
	}
	for _, q := range []string{"", "source=their.app", "actor=" + canary, "actor=" + canary + "@example.org", "actor=x1", "subject=p1", "person=" + canary, "resource=vault/v-1", "resource=patient/p1", "ip=198.51.100.77",
		"correlation_id=c-77", "text=" + canary, "field.mark=" + canary, "id=theirs-1", "action=secret.*", "tenant=" + other.TenantID, "tenant_id=" + other.TenantID} {
		nothing("GET", "/api/events?limit=1000&"+q, 200)
		nothing("GET", "/api/stats?"+q, 200)
	}
	for _, path := range []string{"/api/events/theirs-1", "/api/events/theirs-1/proof", fmt.Sprintf("/api/events/%d", seq+100), "/api/event-lookup?source=their.app&id=theirs-1", "/api/exports/" + export.ID, export.URL,
		"/api/log/" + log.LogID + "/checkpoint", "/api/log/" + log.LogID + "/keys", "/api/log/" + log.LogID + "/tile/0/000.p/1", "/api/log/" + log.LogID + "/tile/entries/000.p/1", "/api/log/" + log.LogID + "/consistency?from=1&to=2"} {
		nothing("GET", path, 404)
	}
	for _, path := range []string{"/api/persons?q=" + canary, "/api/persons?q=x1", "/api/views", "/api/custom-fields", "/api/settings", "/api/keys", "/api/users", "/api/exports", "/api/log", "/api/resources/vault/v-1/history"} {
		nothing("GET", path, 200)
	}
	nothing("DELETE", "/api/views/"+view.ID, 404, 204)
	nothing("DELETE", "/api/keys/"+key.ID, 404)
	nothing("DELETE", "/api/exports/"+export.ID, 404)
	nothing("DELETE", "/api/custom-fields/mark", 404)
	nothing("PUT", "/api/custom-fields/mark", 404, 400)
	handles(t, s, theirs)
	noStream(t, s, theirs, own)

	// And the other tenant still has it all.
	theirs.Get("/api/events/theirs-1", &view)
	if a := theirs.Do("GET", export.URL, nil); a.Status != 200 || !bytes.Contains(a.Body, []byte(canary)) {
		t.Errorf("their export: %d", a.Status)
	}
	if a := theirs.Do("GET", "/api/views", nil); !bytes.Contains(a.Body, []byte(canary)) {
		t.Errorf("their view is gone: %s", a.Body)
	}
	if a := s.As(key.Secret).Do("GET", "/api/events?source=their.app", nil); a.Status != 200 || !bytes.Contains(a.Body, []byte("theirs-1")) {
		t.Errorf("their key: %d %.200s", a.Status, a.Body)
	}
	sameKey(t, s, theirs)
}

// handles tries the numbers that stand for the other tenant's people.
func handles(t *testing.T, s, theirs *instance.Server) {
	t.Helper()
	var found struct{ Items []struct{ Handle int64 } }
	theirs.Get("/api/persons?q="+canary, &found)
	if len(found.Items) == 0 {
		t.Fatal("they do not find their own people")
	}
	for _, p := range found.Items {
		for _, role := range []string{"actor", "subject", "person"} {
			if n := s.Count(fmt.Sprintf("%s=handle:%d", role, p.Handle)); n != 0 {
				t.Errorf("%s handle:%d of another tenant finds %d events", role, p.Handle, n)
			}
		}
	}
}

// noStream follows the log live while the other tenant records.
func noStream(t *testing.T, s, theirs *instance.Server, own string) {
	t.Helper()
	c := dial(t, s, "GET /api/events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+s.Key+"\r\n\r\n")
	time.Sleep(50 * time.Millisecond)
	theirs.Append([]byte(strings.Replace(own, "theirs-1", "theirs-2", 1)))
	s.Append(batch("live", 0, 1))
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	for sc := bufio.NewScanner(resp.Body); sc.Scan(); {
		if strings.Contains(sc.Text(), canary) || strings.Contains(sc.Text(), "theirs-2") {
			t.Errorf("the stream shows another tenant's event: %s", sc.Text())
		}
		if strings.Contains(sc.Text(), `"source":"live"`) {
			return
		}
	}
	t.Error("the stream does not show our own event")
}

// sameKey has both tenants use the same ids and idempotency keys, which must not meet.
func sameKey(t *testing.T, s, theirs *instance.Server) {
	t.Helper()
	for _, x := range []*instance.Server{s, theirs} {
		a := x.Do("POST", "/api/events", []byte(`{"id":"same","source":"same","action":"a.read","data":{"key":"`+url.QueryEscape(x.Key[len(x.Key)-4:])+`"}}`), "Content-Type", "application/json", "Idempotency-Key", "same")
		if a.Status != 201 || a.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("the same id in another tenant: %d %s", a.Status, a.Body)
		}
	}
}
