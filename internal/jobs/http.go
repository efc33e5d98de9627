package jobs

import (
	"context"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
)

type jobOutput struct {
	Body *Job
}

type listInput struct {
	State  string `query:"state" enum:"scheduled,queued,running,retrying,done,cancelled,dead" doc:"Only jobs in this state"`
	Kind   string `query:"kind" maxLength:"100" doc:"Only jobs of this kind"`
	Limit  int32  `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before"`
}

type listOutput struct {
	Body struct {
		Items      []*Job `json:"items"`
		NextCursor string `json:"next_cursor,omitempty" doc:"Absent on the last page"`
	} `nameHint:"JobList"`
}

type jobID struct {
	ID int64 `path:"id" format:"int53" minimum:"1"`
}

// Register adds the operations of jobs to an API. They need the permissions jobs.view and jobs.manage; a caller sees the jobs of its tenant.
func (s *Service) Register(a huma.API) {
	huma.Register(a, api.Op("list-jobs", "GET /api/jobs", "List background jobs", api.Needs(actor.JobsView), api.Errors(400),
		api.Describe("Newest first. Jobs that have ended are kept for a week, dead letters for 90 days.")), s.list)
	huma.Register(a, api.Op("get-job", "GET /api/jobs/{id}", "Show a job and its progress", api.Needs(actor.JobsView), api.Errors(404)),
		func(ctx context.Context, in *jobID) (*jobOutput, error) {
			by, err := actor.Require(ctx, actor.JobsView)
			if err != nil {
				return nil, err
			}
			j, err := s.Get(ctx, by.TenantID, in.ID)
			return &jobOutput{Body: j}, err
		})
	huma.Register(a, api.Op("cancel-job", "POST /api/jobs/{id}/cancel", "Cancel a job", api.Needs(actor.JobsManage), api.Errors(404, 409),
		api.Describe("A job that runs is told to stop; it is cancelled once it has.")), s.changing(s.Cancel))
	huma.Register(a, api.Op("retry-job", "POST /api/jobs/{id}/retry", "Replay a dead letter, or run a job that waits now", api.Needs(actor.JobsManage), api.Errors(404, 409)), s.changing(s.Retry))
	huma.Register(a, api.Op("delete-job", "DELETE /api/jobs/{id}", "Delete a dead letter", api.Needs(actor.JobsManage), api.Status(http.StatusNoContent), api.Errors(404, 409)),
		func(ctx context.Context, in *jobID) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.JobsManage)
			if err != nil {
				return nil, err
			}
			return nil, s.Delete(ctx, by, in.ID)
		})
}

// changing is the handler of what somebody does to one job.
func (s *Service) changing(do func(context.Context, actor.Principal, int64) (*Job, error)) func(context.Context, *jobID) (*jobOutput, error) {
	return func(ctx context.Context, in *jobID) (*jobOutput, error) {
		by, err := actor.Require(ctx, actor.JobsManage)
		if err != nil {
			return nil, err
		}
		j, err := do(ctx, by, in.ID)
		return &jobOutput{Body: j}, err
	}
}

func (s *Service) list(ctx context.Context, in *listInput) (*listOutput, error) {
	by, err := actor.Require(ctx, actor.JobsView)
	if err != nil {
		return nil, err
	}
	f := Filter{State: in.State, Kind: in.Kind, Limit: int(in.Limit)}
	if in.Cursor != "" {
		if f.Before, err = strconv.ParseInt(in.Cursor, 10, 53); err != nil || f.Before < 1 {
			return nil, errs.Field("/cursor", "invalid", "this is not a cursor; use the next_cursor of the page before")
		}
	}
	list, more, err := s.List(ctx, by.TenantID, f)
	if err != nil {
		return nil, err
	}
	out := &listOutput{}
	if out.Body.Items = list; more {
		out.Body.NextCursor = strconv.FormatInt(list[len(list)-1].ID, 10)
	}
	return out, nil
}
