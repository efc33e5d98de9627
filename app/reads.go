package app

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/httpapi"
	"probity.dev/ledger/selfaudit"
)

// readEvery is how often reading is summarised. An event for each search would make the log describe little but itself.
const readEvery = time.Minute

// reads records who read the audit log: one event a minute for each reader and kind of reading.
type reads struct {
	app *App
	mu  sync.Mutex
	sum map[readKey]*readSum
}

type readKey struct{ tenant, caller, operation string }

type readSum struct {
	by              actor.Principal
	requests, found int
	first           time.Time
}

func newReads(a *App) *reads { return &reads{app: a, sum: map[readKey]*readSum{}} }

// Read implements httpapi.Reads.
func (r *reads) Read(p actor.Principal, operation string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := readKey{p.TenantID, p.ID(), operation}
	s := r.sum[k]
	if s == nil {
		s = &readSum{by: p, first: time.Now()}
		r.sum[k] = s
	}
	s.requests++
	s.found += n
}

// Reveal implements httpapi.Reads. A log that is frozen gets the event later.
func (r *reads) Reveal(ctx context.Context, p actor.Principal, x httpapi.Revealed) error {
	e := selfaudit.New(ctx, p, "security", httpapi.ActionReveal, "read", event.Resource{Type: "ledger", ID: "events"})
	e.Data = []event.Member{selfaudit.Member("operation", x.Operation), selfaudit.Member("as", rolesOf(p))}
	if p.Purpose != "" {
		e.Data = append(e.Data, selfaudit.Member("purpose", p.Purpose))
	}
	if x.Events >= 0 {
		e.Data = append(e.Data, selfaudit.Member("events", x.Events), selfaudit.Member("categories", x.Categories))
	}
	if x.Seq > 0 || x.Query == nil {
		e.Data = append(e.Data, selfaudit.Member("seq", x.Seq))
	}
	if x.Query != nil {
		e.Data = append(e.Data, selfaudit.Member("query", asked(x.Query)))
	}
	return r.app.Ledger.RecordLater(ctx, p.TenantID, e, nil)
}

// asked is what a query asks for, in one text, which may name people.
func asked(q *ledger.Query) string {
	var out []string
	for _, x := range []struct {
		name string
		list []string
	}{{"actor", q.Actor}, {"subject", q.Subject}, {"person", q.Person}, {"action", q.Action}, {"source", q.Source}, {"resource", q.Resource}, {"outcome", q.Outcome}, {"category", q.Category}, {"activity", q.Activity},
		{"severity", q.Severity}, {"ip", q.IP}, {"correlation_id", q.CorrelationID}, {"id", q.EventID}} {
		for _, v := range x.list {
			out = append(out, x.name+"="+v)
		}
	}
	for name, v := range q.Fields {
		out = append(out, "field."+name+"="+v)
	}
	if q.Text != "" {
		out = append(out, "text="+q.Text)
	}
	for name, at := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !at.IsZero() {
			out = append(out, name+"="+at.UTC().Format(time.RFC3339))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}

func (r *reads) run(ctx context.Context) {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.flush(ctx); err != nil && ctx.Err() == nil {
				r.app.telemetry.Logger.Error("reading is not recorded yet", "error", err)
			}
		}
	}
}

// end records what is left. A log that takes nothing, frozen or on a full disk, does not keep the process from stopping in order.
func (r *reads) end(ctx context.Context) {
	if err := r.flush(ctx); err != nil {
		r.app.telemetry.Logger.Error("reading was not recorded", "error", err)
	}
}

// keep takes a sum back that could not be recorded, for the next time.
func (r *reads) keep(k readKey, s *readSum) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if newer := r.sum[k]; newer != nil {
		s.requests += newer.requests
		s.found += newer.found
	}
	r.sum[k] = s
}

// flush records what was read since the last time.
func (r *reads) flush(ctx context.Context) error {
	r.mu.Lock()
	sum := r.sum
	r.sum = map[readKey]*readSum{}
	r.mu.Unlock()
	var first error
	for k, s := range sum {
		number := func(name string, n int) event.Member {
			return event.Member{Name: name, Value: jsontext.Value(strconv.Itoa(n))}
		}
		e := &event.Event{Action: "ledger." + k.operation, Activity: "read", Actor: httpapi.By(s.by), OccurredAt: s.first, Resource: event.Resource{Type: "ledger", ID: "events"},
			Context: event.Context{IP: s.by.IP, SessionID: s.by.SessionID}, Data: []event.Member{number("requests", s.requests), number("events", s.found)}}
		if err := r.app.Ledger.Record(ctx, k.tenant, e, nil); err != nil {
			r.keep(k, s)
			first = cmp.Or(first, err)
		}
	}
	return first
}
