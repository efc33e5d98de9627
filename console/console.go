package console

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// nonceMark stands in index.html where each response puts its own nonce, so that the component library may add style elements
// without the policy allowing every inline style.
const nonceMark = "__CSP_NONCE__"

const missing = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Console not built</title></head>
<body><h1>The console is not built</h1><p>This binary was compiled without the web console. Run <code>make console</code> and build again.
The API works without it; its reference is at <a href="/api/docs">/api/docs</a>.</p></body></html>
`

// Handler serves the embedded console. It answers GET and HEAD; every path that is not a file is the application's own and gets
// index.html.
func Handler() http.Handler {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // the directory is embedded
	}
	return New(sub)
}

// Built reports whether this binary holds the console.
func Built() bool {
	_, err := fs.Stat(dist, "dist/index.html")
	return err == nil
}

// file is one file of the console, kept in memory with its compressed form.
type file struct {
	body, gzip []byte
	kind, etag string
	immutable  bool
}

type handler struct {
	files map[string]*file
	index []byte
}

// New serves a built console from any file system. Files named X.gz are the compressed form of X; those under assets/ have a hash of
// their content in their name and are cached for a year.
func New(fsys fs.FS) http.Handler {
	h := &handler{files: map[string]*file{}}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		switch {
		case name == "index.html":
			h.index = b
		case strings.HasPrefix(path.Base(name), "."):
		case strings.HasSuffix(name, ".gz"):
			h.entry(strings.TrimSuffix(name, ".gz")).gzip = b
		default:
			f := h.entry(name)
			sum := sha256.Sum256(b)
			f.body, f.kind, f.etag = b, contentType(name), `"`+hex.EncodeToString(sum[:8])+`"`
			f.immutable = strings.HasPrefix(name, "assets/")
		}
		return nil
	})
	if err != nil {
		panic(err) // reading what is embedded cannot fail
	}
	for name, f := range h.files {
		if f.body == nil {
			delete(h.files, name)
		}
	}
	return h
}

func (h *handler) entry(name string) *file {
	f := h.files[name]
	if f == nil {
		f = &file{}
		h.files[name] = f
	}
	return f
}

// contentType does not ask the machine's MIME tables for the types that a browser refuses when they are wrong.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".txt":
		return "text/plain; charset=utf-8"
	case ".webmanifest":
		return "application/manifest+json"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the console answers GET and HEAD only", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if f := h.files[name]; f != nil {
		f.serve(w, r)
		return
	}
	// A missing asset must not be answered with a page: a browser that kept an old page would run HTML as a script.
	if strings.HasPrefix(name, "assets/") {
		w.Header().Set("Cache-Control", "no-store")
		http.NotFound(w, r)
		return
	}
	h.page(w, r)
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Type", f.kind)
	head.Set("X-Content-Type-Options", "nosniff")
	if f.immutable {
		head.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		head.Set("Cache-Control", "public, max-age=300")
	}
	body, tag := f.body, f.etag
	if f.gzip != nil {
		head.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			head.Set("Content-Encoding", "gzip")
			body, tag = f.gzip, strings.TrimSuffix(tag, `"`)+`-gz"`
		}
	}
	head.Set("ETag", tag)
	if match := r.Header.Get("If-None-Match"); match != "" && strings.Contains(match, tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, r, http.StatusOK, body)
}

func (h *handler) page(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Cache-Control", "no-cache")
	head.Set("X-Content-Type-Options", "nosniff")
	if h.index == nil {
		head.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		write(w, r, http.StatusServiceUnavailable, []byte(missing))
		return
	}
	var b [18]byte
	rand.Read(b[:]) // never fails
	nonce := base64.RawURLEncoding.EncodeToString(b[:])
	head.Set("Content-Security-Policy", policy(nonce))
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "same-origin")
	write(w, r, http.StatusOK, bytes.ReplaceAll(h.index, []byte(nonceMark), []byte(nonce)))
}

// policy allows the console's own files and its own API, no inline script, and only the style elements that carry the nonce.
func policy(nonce string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" + nonce + "'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
}

func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the browser may be gone
	}
}

func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(name, "gzip") {
			q = strings.ReplaceAll(q, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
