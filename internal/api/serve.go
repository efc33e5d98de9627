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
	"time"
)

// Server runs a handler until it is told to stop, and then lets the requests in flight finish.
type Server struct {
	// Handler to serve, usually an [API].
	Handler http.Handler
	// Logger receives what net/http has to say; slog's default when nil.
	Logger *slog.Logger
	// Certificates switch TLS 1.3 on.
	Certificates CertificateSource
	// Grace is how long requests in flight may take after the stop; 20 seconds when zero. Streams are asked to end at once (their context is cancelled).
	Grace time.Duration
	// Drain is how long the server goes on accepting connections after the stop, while /readyz says that it is stopping and every answer ends its connection: time for load balancers to notice.
	Drain time.Duration
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
		Handler: closing(s.Handler, ctx.Done()), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithValue(base, stopKey{}, ctx) },
	}
	if s.Certificates != nil {
		l = tls.NewListener(l, s.Certificates.TLS())
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	if s.Drain > 0 {
		select {
		case err := <-failed:
			return err
		case <-time.After(s.Drain):
		}
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

// closing has every answer after the stop end its connection, so that clients open their next one elsewhere. HTTP/2 connections are told by the shutdown.
func closing(h http.Handler, stop <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
			if r.ProtoMajor == 1 {
				w.Header().Set("Connection", "close")
			}
		default:
		}
		h.ServeHTTP(w, r)
	})
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
