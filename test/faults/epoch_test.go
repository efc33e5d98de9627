package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/tlog"
	"probity.dev/test/instance"
	"probity.dev/verify"
)

// TestNewEpoch loses events by a restore and goes on: a frozen log, the operator's decision, and a log that works again and says what was lost.
func TestNewEpoch(t *testing.T) {
	dir, backup := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "backup")
	founded := instance.Init(t, dir)
	s := instance.Start(t, dir, founded.APIKey)
	s.Append(batch("shop", 0, 300))
	s.Leaves()
	s.Stop()
	instance.CopyDir(t, dir, backup)
	oldKeys, err := tlog.ParseKeys(founded.VKey)
	if err != nil {
		t.Fatal(err)
	}
	s = instance.Start(t, dir, founded.APIKey, "--seal-after", "100ms")
	receipt := s.Append(batch("shop", 300, 200))
	s.Until(15*time.Second, "events were sealed", func() bool { st := s.State(); return st.SealedSize == st.Size && st.Checkpoint.Size == st.Size })
	lost := s.State()
	s.Stop()
	state := filepath.Join(t.TempDir(), "state")
	instance.VerifyDir(t, dir, verify.Options{Keys: oldKeys, State: state})

	put(t, backup, dir, "probity.db")
	held := restoredSize(t, dir, founded.APIKey)
	if _, errOut, code := instance.Run(t, "log", "new-epoch", "--data", dir, "--reason", "disk died"); code != 2 || !strings.Contains(errOut, "--yes") {
		t.Errorf("without a terminal and without --yes: %d %s", code, errOut)
	}
	if _, errOut, code := instance.Run(t, "log", "new-epoch", "--data", dir, "--yes"); code != 2 || !strings.Contains(errOut, "--reason") {
		t.Errorf("without a reason: %d %s", code, errOut)
	}
	out, errOut, code := instance.Run(t, "log", "new-epoch", "--data", dir, "--reason", "disk died", "--yes", "--output", "json")
	if code != 0 || !strings.Contains(errOut, fmt.Sprint(lost.Size)) || !strings.Contains(errOut, fmt.Sprint(held)) {
		t.Fatalf("new-epoch: %d %s %s", code, out, errOut)
	}
	var made struct {
		Origin, VKey string
		Base         uint64
		SetAside     []string `json:"set_aside"`
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	if made.Base < lost.Size || !strings.HasSuffix(made.Origin, "/1") || !strings.HasPrefix(made.VKey, made.Origin+"+") || len(made.SetAside) == 0 {
		t.Errorf("%+v", made)
	}
	for _, p := range made.SetAside {
		if _, err := os.Stat(filepath.Join(dir, p)); err != nil {
			t.Error(err)
		}
	}
	if _, errOut, code := instance.Run(t, "log", "new-epoch", "--data", dir, "--reason", "again", "--yes"); code == 0 || !strings.Contains(errOut, "not frozen") {
		t.Errorf("a log that is not frozen: %d %s", code, errOut)
	}

	s = instance.Start(t, dir, founded.APIKey, "--seal-after", "100ms")
	again := s.Append(batch("shop", 300, 200))
	if again.FirstSeq <= made.Base || again.FirstSeq <= receipt.FirstSeq {
		t.Errorf("events are recorded from seq %d on, the epoch begins at %d", again.FirstSeq, made.Base)
	}
	if dup := s.Append(batch("shop", 0, 50)); dup.Duplicates != 50 {
		t.Errorf("events of the old epoch are recorded twice: %+v", dup)
	}
	s.Until(15*time.Second, "events were sealed", func() bool { l := logs(s)[0]; return l.SealedSize == l.Size && l.Checkpoint.Size == l.Size })
	bothEpochs(t, s, made.Base, lost, held)
	opened(t, s, made.Base, lost, held)
	bundles(t, s, founded.VKey, made.VKey)
	overNetwork(t, s, founded.APIKey, founded.VKey+"\n"+made.VKey, state, lost.Size, held)
	s.Stop()
	s = instance.Start(t, dir, founded.APIKey)
	s.Append(batch("shop", 500, 10))
	s.Stop()
	both, err := tlog.ParseKeys(founded.VKey + "\n" + made.VKey)
	if err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(t.TempDir(), "state")
	if r := instance.VerifyDir(t, dir, verify.Options{Keys: both, State: fresh}); len(r.Logs) != 2 {
		t.Errorf("%d epochs were verified", len(r.Logs))
	}
	r := badDir(t, dir, verify.Options{Keys: both, State: state})
	namesBoth(t, r.String(), lost.Size, held)

	// The same old copy once more, after the new epoch: two epochs are gone, and there is a way on all the same.
	put(t, backup, dir, "probity.db")
	if out, errOut, code := instance.Run(t, "log", "new-epoch", "--data", dir, "--reason", "again", "--yes", "--output", "json"); code != 0 || !strings.Contains(out, made.Origin[:len(made.Origin)-1]+"2") {
		t.Fatalf("a second time: %d %s %s", code, out, errOut)
	}
	instance.VerifyDir(t, dir, verify.Options{})
}

// restoredSize is the size of the log in a database that was restored, seen through the server that refuses to go on with it.
func restoredSize(t *testing.T, dir, key string) uint64 {
	t.Helper()
	s := instance.Start(t, dir, key)
	defer s.Stop()
	st := s.State()
	if !strings.Contains(st.Frozen, "older than the last signed checkpoint") {
		t.Fatalf("the log is not frozen: %q", st.Frozen)
	}
	if a := s.Do("POST", "/api/events", batch("late", 0, 3), "Content-Type", "application/json"); a.Status != 503 {
		t.Errorf("a frozen log takes events: %d", a.Status)
	}
	return st.Size
}

type logView struct {
	instance.LogState
	Epoch int64
	Base  uint64
	Ended bool
}

func logs(s *instance.Server) []logView {
	var out struct{ Logs []logView }
	s.Get("/api/log", &out)
	return out.Logs
}

// bothEpochs reads events of both epochs, and their proofs, and the files of both.
func bothEpochs(t *testing.T, s *instance.Server, base uint64, lost *instance.LogState, held uint64) {
	t.Helper()
	if n := s.Count("source=shop"); n != 500 {
		t.Errorf("%d events are found", n)
	}
	l := logs(s)
	if len(l) != 2 || l[0].Epoch != 1 || l[0].Base != base || l[0].Ended || l[1].Epoch != 0 || !l[1].Ended || l[1].Size != held || l[1].Frozen != "" {
		t.Fatalf("%+v", l)
	}
	for i, seq := range []uint64{base + 5, held - 1} {
		var e struct{ Seq uint64 }
		s.Get(fmt.Sprintf("/api/events/%d", seq), &e)
		if e.Seq != seq {
			t.Errorf("seq %d is %d", seq, e.Seq)
		}
		var p struct {
			LeafIndex  uint64 `json:"leaf_index"`
			TreeSize   uint64 `json:"tree_size"`
			Checkpoint string
			VKey       string
		}
		s.Get(fmt.Sprintf("/api/events/%d/proof", seq), &p)
		if p.LeafIndex != seq-l[i].Base || !strings.HasPrefix(p.Checkpoint, l[i].Origin+"\n") || !strings.HasPrefix(p.VKey, l[i].Origin+"+") {
			t.Errorf("proof of seq %d: %+v", seq, p)
		}
	}
	for _, seq := range []uint64{held, base - 1} {
		if a := s.Do("GET", fmt.Sprintf("/api/events/%d", seq), nil); a.Status != 404 {
			t.Errorf("seq %d, which no event has: %d", seq, a.Status)
		}
	}
	at := "/api/log/" + lost.LogID
	if a := s.Do("GET", at+"/epoch/0/checkpoint", nil); a.Status != 200 || string(a.Body) != l[1].Checkpoint.Text {
		t.Errorf("checkpoint of epoch 0: %d %s", a.Status, a.Body)
	}
	if a := s.Do("GET", at+"/epoch/0/tile/0/000.p/10", nil); a.Status != 200 || len(a.Body) != 320 {
		t.Errorf("tile of epoch 0: %d", a.Status)
	}
	if a := s.Do("GET", at+"/epoch/0/consistency?from=10&to=300", nil); a.Status != 200 {
		t.Errorf("consistency in epoch 0: %d %s", a.Status, a.Body)
	}
	if a := s.Do("GET", at+"/epoch/7/checkpoint", nil); a.Status != 404 {
		t.Errorf("an epoch that does not exist: %d", a.Status)
	}
}

// opened demands that the first event of the epoch says what was lost, to an auditor too.
func opened(t *testing.T, s *instance.Server, base uint64, lost *instance.LogState, held uint64) {
	t.Helper()
	for _, s := range []*instance.Server{s, s.Auditor()} {
		var e struct {
			Action string
			Data   struct {
				Last   string `json:"last_checkpoint"`
				Held   uint64 `json:"held_size"`
				Signed uint64 `json:"signed_size"`
				Lost   uint64
			}
		}
		s.Get(fmt.Sprintf("/api/events/%d", base), &e)
		if e.Action != "log.epoch_opened" || e.Data.Last != lost.Checkpoint.Text || e.Data.Held != held || e.Data.Signed < lost.Size || e.Data.Lost != e.Data.Signed-held {
			t.Errorf("the first event of the epoch: %+v", e)
		}
	}
}

// bundles verifies a bundle of each epoch.
func bundles(t *testing.T, s *instance.Server, oldKey, newKey string) {
	t.Helper()
	for epoch, key := range map[int]string{0: oldKey, 1: newKey} {
		e := new(instance.Export)
		s.Post("/api/exports", 202, map[string]any{"format": "bundle", "filter": map[string]any{"source": "shop"}, "epoch": epoch}, e)
		s.Await(e)
		body := s.Do("GET", e.URL, nil).Body
		name := filepath.Join(t.TempDir(), "bundle.zip")
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := tlog.ParseKeys(key)
		if err != nil {
			t.Fatal(err)
		}
		r, err := verify.Bundle(context.Background(), name, verify.Options{Keys: keys})
		if err != nil || !r.OK {
			t.Errorf("bundle of epoch %d (%+v): %v %s", epoch, e, err, r)
		}
	}
}

// overNetwork verifies what the server shows.
func overNetwork(t *testing.T, s *instance.Server, apiKey, vkeys, state string, signed, held uint64) {
	t.Helper()
	keys, err := tlog.ParseKeys(vkeys)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Server(context.Background(), s.URL, apiKey, verify.Options{Keys: keys})
	if err != nil || !r.OK || len(r.Logs) != 2 {
		t.Errorf("%v %s", err, r)
	}
	if r, err = verify.Server(context.Background(), s.URL, apiKey, verify.Options{Keys: keys, State: state}); err != nil || r.OK {
		t.Fatalf("a verifier that has seen the lost events accepts: %v", err)
	}
	namesBoth(t, r.String(), signed, held)
}

func namesBoth(t *testing.T, report string, signed, held uint64) {
	t.Helper()
	if !strings.Contains(report, fmt.Sprint(signed)) || !strings.Contains(report, fmt.Sprint(held)) {
		t.Errorf("the report does not name both sizes, %d and %d: %s", signed, held, report)
	}
}

// badDir verifies a data directory that must not verify.
func badDir(t *testing.T, dir string, o verify.Options) *verify.Report {
	t.Helper()
	a := instance.OpenApp(t, dir, os.Stderr)
	defer a.Close()
	sources, err := a.Sources(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Dir(context.Background(), dir, sources, o)
	if err != nil || r.OK {
		t.Fatalf("%v %v", err, r)
	}
	return r
}
