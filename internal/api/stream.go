package api

import (
	"io"
	"net/http"
	"time"
)

// steadyReader gives every read of a streamed request its own deadline.
type steadyReader struct {
	io.ReadCloser
	c    *http.ResponseController
	last time.Time
}

func (b *steadyReader) Read(p []byte) (int, error) {
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
