package export

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/internal/blob"
)

// TestMemory writes many rows in every format and checks that memory stays within the promise of 512 MiB. PROBITY_EXPORT_ROWS sets
// the number of rows (10,000,000 for the full promise); a few by default.
func TestMemory(t *testing.T) {
	rows := 20_000
	if s := os.Getenv("PROBITY_EXPORT_ROWS"); s != "" {
		rows, _ = strconv.Atoi(s)
	}
	if testing.Short() {
		rows = 5_000
	}
	list := crowd(t, 3000, 300)
	for _, name := range []string{"csv", "json", "ndjson", "ocsf", "parquet", "pdf"} {
		t.Run(name, func(t *testing.T) {
			n := rows
			if name == "pdf" {
				n = min(n, MaxPDFRows)
			}
			debug.FreeOSMemory()
			var peak atomic.Uint64
			stop := watch(&peak)
			e, err := New(name, io.Discard, Options{})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			tally := NewTally(nil, NewPseudonyms(testKey))
			if err := e.Begin(testMeta()); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				r := *list[i%len(list)]
				r.Seq = uint64(i)
				tally.Add(&r)
				if err := e.Write(&r); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.End(tally.Summary()); err != nil {
				t.Fatal(err)
			}
			stop()
			took := time.Since(start)
			t.Logf("%-8s %9d rows  %7.0f rows/s  peak %4d MiB", name, n, float64(n)/took.Seconds(), peak.Load()>>20)
			if peak.Load() > 512<<20 {
				t.Errorf("%s used %d MiB", name, peak.Load()>>20)
			}
		})
	}
}

// watch samples the memory that the program holds from the system.
func watch(peak *atomic.Uint64) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.Sys-m.HeapReleased))
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() { close(done); <-ended }
}

// TestLargeFile writes a file of many segments and reads it again.
func TestLargeFile(t *testing.T) {
	store, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, key := t.Context(), make([]byte, fileKeySize)
	p := newParts(ctx, store, "x", key)
	piece := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	sum := sha256.New()
	for i := range 96 {
		piece[0] = byte(i)
		sum.Write(piece)
		if _, err := p.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	r, err := openFile(ctx, store, partName("x", 1), partLabel("x", 1), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	again := sha256.New()
	if n, err := io.Copy(again, r); err != nil || n != p.bytes.Load() {
		t.Fatal(n, err)
	}
	if !bytes.Equal(sum.Sum(nil), again.Sum(nil)) || hex.EncodeToString(sum.Sum(nil)) != p.sum() {
		t.Error("the file holds something else than was written")
	}
}
