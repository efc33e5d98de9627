package blob

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"testing"
)

// TestLargeFile writes a file that is brought to the disk while it is written, and reads it again.
func TestLargeFile(t *testing.T) {
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f, err := d.Create(t.Context(), "x", PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Abort()
	part := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	sum := sha256.New()
	flushes := 0
	for i := range 3 * flushEvery / len(part) {
		part[0] = byte(i)
		sum.Write(part)
		if _, err := f.Write(part); err != nil {
			t.Fatal(err)
		}
		if f.(*dirWriter).behind == 0 {
			flushes++
		}
	}
	if err := f.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if flushes == 0 {
		t.Error("nothing was brought to the disk before the end")
	}
	r, err := d.Open(t.Context(), "x", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	again := sha256.New()
	if n, err := io.Copy(again, r); err != nil || n != 3*flushEvery {
		t.Fatal(n, err)
	}
	if !bytes.Equal(sum.Sum(nil), again.Sum(nil)) {
		t.Error("the file holds something else than was written")
	}
}

// TestFlushThatFails checks that an error of the disk which only a flush under way is told is not lost.
func TestFlushThatFails(t *testing.T) {
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w, err := d.Create(t.Context(), "x", PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	f := w.(*dirWriter)
	f.flushed = make(chan error, 1)
	f.flushed <- io.ErrShortWrite
	f.behind = flushEvery
	if _, err := f.Write([]byte("x")); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("writing on: %v", err)
	}
	if err := f.Commit(t.Context(), nil); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("at the end: %v", err)
	}
	if _, err := d.Stat(t.Context(), "x"); err == nil {
		t.Error("there is an object, though the disk did not take it")
	}
}
