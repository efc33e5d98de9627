package intake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"go.yaml.in/yaml/v3"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// Mapping says how records of an unknown JSON or CSV format become events. It is written in YAML:
//
//	list: Records                  # optional: the member of an outer object that holds the list of records
//	record: log                    # optional: the path of the record within each value
//	data: rest                     # what goes to data: rest (top-level members not used below; default), all, or none
//	fields:
//	  source:        {const: okta}
//	  action:        {template: "okta.{eventType}"}
//	  id:            uuid                                  # a path
//	  occurred_at:   {path: published, time: rfc3339}      # rfc3339, unix, unix_ms, unix_us, unix_ns, or a Go time layout
//	  actor.id:      [actor.id, actor.alternateId]         # the first path that is there
//	  outcome.status: {path: outcome.result, map: {SUCCESS: success, FAILURE: failure}, default: success}
//	  data.city:     client.geographicalContext.city
//
// A path is names separated by dots, with [n] for an element of an array (actor.roles[0]), or a JSON pointer (/actor/roles/0) for
// names that hold dots. Targets are the members of the event: id, source, action, category, activity, occurred_at, severity,
// reason, correlation_id, actor.{type,id,name,email,roles}, resource.{type,id,name}, subject.{type,id,name}, outcome.{status,reason},
// context.{ip,user_agent,device,session_id,request_id,traceparent,geo,forwarded_for}, custom.NAME and data.NAME. An ip that is no
// address stays where it is in data. Without a time form, occurred_at understands RFC 3339, common log times and Unix times.
type Mapping struct {
	// List is the member of an outer object that holds the list of records.
	List string
	// Record is the path of the record within each value; "" when the value is the record.
	Record string
	// Data is rest, all or none.
	Data   string
	fields []mapRule
}

type mapRule struct {
	target   string
	paths    []string
	constant *string
	template string
	words    map[string]string
	fallback string
	time     string
}

var mapTargets = []string{"id", "source", "action", "category", "activity", "occurred_at", "severity", "reason", "correlation_id", "actor.type", "actor.id", "actor.name",
	"actor.email", "actor.roles", "resource.type", "resource.id", "resource.name", "subject.type", "subject.id", "subject.name", "outcome.status", "outcome.reason",
	"context.ip", "context.user_agent", "context.device", "context.session_id", "context.request_id", "context.traceparent", "context.geo", "context.forwarded_for"}

// ParseMapping reads a mapping file. Unknown members and targets are refused, so that a spelling mistake is not a silent loss.
func ParseMapping(b []byte) (*Mapping, error) {
	var file struct {
		List   string               `yaml:"list"`
		Record string               `yaml:"record"`
		Data   string               `yaml:"data"`
		Fields map[string]yaml.Node `yaml:"fields"`
	}
	d := yaml.NewDecoder(strings.NewReader(string(b)))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The mapping file cannot be read.")
	}
	m := &Mapping{List: file.List, Record: file.Record, Data: file.Data}
	if m.Data == "" {
		m.Data = "rest"
	}
	if !slices.Contains([]string{"rest", "all", "none"}, m.Data) {
		return nil, errs.Field("/data", "word", "This must be one of rest, all, none.")
	}
	for target, node := range file.Fields {
		if !slices.Contains(mapTargets, target) && !strings.HasPrefix(target, "custom.") && !strings.HasPrefix(target, "data.") {
			return nil, errs.Field("/fields/"+target, "target", "There is no such member of an event.")
		}
		r, err := parseRule(target, &node)
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "The mapping of %s cannot be read.", target)
		}
		m.fields = append(m.fields, r)
	}
	slices.SortFunc(m.fields, func(a, b mapRule) int { return strings.Compare(a.target, b.target) })
	if len(m.fields) == 0 {
		return nil, errs.Field("/fields", "required", "A mapping needs fields.")
	}
	return m, nil
}

func parseRule(target string, node *yaml.Node) (mapRule, error) {
	r := mapRule{target: target}
	switch node.Kind {
	case yaml.ScalarNode:
		r.paths = []string{node.Value}
		return r, nil
	case yaml.SequenceNode:
		return r, node.Decode(&r.paths)
	}
	known := []string{"path", "paths", "const", "template", "map", "default", "time"}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if k := node.Content[i].Value; !slices.Contains(known, k) {
			return r, fmt.Errorf("%q is not one of %s", k, strings.Join(known, ", "))
		}
	}
	var full struct {
		Path     string            `yaml:"path"`
		Paths    []string          `yaml:"paths"`
		Const    *string           `yaml:"const"`
		Template string            `yaml:"template"`
		Map      map[string]string `yaml:"map"`
		Default  string            `yaml:"default"`
		Time     string            `yaml:"time"`
	}
	if err := node.Decode(&full); err != nil {
		return r, err
	}
	r.paths, r.constant, r.template, r.words, r.fallback, r.time = full.Paths, full.Const, full.Template, full.Map, full.Default, full.Time
	if full.Path != "" {
		r.paths = append([]string{full.Path}, r.paths...)
	}
	if r.constant == nil && r.template == "" && len(r.paths) == 0 {
		return r, fmt.Errorf("it needs a path, const or template")
	}
	return r, nil
}

// lookup follows a path; nil when there is nothing.
func lookup(o object, path string) jsontext.Value {
	if v := o.get(path); v != nil {
		return v
	}
	var parts []string
	if rest, ok := strings.CutPrefix(path, "/"); ok {
		parts = strings.Split(rest, "/")
		for i := range parts {
			parts[i] = strings.ReplaceAll(strings.ReplaceAll(parts[i], "~1", "/"), "~0", "~")
		}
	} else {
		parts = strings.Split(strings.ReplaceAll(path, "[", ".["), ".")
	}
	var v jsontext.Value
	for i, p := range parts {
		if i == 0 {
			v = o.get(p)
		} else {
			v = step(v, p)
		}
		if v == nil {
			return nil
		}
	}
	return v
}

func step(v jsontext.Value, part string) jsontext.Value {
	if len(v) > 0 && v[0] == '[' {
		n, err := strconv.Atoi(strings.Trim(part, "[]"))
		list := event.Elements(v)
		if err != nil || n < 0 || n >= len(list) {
			return nil
		}
		return list[n]
	}
	return object(event.Members(v)).get(part)
}

// value resolves a rule against a record.
func (r *mapRule) value(o object) jsontext.Value {
	switch {
	case r.constant != nil:
		return quote(*r.constant)
	case r.template != "":
		return quote(r.expand(o))
	}
	for _, p := range r.paths {
		v := lookup(o, p)
		if v == nil || v[0] == 'n' || string(v) == `""` {
			continue
		}
		if r.words != nil {
			if w, ok := r.words[event.Text(v)]; ok {
				return quote(w)
			}
			if r.fallback != "" {
				return quote(r.fallback)
			}
		}
		return v
	}
	if r.fallback != "" {
		return quote(r.fallback)
	}
	return nil
}

func (r *mapRule) expand(o object) string {
	var b strings.Builder
	rest := r.template
	for {
		before, after, ok := strings.Cut(rest, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		path, tail, _ := strings.Cut(after, "}")
		if v := lookup(o, path); v != nil {
			b.WriteString(event.Text(v))
		}
		rest = tail
	}
}

// when reads a time in the form that the rule names.
func (r *mapRule) when(s string, loc *time.Location) (time.Time, bool) {
	units := map[string]time.Duration{"unix": time.Second, "unix_ms": time.Millisecond, "unix_us": time.Microsecond, "unix_ns": time.Nanosecond}
	switch unit, known := units[r.time]; {
	case r.time == "":
		return parseTime(s, loc)
	case r.time == "rfc3339":
		return event.ParseTime(s)
	case known:
		return since1970(s, unit)
	}
	t, err := time.ParseInLocation(r.time, s, loc)
	return t.UTC().Truncate(time.Microsecond), err == nil
}
