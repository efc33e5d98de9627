package segment_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"probity.dev/internal/evidence"
	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

func leaves(n int) [][]byte {
	rng := rand.New(rand.NewPCG(8, 8))
	out := make([][]byte, n)
	for i := range out {
		l := evidence.Leaf{RecordedAt: segtest.Start + int64(i), OccurredAt: segtest.Start, Source: "booking.api", Action: "invoice.update", Category: "data",
			Activity: "update", Outcome: "success", ResourceType: "invoice"}
		for _, b := range [][]byte{l.Nonce[:], l.FieldsRoot[:], l.Tags[0][:], l.Tags[1][:], l.Tags[2][:]} {
			for k := range b {
				b[k] = byte(rng.Uint32())
			}
		}
		out[i] = l.Append(nil)
	}
	return out
}

func eachLeaf(ls [][]byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, l := range ls {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func TestEvidence(t *testing.T) {
	ls := leaves(segment.RowGroup + 3000)
	path := filepath.Join(t.TempDir(), "evidence.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	meta := segment.EvidenceMeta{Log: "0123456789abcdef", First: 65536, Root: sha256.Sum256([]byte("root"))}
	info, err := segment.WriteEvidence(f, meta, eachLeaf(ls))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	t.Logf("%.1f bytes per leaf of %d", float64(info.Bytes)/float64(info.Rows), len(ls[0]))
	if info.MinRecorded != segtest.Start || info.MaxSeq != int64(65535+len(ls)) {
		t.Fatalf("info is wrong: %+v", info)
	}
	e, err := segment.OpenEvidence(path)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	meta.Count = uint64(len(ls))
	if e.Meta() != meta {
		t.Fatalf("meta %+v, want %+v", e.Meta(), meta)
	}
	for _, r := range [][2]uint64{{0, 1 << 62}, {65536 + 122_000, 65536 + 123_500}, {70_000, 70_001}, {3, 4}} {
		next := max(r[0], 65536)
		err := e.Scan(r[0], r[1], func(seq uint64, leaf []byte) error {
			if seq != next || !bytes.Equal(leaf, ls[seq-65536]) {
				t.Fatalf("leaf %d differs, or is not %d", seq, next)
			}
			next++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := min(r[1], 65536+uint64(len(ls))); r[1] > 65536 && next != want {
			t.Fatalf("scan ended at %d, want %d", next, want)
		}
	}
	if segment.ReadWorking(path, 0, nil) == nil {
		t.Fatal("an evidence file was read as a working file")
	}
}

// TestEvidenceForOthers puts leaves together from the columns, as somebody without this package would, and refuses what is no leaf.
func TestEvidenceForOthers(t *testing.T) {
	ls := leaves(3000)
	var b bytes.Buffer
	if _, err := segment.WriteEvidence(&b, segment.EvidenceMeta{}, eachLeaf(ls)); err != nil {
		t.Fatal(err)
	}
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	rd := f.RowGroups()[0].Rows()
	defer rd.Close()
	buf := make([]parquet.Row, 100)
	for i := 0; i < len(ls); {
		n, err := rd.ReadRows(buf)
		for _, r := range buf[:n] {
			leaf := slices.Concat(r[3].ByteArray(), r[4].ByteArray(), []byte{2, 0x1b})
			leaf = binary.BigEndian.AppendUint64(leaf, uint64(r[1].Int64()))
			leaf = binary.BigEndian.AppendUint64(append(leaf, 3, 0x1b), uint64(r[2].Int64()))
			leaf = slices.Concat(leaf, r[5].ByteArray(), r[6].ByteArray())
			if !bytes.Equal(leaf, ls[i]) {
				t.Fatalf("leaf %d is %x, want %x", i, leaf, ls[i])
			}
			i++
		}
		if err != nil && i < len(ls) {
			t.Fatal(i, err)
		}
	}
	ls[1][len(ls[1])-86]++ // the head of fields_root
	if _, err := segment.WriteEvidence(&b, segment.EvidenceMeta{}, eachLeaf(ls)); err == nil {
		t.Fatal("a malformed leaf was written")
	}
}
