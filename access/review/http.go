package review

import (
	"bytes"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type listInput struct {
	State  string `query:"state" enum:"open,closed"`
	Before string `query:"before" maxLength:"64" doc:"The id of the last one seen, for the next page"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" format:"int32"`
}

type listOutput struct {
	Body struct {
		Items []*Review `json:"items"`
		More  bool      `json:"more" doc:"Older ones follow"`
	} `nameHint:"AccessReviewList"`
}

type oneInput struct {
	ID string `path:"id" maxLength:"64"`
}

type oneOutput struct {
	Body *Review `nameHint:"AccessReview"`
}

type createInput struct {
	Body Definition `nameHint:"NewAccessReview"`
}

type itemsInput struct {
	ID    string `path:"id" maxLength:"64"`
	State string `query:"state" enum:"waiting,confirmed,revoked,gone,undecided"`
	Mine  bool   `query:"mine" doc:"Only what the caller reviews"`
	After string `query:"after" maxLength:"64" doc:"The id of the last one seen, for the next page"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100" format:"int32"`
}

type itemsOutput struct {
	Body struct {
		Items []*Item `json:"items"`
		More  bool    `json:"more"`
	} `nameHint:"AccessReviewItems"`
}

type decideInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Items    []string `json:"items" minItems:"1" maxItems:"200" nullable:"false"`
		Decision string   `json:"decision" enum:"confirm,revoke"`
		Reason   string   `json:"reason" minLength:"1" maxLength:"1000"`
	} `nameHint:"AccessReviewDecision"`
}

type decideOutput struct {
	Body struct {
		Items []Result `json:"items"`
	} `nameHint:"AccessReviewResults"`
}

type closeInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		LeaveUndecided bool `json:"leave_undecided,omitempty" doc:"Close it although some items wait for a decision"`
	} `nameHint:"AccessReviewClosing"`
}

type evidenceInput struct {
	ID     string `path:"id" maxLength:"64"`
	Format string `query:"format" enum:"csv,json,pdf,bundle" required:"true"`
}

type ownersOutput struct {
	Body struct {
		Owners map[string]string `json:"owners" doc:"Id of the user by id of the role"`
	} `nameHint:"RoleOwners"`
}

type ownerInput struct {
	Role string `path:"role" maxLength:"64"`
	Body struct {
		UserID string `json:"user_id" maxLength:"64" doc:"Empty for nobody"`
	} `nameHint:"RoleOwner"`
}

func as[I, O any](do func(context.Context, actor.Principal, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		p, err := actor.Require(ctx, "")
		if err != nil {
			return nil, err
		}
		return do(ctx, p, in)
	}
}

// Register adds the operations to the API. Reviewers need no permission of their own: the service looks who may do what.
func (s *Service) Register(a *api.API) {
	huma.Register(a, api.Op("list-access-reviews", "GET /api/access/reviews", "List reviews of access", api.Errors(401), api.Describe("Newest first: all of them for those who see who may do what, to others those in which they review something.")),
		as(func(ctx context.Context, by actor.Principal, in *listInput) (*listOutput, error) {
			out := &listOutput{}
			var err error
			if out.Body.Items, out.Body.More, err = s.List(ctx, by, in.State, in.Before, in.Limit); out.Body.Items == nil {
				out.Body.Items = []*Review{}
			}
			return out, err
		}))
	huma.Register(a, api.Op("create-access-review", "POST /api/access/reviews", "Begin a review of access", api.Needs(actor.AccessManage), api.StepUp(), api.MaxBody(64<<10), api.Status(http.StatusCreated), api.Errors(400, 403, 409, 413),
		api.Describe("Takes down every assignment, API key and group from outside that the scope covers, as it is now, and tells the reviewers. The rights of whoever begins it stand behind what reviewers revoke.")),
		as(func(ctx context.Context, by actor.Principal, in *createInput) (*oneOutput, error) {
			r, err := s.Create(ctx, by, in.Body)
			return &oneOutput{r}, err
		}))
	huma.Register(a, api.Op("get-access-review", "GET /api/access/reviews/{id}", "Show a review and how far it is", api.Errors(401, 404)),
		as(func(ctx context.Context, by actor.Principal, in *oneInput) (*oneOutput, error) {
			r, err := s.Get(ctx, by, in.ID)
			return &oneOutput{r}, err
		}))
	huma.Register(a, api.Op("list-access-review-items", "GET /api/access/reviews/{id}/items", "List what a review is about", api.Errors(401, 404)),
		as(func(ctx context.Context, by actor.Principal, in *itemsInput) (*itemsOutput, error) {
			out := &itemsOutput{}
			var err error
			if out.Body.Items, out.Body.More, err = s.Items(ctx, by, in.ID, Page{in.State, in.Mine, in.After, in.Limit}); out.Body.Items == nil {
				out.Body.Items = []*Item{}
			}
			return out, err
		}))
	s.registerDecisions(a)
	s.registerOwners(a)
	evidence := api.Op("get-access-review-evidence", "GET /api/access/reviews/{id}/evidence", "Download the evidence of a closed review", api.Streaming(), api.Errors(401, 403, 404, 409),
		api.Describe("csv: the decisions, the file whose SHA-256 the event of closing holds. json: these with the number and the inclusion proof of every event of the review, and the signed checkpoint. pdf and bundle: those events as a report, and as a file "+
			"that `probity verify` checks. For those who see who may do what (access.view). Each download is recorded."))
	evidence.Responses = map[string]*huma.Response{"200": {Description: "The file", Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}
	huma.Register(a, evidence, s.evidence)
}

func (s *Service) registerDecisions(a *api.API) {
	huma.Register(a, api.Op("decide-access-review", "POST /api/access/reviews/{id}/decisions", "Confirm or revoke items of a review", api.Errors(400, 401, 403, 404, 409), api.MaxBody(64<<10), api.Status(http.StatusOK),
		api.Describe("Only a person who is signed in reviews, and never what he has himself. Sensitive items are confirmed one by one. What is revoked ends at once, in the same transaction; `elsewhere` names what outside gives it, where it has to be ended as well. "+
			"Revoking needs a proof of who one is that is minutes old (401, `…#problem-step_up_required`).")),
		as(func(ctx context.Context, by actor.Principal, in *decideInput) (*decideOutput, error) {
			revoke := in.Body.Decision == "revoke"
			if revoke {
				if err := api.NeedStepUp(ctx); err != nil {
					return nil, err
				}
			}
			out := &decideOutput{}
			var err error
			out.Body.Items, err = s.Decide(ctx, by, in.ID, Decision{in.Body.Items, revoke, in.Body.Reason})
			return out, err
		}))
	huma.Register(a, api.Op("close-access-review", "POST /api/access/reviews/{id}/close", "Close a review", api.Needs(actor.AccessManage), api.Status(http.StatusOK), api.Errors(403, 404, 409), api.MaxBody(16<<10),
		api.Describe("From then on nothing of it changes, and its evidence can be had.")),
		as(func(ctx context.Context, by actor.Principal, in *closeInput) (*oneOutput, error) {
			r, err := s.CloseReview(ctx, by, in.ID, in.Body.LeaveUndecided)
			return &oneOutput{r}, err
		}))
	huma.Register(a, api.Op("stop-access-review", "DELETE /api/access/reviews/{id}/repetition", "Keep the next review from beginning", api.Needs(actor.AccessManage), api.Status(http.StatusOK), api.Errors(403, 404)),
		as(func(ctx context.Context, by actor.Principal, in *oneInput) (*oneOutput, error) {
			r, err := s.StopRepeating(ctx, by, in.ID)
			return &oneOutput{r}, err
		}))
}

func (s *Service) registerOwners(a *api.API) {
	huma.Register(a, api.Op("list-role-owners", "GET /api/access/role-owners", "List who answers for roles", api.Errors(401, 403)),
		as(func(ctx context.Context, by actor.Principal, _ *struct{}) (*ownersOutput, error) {
			out := &ownersOutput{}
			var err error
			out.Body.Owners, err = s.Owners(ctx, by)
			return out, err
		}))
	huma.Register(a, api.Op("set-role-owner", "PUT /api/access/role-owners/{role}", "Say who answers for a role", api.Needs(actor.AccessManage), api.Status(http.StatusNoContent), api.Errors(400, 403, 404), api.MaxBody(4<<10),
		api.Describe("Reviews that go to owners ask this person who should have the role.")),
		as(func(ctx context.Context, by actor.Principal, in *ownerInput) (*struct{}, error) {
			return nil, s.SetOwner(ctx, by, in.Role, in.Body.UserID)
		}))
}

var contentTypes = map[string][2]string{"csv": {"text/csv; charset=utf-8; header=present", ".csv"}, "json": {"application/json", ".json"}, "pdf": {"application/pdf", ".pdf"}, "bundle": {"application/zip", ".zip"}}

func (s *Service) evidence(ctx context.Context, in *evidenceInput) (*huma.StreamResponse, error) {
	by, err := actor.Require(ctx, "")
	if err != nil {
		return nil, err
	}
	r, write, err := s.Evidence(ctx, by, in.ID, in.Format)
	if err != nil {
		return nil, err
	}
	// Whole before its first byte, so that what goes wrong is an answer and not half a file.
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return nil, err
	}
	kind := contentTypes[in.Format]
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", kind[0])
		hc.SetHeader("Content-Disposition", `attachment; filename="access-review-`+r.CreatedAt.Format("2006-01-02")+kind[1]+`"`)
		hc.SetHeader("Cache-Control", "no-store")
		_, _ = hc.BodyWriter().Write(b.Bytes()) // whoever asked has gone
	}}, nil
}
