package export

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
)

type createInput struct {
	Body struct {
		Format    string   `json:"format" enum:"csv,json,ndjson,pdf,parquet,ocsf,bundle"`
		Filter    Filter   `json:"filter,omitempty"`
		Title     string   `json:"title,omitempty" maxLength:"200" doc:"Heads a PDF report"`
		Columns   []string `json:"columns,omitempty" maxItems:"64" doc:"Columns of csv and pdf; json and ndjson write flat objects of just these"`
		Proof     string   `json:"proof,omitempty" enum:"range,inclusion" doc:"For a bundle: prove that nothing of the range is missing (the default), or only each event"`
		Epoch     *int64   `json:"epoch,omitempty" minimum:"0" doc:"For a bundle: the epoch of the log, where a lossy restore has left several; by default the present one, or an earlier one that holds all of the period of recorded_at"`
		BOM       bool     `json:"bom,omitempty" doc:"Start CSV with a byte order mark, which some spreadsheets need"`
		Delimiter string   `json:"delimiter,omitempty" maxLength:"1" doc:"Of CSV: a comma (the default), semicolon, tab or bar"`
	} `nameHint:"ExportRequest"`
}

type exportOutput struct {
	Location string `header:"Location"`
	Body     *Export
}

type listOutput struct {
	Body struct {
		Items []*Export `json:"items"`
	} `nameHint:"ExportList"`
}

type exportID struct {
	ID string `path:"id" maxLength:"64"`
}

// Register adds the operations of exports to an API.
func (s *Service) Register(a huma.API) {
	huma.Register(a, api.Op("create-export", "POST /api/exports", "Ask for an export", api.Needs(actor.ExportsCreate), api.Status(http.StatusAccepted),
		api.Errors(400, 403, 429), api.Describe("Queues an export of the events that the filter selects. A background job writes the file; ask for the export to follow it. "+
			"The file can be downloaded for 24 hours. Who reads personal values as they are must have stepped up lately (401, `…#problem-step_up_required`). A PDF report holds at most "+strconv.Itoa(MaxPDFRows)+" rows.")), s.create)
	huma.Register(a, api.Op("list-exports", "GET /api/exports", "List exports", api.Needs(actor.ExportsCreate)),
		func(ctx context.Context, _ *struct{}) (*listOutput, error) {
			by, err := actor.Require(ctx, actor.ExportsCreate)
			if err != nil {
				return nil, err
			}
			out := &listOutput{}
			out.Body.Items, err = s.List(ctx, by)
			return out, err
		})
	huma.Register(a, api.Op("get-export", "GET /api/exports/{id}", "Show an export and its progress", api.Needs(actor.ExportsCreate), api.Errors(404)),
		func(ctx context.Context, in *exportID) (*exportOutput, error) {
			by, err := actor.Require(ctx, actor.ExportsCreate)
			if err != nil {
				return nil, err
			}
			e, err := s.Get(ctx, by, in.ID)
			return &exportOutput{Body: e}, err
		})
	huma.Register(a, api.Op("cancel-export", "DELETE /api/exports/{id}", "Cancel an export, or delete its file", api.Needs(actor.ExportsCreate),
		api.Status(http.StatusNoContent), api.Errors(404, 409)),
		func(ctx context.Context, in *exportID) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.ExportsCreate)
			if err != nil {
				return nil, err
			}
			return nil, s.Cancel(ctx, by, in.ID)
		})
	download := api.Op("download-export", "GET /api/exports/{id}/file", "Download the file of an export", api.Needs(actor.ExportsCreate), api.Streaming(),
		api.Errors(404, 409), api.Describe("Each download is recorded as an event."))
	download.Responses = map[string]*huma.Response{"200": {Description: "The file", Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}
	huma.Register(a, download, s.download)
	s.registerCompliance(a)
}

func (s *Service) create(ctx context.Context, in *createInput) (*exportOutput, error) {
	by, err := actor.Require(ctx, actor.ExportsCreate)
	if err != nil {
		return nil, err
	}
	if by.Unmasked() {
		if err := api.NeedStepUp(ctx); err != nil {
			return nil, err
		}
	}
	b := &in.Body
	e, err := s.Create(ctx, by, Request{Format: b.Format, Filter: b.Filter, Title: b.Title, Columns: b.Columns, Proof: b.Proof, Epoch: b.Epoch, BOM: b.BOM, Delimiter: b.Delimiter})
	if err != nil {
		return nil, err
	}
	return &exportOutput{Location: "/api/exports/" + e.ID, Body: e}, nil
}

func (s *Service) download(ctx context.Context, in *exportID) (*huma.StreamResponse, error) {
	by, err := actor.Require(ctx, actor.ExportsCreate)
	if err != nil {
		return nil, err
	}
	e, body, err := s.Download(ctx, by, in.ID)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer body.Close()
		hc.SetHeader("ETag", `"`+e.SHA256+`"`)
		fileHeaders(hc, ContentType(e.Format), e.FileName, e.Bytes)
		if _, err := io.Copy(hc.BodyWriter(), body); err != nil {
			s.o.Logger.WarnContext(ctx, "a download ended early", "export", e.ID, "error", err)
		}
	}}, nil
}

func fileHeaders(hc huma.Context, contentType, name string, size int64) {
	hc.SetHeader("Content-Type", contentType)
	hc.SetHeader("Content-Disposition", `attachment; filename="`+name+`"`)
	hc.SetHeader("Content-Length", strconv.FormatInt(size, 10))
	hc.SetHeader("Cache-Control", "private, no-store")
	hc.SetHeader("X-Content-Type-Options", "nosniff")
	hc.SetStatus(http.StatusOK)
}

type complianceInput struct {
	Body struct {
		StartDate *string  `json:"start_date,omitempty" doc:"First day or moment, included; a date means the whole day in the organisation's time zone"`
		EndDate   *string  `json:"end_date,omitempty" doc:"Last day or moment, included"`
		UserIDs   []string `json:"user_ids,omitempty" doc:"Only what these users did; none means all"`
		Actions   []string `json:"actions,omitempty" doc:"Only these actions; globs such as invoice.* are understood; none means all"`
		Format    *string  `json:"format,omitempty" enum:"csv,json,pdf" default:"csv"`
	} `nameHint:"ComplianceLogRequest"`
}

func (s *Service) registerCompliance(a huma.API) {
	op := api.Op("export-compliance-logs", "POST /api/export-compliance-logs", "Export the compliance log", api.Needs(actor.ExportsCreate), api.Streaming(),
		api.Errors(400, 403), api.Describe("Timestamp, user (by pseudonym), action and resource of events. Bounds are included, and an empty string or list is no filter. "+
			"Up to 10 MiB come at once; a larger log becomes an export, and the answer is 202 with that export."))
	// Clients send null, "" and [] for "no filter", so members are checked here and not by their schema.
	op.SkipValidateBody = true
	binary := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	op.Responses = map[string]*huma.Response{
		"200": {Description: "The log", Content: map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}},
			"application/json": {Schema: &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
				"timestamp": {Type: huma.TypeString, Format: "date-time"}, "user_id": {Type: huma.TypeString, Nullable: true},
				"action": {Type: huma.TypeString}, "resource": {Type: huma.TypeString, Nullable: true}}}}},
			"application/pdf": {Schema: binary}}},
		"202": {Description: "The log is larger than 10 MiB; this export will hold it", Content: map[string]*huma.MediaType{
			"application/json": {Schema: a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Export](), true, "Export")}}},
	}
	huma.Register(a, op, s.compliance)
}

func (s *Service) compliance(ctx context.Context, in *complianceInput) (*huma.StreamResponse, error) {
	by, err := actor.Require(ctx, actor.ExportsCreate)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	log, err := s.Compliance(ctx, by, ComplianceRequest{StartDate: deref(b.StartDate), EndDate: deref(b.EndDate), UserIDs: b.UserIDs, Actions: b.Actions, Format: deref(b.Format)})
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		if log.Export != nil {
			hc.SetHeader("Content-Type", "application/json")
			hc.SetHeader("Location", "/api/exports/"+log.Export.ID)
			hc.SetStatus(http.StatusAccepted)
			_ = json.NewEncoder(hc.BodyWriter()).Encode(log.Export) // the client may be gone
			return
		}
		fileHeaders(hc, log.ContentType, log.FileName, int64(len(log.Body)))
		_, _ = hc.BodyWriter().Write(log.Body) // the client may be gone
	}}, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
