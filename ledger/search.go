package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// Query is a search as a person writes it. Values of one member are alternatives; members narrow each other. Empty means any.
type Query struct {
	// From and To bound the time, From included and To excluded.
	From, To time.Time
	// Time says which time they bound: "recorded" or "occurred"; occurred when empty.
	Time string
	// Actor and Subject are ids, e-mails, exact names or "handle:N" ("handle:N,M" for a person with several); Person is either of them or the resource.
	Actor, Subject, Person []string
	// Action and Source are globs with *.
	Action, Source []string
	// Resource is "type", "type/id" or "/id".
	Resource                              []string
	Outcome, Category, Activity, Severity []string
	IP, CorrelationID, EventID            []string
	// Text must occur, without regard to case, in some value that the reader may see.
	Text string
	// Fields are custom field values that must be equal, by name.
	Fields map[string]string
	// Checked says that the conditions on persons, addresses and ids were allowed to whoever wrote them, and are looked up whatever the mask shows; Text and Fields still match what it shows.
	Checked bool
	// SeqFrom and SeqTo bound the seq, half-open; 0 is open.
	SeqFrom, SeqTo uint64
}

// Page is which part of a result is wanted.
type Page struct {
	// Ascending gives the oldest first; else the newest come first.
	Ascending bool
	// After is the seq of the last event of the page before; 0 begins.
	After uint64
	// Limit is how many events at most; 0 means all.
	Limit int
}

// Found says what a search covered.
type Found struct {
	// Head is the seq after the newest event that the search saw: every event before it that matches was considered.
	Head uint64
	// RecordedAt is the time of the newest event that the search saw.
	RecordedAt time.Time
	// More says that there are further results after the last one.
	More bool
}

// Search finds a tenant's events and yields them in order of seq. mask, when not nil, decides what the reader sees, and the text and field conditions apply to
// what is left. A record belongs to yield.
func (l *Ledger) Search(ctx context.Context, tenantID string, q Query, page Page, mask event.Masker, yield func(*event.Record) error) (_ Found, err error) {
	ctx, end := l.span(ctx, spanSearch)
	defer func() { end(err) }()
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return Found{}, err
	}
	f, post, err := l.resolveQuery(ctx, t, q, mask)
	if err != nil {
		return Found{}, err
	}
	h := t.committed.Load()
	snap := t.snapshot(l.path, h.base+h.tree.Size())
	found := h.found()
	p := query.Page{Desc: !page.Ascending, After: page.After, Columns: segment.AllColumns, Sieve: l.sieve(t, mask, post)}
	if page.Limit > 0 && post == nil {
		p.Limit = page.Limit + 1
	}
	n := 0
	o := l.newOpening(t, mask, post)
	o.yield = func(r *event.Record) error {
		if page.Limit > 0 && n == page.Limit {
			found.More = true
			return errStop
		}
		n++
		return yield(r)
	}
	err = o.run(ctx, snap, f, p)
	if errors.Is(err, errStop) {
		err = nil
	}
	return found, err
}

// found says what a search of this state covers.
func (h *headState) found() Found {
	return Found{Head: h.base + h.tree.Size(), RecordedAt: time.UnixMicro(h.recordedAt).UTC()}
}

// Runs finds a tenant's events like [Ledger.Search] and hands them out in runs, oldest first, for whoever has much to do with many of them: work is called
// by several goroutines at once, each with another run, and what it returns is called in the order of the events, one after the other. The records of a
// run may be changed; they and all they hold are valid until its second function returns.
func (l *Ledger) Runs(ctx context.Context, tenantID string, q Query, mask event.Masker, work func(run []*event.Record) (finish func() error, err error)) (Found, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return Found{}, err
	}
	f, post, err := l.resolveQuery(ctx, t, q, mask)
	if err != nil {
		return Found{}, err
	}
	h := t.committed.Load()
	snap := t.snapshot(l.path, h.base+h.tree.Size())
	o := l.newOpening(t, mask, post)
	o.work = work
	return h.found(), o.run(ctx, snap, f, query.Page{Columns: segment.AllColumns, Sieve: l.sieve(t, mask, post)})
}

// postFilter holds the conditions that are checked on the opened record.
type postFilter struct {
	text      string
	fields    map[string]string
	resources []string // resource ids that are not in a column because they look personal
}

func (p *postFilter) match(r *event.Record) bool {
	for name, want := range p.fields {
		if f, ok := r.Field("/custom/" + name); !ok || f.Value == nil || r.Text("/custom/"+name) != want {
			return false
		}
	}
	if p.resources != nil && !contains(p.resources, r.Text("/resource/id")) {
		return false
	}
	return p.text == "" || matchText(r, p.text)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// matchText reports whether a folded text occurs in the action, the source or any visible value.
func matchText(r *event.Record, folded string) bool {
	if strings.Contains(r.Action, folded) || strings.Contains(r.Source, folded) || strings.Contains(r.ResourceType, folded) {
		return true
	}
	for i := range r.Fields {
		if v := r.Fields[i].Value; len(v) >= len(folded) && containsFold(v, folded) {
			return true
		}
	}
	return false
}

// resolveQuery turns names into handles and splits off what only the opened record can answer.
func (l *Ledger) resolveQuery(ctx context.Context, t *tenant, q Query, mask event.Masker) (query.Filter, *postFilter, error) {
	f := query.Filter{SeqFrom: q.SeqFrom, SeqTo: q.SeqTo, Actions: q.Action, Sources: q.Source, Categories: q.Category, Activities: q.Activity,
		Outcomes: q.Outcome, Severities: q.Severity, EventIDs: q.EventID, CorrelationIDs: q.CorrelationID}
	switch q.Time {
	case "", "occurred":
		f.OccurredFrom, f.OccurredTo = micros(q.From), micros(q.To)
	case "recorded":
		f.RecordedFrom, f.RecordedTo = micros(q.From), micros(q.To)
	default:
		return f, nil, errs.Field("/time", "invalid", "time is recorded or occurred")
	}
	if !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
		return f, nil, errs.Field("/to", "invalid", "the end of the period lies before its begin")
	}
	sees := sightOf(mask, q.Checked)
	if err := l.permit(q, sees); err != nil {
		return f, nil, err
	}
	var err error
	for _, x := range []struct {
		terms []string
		into  *[]int64
	}{{q.Actor, &f.Actors}, {q.Subject, &f.Subjects}, {q.Person, &f.Persons}} {
		if *x.into, err = l.handles(ctx, t, x.terms, sees); err != nil {
			return f, nil, err
		}
	}
	for _, ip := range q.IP {
		f.IPs = append(f.IPs, t.people.Address(ip))
	}
	post := &postFilter{text: strings.ToLower(strings.TrimSpace(q.Text)), fields: q.Fields}
	if err := l.resolveResources(ctx, t, q.Resource, &f, post, sees); err != nil {
		return f, nil, err
	}
	if post.text == "" && len(post.fields) == 0 && post.resources == nil {
		post = nil
	}
	return f, post, nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// resolveResources maps "type/id" to a handle for types that stand for persons, to the id column for others. Several resources must agree in kind.
func (l *Ledger) resolveResources(ctx context.Context, t *tenant, terms []string, f *query.Filter, post *postFilter, sees sight) error {
	for _, term := range terms {
		typ, id, _ := strings.Cut(term, "/")
		typ = strings.ToLower(typ)
		if typ != "" {
			f.ResourceTypes = append(f.ResourceTypes, typ)
		}
		switch {
		case id == "":
		case typ != "" && l.opt.Classifier.PersonType(typ):
			h, err := l.handles(ctx, t, []string{id}, sees)
			if err != nil {
				return err
			}
			f.Resources = append(f.Resources, h...)
		case l.opt.Classifier.Suspicious(id):
			post.resources = append(post.resources, id)
		default:
			f.ResourceIDs = append(f.ResourceIDs, id)
		}
	}
	if len(f.Resources) > 0 && len(f.ResourceIDs)+len(post.resources) > 0 {
		return errs.Field("/resource", "invalid", "search for persons and for things one after the other, not in one query")
	}
	return nil
}
