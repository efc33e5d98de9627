package ledger

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/person"
	"probity.dev/ledger/query"
)

// Stats counts the events that a query finds, by time and by their most frequent attributes. Text and field conditions depend on the reader and are an error; see [Ledger.Count].
func (l *Ledger) Stats(ctx context.Context, tenantID string, q Query, spec query.StatsSpec) (*query.Stats, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	f, post, err := l.resolveQuery(ctx, t, q, nil)
	if err != nil {
		return nil, err
	}
	if post != nil {
		return nil, errs.Field("/text", "unsupported", "events cannot be counted by text or custom field; leave these conditions out")
	}
	h := t.committed.Load()
	return l.opt.Engine.Stats(ctx, t.snapshot(l.path, h.base+h.tree.Size()), f, spec)
}

// People finds persons by part of a name, e-mail or id, of those that mask shows as they are; nil shows all. A reader to whom none is shown finds nobody, and nobody is looked for.
func (l *Ledger) People(ctx context.Context, tenantID, part string, limit int, mask event.Masker) ([]person.Match, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	sees := sightOf(mask, false)
	if sees.id && sees.name && sees.email {
		return t.people.Search(ctx, part, limit)
	}
	if !sees.id && !sees.name && !sees.email {
		return nil, nil
	}
	found, err := t.people.Search(ctx, part, hiddenFactor*limit)
	found = slices.DeleteFunc(found, func(m person.Match) bool { return !sees.part(&m.Identity, part) })
	// The order must not tell what is hidden.
	shown := func(m person.Match) string {
		switch {
		case sees.name:
			return m.Identity.Name
		case sees.email:
			return m.Identity.Email
		}
		return m.Identity.ID
	}
	slices.SortStableFunc(found, func(a, b person.Match) int {
		return cmp.Or(strings.Compare(shown(a), shown(b)), cmp.Compare(a.Handle, b.Handle))
	})
	return found[:min(limit, len(found))], err
}

// hiddenFactor is how many more are looked at where some match by what the reader does not see.
const hiddenFactor = 10

// Who describes the person behind a handle as a reader may see it, by way of a record that holds nothing else.
func (l *Ledger) Who(ctx context.Context, tenantID string, handle int64, mask event.Masker) string {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return ""
	}
	id, err := t.people.Describe(ctx, handle)
	if err != nil {
		return "handle:" + strconv.FormatInt(handle, 10)
	}
	r := &event.Record{ActorHandle: handle, Fields: identityFields(id)}
	if mask != nil {
		mask.Mask(r)
	}
	for _, path := range []string{"/actor/name", "/actor/email", "/actor/id"} {
		if s := r.Text(path); s != "" {
			return s
		}
	}
	return "handle:" + strconv.FormatInt(handle, 10)
}

// identityFields is an identity in the form of an event's actor, so that one masking policy governs both.
func identityFields(id person.Identity) []event.Field {
	var f []event.Field
	for _, x := range [...]struct{ path, category, value string }{
		{"/actor/email", "user.contact.email", id.Email}, {"/actor/id", "user.unique_id", id.ID}, {"/actor/name", "user.name", id.Name}} {
		if x.value != "" {
			f = append(f, event.Field{Path: x.path, Category: x.category, Owners: event.OwnerActor, State: event.Opened, Value: quote(x.value)})
		}
	}
	return f
}

// quote is s as JSON text. Whatever is not UTF-8 is replaced.
func quote(s string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		b, _ = jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return b
}
