package segment_test

import (
	"os"
	"path/filepath"
	"testing"

	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

func BenchmarkFetchOne(b *testing.B) {
	p := filepath.Join(b.TempDir(), "x")
	f, _ := os.Create(p)
	segment.WriteWorking(f, segtest.New(1, 0).Each(block))
	w, err := segment.OpenWorking(p)
	if err != nil {
		b.Fatal(err)
	}
	var buf segment.RowBuffer
	i := int32(0)
	for b.Loop() {
		i = (i + 7919) % block
		if err := w.Group(0).FetchRows([]int32{i}, 0, false, &buf, func(*segment.Row) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
