package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
)

func TestHTTP(t *testing.T) { sqldbtest.Each(t, testHTTP) }

func testHTTP(t *testing.T) {
	w := newWorld(t)
	w.start()
	call := w.serve()
	body := map[string]any{"name": "Ops", "kind": "webhook", "topics": []string{"export.*"}, "settings": map[string]any{"url": w.url("/SECRETPATH")}}
	made := call(201, "admin", "POST", "/api/notify/channels", body)
	id := made["id"].(string)
	secret := made["secret"].(string)
	if !strings.HasPrefix(secret, "whsec_") || made["target"] != "example.com" || strings.Contains(made["raw"].(string), "SECRETPATH") {
		t.Error(made["raw"])
	}
	path := "/api/notify/channels/" + id
	for _, answer := range []map[string]any{call(200, "auditor", "GET", path, nil), call(200, "auditor", "GET", "/api/notify/channels", nil), call(200, "admin", "PATCH", path, map[string]any{"name": "On call"})} {
		if raw := answer["raw"].(string); strings.Contains(raw, "SECRETPATH") || strings.Contains(raw, secret) || !strings.Contains(raw, "whpk_") {
			t.Error(raw)
		}
	}
	rotated := call(200, "admin", "POST", path+"/key", nil)
	if rotated["secret"] == secret || len(rotated["public_keys"].([]any)) != 2 {
		t.Error(rotated["raw"])
	}
	if d := call(200, "admin", "POST", path+"/test", nil); d["status"] != "delivered" || len(d["history"].([]any)) != 1 || d["kind"] != "channel.test" {
		t.Error(d["raw"])
	}
	if got := call(200, "admin", "PATCH", path, map[string]any{"muted_until": time.Now().Add(time.Hour)}); got["muted_until"] == nil {
		t.Error(got["raw"])
	}
	if got := call(200, "admin", "PATCH", path, map[string]any{"muted_until": time.Now().Add(-time.Hour)}); got["muted_until"] != nil {
		t.Error(got["raw"])
	}
	call(200, "admin", "PATCH", path, map[string]any{"paused": true})
	w.say(ready("e-1"))
	letters := call(200, "auditor", "GET", "/api/notify/dead-letters?channel_id="+id, nil)["items"].([]any)
	if len(letters) != 1 {
		t.Fatal(letters)
	}
	letter := letters[0].(map[string]any)["id"].(string)
	call(409, "admin", "POST", "/api/notify/dead-letters/"+letter+"/replay", nil)
	call(200, "admin", "PATCH", path, map[string]any{"paused": false})
	if got := call(200, "admin", "POST", "/api/notify/dead-letters/"+letter+"/replay", nil); got["replayed"] != 1.0 {
		t.Error(got["raw"])
	}
	w.until("the replay", func() bool {
		return call(200, "auditor", "GET", "/api/notify/deliveries/"+letter, nil)["status"] == "delivered"
	})
	call(404, "admin", "POST", "/api/notify/dead-letters/replay", map[string]any{"channel_id": id})
	if kinds := call(200, "auditor", "GET", "/api/notify/kinds", nil)["items"].([]any); len(kinds) != len(Kinds()) {
		t.Error(kinds)
	}
	call(204, "admin", "DELETE", path, nil)
	call(404, "admin", "GET", path, nil)
}

func TestPages(t *testing.T) { sqldbtest.Each(t, testPages) }

func testPages(t *testing.T) {
	w := newWorld(t)
	call := w.serve()
	w.webhook("/a")
	for i := range 7 {
		w.say(ready(fmt.Sprintf("e-%d", i)))
	}
	seen := map[string]bool{}
	cursor := ""
	for range 4 {
		page := call(200, "auditor", "GET", "/api/notify/deliveries?limit=3&cursor="+cursor, nil)
		for _, d := range page["items"].([]any) {
			seen[d.(map[string]any)["id"].(string)] = true
		}
		next, more := page["next_cursor"].(string)
		if !more {
			break
		}
		cursor = next
	}
	if len(seen) != 7 {
		t.Errorf("%d deliveries", len(seen))
	}
	for _, bad := range []string{"cursor=x", "cursor=-1_x", "status=lost"} {
		call(400, "auditor", "GET", "/api/notify/deliveries?"+bad, nil)
	}
}

// TestWhoMay calls every operation as everybody: a reader, somebody without the permission, nobody, and the administrator of another tenant.
func TestWhoMay(t *testing.T) { sqldbtest.Each(t, testWhoMay) }

func testWhoMay(t *testing.T) {
	w := newWorld(t)
	w.start()
	call := w.serve()
	c, _ := w.webhook("/a")
	yes := true
	if _, err := w.s.Update(t.Context(), admin, c.ID, ChannelChange{Paused: &yes}); err != nil {
		t.Fatal(err)
	}
	w.say(ready("e-1"))
	letter := w.status(c.ID, 0, statusDead).ID
	body := map[string]any{"name": "x", "kind": "webhook", "settings": map[string]any{"url": w.url("/x")}}
	for _, op := range []struct {
		method, path string
		body         any
		auditor      int
		other        int
	}{
		{"GET", "/api/notify/kinds", nil, 200, 200},
		{"GET", "/api/notify/channels", nil, 200, 200}, {"POST", "/api/notify/channels", body, 403, 201},
		{"GET", "/api/notify/channels/" + c.ID, nil, 200, 404}, {"PATCH", "/api/notify/channels/" + c.ID, map[string]any{"name": "y"}, 403, 404},
		{"POST", "/api/notify/channels/" + c.ID + "/test", nil, 403, 404}, {"POST", "/api/notify/channels/" + c.ID + "/key", nil, 403, 404},
		{"GET", "/api/notify/deliveries", nil, 200, 200}, {"GET", "/api/notify/deliveries/" + letter, nil, 200, 404}, {"GET", "/api/notify/dead-letters", nil, 200, 200},
		{"POST", "/api/notify/dead-letters/replay", map[string]any{"channel_id": c.ID}, 403, 404}, {"POST", "/api/notify/dead-letters/" + letter + "/replay", nil, 403, 404},
		{"DELETE", "/api/notify/dead-letters/" + letter, nil, 403, 404}, {"DELETE", "/api/notify/channels/" + c.ID, nil, 403, 404},
	} {
		call(op.auditor, "auditor", op.method, op.path, op.body)
		call(403, "writer", op.method, op.path, op.body)
		call(401, "nobody", op.method, op.path, op.body)
		if got := call(op.other, "other", op.method, op.path, op.body)["raw"].(string); strings.Contains(got, c.ID) && op.method == "GET" {
			t.Errorf("another tenant sees it: %s", got)
		}
	}
	if d := w.status(c.ID, 0, statusDead); d.Attempts != 0 {
		t.Errorf("%+v", d)
	}
}

func TestRefusedSettings(t *testing.T) { sqldbtest.Each(t, testRefusedSettings) }

func testRefusedSettings(t *testing.T) {
	w := newWorld(t)
	call := w.serve()
	for _, body := range []string{
		`{"name":"x","kind":"webhook","settings":{"url":"https://169.254.169.254/SECRET"}}`, `{"name":"x","kind":"webhook","settings":{"url":"http://8.8.8.8/SECRET"}}`, `{"name":"x","kind":"webhook","settings":{}}`,
		`{"name":" ","kind":"webhook","settings":{"url":"https://8.8.8.8/"}}`, `{"name":"x","kind":"webhook","topics":["invoice.paid"],"settings":{"url":"https://8.8.8.8/"}}`,
		`{"name":"x","kind":"email","settings":{"recipients":["SECRET@example.org"]}}`, `{"name":"x","kind":"slack","settings":{"token":"SECRET","channel":"C024BE91L"}}`,
	} {
		var v map[string]any
		mustJSON(t, body, &v)
		got := call(400, "admin", "POST", "/api/notify/channels", v)["raw"].(string)
		if strings.Contains(got, "SECRET") {
			t.Errorf("the answer repeats a secret: %s", got)
		}
	}
	if strings.Contains(w.logs.String(), "SECRET") {
		t.Error("the log holds a secret")
	}
}

func mustJSON(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatal(err)
	}
}
