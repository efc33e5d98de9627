package alert

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type idInput struct {
	ID string `path:"id" maxLength:"64"`
}

// Condition is what a rule looks for, as a request says it.
type Condition struct {
	Filter          Filter     `json:"filter,omitempty"`
	Threshold       *Threshold `json:"threshold,omitempty" doc:"Absent: every matching event is an alert"`
	CoolDownSeconds *int64     `json:"cool_down_seconds,omitempty" format:"int53" minimum:"0" maximum:"604800" default:"300" doc:"How long the condition must not have held before another alert is raised for the same actor, resource or address"`
}

func (b *Condition) draft() Draft {
	d := Draft{Filter: b.Filter, Threshold: b.Threshold}
	if b.CoolDownSeconds != nil {
		quiet := time.Duration(*b.CoolDownSeconds) * time.Second
		d.CoolDown = &quiet
	}
	return d
}

type alertRuleDraft struct {
	Condition
	Name     string   `json:"name" minLength:"1" maxLength:"100" doc:"It is part of notifications"`
	Severity string   `json:"severity,omitempty" enum:"info,warning,error,critical" default:"warning"`
	Channels []string `json:"channels,omitempty" maxItems:"20" doc:"Ids of notification channels; absent for all whose topics take alerts of this severity"`
	Enabled  *bool    `json:"enabled,omitempty" doc:"true when absent"`
}

func (b *alertRuleDraft) draft() Draft {
	d := b.Condition.draft()
	d.Name, d.Severity, d.Channels, d.Enabled = b.Name, b.Severity, b.Channels, b.Enabled == nil || *b.Enabled
	return d
}

type createInput struct {
	Body alertRuleDraft
}

type replaceInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body alertRuleDraft
}

type muteInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Until *time.Time `json:"until,omitempty" doc:"At most 90 days ahead; absent, or a time that is over, ends it"`
	} `nameHint:"AlertRuleMute"`
}

type previewInput struct {
	Body struct {
		Condition
		Days int32 `json:"days,omitempty" minimum:"1" maximum:"90" default:"7" doc:"How many days back"`
	} `nameHint:"AlertRulePreviewRequest"`
}

type previewOutput struct{ Body *Preview }

type ruleOutput struct{ Body *Rule }

type ruleListOutput struct {
	Body struct {
		Items []*Rule `json:"items"`
	} `nameHint:"AlertRuleList"`
}

type alertOutput struct{ Body *Alert }

type alertListInput struct {
	RuleID   string `query:"rule_id" maxLength:"64"`
	State    string `query:"state" doc:"firing, acknowledged or resolved"`
	Severity string `query:"severity" doc:"info, warning, error or critical"`
	Cursor   string `query:"cursor" maxLength:"100"`
	Limit    int32  `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type alertListOutput struct {
	Body struct {
		Items      []*Alert `json:"items"`
		NextCursor string   `json:"next_cursor,omitempty" doc:"Of the next, older page; absent at the end"`
	} `nameHint:"AlertList"`
}

type acknowledgeInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Note string `json:"note,omitempty" maxLength:"2000" doc:"What was found or done; it is recorded in the log"`
	} `nameHint:"AlertAcknowledgement"`
}

// as runs an operation for a caller with a permission.
func as[I, O any](permission string, run func(ctx context.Context, by actor.Principal, in *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		by, err := actor.Require(ctx, permission)
		if err != nil {
			return nil, err
		}
		return run(ctx, by, in)
	}
}

// Register adds the operations of alerts and their rules to an API.
func (s *Service) Register(a huma.API) {
	s.registerAlerts(a)
	s.registerRules(a)
}

func (s *Service) registerAlerts(a huma.API) {
	view, manage := api.Needs(actor.NotifyView), api.Needs(actor.NotifyManage)
	huma.Register(a, api.Op("list-alerts", "GET /api/alerts", "List alerts", view, api.Errors(400), api.Describe("Newest first. Ended alerts are kept for 400 days.")),
		as(actor.NotifyView, func(ctx context.Context, by actor.Principal, in *alertListInput) (out *alertListOutput, err error) {
			out = &alertListOutput{}
			out.Body.Items, out.Body.NextCursor, err = s.Alerts(ctx, by, Selection{RuleID: in.RuleID, State: in.State, Severity: in.Severity, Cursor: in.Cursor, Limit: int(in.Limit)})
			return out, err
		}))
	huma.Register(a, api.Op("get-alert", "GET /api/alerts/{id}", "Show an alert", view, api.Errors(404)),
		as(actor.NotifyView, func(ctx context.Context, by actor.Principal, in *idInput) (*alertOutput, error) {
			v, err := s.Alert(ctx, by, in.ID)
			return &alertOutput{v}, err
		}))
	huma.Register(a, api.Op("acknowledge-alert", "POST /api/alerts/{id}/acknowledge", "Acknowledge an alert", manage, api.MaxBody(16<<10), api.Errors(400, 404, 409)),
		as(actor.NotifyManage, func(ctx context.Context, by actor.Principal, in *acknowledgeInput) (*alertOutput, error) {
			v, err := s.Acknowledge(ctx, by, in.ID, in.Body.Note)
			return &alertOutput{v}, err
		}))
}

func (s *Service) registerRules(a huma.API) {
	view, manage := api.Needs(actor.NotifyView), api.Needs(actor.NotifyManage)
	huma.Register(a, api.Op("list-alert-rules", "GET /api/alert-rules", "List alert rules", view),
		as(actor.NotifyView, func(ctx context.Context, by actor.Principal, _ *struct{}) (out *ruleListOutput, err error) {
			out = &ruleListOutput{}
			out.Body.Items, err = s.Rules(ctx, by)
			return out, err
		}))
	huma.Register(a, api.Op("create-alert-rule", "POST /api/alert-rules", "Watch the log for something", manage, api.MaxBody(256<<10), api.Status(http.StatusCreated), api.Errors(400, 403, 409),
		api.Describe("A rule counts the events that its filter selects, by the time at which they were recorded, and raises one alert for each crossing of its threshold. It begins with the next event that is recorded, and counts those that its window holds already.")),
		as(actor.NotifyManage, func(ctx context.Context, by actor.Principal, in *createInput) (*ruleOutput, error) {
			v, err := s.Create(ctx, by, in.Body.draft())
			return &ruleOutput{v}, err
		}))
	huma.Register(a, api.Op("preview-alert-rule", "POST /api/alert-rules/preview", "Say when a rule would have raised alerts", manage, api.MaxBody(256<<10), api.Errors(400, 403), api.Timeout(time.Minute)),
		as(actor.NotifyManage, func(ctx context.Context, by actor.Principal, in *previewInput) (*previewOutput, error) {
			v, err := s.Preview(ctx, by, in.Body.Condition.draft(), int(in.Body.Days))
			return &previewOutput{v}, err
		}))
	huma.Register(a, api.Op("get-alert-rule", "GET /api/alert-rules/{id}", "Show an alert rule", view, api.Errors(404)),
		as(actor.NotifyView, func(ctx context.Context, by actor.Principal, in *idInput) (*ruleOutput, error) {
			v, err := s.Rule(ctx, by, in.ID)
			return &ruleOutput{v}, err
		}))
	huma.Register(a, api.Op("replace-alert-rule", "PUT /api/alert-rules/{id}", "Change an alert rule", manage, api.MaxBody(256<<10), api.Errors(400, 403, 404, 409),
		api.Describe("A rule whose condition changes, or that is disabled, ends its open alerts. Enabled again, it goes on at the end of the log.")),
		as(actor.NotifyManage, func(ctx context.Context, by actor.Principal, in *replaceInput) (*ruleOutput, error) {
			v, err := s.Replace(ctx, by, in.ID, in.Body.draft())
			return &ruleOutput{v}, err
		}))
	huma.Register(a, api.Op("mute-alert-rule", "POST /api/alert-rules/{id}/mute", "Let an alert rule send nothing for a time", manage, api.MaxBody(4<<10), api.Errors(400, 404, 409),
		api.Describe("Its alerts are kept in the history all the same.")),
		as(actor.NotifyManage, func(ctx context.Context, by actor.Principal, in *muteInput) (*ruleOutput, error) {
			until := time.Time{}
			if in.Body.Until != nil {
				until = *in.Body.Until
			}
			v, err := s.Mute(ctx, by, in.ID, until)
			return &ruleOutput{v}, err
		}))
	huma.Register(a, api.Op("delete-alert-rule", "DELETE /api/alert-rules/{id}", "Delete an alert rule", manage, api.Status(http.StatusNoContent), api.Errors(404), api.Describe("Its alerts stay in the history.")),
		as(actor.NotifyManage, func(ctx context.Context, by actor.Principal, in *idInput) (*struct{}, error) {
			return nil, s.Delete(ctx, by, in.ID)
		}))
}
