package api

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
)

// watchEvery is how often it is asked whether the caller of a stream may go on: whoever is locked out is gone from every server within a second.
const watchEvery = 750 * time.Millisecond

var errNotThere = errs.New(errs.Unauthorized, "The session or API key has ended.")

// watch ends a stream soon after its caller may not go on. The timer is one of the runtime's, without a goroutine while it waits.
func (a *API) watch(r *http.Request, p actor.Principal) (*http.Request, func()) {
	ctx, cancel := context.WithCancelCause(r.Context())
	body, _ := r.Body.(*steadyReader)
	var mu sync.Mutex
	var timer *time.Timer
	look := func() {
		err := a.options.StillThere(ctx, p)
		if code := errs.CodeOf(err); code == errs.Unauthorized || code == errs.Forbidden {
			if body != nil {
				body.over.Store(true)
			}
			cancel(errNotThere)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil { // who cannot be asked about at the moment is asked about again
			timer.Reset(watchEvery)
		}
	}
	mu.Lock()
	timer = time.AfterFunc(watchEvery, look)
	mu.Unlock()
	return r.WithContext(ctx), func() {
		cancel(nil)
		mu.Lock()
		defer mu.Unlock()
		timer.Stop()
	}
}

// steadyReader gives every read of a streamed request its own deadline.
type steadyReader struct {
	io.ReadCloser
	c    *http.ResponseController
	last time.Time
	over atomic.Bool // the caller may not go on
}

func (b *steadyReader) Read(p []byte) (int, error) {
	if b.over.Load() {
		return 0, errNotThere
	}
	b.last = renew(b.last, b.c.SetReadDeadline)
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.c.SetReadDeadline(time.Time{}) // the response may take longer than the pause that a reader is allowed
	}
	return n, err
}

// steadyWriter gives every write of a streamed response its own deadline.
type steadyWriter struct {
	http.ResponseWriter
	c    *http.ResponseController
	last time.Time
}

func (w *steadyWriter) Write(p []byte) (int, error) {
	w.last = renew(w.last, w.c.SetWriteDeadline)
	return w.ResponseWriter.Write(p)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush passes on to the connection.
func (w *steadyWriter) Flush() {
	w.last = renew(w.last, w.c.SetWriteDeadline)
	_ = w.c.Flush()
}

// renew moves a deadline at most once a second, because moving it costs a lock in the poller.
func renew(last time.Time, set func(time.Time) error) time.Time {
	now := time.Now()
	if now.Sub(last) < time.Second {
		return last
	}
	_ = set(now.Add(streamIdle))
	return now
}
