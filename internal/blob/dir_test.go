package blob

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func dirWriterIn(t *testing.T) *dirWriter {
	t.Helper()
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w, err := d.Create(t.Context(), "x", PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Abort)
	return w.(*dirWriter)
}

// TestLargeFileIsFlushed writes a file that is brought to the disk while it is written.
func TestLargeFileIsFlushed(t *testing.T) {
	w := dirWriterIn(t)
	part := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	flushes := 0
	for range 3 * flushEvery / len(part) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if w.behind == 0 {
			flushes++
		}
	}
	if err := w.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if flushes == 0 {
		t.Error("nothing was brought to the disk before the end")
	}
	if i, err := w.d.Stat(t.Context(), "x"); err != nil || i.Size != 3*flushEvery {
		t.Error(i, err)
	}
}

// TestFlushThatFails checks that an error of the disk which only a flush under way is told is not lost.
func TestFlushThatFails(t *testing.T) {
	w := dirWriterIn(t)
	w.flushed = make(chan error, 1)
	w.flushed <- io.ErrShortWrite
	w.behind = flushEvery
	if _, err := w.Write([]byte("x")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("writing on: %v", err)
	}
	if err := w.Commit(t.Context(), nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("at the end: %v", err)
	}
	if _, err := w.d.Stat(t.Context(), "x"); err == nil {
		t.Error("there is an object of which the disk lost a part")
	}
}
