package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/secretfile"
)

// renewalCheck is how often the files of a certificate are looked at.
const renewalCheck = 10 * time.Second

// Certificates is the key pair that a [Server] shows, and its renewal. A pair that cannot be used leaves the one before in use, which the log and [Certificates.Stale] say.
type Certificates struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]
	stale             atomic.Bool

	mu   sync.Mutex // one load at a time
	seen []byte     // what was in the files at the last attempt
}

// OpenCertificates loads a key pair in PEM. It fails, naming the file at fault, when one cannot be read, when the two do not belong together, and when everybody may read the key.
func OpenCertificates(certFile, keyFile string, log *slog.Logger) (*Certificates, error) {
	if log == nil {
		log = slog.Default()
	}
	c := &Certificates{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := c.load(true); err != nil {
		return nil, err
	}
	if at := c.NotAfter(); time.Now().After(at) {
		log.Warn("the TLS certificate has expired", "expired", at)
	}
	return c, nil
}

// Reload reads the files again, whether they have changed or not.
func (c *Certificates) Reload() error {
	_, err := c.load(true)
	c.note(true, err)
	return err
}

// Watch takes renewed files into use until ctx ends, at most ten seconds after they changed. Connections that are open keep the certificate that they began with.
func (c *Certificates) Watch(ctx context.Context) {
	tick := time.NewTicker(renewalCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.note(c.load(false))
		}
	}
}

// NotAfter implements [CertificateSource].
func (c *Certificates) NotAfter() time.Time { return c.current.Load().Leaf.NotAfter }

// Stale implements [CertificateSource]: it reports whether what lies in the files could not be taken into use.
func (c *Certificates) Stale() bool { return c.stale.Load() }

// TLS implements [CertificateSource].
func (c *Certificates) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil }}
}

// note says how an attempt ended, once for each content of the files.
func (c *Certificates) note(tried bool, err error) {
	if !tried {
		return
	}
	c.stale.Store(err != nil)
	if err != nil {
		c.log.Error("the TLS certificate was not renewed; the one before stays in use", "error", err)
		return
	}
	c.log.Info("TLS certificate loaded", "expires", c.NotAfter())
}

// load takes what is in the files into use. Without always, it leaves it at a comparison when they hold what they held before. What is compared is the content: the time of a file says
// little where renewals replace links.
func (c *Certificates) load(always bool) (tried bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	certPEM, certErr := os.ReadFile(c.certFile)
	keyPEM, keyErr := secretfile.Read(c.keyFile)
	content := certPEM
	for _, part := range [][]byte{keyPEM, []byte(message(certErr)), []byte(message(keyErr))} {
		content = append(append(content[:len(content):len(content)], 0), part...)
	}
	if !always && bytes.Equal(content, c.seen) {
		return false, nil
	}
	c.seen = content
	switch {
	case certErr != nil:
		return true, errs.New(errs.Invalid, "tls-cert cannot be read: %v", certErr)
	case keyErr != nil:
		return true, errs.New(errs.Invalid, "tls-key cannot be read: %v", keyErr)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return true, c.explain(certPEM, err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return true, errs.New(errs.Invalid, "tls-cert %s: %v", c.certFile, err)
		}
	}
	c.current.Store(&pair)
	return true, nil
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// explain says which of the two files is wrong, and what about it; crypto/tls names no file and, for a chain in the wrong order, not the cause.
func (c *Certificates) explain(certPEM []byte, err error) error {
	text := strings.TrimPrefix(err.Error(), "tls: ")
	if strings.Contains(text, "private key does not match") || strings.Contains(text, "private key type does not match") {
		return errs.New(errs.Invalid, "the private key in %s (tls-key) does not belong to the first certificate in %s (tls-cert); the server's own certificate comes first there, then those that lead to the authority", c.keyFile, c.certFile)
	}
	if !bytes.Contains(certPEM, []byte("-----BEGIN CERTIFICATE-----")) {
		return errs.New(errs.Invalid, "%s (tls-cert) holds no certificate in PEM", c.certFile)
	}
	if strings.Contains(text, "key input") || strings.Contains(text, "failed to parse private key") {
		return errs.New(errs.Invalid, "%s (tls-key) holds no private key in PEM that can be used; one with a passphrase must be stored without it", c.keyFile)
	}
	return errs.New(errs.Invalid, "the certificate in %s and the key in %s cannot be used: %s", c.certFile, c.keyFile, text)
}
