package app

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
)

// TestWrongRecordIsTold edits evidence in the database and lets the nightly scrub, and then a person, verify: each time the channels hear of it, and the schedule that waits for it runs.
func TestWrongRecordIsTold(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	c := newCaller(t, a)
	admin := actor.System(tenant)
	if err := a.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.stopJobs()
	c.answer(t, admin, "POST", "/api/events?wait=checkpoint", purchase)
	c.answer(t, admin, "POST", "/api/notify/channels", `{"name":"Ops","kind":"webhook","topics":["log.*"],"settings":{"url":"https://hooks.probity.invalid/x"}}`)
	schedule := c.answer(t, admin, "POST", "/api/schedules", `{"name":"All of it","format":"csv","period":"all","timing":{"every":"event","event":"verification.failed"}}`)
	id := strings.Split(strings.Split(schedule, `"id":"`)[1], `"`)[0]
	err := a.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE hot_evidence SET body = substr(body, 1, length(body) - 1) || x'00'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	started := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			runs := c.answer(t, admin, "GET", "/api/schedules/"+id+"/runs", "")
			if strings.Count(runs, `"status":"started"`) == n {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(runs)
			}
		}
		if d := c.answer(t, admin, "GET", "/api/notify/deliveries", ""); strings.Count(d, `"kind":"log.verification_failed"`) != n {
			t.Errorf("want %d deliveries: %s", n, d)
		}
	}
	a.scrub(context.Background())
	started(1)
	if err := a.verifier.Start(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	started(2)
}
