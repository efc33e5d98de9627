package mapping

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/outbound"
)

// Person is somebody elsewhere.
type Person struct {
	ID    string
	Email string
	Roles []string // ids
}

// Role is a role elsewhere.
type Role struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Connector is a system elsewhere. Errors are Unavailable or Throttled when another attempt may help; others are final.
type Connector interface {
	Roles(ctx context.Context) ([]Role, error)
	// People returns everybody, with e-mail addresses in lower case.
	People(ctx context.Context) ([]Person, error)
	// Set gives or takes a role; after is what the person has then.
	Set(ctx context.Context, p Person, role string, give bool, after []string) error
}

// Limits of what a system may answer.
const (
	maxAnswer  = 4 << 20 // bytes
	maxPeople  = 100_000
	maxRoles   = 10_000
	maxPages   = 2000
	maxTimeout = 20 * time.Second
)

// httpConnector speaks to a system as a Spec describes it.
type httpConnector struct {
	spec   Spec
	base   string
	secret string
	client *http.Client
	guard  Guard
	every  time.Duration // between requests
	last   time.Time
}

// wait keeps requests apart; a connector is used by one goroutine.
func (c *httpConnector) wait(ctx context.Context) error {
	timer := time.NewTimer(time.Until(c.last.Add(c.every)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
	}
	c.last = time.Now()
	return nil
}

func newConnector(spec Spec, base, secret string, perSecond float64, guard Guard, transport http.RoundTripper) *httpConnector {
	return &httpConnector{spec: spec, base: strings.TrimSuffix(base, "/"), secret: secret, guard: guard, every: time.Duration(float64(time.Second) / perSecond),
		// A redirect leads somewhere that nobody entered, with the credential.
		client: &http.Client{Transport: transport, Timeout: maxTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Roles implements Connector.
func (c *httpConnector) Roles(ctx context.Context) ([]Role, error) {
	var out []Role
	err := c.list(ctx, &c.spec.Roles, "", maxRoles, func(item any) {
		if id := first(dig(item, c.spec.Roles.ID)); id != "" {
			out = append(out, Role{id, first(dig(item, c.spec.Roles.Name))})
		}
	})
	return out, err
}

// People implements Connector.
func (c *httpConnector) People(ctx context.Context) ([]Person, error) {
	var out []Person
	l := &c.spec.Users
	if err := c.list(ctx, l, "", maxPeople, func(item any) {
		p := Person{ID: first(dig(item, l.ID)), Email: strings.ToLower(strings.TrimSpace(first(dig(item, l.Email))))}
		if l.Roles != "" {
			p.Roles = texts(dig(item, l.Roles))
		}
		if p.ID != "" {
			out = append(out, p)
		}
	}); err != nil || c.spec.UserRoles == nil {
		return out, err
	}
	for i := range out {
		l := c.spec.UserRoles
		if err := c.list(ctx, l, out[i].ID, maxRoles, func(item any) { out[i].Roles = append(out[i].Roles, texts(dig(item, l.ID))...) }); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Set implements Connector.
func (c *httpConnector) Set(ctx context.Context, p Person, role string, give bool, after []string) error {
	r := &c.spec.Unassign
	if give {
		r = &c.spec.Assign
	}
	body, err := c.body(r.Body, p.ID, role, after)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, r.Method, c.address(r.URL, p.ID, role), body)
	return err
}

// address fills in ids, which name one segment each whatever they hold.
func (c *httpConnector) address(template, user, role string) string {
	return c.base + strings.NewReplacer("{user}", url.PathEscape(user), "{role}", url.PathEscape(role)).Replace(template)
}

// body fills in the holders of a template.
func (c *httpConnector) body(template json.RawMessage, user, role string, after []string) ([]byte, error) {
	if len(template) == 0 {
		return nil, nil
	}
	var v any
	if err := json.Unmarshal(template, &v); err != nil {
		return nil, errs.Wrap(errs.Internal, err, "a template cannot be read")
	}
	all := make([]any, len(after))
	for i, id := range after {
		all[i] = c.id(id)
	}
	var fill func(v any) any
	fill = func(v any) any {
		switch v := v.(type) {
		case string:
			switch v {
			case "{user}":
				return c.id(user)
			case "{role}":
				return c.id(role)
			case "{roles}":
				return all
			}
		case []any:
			for i := range v {
				v[i] = fill(v[i])
			}
		case map[string]any:
			for k := range v {
				v[k] = fill(v[k])
			}
		}
		return v
	}
	return json.Marshal(fill(v))
}

func (c *httpConnector) id(text string) any {
	if c.spec.NumericIDs {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	return text
}

// list asks for all pages of a list.
func (c *httpConnector) list(ctx context.Context, l *List, user string, limit int, yield func(item any)) error {
	p, seen, cursor := l.Paging, 0, ""
	for page := 1; page <= maxPages; page++ {
		q := url.Values{}
		if p.Kind != "none" && p.SizeParam != "" && p.Size > 0 {
			q.Set(p.SizeParam, strconv.Itoa(p.Size))
		}
		switch p.Kind {
		case "offset":
			q.Set(p.Param, strconv.Itoa(seen))
		case "page":
			q.Set(p.Param, strconv.Itoa(page))
		case "cursor":
			if cursor != "" {
				q.Set(p.Param, cursor)
			}
		}
		at := c.address(l.URL, user, "")
		if len(q) > 0 {
			sep := "?"
			if strings.Contains(at, "?") {
				sep = "&"
			}
			at += sep + q.Encode()
		}
		answer, err := c.do(ctx, http.MethodGet, at, nil)
		if err != nil {
			return err
		}
		items, ok := itemsOf(answer, l.Items)
		if !ok {
			return errs.New(errs.Conflict, "The system answered something else than its definition says: there is no list at %q.", l.Items)
		}
		for _, item := range items {
			yield(item)
		}
		if seen += len(items); seen > limit {
			return errs.New(errs.TooLarge, "The system lists more than %d entries.", limit)
		}
		if p.Kind == "cursor" {
			cursor = first(dig(answer, p.Next))
		}
		if p.Kind == "none" || len(items) == 0 || p.Kind == "cursor" && cursor == "" || p.Kind != "cursor" && len(items) < p.Size {
			return nil
		}
	}
	return errs.New(errs.TooLarge, "The system lists more than %d pages.", maxPages)
}

// do sends one request within the rate and returns what was answered. No error holds an address, an id or what was answered.
func (c *httpConnector) do(ctx context.Context, method, at string, body []byte) (any, error) {
	if _, err := c.guard.CheckURL(at); err != nil {
		return nil, errs.New(errs.Conflict, "The address of the system is refused: %s.", err)
	}
	if err := c.wait(ctx); err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "the run was stopped")
	}
	r, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return nil, errs.New(errs.Conflict, "The address of the system cannot be used.")
	}
	r.Header.Set(c.spec.Header, c.spec.credential(c.secret))
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := c.client.Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, unreachable(err)
	case len(text) > maxAnswer:
		return nil, errs.New(errs.TooLarge, "The system answered more than %d MiB at once; make its pages smaller.", maxAnswer>>20)
	case res.StatusCode == http.StatusTooManyRequests:
		return nil, &errs.Error{Code: errs.Throttled, Message: "The system wants fewer requests."}
	case res.StatusCode >= 500:
		return nil, errs.New(errs.Unavailable, "The system answered with the status %d.", res.StatusCode)
	case res.StatusCode >= 300:
		return nil, errs.New(errs.Conflict, "The system answered with the status %d.", res.StatusCode)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, nil //nolint:nilnil // an empty answer
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		if method != http.MethodGet {
			return nil, nil //nolint:nilnil // it was done; what is said about it is not read
		}
		return nil, errs.New(errs.Conflict, "The system did not answer with JSON.")
	}
	return v, nil
}

func unreachable(err error) error {
	var own *outbound.Error
	if !errors.As(err, &own) {
		own = outbound.Explain(err)
	}
	if own.Permanent() || own.Reason == outbound.Forbidden {
		return errs.New(errs.Conflict, "The system cannot be reached: %s.", own)
	}
	return errs.New(errs.Unavailable, "The system cannot be reached: %s.", own)
}

// itemsOf returns the list at a path.
func itemsOf(v any, path string) ([]any, bool) {
	if path != "" {
		for name := range strings.SplitSeq(path, ".") {
			m, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			v = m[name]
		}
	}
	items, ok := v.([]any)
	return items, ok
}

// dig returns what lies at a path, through lists to each of their items.
func dig(v any, path string) []any {
	if list, ok := v.([]any); ok {
		var out []any
		for _, x := range list {
			out = append(out, dig(x, path)...)
		}
		return out
	}
	if path == "" {
		if v == nil {
			return nil
		}
		return []any{v}
	}
	name, rest, _ := strings.Cut(path, ".")
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	return dig(m[name], rest)
}

func texts(list []any) (out []string) {
	for _, v := range list {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		}
	}
	return out
}

func first(list []any) string {
	if t := texts(list); len(t) > 0 {
		return t[0]
	}
	return ""
}
