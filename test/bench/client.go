package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"probity.dev/test/bench/load"
)

// client is one HTTP/1.1 connection that is kept open. It writes requests itself, so that the client's share of a measurement stays
// small beside the server's.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	key  string
	addr string
	body bytes.Buffer
}

// reply is an answer; body is valid until the next request.
type reply struct {
	status       int
	header       http.Header
	body         []byte
	first, total time.Duration
}

// pauses counts how often a server asked to be sent less.
var pauses atomic.Int64

func dial(addr, key string) (*client, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), key: key, addr: addr}, nil
}

func (c *client) close() error { return c.conn.Close() }

// send writes a request and reads the head of its answer.
func (c *client) send(method, path string, body []byte) (*http.Response, time.Time, time.Duration, error) {
	b := append(append(append(append(c.out[:0], method...), ' '), path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(append(append(b, c.addr...), "\r\nAuthorization: Bearer "...), c.key...), "\r\n"...)
	if body != nil {
		b = append(b, "Content-Type: application/json\r\nContent-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	}
	b = append(b, "\r\n"...)
	c.out = b
	start := time.Now()
	_ = c.conn.SetDeadline(start.Add(2 * time.Minute))
	both := net.Buffers{b, body} // a batch is half a megabyte, which need not be copied
	if _, err := both.WriteTo(c.conn); err != nil {
		return nil, start, 0, err
	}
	if _, err := c.in.Peek(1); err != nil {
		return nil, start, 0, err
	}
	first := time.Since(start)
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	return resp, start, first, err
}

// do sends a request and reads the whole answer.
func (c *client) do(method, path string, body []byte) (reply, error) {
	resp, start, first, err := c.send(method, path, body)
	if err != nil {
		return reply{}, err
	}
	c.body.Reset()
	if _, err := c.body.ReadFrom(resp.Body); err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: c.body.Bytes(), first: first, total: time.Since(start)}
	return r, resp.Body.Close()
}

// call is do for answers that must be JSON into v (unless nil), with a status below 300.
func (c *client) call(method, path string, body, v any) (reply, error) {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return reply{}, err
		}
	}
	r, err := c.do(method, path, sent)
	if err != nil {
		return r, err
	}
	if r.status >= 300 {
		return r, r.refused(method + " " + path)
	}
	if v == nil {
		return r, nil
	}
	return r, json.Unmarshal(r.body, v)
}

func (r reply) refused(what string) error {
	return fmt.Errorf("%s: status %d: %s", what, r.status, bytes.TrimSpace(r.body[:min(len(r.body), 600)]))
}

// post stores events and waits as long as it is told to when the server has too much to do.
func (c *client) post(ctx context.Context, body []byte, events int) error {
	for range 100 {
		r, err := c.do("POST", "/api/events?results=problems", body)
		if err != nil {
			return err
		}
		switch r.status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			pauses.Add(1)
			wait, _ := strconv.Atoi(r.header.Get("Retry-After"))
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(max(wait, 1)) * time.Second):
			}
			continue
		case http.StatusOK, http.StatusCreated:
			if n := accepted(r.body); n != events {
				return fmt.Errorf("%d of %d events accepted: %s", n, events, r.body[:min(len(r.body), 600)])
			}
			return ctx.Err()
		}
		return r.refused("POST /api/events")
	}
	return errors.New("POST /api/events: told to wait a hundred times")
}

// accepted reads the member "accepted" of an answer without parsing its long list of results.
func accepted(body []byte) int {
	mark := []byte(`"accepted":`)
	i := bytes.Index(body, mark)
	if i < 0 {
		return -1
	}
	rest := bytes.TrimLeft(body[i+len(mark):], " ")
	n, digits := 0, 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		n = n*10 + int(rest[digits]-'0')
		digits++
	}
	if digits == 0 {
		return -1
	}
	return n
}

// httpLoader and httpInserter are the two ways to store.
type httpLoader struct{ c *client }

func (l httpLoader) Load(ctx context.Context, b *load.Batch) error {
	return l.c.post(ctx, b.Body, len(b.Events))
}

func (l httpLoader) Close(context.Context) error { return l.c.close() }

type httpInserter struct{ c *client }

func (l httpInserter) Insert(ctx context.Context, e *load.Event) error {
	return l.c.post(ctx, e.JSON, 1)
}

func (l httpInserter) Close(context.Context) error { return l.c.close() }

// httpReader searches.
type httpReader struct{ c *client }

func (h httpReader) page(q url.Values) (answer, error) {
	q.Set("limit", "50")
	var page struct {
		Items []json.RawMessage `json:"items"`
	}
	r, err := h.c.call("GET", "/api/events?"+q.Encode(), nil, &page)
	return answer{rows: len(page.Items), first: r.first, total: r.total}, err
}

func (h httpReader) Newest(context.Context) (answer, error) { return h.page(url.Values{}) }

func (h httpReader) ByResource(_ context.Context, typ, id string) (answer, error) {
	return h.page(url.Values{"resource": {typ + "/" + id}})
}

func (h httpReader) ByActor(_ context.Context, actor string) (answer, error) {
	return h.page(url.Values{"actor": {actor}})
}

func period(from, to time.Time) url.Values {
	return url.Values{"time": {"occurred"}, "from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}}
}

func (h httpReader) ByDayAndAction(_ context.Context, from, to time.Time, action string) (answer, error) {
	q := period(from, to)
	q.Set("action", action)
	return h.page(q)
}

func (h httpReader) ByText(_ context.Context, from, to time.Time, text string) (answer, error) {
	q := period(from, to)
	q.Set("text", text)
	return h.page(q)
}

// download reads a file and returns its size and the number of lines.
func (c *client) download(path string) (size, lines int64, err error) {
	resp, _, _, err := c.send("GET", path, nil)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("GET %s: status %d", path, resp.StatusCode)
	}
	buf := make([]byte, 256<<10)
	for {
		_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
		n, err := resp.Body.Read(buf)
		size += int64(n)
		lines += int64(bytes.Count(buf[:n], []byte{'\n'}))
		if errors.Is(err, io.EOF) {
			return size, lines, nil
		}
		if err != nil {
			return size, lines, err
		}
	}
}
