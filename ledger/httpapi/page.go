package httpapi

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

const (
	pageBytes = 48 << 10
	// pageDelay is how long an event that has been found waits for others to go out with it: nothing that anybody notices, and most searches end sooner.
	pageDelay = 20 * time.Millisecond
)

// pageWriter writes a page of events while they are being found. They go out when there are many, and soon however few there are.
type pageWriter struct {
	c      huma.Context
	render func([]byte, *event.Record) []byte
	n      int
	last   uint64 // seq of the newest item

	mu      sync.Mutex // the timer writes too
	buf     []byte
	started bool // the head of the answer has gone out
	ended   bool
	err     error
	timer   *time.Timer
	waiting bool // the timer has been set for what is in buf
}

func newPageWriter(c huma.Context, render func([]byte, *event.Record) []byte) *pageWriter {
	return &pageWriter{c: c, render: render, buf: append(make([]byte, 0, 64<<10), `{"items":[`...)}
}

// add adds an event. It returns an error when the client is gone.
func (p *pageWriter) add(r *event.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n > 0 {
		p.buf = append(p.buf, ',')
	}
	p.buf = p.render(p.buf, r)
	p.n, p.last = p.n+1, r.Seq
	switch {
	case len(p.buf) > pageBytes:
		p.write()
	case p.timer == nil:
		p.timer = time.AfterFunc(pageDelay, p.flush)
	case !p.waiting:
		p.timer.Reset(pageDelay)
	}
	p.waiting = len(p.buf) > 0
	return p.err
}

// write sends what there is. The caller holds the lock.
func (p *pageWriter) write() {
	p.start()
	if p.err == nil {
		_, p.err = p.c.BodyWriter().Write(p.buf)
	}
	p.buf = p.buf[:0]
}

func (p *pageWriter) start() {
	if !p.started {
		p.c.SetHeader("Content-Type", "application/json")
		p.c.SetHeader("Cache-Control", "private, no-store")
		p.c.SetStatus(http.StatusOK)
		p.started = true
	}
}

func (p *pageWriter) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting = false; p.ended || len(p.buf) == 0 {
		return
	}
	p.write()
	if f, ok := p.c.BodyWriter().(http.Flusher); ok {
		f.Flush()
	}
}

// withdraw drops the page and reports that nothing of it has gone out; otherwise it does nothing.
func (p *pageWriter) withdraw() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started {
		return false
	}
	p.ended = true
	if p.timer != nil {
		p.timer.Stop()
	}
	return true
}

// end writes the rest of the page. With an error and nothing sent, it returns false and leaves the answer to the caller.
func (p *pageWriter) end(found ledger.Found, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.timer != nil {
		p.timer.Stop()
	}
	if err != nil && !p.started {
		return false
	}
	b := append(p.buf, ']')
	if found.More {
		b = append(b, `,"next_cursor":"`...)
		b = append(strconv.AppendUint(b, p.last, 10), '"')
	}
	b = append(b, `,"complete_until":{"seq":`...)
	b = strconv.AppendUint(b, found.Head, 10)
	b = append(b, `,"recorded_at":"`...)
	b = found.RecordedAt.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `"}`...)
	if err != nil {
		b = append(b, `,"error":`...)
		b = appendError(b, &errs.Error{Code: errs.CodeOf(err), Message: errs.Message(err)})
	}
	p.buf = append(b, '}', '\n')
	p.write() // the client may be gone
	return true
}
