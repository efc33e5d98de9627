package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built() http.Handler {
	return New(fstest.MapFS{
		"index.html":            {Data: []byte(`<html><meta name="csp-nonce" content="__CSP_NONCE__"></html>`)},
		"assets/app-abc1.js":    {Data: []byte("console.log(1)")},
		"assets/app-abc1.js.gz": {Data: []byte("compressed")},
		"favicon.svg":           {Data: []byte("<svg/>")},
		".gitkeep":              {},
	})
}

func get(h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAssetsAreImmutableAndCompressed(t *testing.T) {
	h := built()
	w := get(h, "GET", "/assets/app-abc1.js", "Accept-Encoding", "br, gzip;q=0.8")
	if w.Code != 200 || w.Body.String() != "compressed" || w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Vary") != "Accept-Encoding" {
		t.Fatalf("compressed asset: %d %q %v", w.Code, w.Body, w.Header())
	}
	if c := w.Header().Get("Cache-Control"); !strings.Contains(c, "immutable") {
		t.Errorf("Cache-Control = %q", c)
	}
	if c := w.Header().Get("Content-Type"); !strings.HasPrefix(c, "text/javascript") {
		t.Errorf("Content-Type = %q", c)
	}
	plain := get(h, "GET", "/assets/app-abc1.js", "Accept-Encoding", "gzip;q=0")
	if plain.Body.String() != "console.log(1)" || plain.Header().Get("Content-Encoding") != "" {
		t.Errorf("client without gzip got %q", plain.Body)
	}
	if again := get(h, "GET", "/assets/app-abc1.js", "If-None-Match", plain.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("matching ETag: %d", again.Code)
	}
	if plain.Header().Get("ETag") == w.Header().Get("ETag") {
		t.Error("both forms have one ETag")
	}
}

func TestUnknownPathsAreTheApplications(t *testing.T) {
	h := built()
	nonces := map[string]bool{}
	for _, p := range []string{"/", "/events/12", "/resources/invoice/a.b", "/../../etc/passwd"} {
		w := get(h, "GET", p)
		csp := w.Header().Get("Content-Security-Policy")
		if w.Code != 200 || !strings.Contains(w.Body.String(), "csp-nonce") || strings.Contains(w.Body.String(), nonceMark) {
			t.Fatalf("%s: %d %q", p, w.Code, w.Body)
		}
		_, rest, _ := strings.Cut(csp, "'nonce-")
		nonce, _, _ := strings.Cut(rest, "'")
		if nonce == "" || nonces[nonce] || !strings.Contains(w.Body.String(), nonce) {
			t.Errorf("%s: nonce %q is missing, repeated or not in the page", p, nonce)
		}
		nonces[nonce] = true
		if strings.Contains(csp, "unsafe-inline") || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: headers %v", p, w.Header())
		}
	}
}

func TestMissingAssetIsNotAPage(t *testing.T) {
	if w := get(built(), "GET", "/assets/app-old.js"); w.Code != 404 || strings.Contains(w.Body.String(), "<html") {
		t.Errorf("missing asset: %d %q", w.Code, w.Body)
	}
	if w := get(built(), "GET", "/.gitkeep"); !strings.Contains(w.Body.String(), "csp-nonce") {
		t.Error("a dot file was served")
	}
}

func TestMethods(t *testing.T) {
	if w := get(built(), "POST", "/"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	if w := get(built(), "HEAD", "/favicon.svg"); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "image/svg+xml" {
		t.Errorf("HEAD: %d %q", w.Code, w.Body)
	}
}

func TestNotBuiltSaysSo(t *testing.T) {
	w := get(New(fstest.MapFS{".gitkeep": {}}), "GET", "/events")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "make console") {
		t.Errorf("console that is not built: %d %q", w.Code, w.Body)
	}
	Handler() // compiles and opens whatever dist holds
}
