package ledger_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/ledgertest"
)

// fullDisk keeps marks in a file, on a disk that is full at times: before, or after the file has been replaced.
type fullDisk struct {
	ledger.MarkStore
	before, after atomic.Bool
}

var errFull = errors.New("no space left on device")

func (f *fullDisk) Swap(ctx context.Context, logID, version string, text []byte) (string, error) {
	if f.before.Load() {
		return "", errFull
	}
	version, err := f.MarkStore.Swap(ctx, logID, version, text)
	if f.after.Load() {
		return "", errFull
	}
	return version, err
}

// TestPublishingGoesOnWhenTheMarkCanBeRaised fails to raise the high-water mark, with and without a trace of it, and expects the next checkpoint as soon as it can be raised.
func TestPublishingGoesOnWhenTheMarkCanBeRaised(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T) {
		disk := &fullDisk{}
		box := ledgertest.New(t, func(o *ledger.Options) {
			disk.MarkStore = ledger.NewFileMarks(filepath.Join(o.Dir, ledger.MarkFile), o.DB.Shared())
			o.Marks, o.CheckpointInterval = disk, 10*time.Millisecond
		})
		for _, full := range []*atomic.Bool{&disk.before, &disk.after} {
			full.Store(true)
			box.Append(t, `{"source":"s","action":"a.read"}`)
			time.Sleep(100 * time.Millisecond) // some attempts
			if h, err := box.Head(t.Context(), ledgertest.Tenant); err != nil || h.Published == h.Next {
				t.Errorf("published without a mark: %+v, %v", h, err)
			}
			full.Store(false)
			for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				h, err := box.Head(t.Context(), ledgertest.Tenant)
				if err == nil && h.Published == h.Next {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("%+v, %v", h, err)
				}
			}
		}
	})
}
