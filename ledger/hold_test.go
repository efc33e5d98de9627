package ledger_test

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"probity.dev/internal/blob"
	"probity.dev/internal/blob/blobtest"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
)

// unheld refuses to hold objects as long as it is told to.
type unheld struct {
	blob.Files
	down atomic.Bool
}

// Hold implements blob.Store.
func (u *unheld) Hold(ctx context.Context, name string, on bool) error {
	if u.down.Load() {
		return errs.New(errs.Unavailable, "down")
	}
	return u.Files.Hold(ctx, name, on)
}

// TestLegalHold holds evidence in a real object store, and demands that the server itself refuses to delete it until the hold is released.
func TestLegalHold(t *testing.T) { sqldbtest.Each(t, testLegalHold) }

func testLegalHold(t *testing.T) {
	s := blobtest.Start(t)
	at := s.Bucket(true, 0)
	cache, err := blob.OpenCache(t.TempDir(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	store := &unheld{Files: blob.NewCached(s.Open(at), cache)}
	dir, ctx := t.TempDir(), context.Background()
	var told []string // the tenants of holds that were placed
	var refuse error
	open := func() *ledgertest.Box {
		return ledgertest.Open(t, dir, func(o *ledger.Options) {
			o.Evidence = store
			o.Held = func(_ context.Context, tx *sql.Tx, tenantID string) error {
				var n int
				if err := tx.QueryRow(`SELECT COUNT(*) FROM evidence_hold`).Scan(&n); err != nil || n != len(told)+1 {
					t.Errorf("the hold is not in its transaction: %d holds, %v", n, err)
				}
				if refuse == nil {
					told = append(told, tenantID)
				}
				return refuse
			}
		})
	}
	b := open()
	by := event.Actor{Type: "user", ID: "u1", Name: "Ana Ito"}
	seal := func(events ...string) {
		t.Helper()
		b.Append(t, events...)
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			h, err := b.Head(ctx, ledgertest.Tenant)
			if err == nil && h.Published == h.Next || time.Now().After(end) {
				break
			}
		}
		if err := b.Seal(ctx, ledgertest.Tenant, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	// deletes tries to delete the newest version of the evidence of a range as the store's owner.
	deletes := func(first uint64) error {
		t.Helper()
		var name string
		err := store.List(ctx, "segments/", func(i blob.Info) error {
			if evidenceOf(i.Name) == first {
				name = i.Name
			}
			return nil
		})
		if err != nil || name == "" {
			t.Fatal(name, err)
		}
		o, err := s.Client.StatObject(ctx, at.Bucket, at.Prefix+name, minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Client.RemoveObject(ctx, at.Bucket, at.Prefix+name, minio.RemoveObjectOptions{VersionID: o.VersionID})
	}
	seal(plain(0), plain(1), plain(2)) // 0-2
	refuse = errs.New(errs.Conflict, "not now")
	if _, err := b.PlaceHold(ctx, ledgertest.Tenant, 0, 0, by, "matter 14"); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("a hold whose hook failed: %v", err)
	}
	if list, err := b.Holds(ctx, ledgertest.Tenant); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	refuse = nil
	all, err := b.PlaceHold(ctx, ledgertest.Tenant, 0, 0, by, "matter 14")
	if err != nil || all.Pending || all.Objects != 1 || !all.Active() {
		t.Fatalf("%+v %v", all, err)
	}
	seal(plain(3)) // with the event of the hold, 3-4
	settleHolds(t, b)
	for _, first := range []uint64{0, 3} {
		if err := deletes(first); err == nil {
			t.Fatalf("the store deleted held evidence from seq %d on", first)
		}
	}
	part, err := b.PlaceHold(ctx, ledgertest.Tenant, 0, 3, by, "matter 15")
	if err != nil || part.Objects != 1 {
		t.Fatalf("%+v %v", part, err)
	}
	store.down.Store(true)
	released, err := b.ReleaseHold(ctx, ledgertest.Tenant, all.ID, by, "closed")
	if err != nil || released.Active() || !released.Pending || released.ReleaseReason != "closed" || released.PlacedBy != "Ana Ito" {
		t.Fatalf("%+v %v", released, err)
	}
	if _, err := b.ReleaseHold(ctx, ledgertest.Tenant, all.ID, by, "closed"); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("released twice: %v", err)
	}
	b.Stop(t) // the work that is left is done by the next process
	store.down.Store(false)
	b = open()
	settleHolds(t, b)
	if err := deletes(0); err == nil {
		t.Fatal("the store deleted what another hold covers")
	}
	if err := deletes(3); err != nil {
		t.Errorf("released evidence cannot be deleted: %v", err)
	}
	held := []event.Record{}
	if _, err := b.Search(ctx, ledgertest.Tenant, ledger.Query{Action: []string{"evidence.*"}}, ledger.Page{Ascending: true}, nil, func(r *event.Record) error { held = append(held, *r); return nil }); err != nil || len(held) != 3 {
		t.Errorf("%d events of holds: %v", len(held), err)
	}
	if list, err := b.Holds(ctx, ledgertest.Tenant); err != nil || len(list) != 2 || len(told) != 2 || told[0] != ledgertest.Tenant || list[0].Reason != "matter 15" || list[1].Reason != "matter 14" || list[0].Pending || list[1].Pending {
		t.Errorf("%+v %v", list, err)
	}
}

// TestFolderCannotHold demands that a hold is refused, and not recorded, where nothing could keep it.
func TestFolderCannotHold(t *testing.T) {
	b := ledgertest.New(t)
	for _, c := range []struct {
		end    uint64
		reason string
		want   errs.Code
	}{{0, "matter", errs.Unsupported}, {0, " ", errs.Invalid}, {0, "", errs.Invalid}} {
		if h, err := b.PlaceHold(t.Context(), ledgertest.Tenant, 0, c.end, event.Actor{ID: "u"}, c.reason); errs.CodeOf(err) != c.want {
			t.Errorf("%+v %v", h, err)
		}
	}
	if _, err := b.PlaceHold(t.Context(), ledgertest.Tenant, 5, 5, event.Actor{ID: "u"}, "x"); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("an empty range: %v", err)
	}
	if _, err := b.ReleaseHold(t.Context(), ledgertest.Tenant, "nobody", event.Actor{ID: "u"}, "x"); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("%v", err)
	}
	if list, err := b.Holds(t.Context(), ledgertest.Tenant); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}

// evidenceOf is the first seq of the evidence file of a name; another file has none.
func evidenceOf(name string) uint64 {
	base := name[strings.LastIndexByte(name, '/')+1:]
	rest, ok := strings.CutPrefix(base, "evidence-")
	if !ok || len(rest) < 16 {
		return 1 << 62
	}
	first, err := strconv.ParseUint(rest[:16], 16, 64)
	if err != nil {
		return 1 << 62
	}
	return first
}

// settleHolds waits until no hold of the log is pending.
func settleHolds(t *testing.T, b *ledgertest.Box) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		list, err := b.Holds(context.Background(), ledgertest.Tenant)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(list, func(h ledger.EvidenceHold) bool { return h.Pending }) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still pending: %+v", list)
		}
	}
}
