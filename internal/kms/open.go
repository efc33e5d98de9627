package kms

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"time"

	"probity.dev/internal/crypt"
	"probity.dev/internal/errs"
)

// Secrets are what a service is convinced with where the location names no file.
type Secrets struct {
	// Token is a token of Vault, SecretID the secret id of a role.
	Token, SecretID string
}

// dialTime bounds connecting, requestTime one request.
const (
	dialTime    = 5 * time.Second
	requestTime = 10 * time.Second
)

// Open makes a client of the service at l. It reads the file of a master key; other services are first asked by [Check].
func Open(ctx context.Context, l Location, s Secrets) (crypt.KMS, error) {
	switch l.Kind {
	case KindFile:
		return crypt.OpenFileKMS(l.Path)
	case KindVault:
		return openVault(l, s)
	case KindAWS:
		return openAWS(ctx, l)
	}
	return nil, errs.New(errs.Invalid, "%q is no key-management service", l.Kind)
}

// checked is implemented by services that can tell more than a failing wrap does.
type checked interface {
	// check looks whether the key is there and fit.
	check(ctx context.Context) error
}

// probeAAD is what the text is bound to that a check wraps.
var probeAAD = []byte("probity|check")

// Check asks the service to wrap and unwrap a random text, and returns the version of the master key that wraps now. The error says what to do: whether the service is sealed or cannot be
// reached (Unavailable), or refuses, or lacks the key (Invalid).
func Check(ctx context.Context, k crypt.KMS) (version string, err error) {
	if c, ok := k.(checked); ok {
		if err := c.check(ctx); err != nil {
			return "", err
		}
	}
	return probe(ctx, k)
}

func probe(ctx context.Context, k crypt.KMS) (string, error) {
	secret := crypt.Secret()
	wrapped, err := k.Wrap(ctx, secret[:], probeAAD)
	if err != nil {
		return "", err
	}
	plain, err := k.Unwrap(ctx, wrapped, probeAAD)
	if err != nil {
		return "", err
	}
	version := k.Version(wrapped)
	if !bytes.Equal(plain, secret[:]) || version == "" {
		return "", errs.New(errs.Internal, "the key-management service gives back something else than it was given")
	}
	return version, nil
}

// httpClient connects to a service that the operator chose. Redirects are not followed: they would take the credentials along.
func httpClient(ca string) (*http.Client, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTime, KeepAlive: 30 * time.Second}).DialContext, TLSHandshakeTimeout: dialTime,
		MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	var err error
	if t.TLSClientConfig.RootCAs, err = authorities(ca); err != nil {
		return nil, err
	}
	return &http.Client{Transport: t, Timeout: requestTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// authorities reads the certificates of a PEM file; nil, for those of the system, when none is named.
func authorities(ca string) (*x509.CertPool, error) {
	if ca == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, errs.New(errs.Invalid, "the authorities of the key-management service: %v", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errs.New(errs.Invalid, "%s holds no certificate in PEM", ca)
	}
	return pool, nil
}
