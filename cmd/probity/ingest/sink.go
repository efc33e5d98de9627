package ingest

import (
	"bytes"
	"context"
	"errors"
	"time"

	"probity.dev/app"
	"probity.dev/client"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/intake"
)

// BatchEvents and BatchBytes bound what is appended at once.
const (
	BatchEvents = 1000
	BatchBytes  = 4 << 20
)

// Receipt says what became of a batch.
type Receipt struct {
	Accepted, Duplicates, Disabled int
	Rejected                       []Rejected
}

// Rejected is one event of a batch that was not recorded.
type Rejected struct {
	Index int
	Err   *errs.Error
}

// Sink records events. When Append returns without an error, what was accepted is durable. It looks for duplicates in the whole log, so that a batch may be sent again.
type Sink interface {
	Append(ctx context.Context, items []*intake.Item) (*Receipt, error)
}

// Directory is a data directory that this process has opened.
type Directory struct {
	App    *app.App
	Tenant string
}

// busyPause is how long to wait when the ledger has too much to do.
const busyPause = 50 * time.Millisecond

// Append implements [Sink].
func (d *Directory) Append(ctx context.Context, items []*intake.Item) (*Receipt, error) {
	list := make([]ledger.Item, len(items))
	for i, it := range items {
		list[i].Event = it.Event
	}
	r, err := d.App.Import(ctx, d.Tenant, list)
	for errs.CodeOf(err) == errs.Throttled && ctx.Err() == nil {
		time.Sleep(busyPause)
		r, err = d.App.Import(ctx, d.Tenant, list)
	}
	if err != nil {
		return nil, err
	}
	out := &Receipt{Accepted: r.Accepted, Duplicates: r.Duplicates, Disabled: r.Disabled}
	for _, x := range r.Results {
		if x.Err != nil {
			out.Rejected = append(out.Rejected, Rejected{x.Index, x.Err})
		}
	}
	return out, nil
}

// Server is a server that is reached over HTTP.
type Server struct {
	Client *client.Client
	buf    []byte
	sent   []int // index in the batch of each line of buf
}

// attempts is how often a batch is sent before it is given up.
const attempts = 8

// Append implements [Sink]. It must not be called by several goroutines at once. A batch that failed on the way is sent again: events that had arrived are duplicates then.
func (s *Server) Append(ctx context.Context, items []*intake.Item) (*Receipt, error) {
	large := s.encode(items)
	if len(s.sent) == 0 {
		return &Receipt{Rejected: large}, nil
	}
	wait := 250 * time.Millisecond
	for n := 1; ; n++ {
		r, err := s.send(ctx)
		if err == nil {
			r.Rejected = append(r.Rejected, large...)
			return r, nil
		}
		pause, again := retryable(err, wait)
		if !again || n == attempts {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		wait = min(2*wait, 10*time.Second)
	}
}

// encode writes the batch as lines, leaving out events that are too large: a server ends a stream at a line that is.
func (s *Server) encode(items []*intake.Item) (large []Rejected) {
	s.buf, s.sent = s.buf[:0], s.sent[:0]
	for i, it := range items {
		start := len(s.buf)
		s.buf = appendWire(s.buf, it.Event)
		if len(s.buf)-start > event.MaxBytes {
			s.buf = s.buf[:start]
			large = append(large, Rejected{i, errs.New(errs.TooLarge, "the event is larger than 256 KiB")})
			continue
		}
		s.buf = append(s.buf, '\n')
		s.sent = append(s.sent, i)
	}
	return large
}

func (s *Server) send(ctx context.Context) (*Receipt, error) {
	out := &Receipt{}
	sum, err := s.Client.AppendStream(ctx, bytes.NewReader(s.buf), client.BulkOptions{Lifetime: true, OnReceipt: func(r *client.Receipt) error {
		out.Accepted += r.Accepted
		out.Duplicates += r.Duplicates
		out.Disabled += r.Disabled
		for _, x := range r.Results {
			if x.Error != nil && x.Index >= 0 && x.Index < len(s.sent) {
				out.Rejected = append(out.Rejected, Rejected{s.sent[x.Index], problem(x.Error)})
			}
		}
		return nil
	}})
	if n := sum.Accepted + sum.Duplicates + sum.Rejected + sum.Disabled; err == nil && n != len(s.sent) {
		err = errs.New(errs.Internal, "the server answered for %d of %d events", n, len(s.sent))
	}
	return out, err
}

func problem(e *client.Error) *errs.Error {
	out := &errs.Error{Code: errs.Code(e.Code), Message: e.Detail}
	for _, f := range e.Fields {
		out.Fields = append(out.Fields, errs.FieldError(f))
	}
	return out
}

// retryable says whether sending again can help, and how long to wait.
func retryable(err error, wait time.Duration) (time.Duration, bool) {
	if errors.Is(err, context.Canceled) {
		return 0, false
	}
	var p *client.Error
	if !errors.As(err, &p) {
		return wait, true // the connection failed
	}
	switch p.Code {
	case client.Throttled, client.Unavailable:
		return max(wait, p.RetryAfter), true
	}
	return 0, false
}
