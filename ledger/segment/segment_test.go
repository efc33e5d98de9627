package segment_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"probity.dev/ledger/segment"
	"probity.dev/ledger/segment/segtest"
)

func each(rows []segment.Row) iter.Seq2[*segment.Row, error] {
	return func(yield func(*segment.Row, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

func writeWorking(t testing.TB, rows []segment.Row) (string, segment.Info) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "working.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := segment.WriteWorking(f, each(rows))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path, info
}

func readAll(t testing.TB, path string) []segment.Row {
	t.Helper()
	var out []segment.Row
	if err := segment.ReadWorking(path, segment.AllColumns, func(r *segment.Row) error {
		out = append(out, *r.Clone())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// normal makes empty and nil byte strings equal, which no encoding here tells apart.
func normal(rows []segment.Row) []segment.Row {
	out := make([]segment.Row, len(rows))
	for i := range rows {
		out[i] = *rows[i].Clone()
	}
	return out
}

func sameRows(t testing.TB, got, want []segment.Row) {
	t.Helper()
	got, want = normal(got), normal(want)
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("row %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

// anyRows draws rows with every kind of awkward value: empty, long, NUL, non-ASCII, negative, repeated.
func anyRows(t *rapid.T, n int) []segment.Row {
	word := rapid.OneOf(rapid.SampledFrom([]string{"", "a", "invoice.update", "ü\x00€", strings.Repeat("x", 300)}), rapid.String())
	num := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64(), rapid.Int64Range(1, 9))
	blob := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 300))
	seq := rapid.Int64Range(0, 1<<40).Draw(t, "first")
	dense := rapid.Bool().Draw(t, "dense")
	rows := make([]segment.Row, n)
	for i := range rows {
		if !dense {
			seq += rapid.Int64Range(0, 100).Draw(t, "gap")
		}
		rows[i] = segment.Row{Seq: seq, RecordedAt: num.Draw(t, "rec") >> 1, OccurredAt: num.Draw(t, "occ") >> 1,
			Source: word.Draw(t, "s"), Action: word.Draw(t, "s"), Category: word.Draw(t, "s"), Activity: word.Draw(t, "s"), Outcome: word.Draw(t, "s"),
			Severity: word.Draw(t, "s"), ResourceType: word.Draw(t, "s"), ResourceID: word.Draw(t, "s"), EventID: word.Draw(t, "s"),
			CorrelationID: word.Draw(t, "s"), Shape: string(blob.Draw(t, "shape")), Actor: num.Draw(t, "n"), Subject: num.Draw(t, "n"), Resource: num.Draw(t, "n"),
			IP: num.Draw(t, "n"), Profile: num.Draw(t, "n"), Clear: blob.Draw(t, "b"), Sealed: blob.Draw(t, "b")}
		copy(rows[i].Nonce[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "nonce"))
		seq++
	}
	return rows
}

func TestWorkingRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := anyRows(rt, rapid.IntRange(0, 12).Draw(rt, "rows"))
		path, info := writeWorking(t, rows)
		sameRows(t, readAll(t, path), rows)
		if int(info.Rows) != len(rows) {
			rt.Fatal("wrong row count")
		}
	})
}

// TestWorkingSizes crosses page, probe and row group boundaries, and compares with what parquet-go's own reader sees.
func TestWorkingSizes(t *testing.T) {
	for _, n := range []int{1, 2, 1023, 1024, 1025, 2048, 2049, 16384, 16385, segment.RowGroup + 1} {
		rows := segtest.New(uint64(n), 5).Rows(n)
		path, info := writeWorking(t, rows)
		sameRows(t, readAll(t, path), rows)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(b) != info.SHA256 || int64(len(b)) != info.Bytes || info.MinSeq != 5 || info.MaxSeq != int64(n)+4 || int(info.Rows) != n {
			t.Fatalf("info is wrong: %+v", info)
		}
		compareWithParquetGo(t, b, rows)
	}
}

func compareWithParquetGo(t *testing.T, b []byte, rows []segment.Row) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for _, g := range f.RowGroups() {
		rd := g.Rows()
		buf := make([]parquet.Row, 100)
		for {
			n, err := rd.ReadRows(buf)
			for _, r := range buf[:n] {
				w := &rows[i]
				if r[0].Int64() != w.Seq || r[4].String() != w.Action || r[11].String() != w.ResourceID || r[12].String() != w.EventID ||
					r[14].Int64() != w.Actor || r[18].Int64() != w.Profile || !bytes.Equal(r[19].ByteArray(), w.Nonce[:]) ||
					!bytes.Equal(r[20].ByteArray(), w.Clear) || !bytes.Equal(r[21].ByteArray(), w.Sealed) {
					t.Fatalf("row %d differs when read by parquet-go: %v", i, r)
				}
				i++
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		rd.Close()
	}
	if i != len(rows) {
		t.Fatalf("parquet-go reads %d rows of %d", i, len(rows))
	}
	checkFilters(t, f, rows)
}

// checkFilters looks every value up in the bloom filters: a filter may let a wrong value pass, never stop a right one.
func checkFilters(t *testing.T, f *parquet.File, rows []segment.Row) {
	t.Helper()
	at, filters := 0, 0
	for _, g := range f.RowGroups() {
		part := rows[at : at+int(g.NumRows())]
		at += len(part)
		for col, value := range map[int]func(*segment.Row) parquet.Value{
			4:  func(r *segment.Row) parquet.Value { return parquet.ByteArrayValue([]byte(r.Action)) },
			11: func(r *segment.Row) parquet.Value { return parquet.ByteArrayValue([]byte(r.ResourceID)) },
			12: func(r *segment.Row) parquet.Value { return parquet.ByteArrayValue([]byte(r.EventID)) },
			13: func(r *segment.Row) parquet.Value { return parquet.ByteArrayValue([]byte(r.CorrelationID)) },
			14: func(r *segment.Row) parquet.Value { return parquet.Int64Value(r.Actor) },
			15: func(r *segment.Row) parquet.Value { return parquet.Int64Value(r.Subject) },
			16: func(r *segment.Row) parquet.Value { return parquet.Int64Value(r.Resource) },
			17: func(r *segment.Row) parquet.Value { return parquet.Int64Value(r.IP) },
		} {
			bf := g.ColumnChunks()[col].BloomFilter()
			if bf == nil {
				t.Fatalf("column %d has no bloom filter", col)
			}
			filters++
			for i := range part {
				if ok, err := bf.Check(value(&part[i])); err != nil || !ok {
					t.Fatalf("column %d: the bloom filter denies a value of row %d (%v)", col, i, err)
				}
			}
		}
		for _, col := range []int{19, 20, 21} {
			if g.ColumnChunks()[col].BloomFilter() != nil {
				t.Fatal("a BLOB column has a bloom filter")
			}
		}
	}
	if filters == 0 && len(rows) > 0 {
		t.Fatal("no bloom filters")
	}
}

func TestScanAndFetch(t *testing.T) {
	g := segtest.New(9, 1000)
	rows := g.Rows(segment.RowGroup + 5000)
	sparse := rows[:0:0]
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		if rng.IntN(5) > 0 {
			sparse = append(sparse, rows[i])
		}
	}
	for name, rows := range map[string][]segment.Row{"dense": rows, "sparse": sparse} {
		t.Run(name, func(t *testing.T) {
			path, _ := writeWorking(t, rows)
			w, err := segment.OpenWorking(path)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			for range 15 {
				from := 900 + rng.Int64N(int64(len(rows)))
				to := from + rng.Int64N(6000)
				checkRange(t, w, rows, from, to, rng.IntN(2) == 0)
				checkFetch(t, w, rows, from, to, rng)
			}
		})
	}
}

func checkRange(t *testing.T, w *segment.Working, rows []segment.Row, from, to int64, desc bool) {
	t.Helper()
	var want, got []segment.Row
	for i := range rows {
		k := i
		if desc {
			k = len(rows) - 1 - i
		}
		if rows[k].Seq >= from && rows[k].Seq < to {
			want = append(want, rows[k])
		}
	}
	if err := w.Scan(from, to, segment.AllColumns, desc, func(r *segment.Row) error { got = append(got, *r.Clone()); return nil }); err != nil {
		t.Fatal(err)
	}
	sameRows(t, got, want)
}

func checkFetch(t *testing.T, w *segment.Working, rows []segment.Row, from, to int64, rng *rand.Rand) {
	t.Helper()
	var seqs []int64
	for s := from; s < to; s += 1 + rng.Int64N(400) {
		seqs = append(seqs, s)
	}
	var want, got []segment.Row
	k := 0
	for i := range rows {
		for k < len(seqs) && seqs[k] < rows[i].Seq {
			k++
		}
		if k < len(seqs) && seqs[k] == rows[i].Seq {
			want = append(want, rows[i])
		}
	}
	if err := w.Fetch(seqs, segment.AllColumns, func(r *segment.Row) error { got = append(got, *r.Clone()); return nil }); err != nil {
		t.Fatal(err)
	}
	sameRows(t, got, want)
}

func TestProjection(t *testing.T) {
	rows := segtest.New(3, 0).Rows(3000)
	path, _ := writeWorking(t, rows)
	i := 0
	err := segment.ReadWorking(path, segment.Times|segment.Handles, func(r *segment.Row) error {
		w := segment.Row{Seq: rows[i].Seq, RecordedAt: rows[i].RecordedAt, OccurredAt: rows[i].OccurredAt, Actor: rows[i].Actor, Subject: rows[i].Subject,
			Resource: rows[i].Resource, IP: rows[i].IP, Profile: rows[i].Profile}
		if !reflect.DeepEqual(*r, w) {
			t.Fatalf("row %d: %+v, want %+v", i, *r, w)
		}
		i++
		return nil
	})
	if err != nil || i != len(rows) {
		t.Fatal(i, err)
	}
}

func TestOutOfOrderRefused(t *testing.T) {
	rows := segtest.New(4, 0).Rows(3)
	rows[2].Seq = rows[1].Seq
	if _, err := segment.WriteWorking(io.Discard, each(rows)); err == nil {
		t.Fatal("a repeated seq was accepted")
	}
	rows[2].Seq = 99
	rows[1].EventID = "\xff"
	if _, err := segment.WriteWorking(io.Discard, each(rows)); err == nil {
		t.Fatal("invalid UTF-8 was accepted; DuckDB would refuse the whole file later")
	}
}

func TestCompact(t *testing.T) {
	g := segtest.New(6, 0)
	var paths []string
	var all []segment.Row
	for range 5 {
		rows := g.Rows(3000)
		p, _ := writeWorking(t, rows)
		paths = append(paths, p)
		all = append(all, rows...)
	}
	dst := filepath.Join(t.TempDir(), "merged.parquet")
	f, err := os.Create(dst)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := segment.CompactWorking(f, func(r *segment.Row) bool {
		if r.Seq%7 == 0 {
			r.Sealed = nil
		}
		return r.Seq%11 != 0
	}, paths...)
	if err != nil {
		t.Fatal(err)
	}
	var want []segment.Row
	for _, r := range all {
		if r.Seq%7 == 0 {
			r.Sealed = nil
		}
		if r.Seq%11 != 0 {
			want = append(want, r)
		}
	}
	sameRows(t, readAll(t, dst), want)
	if info.Rows != int64(len(want)) || info.MaxSeq != 14999 || info.MinSeq != 1 {
		t.Fatalf("info is wrong: %+v", info)
	}
	if _, err := segment.CompactWorking(io.Discard, nil, paths[1], paths[0]); err == nil {
		t.Fatal("files out of order were merged")
	}
}
