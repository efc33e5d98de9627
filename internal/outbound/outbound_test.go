package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// names answers look-ups from a table; with several answers, one after the other.
type names struct {
	table map[string][]string
	asked atomic.Int32
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	i := int(n.asked.Add(1)) - 1
	answers := n.table[host]
	if len(answers) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var out []netip.Addr
	for a := range strings.SplitSeq(answers[min(i, len(answers)-1)], " ") {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func reason(err error) Reason {
	if e := AsError(err); e != nil {
		return e.Reason
	}
	if err != nil {
		return Reason("not one of ours: " + err.Error())
	}
	return ""
}

func TestAddresses(t *testing.T) {
	for a, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "172.15.255.255": true, "172.32.0.1": true, "100.63.255.255": true, "100.128.0.1": true, "2606:4700::1111": true, "2a00:1450::1": true,
		"64:ff9b::808:808": true, "::ffff:8.8.8.8": true,
		// this host
		"127.0.0.1": false, "127.255.255.254": false, "::1": false, "0.0.0.0": false, "0.1.2.3": false, "::": false,
		// private
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "fc00::1": false, "fd12:3456::1": false, "fec0::1": false,
		// link-local and the metadata services of AWS, GCP, Azure, Alibaba, Oracle
		"169.254.169.254": false, "169.254.170.2": false, "fe80::1": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "168.63.129.16": false, "100.100.100.200": false, "192.0.0.192": false,
		// carrier-grade NAT, benchmarking, documentation, reserved, broadcast, multicast
		"100.64.0.1": false, "100.127.255.255": false, "198.18.0.1": false, "198.19.255.255": false, "192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false,
		"192.88.99.1": false, "240.0.0.1": false, "255.255.255.255": false, "224.0.0.1": false, "239.1.1.1": false, "ff02::1": false, "ff0e::1": false, "2001:db8::1": false, "3fff::1": false,
		// IPv4 in IPv6: mapped, compatible, NAT64 of private addresses and its local prefix, 6to4, Teredo, ISATAP on a private prefix
		"::ffff:127.0.0.1": false, "::ffff:a9fe:a9fe": false, "::127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b::a00:1": false, "64:ff9b:1::1": false,
		"2002:7f00:1::": false, "2002:a00:1::1": false, "2001:0:1::1": false, "100::1": false,
	} {
		if got := public(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: public is %v", a, got)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is a public one")
	}
}

func TestURLs(t *testing.T) {
	c := newClient(t, Options{Allow: []string{"10.0.0.0/8", "splunk.internal:8088", "*.corp.example", "[fd00::1]:9000"}})
	for raw, want := range map[string]Reason{
		"https://hooks.slack.com/services/T/B/x": "", "https://example.com": "", "https://example.com:8443/x?y=z": "", "https://example.com.:443/": "", "https://8.8.8.8/": "",
		"HTTPS://EXAMPLE.COM/": "", "https://[2606:4700::1111]/": "",
		"http://example.com/": NotHTTPS, "http://8.8.8.8/": NotHTTPS, "ftp://example.com/": BadURL, "file:///etc/passwd": BadURL, "gopher://example.com/": BadURL, "unix:///run/docker.sock": BadURL,
		"javascript:alert(1)": BadURL, "//example.com/": BadURL, "example.com": BadURL, "": BadURL, "https://": BadURL, "https:///x": BadURL, "https:example.com": BadURL,
		"https://user:pw@example.com/": BadURL, "https://example.com@10.0.0.1/": BadURL, "https://example.com/#x": BadURL, "https://example.com\\@127.0.0.1/": BadURL, "https://exa mple.com/": BadURL,
		"https://example.com/\r\nX: y": BadURL, "https://example.com:0/": BadPort, "https://example.com:65536/": BadPort, "https://example.com:/": BadURL,
		"https://example.com:22/": BadPort, "https://example.com:25/": BadPort, "https://example.com:80/": BadPort,
		"https://127.0.0.1/": Forbidden, "https://[::1]/": Forbidden, "https://[::ffff:127.0.0.1]/": Forbidden, "https://[64:ff9b::7f00:1]/": Forbidden, "https://169.254.169.254/latest/meta-data": Forbidden,
		"https://[fe80::1%25eth0]/": Forbidden, "https://192.168.0.1/": Forbidden,
		"https://localhost/": Forbidden, "https://LOCALHOST./": Forbidden, "https://a.localhost/": Forbidden, "https://printer.local/": Forbidden, "https://db.internal/": Forbidden, "https://metadata.google.internal/": Forbidden,
		"https://intranet/": Forbidden, "https://kubernetes.default.svc/": Forbidden,
		"https://2130706433/": BadURL, "https://0x7f.0.0.1/": BadURL, "https://0x7f000001/": BadURL, "https://0177.0.0.1/": BadURL, "https://127.1/": BadURL, "https://127.0.0.1.:443/": Forbidden,
		"https://１２７.0.0.1/": BadURL, "https://ⓛocalhost/": BadURL, "https://example.com%00.evil.com/": BadURL, "https://exa%6Dple.com/": BadURL,
		"http://10.1.2.3:9000/": "", "https://10.1.2.3:22/": "", "http://splunk.internal:8088/services/collector": "", "https://splunk.internal/": Forbidden, "http://splunk.internal:8089/": Forbidden,
		"http://x.corp.example/": "", "http://corp.example/": NotHTTPS, "http://evilcorp.example/": NotHTTPS, "http://[fd00::1]:9000/": "", "http://[fd00::1]:9001/": Forbidden, "https://*.corp.example/": BadURL,
		"https://example.com/" + strings.Repeat("a", maxURL): BadURL,
	} {
		if _, err := c.CheckURL(raw); reason(err) != want {
			t.Errorf("%.80q: %q, want %q", raw, reason(err), want)
		}
	}
}

func TestAllowEntries(t *testing.T) {
	for _, entry := range []string{"10.0.0.0/8", "10.1.2.3", "fd00::/8", "[fd00::1]:80", "10.1.2.3:8080", "a.b", "*.a.b:1", "localhost"} {
		if err := ParseAllow(entry); err != nil {
			t.Errorf("%q: %v", entry, err)
		}
	}
	for _, entry := range []string{"", "10.0.0.0/33", "a b", "http://a.b", "a.b:0", "a.b:99999", "a.b:x", "*", "a.*.b", "fe80::1%eth0", "-a.b"} {
		if err := ParseAllow(entry); err == nil {
			t.Errorf("%q was accepted", entry)
		}
	}
	if _, err := New(Options{Allow: []string{"?"}}); err == nil {
		t.Error("a bad entry was accepted")
	}
}

// target is a server on the loopback address that counts what reaches it.
func target(t *testing.T, h http.HandlerFunc) (srv *httptest.Server, port string, hits *atomic.Int32) {
	t.Helper()
	hits = new(atomic.Int32)
	srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		if h != nil {
			h(w, r)
		}
	}))
	srv.Config.ErrorLog = nil
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return srv, port, hits
}

func pool(srv *httptest.Server) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(srv.Certificate())
	return p
}

// TestNamesOfPrivateAddresses asks for names of the public Internet that lead inside. A server listens there, and nothing may reach it.
func TestNamesOfPrivateAddresses(t *testing.T) {
	srv, port, hits := target(t, nil)
	for _, answer := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "0.0.0.0", "::", "169.254.169.254", "10.0.0.1", "8.8.8.8 127.0.0.1", "127.0.0.1 8.8.8.8", "2002:7f00:1::"} {
		c := newClient(t, Options{Resolver: &names{table: map[string][]string{"example.com": {answer}}}, RootCAs: pool(srv)})
		if _, err := c.Do(t.Context(), Request{URL: "https://example.com:" + port + "/"}); reason(err) != Forbidden {
			t.Errorf("%s: %v", answer, err)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("%d requests arrived", hits.Load())
	}
}

// TestRebinding has a name server that says something harmless first and the loopback address from then on. The name is asked for once, and the connection
// goes where the first answer leads.
func TestRebinding(t *testing.T) {
	srv, port, hits := target(t, nil)
	n := &names{table: map[string][]string{"example.com": {"100.99.98.97", "127.0.0.1"}}}
	c := newClient(t, Options{Resolver: n, RootCAs: pool(srv), Timeout: 300 * time.Millisecond, Allow: []string{"100.99.98.97"}})
	if _, err := c.Do(t.Context(), Request{URL: "https://example.com:" + port + "/"}); err == nil || reason(err) == Forbidden {
		t.Errorf("the first answer was not used: %v", err)
	}
	if n.asked.Load() != 1 {
		t.Errorf("the name was resolved %d times", n.asked.Load())
	}
	// The next request asks again, and is refused.
	if _, err := c.Do(t.Context(), Request{URL: "https://example.com:" + port + "/"}); reason(err) != Forbidden {
		t.Errorf("%v", err)
	}
	if hits.Load() != 0 {
		t.Error("a request arrived")
	}
}

// TestControl shows that the check as the connection is made stands by itself: whatever was resolved, the address that is connected to is looked at.
func TestControl(t *testing.T) {
	_, port, hits := target(t, nil)
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	d := newClient(t, Options{}).dialer("example.com", n)
	for _, a := range []string{"127.0.0.1", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "localhost"} {
		if _, err := d.DialContext(t.Context(), "tcp", a+":"+port); reason(err) != Forbidden {
			t.Errorf("%s: %v", a, err)
		}
	}
	conn, err := newClient(t, Options{Allow: []string{"127.0.0.1"}}).dialer("example.com", n).DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if hits.Load() != 0 {
		t.Error("a request arrived")
	}
}

func TestAllowedHostIsNotAllowedEverything(t *testing.T) {
	c := newClient(t, Options{Allow: []string{"relay.internal"}})
	for a, want := range map[string]bool{"10.0.0.1": true, "127.0.0.1": true, "fd00::1": true, "8.8.8.8": true, "169.254.169.254": false, "fd00:ec2::254": false, "224.0.0.1": false, "0.0.0.0": false,
		"::ffff:169.254.169.254": false, "64:ff9b::a9fe:a9fe": false, "168.63.129.16": false} {
		if got := c.reachable("relay.internal", netip.MustParseAddr(a), 443); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
	if c.reachable("other.example", netip.MustParseAddr("10.0.0.1"), 443) {
		t.Error("another host profits")
	}
}

func local127(srv *httptest.Server) Options {
	return Options{Resolver: &names{table: map[string][]string{"example.com": {"127.0.0.1"}, "other.example.com": {"127.0.0.1"}}}, RootCAs: pool(srv), Allow: []string{"example.com", "other.example.com"}, UserAgent: "Probity/1"}
}

func TestAnswer(t *testing.T) {
	srv, port, _ := target(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("X-Test"), r.UserAgent())
	})
	c := newClient(t, local127(srv))
	r, err := c.Do(t.Context(), Request{URL: "https://example.com:" + port + "/", Header: http.Header{"X-Test": {"1"}}})
	if err != nil || r.Status != 429 || string(r.Body) != "POST 1 Probity/1" || r.RetryAfter(time.Now()) != 7*time.Second {
		t.Errorf("%+v %v", r, err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{"": 0, "-1": 0, "0.5": 500 * time.Millisecond, "soon": 0, "Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:00:00 GMT": 0, "NaN": 0, "1e300": 0} {
		if got := (&Response{Header: http.Header{"Retry-After": {v}}}).RetryAfter(now); got != want {
			t.Errorf("%q: %v", v, got)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	inner, innerPort, hits := target(t, nil)
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv, port, _ := target(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:"+innerPort+"/", status)
		})
		o := local127(srv)
		o.RootCAs.AddCert(inner.Certificate())
		r, err := newClient(t, o).Do(t.Context(), Request{URL: "https://example.com:" + port + "/"})
		if err != nil || r.Status != status {
			t.Errorf("%+v %v", r, err)
		}
	}
	if hits.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestLimits(t *testing.T) {
	release := make(chan struct{})
	srv, port, _ := target(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			for {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 64<<10)); err != nil {
					return
				}
			}
		case "/slow":
			<-release
		case "/drip":
			for range 100 {
				if _, err := w.Write([]byte("x")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		case "/headers":
			w.Header().Set("X", strings.Repeat("x", 2*maxHeaders))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write([]byte("not unpacked"))
		}
	})
	defer close(release)
	o := local127(srv)
	o.Timeout = 400 * time.Millisecond
	c := newClient(t, o)
	r, err := c.Do(t.Context(), Request{URL: "https://example.com:" + port + "/long"})
	if err != nil || len(r.Body) != MaxResponse {
		t.Errorf("%v", err)
	}
	if r, err := c.Do(t.Context(), Request{URL: "https://example.com:" + port + "/bomb"}); err != nil || string(r.Body) != "not unpacked" {
		t.Errorf("%+v %v", r, err)
	}
	for _, path := range []string{"/slow", "/drip"} {
		start := time.Now()
		if _, err := c.Do(t.Context(), Request{URL: "https://example.com:" + port + path}); reason(err) != Timeout || time.Since(start) > 3*time.Second {
			t.Errorf("%s: %v after %v", path, err, time.Since(start))
		}
	}
	if _, err := c.Do(t.Context(), Request{URL: "https://example.com:" + port + "/headers"}); reason(err) != Broken {
		t.Errorf("%v", err)
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	srv, port, hits := target(t, nil)
	if _, err := newClient(t, local127(srv)).Do(t.Context(), Request{URL: "https://example.com:" + port + "/"}); err != nil || hits.Load() != 1 || asked.Load() != 0 {
		t.Errorf("%v, %d at the target, %d at the proxy", err, hits.Load(), asked.Load())
	}
	if p := newClient(t, Options{}).http.Transport.(*http.Transport).Proxy; p != nil {
		t.Error("the transport has a proxy")
	}
}

// TestErrorsAreSilent looks for the secret of an address, its host and where it leads in every error.
func TestErrorsAreSilent(t *testing.T) {
	srv, port, _ := target(t, func(w http.ResponseWriter, _ *http.Request) {
		c, _, _ := w.(http.Hijacker).Hijack()
		c.Close()
	})
	plainSrv := httptest.NewServer(http.NotFoundHandler())
	defer plainSrv.Close()
	_, plainPort, _ := net.SplitHostPort(plainSrv.Listener.Addr().String())
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, closedPort, _ := net.SplitHostPort(closed.Addr().String())
	closed.Close()
	o := local127(srv)
	trusting, strict := newClient(t, o), newClient(t, Options{Resolver: o.Resolver, Allow: o.Allow, RootCAs: x509.NewCertPool()})
	gone, stop := context.WithCancel(t.Context())
	stop()
	for _, x := range []struct {
		c    *Client
		ctx  context.Context
		url  string
		want Reason
	}{
		{trusting, t.Context(), "https://example.com:" + port, Broken}, {trusting, t.Context(), "https://example.com:" + plainPort, Untrusted}, {trusting, t.Context(), "https://example.com:" + closedPort, Unreachable},
		{strict, t.Context(), "https://example.com:" + port, Untrusted}, {trusting, t.Context(), "https://nowhere.example.com", NoSuchHost}, {trusting, gone, "https://example.com:" + port, Stopped},
		{trusting, t.Context(), "https://other.example.com:" + port, Broken},
	} {
		_, err := x.c.Do(x.ctx, Request{URL: x.url + "/services/SECRET?token=SECRET", Header: http.Header{"Authorization": {"Bearer SECRET"}}, Body: []byte("SECRET")})
		if reason(err) != x.want {
			t.Errorf("%s: %q, want %q", x.url, reason(err), x.want)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			if s := fmt.Sprintf("%v %+v", e, e); strings.Contains(s, "SECRET") || strings.Contains(s, "example.com") || strings.Contains(s, "127.0.0.1") {
				t.Errorf("an error tells: %s", s)
			}
		}
	}
}

func TestCertificateOfAnotherName(t *testing.T) {
	srv, port, hits := target(t, nil)
	o := local127(srv)
	o.Resolver = &names{table: map[string][]string{"wrong.test": {"127.0.0.1"}}}
	o.Allow = []string{"wrong.test"}
	if _, err := newClient(t, o).Do(t.Context(), Request{URL: "https://wrong.test:" + port + "/"}); reason(err) != Untrusted || hits.Load() != 0 {
		t.Errorf("%v", err)
	}
}
