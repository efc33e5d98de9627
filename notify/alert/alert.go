package alert

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
	"probity.dev/notify"
	"probity.dev/notify/send"
)

// What a threshold counts by.
const (
	ByNone     = "none"
	ByActor    = "actor"
	ByResource = "resource"
	ByAddress  = "address"
)

// The states of an alert.
const (
	Firing       = "firing"
	Acknowledged = "acknowledged"
	Resolved     = "resolved"
)

// Limits and times.
const (
	maxRules     = 100 // of a tenant
	maxName      = 100 // characters
	maxNote      = 2000
	maxChannels  = 20
	maxValues    = 100 // of one member of a filter
	maxValue     = 500 // characters
	maxCount     = 10_000
	maxWindow    = 24 * time.Hour
	maxCoolDown  = 7 * 24 * time.Hour
	maxMute      = 90 * 24 * time.Hour
	maxHeld      = 1_000_000 // events that one rule counts at a time
	maxOpen      = 500       // alerts of one rule at a time
	maxSamples   = 10
	defaultQuiet = 5 * time.Minute

	pollEvery    = 500 * time.Millisecond
	persistEvery = 5 * time.Second
	leaseTime    = 15 * time.Second
	batchEvents  = 2000
	atOnce       = 4 // rules
	// settle is how long after its end an alert is resolved by the clock: an event gets its time a moment before it can be read.
	settle     = 10 * time.Second
	cleanEvery = time.Hour
	keepFor    = 400 * 24 * time.Hour
)

// Filter selects events: query parameters of GET /api/events by name, without those of time and paging, a custom field as field.NAME. Values of one member are alternatives.
type Filter map[string][]string

// UnmarshalJSON reads an object whose members are strings or lists of strings.
func (f *Filter) UnmarshalJSON(b []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return errs.Field("/filter", "wrong_type", "The filter is a JSON object.")
	}
	out := Filter{}
	for name, raw := range members {
		var list []string
		var one string
		switch {
		case json.Unmarshal(raw, &one) == nil:
			list = []string{one}
		case json.Unmarshal(raw, &list) != nil:
			return errs.Field("/filter/"+name, "wrong_type", "This is a string or a list of strings.")
		}
		if list = slices.DeleteFunc(list, func(s string) bool { return strings.TrimSpace(s) == "" }); len(list) > 0 {
			out[name] = list
		}
	}
	*f = out
	return nil
}

// MaskTexts implements api.Maskable.
func (f Filter) MaskTexts(mask func(category, text string) string) any {
	out := Filter{}
	for name, list := range f {
		category := "label"
		switch name {
		case "actor", "subject", "person":
			category = "user.unique_id"
		case "ip":
			category = "user.device.ip_address"
		case "text":
			category = "unknown"
		}
		if strings.HasPrefix(name, "field.") {
			category = "unknown"
		}
		for _, v := range list {
			if !strings.HasPrefix(v, "handle:") {
				v = mask(category, v)
			}
			out[name] = append(out[name], v)
		}
	}
	return out
}

// Schema describes the filter in the OpenAPI document (huma asks for it).
func (Filter) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, Description: "Query parameters of GET /api/events by name: a string or a list of alternatives each, a custom field as field.NAME. from, to, time and id are none of them. " +
		"Conditions on values match what a masked reader sees.", AdditionalProperties: true}
}

func (f Filter) check() error {
	for name, list := range f {
		if slices.Contains([]string{"from", "to", "time", "id"}, name) || len(name) > maxValue {
			return errs.Field("/filter", "unknown_field", "A rule looks at all events as they come: its filter has no from, to, time or id.")
		}
		if len(list) > maxValues || slices.ContainsFunc(list, func(v string) bool { return len([]rune(v)) > maxValue }) {
			return errs.Field("/filter", "too_long", "A member of the filter has at most %d values of at most %d characters.", maxValues, maxValue)
		}
	}
	return nil
}

// Span is a stretch of the log.
type Span struct {
	// From is the first seq, To the one after the last, 0 for the end of the log. Since leaves out what was recorded before it.
	From, To uint64
	Since    time.Time
	// Limit is how many matches are wanted at most; 0 for all.
	Limit int
}

// Match is an event that a filter selects.
type Match struct {
	Seq uint64
	At  time.Time // recorded
	// Key is what the rule counts by, the same for the same actor, resource or address; "" when it counts everything. It holds no personal value.
	Key string
}

// Source is where events come from.
type Source interface {
	// Head returns the seq after the newest event.
	Head(ctx context.Context, tenantID string) (uint64, error)
	// Check says whether somebody may use a filter. Errors are Invalid and name the member, or Forbidden for conditions on values that he sees masked.
	Check(ctx context.Context, by actor.Principal, f Filter) error
	// Read yields the matching events of a span, oldest first: conditions on texts match what somebody finds who sees personal values masked, the others were checked when the filter was written. Events without an actor, resource or address are left out where
	// matches are counted by it, and so are those that this package records. It returns where to go on, the seq after the last event that was considered, and when that event was recorded.
	Read(ctx context.Context, tenantID string, s Span, f Filter, by string, yield func(Match) error) (next uint64, at time.Time, err error)
	// Label says what the match at seq was counted by, as the viewer may see it; "" when that cannot be said.
	Label(ctx context.Context, viewer actor.Principal, seq uint64, by string) string
}

// Recorder records events, with their effect: all or nothing. RecordAllLater is for a log that is frozen: see package ledger.
type Recorder interface {
	notify.Recorder
	RecordAll(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
	RecordAllLater(ctx context.Context, tenantID string, events []*event.Event, effect func(ctx context.Context, tx *sql.Tx) error) error
}

// Notifier tells people; [notify.Service] is one.
type Notifier interface {
	Notify(ctx context.Context, tx *sql.Tx, tenantID string, n notify.Notification) error
	Nudge()
	Channels(ctx context.Context, by actor.Principal) ([]*notify.Channel, error)
}

// Threshold says how many matching events are too many. Its zero value makes every one an alert.
type Threshold struct {
	MoreThan      int64  `json:"more_than" minimum:"0" maximum:"10000" format:"int53" doc:"An alert is raised by one matching event more than this"`
	WindowSeconds int64  `json:"window_seconds" minimum:"1" maximum:"86400" format:"int53" doc:"within this time"`
	GroupBy       string `json:"group_by,omitempty" enum:"none,actor,resource,address" default:"none" doc:"by the same actor, about the same resource or from the same address. Events that have none, and resources whose id looks like a personal value, are not counted."`
}

func (t *Threshold) check() error {
	switch {
	case t.MoreThan < 0 || t.MoreThan > maxCount:
		return errs.Field("/threshold/more_than", "range", "A threshold lies between 0 and %d events.", maxCount)
	case t.WindowSeconds < 1 || t.window() > maxWindow:
		return errs.Field("/threshold/window_seconds", "range", "A window lies between a second and a day.")
	case !slices.Contains([]string{ByNone, ByActor, ByResource, ByAddress}, t.GroupBy):
		return errs.Field("/threshold/group_by", "unknown", "A threshold counts by actor, resource or address, or by none.")
	}
	return nil
}

func (t *Threshold) window() time.Duration { return time.Duration(t.WindowSeconds) * time.Second }

var severities = []string{send.Info, send.Warning, send.Error, send.Critical}

// kindOf is the kind of notification that tells of an alert.
func kindOf(severity string) string { return "alert." + severity }
