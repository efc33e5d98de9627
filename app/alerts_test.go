package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/ledger/event"
	"probity.dev/notify/alert"
)

// TestAlertRules lets rules watch a real log: what is counted by whom, what an alert shows to whom, and that what alerts record raises none.
func TestAlertRules(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	c := newCaller(t, a)
	admin := actor.System(tenant)
	a.notify.Alerts.Start(context.Background())
	defer a.notify.Alerts.Close()
	rule := func(name, filter, by string, more int) {
		t.Helper()
		c.answer(t, admin, "POST", "/api/alert-rules", fmt.Sprintf(`{"name":%q,"filter":%s,"threshold":{"more_than":%d,"window_seconds":300,"group_by":%q},"cool_down_seconds":3600}`, name, filter, more, by))
	}
	rule("denied by one", `{"action":"door.*","outcome":"denied"}`, "actor", 20)
	rule("one address", `{"action":"door.*"}`, "address", 20)
	rule("one door", `{"action":"door.*","text":"enter"}`, "resource", 20)
	rule("by name", `{"actor":"u-ana"}`, "none", 41)
	rule("anything", `{}`, "none", 0)
	send := func(user string, n int) {
		t.Helper()
		for i := range n {
			c.answer(t, admin, "POST", "/api/events", fmt.Sprintf(`{"source":"gate","action":"door.enter","outcome":{"status":"denied"},"actor":{"type":"user","id":"u-%s","name":"%s Canary","email":"%s@example.org"},`+
				`"resource":{"type":"door","id":"d-%d","name":"Hall"},"context":{"ip":"192.0.2.%d"}}`, user, user, user, i%2, len(user)))
		}
	}
	send("ana", 42)
	send("bo", 20)
	var got []alert.Alert
	deadline := time.Now().Add(20 * time.Second)
	for len(got) < 6 {
		var page struct{ Items []alert.Alert }
		if err := json.Unmarshal([]byte(c.answer(t, admin, "GET", "/api/alerts", "")), &page); err != nil {
			t.Fatal(err)
		}
		if got = page.Items; time.Now().After(deadline) {
			t.Fatalf("%+v", got)
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(1200 * time.Millisecond) // for what should not come
	labels := map[string]bool{}
	for _, x := range got {
		labels[x.Rule+": "+x.Group] = true
		var e event.Event
		if text := c.answer(t, admin, "GET", fmt.Sprint("/api/events/", x.Samples[0]), ""); x.Rule != "anything" && (!strings.Contains(text, `"door.enter"`) || json.Unmarshal([]byte(text), &struct{}{}) != nil) {
			t.Errorf("%s %v", text, e)
		}
	}
	for _, want := range []string{"denied by one: ana Canary", "one address: 192.0.2.3", "one door: door/Hall", "by name: ", "anything: "} {
		if !labels[want] {
			t.Errorf("no alert %q among %v", want, labels)
		}
	}
	if list := c.answer(t, admin, "GET", "/api/alerts", ""); strings.Count(list, `"rule":`) != 6 {
		t.Error(list)
	}
	auditor := actor.Principal{TenantID: tenant, UserID: "u", Roles: []string{actor.RoleAuditor}, Permissions: actor.RolePermissions(actor.RoleAuditor)}
	if list := c.answer(t, auditor, "GET", "/api/alerts", ""); strings.Contains(list, "Canary") || strings.Contains(list, "192.0.2.3") {
		t.Error("personal values are shown to an auditor: " + list)
	}
	if fired := c.answer(t, admin, "GET", "/api/events?action=alert.fire", ""); strings.Count(fired, `"action":"alert.fire"`) != 6 {
		t.Error(fired)
	}
	if p := c.answer(t, admin, "POST", "/api/alert-rules/preview", `{"filter":{"action":"door.*"},"threshold":{"more_than":20,"window_seconds":300,"group_by":"actor"},"days":1}`); !strings.Contains(p, `"alerts":1,`) || !strings.Contains(p, `"matches":62`) {
		t.Error(p)
	}
}
