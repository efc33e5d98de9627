package link

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
)

type oneOutput struct{ Body *Link }

type listOutput struct {
	Body struct {
		Items []*Link `json:"items"`
	} `nameHint:"DownloadLinkList"`
}

type exportID struct {
	ID string `path:"id" maxLength:"64"`
}

type exportLink struct {
	ID   string `path:"id" maxLength:"64"`
	Link string `path:"link" maxLength:"64"`
}

type aboutInput struct {
	Body struct {
		Token string `json:"token" maxLength:"200" writeOnly:"true" doc:"What follows # in the address"`
	} `nameHint:"DownloadToken"`
}

type aboutOutput struct {
	Body struct {
		FileName  string    `json:"file_name"`
		Bytes     int64     `json:"bytes" format:"int53"`
		SHA256    string    `json:"sha256"`
		ExpiresAt time.Time `json:"expires_at"`
	} `nameHint:"Download"`
}

type redeemInput struct {
	RawBody []byte `contentType:"application/x-www-form-urlencoded"`
}

// Register adds the operations of links to an API.
func (s *Service) Register(a huma.API) {
	huma.Register(a, api.Op("create-export-link", "POST /api/exports/{id}/links", "Make a download link for an export", api.Needs(actor.ExportsCreate), api.Status(http.StatusCreated), api.Errors(404, 409),
		api.Describe("Whoever has the link can take the file until it expires, after 24 hours at the latest, or is revoked. Its address is in this answer only. It leads to a page that asks for a "+
			"click, so that scanners of mail and previews take nothing.")),
		func(ctx context.Context, in *exportID) (*oneOutput, error) {
			by, err := actor.Require(ctx, actor.ExportsCreate)
			if err != nil {
				return nil, err
			}
			if by.Unmasked() {
				if err := api.NeedStepUp(ctx); err != nil {
					return nil, err
				}
			}
			l, err := s.Create(ctx, by, "export", in.ID)
			return &oneOutput{Body: l}, err
		})
	huma.Register(a, api.Op("list-export-links", "GET /api/exports/{id}/links", "List the download links of an export", api.Needs(actor.ExportsCreate), api.Errors(404)),
		func(ctx context.Context, in *exportID) (*listOutput, error) {
			by, err := actor.Require(ctx, actor.ExportsCreate)
			if err != nil {
				return nil, err
			}
			out := &listOutput{}
			out.Body.Items, err = s.List(ctx, by, "export", in.ID)
			return out, err
		})
	huma.Register(a, api.Op("revoke-export-link", "DELETE /api/exports/{id}/links/{link}", "Revoke a download link", api.Needs(actor.ExportsCreate), api.Status(http.StatusNoContent), api.Errors(404)),
		func(ctx context.Context, in *exportLink) (*struct{}, error) {
			by, err := actor.Require(ctx, actor.ExportsCreate)
			if err != nil {
				return nil, err
			}
			return nil, s.Revoke(ctx, by, "export", in.ID, in.Link)
		})
	huma.Register(a, api.Op("show-download", "POST /api/downloads/about", "Show what a download link leads to", api.Anonymous(), api.MaxBody(4<<10), api.Errors(404, 429), api.Describe("Counts as no download.")), s.about)
	redeem := api.Op("download", "POST /api/downloads", "Take the file of a download link", api.Anonymous(), api.Streaming(), api.MaxBody(4<<10), api.Errors(404, 429),
		api.Describe("The token is a field of a form, so that a page can start a download with it and it stands in no address. Each download is recorded as an event."))
	redeem.Responses = map[string]*huma.Response{"200": {Description: "The file", Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}
	huma.Register(a, redeem, s.redeem)
}

func (s *Service) about(ctx context.Context, in *aboutInput) (*aboutOutput, error) {
	f, expires, err := s.About(ctx, in.Body.Token)
	if err != nil {
		return nil, err
	}
	out := &aboutOutput{}
	out.Body.FileName, out.Body.Bytes, out.Body.SHA256, out.Body.ExpiresAt = f.Name, f.Bytes, f.SHA256, expires
	return out, nil
}

func (s *Service) redeem(ctx context.Context, in *redeemInput) (*huma.StreamResponse, error) {
	form, err := url.ParseQuery(string(in.RawBody))
	if err != nil || form.Get("token") == "" {
		return nil, errs.New(errs.Invalid, "Send the link's token as the form field token: what follows # in its address.")
	}
	f, body, err := s.Redeem(ctx, form.Get("token"))
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer body.Close()
		hc.SetHeader("Content-Type", f.ContentType)
		hc.SetHeader("Content-Disposition", `attachment; filename="`+f.Name+`"`)
		hc.SetHeader("Content-Length", strconv.FormatInt(f.Bytes, 10))
		hc.SetHeader("Cache-Control", "private, no-store")
		hc.SetHeader("X-Content-Type-Options", "nosniff")
		hc.SetHeader("ETag", `"`+f.SHA256+`"`)
		hc.SetStatus(http.StatusOK)
		if _, err := io.Copy(hc.BodyWriter(), body); err != nil {
			s.o.Logger.WarnContext(ctx, "a download by link ended early", "error", err)
		}
	}}, nil
}
