package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"probity.dev/internal/blob"
	"probity.dev/internal/blob/blobtest"
)

// counting counts what is fetched, and can be slow, empty or broken.
type counting struct {
	blob.Store
	opened atomic.Int64
	hold   chan struct{}
	broken atomic.Bool
}

func (c *counting) Open(ctx context.Context, name string, from, n int64) (io.ReadCloser, error) {
	c.opened.Add(1)
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r, err := c.Store.Open(ctx, name, from, n)
	if err == nil && c.broken.Load() {
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(r, 100), failing{}), r}, nil
	}
	return r, err
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the line went dead") }

func behind(t *testing.T) *counting {
	d, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &counting{Store: d}
}

func cacheIn(t *testing.T, dir string, size int64) *blob.Cache {
	t.Helper()
	c, err := blob.OpenCache(dir, size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func read(t *testing.T, f *blob.Cached, r blob.Ref) []byte {
	t.Helper()
	in, err := f.File(context.Background(), r, false)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	b, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func copies(t *testing.T, dir string) (n int, size int64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		n, size = n+1, size+st.Size()
	}
	return n, size
}

func TestCacheEvictsByUse(t *testing.T) {
	store, dir := behind(t), t.TempDir()
	f := blob.NewCached(store, cacheIn(t, dir, 10_000))
	var refs []blob.Ref
	for i := range 12 {
		refs = append(refs, blobtest.Put(t, store, fmt.Sprint("x/", i), blobtest.Content(uint64(i), 1000), blob.PutOptions{}))
	}
	for _, r := range refs[:10] {
		read(t, f, r)
	}
	read(t, f, refs[0]) // is used again, so it stays
	kept, err := f.File(t.Context(), refs[1], false)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	for _, r := range []int{2, 3, 4, 5, 6, 7, 8, 9, 0, 10, 11} { // 1 goes, and then 2
		read(t, f, refs[r])
	}
	if n, size := copies(t, dir); n != 10 || size != 10_000 {
		t.Errorf("%d copies, %d bytes", n, size)
	}
	if store.opened.Load() != 12 {
		t.Errorf("%d fetches", store.opened.Load())
	}
	read(t, f, refs[0])
	if store.opened.Load() != 12 {
		t.Error("what was used last is gone")
	}
	if b, err := io.ReadAll(kept); err != nil || !bytes.Equal(b, blobtest.Content(1, 1000)) {
		t.Errorf("a file that was open when its copy went cannot be read: %v", err)
	}
	big := blobtest.Put(t, store, "big", blobtest.Content(99, 20_000), blob.PutOptions{})
	if got := read(t, f, big); len(got) != 20_000 {
		t.Errorf("%d bytes of an object above the limit", len(got))
	}
	if _, size := copies(t, dir); size > 10_000 {
		t.Errorf("%d bytes", size)
	}
	for _, r := range refs[:10] {
		read(t, f, r)
	}
	if err := blob.Verify(t.Context(), f, refs[11]); err != nil { // does not stay
		t.Error(err)
	}
	store.opened.Store(0)
	for _, r := range refs[:10] {
		read(t, f, r)
	}
	if n, _ := copies(t, dir); n != 10 || store.opened.Load() != 0 {
		t.Errorf("verifying another object left %d copies and %d to be fetched again", n, store.opened.Load())
	}
}

// TestCacheAfterCrash opens a folder as a crash may have left it: half copies, changed copies, files being written.
func TestCacheAfterCrash(t *testing.T) {
	store, dir := behind(t), t.TempDir()
	f := blob.NewCached(store, cacheIn(t, dir, 1<<20))
	var refs []blob.Ref
	for i := range 5 {
		refs = append(refs, blobtest.Put(t, store, fmt.Sprint(i), blobtest.Content(uint64(i), 5000), blob.PutOptions{}))
		read(t, f, refs[i])
	}
	path := func(i int) string { return filepath.Join(dir, hex.EncodeToString(refs[i].SHA256)) }
	changed := blobtest.Content(0, 5000)
	changed[4999] ^= 1
	for i, b := range [][]byte{changed, blobtest.Content(1, 5000)[:2000], {}} {
		if err := os.WriteFile(path(i), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".tmp-9"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	store.opened.Store(0)
	f = blob.NewCached(store, cacheIn(t, dir, 1<<20))
	for range 2 {
		for i, r := range refs {
			if got := read(t, f, r); !bytes.Equal(got, blobtest.Content(uint64(i), 5000)) {
				t.Errorf("%d reads differently after a crash", i)
			}
		}
	}
	if store.opened.Load() != 3 {
		t.Errorf("%d fetches; 3 copies were damaged", store.opened.Load())
	}
	if n, _ := copies(t, dir); n != 5 {
		t.Errorf("%d files", n)
	}
	if err := os.Remove(path(3)); err != nil { // somebody tidies up
		t.Fatal(err)
	}
	if got := read(t, f, refs[3]); len(got) != 5000 {
		t.Error(len(got))
	}
}

func TestCacheFetchesOnce(t *testing.T) {
	store, dir := behind(t), t.TempDir()
	f := blob.NewCached(store, cacheIn(t, dir, 1<<20))
	r := blobtest.Put(t, store, "x", blobtest.Content(1, 100_000), blob.PutOptions{})
	store.hold = make(chan struct{})
	first, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := f.File(first, r, false); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
	for store.opened.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		wg.Go(func() {
			in, err := f.File(context.Background(), r, false)
			if err != nil {
				t.Error(err)
				return
			}
			defer in.Close()
			if b, err := io.ReadAll(in); err != nil || len(b) != 100_000 {
				t.Error(len(b), err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	cancel() // who came first gives up; the others do not
	time.Sleep(20 * time.Millisecond)
	close(store.hold)
	wg.Wait()
	if store.opened.Load() != 2 {
		t.Errorf("%d fetches", store.opened.Load())
	}
}

func TestCacheKeepsNothingWrong(t *testing.T) {
	store, dir := behind(t), t.TempDir()
	f := blob.NewCached(store, cacheIn(t, dir, 1<<20))
	r := blobtest.Put(t, store, "x", blobtest.Content(1, 5000), blob.PutOptions{})
	store.broken.Store(true)
	if _, err := f.File(t.Context(), r, false); err == nil {
		t.Error("half an object was taken")
	}
	store.broken.Store(false)
	other := sha256.Sum256([]byte("other"))
	for _, wrong := range []blob.Ref{{Name: "x", SHA256: other[:], Size: 5000}, {Name: "x", SHA256: r.SHA256, Size: 4999}, {Name: "x", SHA256: r.SHA256, Size: 5001}} {
		if _, err := f.File(t.Context(), wrong, false); !errors.Is(err, blob.ErrContent) {
			t.Errorf("%v", err)
		}
	}
	if _, err := f.File(t.Context(), blob.Ref{Name: "x", Size: 5000}, false); err == nil {
		t.Error("read without a hash")
	}
	if n, _ := copies(t, dir); n != 0 {
		t.Errorf("%d files are left", n)
	}
	read(t, f, r)
	// What the store holds counts when somebody asks for it, whatever the copy says.
	blobtest.Put(t, store, "x", blobtest.Content(2, 5000), blob.PutOptions{})
	if err := blob.Verify(t.Context(), f, r); !errors.Is(err, blob.ErrContent) {
		t.Errorf("%v", err)
	}
}
