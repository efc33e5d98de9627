package segment_test

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden reads files that an earlier build wrote: what is stored today must be readable for as long as its version is known.
func TestGolden(t *testing.T) {
	rows := segtest.New(100, 65_536).Rows(40)
	ls := leaves(40)
	batch, working, leaf := filepath.Join("testdata", "batch-v1.bin"), filepath.Join("testdata", "working-v1.parquet"), filepath.Join("testdata", "evidence-v2.parquet")
	if *update {
		var w, e bytes.Buffer
		if _, err := segment.WriteWorking(&w, each(rows)); err != nil {
			t.Fatal(err)
		}
		if _, err := segment.WriteEvidence(&e, segment.EvidenceMeta{Log: "0123456789abcdef", First: 65_536}, eachLeaf(ls)); err != nil {
			t.Fatal(err)
		}
		for path, b := range map[string][]byte{batch: segment.AppendBatch(nil, rows), working: w.Bytes(), leaf: e.Bytes()} {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := os.ReadFile(batch)
	if err != nil {
		t.Fatal(err)
	}
	got, err := segment.DecodeBatch(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, got, rows)
	sameRows(t, readAll(t, working), rows)
	for _, path := range []string{filepath.Join("testdata", "evidence-v1.parquet"), leaf} { // version 1 is no longer written
		n := 0
		if err := segment.ReadEvidence(path, func(seq uint64, l []byte) error {
			if seq != 65_536+uint64(n) || !bytes.Equal(l, ls[n]) {
				t.Fatalf("leaf %d differs", seq)
			}
			n++
			return nil
		}); err != nil || n != len(ls) {
			t.Fatal(path, n, err)
		}
	}
}

// TestDamagedFiles flips, cuts and overwrites; reading must end in an error or in the very same rows, never in a panic or in other rows.
func TestDamagedFiles(t *testing.T) {
	rows := segtest.New(5, 0).Rows(2500)
	path, _ := writeWorking(t, rows)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	missed := 0
	for i := range 160 {
		c := bytes.Clone(b)
		switch i % 4 {
		case 0:
			c[rng.IntN(len(c))] ^= 1 << rng.IntN(8)
		case 1:
			c[len(c)-1-rng.IntN(6000)] ^= 1 << rng.IntN(8)
		case 2:
			c = c[:rng.IntN(len(c))]
		default:
			at := rng.IntN(len(c) - 64)
			for k := range 64 {
				c[at+k] = byte(rng.Uint32())
			}
		}
		p := filepath.Join(t.TempDir(), "damaged.parquet")
		if err := os.WriteFile(p, c, 0o600); err != nil {
			t.Fatal(err)
		}
		var got []segment.Row
		err := segment.ReadWorking(p, 0, func(r *segment.Row) error { got = append(got, *r.Clone()); return nil })
		if err == nil {
			missed++ // harmless: statistics, bloom filters, offsets nobody reads
			sameRows(t, got, rows)
		}
	}
	t.Logf("%d of 160 damages do not touch what the reader uses", missed)
}
