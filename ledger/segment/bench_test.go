package segment_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

const block = 65_536

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkAppendBatch(b *testing.B) {
	rows := segtest.New(1, 0).Rows(1000)
	var dst []byte
	for b.Loop() {
		dst = segment.AppendBatch(dst[:0], rows)
	}
	perRow(b, len(rows))
	b.ReportMetric(float64(len(dst))/float64(len(rows)), "B/row")
}

func BenchmarkDecodeBatch(b *testing.B) {
	enc := segment.AppendBatch(nil, segtest.New(1, 0).Rows(1000))
	var rows []segment.Row
	for b.Loop() {
		rows, _ = segment.DecodeBatch(enc, rows[:0])
	}
	perRow(b, len(rows))
}

func BenchmarkWriteWorking(b *testing.B) {
	rows := segtest.New(1, 0).Rows(block)
	var info segment.Info
	for b.Loop() {
		var err error
		if info, err = segment.WriteWorking(io.Discard, each(rows)); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, len(rows))
	b.ReportMetric(float64(info.Bytes)/float64(info.Rows), "B/row")
}

func BenchmarkReadWorking(b *testing.B) {
	path, _ := writeWorking(b, segtest.New(1, 0).Rows(block))
	for b.Loop() {
		if err := segment.ReadWorking(path, 0, func(*segment.Row) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, block)
}

func BenchmarkWriteEvidence(b *testing.B) {
	ls := leaves(block)
	var info segment.Info
	for b.Loop() {
		var err error
		if info, err = segment.WriteEvidence(io.Discard, segment.EvidenceMeta{}, eachLeaf(ls)); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, len(ls))
	b.ReportMetric(float64(info.Bytes)/float64(info.Rows), "B/row")
}

func BenchmarkReadEvidence(b *testing.B) {
	var buf bytes.Buffer
	if _, err := segment.WriteEvidence(&buf, segment.EvidenceMeta{Log: "x"}, eachLeaf(leaves(block))); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "e.parquet")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := segment.ReadEvidence(path, func(uint64, []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	perRow(b, block)
}
