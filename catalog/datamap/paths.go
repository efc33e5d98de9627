package datamap

import (
	"fmt"
	"strings"

	"probity.dev/internal/errs"
)

// links checks what leads from one part of the map to another.
func (k *checker) links(m *Map) {
	for i := range m.Datasets {
		d := &m.Datasets[i]
		for j := range d.Collections {
			c, at := &d.Collections[j], fmt.Sprintf("/datasets/%d/collections/%d", i, j)
			k.references(m, d, at, c.Fields)
			if c.Subject != "" {
				k.path(m, d, c, at+"/subject", c.Subject)
			}
			if c.Jurisdiction != "" && !strings.HasPrefix(c.Jurisdiction, "=") {
				k.path(m, d, c, at+"/jurisdiction", c.Jurisdiction)
			}
		}
	}
}

func (k *checker) references(m *Map, d *Dataset, at string, fields []Field) {
	for i := range fields {
		at := fmt.Sprintf("%s/fields/%d", at, i)
		for n, r := range fields[i].References {
			at := fmt.Sprintf("%s/references/%d", at, n)
			if r.Direction != "" && r.Direction != "to" && r.Direction != "from" {
				k.say(at+"/direction", "unknown", "The direction of a reference is to, from, or empty for both.")
			}
			switch _, c := m.target(d, r); {
			case c == nil:
				k.say(at+"/collection", "unknown", "There is no such collection.")
			case c.Field(r.Field) == nil:
				k.say(at+"/field", "unknown", "The collection has no such field.")
			}
		}
		k.references(m, d, at, fields[i].Fields)
	}
}

// target returns where a reference from dataset d leads; nil when there is no such collection.
func (m *Map) target(d *Dataset, r Reference) (*Dataset, *Collection) {
	if r.Dataset != "" {
		d = m.Dataset(r.Dataset)
	}
	return d, d.Collection(r.Collection)
}

func (k *checker) path(m *Map, d *Dataset, c *Collection, at, path string) {
	if _, err := m.Follow(d, c, path); err != nil {
		k.say(at, "leads_nowhere", "%s", errs.Message(err))
	}
}

// Step is one step of a path over references: from the field of a collection to the field of another one.
type Step struct {
	From Place
	To   Place
}

// Follow resolves a path such as "invoice_id/client_id" from a collection: the steps over references, and the place of the
// field at the end. A field with several references follows its first.
func (m *Map) Follow(d *Dataset, c *Collection, path string) (Path, error) {
	names := strings.Split(path, "/")
	if len(names) > maxSteps {
		return Path{}, errs.New(errs.Invalid, "A path has at most %d steps.", maxSteps)
	}
	var p Path
	for i, name := range names {
		f := c.Field(name)
		if f == nil {
			return Path{}, errs.New(errs.Invalid, "The collection %s has no field at this step of the path: %s.", c.Key, name)
		}
		here := Place{d.Key, c.Key, name}
		if i == len(names)-1 {
			p.End = here
			return p, nil
		}
		if len(f.References) == 0 {
			return Path{}, errs.New(errs.Invalid, "The field %s refers to no other collection, so that the path ends there.", name)
		}
		r := f.References[0]
		d, c = m.target(d, r)
		if c.Field(r.Field) == nil {
			return Path{}, errs.New(errs.Invalid, "The field %s refers to a field that is not there.", name)
		}
		p.Steps = append(p.Steps, Step{here, Place{d.Key, c.Key, r.Field}})
	}
	return p, nil
}

// Path is a path that has been followed.
type Path struct {
	Steps []Step
	End   Place
}
