package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/evidence/evidencetest"
	"probity.dev/internal/tlog"
)

// target is a log to look at over HTTP: a running server, a server started from a binary, or a sample log in memory.
type target struct {
	server string // address without a path
	url    string // the log's folder
	token  string
	origin string
	vkey   string
	// proof returns the tlog-proof and the leaf of a seq.
	proof func(t *testing.T, seq uint64) (text, leaf []byte)
}

const sampleSize = 66_000 // a level-2 tile, and partial tiles on every level

// open picks the target: $PROBITY_URL with $PROBITY_API_KEY, $PROBITY_BIN, or the sample.
func open(t *testing.T) *target {
	t.Helper()
	switch {
	case os.Getenv("PROBITY_URL") != "":
		return describe(t, &target{server: strings.TrimSuffix(os.Getenv("PROBITY_URL"), "/"), token: os.Getenv("PROBITY_API_KEY")})
	case os.Getenv("PROBITY_BIN") != "":
		return describe(t, start(t, os.Getenv("PROBITY_BIN")))
	}
	return sample(t, nil)
}

func sample(t *testing.T, damage func(path string, b []byte) []byte) *target {
	t.Helper()
	l, err := evidencetest.NewLog("interop.example/00112233aabbccdd/1", sampleSize)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(l.Handler("00112233aabbccdd", "pk_sample", damage))
	t.Cleanup(s.Close)
	return describe(t, &target{server: s.URL, token: "pk_sample", proof: func(t *testing.T, seq uint64) (text, leaf []byte) {
		path, err := tlog.Inclusion(context.Background(), l.Reader(), seq, l.Tree.Size())
		if err != nil {
			t.Fatal(err)
		}
		return (&tlog.Proof{Index: seq, Path: path, Checkpoint: l.Checkpoint()}).Marshal(), bytes.Clone(l.Events[seq].Bytes)
	}})
}

// get fetches with the token.
func (g *target) get(t *testing.T, url string) []byte {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g.do(t, req, http.StatusOK)
}

func (g *target) do(t *testing.T, req *http.Request, status ...int) []byte {
	t.Helper()
	req.Header.Set("Authorization", "Bearer "+g.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range status {
		if res.StatusCode == s {
			return b
		}
	}
	t.Fatalf("%s %s: %s\n%.500s", req.Method, req.URL, res.Status, b)
	return nil
}

// describe asks the server for its log.
func describe(t *testing.T, g *target) *target {
	t.Helper()
	var list struct {
		Logs []struct {
			LogID  string `json:"log_id"`
			Origin string `json:"origin"`
			VKey   string `json:"vkey"`
			Base   uint64 `json:"base"`
		} `json:"logs"`
	}
	if err := json.Unmarshal(g.get(t, g.server+"/api/log"), &list); err != nil || len(list.Logs) == 0 {
		t.Fatalf("no log: %v", err)
	}
	l := list.Logs[len(list.Logs)-1]
	g.url, g.origin, g.vkey = g.server+"/api/log/"+l.LogID, l.Origin, l.VKey
	if g.proof == nil {
		g.proof = func(t *testing.T, index uint64) (text, leaf []byte) {
			var p struct {
				TLogProof string `json:"tlog_proof"`
				Leaf      []byte `json:"leaf"`
			}
			if err := json.Unmarshal(g.get(t, fmt.Sprintf("%s/api/events/%d/proof", g.server, l.Base+index)), &p); err != nil {
				t.Fatal(err)
			}
			return []byte(p.TLogProof), p.Leaf
		}
	}
	return g
}

// start initialises an empty data directory with the binary, serves it, records some events and waits for a checkpoint that covers them.
func start(t *testing.T, bin string) *target {
	t.Helper()
	dir := t.TempDir() + "/data"
	out, err := exec.Command(bin, "init", "--data", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("init: %v\n%s", err, out)
	}
	key := regexp.MustCompile(`pk_[A-Za-z0-9_-]+`).Find(out)
	if key == nil {
		t.Fatalf("init printed no API key:\n%s", out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	var log bytes.Buffer
	cmd := exec.Command(bin, "serve", "--data", dir, "--listen", addr)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt) //nolint:errcheck // it may have ended
		cmd.Wait()                       //nolint:errcheck // its exit code is not what is tested
		if t.Failed() {
			t.Logf("server:\n…%s", log.Bytes()[max(0, log.Len()-4000):])
		}
	})
	g := &target{server: "http://" + addr, token: string(key)}
	g.await(t, func() bool {
		res, err := http.Get(g.server + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	const events, batch = 3000, 500
	for i := 0; i < events; i += batch {
		var b bytes.Buffer
		for k := i; k < i+batch; k++ {
			fmt.Fprintf(&b, `{"id":"e%d","source":"interop","action":"invoice.update","actor":{"type":"user","id":"u%d","email":"u%d@example.com"},"resource":{"type":"invoice","id":"%d"}}`+"\n", k, k%9, k%9, k%50)
		}
		req, err := http.NewRequest(http.MethodPost, g.server+"/api/events", &b)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		g.do(t, req, http.StatusOK, http.StatusCreated, http.StatusMultiStatus)
	}
	described := describe(t, &target{server: g.server, token: g.token})
	g.await(t, func() bool {
		var size uint64
		fmt.Sscanf(strings.SplitN(string(g.get(t, described.url+"/checkpoint")), "\n", 3)[1], "%d", &size) //nolint:errcheck // 0 goes on waiting
		return size >= events
	})
	return g
}

func (g *target) await(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatal("timed out waiting for the server")
}

// bearer adds the token to every request of a client that cannot.
type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}
