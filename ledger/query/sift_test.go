package query_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// TestSieve checks that what a sieve keeps comes out in order, from files and hot batches, and that a search with one can be ended in the middle.
func TestSieve(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 9))
	e := query.Open(query.Options{Workers: 2})
	defer e.Close()
	for range 5 {
		l := randomLog(t, rng, "sieved")
		for _, desc := range []bool{false, true} {
			f, p := randomFilter(rng, l), query.Page{Desc: desc}
			var want []int64
			for _, r := range collect(t, e, l.snap, f, p) {
				if r.Seq%7 == 3 {
					want = append(want, r.Seq)
				}
			}
			p.Sieve = func(_ context.Context, rows []segment.Row, keep []bool) error {
				for i := range rows {
					keep[i] = keep[i] && rows[i].Seq%7 == 3
				}
				return nil
			}
			if got := seqs(collect(t, e, l.snap, f, p)); !slices.Equal(got, want) {
				t.Fatalf("%v, not %v", clip(got), clip(want))
			}
			enough := errors.New("enough")
			n := 0
			err := e.Rows(t.Context(), l.snap, f, p, func(*segment.Row) error {
				if n++; n == 3 {
					return enough
				}
				return nil
			})
			if len(want) >= 3 && !errors.Is(err, enough) || len(want) < 3 && err != nil {
				t.Fatal(err)
			}
			bad := errors.New("bad")
			p.Sieve = func(context.Context, []segment.Row, []bool) error { return bad }
			if err := e.Rows(t.Context(), l.snap, f, p, func(*segment.Row) error { return nil }); len(want) > 0 && !errors.Is(err, bad) {
				t.Fatalf("the sieve's error is lost: %v", err)
			}
		}
	}
}
