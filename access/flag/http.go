package flag

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
)

type listOutput struct {
	Body struct {
		Items []Flag `json:"items"`
	} `nameHint:"FeatureFlagList"`
}

type flagOutput struct {
	Body Flag `nameHint:"FeatureFlag"`
}

type setInput struct {
	Name string     `path:"name" maxLength:"64"`
	Body Definition `nameHint:"FeatureFlagSetting"`
}

type evaluateInput struct {
	Body struct {
		Subject *string   `json:"subject,omitempty" maxLength:"256" doc:"The user's id, for applications that ask for their users; one's own when left out"`
		Roles   *[]string `json:"roles,omitempty" maxItems:"50" doc:"The user's roles; one's own when left out"`
		Flags   []string  `json:"flags,omitempty" maxItems:"500" doc:"Names; all when left out"`
	} `nameHint:"FeatureFlagQuestion"`
}

type evaluateOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Flags map[string]Value `json:"flags"`
	} `nameHint:"FeatureFlagAnswer"`
}

// Register adds the operations of flags to an API.
func (s *Service) Register(a huma.API) {
	manage := api.Needs(actor.SettingsManage)
	huma.Register(a, api.Op("list-flags", "GET /api/flags", "List feature flags", manage),
		func(ctx context.Context, _ *struct{}) (*listOutput, error) {
			by, err := actor.Require(ctx, actor.SettingsManage)
			if err != nil {
				return nil, err
			}
			out := &listOutput{}
			out.Body.Items, err = s.Flags(ctx, by)
			return out, err
		})
	huma.Register(a, api.Op("set-flag", "PUT /api/flags/{name}", "Make or change a feature flag", manage, api.MaxBody(64<<10), api.Errors(400, 409)),
		func(ctx context.Context, in *setInput) (*flagOutput, error) {
			by, err := actor.Require(ctx, actor.SettingsManage)
			if err != nil {
				return nil, err
			}
			f, err := s.Set(ctx, by, in.Name, in.Body)
			return &flagOutput{f}, err
		})
	huma.Register(a, api.Op("remove-flag", "DELETE /api/flags/{name}", "Remove a feature flag", manage, api.Status(http.StatusNoContent), api.Errors(404, 409)),
		func(ctx context.Context, in *struct {
			Name string `path:"name" maxLength:"64"`
		}) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.SettingsManage)
			if err != nil {
				return nil, err
			}
			return nil, s.Remove(ctx, by, in.Name)
		})
	huma.Register(a, api.Op("evaluate-flags", "POST /api/flags/evaluate", "Ask which features are on", api.MaxBody(64<<10), api.Errors(400, 403),
		api.Describe("A person asks for themselves; API keys, services and whoever manages settings ask for anybody of the tenant.")), s.evaluate)
}

func (s *Service) evaluate(ctx context.Context, in *evaluateInput) (*evaluateOutput, error) {
	by, err := actor.Require(ctx, "")
	if err != nil {
		return nil, err
	}
	subject, roles := by.ID(), by.Roles
	if (in.Body.Subject != nil || in.Body.Roles != nil) && by.UserID != "" && !by.Can(actor.SettingsManage) {
		return nil, errs.New(errs.Forbidden, "You can ask for yourself only.")
	}
	if in.Body.Subject != nil {
		subject, roles = *in.Body.Subject, nil
	}
	if in.Body.Roles != nil {
		roles = *in.Body.Roles
	}
	out := &evaluateOutput{CacheControl: "no-store"}
	out.Body.Flags, err = s.Evaluate(ctx, by.TenantID, subject, roles, in.Body.Flags)
	return out, err
}
