package masking

import (
	"maps"
	"regexp"
	"slices"

	"probity.dev/internal/errs"
)

// Purpose is what a reader says the data is for. It takes away, and for single roles it may give: a role that helps customers may be shown names while it does.
type Purpose struct {
	// Label names the purpose for people.
	Label string `yaml:"label" json:"label"`
	// Unlinked gives the purpose pseudonyms of its own and hides handles, so that what is read for it cannot be put together with what is read for another.
	Unlinked bool `yaml:"unlinked" json:"unlinked"`
	// Masks apply to every role, to those that see everything too: the stronger of the role's mask and the purpose's.
	Masks map[string]Mask `yaml:"masks" json:"masks"`
	// Roles replace the masks of single roles by category.
	Roles map[string]map[string]Mask `yaml:"roles" json:"roles"`
}

// MaxPurposes bounds the purposes of a policy.
const MaxPurposes = 50

var purposeName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)

// builtinPurposes are those of the policy without configuration.
func builtinPurposes() map[string]Purpose {
	return map[string]Purpose{
		"operations":    {Label: "Daily work"},
		"investigation": {Label: "Investigation of an incident"},
		"legal":         {Label: "Legal obligation or claim"},
		"customer_care": {Label: "Helping a customer", Roles: map[string]map[string]Mask{"support": {"user.name": Show}}},
		"analytics": {Label: "Analytics", Unlinked: true, Masks: map[string]Mask{
			"user.name": Pseudonym, "user.unique_id": Pseudonym, "user.account.username": Pseudonym, "user.contact": Redact, "user.contact.email": Hash, "user.contact.phone_number": Hash,
			"user.contact.address": Withhold, "user.contact.address.country": Show, "user.device.ip_address": IPPrefix, "user.device.device_id": Hash, "user.financial": Withhold,
			"user.government_id": Withhold, "user.demographic.date_of_birth": Year, "user.content": Withhold, "user.biometric": Withhold}},
	}
}

// checkPurposes reports the first thing that is wrong with the purposes.
func (p Policy) checkPurposes() error {
	if len(p.Purposes) > MaxPurposes {
		return errs.New(errs.TooLarge, "A masking policy has at most %d purposes.", MaxPurposes)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Purposes)) {
		x := p.Purposes[name]
		if !purposeName.MatchString(name) || len(x.Label) > 100 {
			return errs.New(errs.Invalid, "A purpose has a name of at most 40 small letters, digits and underscores, and a label of at most 100 bytes.")
		}
		as := Policy{Roles: map[string]Role{name: {Categories: x.Masks}}}
		for role, masks := range x.Roles {
			as.Roles[name+", "+role] = Role{Categories: masks}
		}
		if err := as.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// For returns the policy as it applies to a purpose; "" is none, and an unknown one shows nothing.
func (p Policy) For(purpose string) Policy {
	if purpose == "" {
		p.purpose = Role{Default: Show, Unknown: Show}
		return p
	}
	x, ok := p.Purposes[purpose]
	if !ok {
		return Policy{}
	}
	roles := maps.Clone(p.Roles)
	for name, masks := range x.Roles {
		if r, ok := roles[name]; ok && !r.Nothing {
			r.Categories = maps.Clone(r.Categories)
			for c, m := range masks {
				if r.Categories == nil {
					r.Categories = map[string]Mask{}
				}
				r.Categories[c] = m
			}
			roles[name] = r
		}
	}
	p.Roles, p.unlinked = roles, x.Unlinked
	p.purpose = Role{Default: Show, Unknown: Show, Categories: x.Masks}
	if x.Unlinked {
		p.purpose.Unknown = Withhold
	}
	return p
}
