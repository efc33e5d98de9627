package datamap

import (
	"fmt"
	"slices"
	"strings"

	"probity.dev/catalog/field"
)

// Finding is something that keeps a map from serving its purpose.
type Finding struct {
	Severity string `json:"severity" enum:"error,warning,note" doc:"error: a person's data would be missed; warning: a decision is missing; note: worth knowing"`
	Code     string `json:"code" example:"unreachable"`
	Place    Place  `json:"place"`
	Detail   string `json:"detail" doc:"What is wrong, and what to do"`
}

// linter collects findings.
type linter struct {
	m        *Map
	findings []Finding
}

func (l *linter) say(severity, code string, at Place, format string, args ...any) {
	l.findings = append(l.findings, Finding{severity, code, at, fmt.Sprintf(format, args...)})
}

// Lint looks for what makes a map useless for finding, exporting or erasing a person's data. The map has passed [Map.Check].
// Findings come in the order of the map, those about the whole of it last.
func (m *Map) Lint() []Finding {
	l := &linter{m: m}
	nodes := m.graph()
	personal, identity := false, false
	for i := range nodes {
		n := &nodes[i]
		identity = identity || n.identity
		held := n.categories()
		isPersonal := slices.ContainsFunc(held, func(c string) bool { return field.Within(c, field.User) })
		personal = personal || isPersonal
		l.reached(n, isPersonal)
		l.fields(n)
		if isPersonal {
			l.personal(n, held)
		}
		if n.c.ArtifactType == "" {
			l.say("note", "no_artifact_type", n.place, "No retention policy can speak about these records: give them an artifact_type.")
		}
	}
	for i := range m.Datasets {
		if d := &m.Datasets[i]; d.Connector == "" {
			l.say("warning", "no_connector", Place{Dataset: d.Key}, "Nothing can be read from this dataset: name a connector, or \"records\" for the built-in ones.")
		}
	}
	if personal && !identity {
		l.say("error", "no_identity", Place{}, "No field of the map is an identity, so that nobody's data can be found: mark the fields with e-mail addresses or user numbers (identity: email).")
	}
	_, circles := m.DeleteOrder()
	for _, circle := range circles {
		names := make([]string, len(circle))
		for i, p := range circle {
			names[i] = p.String()
		}
		l.say("warning", "cycle", circle[0], "These collections refer to one another in a circle, so that records have no order in which they can be deleted: %s. An erasure empties fields before it deletes.", strings.Join(names, ", "))
	}
	return l.findings
}

// categories returns all categories that a collection holds.
func (n *node) categories() []string {
	var all []string
	for _, f := range n.c.All() {
		all = append(all, Effective(n.dataset, n.c, f)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (l *linter) reached(n *node, isPersonal bool) {
	switch {
	case n.reached && n.c.Unreached != "":
		l.say("note", "reached", n.place, "An identity leads here although the map says why none does: take that reason away.")
	case !n.reached && n.c.Unreached == "" && isPersonal:
		l.say("error", "unreachable", n.place, "No identity leads here, so that a person's data in it would be missed: mark an identity, or let a field refer to a collection that is reached. "+
			"If the data is about nobody, say why in unreached.")
	case !n.reached && n.c.Unreached == "":
		l.say("note", "unreachable", n.place, "No identity leads here. If the data is about nobody, say why in unreached.")
	}
}

func (l *linter) fields(n *node) {
	for path, f := range n.c.All() {
		at := n.place
		at.Field = path
		if len(f.Fields) == 0 && len(Effective(n.dataset, n.c, f)) == 0 {
			l.say("warning", "unclassified", at, "Nobody has said what this field holds: give it data categories, system.operations if it is about no person. Until then it is treated as personal.")
		}
		for _, r := range f.References {
			_, c := l.m.target(n.dataset, r)
			if t := c.Field(r.Field); t.Type != f.Type && t.Type != "" && f.Type != "" {
				l.say("warning", "type_mismatch", at, "This field is %s and refers to one that is %s: values would never be the same.", f.Type, t.Type)
			}
		}
		if f.ReadOnly && !f.PrimaryKey && slices.ContainsFunc(Effective(n.dataset, n.c, f), func(c string) bool { return field.Within(c, field.User) }) {
			l.say("note", "read_only", at, "This field holds personal data and cannot be changed: an erasure must delete the whole record.")
		}
	}
}

// personal says what is missing where a collection holds personal data.
func (l *linter) personal(n *node, held []string) {
	c := n.c
	if c.Subject == "" {
		l.say("error", "no_subject", n.place, "The records hold personal data, and nothing says whose: give the path to the person in subject.")
	} else if p, err := l.m.Follow(n.dataset, c, c.Subject); err == nil && !l.finds(p.End) {
		l.say("warning", "subject_is_no_identity", n.place, "The path to the person ends at %s, which is neither an identity nor refers to one.", p.End)
	}
	if len(c.PrimaryKey()) == 0 {
		l.say("error", "no_primary_key", n.place, "An erasure could not name a record: mark the fields of the primary key.")
	}
	if len(c.Purposes) == 0 {
		l.say("warning", "no_purpose", n.place, "Nothing says what these records are processed for: name activities in purposes.")
		return
	}
	special := slices.IndexFunc(held, field.Special)
	based := slices.ContainsFunc(l.m.Activities, func(a Activity) bool { return slices.Contains(c.Purposes, a.Key) && a.SpecialBasis != "" })
	if special >= 0 && !based {
		l.say("error", "no_special_basis", n.place, "The records hold %s, a special category (GDPR Art. 9, 10), and no activity that they are for names the ground in special_category_basis.", held[special])
	}
}

// finds reports whether a field is an identity, or refers to a collection that has one.
func (l *linter) finds(at Place) bool {
	d := l.m.Dataset(at.Dataset)
	c := d.Collection(at.Collection)
	f := c.Field(at.Field)
	if f.Identity != "" || f.PrimaryKey && hasIdentity(c) {
		return true
	}
	return slices.ContainsFunc(f.References, func(r Reference) bool {
		_, c := l.m.target(d, r)
		return hasIdentity(c)
	})
}

func hasIdentity(c *Collection) bool {
	for _, f := range c.All() {
		if f.Identity != "" {
			return true
		}
	}
	return false
}
