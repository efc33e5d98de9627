package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"probity.dev/test/bench/load"
)

// TestMain lets the test's own binary stand in for the server when the runner starts it.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_STAND_IN") != "" {
		if err := standIn(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// standIn understands as much of the server's command line and API as the runner uses. It stores nothing but numbers.
func standIn(args []string) error {
	opt := func(name string) string {
		for i, a := range args {
			if a == name && i+1 < len(args) {
				return args[i+1]
			}
		}
		return ""
	}
	data := opt("--data")
	if args[0] == "init" {
		for _, kind := range []string{"evidence", "working", "tile"} {
			if err := os.MkdirAll(filepath.Join(data, kind), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(data, kind, "0"), make([]byte, 1_000_000), 0o600); err != nil {
				return err
			}
		}
		fmt.Println(`{"api_key":"pk_stand_in"}`)
		return nil
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	srv := &http.Server{Addr: opt("--listen"), Handler: standInAPI()}
	go func() {
		<-ctx.Done()
		_ = srv.Close()
	}()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func standInAPI() http.Handler {
	var mu sync.Mutex
	stored, polls := 0, 0
	reply := func(w http.ResponseWriter, status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /api/events", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Events []json.RawMessage `json:"events"`
		}
		b, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(b, &body); err != nil {
			reply(w, http.StatusBadRequest, err.Error())
			return
		}
		n := max(1, len(body.Events))
		mu.Lock()
		stored += n
		mu.Unlock()
		reply(w, http.StatusCreated, map[string]any{"accepted": n})
	})
	mux.HandleFunc("GET /api/events", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, map[string]any{"items": make([]struct{}, 50)})
	})
	mux.HandleFunc("GET /api/log", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		polls++
		sealed := 0
		if polls > 3 {
			sealed = stored / blockSize * blockSize
		}
		reply(w, http.StatusOK, map[string]any{"logs": []any{map[string]any{"size": stored, "sealed_size": sealed}}})
	})
	mux.HandleFunc("POST /api/keys", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusCreated, map[string]any{"secret": "pk_masked"})
	})
	mux.HandleFunc("POST /api/exports", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusAccepted, map[string]any{"id": "x1", "status": "queued"})
	})
	mux.HandleFunc("GET /api/exports/x1", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, map[string]any{"id": "x1", "status": "done", "rows_done": stored})
	})
	mux.HandleFunc("GET /api/exports/x1/file", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "a,b\n1,2\n") })
	return mux
}

// TestWorkload drives the whole HTTP side against the stand-in: start, ingest, wait for sealing, search, export, singles, stop.
func TestWorkload(t *testing.T) {
	t.Setenv("BENCH_STAND_IN", "1")
	bin, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	o := options{events: 100_000, repeat: 1, runs: 5, textRuns: 3, conns: 2, singleConns: 8, single: 200 * time.Millisecond, data: parent, seed: 1}
	gen := load.New(load.Config{Seed: o.seed, Events: o.events})
	w := &workload{o: o, gen: gen, rep: newReport(o), asks: makeQuestions(gen, o)}
	if err := w.probity(t.Context(), bin); err != nil {
		t.Fatal(err)
	}
	for _, metric := range []string{"sustained", "window 1", "window 5", "single rate", "single p99", "newest page p95", "text over one month p95", "export", "memory"} {
		if v, ok := w.rep.get(metric, probitySide); !ok || v <= 0 {
			t.Errorf("%s = %v, %v", metric, v, ok)
		}
	}
	if v, _ := w.rep.get("bytes/event", probitySide); v < 3_000_000.0/blockSize-1 || v > 3_000_000.0/blockSize+1 {
		t.Errorf("%v bytes/event, want those of the sealed events", v)
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("%d temporary directories are left", len(left))
	}
}

// TestServerThatFails shows that the runner tells why a server did not start, and cleans up.
func TestServerThatFails(t *testing.T) {
	parent := t.TempDir()
	if _, err := startServer(t.Context(), "/bin/false", options{data: parent}); err == nil {
		t.Error("no error from a server that cannot start")
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("%d temporary directories are left", len(left))
	}
}
