package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Server runs a handler until it is told to stop, and then lets the requests in flight finish.
type Server struct {
	// Handler to serve, usually an [API].
	Handler http.Handler
	// Logger receives what net/http has to say; slog's default when nil.
	Logger *slog.Logger
	// CertFile and KeyFile switch TLS 1.3 on. They are read again when they change, so renewed certificates need no restart.
	CertFile, KeyFile string
	// Grace is how long requests in flight may take after the stop; 20 seconds when zero. Streams are asked to end at once (their context is cancelled).
	Grace time.Duration
}

// Serve accepts connections on l until ctx ends, then stops accepting, cancels streams, waits up to Grace for the rest and closes what remains. It returns
// nil after an orderly stop.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	log := s.Logger
	if log == nil {
		log = slog.Default()
	}
	base, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()
	srv := &http.Server{
		Handler: s.Handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithValue(base, stopKey{}, ctx) },
	}
	if s.CertFile != "" || s.KeyFile != "" {
		certs, err := newCertificates(s.CertFile, s.KeyFile)
		if err != nil {
			return err
		}
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: certs.get, NextProtos: []string{"h2", "http/1.1"}})
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace := s.Grace
	if grace == 0 {
		grace = 20 * time.Second
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(wait)
	if err != nil {
		endStreams()
		err = errors.Join(fmt.Errorf("requests were still running after %s", grace), srv.Close())
	}
	<-failed
	return err
}

type stopKey struct{}

// Stopping returns a channel that is closed when the server has been told to stop. Streams end then; other operations finish their work. Outside of a [Server] the
// channel is never closed.
func Stopping(ctx context.Context) <-chan struct{} {
	if stop, ok := ctx.Value(stopKey{}).(context.Context); ok {
		return stop.Done()
	}
	return nil
}

// Degraded says that a node does its work, but lacks something that it will need.
type Degraded string

// Error implements error.
func (d Degraded) Error() string { return string(d) }

// MountHealth adds /healthz, which answers as long as the process serves, and /readyz, which asks ready and answers 503 with its error's message when it fails; with [Degraded], 200 and that word.
func (a *API) MountHealth(ready func(context.Context) error) {
	rule := Rule{Public: true, Unlimited: true, Timeout: 5 * time.Second}
	a.Handle("GET /healthz", rule, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { writeState(w, http.StatusOK, "ok", "") }))
	a.Handle("GET /readyz", rule, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-Stopping(r.Context()):
			writeState(w, http.StatusServiceUnavailable, "stopping", "")
			return
		default:
		}
		err := ready(r.Context())
		var degraded Degraded
		if errors.As(err, &degraded) {
			writeState(w, http.StatusOK, "degraded", degraded.Error())
			return
		}
		if err != nil {
			writeState(w, http.StatusServiceUnavailable, "unavailable", NewProblem(r.Context(), err).Detail)
			return
		}
		writeState(w, http.StatusOK, "ready", "")
	}))
}

func writeState(w http.ResponseWriter, status int, word, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the client may be gone
		Status string `json:"status"`
		Detail string `json:"detail,omitempty"`
	}{word, detail})
}

// certificates serves the key pair on disk and looks for a newer one at most every ten seconds. A pair that cannot be loaded leaves the old one in use.
type certificates struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
	mu                sync.Mutex
	checked           time.Time
	modified          time.Time
}

func newCertificates(certFile, keyFile string) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("load the TLS certificate: %w", err)
	}
	return c, nil
}

func (c *certificates) load() error {
	info, err := os.Stat(c.certFile)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current.Store(&pair)
	c.modified, c.checked = info.ModTime(), time.Now()
	return nil
}

func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.mu.TryLock() {
		if time.Since(c.checked) > 10*time.Second {
			c.checked = time.Now()
			if info, err := os.Stat(c.certFile); err == nil && !info.ModTime().Equal(c.modified) {
				_ = c.load() // a half-written renewal is tried again in ten seconds
			}
		}
		c.mu.Unlock()
	}
	return c.current.Load(), nil
}
