package schedule

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type oneID struct {
	ID string `path:"id" maxLength:"64"`
}

type createInput struct {
	Body Definition `nameHint:"ScheduleDefinition"`
}

type updateInput struct {
	ID   string     `path:"id" maxLength:"64"`
	Body Definition `nameHint:"ScheduleDefinition"`
}

type oneOutput struct {
	Location string `header:"Location"`
	Body     *Schedule
}

type listOutput struct {
	Body struct {
		Items []*Schedule `json:"items"`
	} `nameHint:"ScheduleList"`
}

type runOutput struct{ Body *Run }

type runsOutput struct {
	Body struct {
		Items []*Run `json:"items"`
	} `nameHint:"ScheduleRunList"`
}

type previewInput struct {
	Body struct {
		Timing Timing `json:"timing"`
	} `nameHint:"SchedulePreviewRequest"`
}

type previewOutput struct {
	Body struct {
		Times []time.Time `json:"times" doc:"The next five; none when it waits for an event"`
	} `nameHint:"SchedulePreview"`
}

// on makes an operation of something that a caller does to one schedule.
func on[T any](do func(ctx context.Context, by actor.Principal, id string) (T, error)) func(context.Context, *oneID) (T, error) {
	return func(ctx context.Context, in *oneID) (T, error) {
		by, err := actor.Require(ctx, actor.ExportsCreate)
		if err != nil {
			var none T
			return none, err
		}
		return do(ctx, by, in.ID)
	}
}

// Register adds the operations of schedules to an API.
func (s *Service) Register(a huma.API) {
	op := func(id, pattern, summary string, options ...api.Option) huma.Operation {
		return api.Op(id, pattern, summary, append([]api.Option{api.Needs(actor.ExportsCreate)}, options...)...)
	}
	shown := func(do func(context.Context, actor.Principal, string) (*Schedule, error)) func(context.Context, *oneID) (*oneOutput, error) {
		return on(func(ctx context.Context, by actor.Principal, id string) (*oneOutput, error) {
			c, err := do(ctx, by, id)
			return &oneOutput{Body: c}, err
		})
	}
	huma.Register(a, op("create-schedule", "POST /api/schedules", "Set up a schedule", api.Status(http.StatusCreated), api.Errors(400, 403, 409),
		api.Describe("Makes the same export again and again, each time of another period. It runs with the rights that you have on that day, and never with more than now.")), s.create)
	huma.Register(a, op("list-schedules", "GET /api/schedules", "List schedules"), func(ctx context.Context, _ *struct{}) (*listOutput, error) {
		by, err := actor.Require(ctx, actor.ExportsCreate)
		if err != nil {
			return nil, err
		}
		out := &listOutput{}
		out.Body.Items, err = s.List(ctx, by)
		return out, err
	})
	huma.Register(a, op("preview-schedule", "POST /api/schedules/preview", "Show when a schedule would be due", api.Errors(400)), s.preview)
	huma.Register(a, op("get-schedule", "GET /api/schedules/{id}", "Show a schedule", api.Errors(404)), shown(s.Get))
	huma.Register(a, op("update-schedule", "PUT /api/schedules/{id}", "Change a schedule", api.Errors(400, 403, 404),
		api.Describe("It then runs with your rights, and not with those of whoever set it up.")), s.update)
	huma.Register(a, op("delete-schedule", "DELETE /api/schedules/{id}", "Delete a schedule", api.Status(http.StatusNoContent), api.Errors(404), api.Describe("Exports that it made stay.")),
		on(func(ctx context.Context, by actor.Principal, id string) (*struct{}, error) {
			return nil, s.Delete(ctx, by, id)
		}))
	huma.Register(a, op("pause-schedule", "POST /api/schedules/{id}/pause", "Pause a schedule", api.Errors(404)), shown(s.Pause))
	huma.Register(a, op("resume-schedule", "POST /api/schedules/{id}/resume", "Let a schedule go on", api.Errors(404), api.Describe("With its next time; what was due meanwhile is not made up for.")), shown(s.Resume))
	huma.Register(a, op("run-schedule", "POST /api/schedules/{id}/run", "Run a schedule now", api.Status(http.StatusAccepted), api.Errors(404)),
		on(func(ctx context.Context, by actor.Principal, id string) (*runOutput, error) {
			r, err := s.RunNow(ctx, by, id)
			return &runOutput{Body: r}, err
		}))
	huma.Register(a, op("list-schedule-runs", "GET /api/schedules/{id}/runs", "Show the history of a schedule", api.Errors(404), api.Describe("The newest 100 runs.")),
		on(func(ctx context.Context, by actor.Principal, id string) (*runsOutput, error) {
			out := &runsOutput{}
			var err error
			out.Body.Items, err = s.Runs(ctx, by, id)
			return out, err
		}))
}

func (s *Service) create(ctx context.Context, in *createInput) (*oneOutput, error) {
	by, err := actor.Require(ctx, actor.ExportsCreate)
	if err != nil {
		return nil, err
	}
	if by.Unmasked() {
		if err := api.NeedStepUp(ctx); err != nil {
			return nil, err
		}
	}
	c, err := s.Create(ctx, by, in.Body)
	if err != nil {
		return nil, err
	}
	return &oneOutput{Location: "/api/schedules/" + c.ID, Body: c}, nil
}

func (s *Service) update(ctx context.Context, in *updateInput) (*oneOutput, error) {
	by, err := actor.Require(ctx, actor.ExportsCreate)
	if err != nil {
		return nil, err
	}
	if by.Unmasked() {
		if err := api.NeedStepUp(ctx); err != nil {
			return nil, err
		}
	}
	c, err := s.Update(ctx, by, in.ID, in.Body)
	return &oneOutput{Body: c}, err
}

func (s *Service) preview(ctx context.Context, in *previewInput) (*previewOutput, error) {
	by, err := actor.Require(ctx, actor.ExportsCreate)
	if err != nil {
		return nil, err
	}
	out := &previewOutput{}
	out.Body.Times, err = s.Preview(ctx, by, in.Body.Timing)
	return out, err
}
