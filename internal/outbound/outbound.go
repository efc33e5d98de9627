package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Limits of a request that [Options] and [Request] leave open.
const (
	// DefaultTimeout bounds a request from resolving the name to the last byte of the answer.
	DefaultTimeout = 15 * time.Second
	// MaxResponse is how much of an answer is read, in bytes.
	MaxResponse = 64 << 10
	// maxURL bounds an address, in bytes.
	maxURL       = 2048
	dialTimeout  = 8 * time.Second
	maxHeaders   = 32 << 10
	maxAddresses = 8 // of a name that are tried
	idleTimeout  = 30 * time.Second
)

// Resolver looks names up; [net.Resolver] is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options of [New]. All may be left out.
type Options struct {
	// Allow is the operator's list, see [ParseAllow].
	Allow []string
	// Timeout of a request; DefaultTimeout when zero.
	Timeout time.Duration
	// UserAgent is sent with every request.
	UserAgent string
	// RootCAs replaces the system's certificate authorities.
	RootCAs *x509.CertPool
	// Resolver replaces the system's.
	Resolver Resolver
}

// Client opens guarded connections. It is safe for concurrent use.
type Client struct {
	o     Options
	allow []rule
	http  *http.Client
}

// New returns a client. The error names an entry of Options.Allow that is not understood.
func New(o Options) (*Client, error) {
	c := &Client{o: o}
	for _, entry := range o.Allow {
		r, err := parseRule(entry)
		if err != nil {
			return nil, err
		}
		c.allow = append(c.allow, r)
	}
	if c.o.Timeout == 0 {
		c.o.Timeout = DefaultTimeout
	}
	if c.o.Resolver == nil {
		c.o.Resolver = net.DefaultResolver
	}
	c.http = &http.Client{
		// A redirect leads somewhere that nobody entered; it comes back as the answer that it is.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:       nil,
			DialContext: c.Dial, TLSClientConfig: c.TLS(""), TLSHandshakeTimeout: dialTimeout, DisableCompression: true,
			MaxResponseHeaderBytes: maxHeaders, MaxIdleConns: 64, MaxIdleConnsPerHost: 2, MaxConnsPerHost: 8, IdleConnTimeout: idleTimeout,
		},
	}
	return c, nil
}

// TLS returns the settings of a TLS connection to a server of this name.
func (c *Client) TLS(name string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.o.RootCAs, ServerName: name}
}

// CheckURL says whether requests to an address are allowed as far as that can be seen without resolving its name. It returns the parsed address; the error is an [Error].
func (c *Client) CheckURL(raw string) (*url.URL, error) {
	if len(raw) > maxURL || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
		return nil, &Error{Reason: BadURL}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" || u.User != nil || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, &Error{Reason: BadURL}
	}
	port := 443
	if u.Scheme == "http" {
		port = 80
	}
	if p := u.Port(); p != "" || strings.HasSuffix(u.Host, ":") {
		if port, err = strconv.Atoi(p); err != nil {
			return nil, &Error{Reason: BadURL}
		}
	}
	trusted, err := c.CheckHost(u.Hostname(), port)
	if e := AsError(err); u.Scheme == "http" && !trusted && (e == nil || e.Reason == BadPort && port == 80) {
		return nil, &Error{Reason: NotHTTPS}
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// CheckHost says whether connections to a host and port are allowed as far as that can be seen without resolving the name, and whether the operator named the
// host or its address (trusted). The error is an [Error].
func (c *Client) CheckHost(host string, port int) (trusted bool, err error) {
	host = normalHost(host)
	if port < 1 || port > 65535 {
		return false, &Error{Reason: BadPort}
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if trusted = c.allowsAddr(a, port); !trusted && !public(a) {
			return false, &Error{Reason: Forbidden}
		}
	} else {
		if !hostPattern.MatchString(host) || strings.HasPrefix(host, "*") || len(host) > 253 || numeric(host) {
			return false, &Error{Reason: BadURL}
		}
		if trusted = c.allowsHost(host, port); !trusted && local(host) {
			return false, &Error{Reason: Forbidden}
		}
	}
	if !trusted && port != 443 && port < 1024 {
		return false, &Error{Reason: BadPort}
	}
	return trusted, nil
}

// normalHost is a host as rules name it: lower case, without the dot that ends a complete name.
func normalHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// numeric reports whether a host ends in a number, which some resolvers take for an address in a notation of the seventies: 2130706433, 0x7f.1, 127.1.
func numeric(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if strings.HasPrefix(last, "0x") {
		return true
	}
	return strings.Trim(last, "0123456789") == ""
}

// local reports whether a name is never one of the public Internet (RFC 6761, 6762, 8375, and what clouds use inside).
func local(host string) bool {
	if !strings.Contains(host, ".") {
		return true
	}
	for _, end := range []string{".localhost", ".local", ".internal", ".home.arpa", ".lan", ".intranet", ".localdomain", ".svc"} {
		if strings.HasSuffix(host, end) {
			return true
		}
	}
	return false
}

// Dial connects to host:port over TCP. The name is resolved once, all of its addresses must be allowed, and the one that is connected to is checked again as the
// system is told to connect. The error is an [Error].
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &Error{Reason: BadURL}
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, &Error{Reason: BadPort}
	}
	host = normalHost(host)
	if _, err := c.CheckHost(host, port); err != nil {
		return nil, err
	}
	addrs, err := c.resolve(ctx, host, port)
	if err != nil {
		return nil, err
	}
	dialer := c.dialer(host, port)
	for _, a := range addrs {
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, uint16(port)).String()); err == nil {
			return conn, nil
		}
	}
	return nil, explain(err, Unreachable)
}

// dialer connects to addresses that host may stand for, whatever was found out about them before.
func (c *Client) dialer(host string, port int) *net.Dialer {
	return &net.Dialer{ControlContext: func(_ context.Context, _, actual string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(actual)
		if err != nil || int(a.Port()) != port || !c.reachable(host, a.Addr(), port) {
			return &Error{Reason: Forbidden}
		}
		return nil
	}}
}

func (c *Client) resolve(ctx context.Context, host string, port int) ([]netip.Addr, error) {
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, a)
	} else if addrs, err = c.o.Resolver.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, explain(err, NoSuchHost)
	}
	if len(addrs) == 0 {
		return nil, &Error{Reason: NoSuchHost}
	}
	for _, a := range addrs {
		if !c.reachable(host, a, port) {
			return nil, &Error{Reason: Forbidden}
		}
	}
	return addrs[:min(len(addrs), maxAddresses)], nil
}

// Transport carries the requests of clients of other protocols over HTTP, such as that of an object store, over guarded connections. Such a client must not follow redirects, and must bound its
// requests itself.
func (c *Client) Transport() http.RoundTripper { return c.http.Transport }

// Timeout is the whole time that a request may take.
func (c *Client) Timeout() time.Duration { return c.o.Timeout }

// Close drops connections that are kept for later.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// AsError returns the [Error] in err's chain, nil when there is none.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
