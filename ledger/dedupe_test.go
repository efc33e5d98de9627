package ledger

import (
	"math/rand/v2"
	"testing"
)

// TestPrintSet compares the set with a map, with many fingerprints that share a tag.
func TestPrintSet(t *testing.T) {
	var s printSet
	want := map[uint64]uint64{}
	r := rand.New(rand.NewPCG(1, 2))
	for seq := uint64(1000); seq < 21_000; seq++ {
		print := r.Uint64() &^ (0xfff << 50) // few tags
		if _, ok := want[print]; ok {
			continue
		}
		want[print] = seq
		s.put(print, seq)
	}
	for print, seq := range want {
		found := false
		if _, err := s.find(print, func(at uint64) (bool, error) {
			found = found || at == seq
			return at == seq, nil
		}); err != nil || !found {
			t.Fatalf("seq %d is not found (%v)", seq, err)
		}
	}
	for range 1000 {
		n := 0
		print := r.Uint64()
		if done, _ := s.find(print, func(uint64) (bool, error) { n++; return false, nil }); done {
			t.Fatal("a stranger is found")
		}
	}
}

func TestWindowKeepsTenMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a few hundred megabytes")
	}
	w := &dedupeWindow{}
	print := func(i uint64) uint64 { return i * 0x9e3779b97f4a7c15 }
	const n = 16_000_000
	for i := uint64(0); i < n; i++ {
		w.add(print(i), i)
	}
	missing := 0
	for i := uint64(n - dedupeEvents); i < n; i += 997 {
		found := false
		_ = w.find(print(i), func(at uint64) (bool, error) {
			found = at == i
			return found, nil
		})
		if !found {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of the newest 10 million are forgotten", missing)
	}
}
