package datamap

import "strings"

// fidesFile is Fides's dataset file as its documentation describes it (fideslang models Dataset, DatasetCollection and
// DatasetField). What is not about data (its organisation, meta, tags) is read and left out.
type fidesFile struct {
	Dataset []fidesDataset `yaml:"dataset"`
}

type fidesDataset struct {
	Key          string            `yaml:"fides_key"`
	Organization string            `yaml:"organization_fides_key"`
	Tags         []string          `yaml:"tags"`
	Name         string            `yaml:"name"`
	Description  string            `yaml:"description"`
	Meta         map[string]any    `yaml:"meta"`
	Categories   []string          `yaml:"data_categories"`
	FidesMeta    map[string]any    `yaml:"fides_meta"`
	Collections  []fidesCollection `yaml:"collections"`
}

type fidesCollection struct {
	Name        string         `yaml:"name"`
	Description string         `yaml:"description"`
	Categories  []string       `yaml:"data_categories"`
	FidesMeta   map[string]any `yaml:"fides_meta"`
	Fields      []fidesField   `yaml:"fields"`
}

type fidesField struct {
	Name        string       `yaml:"name"`
	Description string       `yaml:"description"`
	Categories  []string     `yaml:"data_categories"`
	Meta        fidesMeta    `yaml:"fides_meta"`
	Fields      []fidesField `yaml:"fields"`
}

type fidesMeta struct {
	PrimaryKey bool             `yaml:"primary_key"`
	Identity   string           `yaml:"identity"`
	DataType   string           `yaml:"data_type"`
	Length     int32            `yaml:"length"`
	ReadOnly   bool             `yaml:"read_only"`
	ReturnAll  bool             `yaml:"return_all_elements"`
	CustomType string           `yaml:"custom_request_field"`
	Redact     string           `yaml:"redact"`
	References []fidesReference `yaml:"references"`
	Masking    map[string]any   `yaml:"masking_strategy_override"`
}

type fidesReference struct {
	Dataset   string `yaml:"dataset"`
	Field     string `yaml:"field"` // collection.field
	Direction string `yaml:"direction"`
}

func (f *fidesFile) datasets() []Dataset {
	out := make([]Dataset, len(f.Dataset))
	for i, d := range f.Dataset {
		out[i] = Dataset{Key: d.Key, Name: d.Name, Description: d.Description, Categories: d.Categories}
		for _, c := range d.Collections {
			out[i].Collections = append(out[i].Collections, Collection{Key: c.Name, Description: c.Description, Categories: c.Categories, Fields: fidesFields(d.Key, c.Fields)})
		}
	}
	return out
}

func fidesFields(dataset string, fields []fidesField) []Field {
	var out []Field
	for _, f := range fields {
		n := Field{
			Name: f.Name, Description: f.Description, Categories: f.Categories, PrimaryKey: f.Meta.PrimaryKey, Identity: f.Meta.Identity, Length: f.Meta.Length,
			ReadOnly: f.Meta.ReadOnly, Type: fidesType(f.Meta.DataType, len(f.Fields) > 0), Fields: fidesFields(dataset, f.Fields),
		}
		for _, r := range f.Meta.References {
			collection, field, _ := strings.Cut(r.Field, ".")
			ref := Reference{Dataset: r.Dataset, Collection: collection, Field: field, Direction: r.Direction}
			if ref.Dataset == dataset {
				ref.Dataset = ""
			}
			n.References = append(n.References, ref)
		}
		out = append(out, n)
	}
	return out
}

// fidesType maps Fides's data types; "[]" behind one makes an array of it.
func fidesType(t string, parts bool) Type {
	switch {
	case strings.HasSuffix(t, "[]"):
		return Array
	case t == "integer":
		return Integer
	case t == "float":
		return Decimal
	case t == "boolean":
		return Boolean
	case t == "object", t == "" && parts:
		return Object
	case t == "":
		return ""
	}
	return String // "string", "object_id"
}
