package ledger

import (
	"context"
	"errors"
	"strings"
	"time"

	"probity.dev/ledger/event"
	"probity.dev/ledger/query"
	"probity.dev/ledger/segment"
)

// Fact is what is known of an event without opening its values: when, what kind, and whom and what it is about by handle.
type Fact struct {
	Seq        uint64
	RecordedAt time.Time
	Source     string
	Action     string
	// Handles of the tenant's directory; 0 for none.
	Actor, Resource, IP int64
	// ResourceID is empty when the resource stands for a person, and when its id looks like a personal value.
	ResourceType, ResourceID string
}

// factColumns are the columns that a Fact is made of.
const factColumns = segment.Times | segment.Labels | segment.IDs | segment.Handles

// Facts finds a tenant's events like [Ledger.Search], oldest first, for whoever counts them and needs no values. It opens values only where the query has conditions on them; mask then
// decides what there is to match, and may be nil.
func (l *Ledger) Facts(ctx context.Context, tenantID string, q Query, limit int, mask event.Masker, yield func(Fact) error) (Found, error) {
	t, err := l.fresh(ctx, tenantID)
	if err != nil {
		return Found{}, err
	}
	f, post, err := l.resolveQuery(ctx, t, q, mask)
	if err != nil {
		return Found{}, err
	}
	if post != nil {
		return l.Search(ctx, tenantID, q, Page{Ascending: true, Limit: limit}, mask, func(r *event.Record) error {
			return yield(Fact{Seq: r.Seq, RecordedAt: r.RecordedAt, Source: r.Source, Action: r.Action, Actor: r.ActorHandle, Resource: r.ResourceHandle, IP: r.IPHandle,
				ResourceType: r.ResourceType, ResourceID: r.ResourceID})
		})
	}
	h := t.committed.Load()
	found := h.found()
	p := query.Page{Columns: factColumns}
	if limit > 0 {
		p.Limit = limit + 1
	}
	n := 0
	err = l.opt.Engine.Rows(ctx, t.snapshot(l.path, h.base+h.tree.Size()), f, p, func(r *segment.Row) error {
		if limit > 0 && n == limit {
			found.More = true
			return errStop
		}
		n++
		// The row's memory is used again.
		return yield(Fact{Seq: uint64(r.Seq), RecordedAt: time.UnixMicro(r.RecordedAt).UTC(), Source: strings.Clone(r.Source), Action: strings.Clone(r.Action), Actor: r.Actor, Resource: r.Resource, IP: r.IP,
			ResourceType: strings.Clone(r.ResourceType), ResourceID: strings.Clone(r.ResourceID)})
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return found, err
}
