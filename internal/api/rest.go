package api

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// restBytes and restTime bound what is still read of a request whose answer was given before its end.
	restBytes = 16 << 20
	restTime  = 2 * time.Second
)

// partBody knows whether a body was read to its end. A handler may leave a goroutine behind that still reads.
type partBody struct {
	io.ReadCloser
	left  atomic.Int64 // bytes that were announced and not read yet; negative if none were announced
	ended atomic.Bool
}

func (b *partBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left.Add(-int64(n)) == 0 || err != nil {
		b.ended.Store(true)
	}
	return n, err
}

// watchBody notices how far the body of a request is read, nil when there is nothing to read or when the client waits to be asked for it.
func watchBody(r *http.Request) *partBody {
	if r.Body == nil || r.Body == http.NoBody || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
		return nil
	}
	b := &partBody{ReadCloser: r.Body}
	b.left.Store(r.ContentLength)
	r.Body = b
	return b
}

// finish sends the answer and then reads what the client has yet to send, within bounds. A connection that is closed while its client writes is reset, and the client may lose the
// answer that says why; net/http guards against it only where the client wants to keep the connection.
func (b *partBody) finish(w http.ResponseWriter) {
	if b == nil || b.ended.Load() {
		return
	}
	c := http.NewResponseController(w)
	if c.Flush() != nil || c.SetReadDeadline(time.Now().Add(restTime)) != nil {
		return // not a connection of its own
	}
	_, _ = io.CopyN(io.Discard, b.ReadCloser, restBytes) // the answer is given; a client that has gone loses nothing
}
