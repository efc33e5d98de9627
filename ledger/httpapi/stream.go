package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

const (
	heartbeat     = 15 * time.Second // so that proxies and clients see that the stream lives
	streamMaxPage = 500              // events sent between two looks at the head
)

type streamInput struct {
	FilterParams
	After       string `query:"after" doc:"Begin after this seq; without it, with the next event that is recorded."`
	LastEventID string `header:"Last-Event-ID"`
	w           http.ResponseWriter
}

// Resolve implements huma.Resolver.
func (in *streamInput) Resolve(ctx huma.Context) []error {
	_, in.w = humago.Unwrap(ctx)
	return in.FilterParams.Resolve(ctx)
}

func (h *Handlers) stream(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	q, err := in.Query()
	if err != nil {
		return nil, err
	}
	if err := h.Ledger.Permit(q, h.mask(p)); err != nil { // before the stream has begun
		return nil, err
	}
	head, err := h.Ledger.Head(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	next := head.Next
	for _, s := range []string{in.After, in.LastEventID} {
		if s == "" {
			continue
		}
		n, err := strconv.ParseUint(s, 10, 53)
		if err != nil {
			return nil, errs.Field("/after", "invalid", "after is a seq")
		}
		next = n + 1
	}
	// Once for the whole stream, at its beginning: an event for each event would never end.
	if h.Reads != nil && newTally(p) != nil {
		if err := h.Reads.Reveal(ctx, p, Revealed{Operation: "stream", Query: &q, Events: -1}); err != nil {
			return nil, err
		}
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", "text/event-stream")
		c.SetHeader("Cache-Control", "no-store")
		c.SetHeader("X-Accel-Buffering", "no")
		c.SetStatus(http.StatusOK)
		s := &sse{h: h, ctx: ctx, p: p, q: q, next: next, c: c, flush: http.NewResponseController(in.w).Flush}
		s.run()
	}}, nil
}

type sse struct {
	h     *Handlers
	ctx   context.Context
	p     actor.Principal
	q     ledger.Query
	next  uint64
	c     huma.Context
	flush func() error
	buf   []byte
}

func (s *sse) run() {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for first := true; ; first = false {
		changed := s.h.Ledger.Changed(s.p.TenantID)
		if err := s.catchUp(first); err != nil {
			return
		}
		select {
		case <-s.ctx.Done():
			return
		case <-api.Stopping(s.ctx):
			return
		case <-changed:
			// A busy log changes at every commit; looking five times a second is live enough.
			select {
			case <-s.ctx.Done():
				return
			case <-time.After(200 * time.Millisecond):
			}
		case <-beat.C:
			if s.write([]byte(": alive\n\n")) != nil {
				return
			}
		}
	}
}

// catchUp sends what is new.
func (s *sse) catchUp(first bool) error {
	for {
		head, err := s.h.Ledger.Head(s.ctx, s.p.TenantID)
		if err != nil {
			return err
		}
		if head.Next > s.next {
			q := s.q
			q.SeqFrom, q.SeqTo = s.next, head.Next
			found, err := s.send(q)
			if err != nil {
				return err
			}
			if found.More {
				continue
			}
			s.next = head.Next
		} else if !first && head.Next == s.next && head.Published != head.Next {
			return nil
		}
		s.buf = append(s.buf[:0], "event: head\ndata: {\"seq\":"...)
		s.buf = strconv.AppendUint(s.buf, head.Next, 10)
		s.buf = append(s.buf, `,"checkpoint_size":`...)
		s.buf = strconv.AppendUint(s.buf, head.Published, 10)
		return s.write(append(s.buf, "}\n\n"...))
	}
}

func (s *sse) send(q ledger.Query) (ledger.Found, error) {
	n := 0
	found, err := s.h.Ledger.Search(s.ctx, s.p.TenantID, q, ledger.Page{Ascending: true, Limit: streamMaxPage}, s.h.mask(s.p), func(r *event.Record) error {
		s.buf = append(s.buf[:0], "event: event\nid: "...)
		s.buf = strconv.AppendUint(s.buf, r.Seq, 10)
		s.buf = append(s.buf, "\ndata: "...)
		s.buf = r.AppendJSON(s.buf)
		n++
		s.next = r.Seq + 1
		return s.write(append(s.buf, '\n', '\n'))
	})
	s.h.read(s.p, "stream", n)
	return found, err
}

func (s *sse) write(b []byte) error {
	if _, err := s.c.BodyWriter().Write(b); err != nil {
		return err
	}
	return s.flush()
}
