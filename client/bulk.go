package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// maxUnacknowledged bounds how many events are sent before the server has answered for the first of them; they are kept to be sent again on another connection.
const maxUnacknowledged = 20_000

// BulkOptions change [Client.Bulk].
type BulkOptions struct {
	// Lifetime looks for duplicates in the whole log, see [Lifetime].
	Lifetime bool
	// OnReceipt, when not nil, is told about every batch in order. Index counts events from the begin of the call. An error of it ends the call.
	OnReceipt func(*Receipt) error
}

// Bulk records any number of events as one stream (newline-delimited JSON). The server holds the stream back when it cannot keep up. After a cut connection the stream is continued on another with
// what has not been acknowledged, which records nothing twice because every event has an id. It returns when everything is durable, or with the first error that repeating cannot cure; the summary
// says how far it came.
func (c *Client) Bulk(ctx context.Context, events iter.Seq2[Event, error], o BulkOptions) (Summary, error) {
	next, stop := iter.Pull2(events)
	defer stop()
	b := &bulk{c: c, o: o, next: next}
	b.wake = sync.NewCond(&b.mu)
	for attempt := 0; ; attempt++ {
		before := b.acknowledged
		err := b.stream(ctx)
		if err == nil {
			return b.sum, nil
		}
		if b.acknowledged > before {
			attempt = 0
		}
		wait, again := retryAfter(err, attempt)
		if !again || b.final || attempt >= c.retries || ctx.Err() != nil {
			return b.sum, err
		}
		if err := c.sleep(ctx, wait); err != nil {
			return b.sum, err
		}
	}
}

// bulk is the state of one call across its connections.
type bulk struct {
	c    *Client
	o    BulkOptions
	next func() (Event, error, bool)
	sum  Summary

	mu   sync.Mutex
	wake *sync.Cond
	// unacknowledged are the lines that were handed to a connection, or are to be again, oldest first. acknowledged counts those before them, here those of them that
	// the current connection acknowledged.
	unacknowledged     [][]byte
	acknowledged, here int
	exhausted          bool
	closed             bool // the current connection is given up
	// final is set for an error that repeating cannot cure: of the caller's own functions, or of a server that breaks the protocol.
	final bool
	// unchecked streams are the caller's own lines, which are not counted.
	unchecked bool
}

// stream runs one connection until everything is acknowledged or it breaks.
func (b *bulk) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.mu.Lock()
	b.closed, b.here = false, 0
	b.mu.Unlock()
	pr, pw := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		err := b.send(pw)
		_ = pw.CloseWithError(err) // nil ends the stream in an orderly way
		sent <- err
	}()
	err := b.receive(ctx, pr)
	b.mu.Lock()
	b.closed = true
	b.wake.Broadcast()
	b.mu.Unlock()
	_ = pr.CloseWithError(io.ErrClosedPipe)
	if sendErr := <-sent; sendErr != nil && !errors.Is(sendErr, io.ErrClosedPipe) {
		return sendErr // the caller's iterator failed, or an event has no JSON form
	}
	return err
}

// send writes what is unacknowledged and then what the iterator yields. Lines are gathered, and sent at the latest after flushPause.
func (b *bulk) send(w io.Writer) error {
	out := &pacedWriter{w: bufio.NewWriterSize(w, 64<<10)}
	done := make(chan struct{})
	defer close(done)
	go out.run(done)
	for i := 0; ; i++ {
		line, err := b.line(i)
		if err != nil {
			return err
		}
		if line == nil {
			return out.flush()
		}
		if err := out.write(line); err != nil {
			return io.ErrClosedPipe
		}
	}
}

const flushPause = 20 * time.Millisecond

type pacedWriter struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func (p *pacedWriter) write(b []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.w.Write(b)
	return err
}

func (p *pacedWriter) flush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.w.Flush()
}

func (p *pacedWriter) run(done <-chan struct{}) {
	t := time.NewTicker(flushPause)
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case <-t.C:
			if p.flush() != nil {
				return
			}
		}
	}
}

// line returns the i-th line of this connection, nil after the last one. It waits while too many are unacknowledged.
func (b *bulk) line(i int) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.unacknowledged) >= maxUnacknowledged && i-b.here >= len(b.unacknowledged) && !b.closed {
		b.wake.Wait()
	}
	switch {
	case b.closed || i < b.here: // a server that acknowledges what was not sent is not to be trusted
		return nil, io.ErrClosedPipe
	case i-b.here < len(b.unacknowledged):
		return b.unacknowledged[i-b.here], nil
	case b.exhausted:
		return nil, nil
	}
	b.mu.Unlock() // the iterator may be slow; acknowledgements go on meanwhile
	e, err, ok := b.next()
	b.mu.Lock()
	if !ok {
		b.exhausted = true
		return nil, nil
	}
	var line []byte
	if err == nil {
		identify(&e)
		if line, err = json.Marshal(e); err != nil {
			err = fmt.Errorf("client: an event cannot be written as JSON: %w", err)
		}
	}
	if err != nil {
		b.final = true
		return nil, err
	}
	line = append(line, '\n')
	b.unacknowledged = append(b.unacknowledged, line)
	return line, nil
}

// receive sends the request and reads acknowledgements until the server says that it is done.
func (b *bulk) receive(ctx context.Context, body io.Reader) error {
	r := request{method: http.MethodPost, path: "/api/events", query: url.Values{}, contentType: "application/x-ndjson", header: http.Header{"Accept": {"application/x-ndjson"}}}
	if b.o.Lifetime {
		r.query.Set("dedupe", "lifetime")
	}
	req, err := b.c.newRequest(ctx, r, body)
	if err != nil {
		return err
	}
	res, err := b.c.http.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return problemOf(res)
	}
	defer res.Body.Close()
	start := b.acknowledged
	d := json.NewDecoder(res.Body)
	for {
		line, err := readLine(d)
		if err != nil {
			return err
		}
		if line.Done != nil {
			return b.finish(line)
		}
		if err := b.acknowledge(&line.Receipt, start); err != nil {
			return err
		}
	}
}

// acknowledge forgets the lines that a receipt is about, and passes the receipt on.
func (b *bulk) acknowledge(r *Receipt, start int) error {
	b.mu.Lock()
	n := r.events()
	if !b.unchecked {
		if n > len(b.unacknowledged) || r.FirstIndex != b.here {
			b.mu.Unlock()
			b.final = true
			return errors.New("client: the server acknowledges events that were not sent")
		}
		b.unacknowledged = b.unacknowledged[n:]
	}
	b.acknowledged += n
	b.here += n
	b.wake.Broadcast()
	b.mu.Unlock()
	b.sum.add(r)
	if b.o.OnReceipt == nil {
		return nil
	}
	r.FirstIndex += start
	for i := range r.Results {
		r.Results[i].Index += start
	}
	if err := b.o.OnReceipt(r); err != nil {
		b.final = true
		return err
	}
	return nil
}

func (b *bulk) finish(line *streamLine) error {
	if line.Error != nil {
		line.Error.Status = statusOfCode(line.Error.Code)
		return line.Error
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !*line.Done || len(b.unacknowledged) > 0 || !b.exhausted {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// AppendStream records a stream of newline-delimited JSON as it is and is told about every batch. Unlike [Client.Bulk] it never repeats anything, because the lines cannot be had again: when it
// fails, start over with the same lines. Lines with an id are then recognised; lines without one would be recorded twice.
func (c *Client) AppendStream(ctx context.Context, lines io.Reader, o BulkOptions) (Summary, error) {
	b := &bulk{c: c, o: o, exhausted: true}
	b.wake = sync.NewCond(&b.mu)
	b.unchecked = true
	err := b.receive(ctx, lines)
	return b.sum, err
}
