package ledger_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
)

func someEvents(from, n int) []string {
	var out []string
	for i := from; i < from+n; i++ {
		out = append(out, fmt.Sprintf(`{"id":"e%d","source":"shop","action":"order.create","resource":{"type":"order","id":"%d"},"actor":{"id":"ana"}}`, i, i))
	}
	return out
}

// lossy is a ledger whose database is older than its high-water mark: it holds 20 events, of which a checkpoint covers 10, and 30 were signed for.
func lossy(t *testing.T) *ledgertest.Box {
	t.Helper()
	dir := t.TempDir()
	b := ledgertest.Open(t, dir)
	b.Append(t, someEvents(0, 10)...)
	b.Stop(t)
	b = ledgertest.Open(t, dir, func(o *ledger.Options) { o.CheckpointInterval = time.Hour })
	b.Append(t, someEvents(10, 10)...)
	restore := sqldbtest.Copy(t, dir)
	b.Append(t, someEvents(20, 10)...)
	b.Stop(t)
	restore()
	return ledgertest.Open(t, dir)
}

// TestEpochAfterUncoveredEvents opens an epoch after one whose newest events no checkpoint covers.
func TestEpochAfterUncoveredEvents(t *testing.T) { sqldbtest.Each(t, testEpochAfterUncoveredEvents) }

func testEpochAfterUncoveredEvents(t *testing.T) {
	b, ctx := lossy(t), context.Background()
	loss, err := b.Loss(ctx, ledgertest.Tenant)
	if err != nil || loss.Held != 20 || loss.Covered != 10 || loss.Signed != 30 || loss.Lost != 10 {
		t.Fatalf("%+v %v", loss, err)
	}
	if loss, err = b.OpenEpoch(ctx, ledgertest.Tenant, event.Actor{Type: "system", ID: "operator"}, "disk died"); err != nil {
		t.Fatal(err)
	}
	r := b.Append(t, someEvents(20, 10)...)
	if r.First != loss.NewBase+1 || !strings.HasPrefix(r.Promise, loss.NewOrigin+"/promise\n") {
		t.Errorf("recorded from %d on, with the promise %s", r.First, r.Promise)
	}
	for seq, want := range map[uint64]errs.Code{9: "", 15: errs.Unavailable, 25: errs.NotFound, r.First + 3: ""} {
		p, err := b.Prove(ctx, ledgertest.Tenant, seq, nil)
		if errs.CodeOf(err) != want && (err != nil || want != "") {
			t.Errorf("proof of seq %d: %+v %v", seq, p, err)
		}
		if _, err := b.Get(ctx, ledgertest.Tenant, seq, nil); seq != 25 && err != nil || seq == 25 && errs.CodeOf(err) != errs.NotFound {
			t.Errorf("seq %d: %v", seq, err)
		}
	}
	if _, err := b.Loss(ctx, ledgertest.Tenant); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("a log that is not frozen: %v", err)
	}
	b.Stop(t)
	b = ledgertest.Open(t, b.Dir)
	heads, err := b.Heads(ctx, ledgertest.Tenant)
	if err != nil || len(heads) != 2 || heads[0].Epoch != 1 || heads[0].Next-heads[0].Base != 11 || !heads[1].Ended || heads[1].Next != 20 || heads[1].Published != 10 {
		t.Errorf("%+v %v", heads, err)
	}
	if _, err := b.Prove(ctx, ledgertest.Tenant, 3, nil); err != nil {
		t.Error(err)
	}
}

// TestEpochAfterCrash ends the process between the switch and the first event: the next start records it before anything else.
func TestEpochAfterCrash(t *testing.T) { sqldbtest.Each(t, testEpochAfterCrash) }

func testEpochAfterCrash(t *testing.T) {
	b, ctx := lossy(t), context.Background()
	if err := b.HalfOpenEpoch(ctx, ledgertest.Tenant, event.Actor{Type: "system", ID: "operator"}, "disk died"); err != nil {
		t.Fatal(err)
	}
	b.Stop(t)
	b = ledgertest.Open(t, b.Dir)
	b.Append(t, someEvents(20, 1)...)
	h, err := b.Head(ctx, ledgertest.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	e, err := b.Get(ctx, ledgertest.Tenant, h.Base, nil)
	if err != nil || e.Action != "log.epoch_opened" || e.Text("/reason") != "disk died" || h.Next-h.Base != 2 {
		t.Errorf("%+v %v; %+v", e, err, h)
	}
}

// TestChangedHistoryGetsNoEpoch refuses a new epoch where no event is missing.
func TestChangedHistoryGetsNoEpoch(t *testing.T) { sqldbtest.Each(t, testChangedHistoryGetsNoEpoch) }

func testChangedHistoryGetsNoEpoch(t *testing.T) {
	b := ledgertest.New(t)
	b.Append(t, someEvents(0, 10)...)
	b.Stop(t)
	path := filepath.Join(b.Dir, "highwater.json")
	mark, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(mark), `"root": "`) + len(`"root": "`)
	copy(mark[i:], "00000000")
	if err := os.WriteFile(path, mark, 0o600); err != nil {
		t.Fatal(err)
	}
	b = ledgertest.Open(t, b.Dir)
	_, err = b.OpenEpoch(context.Background(), ledgertest.Tenant, event.Actor{}, "x")
	if errs.CodeOf(err) != errs.Conflict || !strings.Contains(err.Error(), "history has been changed") {
		t.Error(err)
	}
}
