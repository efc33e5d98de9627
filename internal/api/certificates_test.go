package api

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// certificate writes a key pair with the given serial number.
func certificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func opened(t *testing.T, certFile, keyFile string, log io.Writer) *Certificates {
	t.Helper()
	c, err := OpenCertificates(certFile, keyFile, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serial is that of the certificate which a new connection is shown.
func serial(t *testing.T, addr string) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestTLS(t *testing.T) {
	h := newHarness(Options{})
	certFile, keyFile := certificate(t, t.TempDir(), 1)
	addr, stop := start(t, &Server{Handler: h, Certificates: opened(t, certFile, keyFile, io.Discard)})
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	if v := conn.ConnectionState().Version; v != tls.VersionTLS13 {
		t.Errorf("version %x", v)
	}
	conn.Close()
	for _, old := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
		_, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: old})
		if err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("version %x: %v", old, err)
		}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Get("https://" + addr + "/api/whoami")
	if err != nil || res.StatusCode != 200 {
		t.Fatal(err)
	}
	res.Body.Close()
	client.CloseIdleConnections()
	h2 := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	if res, err = h2.Get("https://" + addr + "/api/whoami"); err != nil || res.ProtoMajor != 2 {
		t.Error("no HTTP/2 over TLS", err)
	}
	res.Body.Close()
	h2.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestRenewalDuringRequests renews the certificate while requests run: none fails, and connections made afterwards see the new one.
func TestRenewalDuringRequests(t *testing.T) {
	h := newHarness(Options{})
	h.Handle("GET /api/slow", Rule{Public: true}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(50 * time.Millisecond)
		fmt.Fprint(w, "answered")
	}))
	dir := t.TempDir()
	certFile, keyFile := certificate(t, dir, 1)
	certs := opened(t, certFile, keyFile, io.Discard)
	addr, stop := start(t, &Server{Handler: h, Certificates: certs})
	var wg sync.WaitGroup
	var answered, failed atomic.Int64
	end := make(chan struct{})
	for i := range 4 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		wg.Go(func() {
			defer client.CloseIdleConnections()
			for {
				select {
				case <-end:
					return
				default:
				}
				res, err := client.Get("https://" + addr + "/api/slow")
				if err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				b, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(b) != "answered" {
					failed.Add(1)
					t.Errorf("%q %v", b, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	for n := int64(2); n < 8; n++ {
		certificate(t, dir, n)
		if err := certs.Reload(); err != nil {
			t.Error(err)
		}
		if got := serial(t, addr); got != n {
			t.Errorf("serial %d, want %d", got, n)
		}
		time.Sleep(30 * time.Millisecond)
	}
	close(end)
	wg.Wait()
	if answered.Load() < 8 || failed.Load() > 0 {
		t.Errorf("%d answered, %d failed", answered.Load(), failed.Load())
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestRenewalByItself: changed files are noticed, links that lead elsewhere too; what cannot be used leaves the old pair in use and is said once.
func TestRenewalByItself(t *testing.T) {
	first, second, current := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "current")
	certificate(t, first, 1)
	certificate(t, second, 2)
	for dir := range map[string]bool{first: true, second: true} { // renewals may carry the same time
		for _, name := range []string{"cert.pem", "key.pem"} {
			if err := os.Chtimes(filepath.Join(dir, name), time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink(first, current); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	certs := opened(t, filepath.Join(current, "cert.pem"), filepath.Join(current, "key.pem"), &log)
	look := func() { certs.note(certs.load(false)) }
	inUse := func() int64 { return certs.current.Load().Leaf.SerialNumber.Int64() }
	if look(); inUse() != 1 || log.Len() != 0 {
		t.Error(inUse(), log.String())
	}
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(second, current); err != nil {
		t.Fatal(err)
	}
	if look(); inUse() != 2 || certs.Stale() || !strings.Contains(log.String(), "loaded") {
		t.Error(inUse(), certs.Stale(), log.String())
	}
	log.Reset()
	if err := os.WriteFile(filepath.Join(second, "cert.pem"), []byte("half writ"), 0o600); err != nil {
		t.Fatal(err)
	}
	look()
	look()
	if inUse() != 2 || !certs.Stale() || strings.Count(log.String(), "was not renewed") != 1 {
		t.Error(inUse(), certs.Stale(), log.String())
	}
	if err := os.Remove(filepath.Join(second, "key.pem")); err != nil {
		t.Fatal(err)
	}
	if look(); inUse() != 2 || !certs.Stale() {
		t.Error(inUse(), certs.Stale())
	}
	certificate(t, second, 3)
	if look(); inUse() != 3 || certs.Stale() || time.Until(certs.NotAfter()) > time.Hour {
		t.Error(inUse(), certs.Stale(), certs.NotAfter())
	}
}

func TestPairsThatAreRefused(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	certFile, keyFile := certificate(t, dir, 1)
	_, otherKey := certificate(t, other, 2)
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open.pem")
	if err := os.WriteFile(open, key, 0o644); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ cert, key, want string }{
		"another key":      {certFile, otherKey, "does not belong to"},
		"no certificate":   {filepath.Join(dir, "none.pem"), keyFile, "tls-cert cannot be read"},
		"no key":           {certFile, filepath.Join(dir, "none.pem"), "tls-key cannot be read"},
		"files exchanged":  {keyFile, certFile, "holds no certificate"},
		"open to everyone": {certFile, open, "chmod 600"},
		"empty key":        {certFile, empty, "holds no private key"},
		"empty cert":       {empty, keyFile, "holds no certificate"},
	} {
		_, err := OpenCertificates(c.cert, c.key, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What a renewal may not do, a start may not either: the old pair stays.
	certs := opened(t, certFile, keyFile, io.Discard)
	certs.keyFile = otherKey
	if err := certs.Reload(); err == nil || !certs.Stale() {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	certs.Watch(ctx) // ends with its context
}
