package sha256n

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// everyPath runs a test in every way that this processor can hash.
func everyPath[T interface {
	testing.TB
	Run(string, func(T)) bool
}](t T, test func(T)) {
	wide, pairs := hasWide, hasPairs
	defer func() { hasWide, hasPairs = wide, pairs }()
	for _, p := range []struct {
		name        string
		wide, pairs bool
	}{{"library", false, false}, {"pairs", false, true}, {"sixteen", true, false}, {"sixteen and pairs", true, true}} {
		if p.wide && !wide || p.pairs && !pairs {
			continue
		}
		hasWide, hasPairs = p.wide, p.pairs
		t.Run(p.name, test)
	}
}

// TestSumsAreTheLibrarys compares batches of messages of every length around the block boundaries with the standard library.
func TestSumsAreTheLibrarys(t *testing.T) { everyPath(t, testSums) }

func testSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msgs := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 260), 0, 40).Draw(t, "messages")
		var b Batch
		for range 2 { // the second time on used memory
			b.Reset()
			for _, m := range msgs {
				copy(b.Message(len(m)), m)
			}
			got := b.Sums(nil)
			if len(got) != len(msgs) || b.Len() != len(msgs) {
				t.Fatalf("%d hashes of %d messages", len(got), len(msgs))
			}
			for i, m := range msgs {
				if got[i] != sha256.Sum256(m) {
					t.Fatalf("message %d of %d bytes: %x", i, len(m), got[i])
				}
			}
		}
	})
}

// TestEveryNumber hashes every number of messages that leaves another number of lanes empty, of one block and of several.
func TestEveryNumber(t *testing.T) {
	everyPath(t, func(t *testing.T) {
		for n := range 70 {
			for _, lengths := range [][]int{{50}, {100}, {300}, {55, 56}, {50, 500}, {500, 50, 50, 50, 50, 50, 50}} {
				var b Batch
				var want [][32]byte
				for i := range n {
					m := bytes.Repeat([]byte{byte(i), byte(i >> 3)}, lengths[i%len(lengths)]/2)
					copy(b.Message(len(m)), m)
					want = append(want, sha256.Sum256(m))
				}
				before := [][32]byte{{1}}
				if got := b.Sums(before); !slices.Equal(got[1:], want) || got[0] != before[0] {
					t.Fatalf("%d messages of %d bytes", n, lengths)
				}
			}
		}
	})
}

func TestEveryLength(t *testing.T) { everyPath(t, testLengths) }

func testLengths(t *testing.T) {
	var b Batch
	long := make([]byte, 700)
	for i := range long {
		long[i] = byte(i * 7)
	}
	for n := range long {
		copy(b.Message(n), long)
	}
	for n, got := range b.Sums(nil) {
		if got != sha256.Sum256(long[:n]) {
			t.Fatalf("%d bytes", n)
		}
	}
}

// BenchmarkSums hashes what an event needs, 14 messages of one block and 14 of two, by itself and for 16 events together.
func BenchmarkSums(b *testing.B) {
	msg := make([]byte, 100)
	for _, events := range []int{1, 16} {
		everyPath(b, func(b *testing.B) {
			var batch Batch
			var out [][32]byte
			for b.Loop() {
				batch.Reset()
				for range 14 * events {
					copy(batch.Message(50), msg)
				}
				out = batch.Sums(out[:0])
				batch.Reset()
				for range 14 * events {
					copy(batch.Message(100), msg)
				}
				out = batch.Sums(out[:0])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
		})
	}
}
