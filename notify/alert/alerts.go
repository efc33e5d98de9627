package alert

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
)

// Alert describes what a rule has raised. Times are UTC.
type Alert struct {
	ID              string     `json:"id"`
	RuleID          string     `json:"rule_id"`
	Rule            string     `json:"rule" mask:"label" doc:"Name of the rule when the alert was raised"`
	Severity        string     `json:"severity" enum:"info,warning,error,critical"`
	State           string     `json:"state" enum:"firing,acknowledged,resolved"`
	GroupBy         string     `json:"group_by" enum:"none,actor,resource,address"`
	Group           string     `json:"group,omitempty" doc:"Who or what it was counted for, as the caller may see it; absent for callers who may not search the log"`
	Handle          int64      `json:"handle,omitempty" format:"int53" doc:"Of the actor, for a search with actor=handle:N"`
	FiredAt         time.Time  `json:"fired_at" doc:"When the event that crossed the threshold was recorded"`
	LastAt          time.Time  `json:"last_at" doc:"When the newest event that belongs to the alert was recorded"`
	Events          int64      `json:"events" format:"int53"`
	Samples         []int64    `json:"samples" doc:"Seqs of events that raised the alert, the newest first; GET /api/events/{seq} shows them"`
	FirstSeq        int64      `json:"first_seq" format:"int53" doc:"The event that crossed the threshold"`
	LastSeq         int64      `json:"last_seq" format:"int53"`
	Notified        bool       `json:"notified" doc:"false when the rule was muted"`
	AcknowledgedAt  *time.Time `json:"acknowledged_at,omitempty"`
	AcknowledgedBy  string     `json:"acknowledged_by,omitempty" mask:"user.name"`
	Note            string     `json:"note,omitempty" mask:"unknown"`
	ResolvedAt      *time.Time `json:"resolved_at,omitempty"`
	ResolvedBecause string     `json:"resolved_because,omitempty"`
}

func (s *Service) alertView(ctx context.Context, by actor.Principal, a *row) (*Alert, error) {
	var v alertBody
	if err := s.unseal(ctx, a.tenant, a.id, a.body, &v); err != nil {
		return nil, err
	}
	out := &Alert{ID: a.id, RuleID: a.rule, Rule: v.Rule, Severity: a.severity, State: Firing, GroupBy: a.by, FiredAt: time.UnixMicro(a.firedAt).UTC(), LastAt: time.UnixMicro(a.lastAt).UTC(), Events: a.events,
		Samples: []int64{}, FirstSeq: a.firstSeq, LastSeq: a.lastSeq, Notified: a.told, AcknowledgedAt: timeOf(a.ackedAt), Note: v.Note, ResolvedAt: timeOf(a.resolvedAt), ResolvedBecause: a.resolvedBecause}
	for _, seq := range a.samples {
		out.Samples = append(out.Samples, int64(seq))
	}
	switch {
	case a.resolvedAt > 0:
		out.State = Resolved
	case a.ackedAt > 0:
		out.State = Acknowledged
	}
	if a.ackedAt > 0 {
		if out.AcknowledgedBy = v.By; v.By == "" {
			out.AcknowledgedBy = a.ackedBy
		}
	}
	if a.by != ByNone && by.Can(actor.LedgerSearch) {
		out.Group = s.o.Source.Label(ctx, by, uint64(a.firstSeq), a.by)
		if a.by == ByActor {
			if n, err := strconv.ParseInt(a.key, 10, 64); err == nil {
				out.Handle = n
			}
		}
	}
	return out, nil
}

// Selection selects alerts; empty members do not.
type Selection struct {
	RuleID, State, Severity string
	// Cursor is where the page before ended.
	Cursor string
	Limit  int
}

// Alerts returns a page of the tenant's alerts, newest first, and where the next begins; "" at the end.
func (s *Service) Alerts(ctx context.Context, by actor.Principal, f Selection) (list []*Alert, next string, err error) {
	if err := require(by, actor.NotifyView); err != nil {
		return nil, "", err
	}
	if states := []string{"", Firing, Acknowledged, Resolved}; !slices.Contains(states, f.State) {
		return nil, "", errs.Field("/state", "unknown", "An alert is firing, acknowledged or resolved.")
	}
	if f.Severity != "" && !slices.Contains(severities, f.Severity) {
		return nil, "", errs.Field("/severity", "unknown", "A severity is %s.", strings.Join(severities, ", "))
	}
	p := page{rule: f.RuleID, state: f.State, severity: f.Severity, limit: min(max(f.Limit, 1), 200)}
	if f.Cursor != "" {
		at, id, ok := strings.Cut(f.Cursor, "_")
		if p.before, err = strconv.ParseInt(at, 10, 64); err != nil || !ok || p.before <= 0 {
			return nil, "", errs.Field("/cursor", "invalid", "The cursor is not one that this server made.")
		}
		p.beforeID = id
	}
	rows, err := listAlerts(ctx, s.o.DB.Read(ctx), by.TenantID, p)
	if err != nil {
		return nil, "", err
	}
	list = make([]*Alert, 0, len(rows))
	for _, a := range rows {
		v, err := s.alertView(ctx, by, a)
		if err != nil {
			return nil, "", err
		}
		list = append(list, v)
	}
	if len(rows) == p.limit {
		last := rows[len(rows)-1]
		next = fmt.Sprintf("%d_%s", last.firedAt, last.id)
	}
	return list, next, nil
}

// Alert returns one alert.
func (s *Service) Alert(ctx context.Context, by actor.Principal, id string) (*Alert, error) {
	if err := require(by, actor.NotifyView); err != nil {
		return nil, err
	}
	a, err := getAlert(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return nil, err
	}
	return s.alertView(ctx, by, a)
}

// Acknowledge notes that somebody has taken care of an alert, which may have ended by then.
func (s *Service) Acknowledge(ctx context.Context, by actor.Principal, id, note string) (*Alert, error) {
	if err := require(by, actor.NotifyManage); err != nil {
		return nil, err
	}
	if note = strings.TrimSpace(note); len([]rune(note)) > maxNote {
		return nil, errs.Field("/note", "too_long", "A note has at most %d characters.", maxNote)
	}
	a, err := getAlert(ctx, s.o.DB.Read(ctx), by.TenantID, id)
	if err != nil {
		return nil, err
	}
	var v alertBody
	if err := s.unseal(ctx, a.tenant, a.id, a.body, &v); err != nil {
		return nil, err
	}
	v.Note, v.By = note, by.Name
	body, err := s.seal(ctx, a.tenant, a.id, v)
	if err != nil {
		return nil, err
	}
	e := newEvent(ctx, "alert.acknowledge", "approve", by, event.Resource{Type: "alert", ID: a.id, Name: v.Rule})
	e.Category, e.Reason = "security", note
	e.Data = []event.Member{selfaudit.Member("rule_id", a.rule), selfaudit.Member("severity", a.severity)}
	err = s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		ok, err := acknowledge(ctx, tx, a, body, by.ID(), s.now())
		if err == nil && !ok {
			return errs.New(errs.Conflict, "Somebody has acknowledged this alert already.")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Alert(ctx, by, id)
}
