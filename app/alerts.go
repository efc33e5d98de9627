package app

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/httpapi"
	"probity.dev/notify/alert"
)

// alertSource gives alert rules the ledger's events.
type alertSource struct{ a *App }

// Head implements alert.Source.
func (s alertSource) Head(ctx context.Context, tenantID string) (uint64, error) {
	h, err := s.a.Ledger.Head(ctx, tenantID)
	return h.Next, err
}

func alertQuery(f alert.Filter) (ledger.Query, error) {
	p, err := httpapi.ParamsOf(url.Values(f))
	if err != nil {
		return ledger.Query{}, err
	}
	return p.Query()
}

// Check implements alert.Source. A search for nothing finds out what no look at the members alone can.
func (s alertSource) Check(ctx context.Context, by actor.Principal, f alert.Filter) error {
	q, err := alertQuery(f)
	if err != nil {
		return err
	}
	q.SeqFrom, q.SeqTo = 1, 1
	_, err = s.a.Ledger.Facts(ctx, by.TenantID, q, 1, s.a.masks.For(by), func(ledger.Fact) error { return nil })
	return err
}

// Read implements alert.Source.
func (s alertSource) Read(ctx context.Context, tenantID string, span alert.Span, f alert.Filter, by string, yield func(alert.Match) error) (next uint64, at time.Time, err error) {
	q, err := alertQuery(f)
	if err != nil {
		return 0, at, err
	}
	q.SeqFrom, q.SeqTo, q.Checked = span.From, span.To, true
	if !span.Since.IsZero() {
		q.Time, q.From = "recorded", span.Since
	}
	viewer := actor.Principal{TenantID: tenantID, KeyID: "alerts", Roles: []string{actor.RoleAuditor}, Permissions: []string{actor.LedgerSearch}}
	var last ledger.Fact
	found, err := s.a.Ledger.Facts(ctx, tenantID, q, span.Limit, s.a.masks.For(viewer), func(e ledger.Fact) error {
		last = e
		// What alerts record of themselves would raise the next ones.
		key, counts := groupOf(&e, by)
		if !counts || e.Source == "probity" && strings.HasPrefix(e.Action, "alert.") {
			return nil
		}
		return yield(alert.Match{Seq: e.Seq, At: e.RecordedAt, Key: key})
	})
	if err != nil {
		return 0, at, err
	}
	if found.More {
		return last.Seq + 1, last.RecordedAt, nil
	}
	return max(found.Head, span.From), found.RecordedAt, nil
}

// groupOf says what an event counts for, and whether it counts.
func groupOf(e *ledger.Fact, by string) (string, bool) {
	handle := func(h int64) (string, bool) { return strconv.FormatInt(h, 10), h != 0 }
	switch by {
	case alert.ByActor:
		return handle(e.Actor)
	case alert.ByAddress:
		return handle(e.IP)
	case alert.ByResource:
		if e.Resource != 0 {
			return handle(e.Resource)
		}
		return e.ResourceType + "/" + e.ResourceID, e.ResourceID != ""
	}
	return "", true
}

// Label implements alert.Source.
func (s alertSource) Label(ctx context.Context, viewer actor.Principal, seq uint64, by string) string {
	r, err := s.a.Ledger.Get(ctx, viewer.TenantID, seq, s.a.masks.For(viewer))
	if err != nil {
		return "" // what is shown says one thing less
	}
	return labelOf(r, by)
}

func labelOf(r *event.Record, by string) string {
	first := func(paths ...string) string {
		for _, p := range paths {
			if t := r.Text(p); t != "" {
				return t
			}
		}
		return ""
	}
	switch by {
	case alert.ByActor:
		return first("/actor/name", "/actor/email", "/actor/id")
	case alert.ByAddress:
		return first("/context/ip")
	case alert.ByResource:
		id := first("/resource/name", "/resource/id")
		if id == "" {
			id = r.ResourceID
		}
		return strings.TrimSuffix(r.ResourceType+"/"+id, "/")
	}
	return ""
}
