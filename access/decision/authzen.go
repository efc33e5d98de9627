package decision

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Limits of the Authorization API.
const (
	maxRequest     = 1 << 20 // bytes
	maxEvaluations = 500     // in one request
	maxIdentifier  = 512     // bytes of a type, an id or a name
	maxPage        = 1000    // results
)

// The semantics of several evaluations in one request.
const (
	executeAll    = "execute_all"
	untilDenied   = "deny_on_first_deny"
	untilAllowed  = "permit_on_first_permit"
	evaluatePath  = "/access/v1/evaluation"
	evaluatesPath = "/access/v1/evaluations"
	searchPath    = "/access/v1/search/"
	wellKnown     = "/.well-known/authzen-configuration"
)

// RegisterAuthZEN adds the Authorization API 1.0 of OpenID AuthZEN (https://openid.net/specs/authorization-api-1_0.html). Its bodies ignore what they do not know, and its errors are 400 where the rest of
// the API says 415 or 422, as its certification wants.
func (s *Service) RegisterAuthZEN(a *api.API) {
	rule := api.Rule{Permission: actor.DecisionsEvaluate, MaxBody: maxRequest, LooseQuery: true}
	a.Handle("POST "+evaluatePath, rule, answer(s.one))
	a.Handle("POST "+evaluatesPath, rule, answer(s.several))
	for _, kind := range []string{"subject", "resource", "action"} {
		a.Handle("POST "+searchPath+kind, rule, answer(func(ctx context.Context, p actor.Principal, body []byte) (any, error) {
			return s.search(ctx, p, kind, body)
		}))
	}
	a.Handle("GET "+wellKnown, api.Rule{Public: true, LooseQuery: true}, http.HandlerFunc(s.configuration))
}

// answer serves one operation: the body as a whole in, JSON out, and the caller's X-Request-ID back.
func answer(do func(ctx context.Context, p actor.Principal, body []byte) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get("X-Request-ID"); echoable(id) {
			w.Header().Set("X-Request-ID", id)
		}
		p, err := actor.Require(r.Context(), actor.DecisionsEvaluate)
		var body []byte
		if err == nil {
			body, err = read(r)
		}
		var out any
		if err == nil {
			out, err = do(r.Context(), p, body)
		}
		if err != nil {
			api.WriteError(w, r, err)
			return
		}
		writeJSON(w, out)
	})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone; nobody is left to tell
}

// echoable reports whether an id of a request can be sent back as it is.
func echoable(id string) bool {
	return id != "" && len(id) <= 256 && strings.IndexFunc(id, func(c rune) bool { return c < 0x21 || c > 0x7e }) < 0
}

func read(r *http.Request) ([]byte, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, errs.New(errs.Invalid, "The content type is application/json.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, errs.New(errs.Invalid, "The body is not valid JSON.")
	}
	return body, nil
}

func decode(body []byte, into any) error {
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(into); err != nil {
		return errs.New(errs.Invalid, "The body is not of the expected form: %s", firstLine(typeError(err)))
	}
	return nil
}

// typeError says which member has the wrong type, without its value.
func typeError(err error) string {
	if t, ok := err.(*json.UnmarshalTypeError); ok { //nolint:errorlint // the decoder returns it as it is
		return cmp.Or(t.Field, "the body") + " has the wrong type."
	}
	return "it cannot be read."
}

// part is a subject, an action or a resource as it came; nil members were left out.
type part struct {
	Type       *string        `json:"type"`
	ID         *string        `json:"id"`
	Name       *string        `json:"name"`
	Properties map[string]any `json:"properties"`
}

// over returns the part with what it leaves out of type, id and name taken from a default; properties belong to the part as a whole.
func (p *part) over(by *part) *part {
	if p == nil || by == nil {
		return cmp.Or(p, by)
	}
	out := *p
	out.Type, out.ID, out.Name = cmp.Or(p.Type, by.Type), cmp.Or(p.ID, by.ID), cmp.Or(p.Name, by.Name)
	return &out
}

type question struct {
	Subject  *part          `json:"subject"`
	Action   *part          `json:"action"`
	Resource *part          `json:"resource"`
	Context  map[string]any `json:"context"`
}

// what of a question may be left out.
const (
	wantAll      = ""
	wantSubjects = "subject"
	wantResource = "resource"
	wantActions  = "action"
)

// request checks a question. find names the part that is searched for.
func (q *question) request(find string) (*Request, error) {
	r := &Request{Context: q.Context}
	if q.Subject == nil {
		return nil, required("/subject")
	}
	if q.Action == nil && find != wantActions {
		return nil, required("/action")
	}
	if q.Resource == nil {
		return nil, required("/resource")
	}
	r.Subject.Properties, r.Resource.Properties = q.Subject.Properties, q.Resource.Properties
	type member struct {
		path string
		from *string
		into *string
		free bool
	}
	list := []member{{"/subject/type", q.Subject.Type, &r.Subject.Type, false}, {"/subject/id", q.Subject.ID, &r.Subject.ID, find == wantSubjects},
		{"/resource/type", q.Resource.Type, &r.Resource.Type, false}, {"/resource/id", q.Resource.ID, &r.Resource.ID, find == wantResource}}
	if find != wantActions {
		r.Action.Properties = q.Action.Properties
		list = append(list, member{"/action/name", q.Action.Name, &r.Action.Name, false})
	}
	for _, m := range list {
		switch {
		case m.free:
		case m.from == nil || *m.from == "":
			return nil, required(m.path)
		case len(*m.from) > maxIdentifier:
			return nil, errs.Field(m.path, "too_long", "This has at most %d bytes.", maxIdentifier)
		default:
			*m.into = *m.from
		}
	}
	return r, nil
}

func required(path string) error { return errs.Field(path, "required", "This is required.") }

// reply is a decision as AuthZEN has it.
type reply struct {
	Decision bool   `json:"decision"`
	Context  *about `json:"context,omitempty"`
}

type about struct {
	ID          string         `json:"evaluation_id,omitempty"`
	At          *time.Time     `json:"evaluated_at,omitempty"`
	Version     int64          `json:"policy_version,omitempty"`
	ReasonAdmin map[string]any `json:"reason_admin,omitempty"`
	ReasonUser  map[string]any `json:"reason_user,omitempty"`
	Error       *itemError     `json:"error,omitempty"`
}

type itemError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

func replyOf(d *Decision) reply {
	out := reply{Decision: d.Allow, Context: &about{ID: d.ID, At: &d.At, Version: d.Version, ReasonAdmin: map[string]any{"reasons": d.Reasons}}}
	if !d.Allow {
		out.Context.ReasonUser = map[string]any{"403": "You may not do this."}
	}
	return out
}

func (s *Service) one(ctx context.Context, p actor.Principal, body []byte) (any, error) {
	var q question
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	r, err := q.request(wantAll)
	if err != nil {
		return nil, err
	}
	d, err := s.Evaluate(ctx, p, r)
	if err != nil {
		return nil, err
	}
	return replyOf(d), nil
}

func (s *Service) several(ctx context.Context, p actor.Principal, body []byte) (any, error) {
	var q struct {
		question
		Evaluations []question `json:"evaluations"`
		Options     struct {
			Semantic string `json:"evaluations_semantic"`
		} `json:"options"`
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	if len(q.Evaluations) == 0 {
		return s.one(ctx, p, body)
	}
	if len(q.Evaluations) > maxEvaluations {
		return nil, errs.Field("/evaluations", "too_many", "There are at most %d evaluations in a request.", maxEvaluations)
	}
	semantic := cmp.Or(q.Options.Semantic, executeAll)
	if !slices.Contains([]string{executeAll, untilDenied, untilAllowed}, semantic) {
		return nil, errs.Field("/options/evaluations_semantic", "not_allowed", "This is %s, %s or %s.", executeAll, untilDenied, untilAllowed)
	}
	out := make([]reply, 0, len(q.Evaluations))
	for i := range q.Evaluations {
		e := &q.Evaluations[i]
		full := question{e.Subject.over(q.Subject), e.Action.over(q.Action), e.Resource.over(q.Resource), e.Context}
		if full.Context == nil {
			full.Context = q.Context
		}
		r, err := full.request(wantAll)
		if err != nil { // it spoils its own answer only
			out = append(out, reply{Context: &about{Error: &itemError{http.StatusBadRequest, errs.Message(err)}}})
		} else {
			d, err := s.Evaluate(ctx, p, r)
			if err != nil {
				return nil, err
			}
			out = append(out, replyOf(d))
		}
		if last := out[len(out)-1].Decision; semantic == untilDenied && !last || semantic == untilAllowed && last {
			break
		}
	}
	return map[string]any{"evaluations": out}, nil
}

// configuration is the metadata of the decision point. Its addresses are the configured ones: what a Host header says would let a caller send others elsewhere.
func (s *Service) configuration(w http.ResponseWriter, r *http.Request) {
	base := strings.TrimRight(s.o.PublicURL, "/")
	if base == "" {
		api.WriteError(w, r, errs.New(errs.NotFound, "The address of this server is not configured (public_url)."))
		return
	}
	if id := r.Header.Get("X-Request-ID"); echoable(id) {
		w.Header().Set("X-Request-ID", id)
	}
	writeJSON(w, map[string]any{"policy_decision_point": base, "access_evaluation_endpoint": base + evaluatePath, "access_evaluations_endpoint": base + evaluatesPath,
		"search_subject_endpoint": base + searchPath + "subject", "search_resource_endpoint": base + searchPath + "resource", "search_action_endpoint": base + searchPath + "action"})
}

// found is one result of a search.
type found struct {
	Type string `json:"type,omitempty"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

func (s *Service) search(ctx context.Context, p actor.Principal, find string, body []byte) (any, error) {
	var q struct {
		question
		Page struct {
			Token string `json:"token"`
			Limit int    `json:"limit"`
		} `json:"page"`
	}
	if err := decode(body, &q); err != nil {
		return nil, err
	}
	r, err := q.request(find)
	if err != nil {
		return nil, err
	}
	x, c, err := s.state(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	var names []string
	switch find {
	case wantSubjects:
		if names = c.ids(find, r.Subject.Type); r.Subject.Type == "user" {
			names = append(names, x.Accounts()...)
		}
	case wantResource:
		names = c.ids(find, r.Resource.Type)
	case wantActions:
		names = x.Keys()
		for a := range c.byAction {
			if a != "*" {
				names = append(names, a)
			}
		}
	}
	slices.Sort(names)
	var all []string
	for _, n := range slices.Compact(names) {
		switch find {
		case wantSubjects:
			r.Subject.ID = n
		case wantResource:
			r.Resource.ID = n
		case wantActions:
			r.Action.Name = n
		}
		if evaluate(x, c, s.facts(x, &r.Subject), r).Allow {
			all = append(all, n)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	e := searched(ctx, p, find, &q.question, len(all), x.Version, c.version)
	s.queue.put(p.TenantID, e)
	out := page(find, r, all, q.Page.Token, q.Page.Limit)
	out["context"] = about{ID: e.ID, Version: x.Version}
	return out, nil
}

// page cuts what was found. The token is the last name of the page before.
func page(find string, r *Request, all []string, token string, limit int) map[string]any {
	rest := all
	if token != "" {
		i, at := slices.BinarySearch(all, token)
		if at {
			i++
		}
		rest = all[i:]
	}
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	next := ""
	if len(rest) > limit {
		rest = rest[:limit]
		next = rest[limit-1]
	}
	results := make([]found, 0, len(rest))
	for _, n := range rest {
		switch find {
		case wantSubjects:
			results = append(results, found{Type: r.Subject.Type, ID: n})
		case wantResource:
			results = append(results, found{Type: r.Resource.Type, ID: n})
		default:
			results = append(results, found{Name: n})
		}
	}
	return map[string]any{"results": results, "page": map[string]any{"next_token": next, "count": len(results), "total": len(all)}}
}

// ids are the names of the known subjects or resources of a type.
func (c *compiled) ids(kind, typ string) (out []string) {
	for k := range c.entities {
		if k[0] == kind && k[1] == typ {
			out = append(out, k[2])
		}
	}
	return out
}

func searched(ctx context.Context, p actor.Principal, find string, q *question, n int, roles, rules int64) *event.Event {
	e := selfaudit.New(ctx, p, "access", actionSearch, "read", event.Resource{Type: "decision"})
	e.ID, e.Severity = uuid.Must(uuid.NewV7()).String(), "info"
	e.Data = []event.Member{selfaudit.Member("kind", find), selfaudit.Member("input", text(q)), selfaudit.Member("results", n), selfaudit.Member("policy", policyMark{engine, roles, rules})}
	e.Personal = []string{"/data/input"}
	return e
}
