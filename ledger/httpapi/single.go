package httpapi

import (
	"bytes"
	"io"

	"probity.dev/ledger"
)

// headReader notes how a body begins while it is read.
type headReader struct {
	io.Reader
	head [64]byte
	n    int
}

// Read implements io.Reader.
func (r *headReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if r.n < len(r.head) {
		r.n += copy(r.head[r.n:], p[:n])
	}
	return n, err
}

// one reports whether the body is an event by itself, and not a list of events.
func (r *headReader) one() bool {
	b, ok := bytes.CutPrefix(bytes.TrimLeft(r.head[:r.n], " \t\r\n"), []byte("{"))
	return ok && !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte(`"events"`))
}

// refused returns why a request of one event came to nothing: the request as a whole is what is wrong then, so the answer is that problem and no list of results.
func refused(r *ledger.Receipt, head *headReader) error {
	if len(r.Results) == 1 && r.Rejected == 1 && head.one() {
		return r.Results[0].Err
	}
	return nil
}
