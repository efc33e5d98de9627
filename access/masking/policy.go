package masking

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"probity.dev/internal/errs"
)

// Limits of a policy file.
const (
	MaxPolicyBytes = 256 << 10
	MaxCategories  = 1000 // per role
)

// Policy says what each role sees. A role that is not in it sees nothing.
type Policy struct {
	Roles map[string]Role `yaml:"roles"`
	// Purposes are what readers may say that they read for; saying none is always allowed.
	Purposes map[string]Purpose `yaml:"purposes"`
	// RequirePurpose shows values as they are only to readers who have said what for.
	RequirePurpose bool `yaml:"require_purpose"`

	purpose  Role // what the purpose leaves, see [Policy.For]
	unlinked bool
}

// Role is what one role sees.
type Role struct {
	// Unmasked allows the role to see personal values and unknown text as they are, when it asks to.
	Unmasked bool `yaml:"unmasked" json:"unmasked"`
	// Nothing hides every field, operational ones too.
	Nothing bool `yaml:"nothing" json:"nothing"`
	// Default is the mask of personal categories that Categories does not cover; withhold when absent.
	Default Mask `yaml:"default" json:"default"`
	// Unknown is the mask of text that nobody has classified; withhold when absent.
	Unknown Mask `yaml:"unknown" json:"unknown"`
	// Categories are masks by data category. A category covers those below it; the longest match applies.
	Categories map[string]Mask `yaml:"categories" json:"categories"`
}

// credentials are the categories that nobody is shown, whatever a policy says.
var credentials = []string{"user.authorization", "system.credential"}

// Builtin is the policy without configuration: an admin sees everything on request, an auditor sees every personal value masked,
// a writer and a patient see nothing, and the others see as much more than an auditor as their work needs.
func Builtin() Policy {
	masks := map[string]Mask{
		"user.name":                      Pseudonym,
		"user.unique_id":                 Pseudonym,
		"user.account.username":          Pseudonym,
		"user.contact":                   Redact,
		"user.contact.email":             Email,
		"user.contact.phone_number":      Phone,
		"user.contact.address":           Withhold,
		"user.contact.address.country":   Show,
		"user.device":                    Redact,
		"user.device.ip_address":         IPPrefix,
		"user.device.device_id":          Hash,
		"user.behavior":                  Hash,
		"user.financial":                 Withhold,
		"user.financial.credit_card":     CardLast4,
		"user.demographic":               Withhold,
		"user.demographic.date_of_birth": Year,
		"user.government_id":             Withhold,
		"user.health_and_medical":        Withhold,
		"user.biometric":                 Withhold,
		"user.criminal_history":          Withhold,
		"user.content":                   Withhold,
		"user.location":                  Withhold,
	}
	// but is what an auditor sees with some other masks.
	but := func(other map[string]Mask) Role {
		r := Role{Default: Redact, Unknown: Withhold, Categories: maps.Clone(masks)}
		maps.Copy(r.Categories, other)
		return r
	}
	all := but(nil)
	all.Unmasked = true
	viewer := but(map[string]Mask{"user.content": Text})
	viewer.Unknown = Text
	return Policy{Purposes: builtinPurposes(), Roles: map[string]Role{
		"owner":               all,
		"admin":               all,
		"compliance_officer":  all,
		"security_analyst":    but(map[string]Mask{"user.device.ip_address": Show}),
		"auditor":             but(nil),
		"finance":             but(nil),
		"manager":             but(map[string]Mask{"user.name": Show, "user.contact.email": Show, "user.contact.phone_number": Show}),
		"reception":           but(map[string]Mask{"user.name": Show}),
		"coach":               but(map[string]Mask{"user.name": Show}),
		"support":             but(map[string]Mask{"user.name": Initials}),
		"risk_analyst":        but(nil),
		"on_call_engineer":    but(nil),
		"programme_manager":   but(nil),
		"scribe_user":         but(nil),
		"care_navigator":      but(map[string]Mask{"user.name": Show}),
		"patient":             {Nothing: true},
		"non_clinical_viewer": viewer,
		"writer":              {Nothing: true},
		"elevated_viewer":     all,
	}}
}

// seen is what a reader with several roles sees, who may ask to see values as they are. What the purpose leaves comes on top.
func (p Policy) seen(roles []string, unmasked bool) Role {
	r := p.together(roles)
	if r.Unmasked && unmasked && !r.Nothing {
		return Role{Default: Show, Unknown: Show}
	}
	return r
}

// together is what a reader with several roles sees: of each category what the weakest of their masks shows. Roles that the policy does not know show nothing.
func (p Policy) together(names []string) Role {
	out, known := Role{Nothing: true}, false
	var roles []Role
	for _, name := range names {
		r, ok := p.Roles[name]
		if !ok || r.Nothing {
			continue
		}
		if !known {
			out, known = r, true
		}
		roles = append(roles, r)
	}
	if len(roles) < 2 {
		return out
	}
	out.Categories = map[string]Mask{}
	for _, r := range roles {
		out.Unmasked = out.Unmasked || r.Unmasked
		out.Default, out.Unknown = weaker(clean(out.Default), clean(r.Default)), weaker(clean(out.Unknown), clean(r.Unknown))
		// A category that one role lists is covered, in the others, by what covers it there: so the longest match of the union is right for each of them.
		for c := range r.Categories {
			if _, done := out.Categories[c]; done {
				continue
			}
			m := Withhold
			for i, other := range roles {
				if i == 0 {
					m = other.mask(c)
				}
				m = weaker(m, other.mask(c))
			}
			out.Categories[c] = m
		}
	}
	return out
}

// ParsePolicy reads a policy from YAML: a mapping "roles" from role to [Role]. Roles that it does not name keep the built-in policy.
func ParsePolicy(text []byte) (Policy, error) {
	p := Builtin()
	if len(text) > MaxPolicyBytes {
		return p, errs.New(errs.TooLarge, "A masking policy may have at most %d bytes.", MaxPolicyBytes)
	}
	var own Policy
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&own); err != nil && !errors.Is(err, io.EOF) {
		return p, errs.Wrap(errs.Invalid, err, "The masking policy is not valid YAML of the expected form.")
	}
	maps.Copy(p.Roles, own.Roles)
	maps.Copy(p.Purposes, own.Purposes)
	p.RequirePurpose = own.RequirePurpose
	return p, p.Validate()
}

// Validate reports the first thing that is wrong with a policy, as [errs.Invalid].
func (p Policy) Validate() error {
	for _, name := range slices.Sorted(maps.Keys(p.Roles)) {
		r := p.Roles[name]
		if len(r.Categories) > MaxCategories {
			return errs.New(errs.TooLarge, "Role %q of the masking policy has more than %d categories.", name, MaxCategories)
		}
		for _, c := range slices.Sorted(maps.Keys(r.Categories)) {
			m := r.Categories[c]
			switch {
			case !within(c, "user") && !within(c, "system"):
				return errs.New(errs.Invalid, "Role %q of the masking policy: %q is not a data category such as user.contact.email.", name, c)
			case m >= maskCount:
				return errs.New(errs.Invalid, "Role %q of the masking policy: %q has no valid mask.", name, c)
			case isCredential(c) && m != Withhold && m != Drop:
				return errs.New(errs.Invalid, "Role %q of the masking policy: credentials (%q) are never shown.", name, c)
			}
		}
		if r.Default >= maskCount || r.Unknown >= maskCount {
			return errs.New(errs.Invalid, "Role %q of the masking policy has an invalid mask.", name)
		}
	}
	return p.checkPurposes()
}

// within reports whether a category is parent or lies below it.
func within(category, parent string) bool {
	return strings.HasPrefix(category, parent) && (len(category) == len(parent) || category[len(parent)] == '.')
}

func isCredential(category string) bool {
	for _, c := range credentials {
		if within(category, c) {
			return true
		}
	}
	return false
}

// mask resolves the mask of a category by its longest covering entry.
func (r Role) mask(category string) Mask {
	for c := category; c != ""; {
		if m, ok := r.Categories[c]; ok && m < maskCount {
			return m
		}
		i := strings.LastIndexByte(c, '.')
		if i < 0 {
			break
		}
		c = c[:i]
	}
	if r.Default < maskCount {
		return r.Default
	}
	return Withhold
}

// Mode is how an export is anonymised, on top of what its reader may see.
type Mode string

// The modes of [Engine.Export], as they are written in settings.
const (
	AsSeen       Mode = "none"         // no anonymisation
	Pseudonymise Mode = "pseudonymise" // people keep a stable name that is not theirs; contact data is removed
	DropNames    Mode = "drop"         // everything that identifies people is removed, the ties between their rows too
)

// modes are roles of their own: the stronger of the reader's mask and the mode's applies.
var modes = map[Mode]Role{
	AsSeen: {Default: Show, Unknown: Show},
	Pseudonymise: {Default: Redact, Unknown: Withhold, Categories: map[string]Mask{
		"user.name":                         Pseudonym,
		"user.unique_id":                    Pseudonym,
		"user.account.username":             Pseudonym,
		"user.contact":                      Withhold,
		"user.contact.email":                Hash,
		"user.contact.phone_number":         Hash,
		"user.contact.address.country":      Show,
		"user.device":                       Redact,
		"user.device.device_id":             Hash,
		"user.device.ip_address":            IPPrefix,
		"user.behavior":                     Hash,
		"user.financial":                    Withhold,
		"user.government_id":                Withhold,
		"user.biometric":                    Withhold,
		"user.content":                      Withhold,
		"user.location":                     Withhold,
		"user.demographic":                  Show,
		"user.demographic.date_of_birth":    Year,
		"user.health_and_medical":           Show,
		"user.health_and_medical.record_id": Hash,
	}},
	DropNames: {Default: Drop, Unknown: Drop, Categories: map[string]Mask{
		"user.contact.address.country":      Show,
		"user.device.ip_address":            Drop,
		"user.demographic":                  Show,
		"user.demographic.date_of_birth":    Year,
		"user.health_and_medical":           Show,
		"user.health_and_medical.record_id": Drop,
	}},
}
