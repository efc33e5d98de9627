package sha256n

import (
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"
)

// TestSumsAreTheLibrarys compares batches of messages of every length around the block boundaries with the standard library.
func TestSumsAreTheLibrarys(t *testing.T) {
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

func TestEveryLength(t *testing.T) {
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

// BenchmarkSums hashes what an event needs: 14 messages of one block and 14 of two.
func BenchmarkSums(b *testing.B) {
	msg := make([]byte, 100)
	b.Run("pairs", func(b *testing.B) {
		var batch Batch
		var out [][32]byte
		for b.Loop() {
			batch.Reset()
			for range 14 {
				copy(batch.Message(50), msg)
				copy(batch.Message(100), msg)
			}
			out = batch.Sums(out[:0])
		}
	})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			for range 14 {
				sha256.Sum256(msg[:50])
				sha256.Sum256(msg)
			}
		}
	})
}
