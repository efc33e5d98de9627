package decision

import (
	"time"

	"cel.dev/cel-go/common/types"

	"probity.dev/access/role"
)

// Subject is who wants to do something.
type Subject struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties,omitempty"`
}

// Action is what somebody wants to do.
type Action struct {
	Name       string         `json:"name"`
	Properties map[string]any `json:"properties,omitempty"`
}

// Resource is what somebody wants to do it to.
type Resource struct {
	Type       string         `json:"type"`
	ID         string         `json:"id"`
	Properties map[string]any `json:"properties,omitempty"`
}

// Request is one question, as AuthZEN has it.
type Request struct {
	Subject  Subject        `json:"subject"`
	Action   Action         `json:"action"`
	Resource Resource       `json:"resource"`
	Context  map[string]any `json:"context,omitempty"`
}

// Reason is one thing that has counted in a decision.
type Reason struct {
	// Rule is the id of a rule of the tenant, "" for that by which an action is a permission.
	Rule string `json:"rule,omitempty"`
	// Result is what it came to: allow, deny, or why it came to nothing (no_permission, condition, condition_error, locked, unknown_subject, no_rule).
	Result     string `json:"result"`
	Permission string `json:"permission,omitempty"`
	// Assignments gave the permission.
	Assignments []string `json:"assignments,omitempty"`
}

// Result is a decision.
type Result struct {
	Allow   bool
	Reasons []Reason
}

// facts are what of the present state a decision depends on, beside roles and rules at their version.
type facts struct {
	// User is the account that the subject is, "" for none.
	User   string
	Locked bool
	At     time.Time
}

// evaluate decides. It depends on its arguments alone.
func evaluate(x *role.Index, c *compiled, f facts, r *Request) Result {
	if f.Locked {
		return Result{Reasons: []Reason{{Result: "locked"}}}
	}
	dataSet, _ := c.known("resource", r.Resource.Type, r.Resource.ID, r.Resource.Properties)["dataset"].(string)
	if r.Resource.Type == role.DataSet {
		dataSet = r.Resource.ID
	}
	held := func(permission string) (ids []string) {
		if f.User == "" {
			return nil
		}
		for _, b := range x.Why(f.User, permission, r.Resource.Type, dataSet, f.At) {
			ids = append(ids, b.AssignmentID)
		}
		return ids
	}
	rules := c.about(r.Action.Name, r.Resource.Type)
	if len(rules) == 0 {
		return plain(x, f, r, held)
	}
	var out Result
	var input map[string]any
	denied := false
	for _, rule := range rules {
		why := Reason{Rule: rule.ID, Permission: rule.Permission}
		if rule.Permission != "" {
			if why.Assignments = held(rule.Permission); why.Assignments == nil {
				why.Result = "no_permission"
				out.Reasons = append(out.Reasons, why)
				continue
			}
		}
		why.Result = rule.Effect
		if rule.program != nil {
			if input == nil {
				input = variables(c, r)
			}
			why.Result = judge(rule, input)
		}
		switch why.Result {
		case Allow:
			out.Allow = true
		case Deny:
			denied = true
		}
		out.Reasons = append(out.Reasons, why)
	}
	out.Allow = out.Allow && !denied
	return out
}

// plain decides by the rule that an action without rules is a permission.
func plain(x *role.Index, f facts, r *Request, held func(string) []string) Result {
	switch why := (Reason{Permission: r.Action.Name}); {
	case !x.Knows(r.Action.Name):
		return Result{Reasons: []Reason{{Result: "no_rule"}}}
	case f.User == "":
		why.Result = "unknown_subject"
		return Result{Reasons: []Reason{why}}
	default:
		if why.Assignments = held(r.Action.Name); why.Assignments == nil {
			why.Result = "no_permission"
			return Result{Reasons: []Reason{why}}
		}
		why.Result = Allow
		return Result{Allow: true, Reasons: []Reason{why}}
	}
}

// judge returns the effect of a rule whose condition holds. A rule that denies does so also where its condition cannot be judged: less is allowed rather than more.
func judge(rule *compiledRule, input map[string]any) string {
	v, _, err := rule.program.Eval(input)
	switch {
	case err == nil && v == types.True:
		return rule.Effect
	case err == nil && v == types.False:
		return "condition"
	case rule.Effect == Deny:
		return Deny
	}
	return "condition_error"
}

func variables(c *compiled, r *Request) map[string]any {
	action := r.Action.Properties
	if action == nil {
		action = map[string]any{}
	}
	context := r.Context
	if context == nil {
		context = map[string]any{}
	}
	return map[string]any{
		"subject":  map[string]any{"type": r.Subject.Type, "id": r.Subject.ID, "properties": c.known("subject", r.Subject.Type, r.Subject.ID, r.Subject.Properties)},
		"action":   map[string]any{"name": r.Action.Name, "properties": action},
		"resource": map[string]any{"type": r.Resource.Type, "id": r.Resource.ID, "properties": c.known("resource", r.Resource.Type, r.Resource.ID, r.Resource.Properties)},
		"context":  context,
	}
}
