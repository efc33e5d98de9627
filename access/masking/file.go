package masking

import (
	"errors"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"probity.dev/internal/errs"
	"probity.dev/internal/yamlfile"
)

// ParseFile is [ParsePolicy] for the text of a file: errors name the file and the line. A role that is not among roles is an error too, because a policy for it would never apply.
func ParseFile(name string, text []byte, roles []string) (Policy, error) {
	p, err := ParsePolicy(text)
	if len(text) > MaxPolicyBytes {
		return p, yamlfile.At(name, 0, err)
	}
	var own struct {
		Roles map[string]struct {
			Unmasked, Nothing bool
			Default, Unknown  string
			Categories        map[string]string
		} `yaml:"roles"`
		Purposes map[string]any `yaml:"purposes"`
	}
	if e := yaml.Unmarshal(text, &own); e != nil {
		return p, yamlfile.Malformed(name, e)
	}
	for _, role := range slices.Sorted(maps.Keys(own.Roles)) {
		if !slices.Contains(roles, role) {
			return p, yamlfile.At(name, yamlfile.Line(text, "roles", role), errs.New(errs.Invalid, "There is no role %q; roles are %q.", role, roles))
		}
		r := own.Roles[role]
		for member, mask := range map[string]string{"default": r.Default, "unknown": r.Unknown} {
			if mask != "" && new(Mask).UnmarshalText([]byte(mask)) != nil {
				return p, yamlfile.At(name, yamlfile.Line(text, "roles", role, member), noMask(mask))
			}
		}
		for _, c := range slices.Sorted(maps.Keys(r.Categories)) {
			m := new(Mask)
			bad := noMask(r.Categories[c])
			if m.UnmarshalText([]byte(r.Categories[c])) == nil {
				bad = Policy{Roles: map[string]Role{role: {Categories: map[string]Mask{c: *m}}}}.Validate()
			}
			if bad != nil {
				return p, yamlfile.At(name, yamlfile.Line(text, "roles", role, "categories", c), bad)
			}
		}
	}
	if cause := errors.Unwrap(err); cause != nil {
		return p, yamlfile.Malformed(name, cause)
	}
	if err != nil {
		return p, yamlfile.At(name, 0, err)
	}
	return p, nil
}

func noMask(name string) error {
	return errs.New(errs.Invalid, "There is no mask %q; use one of %q.", name, maskNames)
}
