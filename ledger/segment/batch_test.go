package segment_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"pgregory.net/rapid"

	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

func TestBatchRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := anyRows(rt, rapid.IntRange(0, 20).Draw(rt, "rows"))
		b := segment.AppendBatch([]byte("before"), rows)
		got, err := segment.DecodeBatch(b[len("before"):], nil)
		if err != nil {
			rt.Fatal(err)
		}
		sameRows(t, got, rows)
	})
}

func TestBatchLarge(t *testing.T) {
	rows := segtest.New(1, 77).Rows(5000)
	b := segment.AppendBatch(nil, rows)
	t.Logf("%.1f bytes per row", float64(len(b))/float64(len(rows)))
	got, err := segment.DecodeBatch(b, rows[:0:0])
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, got, rows)
}

func TestBatchDamage(t *testing.T) {
	b := segment.AppendBatch(nil, segtest.New(2, 0).Rows(300))
	for i := range b {
		c := bytes.Clone(b)
		c[i] ^= 1 << (i % 8)
		if _, err := segment.DecodeBatch(c, nil); err == nil {
			t.Fatalf("a flipped bit at %d was not noticed", i)
		}
		if _, err := segment.DecodeBatch(b[:i], nil); err == nil {
			t.Fatalf("a batch cut at %d was not noticed", i)
		}
	}
}

// FuzzDecodeBatch feeds damaged batches whose checksum is right, so that the decoder itself has to notice.
func FuzzDecodeBatch(f *testing.F) {
	for _, n := range []int{0, 1, 3, 300} {
		b := segment.AppendBatch(nil, segtest.New(2, 0).Rows(n))
		f.Add(b[:len(b)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		b := binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
		rows, err := segment.DecodeBatch(b, nil)
		if err != nil {
			return
		}
		again, err := segment.DecodeBatch(segment.AppendBatch(nil, rows), nil)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, again, rows)
	})
}
