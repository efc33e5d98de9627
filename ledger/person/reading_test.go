package person

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"probity.dev/internal/errs"
)

// people stores n persons with a profile each, and every tenth with a second one.
func people(t *testing.T, d *Directory, n int) (wanted []Wanted) {
	t.Helper()
	var b Batch
	for i := range n {
		p, err := d.Resolve(t.Context(), &b, user(i))
		if err != nil {
			t.Fatal(err)
		}
		wanted = append(wanted, Wanted{p.Handle, d.Profile(&b, p, fmt.Appendf(nil, "profile %d", i))})
	}
	commit(t, d, &b)
	b = Batch{}
	for i := 0; i < n; i += 10 {
		p, err := d.Resolve(t.Context(), &b, user(i))
		if err != nil {
			t.Fatal(err)
		}
		wanted = append(wanted, Wanted{p.Handle, d.Profile(&b, p, fmt.Appendf(nil, "second profile %d", i))})
	}
	commit(t, d, &b)
	return wanted
}

// TestReadingFindsEverybody reads all persons in random order, some at a time, in several goroutines: while every page may be kept, when few may, and with
// reading ahead.
func TestReadingFindsEverybody(t *testing.T) {
	s := newBench(t)
	const n = 2000
	wanted := people(t, s.open(t), n)
	for _, c := range []struct{ limit, aheadFrom int }{{keptBytes, aheadFrom}, {keptBytes, 10}, {8 << 10, 10}, {1, 10}} {
		d := s.open(t) // nobody is in memory
		r := d.Read()
		r.persons.limit, r.persons.aheadFrom, r.profiles.limit, r.profiles.aheadFrom = c.limit, c.aheadFrom, c.limit, c.aheadFrom
		order := slices.Clone(wanted)
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		var wg sync.WaitGroup
		for part := range slices.Chunk(order, len(order)/4+1) {
			wg.Go(func() {
				for some := range slices.Chunk(part, 20) {
					if err := r.Warm(context.Background(), some); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for i, w := range wanted {
			want := fmt.Sprint("profile ", i)
			if i >= n {
				want = fmt.Sprint("second profile ", 10*(i-n))
			}
			if b, ok := d.profiles.Get(profileKey{w.Handle, w.Profile}); !ok || string(b) != want {
				t.Fatalf("%+v: %q is at hand in place of %q", c, b, want)
			}
			if _, ok := d.resident.secret(number(t, d, w.Handle), w.Handle); !ok {
				t.Fatalf("%+v: the secret of person %d is not at hand", c, i)
			}
		}
		kept := len(r.persons.young) + len(r.persons.old)
		if all := n / personsPerPage; c.limit == keptBytes && kept < all || c.limit == 1 && kept > all/2 {
			t.Errorf("%+v: %d pages of %d are kept", c, kept, all)
		}
	}
}

// TestReadingShowsErasureAndArrival checks that whoever is erased before a reading begins is not found by it, and who arrives after it has met their page
// is found by the directory all the same.
func TestReadingShowsErasureAndArrival(t *testing.T) {
	s := newBench(t)
	first := s.open(t)
	gone, gonesProfile := bring(t, first, user(1), "first")
	stays, itsProfile := bring(t, first, user(2), "neighbour")
	destroy(t, first, gone)
	d := s.open(t)
	r := d.Read()
	if err := r.Warm(t.Context(), []Wanted{{gone, gonesProfile}, {stays, itsProfile}}); err != nil {
		t.Fatal(err)
	}
	if b, ok := d.profiles.Get(profileKey{stays, itsProfile}); !ok || string(b) != "neighbour" {
		t.Errorf("the neighbour's profile is %q", b)
	}
	if b, err := d.ReadProfile(t.Context(), gone, gonesProfile); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("the profile of somebody who was erased is %q (%v)", b, err)
	}
	if _, err := d.Secret(t.Context(), gone); errs.CodeOf(err) != errs.NotFound {
		t.Errorf("the secret of somebody who was erased: %v", err)
	}
	new, newProfile := bring(t, first, user(3), "new")
	if err := r.Warm(t.Context(), []Wanted{{new, newProfile}}); err != nil {
		t.Fatal(err)
	}
	if b, err := d.ReadProfile(t.Context(), new, newProfile); err != nil || string(b) != "new" {
		t.Errorf("the profile of somebody new is %q (%v)", b, err)
	}
}
