package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/ledgertest"
)

// onPostgres runs fn as a subtest on a database that several ledgers may have open.
func onPostgres(t *testing.T, fn func(t *testing.T)) { sqldbtest.Only(t, sqldbtest.Postgres, fn) }

// pair opens two ledgers on one database, as two processes would.
func pair(t *testing.T) (a, b *ledgertest.Box) {
	t.Helper()
	dir := t.TempDir()
	return ledgertest.Open(t, dir), ledgertest.Open(t, dir)
}

// purchase is an event of a person, with an id.
func purchase(id, person string) string {
	return fmt.Sprintf(`{"id":"%s","source":"shop","action":"order.create","resource":{"type":"order","id":"%[1]s"},"actor":{"type":"user","id":"%[2]s","name":"Name of %[2]s","email":"%[2]s@example.com"},"data":{"note":"by %[2]s"}}`, id, person)
}

// append appends events, some of which may be recorded already, as often as it takes.
func appendAll(t *testing.T, b *ledgertest.Box, texts []string) {
	t.Helper()
	for range 20 {
		r, err := b.Ledger.Append(context.Background(), ledgertest.Tenant, items(t, texts...), ledger.AppendOptions{})
		if err == nil && r.Accepted+r.Duplicates == len(texts) {
			return
		}
		if err == nil {
			t.Fatalf("%+v", r.Results)
		}
		if errs.CodeOf(err) != errs.Unavailable && errs.CodeOf(err) != errs.Throttled {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the events were never taken")
}

func TestTwoServersOnOneLog(t *testing.T) {
	onPostgres(t, func(t *testing.T) {
		a, b := pair(t)
		ctx := context.Background()
		const writers, rounds, size = 3, 8, 20
		var wg sync.WaitGroup
		for i, box := range []*ledgertest.Box{a, b} {
			for w := range writers {
				wg.Go(func() {
					for r := range rounds {
						var texts []string
						for k := range size {
							// A third of the events is sent to both; persons are all shared, and new ones come all the time.
							id := fmt.Sprintf("%d-%d-%d-%d", i, w, r, k)
							if k%3 == 0 {
								id = fmt.Sprintf("both-%d-%d-%d", w, r, k)
							}
							texts = append(texts, purchase(id, fmt.Sprintf("p%d", r*size+k)))
						}
						appendAll(t, box, texts)
					}
				})
			}
		}
		wg.Wait()
		const both = writers * rounds * ((size + 2) / 3)
		want := 2*writers*rounds*size - both
		for name, box := range map[string]*ledgertest.Box{"a": a, "b": b} {
			checkShared(t, name, box, want, rounds*size)
		}
		dir := a.Dir
		if _, err := a.Prove(ctx, ledgertest.Tenant, uint64(want-1), nil); err != nil {
			t.Error(err)
		}
		a.Stop(t)
		b.Stop(t)
		checkShared(t, "after a restart", ledgertest.Open(t, dir), want, rounds*size)
	})
}

// checkShared expects that each event is there once, and that each person is one.
func checkShared(t *testing.T, name string, b *ledgertest.Box, events, persons int) {
	t.Helper()
	ids, handles := map[string]int{}, map[string][]int64{}
	var last time.Time
	for i, r := range all(t, b, ledger.Query{}) {
		ids[r.ID]++
		if r.Seq != uint64(i) {
			t.Fatalf("%s: seq %d follows seq %d", name, r.Seq, i-1)
		}
		if r.RecordedAt.Before(last) {
			t.Errorf("%s: seq %d was recorded before the one before it", name, r.Seq)
		}
		last = r.RecordedAt
		if who := r.Text("/actor/id"); !slices.Contains(handles[who], r.ActorHandle) {
			handles[who] = append(handles[who], r.ActorHandle)
		}
	}
	if len(ids) != events || len(handles) != persons {
		t.Errorf("%s: %d events of %d persons, want %d of %d", name, len(ids), len(handles), events, persons)
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("%s: event %s is there %d times", name, id, n)
		}
	}
	for who, h := range handles {
		if len(h) != 1 {
			t.Errorf("%s: %s has the handles %v", name, who, h)
		}
	}
	if got := len(all(t, b, ledger.Query{Actor: []string{"p7@example.com"}})); got == 0 || got != len(all(t, b, ledger.Query{Actor: []string{"name of p7"}})) {
		t.Errorf("%s: a person is found %d times by e-mail, and otherwise by name", name, got)
	}
}

// TestReadYourWritesElsewhere appends to one ledger and reads from the other at once, also while one of them seals.
func TestReadYourWritesElsewhere(t *testing.T) {
	onPostgres(t, func(t *testing.T) {
		a, b := pair(t)
		ctx := context.Background()
		for i := range 60 {
			from, to := a, b
			if i%2 == 1 {
				from, to = b, a
			}
			r := from.Append(t, purchase(fmt.Sprint("e", i), fmt.Sprint("p", i)))
			if got := all(t, to, ledger.Query{Actor: []string{fmt.Sprint("p", i)}}); len(got) != 1 || got[0].Seq != r.First {
				t.Fatalf("event %d is not found on the other server: %d", i, len(got))
			}
			if got := len(all(t, to, ledger.Query{})); got != i+1 {
				t.Fatalf("%d events of %d", got, i+1)
			}
			if i%9 == 8 {
				if _, err := from.Prove(ctx, ledgertest.Tenant, r.First, nil); err != nil {
					t.Fatal(err)
				}
				if err := from.Seal(ctx, ledgertest.Tenant, time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, box := range map[string]*ledgertest.Box{"a": a, "b": b} {
			n := 0
			if err := box.Leaves(ctx, ledgertest.Tenant, 0, 60, func(uint64, []byte) error { n++; return nil }); err != nil || n != 60 {
				t.Errorf("%s: %d leaves, %v", name, n, err)
			}
			h, err := box.Head(ctx, ledgertest.Tenant)
			if err != nil || h.Next != 60 || h.Frozen != "" || h.Sealed == 0 {
				t.Errorf("%s: %+v %v", name, h, err)
			}
		}
	})
}

// TestSettingsReachOtherServers changes a setting on one server and expects the other to go by it.
func TestSettingsReachOtherServers(t *testing.T) {
	onPostgres(t, func(t *testing.T) {
		a, b := pair(t)
		ctx := context.Background()
		s, err := a.Settings(ctx, ledgertest.Tenant)
		if err != nil {
			t.Fatal(err)
		}
		next := *s
		next.EventClasses = map[string]bool{"data": false}
		if err := a.PutSettings(ctx, ledgertest.Tenant, &next, event.Actor{Type: "user", ID: "admin"}); err != nil {
			t.Fatal(err)
		}
		got, err := b.Settings(ctx, ledgertest.Tenant)
		if err != nil || got.EventClasses["data"] || len(got.EventClasses) == 0 {
			t.Errorf("the other server has %+v (%v)", got, err)
		}
	})
}

// TestUnknownOutcomeOfACommit cuts the connection of a commit, so that nobody knows whether it took place, and goes on.
func TestUnknownOutcomeOfACommit(t *testing.T) {
	onPostgres(t, func(t *testing.T) {
		b := ledgertest.New(t)
		ctx := context.Background()
		stop := make(chan struct{})
		var cutting sync.WaitGroup
		cutting.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(15 * time.Millisecond):
					sqldbtest.Cut(t)
				}
			}
		})
		var texts []string
		for i := range 60 {
			texts = append(texts, purchase(fmt.Sprint("e", i), fmt.Sprint("p", i)))
			for range 50 {
				r, err := b.Ledger.Append(ctx, ledgertest.Tenant, items(t, texts[i]), ledger.AppendOptions{})
				if err == nil && r.Accepted+r.Duplicates == 1 {
					break
				}
				if err != nil && errs.CodeOf(err) != errs.Unavailable {
					t.Error(err)
				}
			}
		}
		close(stop)
		cutting.Wait()
		time.Sleep(1200 * time.Millisecond) // a connection that was idle for a second is tried before it is used; so the last cuts reach nobody
		checkShared(t, "after cuts", b, len(texts), len(texts))
		if h, err := b.Head(ctx, ledgertest.Tenant); err != nil || h.Frozen != "" {
			t.Error(errors.Join(err, errors.New(h.Frozen)))
		}
	})
}
