package scim

import (
	"encoding/json"
	"slices"
	"strings"
)

// path names an attribute: name, name.sub, name[filter] or name[filter].sub. An attribute that is not kept is the empty path.
type path struct {
	name, sub string
	filter    []condition
}

// condition is an attribute that has to have a value.
type condition struct {
	path  path
	value any // a string or a bool
}

const (
	maxFilter     = 1024 // bytes
	maxConditions = 10
)

// bare cuts the URN of a core schema off an attribute.
func bare(name string) string {
	for _, urn := range []string{urnUser, urnGroup} {
		if len(name) > len(urn) && strings.EqualFold(name[:len(urn)], urn) && name[len(urn)] == ':' {
			return name[len(urn)+1:]
		}
	}
	return name
}

func parsePath(text string) (path, error) {
	if len(text) > maxFilter {
		return path{}, bad("invalidPath", "The path is too long.")
	}
	text = bare(strings.TrimSpace(text))
	if strings.HasPrefix(strings.ToLower(text), "urn:") {
		return path{}, nil // an extension, which is not kept
	}
	var p path
	var head, rest string
	if i := strings.IndexByte(text, '['); i >= 0 {
		end := strings.LastIndexByte(text, ']')
		if end < i {
			return p, bad("invalidPath", "The path lacks a bracket.")
		}
		var err error
		if p.filter, err = parseFilter(text[i+1 : end]); err != nil {
			return p, err
		}
		head, rest = text[:i], text[end+1:]
		if rest != "" && !strings.HasPrefix(rest, ".") {
			return p, bad("invalidPath", "The path goes on after its bracket.")
		}
		rest = strings.TrimPrefix(rest, ".")
	} else {
		head, rest, _ = strings.Cut(text, ".")
	}
	name, ok := attributes[strings.ToLower(head)]
	if !ok {
		return path{}, nil
	}
	p.name = name
	if rest != "" {
		if p.sub, ok = attributes[strings.ToLower(rest)]; !ok {
			return path{}, nil
		}
	}
	return p, nil
}

// parseFilter reads conditions of the form attribute eq value, joined by and.
func parseFilter(text string) ([]condition, error) {
	invalid := bad("invalidFilter", "The filter must be of the form: attribute eq value, several joined by and.")
	if len(text) > maxFilter {
		return nil, invalid
	}
	var out []condition
	for rest := strings.TrimSpace(text); ; {
		i := strings.Index(strings.ToLower(rest), " eq ")
		// The attribute may hold a filter of its own.
		if open := strings.IndexByte(rest, '['); open >= 0 && open < i {
			end := strings.IndexByte(rest, ']')
			if end < 0 {
				return nil, invalid
			}
			if i = strings.Index(strings.ToLower(rest[end:]), " eq "); i >= 0 {
				i += end
			}
		}
		if i < 0 || len(out) >= maxConditions {
			return nil, invalid
		}
		p, err := parsePath(rest[:i])
		if err != nil {
			return nil, err
		}
		d := json.NewDecoder(strings.NewReader(strings.TrimSpace(rest[i+4:])))
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, invalid
		}
		switch value.(type) {
		case string, bool:
		default:
			return nil, invalid
		}
		out = append(out, condition{p, value})
		rest = strings.TrimSpace(strings.TrimSpace(rest[i+4:])[d.InputOffset():])
		if rest == "" {
			return out, nil
		}
		if len(rest) < 4 || !strings.EqualFold(rest[:4], "and ") {
			return nil, invalid
		}
		rest = strings.TrimSpace(rest[4:])
	}
}

// matches reports whether a resource, or a value of a multi-valued attribute, has all values.
func matches(v any, all []condition) bool {
	for _, c := range all {
		found := slices.ContainsFunc(list(sub(v, c.path.name)), func(x any) bool {
			if len(c.path.filter) > 0 && !matches(x, c.path.filter) {
				return false
			}
			if c.path.sub != "" {
				x = sub(x, c.path.sub)
			} else if m, ok := x.(map[string]any); ok {
				x = m["value"]
			}
			return same(c.path.name, x, c.value)
		})
		if !found {
			return false
		}
	}
	return true
}

// same compares values; only ids and externalId tell cases apart.
func same(name string, a, b any) bool {
	if want, ok := b.(bool); ok {
		got, is := truth(a)
		return is && got == want
	}
	x, ok := a.(string)
	y, _ := b.(string)
	if name == "externalId" || name == "value" {
		return ok && x == y
	}
	if want, is := truth(b); is {
		if got, ok := truth(a); ok {
			return got == want
		}
	}
	return ok && strings.EqualFold(x, y)
}
