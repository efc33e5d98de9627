package person

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/sqldb/sqldbtest"
)

func user(i int) Identity {
	return Identity{Namespace: "app", Type: "user", ID: fmt.Sprint("u", i), Name: fmt.Sprint("Name ", i), Email: fmt.Sprintf("u%d@example.com", i)}
}

// bring stores a person with a profile and returns the two numbers that an event would hold.
func bring(t testing.TB, d *Directory, id Identity, body string) (handle, profile int64) {
	t.Helper()
	var b Batch
	p, err := d.Resolve(context.Background(), &b, id)
	if err != nil {
		t.Fatal(err)
	}
	profile = d.Profile(&b, p, []byte(body))
	commit(t, d, &b)
	return p.Handle, profile
}

func TestHandles(t *testing.T) {
	h, err := newHandles(evidence.Hash{1})
	if err != nil {
		t.Fatal(err)
	}
	h.salt = 0xabcde
	if got := h.of(123_456_789); got != 1304219649874144 {
		t.Errorf("handle %d: stored numbers would mean other persons", got)
	}
	seen := map[int64]bool{}
	for range 2000 {
		n := int64(rand.Uint32())
		handle := h.of(n)
		if back, ok := h.number(handle); !ok || back != n || handle >= 1<<53 || handle < 0 {
			t.Fatalf("%d → %d → %d, %v", n, handle, back, ok)
		}
		seen[handle] = true
	}
	for _, bad := range []int64{0, -1, 1 << 52, 1<<63 - 1, -1 << 63} {
		if _, ok := h.number(bad); ok {
			t.Errorf("%d is taken for a handle", bad)
		}
	}
	other, err := newHandles(evidence.Hash{2})
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := other.number(h.of(5)); n == 5 {
		t.Error("another directory reads the handle")
	}
}

func TestNumberTable(t *testing.T) {
	var table numberTable
	want := map[uint32][]int64{}
	for n := range uint32(20_000) {
		tag := rand.Uint32() >> 18 << 18 // many are equal
		table.add(tag, n+1)
		table.add(tag, n+1)
		want[tag] = append(want[tag], int64(n+1))
	}
	for tag, numbers := range want {
		got := table.find(tag, nil)
		slices.Sort(got)
		if !slices.Equal(got, numbers) {
			t.Fatalf("tag %x: %d numbers, not %d", tag, len(got), len(numbers))
		}
	}
	if got := table.find(1, nil); len(got) != 0 || table.used != 20_000 {
		t.Errorf("%v, %d used", got, table.used)
	}
}

func TestSmallBatchesShareAPage(t *testing.T) { sqldbtest.Each(t, testSmallBatchesShareAPage) }

func testSmallBatchesShareAPage(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	for i := range 20 {
		bring(t, d, user(i), "body")
	}
	var pages int
	ctx := context.Background()
	if err := s.db.Read(ctx).QueryRow(`SELECT COUNT(*) FROM person`).Scan(&pages); err != nil || pages != 2 {
		t.Errorf("%d pages of persons (%v)", pages, err)
	}
	d = s.open(t)
	for i := range 20 {
		if found, err := d.Find(ctx, fmt.Sprintf("u%d@example.com", i)); err != nil || len(found) != 1 {
			t.Errorf("person %d: %v (%v)", i, found, err)
		}
	}
}

func TestCompact(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	ctx := context.Background()
	var handles []int64
	rows := func() (n int) {
		t.Helper()
		if err := s.db.Read(ctx).QueryRow(`SELECT COUNT(*) FROM person_identifier`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i := range smallRows - 1 {
		h, _ := bring(t, d, user(i), "body")
		handles = append(handles, h)
	}
	if err := d.Compact(ctx); err != nil || rows() != smallRows-1 {
		t.Errorf("%d rows (%v)", rows(), err)
	}
	var b Batch
	for i := smallRows - 1; i < 2*smallRows; i++ {
		p, err := d.Resolve(ctx, &b, user(i))
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, p.Handle)
	}
	commit(t, d, &b)
	d = s.open(t)
	if err := d.Compact(ctx); err != nil || rows() != 4 { // two full ones of the batch, two of what was small
		t.Errorf("%d rows (%v)", rows(), err)
	}
	for _, d := range []*Directory{d, s.open(t)} {
		for i, h := range handles {
			var b Batch
			if p, err := d.Resolve(ctx, &b, user(i)); err != nil || p.Handle != h || !b.Empty() {
				t.Fatalf("person %d: %d, not %d (%v)", i, p.Handle, h, err)
			}
		}
	}
}

func TestPrefetch(t *testing.T) { sqldbtest.Each(t, testPrefetch) }

func testPrefetch(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	ctx := context.Background()
	var ids []Identity
	handles := map[string]int64{}
	for i := range 100 {
		h, _ := bring(t, d, user(i), "body")
		handles[user(i).ID] = h
		ids = append(ids, user(i), user(i), user(1000+i))
	}
	d = s.open(t)
	var b Batch
	if err := d.Prefetch(ctx, &b, ids); err != nil || !b.Empty() {
		t.Fatalf("%v; something to store: %v", err, !b.Empty())
	}
	if n := len(b.fetched.entries); n != 300 {
		t.Fatal(n)
	}
	for _, i := range []int{0, 1, 2, 3, 5, 7, 200, 6, 299} { // some are left out, some come out of order
		p, err := d.Resolve(ctx, &b, ids[i])
		if want, stored := handles[ids[i].ID]; err != nil || stored && p.Handle != want || p.entry.text != "appuser"+ids[i].ID {
			t.Errorf("%d: handle %d, not %d (%v)", i, p.Handle, want, err)
		}
		if want := i%3 != 2; (d.Profile(&b, p, []byte("body")) == FirstProfile) != true || p.entry.persisted.Load() != want {
			t.Errorf("%d: first profile not found, or stored is not %v", i, want)
		}
	}
	if n := len(b.persons.list); n != 4 {
		t.Errorf("%d new persons, not 4", n)
	}
}

func TestProfiles(t *testing.T) { sqldbtest.Each(t, testProfiles) }

func testProfiles(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	ctx := context.Background()
	want := map[profileKey]string{}
	for round := range 3 {
		for i := range 40 {
			for n := range 3 {
				body := fmt.Sprintf("body %d of %d in round %d", n, i, round)
				h, p := bring(t, d, user(i), body)
				if (round == 0 && n == 0) != (p == FirstProfile) {
					t.Fatalf("%s has number %d", body, p)
				}
				if h2, again := bring(t, d, user(i), body); again != p || h2 != h {
					t.Fatalf("%s has number %d, then %d", body, p, again)
				}
				want[profileKey{h, p}] = body
			}
		}
		for _, d := range []*Directory{d, s.open(t)} {
			for k, body := range want {
				if b, err := d.ReadProfile(ctx, k.handle, k.profile); err != nil || string(b) != body {
					t.Fatalf("round %d: %v is %q, not %q (%v)", round, k, b, body, err)
				}
			}
		}
	}
	for k := range want {
		other := profileKey{k.handle, k.profile + 1}
		if want[other] == "" {
			if b, err := d.ReadProfile(ctx, other.handle, other.profile); errs.CodeOf(err) == "" || b != nil {
				t.Fatalf("%v is %q", other, b)
			}
		}
	}
}

func TestTooManyProfilesStayWithTheEvents(t *testing.T) {
	sqldbtest.Each(t, testTooManyProfilesStayWithTheEvents)
}

func testTooManyProfilesStayWithTheEvents(t *testing.T) {
	d := newBench(t).open(t)
	var b Batch
	p, err := d.Resolve(context.Background(), &b, user(1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxProfiles + 1 {
		if d.Profile(&b, p, fmt.Append(nil, i)) == 0 {
			t.Fatal(i)
		}
	}
	if n := d.Profile(&b, p, []byte("one more")); n != 0 {
		t.Error(n)
	}
	if n := d.Profile(&b, p, []byte("0")); n != FirstProfile {
		t.Error(n)
	}
}

func TestBatchesThatNameANewPersonAtOnce(t *testing.T) {
	sqldbtest.Each(t, testBatchesThatNameANewPersonAtOnce)
}

func testBatchesThatNameANewPersonAtOnce(t *testing.T) {
	ctx := context.Background()
	for _, secondFirst := range []bool{false, true} {
		s := newBench(t)
		d := s.open(t)
		var one, two Batch
		p1, err := d.Resolve(ctx, &one, user(1))
		if err != nil {
			t.Fatal(err)
		}
		p2, err := d.Resolve(ctx, &two, user(1))
		if err != nil {
			t.Fatal(err)
		}
		n2 := d.Profile(&two, p2, []byte("two"))
		d.Prepare(&two)
		n1 := d.Profile(&one, p1, []byte("one"))
		if secondFirst {
			one, two = two, one //nolint:govet // neither is in use
		}
		commit(t, d, &one)
		commit(t, d, &two)
		for _, d := range []*Directory{d, s.open(t)} {
			for n, body := range map[int64]string{n1: "one", n2: "two"} {
				if b, err := d.ReadProfile(ctx, p1.Handle, n); err != nil || string(b) != body {
					t.Errorf("profile %d is %q, not %s (%v)", n, b, body, err)
				}
			}
			if found, err := d.Find(ctx, "u1"); err != nil || len(found) != 1 || p1.Handle != p2.Handle {
				t.Errorf("%v (%v)", found, err)
			}
		}
	}
}

func TestNewNames(t *testing.T) { sqldbtest.Each(t, testNewNames) }

func testNewNames(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	ctx := context.Background()
	h, _ := bring(t, d, user(1), "body")
	if m, err := d.Search(ctx, "name 1", 5); err != nil || len(m) != 1 { // the index is there from now on
		t.Fatal(m, err)
	}
	for round := range 4 {
		id := user(1)
		id.Name, id.Email = fmt.Sprint("New ", round), fmt.Sprintf("new%d@example.com", round)
		bring(t, d, id, "body")
		if round == 2 {
			d = s.open(t)
		}
		for _, d := range []*Directory{d, s.open(t)} {
			if who, err := d.Describe(ctx, h); err != nil || who.Name != id.Name || who.Email != id.Email {
				t.Errorf("round %d: %+v (%v)", round, who, err)
			}
			for _, term := range []string{"u1", "u1@example.com", "new0@example.com", id.Email} {
				if found, err := d.Find(ctx, term); err != nil || !slices.Equal(found, []int64{h}) {
					t.Errorf("round %d: %s finds %v (%v)", round, term, found, err)
				}
			}
			for part, n := range map[string]int{"name 1": 0, "new": 1, id.Email: 1} {
				if m, err := d.Search(ctx, part, 5); err != nil || len(m) != n {
					t.Errorf("round %d: %s finds %v (%v)", round, part, m, err)
				}
			}
			var b Batch
			if p, err := d.Resolve(ctx, &b, id); err != nil || !b.Empty() || p.Handle != h {
				t.Errorf("round %d: the name is taken for a new one again (%v)", round, err)
			}
		}
	}
}

func TestDamageIsAnError(t *testing.T) { sqldbtest.Each(t, testDamageIsAnError) }

func testDamageIsAnError(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	h, _ := bring(t, d, user(1), "first")
	var page []byte
	ctx := context.Background()
	if err := s.db.Read(ctx).QueryRow(`SELECT body FROM person`).Scan(&page); err != nil {
		t.Fatal(err)
	}
	for i := range page {
		bad := bytes.Clone(page)
		bad[i] ^= 0x10
		err := s.db.Write(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec(`UPDATE person SET body = $1`, bad)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		who, err := s.open(t).Describe(ctx, h)
		if err == nil && (who.Name != "Name 1" || who.Email != "u1@example.com") {
			t.Fatalf("with byte %d changed the person is %+v", i, who)
		}
	}
}

// TestManyAtOnce has batches that name the same persons made, stored and merged beside each other, one in ten of them without success.
func TestManyAtOnce(t *testing.T) { sqldbtest.Each(t, testManyAtOnce) }

func testManyAtOnce(t *testing.T) {
	s := newBench(t)
	d := s.open(t)
	ctx := context.Background()
	type event struct {
		id              Identity
		body            string
		handle, profile int64
	}
	var mu sync.Mutex // one committer
	var events []event
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for n := range 60 {
				var b Batch
				var ids []Identity
				for range 20 {
					ids = append(ids, user(r.IntN(300)))
				}
				if err := d.Prefetch(ctx, &b, ids); err != nil {
					t.Error(err)
				}
				var made []event
				for _, id := range ids {
					p, err := d.Resolve(ctx, &b, id)
					if err != nil {
						t.Error(err)
						return
					}
					e := event{id: id, body: fmt.Sprint(id.ID, " ", r.IntN(3)), handle: p.Handle}
					e.profile = d.Profile(&b, p, []byte(e.body))
					made = append(made, e)
				}
				d.Prepare(&b)
				if n%10 == 9 {
					continue // rolled back
				}
				mu.Lock()
				err := d.db.Write(ctx, func(tx *sql.Tx) error { return d.Persist(ctx, tx, &b) })
				if err == nil {
					d.Committed(&b)
					events = append(events, made...)
				} else {
					t.Error(err)
				}
				mu.Unlock()
				if n%7 == 0 {
					d.index.small.Add(smallRows)
					if err := d.Compact(ctx); err != nil {
						t.Error(err)
					}
				}
				if _, err := d.Search(ctx, "name", 3); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	handles := map[string]int64{}
	for _, d := range []*Directory{d, s.open(t)} {
		for _, e := range events {
			if h, ok := handles[e.id.ID]; ok && h != e.handle {
				t.Fatalf("%s has handles %d and %d", e.id.ID, h, e.handle)
			}
			handles[e.id.ID] = e.handle
			if b, err := d.ReadProfile(ctx, e.handle, e.profile); err != nil || string(b) != e.body {
				t.Fatalf("profile %d of %s is %q, not %q (%v)", e.profile, e.id.ID, b, e.body, err)
			}
		}
		for id, h := range handles {
			if found, err := d.Find(ctx, id); err != nil || !slices.Equal(found, []int64{h}) {
				t.Fatalf("%s finds %v, not %d (%v)", id, found, h, err)
			}
		}
		if m, err := d.Search(ctx, "name", 1000); err != nil || len(m) != len(handles) {
			t.Fatalf("%d names, not %d (%v)", len(m), len(handles), err)
		}
	}
}
