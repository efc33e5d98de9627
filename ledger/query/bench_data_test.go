package query_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

const (
	benchBlock  = 65_536
	benchMerged = 16 // blocks per compacted file
)

// dataset describes generated files; it is stored beside them, so that a second run does not generate them again.
type dataset struct {
	Blocks []query.SegmentRef
	Merged []query.SegmentRef
	Rows   int
}

// benchData makes rows events as files of 65,536 and, from those, as compacted files, in $PROBITY_BENCH_DIR (a few GB for ten million).
func benchData(t testing.TB, rows int, late float64) *dataset {
	root := os.Getenv("PROBITY_BENCH_DIR")
	if root == "" {
		t.Skip("set PROBITY_BENCH_DIR to a folder with 5 GB of room to run the large benchmarks")
	}
	dir := filepath.Join(root, fmt.Sprintf("%d-%g", rows, late))
	var d dataset
	if b, err := os.ReadFile(filepath.Join(dir, "dataset.json")); err == nil {
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatal(err)
		}
		return &d
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	g := segtest.New(42, 0)
	g.Late = late
	for at := 0; at < rows; at += benchBlock {
		n := min(benchBlock, rows-at)
		d.Blocks = append(d.Blocks, writeFile(t, filepath.Join(dir, fmt.Sprintf("block-%08d.parquet", at)), func(f *os.File) (segment.Info, error) {
			return segment.WriteWorking(f, g.Each(n))
		}))
	}
	for i := 0; i < len(d.Blocks); i += benchMerged {
		part := d.Blocks[i:min(i+benchMerged, len(d.Blocks))]
		paths := make([]string, len(part))
		for k := range part {
			paths[k] = part[k].Path
		}
		d.Merged = append(d.Merged, writeFile(t, filepath.Join(dir, fmt.Sprintf("merged-%08d.parquet", part[0].First)), func(f *os.File) (segment.Info, error) {
			return segment.CompactWorking(f, nil, paths...)
		}))
	}
	d.Rows = rows
	b, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dataset.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	return &d
}

func writeFile(t testing.TB, path string, write func(*os.File) (segment.Info, error)) query.SegmentRef {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := write(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return query.SegmentRef{Path: path, First: uint64(info.MinSeq), Count: uint64(info.MaxSeq - info.MinSeq + 1), MinRecorded: info.MinRecorded,
		MaxRecorded: info.MaxRecorded, MinOccurred: info.MinOccurred, MaxOccurred: info.MaxOccurred}
}
