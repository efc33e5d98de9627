package disclosure

import (
	"context"
	"maps"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/access/masking"
	"probity.dev/internal/actor"
	"probity.dev/internal/api"
	"probity.dev/internal/errs"
)

// RoleMasks is what a role sees, as the HTTP interface says it.
type RoleMasks struct {
	Unmasked   bool              `json:"unmasked" doc:"Sees values as they are, with the permission ledger.view_unmasked"`
	Nothing    bool              `json:"nothing" doc:"Sees no field at all"`
	Default    string            `json:"default" doc:"Mask of personal categories that are not listed"`
	Unknown    string            `json:"unknown" doc:"Mask of text that nobody has classified"`
	Categories map[string]string `json:"categories" doc:"Masks by data category; a category covers those below it, the longest match applies"`
}

// PurposeMasks is a purpose, as the HTTP interface says it.
type PurposeMasks struct {
	Label    string                       `json:"label" maxLength:"100"`
	Unlinked bool                         `json:"unlinked" doc:"Has pseudonyms of its own, and hides handles"`
	Masks    map[string]string            `json:"masks,omitempty" doc:"Apply to every role, if they show less than the role's own"`
	Roles    map[string]map[string]string `json:"roles,omitempty" doc:"Replace the masks of single roles"`
}

// View is the policy in force.
type View struct {
	Version        int64                   `json:"version" format:"int53" doc:"0 while the tenant has decided nothing; send it back with a change"`
	Roles          map[string]RoleMasks    `json:"roles"`
	Purposes       map[string]PurposeMasks `json:"purposes"`
	RequirePurpose bool                    `json:"require_purpose" doc:"Values are shown as they are only to those who say what for"`
	Own            []string                `json:"own" doc:"Roles for which the tenant has decided itself"`
	Masks          []string                `json:"masks" doc:"The masks that there are, from the one that shows most"`
}

type viewOutput struct {
	Body View `nameHint:"MaskingPolicy"`
}

type setInput struct {
	Body struct {
		Version        int64                   `json:"version" format:"int53" minimum:"0" doc:"The version that is replaced"`
		Roles          map[string]RoleMasks    `json:"roles,omitempty" doc:"Roles for which the tenant decides itself; the others are masked as the operator's policy says"`
		Purposes       map[string]PurposeMasks `json:"purposes,omitempty" doc:"Purposes that the tenant adds or replaces"`
		RequirePurpose bool                    `json:"require_purpose,omitempty"`
		Reason         string                  `json:"reason,omitempty" maxLength:"500" doc:"Why; it is recorded"`
	} `nameHint:"MaskingPolicyChange"`
}

type versionsOutput struct {
	Body struct {
		Items []versionView `json:"items"`
	} `nameHint:"MaskingPolicyVersions"`
}

type versionView struct {
	Version   int64    `json:"version" format:"int53"`
	ChangedBy string   `json:"changed_by"`
	ChangedAt string   `json:"changed_at" format:"date-time"`
	Roles     []string `json:"roles" doc:"Roles for which the tenant had decided itself"`
	Purposes  []string `json:"purposes"`
}

type purposeName struct {
	Name  string `json:"name"`
	Label string `json:"label"`
}

type purposesOutput struct {
	Body struct {
		Items    []purposeName `json:"items"`
		Required bool          `json:"required" doc:"Values are shown as they are only to those who say what for"`
	} `nameHint:"Purposes"`
}

type previewInput struct {
	Body struct {
		Role     string     `json:"role" maxLength:"64"`
		Masks    *RoleMasks `json:"masks,omitempty" doc:"Instead of those in force"`
		Purpose  string     `json:"purpose,omitempty" maxLength:"40"`
		Unmasked bool       `json:"unmasked,omitempty" doc:"As somebody who asks to see values as they are"`
	} `nameHint:"MaskingPreviewRequest"`
}

// Sample is what becomes of a made-up value.
type Sample struct {
	Category string `json:"category"`
	Label    string `json:"label"`
	Value    string `json:"value"`
	Shown    string `json:"shown" doc:"Empty when it is withheld"`
	Mask     string `json:"mask"`
}

type previewOutput struct {
	Body struct {
		Items []Sample `json:"items"`
	} `nameHint:"MaskingPreview"`
}

func (s *Service) view(ctx context.Context, tenant string) (v View, err error) {
	p, version, err := s.Policy(ctx, tenant)
	if err != nil {
		return v, err
	}
	own, err := s.newest(ctx, tenant)
	if err != nil {
		return v, err
	}
	v = View{Version: version, Roles: map[string]RoleMasks{}, Purposes: map[string]PurposeMasks{}, RequirePurpose: p.RequirePurpose, Own: slices.Sorted(maps.Keys(own.Roles)), Masks: masking.Masks()}
	if v.Own == nil {
		v.Own = []string{}
	}
	for name, r := range p.Roles {
		v.Roles[name] = RoleMasks{Unmasked: r.Unmasked, Nothing: r.Nothing, Default: r.Default.String(), Unknown: r.Unknown.String(), Categories: words(r.Categories)}
	}
	for name, x := range p.Purposes {
		m := PurposeMasks{Label: x.Label, Unlinked: x.Unlinked, Masks: words(x.Masks), Roles: map[string]map[string]string{}}
		for role, masks := range x.Roles {
			m.Roles[role] = words(masks)
		}
		v.Purposes[name] = m
	}
	return v, nil
}

func words(masks map[string]masking.Mask) map[string]string {
	out := map[string]string{}
	for c, m := range masks {
		out[c] = m.String()
	}
	return out
}

func masksOf(pointer string, in map[string]string) (map[string]masking.Mask, error) {
	out := map[string]masking.Mask{}
	for c, name := range in {
		var m masking.Mask
		if err := m.UnmarshalText([]byte(name)); err != nil {
			return nil, errs.Field(pointer, "unknown", "There is no such mask; use one of %q.", masking.Masks())
		}
		out[c] = m
	}
	return out, nil
}

func (r *RoleMasks) role(name string) (out masking.Role, err error) {
	out = masking.Role{Unmasked: r.Unmasked, Nothing: r.Nothing}
	both, err := masksOf("/roles/"+name, map[string]string{"default": r.Default, "unknown": r.Unknown})
	if err != nil {
		return out, err
	}
	out.Default, out.Unknown = both["default"], both["unknown"]
	out.Categories, err = masksOf("/roles/"+name+"/categories", r.Categories)
	return out, err
}

func (in *setInput) own() (o Own, err error) {
	o = Own{RequirePurpose: in.Body.RequirePurpose, Roles: map[string]masking.Role{}, Purposes: map[string]masking.Purpose{}}
	for name, r := range in.Body.Roles {
		if o.Roles[name], err = r.role(name); err != nil {
			return o, err
		}
	}
	for name, x := range in.Body.Purposes {
		p := masking.Purpose{Label: x.Label, Unlinked: x.Unlinked, Roles: map[string]map[string]masking.Mask{}}
		if p.Masks, err = masksOf("/purposes/"+name, x.Masks); err != nil {
			return o, err
		}
		for role, masks := range x.Roles {
			if p.Roles[role], err = masksOf("/purposes/"+name, masks); err != nil {
				return o, err
			}
		}
		o.Purposes[name] = p
	}
	return o, nil
}

// Register adds the operations of the masking policy to the API.
func (s *Service) Register(a *api.API) {
	manage := api.Needs(actor.SettingsManage)
	huma.Register(a, api.Op("get-masking", "GET /api/settings/masking", "What each role sees", manage,
		api.Describe("The masking policy in force: what the tenant has decided over the operator's policy over the built-in one.")),
		func(ctx context.Context, _ *struct{}) (*viewOutput, error) {
			p, err := actor.Require(ctx, actor.SettingsManage)
			if err != nil {
				return nil, err
			}
			v, err := s.view(ctx, p.TenantID)
			return &viewOutput{v}, err
		})
	huma.Register(a, api.Op("set-masking", "PUT /api/settings/masking", "Decide what roles see", manage, api.StepUp(), api.MaxBody(1<<20), api.Errors(400, 403, 409),
		api.Describe("Replaces what the tenant has decided. Each change is a version and an event. It holds at once here, and within half a second on other servers.")),
		func(ctx context.Context, in *setInput) (*viewOutput, error) {
			p, err := actor.Require(ctx, actor.SettingsManage)
			if err != nil {
				return nil, err
			}
			o, err := in.own()
			if err != nil {
				return nil, err
			}
			if _, err := s.Set(ctx, p, o, in.Body.Version, in.Body.Reason); err != nil {
				return nil, err
			}
			v, err := s.view(ctx, p.TenantID)
			return &viewOutput{v}, err
		})
	huma.Register(a, api.Op("list-masking-versions", "GET /api/settings/masking/versions", "List the versions of the masking policy", manage, api.Describe("The newest 100, newest first.")), s.versions)
	huma.Register(a, api.Op("list-purposes", "GET /api/settings/masking/purposes", "List what data may be read for", api.Describe("For the header `"+api.PurposeHeader+"`.")), s.purposes)
	huma.Register(a, api.Op("preview-masking", "POST /api/settings/masking/preview", "Show what a role would see of made-up values", manage, api.MaxBody(64<<10), api.Errors(400)), s.preview)
}

func (s *Service) versions(ctx context.Context, _ *struct{}) (*versionsOutput, error) {
	p, err := actor.Require(ctx, actor.SettingsManage)
	if err != nil {
		return nil, err
	}
	list, err := s.Versions(ctx, p)
	out := &versionsOutput{}
	out.Body.Items = []versionView{}
	for _, v := range list {
		out.Body.Items = append(out.Body.Items, versionView{v.Version, v.ChangedBy, v.ChangedAt.Format("2006-01-02T15:04:05.000000Z07:00"), named(v.Roles), named(v.Purposes)})
	}
	return out, err
}

func named[T any](m map[string]T) []string { return append([]string{}, slices.Sorted(maps.Keys(m))...) }

func (s *Service) purposes(ctx context.Context, _ *struct{}) (*purposesOutput, error) {
	p, err := actor.Require(ctx, "")
	if err != nil {
		return nil, err
	}
	policy, _, err := s.Policy(ctx, p.TenantID)
	out := &purposesOutput{}
	out.Body.Items, out.Body.Required = []purposeName{}, policy.RequirePurpose
	for _, name := range slices.Sorted(maps.Keys(policy.Purposes)) {
		out.Body.Items = append(out.Body.Items, purposeName{name, policy.Purposes[name].Label})
	}
	return out, err
}

// samples are made-up values of every kind.
var samples = []Sample{
	{Category: "user.name", Label: "Name", Value: "Ana Horvat"},
	{Category: "user.contact.email", Label: "E-mail", Value: "ana.horvat@example.com"},
	{Category: "user.contact.phone_number", Label: "Phone", Value: "+1 555 010 1234"},
	{Category: "user.contact.address.street", Label: "Street", Value: "12 Harbour Lane"},
	{Category: "user.contact.address.postal_code", Label: "Postal code", Value: "SW1A 1AA"},
	{Category: "user.unique_id", Label: "Id of a person", Value: "client-4711"},
	{Category: "user.financial.credit_card", Label: "Card", Value: "4242 4242 4242 4242"},
	{Category: "user.financial.account_number", Label: "IBAN", Value: "DE89 3704 0044 0532 0130 00"},
	{Category: "user.device.ip_address", Label: "IPv4 address", Value: "203.0.113.77"},
	{Category: "user.device.ip_address", Label: "IPv6 address", Value: "2001:db8:1:2::7"},
	{Category: "user.government_id", Label: "National id", Value: "536-90-4399"},
	{Category: "user.demographic.date_of_birth", Label: "Date of birth", Value: "1984-05-31"},
	{Category: "user.device", Label: "Device", Value: "Mozilla/5.0 (Windows NT 10.0)"},
	{Category: "user.health_and_medical", Label: "Health", Value: "seasonal allergy"},
	{Category: "user.content", Label: "Transcript", Value: "Dr. Ana Horvat called from +1 555 010 1234."},
	{Category: "unknown", Label: "Text that nobody has classified", Value: "Asked by ana.horvat@example.com"},
}

func (s *Service) preview(ctx context.Context, in *previewInput) (*previewOutput, error) {
	p, err := actor.Require(ctx, actor.SettingsManage)
	if err != nil {
		return nil, err
	}
	policy, _, err := s.Policy(ctx, p.TenantID)
	if err != nil {
		return nil, err
	}
	if _, ok := policy.Purposes[in.Body.Purpose]; in.Body.Purpose != "" && !ok {
		return nil, errs.Field("/purpose", "unknown", "There is no such purpose.")
	}
	if in.Body.Masks != nil {
		r, err := in.Body.Masks.role(in.Body.Role)
		if err != nil {
			return nil, err
		}
		policy.Roles = maps.Clone(policy.Roles)
		policy.Roles[in.Body.Role] = r
		if err := policy.Validate(); err != nil {
			return nil, err
		}
	}
	if _, ok := policy.Roles[in.Body.Role]; !ok {
		return nil, errs.Field("/role", "unknown", "There is no such role.")
	}
	// The key is nobody's: made-up values need no pseudonyms of the tenant.
	engine := masking.New(policy.For(in.Body.Purpose), [32]byte{}, masking.WithFinder(s.Find))
	out := &previewOutput{}
	for _, x := range samples {
		x.Shown, x.Mask = engine.Sample(in.Body.Role, in.Body.Unmasked, x.Category, x.Value)
		out.Body.Items = append(out.Body.Items, x)
	}
	return out, nil
}
