package approval

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type listInput struct {
	State  string `query:"state" enum:"pending,approved,denied,expired,cancelled" doc:"Only those in this state"`
	Before string `query:"before" maxLength:"64" doc:"The id of the last one seen, for the next page"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" format:"int32"`
}

type listOutput struct {
	Body struct {
		Items []*Request `json:"items"`
		More  bool       `json:"more" doc:"Older ones follow"`
	} `nameHint:"ApprovalList"`
}

type oneInput struct {
	ID string `path:"id" maxLength:"64"`
}

type decideInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Comment string `json:"comment,omitempty" maxLength:"2000" doc:"Required for a denial"`
	} `nameHint:"ApprovalDecision"`
}

type oneOutput struct {
	Body *Request `nameHint:"Approval"`
}

// Register adds the operations to the API. Whoever is signed in may see his own requests; the service looks who else may.
func (s *Service) Register(a *api.API) {
	huma.Register(a, api.Op("list-approvals", "GET /api/approvals", "List what waits for approval, or waited", api.Errors(401),
		api.Describe("Newest first: all of them for those who may decide (access.approve) or manage access, one's own for everybody else.")),
		func(ctx context.Context, in *listInput) (*listOutput, error) {
			by, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			out := &listOutput{}
			out.Body.Items, out.Body.More, err = s.List(ctx, by, Page{State(in.State), in.Before, in.Limit})
			if out.Body.Items == nil {
				out.Body.Items = []*Request{}
			}
			return out, err
		})
	huma.Register(a, api.Op("get-approval", "GET /api/approvals/{id}", "Show a request and who decided what", api.Errors(401, 404)),
		func(ctx context.Context, in *oneInput) (*oneOutput, error) {
			by, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			r, err := s.Get(ctx, by, in.ID)
			return &oneOutput{r}, err
		})
	if s.granter != nil {
		s.registerElevations(a)
	}
	if s.kinds[KindRule] != nil {
		s.registerRules(a)
	}
	s.registerDecision(a, "approve-approval", "POST /api/approvals/{id}/approve", "Approve what somebody else asks for", true)
	s.registerDecision(a, "deny-approval", "POST /api/approvals/{id}/deny", "Deny what somebody else asks for", false)
	huma.Register(a, api.Op("cancel-approval", "POST /api/approvals/{id}/cancel", "Take a request back", api.Status(http.StatusOK), api.Errors(401, 403, 404, 409)),
		func(ctx context.Context, in *oneInput) (*oneOutput, error) {
			by, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			r, err := s.Cancel(ctx, by, in.ID)
			return &oneOutput{r}, err
		})
}

type elevationInput struct {
	Body struct {
		Purpose string `json:"purpose" minLength:"1" maxLength:"2000" doc:"What the values are needed for"`
		Case    string `json:"case,omitempty" maxLength:"200" doc:"The investigation it is for, such as a ticket"`
		Minutes int    `json:"minutes" minimum:"5" maximum:"480" format:"int32" doc:"How long, from the approval on"`
	} `nameHint:"NewElevation"`
}

type breakGlassInput struct {
	Body struct {
		Justification string `json:"justification" minLength:"20" maxLength:"2000" doc:"What the emergency is; somebody else reviews it"`
		Minutes       int    `json:"minutes" minimum:"5" maximum:"240" format:"int32"`
	} `nameHint:"BreakGlass"`
}

func (s *Service) registerElevations(a *api.API) {
	huma.Register(a, api.Op("ask-elevation", "POST /api/access/elevations", "Ask to see values as they are, for a time", api.Needs(actor.LedgerSearch), api.MaxBody(16<<10), api.Status(http.StatusAccepted), api.Errors(400, 403, 409),
		api.Describe("For one investigation. Somebody else has to approve it (`/api/approvals`); the time begins then.")),
		func(ctx context.Context, in *elevationInput) (*oneOutput, error) {
			by, err := actor.Require(ctx, actor.LedgerSearch)
			if err != nil {
				return nil, err
			}
			r, err := s.Elevate(ctx, by, in.Body.Minutes, in.Body.Purpose, in.Body.Case)
			return &oneOutput{r}, err
		})
	huma.Register(a, api.Op("break-glass", "POST /api/access/break-glass", "See values as they are at once, in an emergency", api.Needs(actor.AccessBreakGlass), api.StepUp(), api.MaxBody(16<<10), api.Status(http.StatusOK), api.Errors(400, 403, 409),
		api.Describe("Takes effect at once and for at most four hours, raises an alarm, and is reviewed by somebody else afterwards; a denied review ends it.")),
		func(ctx context.Context, in *breakGlassInput) (*oneOutput, error) {
			by, err := actor.Require(ctx, actor.AccessBreakGlass)
			if err != nil {
				return nil, err
			}
			r, err := s.BreakGlass(ctx, by, in.Body.Minutes, in.Body.Justification)
			return &oneOutput{r}, err
		})
}

func (s *Service) registerDecision(a *api.API, id, pattern, summary string, approve bool) {
	huma.Register(a, api.Op(id, pattern, summary, api.Needs(actor.AccessApprove), api.StepUp(), api.MaxBody(16<<10), api.Status(http.StatusOK), api.Errors(403, 404, 409),
		api.Describe("Only a person who is signed in decides, and never what he asked for himself: not by an API key either, nor by a right to decide that is younger than the request or that whoever asks has given less than a day before.")),
		func(ctx context.Context, in *decideInput) (*oneOutput, error) {
			by, err := actor.Require(ctx, actor.AccessApprove)
			if err != nil {
				return nil, err
			}
			r, err := s.Decide(ctx, by, in.ID, approve, in.Body.Comment)
			return &oneOutput{r}, err
		})
}

type ruleListOutput struct {
	Body struct {
		Items []Rule `json:"items"`
	} `nameHint:"ApprovalRuleList"`
}

type changeRuleInput struct {
	Kind string `path:"kind" maxLength:"64"`
	Body struct {
		Needed int    `json:"needed" minimum:"1" maximum:"5" format:"int32"`
		Reason string `json:"reason" minLength:"1" maxLength:"2000" doc:"Why; those who decide read it, and it is recorded"`
	} `nameHint:"ApprovalRuleChange"`
}

func (s *Service) registerRules(a *api.API) {
	huma.Register(a, api.Op("list-approval-rules", "GET /api/approval-rules", "How many must approve each kind of request", api.Errors(401, 403)),
		func(ctx context.Context, _ *struct{}) (*ruleListOutput, error) {
			by, err := actor.Require(ctx, "")
			if err != nil {
				return nil, err
			}
			out := &ruleListOutput{}
			out.Body.Items, err = s.Rules(ctx, by)
			return out, err
		})
	huma.Register(a, api.Op("change-approval-rule", "PUT /api/approval-rules/{kind}", "Ask for another number of approvals", api.Needs(actor.AccessManage), api.StepUp(), api.MaxBody(16<<10), api.Status(http.StatusAccepted), api.Errors(400, 403, 404, 409),
		api.Describe("Nothing changes yet: the answer is a request that as many others must approve as the kind needs now. What waits already keeps its number. A number that there are not people enough for is refused.")),
		func(ctx context.Context, in *changeRuleInput) (*oneOutput, error) {
			by, err := actor.Require(ctx, actor.AccessManage)
			if err != nil {
				return nil, err
			}
			r, err := s.ChangeRule(ctx, by, in.Kind, in.Body.Needed, in.Body.Reason)
			return &oneOutput{r}, err
		})
}
