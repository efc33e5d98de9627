package httpapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/ledger/views"
)

func (h *Handlers) registerSettings(a *api.API) {
	read, write := api.Needs(actor.LedgerSearch), api.Needs(actor.SettingsManage)
	huma.Register(a, api.Op("get-settings", "GET /api/settings", "Settings of the log", read), h.getSettings)
	huma.Register(a, api.Op("put-settings", "PUT /api/settings", "Change the settings", write,
		api.Describe("The change is itself an event with the values before and after. Governance events cannot be switched off; retention is at least 6 months.")), h.putSettings)
	huma.Register(a, api.Op("list-custom-fields", "GET /api/custom-fields", "Custom fields", read), h.listFields)
	huma.Register(a, api.Op("add-custom-field", "POST /api/custom-fields", "Define a custom field", write, api.Status(http.StatusCreated)), h.addField)
	huma.Register(a, api.Op("put-custom-field", "PUT /api/custom-fields/{name}", "Change a custom field", write), h.putField)
	huma.Register(a, api.Op("delete-custom-field", "DELETE /api/custom-fields/{name}", "Remove a custom field's definition", write), h.deleteField)
	huma.Register(a, api.Op("list-views", "GET /api/views", "Your saved searches", read), h.listViews)
	huma.Register(a, api.Op("add-view", "POST /api/views", "Save a search", read, api.Status(http.StatusCreated)), h.addView)
	huma.Register(a, api.Op("delete-view", "DELETE /api/views/{id}", "Delete a saved search", read), h.deleteView)
}

type settingsBody struct {
	Body ledger.Settings
}

func (h *Handlers) getSettings(ctx context.Context, _ *struct{}) (*settingsBody, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	s, err := h.Ledger.Settings(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	return &settingsBody{Body: *s}, nil
}

func (h *Handlers) putSettings(ctx context.Context, in *settingsBody) (*settingsBody, error) {
	p, err := actor.Require(ctx, actor.SettingsManage)
	if err != nil {
		return nil, err
	}
	if err := h.Ledger.PutSettings(ctx, p.TenantID, &in.Body, By(p)); err != nil {
		return nil, err
	}
	return h.getSettings(ctx, nil)
}

type fieldsOutput struct {
	Body struct {
		Items []ledger.CustomField `json:"items"`
	}
}

type fieldBody struct {
	Body ledger.CustomField
}

func (h *Handlers) listFields(ctx context.Context, _ *struct{}) (*fieldsOutput, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	s, err := h.Ledger.Settings(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	out := &fieldsOutput{}
	out.Body.Items = append([]ledger.CustomField{}, s.Custom...)
	return out, nil
}

// changeFields applies a change to the list of definitions.
func (h *Handlers) changeFields(ctx context.Context, change func([]ledger.CustomField) ([]ledger.CustomField, error)) error {
	p, err := actor.Require(ctx, actor.SettingsManage)
	if err != nil {
		return err
	}
	s, err := h.Ledger.Settings(ctx, p.TenantID)
	if err != nil {
		return err
	}
	list, err := change(slices.Clone(s.Custom))
	if err != nil {
		return err
	}
	return h.Ledger.PutCustomFields(ctx, p.TenantID, list, By(p))
}

func position(list []ledger.CustomField, name string) int {
	return slices.IndexFunc(list, func(f ledger.CustomField) bool { return f.Name == name })
}

func (h *Handlers) addField(ctx context.Context, in *fieldBody) (*fieldBody, error) {
	err := h.changeFields(ctx, func(list []ledger.CustomField) ([]ledger.CustomField, error) {
		if position(list, in.Body.Name) >= 0 {
			return nil, errs.New(errs.Conflict, "a custom field of this name is defined")
		}
		return append(list, in.Body), nil
	})
	return in, err
}

type putFieldInput struct {
	Name string `path:"name"`
	Body ledger.CustomField
}

func (h *Handlers) putField(ctx context.Context, in *putFieldInput) (*fieldBody, error) {
	in.Body.Name = in.Name
	err := h.changeFields(ctx, func(list []ledger.CustomField) ([]ledger.CustomField, error) {
		i := position(list, in.Name)
		if i < 0 {
			return nil, errs.New(errs.NotFound, "there is no custom field of this name")
		}
		list[i] = in.Body
		return list, nil
	})
	return &fieldBody{Body: in.Body}, err
}

type nameInput struct {
	Name string `path:"name"`
}

func (h *Handlers) deleteField(ctx context.Context, in *nameInput) (*struct{}, error) {
	return nil, h.changeFields(ctx, func(list []ledger.CustomField) ([]ledger.CustomField, error) {
		i := position(list, in.Name)
		if i < 0 {
			return nil, errs.New(errs.NotFound, "there is no custom field of this name")
		}
		return slices.Delete(list, i, i+1), nil
	})
}

type viewsOutput struct {
	Body struct {
		Items []views.View `json:"items"`
	}
}

func (h *Handlers) listViews(ctx context.Context, _ *struct{}) (*viewsOutput, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	out := &viewsOutput{}
	out.Body.Items, err = h.Views.List(ctx, p.TenantID, p.ID())
	return out, err
}

type addViewInput struct {
	Body struct {
		Name  string `json:"name" minLength:"1" maxLength:"200"`
		Query string `json:"query" maxLength:"8000"`
	}
}

type viewOutput struct {
	Body views.View
}

func (h *Handlers) addView(ctx context.Context, in *addViewInput) (*viewOutput, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	v, err := h.Views.Add(ctx, p.TenantID, p.ID(), in.Body.Name, in.Body.Query)
	return &viewOutput{Body: v}, err
}

type viewIDInput struct {
	ID string `path:"id"`
}

func (h *Handlers) deleteView(ctx context.Context, in *viewIDInput) (*struct{}, error) {
	p, err := actor.Require(ctx, actor.LedgerSearch)
	if err != nil {
		return nil, err
	}
	return nil, h.Views.Delete(ctx, p.TenantID, p.ID(), in.ID)
}
