package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client talks to one server with one API key. It is safe for concurrent use.
type Client struct {
	base    string
	key     string
	http    *http.Client
	agent   string
	retries int
	sleep   func(ctx context.Context, d time.Duration) error
}

// Option changes a [Client].
type Option func(*Client)

// WithHTTPClient uses another HTTP client, for example with other TLS roots. Its Timeout must be zero or longer than the longest export.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithRetries sets how often a request is repeated after the first attempt; 4 by default, 0 for never.
func WithRetries(n int) Option { return func(c *Client) { c.retries = max(0, n) } }

// WithUserAgent names the application in the server's log.
func WithUserAgent(s string) Option { return func(c *Client) { c.agent = s } }

// New returns a client for the server at base, such as "https://audit.example.com". The key is an API key (pk_…) and is sent to that server only.
func New(base, key string, options ...Option) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("client: the server's address must look like https://audit.example.com")
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) { // net/http would say that the server cannot be reached
		return nil, errors.New("client: the API key holds a space, a line break or another character that no key has")
	}
	c := &Client{base: strings.TrimRight(base, "/"), key: key, agent: "probity-go", retries: 4, sleep: sleep}
	for _, o := range options {
		o(c)
	}
	if c.http == nil {
		c.http = &http.Client{Transport: newTransport()}
	}
	// A redirect to another server must not take the key along; net/http drops it there, and this makes sure that none is followed at all.
	h := *c.http
	h.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != u.Host || r.URL.Scheme != u.Scheme || len(via) > 5 {
			return errors.New("client: the server redirects to another server, or in circles")
		}
		return nil
	}
	c.http = &h
	return c, nil
}

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 64
	t.ResponseHeaderTimeout = 2 * time.Minute
	return t
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// request is one call to the server.
type request struct {
	method, path string
	query        url.Values
	body         []byte
	contentType  string
	header       http.Header
	// repeatable requests may be sent again when it is unknown whether the first one was served.
	repeatable bool
}

// do sends a request, repeats it where that is safe, and returns the response if its status is 2xx. The caller closes its body.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		res, err := c.once(ctx, r)
		if err == nil && res.StatusCode < 300 {
			return res, nil
		}
		unknown := err != nil // nobody knows what the server did
		if err == nil {
			err = problemOf(res)
			unknown = res.StatusCode == http.StatusBadGateway || res.StatusCode == http.StatusGatewayTimeout
		}
		wait, again := retryAfter(err, attempt)
		if !again || attempt >= c.retries || ctx.Err() != nil || (unknown && !r.repeatable) {
			return nil, err
		}
		if err := c.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (c *Client) once(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := c.newRequest(ctx, r, body)
	if err != nil {
		return nil, err
	}
	return c.http.Do(req)
}

func (c *Client) newRequest(ctx context.Context, r request, body io.Reader) (*http.Request, error) {
	address := c.base + r.path
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	req.Header.Set("User-Agent", c.agent)
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	return req, nil
}

// retryAfter says how long to wait before the next attempt, and whether one makes sense at all. Waits double from a quarter second to 15 seconds, with jitter, unless the server names one.
func retryAfter(err error, attempt int) (time.Duration, bool) {
	var p *Error
	if errors.As(err, &p) {
		switch p.Status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			if p.RetryAfter > 0 {
				return p.RetryAfter + rand.N(time.Second/4), true
			}
		case http.StatusBadGateway, http.StatusGatewayTimeout:
		default:
			return 0, false
		}
	} else if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return 0, false
	}
	d := min(15*time.Second, (time.Second/4)<<min(attempt, 6))
	return d/2 + rand.N(d/2+1), true
}

// call sends a request and decodes the JSON of its answer into out, which may be nil.
func (c *Client) call(ctx context.Context, r request, in, out any) error {
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("client: the request cannot be written as JSON: %w", err)
		}
		r.body, r.contentType = b, "application/json"
	}
	res, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, res.Body)
		return err
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("client: the server's answer could not be read: %w", err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.call(ctx, request{method: http.MethodGet, path: path, query: query, repeatable: true}, nil, out)
}
