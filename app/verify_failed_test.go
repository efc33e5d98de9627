package app

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb/sqldbtest"
)

// TestWrongRecordIsTold edits evidence in the database and lets the nightly scrub, and then a person, verify: each time the channels hear of it, and the schedule that waits for it runs.
func TestWrongRecordIsTold(t *testing.T) { sqldbtest.Each(t, testWrongRecordIsTold) }

func testWrongRecordIsTold(t *testing.T) {
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
		edit := `UPDATE hot_evidence SET body = substr(body, 1, length(body) - 1) || x'00'`
		if a.db.Shared() { // where a trigger is in the way of everybody but the owner
			edit = `ALTER TABLE hot_evidence DISABLE TRIGGER USER; UPDATE hot_evidence SET body = substr(body, 1, length(body) - 1) || '\x00'::bytea`
		}
		_, err := tx.ExecContext(t.Context(), edit)
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
	if err := a.verifier.scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	started(1)
	// It is done, and says so: tried again, it would find the same.
	if j := verificationIn(t, a, tenant, jobs.StateDone); j.Result != resultWrong || j.Attempt != 1 || j.RequestedBy != "" {
		t.Errorf("%+v", j)
	}
	c.answer(t, admin, "POST", "/api/log/verify", "")
	started(2)
	if log := c.answer(t, admin, "GET", "/api/log", ""); !strings.Contains(log, `"ok":false`) {
		t.Error(log)
	}
}
