package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"time"

	"probity.dev/internal/actor"
)

// request is what the layers of one request tell each other. Inner layers fill in what the access log prints at the end.
type request struct {
	id     string
	route  string // path template, never the raw path
	start  time.Time
	client netip.Addr
	hops   []string
	agent  string
	caller actor.Principal
	stepUp *StepUpPolicy
	cause  error // of a 5xx, for the log

	panicked *Panic
}

type requestKey struct{}

func requestFrom(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// RequestID returns the id of the request being served, "" outside of one. It is returned as X-Request-Id, named in problem
// details and written to every log line of the request.
func RequestID(ctx context.Context) string {
	if r := requestFrom(ctx); r != nil {
		return r.id
	}
	return ""
}

// ClientIP returns the client's address as far as the trusted proxies vouch for it; the zero Addr outside of a request or
// when the transport has no addresses.
func ClientIP(ctx context.Context) netip.Addr {
	if r := requestFrom(ctx); r != nil {
		return r.client
	}
	return netip.Addr{}
}

// Hops returns every address the request is said to have passed, client first, the directly connected peer last. Entries left of
// [ClientIP] are the sender's own claim. It returns nil when the client is connected directly.
func Hops(ctx context.Context) []string {
	if r := requestFrom(ctx); r != nil {
		return r.hops
	}
	return nil
}

// UserAgent returns what the client calls itself, cut to 512 bytes. It is personal data as far as logs are concerned.
func UserAgent(ctx context.Context) string {
	if r := requestFrom(ctx); r != nil {
		return r.agent
	}
	return ""
}

// saneRequestID accepts ids that are safe in headers and logs and short enough to keep.
func saneRequestID(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

func newRequestID() string {
	var b [12]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// recorder notes the status and size of a response and passes everything through, so that streaming and flushing keep working.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush passes on to the connection; it does nothing when the transport cannot flush.
func (w *recorder) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Hijack is refused: no operation of the product takes over a connection, and the access log could not see what it does.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}
