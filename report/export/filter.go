package export

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Filter selects events. Its members are the query parameters of GET /api/events, as the person typed them: an actor may be an id,
// an e-mail address or "handle:42", an action may be a glob, a time RFC 3339. Several values of a member select the union. From is
// included, To is excluded. The [Source] resolves and checks it.
type Filter struct {
	From          string            `json:"from,omitempty" doc:"Lower bound, included (RFC 3339)"`
	To            string            `json:"to,omitempty" doc:"Upper bound, excluded (RFC 3339)"`
	Time          string            `json:"time,omitempty" enum:"recorded,occurred" doc:"Which time from and to mean; recorded when absent"`
	Actor         []string          `json:"actor,omitempty" doc:"Ids, e-mail addresses or handle:N"`
	Action        []string          `json:"action,omitempty" doc:"Actions, with globs such as invoice.*"`
	Resource      []string          `json:"resource,omitempty" doc:"type/id or type"`
	Subject       []string          `json:"subject,omitempty" doc:"Ids, e-mail addresses or handle:N"`
	Outcome       []string          `json:"outcome,omitempty"`
	Source        []string          `json:"source,omitempty"`
	IP            []string          `json:"ip,omitempty"`
	Category      []string          `json:"category,omitempty"`
	Activity      []string          `json:"activity,omitempty"`
	Severity      []string          `json:"severity,omitempty"`
	CorrelationID []string          `json:"correlation_id,omitempty"`
	Text          string            `json:"text,omitempty" doc:"Words that occur anywhere in the event"`
	Fields        map[string]string `json:"field,omitempty" doc:"Custom fields by name"`
}

// Words says in words what is selected, one condition an entry; "all events" when nothing narrows the selection. It repeats what was
// typed, so it may hold personal values.
func (f *Filter) Words() []string {
	var list []string
	which := map[string]string{"occurred": "occurred", "recorded": "recorded", "": "recorded"}[f.Time]
	switch {
	case f.From != "" && f.To != "":
		list = append(list, fmt.Sprintf("%s from %s, before %s", which, f.From, f.To))
	case f.From != "":
		list = append(list, fmt.Sprintf("%s from %s", which, f.From))
	case f.To != "":
		list = append(list, fmt.Sprintf("%s before %s", which, f.To))
	}
	for _, c := range []struct {
		name   string
		values []string
	}{
		{"actor", f.Actor}, {"action", f.Action}, {"resource", f.Resource}, {"subject", f.Subject}, {"outcome", f.Outcome},
		{"source", f.Source}, {"IP address", f.IP}, {"category", f.Category}, {"activity", f.Activity}, {"severity", f.Severity},
		{"correlation id", f.CorrelationID},
	} {
		if len(c.values) > 0 {
			list = append(list, c.name+" is "+orList(c.values))
		}
	}
	if f.Text != "" {
		list = append(list, fmt.Sprintf("text contains “%s”", f.Text))
	}
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		list = append(list, fmt.Sprintf("field %s is %s", name, cmp.Or(f.Fields[name], "empty")))
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
