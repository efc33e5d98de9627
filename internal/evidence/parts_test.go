package evidence

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestPartsGiveTheLeafBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9_.:/-]{1,128}`)
		l := Leaf{RecordedAt: rapid.Int64Range(1<<32, 1<<62).Draw(t, "recorded"),
			OccurredAt: rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, -1, 23, 24, 1 << 32, math.MinInt64, math.MaxInt64})).Draw(t, "occurred"),
			Source:     word.Draw(t, "w"), Action: word.Draw(t, "w"), Category: word.Draw(t, "w"), Activity: word.Draw(t, "w"), Outcome: word.Draw(t, "w")}
		if rapid.Bool().Draw(t, "typed") {
			l.ResourceType = word.Draw(t, "w")
		}
		if rapid.Bool().Draw(t, "produced") {
			l.Producer = &Producer{ID: word.Draw(t, "w"), Boot: rapid.SampledFrom([]string{"", "b-1"}).Draw(t, "boot"), Seq: rapid.Uint64().Draw(t, "seq")}
		}
		l.Class = rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64()).Draw(t, "class")
		copy(l.Nonce[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "nonce"))
		leaf := l.Append(nil)
		var p Parts
		if err := p.Split(leaf); err != nil {
			t.Fatal(err)
		}
		if got := p.Append(nil); !bytes.Equal(got, leaf) {
			t.Fatalf("%x\n%x", got, leaf)
		}
		// Damage either shows or changes nothing about the round trip.
		bent := bytes.Clone(leaf)
		bent[rapid.IntRange(0, len(bent)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		bent = bent[:rapid.IntRange(0, len(bent)).Draw(t, "cut")]
		if err := p.Split(bent); err == nil && !bytes.Equal(p.Append(nil), bent) {
			t.Fatalf("%x", bent)
		}
	})
}
