package scim

import (
	"slices"
	"strings"
)

const maxOperations = 1000

// patch returns a resource after the operations of a PATCH request (RFC 7644, 3.5.2), with the liberties that Entra ID and Okta take: operations in any case, no path and an object of paths as value, booleans as strings, a
// removal of members with the members as value.
func patch(r resource, body resource) (resource, error) {
	r = clone(r)
	var ops []any
	for name, v := range body {
		if strings.EqualFold(name, "Operations") {
			ops = list(v)
		}
	}
	if len(ops) == 0 || len(ops) > maxOperations {
		return nil, bad("invalidSyntax", "A request has 1 to %d Operations.", maxOperations)
	}
	for _, o := range ops {
		m, ok := o.(map[string]any)
		if !ok {
			return nil, bad("invalidSyntax", "An operation is an object.")
		}
		op := strings.ToLower(str(m["op"]))
		if op != "add" && op != "replace" && op != "remove" {
			return nil, bad("invalidSyntax", "An operation is add, replace or remove.")
		}
		if err := operate(r, op, str(m["path"]), m["value"]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func operate(r resource, op, where string, value any) error {
	if where == "" {
		all, ok := value.(map[string]any)
		if !ok || op == "remove" {
			return bad("noTarget", "Without a path, the value is an object of attributes to add or replace.")
		}
		for name, v := range all {
			if err := operate(r, op, name, v); err != nil {
				return err
			}
		}
		return nil
	}
	p, err := parsePath(where)
	if err != nil || p.name == "" {
		return err
	}
	value = canonical(value)
	switch {
	case len(p.filter) > 0:
		return selected(r, op, p, value)
	case p.sub != "":
		m, ok := r[p.name].(map[string]any)
		if !ok {
			m = resource{}
			r[p.name] = m
		}
		set(m, op, p.sub, value)
	case (p.name == "members" || p.name == "emails") && op == "add":
		r[p.name] = joined(list(r[p.name]), list(value))
	case p.name == "members" && op == "remove" && value != nil:
		r[p.name] = without(list(r[p.name]), list(value))
	case p.name == "name" && op != "remove":
		old, _ := r[p.name].(map[string]any)
		if more, ok := value.(map[string]any); ok && old != nil && op == "add" {
			for k, v := range more {
				old[k] = v
			}
			return nil
		}
		set(r, op, p.name, value)
	default:
		set(r, op, p.name, value)
	}
	return nil
}

func set(m resource, op, name string, value any) {
	if op == "remove" || value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

// selected applies an operation to the values of a multi-valued attribute that a filter selects. Where none is, adding and replacing make one, as Entra ID expects.
func selected(r resource, op string, p path, value any) error {
	all := list(r[p.name])
	found := false
	var kept []any
	for _, v := range all {
		if !matches(v, p.filter) {
			kept = append(kept, v)
			continue
		}
		found = true
		m, ok := v.(map[string]any)
		switch {
		case op == "remove" && p.sub == "":
			continue
		case ok && p.sub != "":
			set(m, op, p.sub, value)
		case ok:
			if more, is := value.(map[string]any); is {
				for k, x := range more {
					m[k] = x
				}
			}
		}
		kept = append(kept, v)
	}
	if !found && op != "remove" {
		m := resource{}
		for _, c := range p.filter {
			if c.path.name != "" && c.path.sub == "" {
				m[c.path.name] = c.value
			}
		}
		if more, is := value.(map[string]any); is && p.sub == "" {
			for k, x := range more {
				m[k] = x
			}
		} else if p.sub != "" {
			m[p.sub] = value
		}
		kept = append(kept, m)
	}
	r[p.name] = kept
	return nil
}

func idOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return str(sub(v, "value"))
}

func joined(old, more []any) []any {
	for _, v := range more {
		if !slices.ContainsFunc(old, func(x any) bool { return idOf(x) == idOf(v) }) {
			old = append(old, v)
		}
	}
	return old
}

func without(old, gone []any) []any {
	return slices.DeleteFunc(old, func(x any) bool {
		return slices.ContainsFunc(gone, func(v any) bool { return idOf(v) == idOf(x) })
	})
}
