package httpapi

import (
	"bytes"
	"io"
	"sync"

	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

// workspace is the memory of one append request: its body, its events, the list of them. It serves one request after another; what the ledger keeps of an
// event is no part of it.
type workspace struct {
	body  bytes.Buffer
	batch event.Batch
	list  []ledger.Item
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// trustedLength is how many bytes of a body are believed to come before they have.
const trustedLength = 1 << 20

// maxKeptBody is the size in bytes of the largest body whose memory is kept.
const maxKeptBody = 2 << 20

func (w *workspace) release() {
	clear(w.list)
	w.list = w.list[:0]
	if w.body.Cap() <= maxKeptBody {
		workspaces.Put(w)
	}
}

// items reads the events of a request. They are valid until w is released.
func (w *workspace) items(in *appendInput, media string) ([]ledger.Item, error) {
	w.body.Reset()
	if in.length > 0 {
		w.body.Grow(int(min(in.length, trustedLength)) + bytes.MinRead) // reading the end of a body wants room too
	}
	if _, err := w.body.ReadFrom(io.LimitReader(in.body, MaxBody+1)); err != nil {
		return nil, bodyError(err)
	}
	if w.body.Len() > MaxBody {
		return nil, errs.New(errs.TooLarge, "the request is larger than 8 MiB; send fewer events at once, or newline-delimited JSON")
	}
	switch media {
	case "", "application/json", "text/json":
	case "application/cloudevents+json", "application/cloudevents-batch+json":
		return foreign(&w.body, "cloudevents")
	default:
		return nil, errs.New(errs.Unsupported, "send application/json, application/x-ndjson or application/cloudevents+json")
	}
	parsed, n, err := w.batch.Parse(w.body.Bytes(), MaxEvents)
	if err != nil {
		return nil, err
	}
	if n > MaxEvents {
		return nil, errs.New(errs.TooLarge, "%d events are more than the %d that one request may hold; send newline-delimited JSON for more", n, MaxEvents)
	}
	for i := range parsed {
		w.list = append(w.list, itemOf(parsed[i].Event, parsed[i].Err))
	}
	return w.list, nil
}
