package deploy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"probity.dev/test/instance"
)

// authority is Pebble, Let's Encrypt's authority for tests, which validates for real, with a name server of its own that leads every name to this machine.
type authority struct {
	directory, management string
	// port is where it expects the servers that it validates.
	port int
	// certFile holds the certificate of its own HTTP server.
	certFile string
	client   *http.Client
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func startAuthority(t *testing.T) *authority {
	t.Helper()
	dir := t.TempDir()
	local := func() string { return "127.0.0.1:" + strconv.Itoa(freePort(t)) }
	a := &authority{port: freePort(t), certFile: filepath.Join(dir, "authority.pem")}
	keyFile := filepath.Join(dir, "authority.key")
	pool := selfSigned(t, a.certFile, keyFile)
	a.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	names, listen, management := local(), local(), local()
	a.directory, a.management = "https://"+listen+"/dir", "https://"+management
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{"listenAddress": listen, "managementListenAddress": management, "certificate": a.certFile, "privateKey": keyFile,
		"httpPort": 1, "tlsPort": a.port, "profiles": map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": 90 * 24 * 3600}}}})
	if err != nil {
		t.Fatal(err)
	}
	configFile := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(configFile, config, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "pebble-challtestsrv", "-dnsserver", names, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-management", local())
	run(t, "pebble", "-config", configFile, "-dnsserver", names)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r, err := a.client.Get(a.directory)
		if err == nil {
			r.Body.Close()
			return a
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// run starts a program of the repository's folder bin, until the end of the test.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("this test needs an authority: run scripts/pebble.sh, which builds bin/%s once: %v", name, err)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(path, args...)
	c.Stdout, c.Stderr, c.Env = log, log, append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=20")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		log.Close()
		if b, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("%s ends: %s", name, b[max(0, len(b)-3000):])
		}
	})
}

// selfSigned makes a key pair for 127.0.0.1.
func selfSigned(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := errors.Join(os.WriteFile(certFile, cert, 0o600), os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

// roots are what those who trust the authority know.
func (a *authority) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	r, err := a.client.Get(a.management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(b) {
		t.Fatalf("%v: %s", err, b)
	}
	return pool
}

// TestCertificatesFromAnAuthority has a server get its certificate from an authority that looks for the proof, and use the same one after a restart.
func TestCertificatesFromAnAuthority(t *testing.T) {
	a := startAuthority(t)
	t.Setenv("SSL_CERT_FILE", a.certFile) // the server trusts the authority's own server
	const name = "audit.probity.test"
	dir, listen := filepath.Join(t.TempDir(), "data"), "127.0.0.1:"+strconv.Itoa(a.port)
	founded := instance.Init(t, dir)
	flags := []string{"--listen", listen, "--acme-hosts", name, "--acme-directory", a.directory, "--acme-email", "ops@probity.test"}
	s := instance.Start(t, dir, founded.APIKey, flags...)
	roots := a.roots(t)
	serial := presented(t, listen, name, roots)

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: name}, ForceAttemptHTTP2: true}}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+listen+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+founded.APIKey)
	r, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if m := regexp.MustCompile(`(?m)^probity_tls_certificate_expiry_timestamp_seconds (\S+)`).FindSubmatch(body); err != nil || r.ProtoMajor != 2 || m == nil {
		t.Errorf("%s, %v: the figures do not say when the certificate expires", r.Proto, err)
	} else if at, err := strconv.ParseFloat(string(m[1]), 64); err != nil || time.Until(time.Unix(int64(at), 0)) < 80*24*time.Hour {
		t.Errorf("it expires at %s, %v", m[1], err)
	}
	for _, strange := range []string{"other.probity.test", "127.0.0.1", ""} {
		if c, err := tls.Dial("tcp", listen, &tls.Config{ServerName: strange, InsecureSkipVerify: true}); err == nil {
			t.Errorf("a handshake for %q succeeds: %v", strange, c.ConnectionState().PeerCertificates[0].DNSNames)
			c.Close()
		}
	}
	if c, err := tls.Dial("tcp", listen, &tls.Config{ServerName: name, RootCAs: roots, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 is spoken")
		c.Close()
	}
	if out, errOut, code := instance.Run(t, "health", "--listen", listen, "--acme-hosts", name); code != 0 || strings.TrimSpace(out) != "ready" {
		t.Errorf("health: %d %s %s", code, out, errOut)
	}
	files := 0
	err = filepath.WalkDir(filepath.Join(dir, "acme"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		if i, err := d.Info(); err != nil || i.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s may be read by others: %v, %w", path, i.Mode(), err)
		}
		return nil
	})
	if err != nil || files < 2 {
		t.Errorf("%d files are kept: %v", files, err)
	}
	s.Stop()
	s = instance.Start(t, dir, founded.APIKey, flags...)
	if again := presented(t, listen, name, roots); again.Cmp(serial) != 0 {
		t.Error("the restarted server has got another certificate")
	}
	s.Stop()
}

// presented waits for a certificate that clients of the authority accept, and returns its number.
func presented(t *testing.T, address, name string, roots *x509.CertPool) *big.Int {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		c, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, RootCAs: roots})
		if err == nil {
			defer c.Close()
			return c.ConnectionState().PeerCertificates[0].SerialNumber
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
