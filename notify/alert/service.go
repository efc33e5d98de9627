package alert

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/internal/worker"
	"probity.dev/ledger/event"
	"probity.dev/ledger/selfaudit"
	"probity.dev/notify"
)

// Options of [New]. DB, Recorder, Sealer, Source and Notifier must be set.
type Options struct {
	DB       notify.DB
	Recorder Recorder
	Sealer   notify.Sealer
	Source   Source
	Notifier Notifier
	Logger   *slog.Logger
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Service keeps rules and alerts and follows the logs for them. It is safe for concurrent use.
type Service struct {
	o     Options
	work  worker.Group
	owner string // this server, for the leases of rules

	mu   sync.Mutex
	live map[string]*follower // by rule
}

// New returns a service; [Service.Start] begins to follow the logs. The database must be migrated.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o, owner: uuid.NewString(), live: map[string]*follower{}}
}

func (s *Service) now() int64 { return s.o.Now().UnixMicro() }

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func timeOf(micros int64) *time.Time {
	if micros == 0 {
		return nil
	}
	t := time.UnixMicro(micros).UTC()
	return &t
}

// ruleBody and alertBody are what is kept encrypted: what people have written, which may name somebody.
type ruleBody struct {
	Name   string `json:"name"`
	Filter Filter `json:"filter"`
}

type alertBody struct {
	Rule string `json:"rule"` // its name when the alert was raised
	Note string `json:"note,omitempty"`
	By   string `json:"by,omitempty"` // name of whoever acknowledged it
}

func (s *Service) seal(ctx context.Context, tenant, id string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return s.o.Sealer.Seal(ctx, tenant, "alert|"+id, b)
}

func (s *Service) unseal(ctx context.Context, tenant, id string, sealed []byte, into any) error {
	b, err := s.o.Sealer.Unseal(ctx, tenant, "alert|"+id, sealed)
	if err != nil {
		return errs.Wrap(errs.Internal, err, "an alert or its rule cannot be read")
	}
	if json.Unmarshal(b, into) != nil {
		return errs.New(errs.Internal, "an alert or its rule cannot be read") // the cause would quote it
	}
	return nil
}

func require(by actor.Principal, permissions ...string) error {
	for _, p := range permissions {
		if !by.Can(p) {
			return errs.New(errs.Forbidden, "This needs the permission %s.", p)
		}
	}
	return nil
}

func newEvent(ctx context.Context, action, activity string, by actor.Principal, about event.Resource) *event.Event {
	return selfaudit.New(ctx, by, "config", action, activity, about)
}

// ruleEvent is an event about a rule, with all that it looks for. What its filter names may be personal, so the filter is marked as such.
func ruleEvent(ctx context.Context, action, activity string, by actor.Principal, r *rule, v *ruleBody) *event.Event {
	e := newEvent(ctx, action, activity, by, event.Resource{Type: "alert_rule", ID: r.id, Name: v.Name})
	e.Data = []event.Member{selfaudit.Member("filter", v.Filter), selfaudit.Member("more_than", r.moreThan), selfaudit.Member("window_seconds", r.window/1e6), selfaudit.Member("group_by", r.by), selfaudit.Member("cool_down_seconds", r.quiet/1e6),
		selfaudit.Member("severity", r.severity), selfaudit.Member("channels", r.channels), selfaudit.Member("enabled", r.enabled)}
	e.Personal = []string{"/data/filter"}
	return e
}

// Explain returns what the templates of notifications say of an alert beyond their parameters: the name of its rule.
func (s *Service) Explain(ctx context.Context, tenantID, alertID string) (map[string]string, error) {
	a, err := getAlert(ctx, s.o.DB.Read(ctx), tenantID, alertID)
	if errs.CodeOf(err) == errs.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var v alertBody
	if err := s.unseal(ctx, tenantID, a.id, a.body, &v); err != nil {
		return nil, err
	}
	return map[string]string{"rule": strings.TrimSpace(v.Rule)}, nil
}
