package datamap

import (
	"slices"
	"strings"

	"probity.dev/catalog/field"
)

// Processing is one entry of the record of processing activities (GDPR Art. 30(1)): what the map's author has written about the
// activity, and what follows from the collections that name it.
type Processing struct {
	Activity     string   `json:"activity"`
	Name         string   `json:"name,omitempty"`
	Purpose      string   `json:"purpose"`
	DataUse      string   `json:"data_use,omitempty"`
	LegalBasis   string   `json:"legal_basis"`
	SpecialBasis string   `json:"special_category_basis,omitempty"`
	Subjects     []string `json:"data_subjects" doc:"Kinds of persons: the subject types of the collections, and those named beside them"`
	Categories   []string `json:"data_categories" doc:"Fideslang keys, from the fields"`
	Special      []string `json:"special_categories" doc:"Those of them that GDPR Art. 9 or 10 is about"`
	Sources      []Place  `json:"sources" doc:"The collections"`
	Recipients   []string `json:"recipients"`
	Transfers    []string `json:"transfers"`
	Retention    string   `json:"retention,omitempty"`
	Security     string   `json:"security,omitempty"`
	Missing      []string `json:"missing" doc:"Members that Art. 30(1) asks for and nobody has written"`
}

// Record returns the record of processing activities, in the order of the map's activities.
func (m *Map) Record() []Processing {
	out := make([]Processing, len(m.Activities))
	for i := range m.Activities {
		out[i] = m.processing(&m.Activities[i])
	}
	return out
}

func (m *Map) processing(a *Activity) Processing {
	p := Processing{
		Activity: a.Key, Name: a.Name, Purpose: a.Purpose, DataUse: a.DataUse, LegalBasis: a.LegalBasis, SpecialBasis: a.SpecialBasis, Retention: a.Retention, Security: a.Security,
		Subjects: slices.Clone(a.SubjectsOthers), Recipients: append([]string{}, a.Recipients...), Transfers: append([]string{}, a.Transfers...),
		Categories: []string{}, Special: []string{}, Sources: []Place{}, Missing: []string{},
	}
	for i := range m.Datasets {
		d := &m.Datasets[i]
		for j := range d.Collections {
			c := &d.Collections[j]
			if !slices.Contains(c.Purposes, a.Key) {
				continue
			}
			p.Sources = append(p.Sources, Place{Dataset: d.Key, Collection: c.Key})
			if c.SubjectType != "" {
				p.Subjects = append(p.Subjects, c.SubjectType)
			}
			for _, f := range c.All() {
				p.Categories = append(p.Categories, Effective(d, c, f)...)
			}
		}
	}
	p.Subjects, p.Categories = sorted(p.Subjects), sorted(p.Categories)
	p.Categories = slices.DeleteFunc(p.Categories, func(c string) bool { return !field.Within(c, field.User) })
	for _, c := range p.Categories {
		if field.Special(c) {
			p.Special = append(p.Special, c)
		}
	}
	for _, asked := range []struct {
		name    string
		missing bool
	}{
		{"data_subjects", len(p.Subjects) == 0}, {"data_categories", len(p.Categories) == 0}, {"recipients", len(p.Recipients) == 0}, {"retention", strings.TrimSpace(p.Retention) == ""},
		{"security", strings.TrimSpace(p.Security) == ""}, {"special_category_basis", len(p.Special) > 0 && p.SpecialBasis == ""},
	} {
		if asked.missing {
			p.Missing = append(p.Missing, asked.name)
		}
	}
	return p
}

func sorted(list []string) []string {
	slices.Sort(list)
	return append([]string{}, slices.Compact(list)...)
}
