package decision

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type policyOutput struct {
	Body struct {
		Policy
		Version int64 `json:"version" doc:"Send it back as version with a change"`
	} `nameHint:"DecisionPolicy"`
}

type policyInput struct {
	Body struct {
		Policy
		Version int64 `json:"version" minimum:"0" doc:"The version that is replaced; 0 where there was none"`
	} `nameHint:"DecisionPolicyChange"`
}

type replayOutput struct {
	Body Replayed `nameHint:"Decision"`
}

// Register adds the operations of this package to the API, those of AuthZEN among them.
func (s *Service) Register(a *api.API) {
	s.RegisterAuthZEN(a)
	huma.Register(a, api.Op("get-decision-policy", "GET /api/access/policy", "Show the rules of decisions", api.Needs(actor.DecisionsView)),
		func(ctx context.Context, _ *struct{}) (*policyOutput, error) {
			p, err := actor.Require(ctx, actor.DecisionsView)
			if err != nil {
				return nil, err
			}
			out := &policyOutput{}
			out.Body.Policy, out.Body.Version, err = s.Policy(ctx, p)
			return out, err
		})
	huma.Register(a, api.Op("set-decision-policy", "PUT /api/access/policy", "Replace the rules of decisions", api.Needs(actor.DecisionsManage), api.MaxBody(4<<20), api.Errors(400, 409)),
		func(ctx context.Context, in *policyInput) (*policyOutput, error) {
			p, err := actor.Require(ctx, actor.DecisionsManage)
			if err != nil {
				return nil, err
			}
			version, err := s.SetPolicy(ctx, p, in.Body.Policy, in.Body.Version)
			if err != nil {
				return nil, err
			}
			out := &policyOutput{}
			out.Body.Policy, out.Body.Version = in.Body.Policy, version
			return out, nil
		})
	huma.Register(a, api.Op("get-decision", "GET /api/access/decisions/{id}", "Show a decision and make it again", api.Needs(actor.DecisionsView), api.Errors(404),
		api.Describe("As it was recorded under its evaluation_id, and as it is made again from the roles and rules that were in force then. It is there when its event is in the log, a moment after the answer.")),
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"64"`
		}) (*replayOutput, error) {
			p, err := actor.Require(ctx, actor.DecisionsView)
			if err != nil {
				return nil, err
			}
			r, err := s.Replay(ctx, p, in.ID)
			if err != nil {
				return nil, err
			}
			return &replayOutput{*r}, nil
		})
}
