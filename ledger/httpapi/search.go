package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
)

// FilterParams are the search conditions as query parameters. Repeated parameters are alternatives.
type FilterParams struct {
	From          string   `query:"from" doc:"Begin of the period, included: RFC 3339, or a date." example:"2026-01-01"`
	To            string   `query:"to" doc:"End of the period, excluded; a date means its end."`
	Time          string   `query:"time" enum:"recorded,occurred" default:"occurred" doc:"Which time from and to bound."`
	Actor         []string `query:"actor,explode" doc:"Id, e-mail, exact name or handle:N of who did it."`
	Subject       []string `query:"subject,explode" doc:"Id or handle:N of the person whose data it is."`
	Person        []string `query:"person,explode" doc:"A person in any role."`
	Action        []string `query:"action,explode" doc:"Action, with * as in invoice.*"`
	Resource      []string `query:"resource,explode" doc:"type/id, or a type alone."`
	Outcome       []string `query:"outcome,explode" enum:"success,failure,denied"`
	Source        []string `query:"source,explode"`
	IP            []string `query:"ip,explode"`
	Category      []string `query:"category,explode"`
	Activity      []string `query:"activity,explode"`
	Severity      []string `query:"severity,explode"`
	CorrelationID []string `query:"correlation_id,explode"`
	ID            []string `query:"id,explode" doc:"The event's own id, as the producer gave it."`
	Text          string   `query:"text" doc:"Occurs in some value that you may see, without regard to case."`
	values        url.Values
}

// Resolve implements huma.Resolver: it picks up field.NAME=VALUE.
func (f *FilterParams) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	f.values = u.Query()
	return nil
}

// Query reads the parameters.
func (f *FilterParams) Query() (ledger.Query, error) {
	q := ledger.Query{Time: f.Time, Actor: f.Actor, Subject: f.Subject, Person: f.Person, Action: lower(f.Action), Resource: f.Resource, Outcome: f.Outcome, Source: f.Source,
		IP: f.IP, Category: f.Category, Activity: f.Activity, Severity: f.Severity, CorrelationID: f.CorrelationID, EventID: f.ID, Text: f.Text}
	var err error
	if q.From, err = ParseBound(f.From, false); err != nil {
		return q, errs.Field("/from", "invalid", "from is not a time; write 2026-01-31 or 2026-01-31T12:00:00Z")
	}
	if q.To, err = ParseBound(f.To, true); err != nil {
		return q, errs.Field("/to", "invalid", "to is not a time; write 2026-01-31 or 2026-01-31T12:00:00Z")
	}
	for k, v := range f.values {
		if name, ok := strings.CutPrefix(k, "field."); ok {
			if q.Fields == nil {
				q.Fields = map[string]string{}
			}
			q.Fields[name] = v[0]
		}
	}
	return q, nil
}

// ParamsOf reads conditions that were kept as query parameters of GET /api/events, a custom field as field.NAME. Errors are Invalid and name what is unknown.
func ParamsOf(values url.Values) (*FilterParams, error) {
	f := &FilterParams{values: values}
	one := map[string]*string{"from": &f.From, "to": &f.To, "time": &f.Time, "text": &f.Text}
	many := map[string]*[]string{"actor": &f.Actor, "subject": &f.Subject, "person": &f.Person, "action": &f.Action, "resource": &f.Resource, "outcome": &f.Outcome, "source": &f.Source,
		"ip": &f.IP, "category": &f.Category, "activity": &f.Activity, "severity": &f.Severity, "correlation_id": &f.CorrelationID, "id": &f.ID}
	words := map[string][]string{"outcome": event.Outcomes, "category": event.Categories, "activity": event.Activities, "severity": event.Severities}
	for name, list := range values {
		switch field := strings.HasPrefix(name, "field."); {
		case field && len(list) == 1, len(list) == 0:
		case one[name] != nil && len(list) == 1:
			*one[name] = list[0]
		case many[name] != nil:
			*many[name] = slices.Clone(list)
		default:
			return nil, errs.Field("/filter", "unknown_field", "The filter has a member that is no query parameter of GET /api/events, or one of several values that takes one.")
		}
		for _, v := range list {
			if known := words[name]; known != nil && !slices.Contains(known, v) {
				return nil, errs.Field("/filter/"+name, "unknown", "There is no such %s. There are %s.", name, strings.Join(known, ", "))
			}
		}
	}
	return f, nil
}

func lower(list []string) []string {
	for i := range list {
		list[i] = strings.ToLower(list[i])
	}
	return list
}

// ParseBound parses a bound of a period: RFC 3339, or a date in UTC, whose end is meant when end is true. Empty is the zero time.
func ParseBound(s string, end bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil {
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	return time.Parse(time.RFC3339Nano, s)
}

type searchInput struct {
	FilterParams
	Cursor string `query:"cursor" doc:"next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
	Order  string `query:"order" enum:"asc,desc" default:"desc" doc:"By seq: newest first, or oldest first."`
}

func (h *Handlers) registerSearch(a *api.API) {
	needs := api.Needs(actor.LedgerSearch)
	huma.Register(a, api.Op("search-events", "GET /api/events", "Search events", needs, api.LooseQuery(), api.Streaming(),
		api.Describe("Events in order of seq. `complete_until` says how far the log was looked at: every matching event before that seq, and within the page's range, is in the pages. "+
			"A search with `text` sends events as it finds them. When it fails after that, the page ends with the member `error` and holds only part of what matches; a page that breaks off in the middle is not valid JSON. "+
			"Custom fields are searched as field.NAME=VALUE.")), h.search)
	huma.Register(a, api.Op("get-event", "GET /api/events/{id}", "Get one event", needs, api.Describe("By seq, or by the event's id where that is unique.")), h.get)
	huma.Register(a, api.Op("lookup-event", "GET /api/event-lookup", "Get one event by source and id", needs), h.lookup)
	huma.Register(a, api.Op("prove-event", "GET /api/events/{id}/proof", "Prove one event", needs), h.proof)
	huma.Register(a, api.Op("resource-history", "GET /api/resources/{type}/{id}/history", "History of a resource", needs), h.history)
	huma.Register(a, api.Op("event-stats", "GET /api/stats", "Count events", needs, api.LooseQuery(),
		api.Describe("Counts what `GET /api/events` finds with the same conditions. With `text` or a custom field it has to open events, as a search does, newest first, and stops after some seconds: then `partial` is true, and `counted_from` says from which event on the count is complete.")), h.stats)
	huma.Register(a, api.Op("stream-events", "GET /api/events/stream", "Follow events as they are recorded", needs, api.LooseQuery(), api.Streaming(),
		api.Describe("Server-sent events: `event` with a matching event (its id is the seq, so Last-Event-ID resumes), `head` when the log or its checkpoint has grown.")), h.stream)
}

func (h *Handlers) search(ctx context.Context, in *searchInput) (*huma.StreamResponse, error) {
	return h.searchAs(ctx, in, appendView)
}

// searchAs answers a search with a page of events in the form that write gives them.
func (h *Handlers) searchAs(ctx context.Context, in *searchInput, write func([]byte, *event.Record) []byte) (*huma.StreamResponse, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	q, err := in.Query()
	if err != nil {
		return nil, err
	}
	page := ledger.Page{Ascending: in.Order == "asc", Limit: in.Limit}
	if err := applyCursor(in.Cursor, &page, &q); err != nil {
		return nil, err
	}
	return h.list(ctx, p, "search", q, page, write)
}

// applyCursor continues after the page before. A cursor is the seq of that page's last event; people are told to treat it as opaque.
func applyCursor(cursor string, page *ledger.Page, q *ledger.Query) error {
	if cursor == "" {
		return nil
	}
	n, err := strconv.ParseUint(cursor, 10, 53)
	if err != nil {
		return errs.Field("/cursor", "invalid", "this is not a cursor; use the next_cursor of the page before")
	}
	if page.Ascending {
		q.SeqFrom = n + 1
		return nil
	}
	if n == 0 {
		q.SeqFrom, q.SeqTo = 1, 1 // nothing is older than seq 0
		return nil
	}
	page.After = n
	return nil
}

func appendView(b []byte, r *event.Record) []byte { return r.AppendJSON(b) }

// list runs a search and streams its page: the first results go out while later ones are still being looked for. An error after the first
// byte ends the document with a member error.
func (h *Handlers) list(ctx context.Context, p actor.Principal, operation string, q ledger.Query, page ledger.Page, render func([]byte, *event.Record) []byte) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(c huma.Context) {
		if !h.page(c, ctx, p, operation, q, page, render) {
			c.SetHeader(api.MaskedHeader, "true")
			h.page(c, ctx, p.Masked(), operation, q, page, render)
		}
	}}, nil
}

// page answers with a page of results. It returns false, and has answered nothing, when what p would be shown as it is cannot be recorded, because the log takes no events or the disk is full: the search must go on then, with values masked.
func (h *Handlers) page(c huma.Context, ctx context.Context, p actor.Principal, operation string, q ledger.Query, page ledger.Page, render func([]byte, *event.Record) []byte) bool {
	w := newPageWriter(c, render)
	shown := newTally(p)
	found, err := h.Ledger.Search(ctx, p.TenantID, q, page, h.mask(p), func(r *event.Record) error {
		shown.add(r)
		return w.add(r)
	})
	h.read(p, operation, w.n)
	// Before the page ends: whoever has a whole page has left a trace.
	unrecorded := h.reveal(ctx, p, shown, Revealed{Operation: operation, Query: &q})
	if err == nil && unrecorded != nil && w.withdraw() {
		return false
	}
	if err = errors.Join(err, unrecorded); !w.end(found, err) {
		writeProblem(c, ctx, err)
	}
	return true
}

func writeProblem(c huma.Context, ctx context.Context, err error) {
	p := api.NewProblem(ctx, err)
	for k, v := range p.GetHeaders() {
		c.SetHeader(k, v[0])
	}
	c.SetHeader("Content-Type", p.ContentType(""))
	c.SetStatus(p.GetStatus())
	_ = json.NewEncoder(c.BodyWriter()).Encode(p)
}

type eventInput struct {
	ID string `path:"id" doc:"seq or id of the event"`
}

// resolve finds the seq of an event by its seq or id.
func (h *Handlers) resolve(ctx context.Context, p actor.Principal, id string) (uint64, error) {
	if seq, err := strconv.ParseUint(id, 10, 53); err == nil {
		return seq, nil
	}
	return h.find(ctx, p, ledger.Query{EventID: []string{id}})
}

func (h *Handlers) find(ctx context.Context, p actor.Principal, q ledger.Query) (uint64, error) {
	var seqs []uint64
	_, err := h.Ledger.Search(ctx, p.TenantID, q, ledger.Page{Limit: 2}, h.mask(p), func(r *event.Record) error {
		seqs = append(seqs, r.Seq)
		return nil
	})
	switch {
	case err != nil:
		return 0, err
	case len(seqs) == 0:
		return 0, errs.New(errs.NotFound, "there is no event with this id")
	case len(seqs) > 1:
		return 0, errs.New(errs.Conflict, "several sources have an event with this id; name the source as well, or use the seq")
	}
	return seqs[0], nil
}

func (h *Handlers) get(ctx context.Context, in *eventInput) (*huma.StreamResponse, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	seq, err := h.resolve(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return h.one(ctx, p, seq)
}

type lookupInput struct {
	Source string `query:"source" required:"true"`
	ID     string `query:"id" required:"true"`
}

func (h *Handlers) lookup(ctx context.Context, in *lookupInput) (*huma.StreamResponse, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	seq, err := h.find(ctx, p, ledger.Query{Source: []string{in.Source}, EventID: []string{in.ID}})
	if err != nil {
		return nil, err
	}
	return h.one(ctx, p, seq)
}

func (h *Handlers) one(ctx context.Context, p actor.Principal, seq uint64) (*huma.StreamResponse, error) {
	r, err := h.Ledger.Get(ctx, p.TenantID, seq, h.mask(p))
	if err != nil {
		return nil, err
	}
	h.read(p, "view", 1)
	shown := newTally(p)
	if shown.add(r); h.reveal(ctx, p, shown, Revealed{Operation: "view", Seq: seq}) != nil { // see page
		return h.one(ctx, p.Masked(), seq)
	}
	return raw(http.StatusOK, "application/json", append(r.AppendJSON(nil), '\n')), nil
}

type historyInput struct {
	Type   string `path:"type"`
	ID     string `path:"id"`
	Cursor string `query:"cursor"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}

func (h *Handlers) history(ctx context.Context, in *historyInput) (*huma.StreamResponse, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	q := ledger.Query{Resource: []string{in.Type + "/" + in.ID}}
	page := ledger.Page{Limit: in.Limit}
	if err := applyCursor(in.Cursor, &page, &q); err != nil {
		return nil, err
	}
	return h.list(ctx, p, "history", q, page, appendView)
}

type statsInput struct {
	FilterParams
	Bucket string `query:"bucket" enum:"auto,minute,hour,day,week,month" default:"auto"`
	TZ     string `query:"tz" default:"UTC" doc:"IANA time zone of days, weeks and months."`
}

type countView struct {
	Key   string `json:"key"`
	Count int64  `json:"count"`
}

type actorCount struct {
	Handle int64  `json:"handle"`
	Name   string `json:"name"`
	Count  int64  `json:"count"`
}

type bucketView struct {
	Start    time.Time `json:"start"`
	Count    int64     `json:"count"`
	Failures int64     `json:"failures"`
}

type statsOutput struct {
	Body struct {
		Bucket        string       `json:"bucket"`
		Total         int64        `json:"total"`
		Buckets       []bucketView `json:"buckets"`
		Actions       []countView  `json:"actions"`
		Actors        []actorCount `json:"actors"`
		Outcomes      []countView  `json:"outcomes"`
		ResourceTypes []countView  `json:"resource_types"`
		Partial       bool         `json:"partial,omitempty" doc:"The time ran out: older events were not looked at"`
		CountedFrom   *countedFrom `json:"counted_from,omitempty" doc:"Of a partial count: every matching event from here on is counted"`
	}
}

type countedFrom struct {
	Seq        int64      `json:"seq"`
	RecordedAt *time.Time `json:"recorded_at,omitempty"`
}

// countBudget is how long counting may open events.
const countBudget = 4 * time.Second

func (h *Handlers) stats(ctx context.Context, in *statsInput) (*statsOutput, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	q, err := in.Query()
	if err != nil {
		return nil, err
	}
	if _, err := time.LoadLocation(in.TZ); err != nil {
		return nil, errs.Field("/tz", "invalid", "this is not an IANA time zone such as Europe/Berlin")
	}
	unit := query.Unit(in.Bucket)
	if in.Bucket == "auto" {
		unit = autoBucket(q.From, q.To)
	}
	s, got, err := h.Ledger.Count(ctx, p.TenantID, q, query.StatsSpec{Unit: unit, TimeZone: in.TZ, Occurred: in.Time != "recorded", TopN: 20}, h.mask(p), cmp.Or(h.CountBudget, countBudget))
	if err != nil {
		return nil, err
	}
	out := h.viewStats(ctx, p, s, unit)
	if got.Partial {
		from := &countedFrom{Seq: int64(got.From)}
		if !got.RecordedAt.IsZero() {
			from.RecordedAt = &got.RecordedAt
		}
		out.Body.Partial, out.Body.CountedFrom = true, from
	}
	return out, nil
}

// shownHandle is a handle as a reader may see it: 0 where it would tie together what he must not.
func shownHandle(mask event.Masker, handle int64) int64 {
	if h, ok := mask.(event.HandleHider); ok && h.HidesHandles() {
		return 0
	}
	return handle
}

// autoBucket aims at some 30 to 120 bars.
func autoBucket(from, to time.Time) query.Unit {
	if to.IsZero() {
		to = time.Now()
	}
	switch d := to.Sub(from); {
	case from.IsZero() || d > 3*365*24*time.Hour:
		return query.Month
	case d > 180*24*time.Hour:
		return query.Week
	case d > 4*24*time.Hour:
		return query.Day
	case d > 3*time.Hour:
		return query.Hour
	}
	return query.Minute
}

func (h *Handlers) viewStats(ctx context.Context, p actor.Principal, s *query.Stats, unit query.Unit) *statsOutput {
	out := &statsOutput{}
	b := &out.Body
	b.Bucket, b.Total = string(unit), s.Total
	b.Buckets, b.Actors = []bucketView{}, []actorCount{}
	for _, x := range s.Buckets {
		b.Buckets = append(b.Buckets, bucketView{Start: time.UnixMicro(x.Start).UTC(), Count: x.Count, Failures: x.Failures})
	}
	mask := h.mask(p)
	for _, x := range s.Actors {
		if x.Handle != 0 {
			b.Actors = append(b.Actors, actorCount{Handle: shownHandle(mask, x.Handle), Name: h.Ledger.Who(ctx, p.TenantID, x.Handle, mask), Count: x.Count})
		}
	}
	counts := func(list []query.KeyCount) []countView {
		v := []countView{}
		for _, x := range list {
			v = append(v, countView{Key: x.Key, Count: x.Count})
		}
		return v
	}
	b.Actions, b.Outcomes, b.ResourceTypes = counts(s.Actions), counts(s.Outcomes), counts(s.ResourceTypes)
	return out
}
