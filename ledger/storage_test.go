package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/internal/blob"
	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
)

// flaky refuses to make objects as long as it is told to.
type flaky struct {
	blob.Files
	down atomic.Bool
}

var errDown = errors.New("down")

// Create implements blob.Store.
func (f *flaky) Create(ctx context.Context, name string, o blob.PutOptions) (blob.Writer, error) {
	if f.down.Load() {
		return nil, errDown
	}
	return f.Files.Create(ctx, name, o)
}

func plain(i int) string {
	return fmt.Sprintf(`{"id":"e%d","source":"shop","action":"order.update","actor":{"type":"user","id":"u%d"}}`, i, i)
}

// TestLockedEvidence seals beside what lies in the way: locked evidence that an interrupted attempt has left, and locked objects of other content.
func TestLockedEvidence(t *testing.T) {
	s := blobtest.Start(t)
	at := s.Bucket(true, 0)
	cache, err := blob.OpenCache(t.TempDir(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	store := blob.NewCached(s.Open(at), cache)
	working := &flaky{Files: store}
	ctx := context.Background()
	b := ledgertest.Open(t, t.TempDir(), func(o *ledger.Options) {
		o.Evidence, o.Working, o.Lock, o.LockFor = store, working, blob.Governance, time.Hour
	})
	seal := func() error {
		until := time.Now().Add(10 * time.Second)
		for {
			h, err := b.Head(ctx, ledgertest.Tenant)
			if err != nil {
				t.Fatal(err)
			}
			if h.Published == h.Next || time.Now().After(until) {
				return b.Seal(ctx, ledgertest.Tenant, time.Now().Add(time.Hour))
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	evidence := func(first, count int, suffix string) string {
		return fmt.Sprintf("segments/%s/evidence-%016x-%x%s.parquet", b.Info.LogID, first, count, suffix)
	}
	locked := blob.PutOptions{Mode: blob.Governance, Until: time.Now().Add(time.Hour)}
	blobtest.Put(t, store, evidence(0, 3, ""), []byte("something else"), locked)
	b.Append(t, plain(0), plain(1), plain(2))
	working.down.Store(true)
	for range 2 { // the second time, the evidence is there and is taken
		if err := seal(); !errors.Is(err, errDown) {
			t.Fatalf("sealed without working copies: %v", err)
		}
	}
	if h, _ := b.Head(ctx, ledgertest.Tenant); h.Sealed != 0 {
		t.Errorf("%d events count as sealed", h.Sealed)
	}
	working.down.Store(false)
	if err := seal(); err != nil {
		t.Fatal(err)
	}
	if n := s.Versions(at, evidence(0, 3, "-1")); n != 1 {
		t.Errorf("evidence was written %d times", n)
	}
	if got := blobtest.Get(t, store, evidence(0, 3, ""), 0, -1); string(got) != "something else" {
		t.Errorf("a locked object was replaced by %d bytes", len(got))
	}
	if i, err := store.Stat(ctx, evidence(0, 3, "-1")); err != nil || i.Mode != blob.Governance || !i.Locked(time.Now()) {
		t.Errorf("%+v %v", i, err)
	}
	b.Append(t, plain(3))
	logs, err := ledger.OpenStored(ctx, b.DB, store)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := logs[0].Leaves(ctx, 0, 4, func(seq uint64, _ []byte) error { n++; return nil }); err != nil || n != 4 {
		t.Errorf("%d leaves, %v", n, err)
	}
}

// TestUnsealedEventsAreBounded stops sealing and checks that appends end at the bound and go on behind it; what the product records of itself always passes.
func TestUnsealedEventsAreBounded(t *testing.T) {
	ctx := context.Background()
	d, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	working := &flaky{Files: d}
	working.down.Store(true)
	b := ledgertest.Open(t, t.TempDir(), func(o *ledger.Options) {
		o.Evidence, o.Working, o.SealAfter, o.MaxUnsealed = d, working, time.Millisecond, 3
	})
	b.Append(t, plain(0), plain(1))
	b.Append(t, plain(2), plain(3))
	e, err := event.Parse([]byte(plain(4)))
	if err != nil {
		t.Fatal(err)
	}
	add := func() error {
		_, err := b.Ledger.Append(ctx, ledgertest.Tenant, []ledger.Item{{Event: e}}, ledger.AppendOptions{})
		return err
	}
	var refused *errs.Error
	if err := add(); !errors.As(err, &refused) || refused.Code != errs.Unavailable || refused.RetryAfter == 0 {
		t.Fatalf("beyond the bound: %v", err)
	}
	if err := b.Record(ctx, ledgertest.Tenant, &event.Event{Action: "role.grant", Activity: "update", Actor: event.Actor{Type: "user", ID: "u"}}, nil); err != nil {
		t.Errorf("a decision of the product is refused: %v", err)
	}
	working.down.Store(false) // the sealer tries again by itself
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := add(); err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatalf("after sealing works again: %v", err)
		}
	}
}
