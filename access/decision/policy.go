package decision

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"

	"probity.dev/access/role"
	"probity.dev/internal/errs"
)

// Limits of a policy.
const (
	MaxRules     = 500
	MaxEntities  = 10_000
	maxCondition = 2000 // bytes
	// costLimit bounds the work of one condition, in the units of CEL: some hundred comparisons.
	costLimit = 10_000
)

// The effects of a rule.
const (
	Allow = "allow"
	Deny  = "deny"
)

// Policy is what a tenant decides by for other systems, beside its roles.
type Policy struct {
	Rules []Rule `json:"rules" nullable:"false"`
	// Entities are subjects and resources that are known by more than their name: their properties are added to those of a request, and searches find them.
	Entities []Entity `json:"entities,omitempty" nullable:"false" doc:"Subjects and resources with properties that requests need not repeat; searches find them"`
}

// Rule says who may do some actions.
type Rule struct {
	ID          string   `json:"id" minLength:"1" maxLength:"64"`
	Description string   `json:"description,omitempty" maxLength:"500"`
	Effect      string   `json:"effect,omitempty" enum:"allow,deny" doc:"allow when left out; a rule that denies wins"`
	Actions     []string `json:"actions" minItems:"1" maxItems:"100" doc:"Names of actions, * for all" nullable:"false"`
	Resources   []string `json:"resources" minItems:"1" maxItems:"100" doc:"Types of resources, * for all" nullable:"false"`
	Permission  string   `json:"permission,omitempty" maxLength:"121" doc:"The permission that the subject needs by an assignment in force"`
	When        string   `json:"when,omitempty" maxLength:"2000" doc:"A condition in CEL over subject, action, resource and context" example:"resource.properties.ownerID == subject.id"`
}

// Entity is a subject or a resource with what is known of it.
type Entity struct {
	Kind       string         `json:"kind" enum:"subject,resource"`
	Type       string         `json:"type" minLength:"1" maxLength:"200"`
	ID         string         `json:"id" minLength:"1" maxLength:"512"`
	Properties map[string]any `json:"properties,omitempty"`
}

// compiled is a policy ready for use.
type compiled struct {
	version  int64 // of the tenant's access that brought it; 0 without one
	policy   Policy
	byAction map[string][]*compiledRule // "*" for all actions
	entities map[[3]string]*Entity
}

type compiledRule struct {
	*Rule
	program cel.Program // nil without a condition
}

var ruleID = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)

// environment is what conditions see. Nothing in it knows the time or draws lots: what a condition says of a request it always says.
var environment = func() *cel.Env {
	object := cel.MapType(cel.StringType, cel.DynType)
	env, err := cel.NewEnv(cel.Variable("subject", object), cel.Variable("action", object), cel.Variable("resource", object), cel.Variable("context", object))
	if err != nil {
		panic("decision: the environment of conditions: " + err.Error())
	}
	return env
}()

// compile checks a policy and makes it ready. x is nil for one that was checked before.
func compile(p Policy, version int64, x *role.Index) (*compiled, error) {
	c := &compiled{version: version, policy: p, byAction: map[string][]*compiledRule{}, entities: map[[3]string]*Entity{}}
	if len(p.Rules) > MaxRules || len(p.Entities) > MaxEntities {
		return nil, errs.New(errs.TooLarge, "A policy has at most %d rules and %d entities.", MaxRules, MaxEntities)
	}
	seen := map[string]bool{}
	for i := range p.Rules {
		r, at := &p.Rules[i], fmt.Sprintf("/rules/%d", i)
		if seen[r.ID] || !ruleID.MatchString(r.ID) {
			return nil, errs.Field(at+"/id", "wrong_format", "A rule has an id of its own, of a-z, 0-9 and _.-.")
		}
		seen[r.ID] = true
		made, err := compileRule(r, at, x)
		if err != nil {
			return nil, err
		}
		for _, a := range slices.Compact(slices.Sorted(slices.Values(r.Actions))) {
			c.byAction[a] = append(c.byAction[a], made)
		}
	}
	for i := range p.Entities {
		e := &p.Entities[i]
		k := [3]string{e.Kind, e.Type, e.ID}
		if c.entities[k] != nil || e.Kind != "subject" && e.Kind != "resource" || e.Type == "" || e.ID == "" {
			return nil, errs.Field(fmt.Sprintf("/entities/%d", i), "not_allowed", "An entity is a subject or a resource with a type and an id, listed once.")
		}
		c.entities[k] = e
	}
	return c, nil
}

func compileRule(r *Rule, at string, x *role.Index) (*compiledRule, error) {
	if r.Effect == "" {
		r.Effect = Allow
	}
	switch {
	case r.Effect != Allow && r.Effect != Deny:
		return nil, errs.Field(at+"/effect", "not_allowed", "A rule allows or denies.")
	case len(r.Actions) == 0 || slices.Contains(r.Actions, "") || len(r.Resources) == 0 || slices.Contains(r.Resources, ""):
		return nil, errs.Field(at, "required", "A rule names actions and types of resources, or * for all.")
	case r.Effect == Allow && r.Permission == "" && strings.TrimSpace(r.When) == "":
		return nil, errs.Field(at, "required", "A rule that allows needs a permission or a condition: it would allow everybody.")
	case x != nil && r.Permission != "" && !x.Knows(r.Permission):
		return nil, errs.Field(at+"/permission", "not_found", "There is no such permission.")
	case len(r.When) > maxCondition:
		return nil, errs.Field(at+"/when", "too_long", "A condition has at most %d bytes.", maxCondition)
	}
	out := &compiledRule{Rule: r}
	if strings.TrimSpace(r.When) == "" {
		return out, nil
	}
	ast, issues := environment.Compile(r.When)
	if issues.Err() != nil {
		return nil, errs.Field(at+"/when", "wrong_format", "The condition is not valid: %s", firstLine(issues.Err().Error()))
	}
	if t := ast.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, errs.Field(at+"/when", "wrong_format", "The condition is neither true nor false.")
	}
	program, err := environment.Program(ast, cel.CostLimit(costLimit), cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, errs.Field(at+"/when", "wrong_format", "The condition cannot be used: %s", firstLine(err.Error()))
	}
	out.program = program
	return out, nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// about returns the rules that are about an action on a type of resource.
func (c *compiled) about(action, resource string) []*compiledRule {
	var out []*compiledRule
	for _, list := range [][]*compiledRule{c.byAction[action], c.byAction["*"]} {
		for _, r := range list {
			if (slices.Contains(r.Resources, resource) || slices.Contains(r.Resources, "*")) && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// known returns a request's properties of a subject or a resource over those that are known of it.
func (c *compiled) known(kind, typ, id string, own map[string]any) map[string]any {
	e := c.entities[[3]string{kind, typ, id}]
	if e == nil || len(e.Properties) == 0 {
		if own == nil {
			own = map[string]any{}
		}
		return own
	}
	out := maps.Clone(e.Properties)
	maps.Copy(out, own)
	return out
}
