package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/jobs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/verify"
)

// verificationIn waits until the newest verification of a tenant is in a state.
func verificationIn(t *testing.T, a *App, tenant, state string) *jobs.Job {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		list, _, err := a.jobs.List(t.Context(), tenant, jobs.Filter{Kind: verifyArgs{}.Kind(), Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 1 && list[0].State == state {
			return list[0]
		}
		if time.Now().After(deadline) {
			t.Fatalf("never %s: %+v", state, list)
		}
	}
}

func TestVerification(t *testing.T) { sqldbtest.Each(t, testVerification) }

func testVerification(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	c := newCaller(t, a)
	admin := actor.System(tenant)
	admin.UserID = "u-1"
	c.answer(t, admin, "POST", "/api/events?wait=checkpoint", purchase)
	// Asked for twice and by the clock, while it waits, it is one job.
	for range 2 {
		if s := c.answer(t, admin, "POST", "/api/log/verify", ""); !strings.Contains(s, `"running":true`) || !strings.Contains(s, `"last":null`) {
			t.Error(s)
		}
	}
	if err := a.verifier.scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := c.answer(t, admin, "GET", "/api/jobs?kind=verification", ""); strings.Count(list, `"id":`) != 1 {
		t.Error(list)
	}
	if err := a.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.stopJobs()
	j := verificationIn(t, a, tenant, jobs.StateDone)
	if j.Result != resultVerified || j.RequestedBy != "u-1" || j.Total == nil || j.Done != *j.Total || j.Done == 0 || string(j.Args) != "{}" {
		t.Errorf("%+v", j)
	}
	if s := c.answer(t, admin, "GET", "/api/log/verify", ""); !strings.Contains(s, `"running":false`) || !strings.Contains(s, `"ok":true`) {
		t.Error(s)
	}
	// Asked for again, it is done again.
	c.answer(t, admin, "POST", "/api/log/verify", "")
	if again := verificationIn(t, a, tenant, jobs.StateDone); again.ID == j.ID {
		t.Errorf("%+v", again)
	}
}

// TestVerificationCancelled stops a verification from the list of jobs.
func TestVerificationCancelled(t *testing.T) { sqldbtest.Each(t, testVerificationCancelled) }

func testVerificationCancelled(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	c := newCaller(t, a)
	admin := actor.System(tenant)
	a.verifier.check = func(ctx context.Context, _ string, told func(done, total uint64)) (*verify.Report, error) {
		told(3, 10)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err := a.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.stopJobs()
	c.answer(t, admin, "POST", "/api/log/verify", "")
	j := verificationIn(t, a, tenant, jobs.StateRunning)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s := c.answer(t, admin, "GET", "/api/log/verify", "")
		if strings.Contains(s, `"running":true,"done":3,"total":10`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(s)
		}
	}
	c.answer(t, admin, "POST", fmt.Sprintf("/api/jobs/%d/cancel", j.ID), "")
	if j = verificationIn(t, a, tenant, jobs.StateCancelled); j.Result != "" {
		t.Errorf("%+v", j)
	}
	if s := c.answer(t, admin, "GET", "/api/log/verify", ""); !strings.Contains(s, `"running":false`) || !strings.Contains(s, `"last":null`) {
		t.Error(s)
	}
}

// TestVerificationWithoutResult: what cannot be read is tried again, at once when somebody asks, and becomes a dead letter that is counted.
func TestVerificationWithoutResult(t *testing.T) { sqldbtest.Each(t, testVerificationWithoutResult) }

func testVerificationWithoutResult(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	c := newCaller(t, a)
	admin := actor.System(tenant)
	check := a.verifier.check
	a.verifier.check = func(context.Context, string, func(done, total uint64)) (*verify.Report, error) {
		return nil, errs.Wrap(errs.NotFound, errors.New("segment CANARY"), "a file is not there")
	}
	if err := a.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.stopJobs()
	c.answer(t, admin, "POST", "/api/log/verify", "")
	for n := range verifyAttempts - 1 {
		if j := verificationIn(t, a, tenant, jobs.StateRetrying); int(j.Attempt) != n+1 || strings.Contains(fmt.Sprint(j.Errors), "CANARY") {
			t.Fatalf("%+v", j)
		}
		if s := c.answer(t, admin, "GET", "/api/log/verify", ""); !strings.Contains(s, `"running":false`) {
			t.Error(s)
		}
		c.answer(t, admin, "POST", "/api/log/verify", "")
	}
	j := verificationIn(t, a, tenant, jobs.StateDead)
	if got := figures(t, a)["probity_scrub_failures_total"]; got != 1 || len(j.Errors) != verifyAttempts {
		t.Errorf("%v failures: %+v", got, j)
	}
	a.verifier.check = check
	c.answer(t, admin, "POST", "/api/log/verify", "")
	if again := verificationIn(t, a, tenant, jobs.StateDone); again.ID == j.ID {
		t.Errorf("%+v", again)
	}
}

// TestVerificationCrashed leaves a verification as a killed server does: it begins anew.
func TestVerificationCrashed(t *testing.T) { sqldbtest.Each(t, testVerificationCrashed) }

func testVerificationCrashed(t *testing.T) {
	a, tenant := opened(t, t.TempDir(), "", "")
	defer a.Close()
	if err := a.verifier.Start(t.Context(), tenant, ""); err != nil {
		t.Fatal(err)
	}
	err := a.db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE river_job SET state = 'running', attempt = 1`)
		if err == nil {
			_, err = tx.ExecContext(t.Context(), `UPDATE job SET owner = 'killed', lease_until = 1, units_done = 7, units_total = 9, updated_at = 1`)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := a.verifier.Status(t.Context(), tenant); err != nil || !s.Running || s.Done != 7 || s.Total != 9 {
		t.Errorf("%+v %v", s, err)
	}
	if err := a.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.stopJobs()
	if j := verificationIn(t, a, tenant, jobs.StateDone); j.Attempt != 2 || len(j.Errors) != 1 || j.Result != resultVerified {
		t.Errorf("%+v", j)
	}
}
