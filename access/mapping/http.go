package mapping

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type listOutput struct {
	Body struct {
		Items []*System `json:"items"`
	} `nameHint:"AccessSystems"`
}

type oneInput struct {
	ID string `path:"id" maxLength:"64"`
}

type oneOutput struct {
	Body *System `nameHint:"AccessSystem"`
}

type createInput struct {
	Body struct {
		Definition
		Secret string `json:"secret" maxLength:"4096" doc:"Kept sealed, never shown"`
	} `nameHint:"NewAccessSystem"`
}

type changeInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Definition
		Secret *string `json:"secret,omitempty" maxLength:"4096" doc:"Replaces the secret; required when the address or the description of requests changes"`
	} `nameHint:"AccessSystemChange"`
}

type rolesOutput struct {
	Body struct {
		Items []Role `json:"items"`
	} `nameHint:"OutsideRoles"`
}

type syncInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Apply bool `json:"apply,omitempty" doc:"Make the changes too; otherwise only report"`
	} `nameHint:"AccessSync"`
}

type runOutput struct {
	Body *Run `nameHint:"AccessSystemRun"`
}

type runsOutput struct {
	Body struct {
		Items []*Run `json:"items"`
	} `nameHint:"AccessSystemRuns"`
}

func as[I, O any](permission string, do func(context.Context, actor.Principal, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		p, err := actor.Require(ctx, permission)
		if err != nil {
			return nil, err
		}
		return do(ctx, p, in)
	}
}

// Register adds the operations to the API.
func (s *Service) Register(a *api.API) {
	view, manage := api.Needs(actor.AccessView), api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("list-access-systems", "GET /api/access/systems", "List systems elsewhere whose roles follow", view),
		as(actor.AccessView, func(ctx context.Context, by actor.Principal, _ *struct{}) (*listOutput, error) {
			out := &listOutput{}
			var err error
			out.Body.Items, err = s.List(ctx, by)
			return out, err
		}))
	huma.Register(a, api.Op("create-access-system", "POST /api/access/systems", "Add a system elsewhere", manage, api.StepUp(), api.Status(http.StatusCreated), api.MaxBody(256<<10), api.Errors(400, 413),
		api.Describe("Which role here corresponds to which there. Medusa v2 (with its feature flag rbac) and Strapi v5 are known; any other system with a JSON API over HTTP is described by `spec`. It only reports what differs until `apply` is set. "+
			"Addresses that are not on the public Internet need the operator's leave (outbound-allow).")),
		as(actor.AccessManage, func(ctx context.Context, by actor.Principal, in *createInput) (*oneOutput, error) {
			x, err := s.Put(ctx, by, "", in.Body.Definition, &in.Body.Secret)
			return &oneOutput{x}, err
		}))
	huma.Register(a, api.Op("get-access-system", "GET /api/access/systems/{id}", "Show a system elsewhere", view, api.Errors(404)),
		as(actor.AccessView, func(ctx context.Context, by actor.Principal, in *oneInput) (*oneOutput, error) {
			x, err := s.Get(ctx, by, in.ID)
			return &oneOutput{x}, err
		}))
	huma.Register(a, api.Op("change-access-system", "PUT /api/access/systems/{id}", "Change a system elsewhere", manage, api.StepUp(), api.MaxBody(256<<10), api.Errors(400, 404)),
		as(actor.AccessManage, func(ctx context.Context, by actor.Principal, in *changeInput) (*oneOutput, error) {
			x, err := s.Put(ctx, by, in.ID, in.Body.Definition, in.Body.Secret)
			return &oneOutput{x}, err
		}))
	huma.Register(a, api.Op("delete-access-system", "DELETE /api/access/systems/{id}", "Forget a system elsewhere", manage, api.StepUp(), api.Status(http.StatusNoContent), api.Errors(404), api.Describe("Nothing changes there.")),
		as(actor.AccessManage, func(ctx context.Context, by actor.Principal, in *oneInput) (*struct{}, error) {
			return nil, s.Delete(ctx, by, in.ID)
		}))
	s.registerRuns(a)
}

func (s *Service) registerRuns(a *api.API) {
	view, manage := api.Needs(actor.AccessView), api.Needs(actor.AccessManage)
	huma.Register(a, api.Op("list-outside-roles", "GET /api/access/systems/{id}/roles", "Ask a system which roles it has", manage, api.Errors(404, 409, 503)),
		as(actor.AccessManage, func(ctx context.Context, by actor.Principal, in *oneInput) (*rolesOutput, error) {
			out := &rolesOutput{}
			var err error
			if out.Body.Items, err = s.Outside(ctx, by, in.ID); out.Body.Items == nil {
				out.Body.Items = []Role{}
			}
			return out, err
		}))
	huma.Register(a, api.Op("sync-access-system", "POST /api/access/systems/{id}/runs", "Compare roles with a system, and change them there", manage, api.StepUp(), api.Status(http.StatusAccepted), api.MaxBody(4<<10), api.Errors(404, 409),
		api.Describe("A background job. Without `apply` it only reports (dry run). Each change is an event; what was done is not done again when the run is interrupted.")),
		as(actor.AccessManage, func(ctx context.Context, by actor.Principal, in *syncInput) (*runOutput, error) {
			r, err := s.Sync(ctx, by, in.ID, in.Body.Apply)
			return &runOutput{r}, err
		}))
	huma.Register(a, api.Op("list-access-system-runs", "GET /api/access/systems/{id}/runs", "List runs of a system", view, api.Errors(404)),
		as(actor.AccessView, func(ctx context.Context, by actor.Principal, in *oneInput) (*runsOutput, error) {
			out := &runsOutput{}
			var err error
			out.Body.Items, err = s.Runs(ctx, by, in.ID)
			return out, err
		}))
	huma.Register(a, api.Op("get-drift", "GET /api/access/systems/{id}/drift", "Show what differs", view, api.Errors(404), api.Describe("The newest report: roles that are missing or too many there, and people whom only one side knows.")),
		as(actor.AccessView, func(ctx context.Context, by actor.Principal, in *oneInput) (*runOutput, error) {
			r, err := s.Drift(ctx, by, in.ID)
			return &runOutput{r}, err
		}))
	table := api.Op("get-drift-csv", "GET /api/access/systems/{id}/drift.csv", "Download what differs", view, api.Errors(404))
	table.Responses = map[string]*huma.Response{"200": {Description: "The report", Content: map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	huma.Register(a, table, as(actor.AccessView, func(ctx context.Context, by actor.Principal, in *oneInput) (*huma.StreamResponse, error) {
		r, err := s.Drift(ctx, by, in.ID)
		if err != nil {
			return nil, err
		}
		file, err := s.Table(r.Report)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			hc.SetHeader("Content-Type", "text/csv; charset=utf-8; header=present")
			hc.SetHeader("Content-Disposition", `attachment; filename="role-drift.csv"`)
			hc.SetHeader("Cache-Control", "private, no-store")
			_, _ = hc.BodyWriter().Write(file) // whoever asked has gone
		}}, nil
	}))
}
