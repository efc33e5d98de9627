package app

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/config"
	"probity.dev/internal/sqldb/sqldbtest"
)

// TestHoldsOverHTTP places, lists and releases a legal hold as an admin does. A schedule that waits for one runs once for each that is placed.
func TestHoldsOverHTTP(t *testing.T) { sqldbtest.Each(t, testHoldsOverHTTP) }

func testHoldsOverHTTP(t *testing.T) {
	s := blobtest.Start(t)
	at := s.Bucket(true, 0)
	k := newKeyring(t, "", func(c *config.Config) {
		c.Storage, c.StorageAccessKey, c.StorageSecretKey, c.StorageLock = "s3://"+at.Bucket+"?endpoint=http://"+s.Address, s.AccessKey, s.SecretKey, "governance"
	})
	k.append()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if h, err := k.Ledger.Head(t.Context(), k.tenant); err == nil && h.Published == h.Next {
			break
		}
	}
	if err := k.Ledger.Seal(context.Background(), k.tenant, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := k.jobs.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer k.stopJobs()
	var hold struct {
		ID, State, Reason string
		Objects           int
		Pending           bool
	}
	ask := func(method, path, body string, want int) {
		t.Helper()
		code, text := k.ask(method, path, body)
		if code != want || code/100 == 2 && json.Unmarshal([]byte(text), &hold) != nil {
			t.Fatalf("%s %s: %d %s", method, path, code, text)
		}
	}
	ask("POST", "/api/schedules", `{"name":"For the matter","format":"csv","period":"all","timing":{"every":"event","event":"evidence.hold_placed"}}`, http.StatusCreated)
	runs := "/api/schedules/" + hold.ID + "/runs"
	ask("POST", "/api/evidence/holds", `{"reason":"matter 14"}`, http.StatusCreated)
	if hold.State != "active" || hold.Pending || hold.Objects != 1 || hold.Reason != "matter 14" {
		t.Errorf("%+v", hold)
	}
	ask("POST", "/api/evidence/holds", `{"reason":""}`, http.StatusBadRequest)
	ask("POST", "/api/evidence/holds", `{"reason":"x","first_seq":5,"end_seq":5}`, http.StatusBadRequest)
	ask("POST", "/api/evidence/holds/none/release", `{"reason":"x"}`, http.StatusNotFound)
	ask("POST", "/api/evidence/holds/"+hold.ID+"/release", `{"reason":"closed"}`, http.StatusOK)
	if hold.State != "released" || hold.Pending {
		t.Errorf("%+v", hold)
	}
	ask("POST", "/api/evidence/holds/"+hold.ID+"/release", `{"reason":"closed"}`, http.StatusConflict)
	if code, text := k.ask("GET", "/api/evidence/holds", ""); code != http.StatusOK || !strings.Contains(text, `"placed_by"`) || !strings.Contains(text, `"possible":true`) || strings.Count(text, `"released"`) != 1 {
		t.Errorf("%d %s", code, text)
	}
	if k.recorded("evidence.*") != 2 {
		t.Error("the hold and its release are not in the log")
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, text := k.ask("GET", runs, "")
		if strings.Count(text, `"status":"started"`) == 1 && strings.Count(text, `"cause":"event"`) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("not one run for the hold that was placed: " + text)
		}
	}
}

// TestFolderSaysItCannotHold demands that whoever lists holds learns that none can be placed.
func TestFolderSaysItCannotHold(t *testing.T) {
	k := newKeyring(t, "")
	if code, text := k.ask("GET", "/api/evidence/holds", ""); code != http.StatusOK || !strings.Contains(text, `"possible":false`) {
		t.Errorf("%d %s", code, text)
	}
	if code, text := k.ask("POST", "/api/evidence/holds", `{"reason":"matter 14"}`); code != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", code, text)
	}
}
