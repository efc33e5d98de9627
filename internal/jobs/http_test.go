package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api/apitest"
	"probity.dev/internal/sqldb/sqldbtest"
)

func call(t *testing.T, a http.Handler, who, method, path string, status int, into any) string {
	t.Helper()
	text := apitest.Call(t, a, status, who, method, path, "")
	if into != nil {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	return text
}

func TestHTTP(t *testing.T) { sqldbtest.Each(t, testHTTP) }

func testHTTP(t *testing.T) {
	w := world1(t, Queue{Workers: 1}, Kind[task]{Attempts: 1, Work: func(_ context.Context, _ *Run, a task) error {
		if a.Name == "bad" {
			return errors.New("bad")
		}
		return nil
	}})
	viewer := by("a")
	viewer.Permissions = []string{actor.JobsView}
	a := apitest.Callers{"admin": by("a"), "viewer": viewer, "other": by("b"), "none": {TenantID: "a", UserID: "n"}}.API()
	w.s.Register(a)

	bad := w.enqueue("a", "bad", Enqueuing{})
	w.wait("a", bad, StateDead)
	var later []int64
	for range 5 {
		later = append(later, w.enqueue("a", "x", Enqueuing{At: time.Now().Add(time.Hour)}))
	}
	type page struct {
		Items []Job
		Next  string `json:"next_cursor"`
	}
	var got page
	call(t, a, "viewer", "GET", "/api/jobs?limit=4", 200, &got)
	if len(got.Items) != 4 || got.Items[0].ID != later[4] || got.Next == "" {
		t.Errorf("%+v", got)
	}
	cursor := got.Next
	got = page{}
	call(t, a, "viewer", "GET", "/api/jobs?limit=4&cursor="+cursor, 200, &got)
	if len(got.Items) != 2 || got.Items[1].ID != bad || got.Next != "" {
		t.Errorf("%+v", got)
	}
	got = page{}
	call(t, a, "viewer", "GET", "/api/jobs?state=dead&kind=test.task", 200, &got)
	if len(got.Items) != 1 || got.Items[0].ID != bad || len(got.Items[0].Errors) != 1 {
		t.Errorf("%+v", got)
	}
	if body := call(t, a, "other", "GET", "/api/jobs", 200, nil); !strings.Contains(body, `"items":[]`) {
		t.Error(body)
	}
	one := fmt.Sprintf("/api/jobs/%d", bad)
	waiting := fmt.Sprintf("/api/jobs/%d", later[0])
	for _, c := range []struct {
		who, method, path string
		status            int
	}{
		{"none", "GET", "/api/jobs", 403},
		{"viewer", "GET", "/api/jobs?state=lost", 400},
		{"viewer", "GET", "/api/jobs?cursor=x", 400},
		{"viewer", "GET", one, 200},
		{"other", "GET", one, 404},
		{"viewer", "POST", one + "/retry", 403},
		{"viewer", "DELETE", one, 403},
		{"viewer", "POST", waiting + "/cancel", 403},
		{"other", "DELETE", one, 404},
		{"other", "POST", waiting + "/cancel", 404},
		{"admin", "POST", one + "/cancel", 409},
		{"admin", "DELETE", waiting, 409},
		{"admin", "POST", one + "/retry", 200},
		{"admin", "POST", waiting + "/cancel", 200},
		{"admin", "POST", waiting + "/cancel", 409},
	} {
		call(t, a, c.who, c.method, c.path, c.status, nil)
	}
	w.wait("a", bad, StateDead)
	call(t, a, "admin", "DELETE", one, 204, nil)
	call(t, a, "admin", "GET", one, 404, nil)
	if got := strings.Join(w.recorded, " "); got != "job.retry job.cancel job.delete" {
		t.Errorf("recorded: %s", got)
	}
}
