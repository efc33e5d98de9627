package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Request is one request.
type Request struct {
	Method string // POST when empty
	URL    string
	Header http.Header
	Body   []byte
}

// Response is what came back. Statuses of 300 and above are answers, not errors.
type Response struct {
	Status int
	Header http.Header
	// Body holds the first MaxResponse bytes.
	Body []byte
}

// RetryAfter is what the server asked for in the header of that name, in seconds or as a date; zero without one.
func (r *Response) RetryAfter(now time.Time) time.Duration {
	v := strings.TrimSpace(r.Header.Get("Retry-After"))
	if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 && n < 1e6 {
		return time.Duration(n * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// Do sends a request and reads the answer. The error is an [Error]; none of them says that the request was not carried out.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	u, err := c.CheckURL(r.URL)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	method := r.Method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, &Error{Reason: BadURL}
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.o.UserAgent)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, explain(err, Broken)
	}
	defer res.Body.Close()
	// What lies beyond is left unread, and the connection is closed with it.
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxResponse))
	if err != nil {
		return nil, explain(err, Broken)
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// Reason says why there was no answer.
type Reason string

// The reasons.
const (
	BadURL      Reason = "bad_url"      // not an address that is understood
	NotHTTPS    Reason = "not_https"    // plain http, which only hosts of the operator's list may be spoken to with
	BadPort     Reason = "bad_port"     // a port that is not for this
	Forbidden   Reason = "forbidden"    // not a public address
	NoSuchHost  Reason = "no_such_host" // the name does not resolve
	Unreachable Reason = "unreachable"  // nobody listens there, or no way leads there
	Untrusted   Reason = "untrusted"    // TLS fails, the certificate above all
	Timeout     Reason = "timeout"      // no answer in time
	Broken      Reason = "broken"       // the connection ended early, or what came was not HTTP
	Stopped     Reason = "stopped"      // the server is stopping
)

// Error says that there was no answer. It never holds an address or what was sent.
type Error struct{ Reason Reason }

// Error returns a sentence that may be shown to whoever entered the address.
func (e *Error) Error() string {
	switch e.Reason {
	case BadURL:
		return "this is not a web address that can be used: it needs https, a host and nothing before an @"
	case NotHTTPS:
		return "only https is allowed; the operator can allow this host in outbound-allow"
	case BadPort:
		return "this port is not allowed: use 443 or one from 1024; the operator can allow this host in outbound-allow"
	case Forbidden:
		return "the address is not on the public Internet; the operator can allow it in outbound-allow"
	case NoSuchHost:
		return "the host name cannot be resolved"
	case Unreachable:
		return "the host cannot be reached"
	case Untrusted:
		return "no trusted TLS connection could be made; check the certificate"
	case Timeout:
		return "there was no answer in time"
	case Stopped:
		return "the server was stopping"
	case Broken:
	}
	return "the connection ended before there was an answer"
}

// Permanent reports whether trying again cannot help until somebody changes something.
func (e *Error) Permanent() bool {
	return e.Reason == BadURL || e.Reason == NotHTTPS || e.Reason == BadPort
}

// explain reduces an error to its reason. Errors of net and net/http name the URL and addresses, so that nothing of them is kept.
func explain(err error, otherwise Reason) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var timeout net.Error
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return &Error{Reason: Timeout}
	case errors.Is(err, context.Canceled):
		return &Error{Reason: Stopped}
	case errors.As(err, &unknown) || errors.As(err, &hostname) || errors.As(err, &invalid) || errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.Is(err, http.ErrSchemeMismatch):
		return &Error{Reason: Untrusted}
	}
	return &Error{Reason: otherwise}
}

// Explain reduces an error of a connection that [Client.Dial] opened to an [Error].
func Explain(err error) *Error { return explain(err, Broken) }
