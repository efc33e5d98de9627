package segment_test

import (
	"bytes"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

func eachBatch(rows []segment.Row, size func() int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(rows) > 0 {
			n := min(size(), len(rows))
			if !yield(segment.AppendBatch(nil, rows[:n]), nil) {
				return
			}
			rows = rows[n:]
		}
	}
}

func writeBatches(t testing.TB, rows []segment.Row, size func() int) (string, segment.Info) {
	t.Helper()
	var b bytes.Buffer
	info, err := segment.WriteBatches(&b, eachBatch(rows, size))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "working.parquet")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, info
}

// TestBatchesAreTheirRows compares files written from batches with the rows, and with files written row by row.
func TestBatchesAreTheirRows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := anyRows(rt, rapid.IntRange(0, 12).Draw(rt, "rows"))
		path, info := writeBatches(t, rows, func() int { return rapid.IntRange(1, 5).Draw(rt, "size") })
		sameRows(t, readAll(t, path), rows)
		_, want := writeWorking(t, rows)
		want.Bytes, want.SHA256 = info.Bytes, info.SHA256
		if info != want {
			rt.Fatalf("%+v, want %+v", info, want)
		}
	})
	for _, n := range []int{1, 2048, 16385, segment.RowGroup + 1} {
		rng := rand.New(rand.NewPCG(7, uint64(n)))
		rows := segtest.New(uint64(n), 5).Rows(n)
		rows[n/2].EventID = "né" // not ASCII
		path, info := writeBatches(t, rows, func() int { return 1 + rng.IntN(3000) })
		sameRows(t, readAll(t, path), rows)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		compareWithParquetGo(t, b, rows)
		if _, byRow := writeWorking(t, rows); info.Bytes > byRow.Bytes+byRow.Bytes/50 {
			t.Errorf("%d rows take %d bytes from batches, %d row by row", n, info.Bytes, byRow.Bytes)
		}
	}
	rows := segtest.New(1, 0).Rows(segment.RowGroup + 5000) // more than a row group in one batch
	path, _ := writeBatches(t, rows, func() int { return len(rows) })
	sameRows(t, readAll(t, path), rows)
}

// TestDamagedBatches: a file is never made from a batch that is not sound.
func TestDamagedBatches(t *testing.T) {
	rows := segtest.New(5, 0).Rows(300)
	rng := rand.New(rand.NewPCG(3, 3))
	one := func(b []byte) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) { yield(b, nil) }
	}
	good := segment.AppendBatch(nil, rows)
	for range 500 {
		b := bytes.Clone(good)
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		if _, err := segment.WriteBatches(io.Discard, one(b[:rng.IntN(len(b)+1)])); err == nil {
			t.Fatal("a damaged batch was written")
		}
		// With a checksum that fits, the result may be anything but a panic, and is what the row by row reading makes of it.
		b = segment.Resum(b)
		_, err := segment.WriteBatches(io.Discard, one(b))
		if decoded, bad := segment.DecodeBatch(b, nil); bad != nil && err == nil {
			t.Fatalf("the batch was written, but does not decode: %v", bad)
		} else if bad == nil && err != nil {
			if _, err := segment.WriteWorking(io.Discard, each(decoded)); err == nil {
				t.Fatal("the rows can be written, the batch cannot")
			}
		}
	}
	rows[7].EventID = "\xff"
	if _, err := segment.WriteBatches(io.Discard, one(segment.AppendBatch(nil, rows))); err == nil {
		t.Fatal("invalid UTF-8 was accepted")
	}
	two := func(yield func([]byte, error) bool) { _ = yield(good, nil) && yield(good, nil) }
	if _, err := segment.WriteBatches(io.Discard, two); err == nil {
		t.Fatal("a repeated batch was accepted")
	}
}
