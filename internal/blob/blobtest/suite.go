package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"probity.dev/internal/blob"
	"probity.dev/internal/errs"
)

// Put stores an object and fails the test when that fails.
func Put(t testing.TB, s blob.Store, name string, content []byte, o blob.PutOptions) blob.Ref {
	t.Helper()
	if err := TryPut(s, name, content, o); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return blob.Ref{Name: name, SHA256: sum[:], Size: int64(len(content))}
}

// TryPut stores an object.
func TryPut(s blob.Store, name string, content []byte, o blob.PutOptions) error {
	w, err := s.Create(context.Background(), name, o)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	return w.Commit(context.Background(), sum[:])
}

// Get reads a range of an object, or fails the test.
func Get(t testing.TB, s blob.Store, name string, from, n int64) []byte {
	t.Helper()
	r, err := s.Open(context.Background(), name, from, n)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Names lists what is below prefix, or fails the test.
func Names(t testing.TB, s blob.Store, prefix string) []string {
	t.Helper()
	names := []string{}
	if err := s.List(context.Background(), prefix, func(i blob.Info) error { names = append(names, i.Name); return nil }); err != nil {
		t.Fatal(err)
	}
	return names
}

// Content is n bytes that differ from seed to seed.
func Content(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b) //nolint:errcheck // never fails
	return b
}

// is reports whether an error has a code and a cause.
func is(err error, code errs.Code, cause error) bool {
	return errs.CodeOf(err) == code && errors.Is(err, cause)
}

// Run tests a store that is empty. Each part works below a prefix of its own. locks says that the store can lock objects; large is a size that it sends in several parts.
func Run(t *testing.T, s blob.Files, locks bool, large int) {
	for name, part := range map[string]func(*testing.T, blob.Files){
		"put and get": putAndGet, "ranges": ranges, "once": once, "abort": abort, "list": list, "delete": remove, "move": move, "names": names, "file": file, "concurrent": concurrent,
	} {
		t.Run(name, func(t *testing.T) { part(t, s) })
	}
	t.Run("large", func(t *testing.T) { inParts(t, s, large) })
	if locks {
		t.Run("locks", func(t *testing.T) { canLock(t, s) })
	} else {
		t.Run("no locks", func(t *testing.T) { cannotLock(t, s) })
	}
}

func putAndGet(t *testing.T, s blob.Files) {
	for i, n := range []int{0, 1, 4096, 1 << 20} {
		name := fmt.Sprintf("put/%d", n)
		want := Content(uint64(i), n)
		before := time.Now().Add(-5 * time.Second)
		Put(t, s, name, want, blob.PutOptions{})
		if got := Get(t, s, name, 0, -1); !bytes.Equal(got, want) {
			t.Errorf("%d bytes read back differently", n)
		}
		info, err := s.Stat(context.Background(), name)
		if err != nil || info.Name != name || info.Size != int64(n) || info.Modified.Before(before) || info.Locked(time.Now()) {
			t.Errorf("%+v %v", info, err)
		}
	}
	Put(t, s, "put/1", []byte("second"), blob.PutOptions{})
	if got := Get(t, s, "put/1", 0, -1); string(got) != "second" {
		t.Errorf("a new object did not replace the old one: %q", got)
	}
	for _, err := range []error{statErr(s, "put/none"), openErr(s, "put/none"), statErr(s, "put"), openErr(s, "none/at/all")} {
		if !is(err, errs.NotFound, fs.ErrNotExist) {
			t.Errorf("no such object: %v", err)
		}
	}
	w, err := s.Create(context.Background(), "put/wrong", blob.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
}

func statErr(s blob.Store, name string) error {
	_, err := s.Stat(context.Background(), name)
	return err
}

func openErr(s blob.Store, name string) error {
	r, err := s.Open(context.Background(), name, 0, -1)
	if err == nil {
		r.Close()
	}
	return err
}

func ranges(t *testing.T, s blob.Files) {
	want := Content(7, 100_000)
	Put(t, s, "range/x", want, blob.PutOptions{})
	for _, c := range [][2]int64{{0, 1}, {0, 100_000}, {99_999, 1}, {5, 0}, {100_000, 0}, {70_000, -1}, {100_000, -1}, {123, 45_678}} {
		n := c[1]
		if n < 0 {
			n = 100_000 - c[0]
		}
		if got := Get(t, s, "range/x", c[0], c[1]); !bytes.Equal(got, want[c[0]:c[0]+n]) {
			t.Errorf("range %v: %d bytes", c, len(got))
		}
	}
	for _, c := range [][2]int64{{-1, 5}, {0, 100_001}, {99_999, 2}, {100_001, 0}, {100_001, -1}} {
		r, err := s.Open(context.Background(), "range/x", c[0], c[1])
		if err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if errs.CodeOf(err) != errs.Invalid {
			t.Errorf("range %v outside of the object: %v", c, err)
		}
	}
	at := blob.ReaderAt(t.Context(), s, "range/x")
	b := make([]byte, 1000)
	if n, err := at.ReadAt(b, 99_000); n != 1000 || err != nil || !bytes.Equal(b, want[99_000:]) {
		t.Error(n, err)
	}
}

func once(t *testing.T, s blob.Files) {
	o := blob.PutOptions{Once: true}
	Put(t, s, "once/a", []byte("first"), o)
	if err := TryPut(s, "once/a", []byte("second"), o); !is(err, errs.Conflict, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	if got := Get(t, s, "once/a", 0, -1); string(got) != "first" {
		t.Errorf("%q", got)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for i := range 8 {
		wg.Go(func() {
			err := TryPut(s, "once/b", Content(uint64(i), 1000), o)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 8 made it", won)
	}
}

func abort(t *testing.T, s blob.Files) {
	ctx := context.Background()
	w, err := s.Create(ctx, "abort/a", blob.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if err := statErr(s, "abort/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an object that is being written can be seen: %v", err)
	}
	if got := Names(t, s, "abort/"); len(got) != 0 {
		t.Errorf("an object that is being written is listed: %v", got)
	}
	w.Abort()
	// One that nobody aborts, as after a crash.
	if w, err = s.Create(ctx, "abort/b", blob.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if err := s.Sweep(ctx, "abort/", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := Names(t, s, "abort/"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, ok := s.(*blob.Dir); !ok {
		if err := w.Commit(ended, nil); err == nil {
			t.Error("stored although the context had ended")
		}
	}
}

func list(t *testing.T, s blob.Files) {
	want := []string{"list/a/1", "list/a/2", "list/b/c/3", "list/d"}
	for _, n := range want {
		Put(t, s, n, []byte(n), blob.PutOptions{})
	}
	Put(t, s, "listing/x", nil, blob.PutOptions{})
	if got := Names(t, s, "list/"); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := Names(t, s, "list/b/"); !slices.Equal(got, []string{"list/b/c/3"}) {
		t.Errorf("%v", got)
	}
	if got := Names(t, s, "nowhere/"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	stop := errors.New("stop")
	if err := s.List(context.Background(), "list/", func(i blob.Info) error {
		if i.Size != int64(len(i.Name)) {
			t.Errorf("%+v", i)
		}
		return stop
	}); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func remove(t *testing.T, s blob.Files) {
	ctx := context.Background()
	for range 3 {
		Put(t, s, "delete/a", []byte("x"), blob.PutOptions{})
	}
	Put(t, s, "delete/ab", []byte("x"), blob.PutOptions{})
	for range 2 { // the second time there is nothing left
		if err := s.Delete(ctx, "delete/a"); err != nil {
			t.Fatal(err)
		}
	}
	if got := Names(t, s, "delete/"); !slices.Equal(got, []string{"delete/ab"}) {
		t.Errorf("%v", got)
	}
}

func move(t *testing.T, s blob.Files) {
	ctx := context.Background()
	Put(t, s, "move/a", []byte("a"), blob.PutOptions{})
	Put(t, s, "move/b", []byte("b"), blob.PutOptions{})
	if err := s.Move(ctx, "move/a", "move/there/a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Move(ctx, "move/b", "move/there/a"); !is(err, errs.Conflict, fs.ErrExist) {
		t.Errorf("moved onto another: %v", err)
	}
	if err := s.Move(ctx, "move/none", "move/there/none"); !is(err, errs.NotFound, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if got := Names(t, s, "move/"); !slices.Equal(got, []string{"move/b", "move/there/a"}) || string(Get(t, s, "move/there/a", 0, -1)) != "a" {
		t.Errorf("%v", got)
	}
}

func names(t *testing.T, s blob.Files) {
	for _, name := range []string{"", ".", "..", "/etc/x", "../x", "a/../../x", "a//b", "a/./b", "a/"} {
		err := TryPut(s, name, []byte("x"), blob.PutOptions{})
		for what, err := range map[string]error{"put": err, "stat": statErr(s, name), "open": openErr(s, name), "delete": s.Delete(context.Background(), name), "move": s.Move(context.Background(), name, "x/y")} {
			if errs.CodeOf(err) != errs.Internal {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
	odd := "names/ä b+c%2F?&=#'\"<>"
	Put(t, s, odd, []byte("odd"), blob.PutOptions{})
	if got := Names(t, s, "names/"); !slices.Equal(got, []string{odd}) || string(Get(t, s, odd, 0, -1)) != "odd" {
		t.Errorf("%q", got)
	}
}

func file(t *testing.T, s blob.Files) {
	ctx := context.Background()
	want := Content(3, 300_000)
	r := Put(t, s, "file/a", want, blob.PutOptions{})
	for _, fresh := range []bool{true, false, true} {
		f, err := s.File(ctx, r, fresh)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(f)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("fresh %v: %d bytes, %v", fresh, len(got), err)
		}
		f.Close()
	}
	if err := blob.Verify(ctx, s, r); err != nil {
		t.Error(err)
	}
	changed := bytes.Clone(want)
	changed[1000] ^= 1
	for what, content := range map[string][]byte{"changed": changed, "shorter": want[:299_999], "longer": append(bytes.Clone(want), 0), "empty": nil} {
		Put(t, s, "file/a", content, blob.PutOptions{})
		if err := blob.Verify(ctx, s, r); !errors.Is(err, blob.ErrContent) || !strings.Contains(err.Error(), "file/a") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Delete(ctx, "file/a"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.File(ctx, r, true); !is(err, errs.NotFound, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func concurrent(t *testing.T, s blob.Files) {
	ctx := context.Background()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 4 {
				name := fmt.Sprintf("many/%d-%d", i, k)
				want := Content(uint64(i*10+k), 50_000)
				sum := sha256.Sum256(want)
				if err := TryPut(s, name, want, blob.PutOptions{Once: true}); err != nil {
					t.Error(err)
					return
				}
				if err := blob.Verify(ctx, s, blob.Ref{Name: name, SHA256: sum[:], Size: int64(len(want))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := Names(t, s, "many/"); len(got) != 32 {
		t.Errorf("%d objects", len(got))
	}
}

func inParts(t *testing.T, s blob.Files, size int) {
	o := blob.PutOptions{Once: true}
	want := Content(9, size)
	r := Put(t, s, "large/a", want, o)
	if err := blob.Verify(t.Context(), s, r); err != nil {
		t.Error(err)
	}
	if err := TryPut(s, "large/a", Content(10, size), o); !is(err, errs.Conflict, fs.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	if got := Get(t, s, "large/a", int64(size)-10, 10); !bytes.Equal(got, want[size-10:]) {
		t.Error("the end reads back differently")
	}
	if err := s.Delete(t.Context(), "large/a"); err != nil {
		t.Error(err)
	}
}

func cannotLock(t *testing.T, s blob.Files) {
	ctx := context.Background()
	Put(t, s, "lock/a", []byte("x"), blob.PutOptions{})
	until := time.Now().Add(time.Hour)
	for what, err := range map[string]error{"put": TryPut(s, "lock/b", nil, blob.PutOptions{Mode: blob.Compliance, Until: until}), "hold": s.Hold(ctx, "lock/a", true), "retain": s.Retain(ctx, "lock/a", blob.Governance, until)} {
		if errs.CodeOf(err) != errs.Unsupported {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func canLock(t *testing.T, s blob.Files) {
	ctx := context.Background()
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	for _, mode := range []blob.LockMode{blob.Governance, blob.Compliance} {
		name := "lock/" + string(mode)
		r := Put(t, s, name, []byte("evidence"), blob.PutOptions{Once: true, Mode: mode, Until: until})
		i, err := s.Stat(ctx, name)
		if err != nil || i.Mode != mode || !i.Until.Equal(until) || i.Held || !i.Locked(time.Now()) || i.Locked(until.Add(time.Second)) {
			t.Fatalf("%+v %v", i, err)
		}
		if err := s.Delete(ctx, name); !is(err, errs.Conflict, blob.ErrLocked) || !strings.Contains(err.Error(), until.UTC().Format(time.RFC3339)) {
			t.Errorf("%s: deleted although it is locked: %v", mode, err)
		}
		if err := s.Retain(ctx, name, mode, until.Add(-time.Minute)); !errors.Is(err, blob.ErrLocked) {
			t.Errorf("%s: retention shortened: %v", mode, err)
		}
		if err := s.Retain(ctx, name, mode, until.Add(time.Minute)); err != nil {
			t.Error(err)
		}
		if i, err = s.Stat(ctx, name); err != nil || !i.Until.Equal(until.Add(time.Minute)) {
			t.Errorf("%+v %v", i, err)
		}
		if err := s.Move(ctx, name, name+"-moved"); err != nil {
			t.Error(err)
		}
		if err := blob.Verify(ctx, s, r); err != nil {
			t.Errorf("moving took the locked object away: %v", err)
		}
		if i, err = s.Stat(ctx, name+"-moved"); err != nil || i.Size != 8 {
			t.Errorf("%+v %v", i, err)
		}
	}
	// In time as well: what an ended retention kept can go.
	Put(t, s, "lock/short", []byte("x"), blob.PutOptions{Mode: blob.Compliance, Until: time.Now().Add(2 * time.Second)})
	if err := s.Delete(ctx, "lock/short"); !errors.Is(err, blob.ErrLocked) {
		t.Errorf("%v", err)
	}
	time.Sleep(3 * time.Second)
	if err := s.Delete(ctx, "lock/short"); err != nil {
		t.Error(err)
	}
	held(t, s)
}

func held(t *testing.T, s blob.Files) {
	ctx := context.Background()
	Put(t, s, "lock/held", []byte("x"), blob.PutOptions{})
	for _, on := range []bool{true, false, true, false} {
		if err := s.Hold(ctx, "lock/held", on); err != nil {
			t.Fatal(err)
		}
		if i, err := s.Stat(ctx, "lock/held"); err != nil || i.Held != on || i.Locked(time.Now()) != on {
			t.Errorf("%+v %v", i, err)
		}
		if on {
			if err := s.Delete(ctx, "lock/held"); !is(err, errs.Conflict, blob.ErrLocked) || !strings.Contains(err.Error(), "hold") {
				t.Errorf("deleted although it is held: %v", err)
			}
		}
	}
	if err := s.Delete(ctx, "lock/held"); err != nil {
		t.Error(err)
	}
	if err := s.Hold(ctx, "lock/none", true); !is(err, errs.NotFound, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
