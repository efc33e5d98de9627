package app

import (
	"context"
	"io"
	"net/http"
	"os/user"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/report/export"
)

// Operator returns the principal of whoever works on the data directory from the command line. It is the system, which may do everything within the tenant; what
// it reads and exports is recorded under the name of the account that runs the process. With masked, it sees what an auditor sees.
func Operator(tenantID string, masked bool) actor.Principal {
	p := actor.System(tenantID)
	p.Name = "command line"
	if u, err := user.Current(); err == nil && u.Username != "" {
		p.Name += " of " + u.Username
	}
	if masked {
		p.Roles, p.Permissions = []string{actor.RoleAuditor}, actor.RolePermissions(actor.RoleAuditor)
	}
	return p
}

// Client returns an HTTP client whose requests are answered in this process as p, without a listener and without a key: what the command line does to a data
// directory is then what it would do to a server.
func (a *App) Client(p actor.Principal) (*http.Client, error) {
	h, err := a.handler(as{p})
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: inProcess{h}}, nil
}

// as authenticates every request as one principal.
type as struct{ p actor.Principal }

// Authenticate implements api.Authenticator.
func (s as) Authenticate(context.Context, *http.Request) (actor.Principal, error) { return s.p, nil }

// MaskedHeader with the value true asks for what the caller would see without the permission to read personal values as they are. It can only take away.
const MaskedHeader = api.MaskedHeader

// maskable authenticates like the authenticator within, and honours MaskedHeader and what the data is said to be for.
type maskable struct {
	api.Authenticator
	masks *masks
}

// Authenticate implements api.Authenticator.
func (m maskable) Authenticate(ctx context.Context, r *http.Request) (actor.Principal, error) {
	p, err := m.Authenticator.Authenticate(ctx, r)
	if err != nil || p.TenantID == "" {
		return p, err
	}
	if p.Purpose = r.Header.Get(api.PurposeHeader); p.Purpose != "" {
		if err := m.masks.knows(ctx, p.TenantID, p.Purpose); err != nil {
			return actor.Principal{}, err
		}
	}
	if r.Header.Get(MaskedHeader) != "true" || !p.Unmasked() {
		return p, nil
	}
	return p.Masked(), nil
}

// Export writes an export straight to w, without a job and without a file in between. progress is told the rows written and their number, -1 while that is unknown.
func (a *App) Export(ctx context.Context, by actor.Principal, r export.Request, w io.Writer, progress func(done, total int64)) (rows int64, err error) {
	return a.exports.Service.Stream(ctx, by, r, w, progress)
}

// Import appends events that were read from a file. Unlike an append over HTTP it looks for duplicates in the whole log.
func (a *App) Import(ctx context.Context, tenantID string, items []ledger.Item) (*ledger.Receipt, error) {
	return a.Ledger.Append(ctx, tenantID, items, ledger.AppendOptions{Lifetime: true})
}

// Mask returns what p sees of events.
func (a *App) Mask(p actor.Principal) event.Masker { return a.masks.For(p) }

// inProcess is a round tripper that calls a handler. The response is streamed: its body can be read while the handler writes.
type inProcess struct{ h http.Handler }

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	served := r.Clone(ctx)
	served.RequestURI, served.RemoteAddr = r.URL.RequestURI(), ""
	if served.Body == nil {
		served.Body = http.NoBody
	}
	pr, pw := io.Pipe()
	w := &pipeWriter{header: http.Header{}, pipe: pw, started: make(chan struct{})}
	go func() {
		defer cancel()
		defer func() {
			if v := recover(); v != nil {
				w.WriteHeader(http.StatusInternalServerError)
				pw.CloseWithError(io.ErrUnexpectedEOF)
			}
		}()
		t.h.ServeHTTP(w, served)
		w.WriteHeader(http.StatusOK)
		_ = pw.Close() // a pipe closes without an error
	}()
	select {
	case <-w.started:
	case <-r.Context().Done():
		pr.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	return &http.Response{Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.sent, Body: pr, ContentLength: -1, Request: r}, nil
}

// pipeWriter is the response writer of inProcess.
type pipeWriter struct {
	header, sent http.Header
	status       int
	pipe         *io.PipeWriter
	started      chan struct{}
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status, w.sent = status, w.header.Clone()
	close(w.started)
}

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(b)
}

// Flush implements http.Flusher; a pipe holds nothing back.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }
