package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/tlog"
)

// MaxBatch is the most events that one request may hold. [Client.Bulk] has no limit.
const MaxBatch = 1000

// Status says what became of one event.
type Status string

// The statuses.
const (
	Accepted  Status = "accepted"  // recorded now, durably
	Duplicate Status = "duplicate" // recorded before, with the same content
	Rejected  Status = "rejected"  // not valid; Error says why
	Disabled  Status = "disabled"  // the tenant does not log events of this class
)

// Result is what became of one event of an append.
type Result struct {
	Index  int    `json:"index"` // of the event in the call
	Status Status `json:"status"`
	Seq    uint64 `json:"seq"` // when accepted or a duplicate
	ID     string `json:"id"`
	// LeafHash is the RFC 6962 leaf hash of an accepted event.
	LeafHash []byte `json:"leaf_hash"`
	// Error says why an event was rejected.
	Error *Error `json:"error"`
}

// Receipt is the server's answer to an append. When it arrives, what was accepted is durable.
type Receipt struct {
	FirstIndex int       `json:"first_index"`
	Accepted   int       `json:"accepted"`
	Duplicates int       `json:"duplicates"`
	Rejected   int       `json:"rejected"`
	Disabled   int       `json:"disabled"`
	FirstSeq   uint64    `json:"first_seq"`
	RecordedAt time.Time `json:"recorded_at"`
	Results    []Result  `json:"results"`
	// Promise is the log's signed word that events are at their places, the accepted ones among them; see [Receipt.Check].
	Promise string `json:"promise"`
	// PromiseProof shows that the accepted events are part of the promise, when it covers those of other requests too.
	PromiseProof *PromiseProof `json:"promise_proof"`
	ProofURL     string        `json:"proof_url"`
}

// PromiseProof is a proof of a range of the leaves of a promise (ledger/DESIGN.md §7).
type PromiseProof struct {
	// Left and Right are the roots of the perfect subtrees before and after the receipt's leaves.
	Left  [][]byte `json:"left"`
	Right [][]byte `json:"right"`
}

// Check verifies the promise under the log's keys (vkeys, one a line) and that it covers the accepted events of this receipt. A receipt without accepted events has no promise.
func (r *Receipt) Check(keys string) error {
	if r.Accepted == 0 {
		return nil
	}
	k, err := tlog.ParseKeys(keys)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	p, err := tlog.OpenPromise([]byte(r.Promise), k)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	var leaves []tlog.Hash
	seq := r.FirstSeq
	for _, x := range r.Results {
		if x.Status != Accepted {
			continue
		}
		if len(x.LeafHash) != tlog.HashSize || x.Seq != seq {
			return fmt.Errorf("client: the results of the receipt do not follow one another")
		}
		leaves = append(leaves, tlog.Hash(x.LeafHash))
		seq++
	}
	if r.PromiseProof == nil {
		if p.First != r.FirstSeq {
			return fmt.Errorf("client: the promise is about seq %d, the receipt about seq %d", p.First, r.FirstSeq)
		}
		err = p.Check(leaves)
	} else {
		err = r.PromiseProof.check(p, r.FirstSeq, leaves)
	}
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return nil
}

// check verifies that the leaves are those of the promise from a seq on.
func (x *PromiseProof) check(p *tlog.Promise, first uint64, leaves []tlog.Hash) error {
	if first < p.First || first-p.First > p.Count {
		return fmt.Errorf("the promise is about %d events from seq %d, the receipt about seq %d", p.Count, p.First, first)
	}
	r := &tlog.RangeProof{First: first - p.First, Count: uint64(len(leaves)), Size: p.Count}
	for _, side := range [...]struct {
		from [][]byte
		to   *[]tlog.Hash
	}{{x.Left, &r.Left}, {x.Right, &r.Right}} {
		for _, h := range side.from {
			if len(h) != tlog.HashSize {
				return fmt.Errorf("the proof of the promise is malformed")
			}
			*side.to = append(*side.to, tlog.Hash(h))
		}
	}
	return tlog.VerifyRange(r, leaves, p.Root)
}

// AppendOption changes one call of [Client.Append].
type AppendOption func(*request)

// Atomic records all events or none.
func Atomic() AppendOption { return func(r *request) { r.query.Set("atomic", "true") } }

// Lifetime looks for duplicates in the whole log instead of its newest ten million events. Use it for imports.
func Lifetime() AppendOption { return func(r *request) { r.query.Set("dedupe", "lifetime") } }

// IdempotencyKey makes the server give the same receipt again for the same request within 24 hours. Without it, a repeated request is answered with duplicates, which is as safe.
func IdempotencyKey(key string) AppendOption {
	return func(r *request) { r.header.Set("Idempotency-Key", key) }
}

// Append records up to [MaxBatch] events and returns when they are durable. Each is judged by itself unless [Atomic] is given: the error is about the whole request, and Results say
// what became of each event. A single event that is rejected is an error. Events without an ID get one, which is set in place when events is a slice given with "...".
func (c *Client) Append(ctx context.Context, events ...Event) (*Receipt, error) {
	return c.AppendWith(ctx, events)
}

// AppendWith is [Client.Append] with options.
func (c *Client) AppendWith(ctx context.Context, events []Event, options ...AppendOption) (*Receipt, error) {
	if len(events) == 0 || len(events) > MaxBatch {
		return nil, fmt.Errorf("client: one call appends 1 to %d events, not %d; use Bulk for more", MaxBatch, len(events))
	}
	for i := range events {
		identify(&events[i])
	}
	r := request{method: http.MethodPost, path: "/api/events", query: url.Values{}, header: http.Header{}, repeatable: true}
	for _, o := range options {
		o(&r)
	}
	var body any = events
	if len(events) == 1 {
		body = events[0] // by itself: when it is rejected, the server says why for the request as a whole
	}
	out := &Receipt{}
	if err := c.call(ctx, r, body, out); err != nil {
		return nil, err
	}
	return out, nil
}

func identify(e *Event) {
	if e.ID == "" {
		e.ID = uuid.Must(uuid.NewV7()).String()
	}
}

// Summary counts what became of the events of a bulk append.
type Summary struct {
	Accepted, Duplicates, Rejected, Disabled int
}

func (s *Summary) add(r *Receipt) {
	s.Accepted += r.Accepted
	s.Duplicates += r.Duplicates
	s.Rejected += r.Rejected
	s.Disabled += r.Disabled
}

func (r *Receipt) events() int { return r.Accepted + r.Duplicates + r.Rejected + r.Disabled }

// streamLine is a line of the answer to a stream: a receipt, or the end.
type streamLine struct {
	Receipt
	Done  *bool  `json:"done"`
	Error *Error `json:"error"`
}

func readLine(d *json.Decoder) (*streamLine, error) {
	line := &streamLine{}
	if err := d.Decode(line); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // a stream ends with a line that says so
		}
		return nil, err
	}
	return line, nil
}
