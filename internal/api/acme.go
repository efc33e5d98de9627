package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// CertificateSource is where a [Server] has its certificates from: [Certificates] or [ACME].
type CertificateSource interface {
	// TLS allows nothing below TLS 1.3, where Go chooses the cipher suites.
	TLS() *tls.Config
	// NotAfter is when the certificate in use expires; zero when there is none yet.
	NotAfter() time.Time
	// Stale reports whether the last attempt to get a newer one failed.
	Stale() bool
}

// ACMEOptions of [OpenACME].
type ACMEOptions struct {
	// Hosts are the names that certificates are asked for; a handshake for another name fails.
	Hosts []string
	// Email is where the authority writes to about its certificates; it may be empty.
	Email string
	// Directory is the authority's directory; that of Let's Encrypt when empty.
	Directory string
	// Dir keeps the account's key and the certificates with theirs, for the owner of the process alone.
	Dir string
	// Logger gets what goes wrong; slog's default when nil.
	Logger *slog.Logger
}

// ACME gets certificates from an authority (RFC 8555) and renews them a month before they expire. The authority looks for the proof at port 443 of the name, by TLS-ALPN-01 (RFC 8737): the server must be reached there, itself or
// through a proxy that passes TLS on. Whoever uses it accepts the authority's terms.
type ACME struct {
	hosts    []string
	manager  *autocert.Manager
	log      *slog.Logger
	notAfter atomic.Int64 // seconds since 1970
	stale    atomic.Bool
}

// renewCheck is how often it is looked whether there is a certificate.
const renewCheck = 10 * time.Minute

// OpenACME returns a source of certificates. Nobody is asked for one before [ACME.Watch] or the first handshake.
func OpenACME(o ACMEOptions) *ACME {
	a := &ACME{hosts: o.Hosts, log: o.Logger}
	if a.log == nil {
		a.log = slog.Default()
	}
	a.manager = &autocert.Manager{Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(o.Dir), HostPolicy: autocert.HostWhitelist(o.Hosts...), Email: o.Email}
	if o.Directory != "" {
		a.manager.Client = &acme.Client{DirectoryURL: o.Directory}
	}
	return a
}

// TLS implements [CertificateSource].
func (a *ACME) TLS() *tls.Config {
	c := a.manager.TLSConfig()
	c.MinVersion = tls.VersionTLS13
	c.GetCertificate = a.certificate
	return c
}

// NotAfter implements [CertificateSource]. Of several names it is that of the certificate which was used or looked at last.
func (a *ACME) NotAfter() time.Time {
	if s := a.notAfter.Load(); s != 0 {
		return time.Unix(s, 0)
	}
	return time.Time{}
}

// Stale implements [CertificateSource].
func (a *ACME) Stale() bool { return a.stale.Load() }

// Watch gets the certificates before the first client asks for them, and tries again until ctx ends: every ten minutes, since authorities count failures.
func (a *ACME) Watch(ctx context.Context) {
	tick := time.NewTicker(renewCheck)
	defer tick.Stop()
	for {
		var failed error
		for _, host := range a.hosts {
			// What a client of today says that it can do.
			hello := &tls.ClientHelloInfo{ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
				SupportedCurves: []tls.CurveID{tls.CurveP256}}
			if _, err := a.certificate(hello); err != nil {
				failed = errors.Join(failed, err)
				a.log.Error("no TLS certificate from the authority; it will be tried again", "host", host, "error", err)
			}
		}
		a.stale.Store(failed != nil)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *ACME) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	// Whoever speaks TLS 1.3 knows ECDSA with P-256 (RFC 8446, section 9.1). The manager looks for a cipher suite of TLS 1.2 that says so, and would get a second certificate, with RSA, for clients of TLS 1.3 alone.
	h := *hello
	h.CipherSuites = append(slices.Clone(hello.CipherSuites), tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	c, err := a.manager.GetCertificate(&h)
	if err != nil {
		return nil, err
	}
	if c.Leaf != nil && !slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		a.notAfter.Store(c.Leaf.NotAfter.Unix())
	}
	return c, nil
}
