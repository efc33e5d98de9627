package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Query selects events. Several values of one field are alternatives; different fields must all match.
type Query struct {
	// From (included) and To (excluded) bound the time that Time names: "occurred" (the default) or "recorded".
	From, To time.Time
	Time     string
	// Actor, Subject and Person take an id, an e-mail address, an exact name or "handle:42" ("handle:42,43" for a person with several).
	Actor, Subject, Person []string
	Action                 []string // with * as in "invoice.*"
	Resource               []string // "type/id" or "type"
	Outcome                []string // success, failure, denied
	Source                 []string
	IP                     []string
	Category               []string
	Activity               []string
	Severity               []string
	CorrelationID          []string
	ID                     []string // the producer's own
	Text                   string   // occurs in some value, without regard to case
	// Fields are custom fields by name.
	Fields map[string]string
	// OldestFirst turns the order, which otherwise is newest first.
	OldestFirst bool
	// PageSize is how many events come in one answer, 1 to 1,000; 200 when zero.
	PageSize int
}

func (q Query) values() url.Values {
	v := url.Values{}
	for name, list := range map[string][]string{"actor": q.Actor, "subject": q.Subject, "person": q.Person, "action": q.Action, "resource": q.Resource, "outcome": q.Outcome, "source": q.Source,
		"ip": q.IP, "category": q.Category, "activity": q.Activity, "severity": q.Severity, "correlation_id": q.CorrelationID, "id": q.ID} {
		for _, s := range list {
			v.Add(name, s)
		}
	}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("time", q.Time)
	set("text", q.Text)
	if !q.From.IsZero() {
		v.Set("from", q.From.UTC().Format(time.RFC3339Nano))
	}
	if !q.To.IsZero() {
		v.Set("to", q.To.UTC().Format(time.RFC3339Nano))
	}
	for name, value := range q.Fields {
		v.Set("field."+name, value)
	}
	if q.OldestFirst {
		v.Set("order", "asc")
	}
	return v
}

// Page is one answer of a search.
type Page struct {
	Items []Record `json:"items"`
	// NextCursor continues the search; "" at its end.
	NextCursor string `json:"next_cursor"`
	// CompleteUntil says how far the log was looked at.
	CompleteUntil struct {
		Seq        uint64    `json:"seq"`
		RecordedAt time.Time `json:"recorded_at"`
	} `json:"complete_until"`
	// Error ended the page early; [Client.SearchPage] returns it as its error, with the items that came before.
	Error *Error `json:"error"`
}

// SearchPage returns one page. The first has the cursor "".
func (c *Client) SearchPage(ctx context.Context, q Query, cursor string) (*Page, error) {
	return c.page(ctx, "/api/events", q.page(cursor))
}

func (q Query) page(cursor string) url.Values {
	v := q.values()
	limit := q.PageSize
	if limit == 0 {
		limit = 200
	}
	v.Set("limit", strconv.Itoa(limit))
	if cursor != "" {
		v.Set("cursor", cursor)
	}
	return v
}

func (c *Client) page(ctx context.Context, path string, v url.Values) (*Page, error) {
	p := &Page{}
	if err := c.get(ctx, path, v, p); err != nil {
		return nil, err
	}
	if p.Error != nil {
		p.Error.Status = statusOfCode(p.Error.Code)
		return p, p.Error
	}
	return p, nil
}

// Search yields every event that the query selects, page by page as the loop goes on, and each as soon as the server has found it. A loop that ends early ends the
// server's search. After an error it stops.
func (c *Client) Search(ctx context.Context, q Query) iter.Seq2[Record, error] {
	return c.pages(ctx, "/api/events", q.page)
}

// History yields the events of one resource, newest first.
func (c *Client) History(ctx context.Context, resourceType, id string) iter.Seq2[Record, error] {
	path := "/api/resources/" + url.PathEscape(resourceType) + "/" + url.PathEscape(id) + "/history"
	return c.pages(ctx, path, func(cursor string) url.Values {
		v := url.Values{"limit": {"200"}}
		if cursor != "" {
			v.Set("cursor", cursor)
		}
		return v
	})
}

func (c *Client) pages(ctx context.Context, path string, query func(cursor string) url.Values) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for cursor := ""; ; {
			p, err := c.each(ctx, path, query(cursor), func(r Record) bool { return yield(r, nil) })
			if p == nil && err == nil {
				return // the loop has ended
			}
			if err == nil && p.NextCursor != "" && p.NextCursor == cursor {
				err = fmt.Errorf("client: the server's cursor does not advance")
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
			if cursor = p.NextCursor; cursor == "" {
				return
			}
		}
	}
}

// each yields the events of one page as they arrive and returns what else the page says, nil when yield has returned false.
func (c *Client) each(ctx context.Context, path string, v url.Values, yield func(Record) bool) (*Page, error) {
	res, err := c.do(ctx, request{method: http.MethodGet, path: path, query: v, repeatable: true})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	p := &Page{}
	dec := json.NewDecoder(res.Body)
	more, err := p.read(dec, yield)
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: the server's answer could not be read: %w", err)
	case !more:
		return nil, nil
	case p.Error != nil:
		p.Error.Status = statusOfCode(p.Error.Code)
		return nil, p.Error
	}
	return p, nil
}

// read reads a page but its items, which go to yield. more is false when that returned false.
func (p *Page) read(dec *json.Decoder, yield func(Record) bool) (more bool, err error) {
	if err := delim(dec, '{'); err != nil {
		return false, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return false, err
		}
		switch name {
		case "items":
			if more, err := items(dec, yield); !more || err != nil {
				return false, err
			}
		case "next_cursor":
			err = dec.Decode(&p.NextCursor)
		case "complete_until":
			err = dec.Decode(&p.CompleteUntil)
		case "error":
			err = dec.Decode(&p.Error)
		default:
			err = dec.Decode(new(json.RawMessage))
		}
		if err != nil {
			return false, err
		}
	}
	return true, delim(dec, '}')
}

func items(dec *json.Decoder, yield func(Record) bool) (more bool, err error) {
	if err := delim(dec, '['); err != nil {
		return false, err
	}
	for dec.More() {
		var r Record
		if err := dec.Decode(&r); err != nil {
			return false, err
		}
		if !yield(r) {
			return false, nil
		}
	}
	return true, delim(dec, ']')
}

func delim(dec *json.Decoder, want json.Delim) error {
	t, err := dec.Token()
	if err == nil && t != want {
		err = fmt.Errorf("%v where %v was expected", t, want)
	}
	return err
}

// Get returns one event by its seq.
func (c *Client) Get(ctx context.Context, seq uint64) (*Record, error) {
	r := &Record{}
	return r, c.get(ctx, "/api/events/"+strconv.FormatUint(seq, 10), nil, r)
}

// Lookup returns one event by its source and the producer's id.
func (c *Client) Lookup(ctx context.Context, source, id string) (*Record, error) {
	r := &Record{}
	return r, c.get(ctx, "/api/event-lookup", url.Values{"source": {source}, "id": {id}}, r)
}
