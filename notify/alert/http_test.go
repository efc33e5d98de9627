package alert

import (
	"fmt"
	"strings"
	"testing"

	"probity.dev/internal/sqldb/sqldbtest"
)

func TestAPI(t *testing.T) { sqldbtest.Each(t, testAPI) }

func testAPI(t *testing.T) {
	w := newWorld(t)
	call := w.serve()
	soc := w.channel("SOC")
	body := func(extra string) string { return `{"name":"Denied","filter":{"action":"door.denied"}` + extra + `}` }
	threshold := `,"threshold":{"more_than":1,"window_seconds":60,"group_by":"actor"},"cool_down_seconds":0,"severity":"critical"`
	made := call(201, "admin", "POST", "/api/alert-rules", body(threshold+`,"channels":["`+soc.ID+`"]`))
	id := made["id"].(string)
	for _, c := range []struct {
		body, pointer string
	}{
		{body(`,"severity":"fatal"`), "severity"}, {body(`,"cool_down_seconds":-1`), "cool_down_seconds"}, {body(`,"threshold":{"more_than":-1,"window_seconds":60}`), "more_than"},
		{body(`,"threshold":{"more_than":1,"window_seconds":0}`), "window_seconds"}, {body(`,"threshold":{"more_than":1,"window_seconds":60,"group_by":"moon"}`), "group_by"},
		{body(`,"channels":["none"]`), "/channels"}, {`{"name":" ","filter":{}}`, "/name"}, {`{"name":"x","filter":{"from":"2026-01-01"}}`, "/filter"}, {`{"name":"x","filter":{"actoin":"y"}}`, "/filter"},
		{`{"name":"x","filter":[]}`, ""}, {body(`,"nonsense":1`), "nonsense"},
	} {
		p := call(400, "admin", "POST", "/api/alert-rules", c.body)
		if p["code"] == nil || p["status"] != 400.0 || !strings.Contains(p["raw"].(string), c.pointer) {
			t.Errorf("%s: %s", c.body, p["raw"])
		}
	}
	// Who may do what, and whose it is.
	for _, who := range []string{"auditor", "writer"} {
		call(403, who, "POST", "/api/alert-rules", body(""))
		call(403, who, "PUT", "/api/alert-rules/"+id, body(""))
		call(403, who, "DELETE", "/api/alert-rules/"+id, "")
		call(403, who, "POST", "/api/alert-rules/preview", `{}`)
		call(403, who, "POST", "/api/alert-rules/"+id+"/mute", `{}`)
	}
	call(403, "writer", "GET", "/api/alerts", "")
	call(404, "other", "GET", "/api/alert-rules/"+id, "")
	call(404, "other", "PUT", "/api/alert-rules/"+id, body(""))
	call(404, "other", "DELETE", "/api/alert-rules/"+id, "")
	call(404, "other", "POST", "/api/alert-rules/"+id+"/mute", `{}`)
	if l := call(200, "other", "GET", "/api/alert-rules", ""); strings.Contains(l["raw"].(string), id) {
		t.Error(l["raw"])
	}
	for i := range 6 {
		w.happen("door.denied", fmt.Sprint("u", i/2))
	}
	w.turn()
	// Pages, newest first, without a gap.
	var seen []string
	for cursor := ""; ; {
		page := call(200, "auditor", "GET", "/api/alerts?limit=2&cursor="+cursor, "")
		for _, x := range page["items"].([]any) {
			a := x.(map[string]any)
			seen = append(seen, a["id"].(string))
			if a["group"] != "masked" || a["severity"] != "critical" {
				t.Errorf("%v", a)
			}
		}
		var more bool
		if cursor, more = page["next_cursor"].(string); !more {
			break
		}
	}
	if len(seen) != 3 {
		t.Fatalf("%v", seen)
	}
	call(400, "admin", "GET", "/api/alerts?state=loud", "")
	call(400, "admin", "GET", "/api/alerts?severity=loud", "")
	call(400, "admin", "GET", "/api/alerts?cursor=x", "")
	call(404, "other", "GET", "/api/alerts/"+seen[0], "")
	call(404, "other", "POST", "/api/alerts/"+seen[0]+"/acknowledge", `{}`)
	call(200, "auditor", "GET", "/api/alerts/"+seen[0], "")
	if a := call(200, "admin", "POST", "/api/alerts/"+seen[0]+"/acknowledge", `{"note":"seen"}`); a["state"] != "acknowledged" || a["note"] != "seen" {
		t.Error(a["raw"])
	}
	call(409, "admin", "POST", "/api/alerts/"+seen[0]+"/acknowledge", `{}`)
	if l := call(200, "admin", "GET", "/api/alerts?state=acknowledged&severity=critical&rule_id="+id, ""); len(l["items"].([]any)) != 1 {
		t.Error(l["raw"])
	}
	if p := call(200, "admin", "POST", "/api/alert-rules/preview", `{"filter":{"action":["door.denied"]},"threshold":{"more_than":1,"window_seconds":60,"group_by":"actor"}}`); p["alerts"] != 3.0 {
		t.Error(p["raw"])
	}
	if r := call(200, "admin", "POST", "/api/alert-rules/"+id+"/mute", `{"until":"2026-03-01T18:00:00Z"}`); r["muted_until"] != "2026-03-01T18:00:00Z" {
		t.Error(r["raw"])
	}
	call(400, "admin", "POST", "/api/alert-rules/"+id+"/mute", `{"until":"2036-03-01T18:00:00Z"}`)
	if r := call(200, "admin", "POST", "/api/alert-rules/"+id+"/mute", `{}`); r["muted_until"] != nil {
		t.Error(r["raw"])
	}
	if r := call(200, "admin", "PUT", "/api/alert-rules/"+id, body(`,"enabled":false`)); r["enabled"] != false || r["threshold"] != nil {
		t.Error(r["raw"])
	}
	call(204, "admin", "DELETE", "/api/alert-rules/"+id, "")
	call(404, "admin", "GET", "/api/alert-rules/"+id, "")
}
