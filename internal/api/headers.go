package api

import (
	"encoding/json"
	"net/http"
	"time"
)

// contentSecurityPolicy allows the console's own files only. Styles may be inline, because the console's component library sets them
// on elements; scripts may not.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; " +
	"connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// secureHeaders are the headers that every response carries. Their values are shared, so they must have no spare capacity: whoever adds to one gets a copy.
var secureHeaders = [...]struct {
	name   string
	values []string
}{
	{"Content-Security-Policy", []string{contentSecurityPolicy}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}},
	{"Referrer-Policy", []string{"same-origin"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Permissions-Policy", []string{"camera=(), geolocation=(), microphone=(), payment=(), usb=()"}},
	{"Cache-Control", []string{"no-store"}},
}

// secure sets the headers that every response carries. An operation may replace Cache-Control.
func (a *API) secure(h http.Header, id string) {
	h["X-Request-Id"] = []string{id}
	for i := range secureHeaders {
		h[secureHeaders[i].name] = secureHeaders[i].values
	}
	if a.options.HSTS {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(int(p.Status))
	_ = json.NewEncoder(w).Encode(p) // the client may be gone
}

// deadlines bounds how long a request may occupy its connection. Streams get a fresh deadline with every read and write instead, so they live as
// long as data moves and die when the other side stalls.
func (a *API) deadlines(w http.ResponseWriter, r *http.Request, rule Rule) http.ResponseWriter {
	c := http.NewResponseController(w)
	if !rule.Streaming {
		until := time.Now().Add(rule.Timeout)
		_ = c.SetReadDeadline(until) // in-process transports of tests have no deadlines
		_ = c.SetWriteDeadline(until)
		return w
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &steadyReader{ReadCloser: r.Body, c: c}
	}
	_ = c.SetReadDeadline(time.Time{}) // without a body, a read deadline would end the stream: net/http watches the connection by reading
	return &steadyWriter{ResponseWriter: w, c: c}
}
