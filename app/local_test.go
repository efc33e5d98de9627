package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

type fixed struct {
	p   actor.Principal
	err error
}

func (f fixed) Authenticate(context.Context, *http.Request) (actor.Principal, error) {
	return f.p, f.err
}

func TestMaskedHeaderOnlyTakesAway(t *testing.T) { sqldbtest.Each(t, testMaskedHeaderOnlyTakesAway) }

func testMaskedHeaderOnlyTakesAway(t *testing.T) {
	ask := func(p actor.Principal, value string) actor.Principal {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set(MaskedHeader, value)
		got, err := maskable{fixed{p: p}, nil}.Authenticate(r.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	admin := actor.Principal{TenantID: "t", UserID: "u", Roles: []string{actor.RoleAdmin}, Permissions: actor.Permissions()}
	got := ask(admin, "true")
	if got.Unmasked() || got.Role() != actor.RoleAuditor || len(got.Permissions) != len(admin.Permissions)-1 || !got.Can(actor.AccessManage) {
		t.Errorf("%+v", got)
	}
	if !admin.Unmasked() {
		t.Error("the caller's own permissions were changed")
	}
	for _, value := range []string{"", "false", "1", "TRUE"} {
		if got := ask(admin, value); !got.Unmasked() {
			t.Errorf("%q took the right away", value)
		}
	}
	writer := actor.Principal{TenantID: "t", KeyID: "k", Permissions: []string{actor.LedgerAppend}}
	if got := ask(writer, "true"); !slices.Equal(got.Permissions, writer.Permissions) || got.Role() != "" {
		t.Errorf("%+v", got)
	}
	no := errors.New("no")
	if _, err := (maskable{fixed{err: no}, nil}).Authenticate(t.Context(), httptest.NewRequest(http.MethodGet, "/", nil)); !errors.Is(err, no) {
		t.Errorf("%v", err)
	}
}

func TestInProcessStreams(t *testing.T) { sqldbtest.Each(t, testInProcessStreams) }

func testInProcessStreams(t *testing.T) {
	next := make(chan string)
	c := &http.Client{Transport: inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			b, _ := io.ReadAll(r.Body)
			w.Header().Set("X-Test", r.URL.Query().Get("q"))
			w.WriteHeader(http.StatusTeapot)
			w.Write(bytes.ToUpper(b)) //nolint:errcheck // a test sees what arrives
		case "/stream":
			for s := range next {
				io.WriteString(w, s) //nolint:errcheck // likewise
				http.NewResponseController(w).Flush()
			}
		case "/panic":
			panic("boom")
		}
	})}}
	res, err := c.Post("http://x/echo?q=1", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || string(b) != "HELLO" || res.StatusCode != http.StatusTeapot || res.Header.Get("X-Test") != "1" {
		t.Errorf("%d %q %v", res.StatusCode, b, err)
	}
	// What is written can be read while the handler still runs.
	go func() { next <- "one" }()
	if res, err = c.Get("http://x/stream"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 3)
	if _, err := io.ReadFull(res.Body, buf); err != nil || string(buf) != "one" {
		t.Errorf("%q %v", buf, err)
	}
	close(next)
	if b, err := io.ReadAll(res.Body); err != nil || len(b) != 0 {
		t.Errorf("%q %v", b, err)
	}
	if res, err = c.Get("http://x/panic"); err != nil || res.StatusCode != http.StatusInternalServerError {
		t.Fatalf("%v %v", res, err)
	}
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("half an answer was taken for a whole one")
	}
	// A handler whose reader has gone is told so.
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://x/echo", nil)
	if _, err := c.Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestOneDataDirectoryPerDatabase opens a database with a copy of its data directory while a server works on it.
func TestOneDataDirectoryPerDatabase(t *testing.T) {
	sqldbtest.Only(t, sqldbtest.Postgres, func(t *testing.T) {
		dir := t.TempDir()
		a, _ := opened(t, dir, "", "")
		cfg := *a.Config
		cfg.Data = filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(cfg.Data, os.DirFS(a.Config.Data)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(masterKeyPath(cfg.Data), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := Open(t.Context(), &cfg, io.Discard); errs.CodeOf(err) != errs.Conflict || !strings.Contains(err.Error(), "another data directory") {
			t.Errorf("opened: %v (%v)", b != nil, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		b, err := Open(t.Context(), &cfg, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}
