package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger/ledgertest"
)

// TestLeavesWhileSealing reads the whole log again and again while its events move from the database to segments.
func TestLeavesWhileSealing(t *testing.T) { sqldbtest.Each(t, testLeavesWhileSealing) }

func testLeavesWhileSealing(t *testing.T) {
	b := ledgertest.New(t)
	ctx := context.Background()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := b.Seal(ctx, ledgertest.Tenant, time.Now()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 120 {
		b.Append(t, fmt.Sprintf(`{"id":"e%d","source":"s","action":"a.read"}`, i))
		next := uint64(0)
		err := b.Leaves(ctx, ledgertest.Tenant, 0, uint64(i+1), func(seq uint64, _ []byte) error {
			if seq != next {
				return fmt.Errorf("seq %d comes after %d leaves", seq, next)
			}
			next++
			return nil
		})
		if err != nil || next != uint64(i+1) {
			t.Fatalf("%d of %d leaves: %v", next, i+1, err)
		}
	}
	close(stop)
	wg.Wait()
	if err := b.Leaves(ctx, ledgertest.Tenant, 100, 130, func(uint64, []byte) error { return nil }); err == nil {
		t.Error("leaves that are not there are not missed")
	}
}
