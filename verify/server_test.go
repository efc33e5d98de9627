package verify

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"probity.dev/internal/errs"
	"probity.dev/internal/evidence/evidencetest"
)

const (
	logID = "00112233aabbccdd"
	token = "pk_test"
)

func serve(t testing.TB, l *evidencetest.Log, damage func(path string, b []byte) []byte) string {
	t.Helper()
	s := httptest.NewServer(l.Handler(logID, token, damage))
	t.Cleanup(s.Close)
	return s.URL
}

func server(t testing.TB, url string, opt Options) *Report {
	t.Helper()
	r, err := Server(context.Background(), url, token, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestServers(t *testing.T) {
	for _, n := range []int{0, 1, 256, 700, 66_000} {
		l := sampleLog(t, n)
		url := serve(t, l, nil)
		opt := Options{Keys: keysOf(t, l.VKey), State: filepath.Join(t.TempDir(), "cp.txt")}
		r := server(t, url, opt)
		if !r.OK || r.Logs[0].Leaves != uint64(n) || r.OwnKeys {
			t.Fatalf("%d: %s", n, r)
		}
		if r = server(t, url+"/api/log/"+logID+"/", opt); !r.OK || r.Logs[0].Pinned != uint64(n) || r.Logs[0].Origin != origin {
			t.Fatalf("%d as a plain log: %s", n, r)
		}
		if r = server(t, url, Options{}); !r.OK || !r.OwnKeys {
			t.Fatalf("%d with its own key: %s", n, r)
		}
	}
}

func TestServerTamperMatrix(t *testing.T) {
	l := sampleLog(t, 66_000)
	for _, c := range []struct {
		path   string
		damage func(b []byte) []byte
		kind   Kind
		seq    int64
		text   string
	}{
		{"tile/entries/010", func(b []byte) []byte { b[30] ^= 1; return b }, LeafChanged, 2560, "not the one that was logged"},
		{"tile/entries/257.p/208", func(b []byte) []byte { b[30] ^= 1; return b }, LeafChanged, 65792, "not the one that was logged"},
		{"tile/entries/257.p/208", func([]byte) []byte { return nil }, TailDropped, 65792, "covers 66000 records, 65792 are stored"},
		{"tile/entries/010", func(b []byte) []byte { return b[:len(b)-1] }, Unreadable, 2560, "ends within an entry"},
		{"tile/0/010", func(b []byte) []byte { b[33] ^= 1; return b }, TileChanged, 2561, "intact (tile/0/010)"},
		{"tile/0/257.p/208", func(b []byte) []byte { b[0] ^= 1; return b }, TileChanged, 65792, "tile/0/257"},
		{"tile/1/001.p/1", func(b []byte) []byte { b[0] ^= 1; return b }, TileChanged, 65536, "tile/1/001.p/1"},
		{"tile/2/000.p/1", func(b []byte) []byte { b[0] ^= 1; return b }, TileChanged, 0, "tile/2/000.p/1"},
		{"checkpoint", func(b []byte) []byte { return []byte(strings.Replace(string(b), "66000", "65999", 1)) }, CheckpointInvalid, -1, "not one that the log's key signed"},
	} {
		url := serve(t, l, func(path string, b []byte) []byte {
			if path == c.path {
				return c.damage(append([]byte(nil), b...))
			}
			return b
		})
		t.Run(c.path, func(t *testing.T) {
			want(t, server(t, url, Options{Keys: keysOf(t, l.VKey)}), c.kind, c.seq, c.text)
		})
	}
}

func TestServerErrors(t *testing.T) {
	l := sampleLog(t, 300)
	if _, err := Server(context.Background(), serve(t, l, nil), "wrong", Options{}); errs.Status(errs.CodeOf(err)) != 401 {
		t.Errorf("wrong key: %v", err)
	}
	for _, bad := range []string{"", "ftp://x", "not a url", "http://"} {
		if _, err := Server(context.Background(), bad, "", Options{}); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	var calls atomic.Int32
	h := l.Handler(logID, token, nil)
	flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1)%5 == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	}))
	defer flaky.Close()
	if r := server(t, flaky.URL, Options{Keys: keysOf(t, l.VKey)}); !r.OK {
		t.Errorf("a server that is busy now and then: %s", r)
	}
}

func BenchmarkServer(b *testing.B) {
	l := sampleLog(b, 65536)
	url := serve(b, l, nil)
	for b.Loop() {
		if r := server(b, url, Options{}); !r.OK {
			b.Fatal(r)
		}
	}
	b.ReportMetric(float64(b.N)*65536/b.Elapsed().Seconds(), "events/s")
}
