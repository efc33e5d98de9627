package denial

import (
	"context"
	"database/sql"
	"log/slog"
	"maps"
	"sync"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

const (
	// PerMinute is how many refused attempts of a tenant are recorded one by one within a minute, on each server.
	PerMinute = 20
	window    = time.Minute
	// maxKinds bounds what is told apart in one count.
	maxKinds = 50
)

// Recorder records events; see access.Recorder.
type Recorder interface {
	RecordLater(ctx context.Context, tenantID string, e *event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Log records refused attempts. It is safe for concurrent use.
type Log struct {
	recorder Recorder
	logger   *slog.Logger
	now      func() time.Time

	mu      sync.Mutex
	tenants map[string]*minute
}

// minute is what happened to a tenant since its start.
type minute struct {
	start time.Time
	told  int
	more  map[string]int64 // by action and reason
}

// New returns a log; now replaces the clock when it is not nil.
func New(r Recorder, logger *slog.Logger, now func() time.Time) *Log {
	if now == nil {
		now = time.Now
	}
	return &Log{recorder: r, logger: logger, now: now, tenants: map[string]*minute{}}
}

// Note records that an attempt was refused. reason is one of a few fixed words, which are told apart in counts. That it cannot be recorded changes nothing for the caller: the attempt stays refused, and a line in the process's log says so.
func (l *Log) Note(ctx context.Context, tenantID string, e *event.Event, reason string) {
	e.Outcome = event.Outcome{Status: "denied", Reason: reason}
	e.Severity = "low"
	past, single := l.admit(tenantID, e.Action+" "+reason)
	if past != nil {
		l.count(ctx, tenantID, past)
	}
	if single {
		l.record(ctx, tenantID, e)
	}
}

// admit says whether an attempt is recorded by itself, and returns a minute that is over and has something to count.
func (l *Log) admit(tenantID, kind string) (past *minute, single bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	m := l.tenants[tenantID]
	if m != nil && now.Sub(m.start) >= window {
		if len(m.more) > 0 {
			past = m
		}
		m = nil
	}
	if m == nil {
		m = &minute{start: now, more: map[string]int64{}}
		l.tenants[tenantID] = m
	}
	if m.told < PerMinute {
		m.told++
		return past, true
	}
	if _, known := m.more[kind]; !known && len(m.more) >= maxKinds {
		kind = "other"
	}
	m.more[kind]++
	return past, false
}

// Flush records the counts of minutes that are over; all makes that every minute.
func (l *Log) Flush(ctx context.Context, all bool) {
	l.mu.Lock()
	now := l.now()
	over := map[string]*minute{}
	for tenant, m := range l.tenants {
		if all || now.Sub(m.start) >= window {
			over[tenant] = m
		}
	}
	maps.DeleteFunc(l.tenants, func(tenant string, _ *minute) bool { return over[tenant] != nil })
	l.mu.Unlock()
	for tenant, m := range over {
		if len(m.more) > 0 {
			l.count(ctx, tenant, m)
		}
	}
}

// Run records counts until ctx ends, and then what is left. A crash forgets the counts of the last minute.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(window / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			l.Flush(last, true)
			return
		case <-tick.C:
			l.Flush(ctx, false)
		}
	}
}

// count records how many attempts were refused beyond those that were recorded.
func (l *Log) count(ctx context.Context, tenantID string, m *minute) {
	var total int64
	for _, n := range m.more {
		total += n
	}
	e := selfaudit.New(ctx, actor.System(tenantID), "auth", "access.denials", "deny", event.Resource{Type: "tenant", ID: tenantID})
	e.Severity, e.Outcome = "medium", event.Outcome{Status: "denied", Reason: "more attempts than are recorded one by one"}
	e.Context = event.Context{}
	e.Data = []event.Member{selfaudit.Member("denied", total), selfaudit.Member("by_reason", m.more), selfaudit.Member("from", m.start.UTC()), selfaudit.Member("until", m.start.Add(window).UTC())}
	l.record(ctx, tenantID, e)
}

func (l *Log) record(ctx context.Context, tenantID string, e *event.Event) {
	if err := l.recorder.RecordLater(ctx, tenantID, e, func(context.Context, *sql.Tx) error { return nil }); err != nil {
		l.logger.LogAttrs(ctx, slog.LevelError, "a refused attempt was not recorded", slog.String("tenant", tenantID), slog.String("action", e.Action),
			slog.String("reason", e.Outcome.Reason), slog.String("request_id", api.RequestID(ctx)), slog.Any("error", err))
	}
}
