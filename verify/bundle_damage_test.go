package verify

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity.dev/internal/evidence/bundle"
	"probity.dev/internal/tlog"
)

// rezip copies a bundle, letting change replace a file's name and content; a nil content drops it.
func rezip(t testing.TB, path string, change func(name string, b []byte) (string, []byte)) string {
	t.Helper()
	in, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() //nolint:errcheck // it was only read
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, b := change(f.Name, b)
		if b == nil {
			continue
		}
		o, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), "changed.zip")
	if err := os.WriteFile(p, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDamagedBundleFiles(t *testing.T) {
	l := sampleLog(t, 1000)
	m := bySubject(l)
	m.masked = true
	path := m.build(t)
	names := []string{}
	if r := verifyBundle(t, rezip(t, path, func(n string, b []byte) (string, []byte) { names = append(names, n); return n, b }), Options{}); !r.OK {
		t.Fatalf("a repacked bundle is still the same: %s", r)
	}
	for _, name := range names {
		flip := rezip(t, path, func(n string, b []byte) (string, []byte) {
			if n == name {
				b = bytes.Clone(b)
				b[len(b)/2] ^= 1
			}
			return n, b
		})
		if r := verifyBundle(t, flip, Options{Keys: keysOf(t, l.VKey)}); r.OK {
			t.Errorf("a changed %s went unnoticed", name)
		}
		drop := rezip(t, path, func(n string, b []byte) (string, []byte) {
			if n == name {
				return n, nil
			}
			return n, b
		})
		if r := verifyBundle(t, drop, Options{Keys: keysOf(t, l.VKey)}); r.OK {
			t.Errorf("a missing %s went unnoticed", name)
		}
	}
	grown := rezip(t, path, func(n string, b []byte) (string, []byte) {
		if n == "README.txt" {
			b = append(b, make([]byte, 100<<20)...)
		}
		return n, b
	})
	want(t, verifyBundle(t, grown, Options{}), BundleInvalid, -1, "larger than it may be")
	extra := rezip(t, path, func(n string, b []byte) (string, []byte) {
		if n == "README.txt" {
			n = "../evil"
		}
		return n, b
	})
	want(t, verifyBundle(t, extra, Options{}), BundleInvalid, -1, "missing in the bundle")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(b); cut += len(b) / 50 {
		p := filepath.Join(t.TempDir(), "cut.zip")
		if err := os.WriteFile(p, b[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if r := verifyBundle(t, p, Options{}); r.OK {
			t.Fatalf("a bundle cut after %d bytes is OK", cut)
		}
	}
	if _, err := Bundle(context.Background(), filepath.Join(t.TempDir(), "none.zip"), Options{}); err == nil {
		t.Error("no error for a file that is not there")
	}
}

func TestWriterRefusesMistakes(t *testing.T) {
	l := sampleLog(t, 10)
	p, err := tlog.ProveRange(context.Background(), l.Reader(), 0, 5, 10)
	if err != nil {
		t.Fatal(err)
	}
	meta := bundle.Meta{Origin: origin, TreeSize: 10, Range: p, Checkpoint: l.Checkpoint()}
	w, err := bundle.NewWriter(io.Discard, meta)
	if err != nil {
		t.Fatal(err)
	}
	e := l.Events[3]
	if err := w.AddEvent(3, e.Whole(), e.View(false)); err != nil {
		t.Fatal(err)
	}
	if err := w.AddEvent(2, e.Whole(), e.View(false)); err == nil {
		t.Error("events out of order were taken")
	}
	if err := w.AddProvenEvent(4, e.Bytes, nil, e.Whole(), nil); err == nil {
		t.Error("a proven event was taken in mode range")
	}
	if err := w.Close(l.Signer); err == nil || !strings.Contains(err.Error(), "leaves end at 0") {
		t.Errorf("closed without its leaves: %v", err)
	}
	for i := range 5 {
		if err := w.AddLeaf(l.Events[i].Bytes); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.AddLeaf(l.Events[5].Bytes); err == nil {
		t.Error("a leaf too many was taken")
	}
	for _, c := range []bundle.Clause{
		{Kind: "magic"},
		{Kind: bundle.KindClear, Field: "ip", Values: []string{"x"}},
		{Kind: bundle.KindTime, Field: "recorded_at"},
		{Kind: bundle.KindTag, Roles: []string{"owner"}},
	} {
		meta.Filter = []bundle.Clause{c}
		if _, err := bundle.NewWriter(io.Discard, meta); err == nil {
			t.Errorf("clause %+v was taken", c)
		}
	}
	if fmt.Sprint(bundle.Provable("action"), bundle.Provable("ip")) != "true false" {
		t.Error("Provable is wrong")
	}
}

func BenchmarkBundle(b *testing.B) {
	l := sampleLog(b, 40_000)
	m := &maker{log: l, count: 40_000, masked: true}
	path := m.build(b)
	st, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		perCore(b, 40_000, func() { m.build(b) })
		b.ReportMetric(float64(st.Size())/40_000, "B/event")
	})
	b.Run("verify", func(b *testing.B) {
		perCore(b, 40_000, func() {
			if r := verifyBundle(b, path, Options{}); !r.OK {
				b.Fatal(r)
			}
		})
	})
}
