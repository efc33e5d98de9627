package export

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
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

// TestLargeFile writes a file that is brought to the disk while it is written, and reads it again.
func TestLargeFile(t *testing.T) {
	dir, key := t.TempDir(), make([]byte, fileKeySize)
	f, err := createFile(dir, "x", key)
	if err != nil {
		t.Fatal(err)
	}
	part := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	sum := sha256.New()
	flushes := 0
	for i := range 3 * flushEvery / len(part) {
		part[0] = byte(i)
		sum.Write(part)
		if _, err := f.Write(part); err != nil {
			t.Fatal(err)
		}
		if f.behind == 0 {
			flushes++
		}
	}
	if err := f.commit(); err != nil {
		t.Fatal(err)
	}
	if flushes == 0 {
		t.Error("nothing was brought to the disk before the end")
	}
	r, err := openFile(dir, "x"+fileSuffix, "x", key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	again := sha256.New()
	if n, err := io.Copy(again, r); err != nil || n != f.bytes.Load() {
		t.Fatal(n, err)
	}
	if !bytes.Equal(sum.Sum(nil), again.Sum(nil)) || !bytes.Equal(sum.Sum(nil), f.hash.Sum(nil)) {
		t.Error("the file holds something else than was written")
	}
}

// TestFlushThatFails checks that an error of the disk which only a flush under way is told is not lost.
func TestFlushThatFails(t *testing.T) {
	f, err := createFile(t.TempDir(), "x", make([]byte, fileKeySize))
	if err != nil {
		t.Fatal(err)
	}
	defer f.abandon()
	f.flushed = make(chan error, 1)
	f.flushed <- io.ErrShortWrite
	f.behind = flushEvery
	if _, err := f.Write([]byte("x")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("writing on: %v", err)
	}
	if err := f.commit(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("at the end: %v", err)
	}
}
