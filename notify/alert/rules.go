package alert

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
	"probity.dev/notify"
	"probity.dev/notify/send"
)

// Rule describes a rule. Times are UTC.
type Rule struct {
	ID              string     `json:"id"`
	Name            string     `json:"name" mask:"label"`
	Filter          Filter     `json:"filter"`
	Threshold       *Threshold `json:"threshold,omitempty" doc:"Absent when every matching event is an alert"`
	CoolDownSeconds int64      `json:"cool_down_seconds" format:"int53"`
	Severity        string     `json:"severity" enum:"info,warning,error,critical"`
	Channels        []string   `json:"channels" doc:"Ids of notification channels; empty for all that take alerts"`
	Enabled         bool       `json:"enabled"`
	MutedUntil      *time.Time `json:"muted_until,omitempty"`
	Stopped         string     `json:"stopped,omitempty" doc:"Why the server does not follow the rule; change or enable it to begin again"`
	Open            int64      `json:"open" format:"int53" doc:"Alerts that have not ended"`
	Behind          int64      `json:"behind" format:"int53" doc:"Events of the log that were not looked at yet, give or take those of the last seconds"`
	LastFiredAt     *time.Time `json:"last_fired_at,omitempty"`
	CreatedAt       time.Time  `json:"created_at"`
	UpdatedAt       time.Time  `json:"updated_at"`
}

func (s *Service) view(ctx context.Context, r *rule, v *ruleBody, open int64) (*Rule, error) {
	out := &Rule{ID: r.id, Name: v.Name, Filter: v.Filter, CoolDownSeconds: r.quiet / 1e6, Severity: r.severity, Channels: slices.Clone(r.channels), Enabled: r.enabled, Stopped: r.stopped, Open: open,
		LastFiredAt: timeOf(r.lastFired), CreatedAt: time.UnixMicro(r.createdAt).UTC(), UpdatedAt: time.UnixMicro(r.updatedAt).UTC()}
	if out.Channels == nil {
		out.Channels = []string{}
	}
	if r.window > 0 {
		out.Threshold = &Threshold{MoreThan: r.moreThan, WindowSeconds: r.window / 1e6, GroupBy: r.by}
	}
	if r.mutedUntil > s.now() {
		out.MutedUntil = timeOf(r.mutedUntil)
	}
	head, err := s.o.Source.Head(ctx, r.tenant)
	if err != nil {
		return nil, err
	}
	if r.enabled {
		out.Behind = max(int64(head)-max(r.next, s.position(r)), 0)
	}
	return out, nil
}

// Rules returns the caller's tenant's rules, oldest first.
func (s *Service) Rules(ctx context.Context, by actor.Principal) ([]*Rule, error) {
	if err := require(by, actor.NotifyView); err != nil {
		return nil, err
	}
	list, err := rulesOf(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil {
		return nil, err
	}
	open, err := countOpen(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil {
		return nil, err
	}
	out := make([]*Rule, 0, len(list))
	for _, r := range list {
		var v ruleBody
		if err := s.unseal(ctx, r.tenant, r.id, r.body, &v); err != nil {
			return nil, err
		}
		view, err := s.view(ctx, r, &v, open[r.id])
		if err != nil {
			return nil, err
		}
		out = append(out, view)
	}
	return out, nil
}

func (s *Service) find(ctx context.Context, tenant, id string) (*rule, *ruleBody, error) {
	r, err := getRule(ctx, s.o.DB.Read(ctx), tenant, id)
	if err != nil {
		return nil, nil, err
	}
	var v ruleBody
	return r, &v, s.unseal(ctx, tenant, id, r.body, &v)
}

// Rule returns one rule.
func (s *Service) Rule(ctx context.Context, by actor.Principal, id string) (*Rule, error) {
	if err := require(by, actor.NotifyView); err != nil {
		return nil, err
	}
	r, v, err := s.find(ctx, by.TenantID, id)
	if err != nil {
		return nil, err
	}
	open, err := countOpen(ctx, s.o.DB.Read(ctx), by.TenantID)
	if err != nil {
		return nil, err
	}
	return s.view(ctx, r, v, open[id])
}

// Draft is a rule as somebody writes it.
type Draft struct {
	Name   string
	Filter Filter
	// Threshold is nil when every matching event is an alert.
	Threshold *Threshold
	// CoolDown is how long the condition must not have held before another alert is raised; five minutes when nil.
	CoolDown *time.Duration
	// Severity is warning when empty.
	Severity string
	Channels []string
	Enabled  bool
}

// apply checks a draft and fills in a rule from it.
func (s *Service) apply(ctx context.Context, by actor.Principal, d *Draft, r *rule) (*ruleBody, error) {
	name := strings.TrimSpace(d.Name)
	if name == "" || len([]rune(name)) > maxName || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return nil, errs.Field("/name", "invalid", "A rule needs a name of at most %d characters.", maxName)
	}
	if d.Severity == "" {
		d.Severity = send.Warning
	}
	if !slices.Contains(severities, d.Severity) {
		return nil, errs.Field("/severity", "unknown", "A severity is %s.", strings.Join(severities, ", "))
	}
	if len(d.Channels) > maxChannels {
		return nil, errs.Field("/channels", "count", "A rule has at most %d channels.", maxChannels)
	}
	if len(d.Channels) > 0 {
		known, err := s.o.Notifier.Channels(ctx, by)
		if err != nil {
			return nil, err
		}
		for _, id := range d.Channels {
			if !slices.ContainsFunc(known, func(c *notify.Channel) bool { return c.ID == id }) {
				return nil, errs.Field("/channels", "unknown", "There is no such notification channel.")
			}
		}
	}
	if err := s.condition(ctx, by, d, r); err != nil {
		return nil, err
	}
	r.severity, r.channels, r.enabled = d.Severity, slices.Clone(d.Channels), d.Enabled
	return &ruleBody{Name: name, Filter: d.Filter}, nil
}

// condition checks what a draft looks for and fills it in.
func (s *Service) condition(ctx context.Context, by actor.Principal, d *Draft, r *rule) error {
	if d.Filter == nil {
		d.Filter = Filter{}
	}
	if err := d.Filter.check(); err != nil {
		return err
	}
	if err := s.o.Source.Check(ctx, by, d.Filter); err != nil {
		return err
	}
	r.moreThan, r.window, r.by, r.quiet = 0, 0, ByNone, defaultQuiet.Microseconds()
	if t := d.Threshold; t != nil {
		if t.GroupBy == "" {
			t.GroupBy = ByNone
		}
		if err := t.check(); err != nil {
			return err
		}
		r.moreThan, r.window, r.by = t.MoreThan, t.window().Microseconds(), t.GroupBy
	}
	if d.CoolDown != nil {
		if *d.CoolDown < 0 || *d.CoolDown > maxCoolDown {
			return errs.Field("/cool_down_seconds", "range", "A cool-down lies between 0 and 7 days.")
		}
		r.quiet = d.CoolDown.Microseconds()
	}
	return nil
}

// place sets the position of a rule to the end of the log: it looks at what comes from now on, and counts what its window holds already.
func (s *Service) place(ctx context.Context, r *rule) error {
	head, err := s.o.Source.Head(ctx, r.tenant)
	r.next, r.seenAt = int64(head), s.now()
	return err
}

// Create makes a rule.
func (s *Service) Create(ctx context.Context, by actor.Principal, d Draft) (*Rule, error) {
	if err := require(by, actor.NotifyManage, actor.LedgerSearch); err != nil {
		return nil, err
	}
	r := &rule{id: newID(), tenant: by.TenantID, createdAt: s.now()}
	r.updatedAt = r.createdAt
	v, err := s.apply(ctx, by, &d, r)
	if err != nil {
		return nil, err
	}
	if err := s.place(ctx, r); err != nil {
		return nil, err
	}
	if r.body, err = s.seal(ctx, r.tenant, r.id, v); err != nil {
		return nil, err
	}
	err = s.o.Recorder.Record(ctx, by.TenantID, ruleEvent(ctx, "alert_rule.create", "create", by, r, v), func(ctx context.Context, tx *sql.Tx) error { return insertRule(ctx, tx, r) })
	if err != nil {
		return nil, err
	}
	return s.view(ctx, r, v, 0)
}

// Replace changes a rule to a draft. A rule whose condition changes, or that is disabled, ends its open alerts; enabled again it goes on at the end of the log.
func (s *Service) Replace(ctx context.Context, by actor.Principal, id string, d Draft) (*Rule, error) {
	if err := require(by, actor.NotifyManage, actor.LedgerSearch); err != nil {
		return nil, err
	}
	r, old, err := s.find(ctx, by.TenantID, id)
	if err != nil {
		return nil, err
	}
	if err := s.o.Source.Check(ctx, by, old.Filter); err != nil {
		return nil, err // whoever reads the rule masked would write the masked values back
	}
	before := *r
	v, err := s.apply(ctx, by, &d, r)
	if err != nil {
		return nil, err
	}
	changed := r.moreThan != before.moreThan || r.window != before.window || r.by != before.by || r.quiet != before.quiet || texts([]Filter{v.Filter}) != texts([]Filter{old.Filter})
	again := r.enabled && (!before.enabled || before.stopped != "")
	if r.body, err = s.seal(ctx, r.tenant, r.id, v); err != nil {
		return nil, err
	}
	action, activity, because := "alert_rule.update", "update", ""
	switch {
	case before.enabled && !r.enabled:
		action, activity, because = "alert_rule.disable", "disable", "the rule was disabled"
	case again:
		action, activity, because = "alert_rule.enable", "enable", "the rule was enabled again"
	case changed:
		because = "the rule was changed"
	}
	if again {
		r.stopped = ""
		if err := s.place(ctx, r); err != nil {
			return nil, err
		}
	}
	e := ruleEvent(ctx, action, activity, by, r, v)
	change := func(ctx context.Context, tx *sql.Tx) error {
		return updateRule(ctx, tx, r, again, max(s.now(), before.updatedAt))
	}
	if because == "" {
		err = s.o.Recorder.Record(ctx, by.TenantID, e, change)
	} else {
		err = s.recordEnd(ctx, s.o.Recorder.RecordAll, by, &before, e, because, change)
	}
	if err != nil {
		return nil, err
	}
	s.o.Notifier.Nudge()
	return s.Rule(ctx, by, id)
}

// Mute lets a rule send nothing until a time; the zero time ends that. Its alerts are kept all the same.
func (s *Service) Mute(ctx context.Context, by actor.Principal, id string, until time.Time) (*Rule, error) {
	if err := require(by, actor.NotifyManage); err != nil {
		return nil, err
	}
	r, v, err := s.find(ctx, by.TenantID, id)
	if err != nil {
		return nil, err
	}
	action, activity := "alert_rule.unmute", "enable"
	r.mutedUntil = 0
	if now := s.o.Now(); until.After(now) {
		if until.After(now.Add(maxMute)) {
			return nil, errs.Field("/muted_until", "range", "A rule is muted for 90 days at most.")
		}
		r.mutedUntil, action, activity = until.UnixMicro(), "alert_rule.mute", "disable"
	}
	e := ruleEvent(ctx, action, activity, by, r, v)
	if r.mutedUntil > 0 {
		e.Data = append(e.Data, selfaudit.Member("until", until.UTC()))
	}
	err = s.o.Recorder.Record(ctx, by.TenantID, e, func(ctx context.Context, tx *sql.Tx) error {
		return updateRule(ctx, tx, r, false, max(s.now(), r.updatedAt))
	})
	if err != nil {
		return nil, err
	}
	return s.Rule(ctx, by, id)
}

// Delete removes a rule. Its alerts stay in the history, the open ones as ended.
func (s *Service) Delete(ctx context.Context, by actor.Principal, id string) error {
	if err := require(by, actor.NotifyManage); err != nil {
		return err
	}
	r, v, err := s.find(ctx, by.TenantID, id)
	if err != nil {
		return err
	}
	err = s.recordEnd(ctx, s.o.Recorder.RecordAll, by, r, ruleEvent(ctx, "alert_rule.delete", "delete", by, r, v), "the rule was deleted", func(ctx context.Context, tx *sql.Tx) error {
		return deleteRule(ctx, tx, r.tenant, r.id)
	})
	s.o.Notifier.Nudge()
	return err
}

// stopped records that the server gives a rule up, and says so.
func (s *Service) stop(ctx context.Context, r *rule, why string) error {
	var v ruleBody
	if err := s.unseal(ctx, r.tenant, r.id, r.body, &v); err != nil {
		return err
	}
	e := ruleEvent(ctx, "alert_rule.stop", "disable", actor.System(r.tenant), r, &v)
	e.Actor, e.Severity, e.Reason = itself, "medium", why
	told := func(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error {
		return s.o.Recorder.RecordAllLater(ctx, tenantID, events, func(ctx context.Context, tx *sql.Tx) error {
			if err := effect(ctx, tx); err != nil {
				return err
			}
			return s.o.Notifier.Notify(ctx, tx, r.tenant, notify.Notification{Kind: notify.KindAlertRuleStopped, Cause: notify.Cause{Type: "alert_rule", ID: r.id}, Channels: r.channels})
		})
	}
	err := s.recordEnd(ctx, told, actor.System(r.tenant), r, e, "the rule was stopped", func(ctx context.Context, tx *sql.Tx) error { return stopRule(ctx, tx, r, why) })
	s.o.Notifier.Nudge()
	return err
}
