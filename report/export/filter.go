package export

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"probity.dev/internal/errs"
)

// Filter selects events. Its members are the query parameters of GET /api/events, as the person typed them: an actor may be an id,
// an e-mail address or "handle:42", an action may be a glob, a time RFC 3339. Several values of a member select the union. From is
// included, To is excluded. The [Source] resolves and checks the values.
//
// In JSON a list may also be given as a single string, and a custom field either as "field.NAME" or below "field".
type Filter struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Time says which time From and To mean, "occurred" or "recorded"; occurred when empty.
	Time          string            `json:"time,omitempty"`
	Actor         []string          `json:"actor,omitempty"`
	Action        []string          `json:"action,omitempty"`
	Resource      []string          `json:"resource,omitempty"`
	Subject       []string          `json:"subject,omitempty"`
	Person        []string          `json:"person,omitempty"`
	Outcome       []string          `json:"outcome,omitempty"`
	Source        []string          `json:"source,omitempty"`
	IP            []string          `json:"ip,omitempty"`
	Category      []string          `json:"category,omitempty"`
	Activity      []string          `json:"activity,omitempty"`
	Severity      []string          `json:"severity,omitempty"`
	CorrelationID []string          `json:"correlation_id,omitempty"`
	Text          string            `json:"text,omitempty"`
	Fields        map[string]string `json:"field,omitempty"`
	// SeqFrom and SeqTo bound the seq, half-open; 0 is open. They are not for people: an export that goes on sets them.
	SeqFrom, SeqTo uint64 `json:"-"`
}

type filterList struct {
	name     string
	words    string
	personal bool
	values   *[]string
	doc      string
}

func (f *Filter) lists() []filterList {
	return []filterList{
		{"actor", "actor", true, &f.Actor, "Ids, e-mail addresses or handle:N"},
		{"action", "action", false, &f.Action, "Actions, with globs such as invoice.*"},
		{"resource", "resource", true, &f.Resource, "type or type/id"},
		{"subject", "subject", true, &f.Subject, "Ids, e-mail addresses or handle:N"},
		{"person", "person", true, &f.Person, "Actor, subject or resource: ids, e-mail addresses or handle:N"},
		{"outcome", "outcome", false, &f.Outcome, "success, failure or denied"},
		{"source", "source", false, &f.Source, "Producing applications, with globs"},
		{"ip", "IP address", true, &f.IP, "IP addresses"},
		{"category", "category", false, &f.Category, "Classes of event"},
		{"activity", "activity", false, &f.Activity, "What was done"},
		{"severity", "severity", false, &f.Severity, "Severities"},
		{"correlation_id", "correlation id", false, &f.CorrelationID, "Correlation ids"},
	}
}

// maxFilterValues bounds the values of one member of a filter.
const maxFilterValues = 1000

// UnmarshalJSON reads a filter. The error is an [errs.Error] that names the wrong member.
func (f *Filter) UnmarshalJSON(b []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return errs.Field("/filter", "wrong_type", "The filter is a JSON object.")
	}
	*f = Filter{}
	for name, value := range members {
		if err := f.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (f *Filter) set(name string, value json.RawMessage) error {
	values, ok := stringsOf(value)
	if field, found := strings.CutPrefix(name, "field."); found && ok {
		f.setField(field, values)
		return nil
	}
	switch name {
	case "from", "to", "time", "text":
		if !ok || len(values) > 1 {
			return errs.Field("/filter/"+name, "wrong_type", "This is one string.")
		}
		text := ""
		if len(values) == 1 {
			text = values[0]
		}
		*map[string]*string{"from": &f.From, "to": &f.To, "time": &f.Time, "text": &f.Text}[name] = text
		return nil
	case "field":
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(value, &fields); err != nil {
			return errs.Field("/filter/field", "wrong_type", "This is an object of custom fields by name.")
		}
		for n, v := range fields {
			if values, ok := stringsOf(v); ok {
				f.setField(n, values)
				continue
			}
			return errs.Field("/filter/field", "wrong_type", "A custom field is selected by one value.")
		}
		return nil
	}
	for _, l := range f.lists() {
		if l.name != name {
			continue
		}
		if !ok || len(values) > maxFilterValues {
			return errs.Field("/filter/"+name, "wrong_type", "This is a string or a list of at most %d strings.", maxFilterValues)
		}
		*l.values = values
		return nil
	}
	return errs.Field("/filter", "unknown_field", "The filter has a member that is no query parameter of GET /api/events.")
}

func (f *Filter) setField(name string, values []string) {
	if f.Fields == nil {
		f.Fields = map[string]string{}
	}
	f.Fields[name] = strings.Join(values, ",")
}

// stringsOf reads a string, a list of strings, a number or boolean as its text, or null as nothing. Empty strings count as not given.
func stringsOf(v json.RawMessage) ([]string, bool) {
	var got any
	d := json.NewDecoder(strings.NewReader(string(v)))
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		return nil, false
	}
	list, isList := got.([]any)
	if !isList {
		list = []any{got}
	}
	var out []string
	for _, x := range list {
		switch x := x.(type) {
		case nil:
		case string:
			if x != "" {
				out = append(out, x)
			}
		case json.Number:
			out = append(out, x.String())
		case bool:
			out = append(out, fmt.Sprint(x))
		default:
			return nil, false
		}
	}
	return out, true
}

// Schema describes the filter in the OpenAPI document (huma asks for it).
func (Filter) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	s := &huma.Schema{Type: huma.TypeObject, Description: "The query parameters of GET /api/events", AdditionalProperties: true,
		Properties: map[string]*huma.Schema{"from": text("Lower bound of time, included (RFC 3339)"), "to": text("Upper bound of time, excluded (RFC 3339)"),
			"time": text("Which time from and to mean: occurred (the default) or recorded"), "text": text("Text that occurs in a value of the event"),
			"field": {Type: huma.TypeObject, AdditionalProperties: true, Description: "Custom fields by name"}}}
	var f Filter
	for _, l := range f.lists() {
		s.Properties[l.name] = &huma.Schema{Description: l.doc, OneOf: []*huma.Schema{{Type: huma.TypeString},
			{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}}}}
	}
	return s
}

// Words says in words what is selected, one condition an entry; "all events" when nothing narrows the selection. With personal, it
// repeats all that was typed; without, it says only how many persons, addresses or texts were named.
func (f *Filter) Words(personal bool) []string {
	var list []string
	which := cmp.Or(f.Time, "occurred")
	switch {
	case f.From != "" && f.To != "":
		list = append(list, fmt.Sprintf("%s from %s, before %s", which, f.From, f.To))
	case f.From != "":
		list = append(list, fmt.Sprintf("%s from %s", which, f.From))
	case f.To != "":
		list = append(list, fmt.Sprintf("%s before %s", which, f.To))
	}
	for _, l := range f.lists() {
		switch n := len(*l.values); {
		case n == 0:
		case l.personal && !personal:
			list = append(list, fmt.Sprintf("%s is one of %d given", l.words, n))
		default:
			list = append(list, l.words+" is "+orList(*l.values))
		}
	}
	if f.Text != "" {
		if personal {
			list = append(list, fmt.Sprintf("text contains “%s”", f.Text))
		} else {
			list = append(list, "text contains what was given")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		if personal {
			list = append(list, fmt.Sprintf("field %s is %s", name, cmp.Or(f.Fields[name], "empty")))
		} else {
			list = append(list, fmt.Sprintf("field %s is as given", name))
		}
	}
	if len(list) == 0 {
		return []string{"all events"}
	}
	return list
}

func orList(values []string) string {
	if len(values) <= 8 {
		return strings.Join(values, " or ")
	}
	return fmt.Sprintf("%s or one of %d more", strings.Join(values[:8], " or "), len(values)-8)
}
