package app

import (
	"context"
	"os"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/access/masking"
	"probity.dev/catalog/field"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
)

// Policies are what the installation regards as personal and what each role sees of it: the operator's files over what is built in.
type Policies struct {
	// Rules say which fields are personal; the first that matches decides. The first Own are the operator's.
	Rules []field.Rule
	Own   int
	// Masking says what each role sees.
	Masking masking.Policy

	catalogue *field.Catalogue
}

// LoadPolicies reads the files that cfg names. Errors name the file and the line.
func LoadPolicies(cfg *config.Config) (*Policies, error) {
	p := &Policies{Masking: masking.Builtin(), catalogue: field.Builtin()}
	if cfg.CatalogFile != "" {
		text, err := readPolicy(cfg.CatalogFile, field.MaxCatalogueBytes)
		if err != nil {
			return nil, err
		}
		if p.catalogue, p.Rules, err = field.ParseFile(cfg.CatalogFile, text); err != nil {
			return nil, err
		}
	}
	p.Own = len(p.Rules)
	p.Rules = append(p.Rules, field.BuiltinRules()...)
	if cfg.MaskingFile != "" {
		text, err := readPolicy(cfg.MaskingFile, masking.MaxPolicyBytes)
		if err != nil {
			return nil, err
		}
		if p.Masking, err = masking.ParseFile(cfg.MaskingFile, text, actor.Roles()); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func readPolicy(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > limit {
		return nil, errs.New(errs.Invalid, "%s: the file has %d bytes, more than the %d that are read", path, info.Size(), limit)
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "%v", err)
	}
	return text, nil
}

// RuleView is a rule of the field catalogue as it is shown.
type RuleView struct {
	Action   string `json:"action" yaml:"action,omitempty"`
	Path     string `json:"path" yaml:"path"`
	Category string `json:"category,omitempty" yaml:"category,omitempty"`
	Kind     string `json:"kind" yaml:"kind" enum:"operational,checked,personal,unknown"`
	Builtin  bool   `json:"builtin" yaml:"-" doc:"The product's own rule, not the operator's"`
}

// CatalogView is the field catalogue in effect, in the form of its file.
type CatalogView struct {
	Rules []RuleView `json:"rules" yaml:"rules"`
}

// Catalog shows the field catalogue in effect: the first rule that matches decides.
func (p *Policies) Catalog() CatalogView {
	out := CatalogView{Rules: []RuleView{}}
	for i, r := range p.Rules {
		v := RuleView{Action: r.Action, Path: r.Path, Category: r.Category, Kind: r.Kind, Builtin: i >= p.Own}
		if v.Action == "" {
			v.Action = "*"
		}
		if v.Kind == "" {
			v.Kind = "personal"
		}
		out.Rules = append(out.Rules, v)
	}
	return out
}

// RoleView is what a role sees, as it is shown.
type RoleView struct {
	Unmasked   bool              `json:"unmasked" yaml:"unmasked" doc:"sees values as they are"`
	Nothing    bool              `json:"nothing" yaml:"nothing" doc:"sees no field at all"`
	Default    string            `json:"default" yaml:"default" doc:"mask of personal categories that are not listed"`
	Unknown    string            `json:"unknown" yaml:"unknown" doc:"mask of text that nobody has classified"`
	Categories map[string]string `json:"categories" yaml:"categories" doc:"masks by data category; a category covers those below it, the longest match applies"`
}

// MaskingView is the masking policy in effect, in the form of its file.
type MaskingView struct {
	Roles map[string]RoleView `json:"roles" yaml:"roles"`
}

// Masks shows the masking policy in effect.
func (p *Policies) Masks() MaskingView {
	out := MaskingView{Roles: map[string]RoleView{}}
	for name, r := range p.Masking.Roles {
		v := RoleView{Unmasked: r.Unmasked, Nothing: r.Nothing, Default: r.Default.String(), Unknown: r.Unknown.String(), Categories: map[string]string{}}
		for c, m := range r.Categories {
			v.Categories[c] = m.String()
		}
		out.Roles[name] = v
	}
	return out
}

// Register adds the operation that shows the field catalogue to those who manage settings.
func (p *Policies) Register(a *api.API) {
	needs := api.Needs(actor.SettingsManage)
	huma.Register(a, api.Op("get-catalog", "GET /api/settings/catalog", "Which fields are personal", needs,
		api.Describe("The field catalogue in effect: the rules of the operator's file, then the built-in ones. The first that matches an event's action and a field's path decides; without a match the field's name and value do.")),
		func(context.Context, *struct{}) (*catalogOutput, error) { return &catalogOutput{p.Catalog()}, nil })
}

type catalogOutput struct{ Body CatalogView }
