package datamap

import (
	"iter"
	"slices"
	"strings"
)

// The limits of a map.
const (
	MaxBytes      = 4 << 20 // of a document
	maxDatasets   = 500
	maxCollection = 5_000  // in all datasets together
	maxFields     = 50_000 // in all collections together
	maxDepth      = 8      // of fields within fields
	maxSteps      = 8      // of a path over references
)

// Map is everything that a tenant says about its data.
type Map struct {
	Controller *Controller `json:"controller,omitempty" yaml:"controller,omitempty" doc:"Who answers for the processing (GDPR Art. 30)"`
	Datasets   []Dataset   `json:"datasets" yaml:"datasets" maxItems:"500"`
	Activities []Activity  `json:"activities,omitempty" yaml:"activities,omitempty" maxItems:"500" doc:"What the data is processed for"`
}

// Controller is who answers for the processing.
type Controller struct {
	Name           string `json:"name" yaml:"name" maxLength:"200"`
	Contact        string `json:"contact,omitempty" yaml:"contact,omitempty" maxLength:"500"`
	Representative string `json:"representative,omitempty" yaml:"representative,omitempty" maxLength:"500"`
	DPO            string `json:"dpo,omitempty" yaml:"dpo,omitempty" maxLength:"500" doc:"Data protection officer"`
}

// Dataset is the data of one system.
type Dataset struct {
	Key         string       `json:"key" yaml:"key" maxLength:"64" example:"salon"`
	Name        string       `json:"name,omitempty" yaml:"name,omitempty" maxLength:"200"`
	Description string       `json:"description,omitempty" yaml:"description,omitempty" maxLength:"2000"`
	Connector   string       `json:"connector,omitempty" yaml:"connector,omitempty" maxLength:"64" doc:"The connector that reads it; \"records\" for the built-in records"`
	Categories  []string     `json:"data_categories,omitempty" yaml:"data_categories,omitempty" maxItems:"50" doc:"What every field holds besides its own categories (Fideslang keys)"`
	Collections []Collection `json:"collections" yaml:"collections" maxItems:"5000"`
}

// Collection is a table, an index, a prefix of objects.
type Collection struct {
	Key          string   `json:"key" yaml:"key" maxLength:"128" example:"appointments"`
	Name         string   `json:"name,omitempty" yaml:"name,omitempty" maxLength:"200"`
	Description  string   `json:"description,omitempty" yaml:"description,omitempty" maxLength:"2000"`
	Categories   []string `json:"data_categories,omitempty" yaml:"data_categories,omitempty" maxItems:"50"`
	Subject      string   `json:"subject,omitempty" yaml:"subject,omitempty" maxLength:"500" example:"invoice_id/client_id" doc:"The path to the person whose data a record is: a field, or fields joined by / each of which but the last refers to the collection where the next one is"`
	SubjectType  string   `json:"subject_type,omitempty" yaml:"subject_type,omitempty" maxLength:"64" example:"client" doc:"What kind of person that is"`
	Jurisdiction string   `json:"jurisdiction,omitempty" yaml:"jurisdiction,omitempty" maxLength:"500" example:"client_id/country" doc:"The path to the country whose law applies, or =XX for one country"`
	ArtifactType string   `json:"artifact_type,omitempty" yaml:"artifact_type,omitempty" maxLength:"64" example:"invoice" doc:"What retention policies call such a record"`
	Purposes     []string `json:"purposes,omitempty" yaml:"purposes,omitempty" maxItems:"50" doc:"Keys of activities"`
	Sensitivity  string   `json:"sensitivity,omitempty" yaml:"sensitivity,omitempty" enum:"low,normal,high" doc:"normal when it is empty"`
	Unreached    string   `json:"unreached,omitempty" yaml:"unreached,omitempty" maxLength:"500" doc:"Why no identity leads here, for data that is about nobody"`
	Fields       []Field  `json:"fields" yaml:"fields" maxItems:"2000"`
}

// Field is a column, a property, a part of an object.
type Field struct {
	Name        string      `json:"name" yaml:"name" maxLength:"128" example:"email"`
	Type        Type        `json:"type,omitempty" yaml:"type,omitempty" enum:"string,integer,decimal,boolean,date,timestamp,binary,json,object,array"`
	Description string      `json:"description,omitempty" yaml:"description,omitempty" maxLength:"2000"`
	Categories  []string    `json:"data_categories,omitempty" yaml:"data_categories,omitempty" maxItems:"20" doc:"Fideslang keys; system.operations for what is about no person"`
	PrimaryKey  bool        `json:"primary_key,omitempty" yaml:"primary_key,omitempty"`
	Identity    string      `json:"identity,omitempty" yaml:"identity,omitempty" maxLength:"64" example:"email" doc:"The kind of value by which a person is found here: email, phone, user_id…"`
	References  []Reference `json:"references,omitempty" yaml:"references,omitempty" maxItems:"20"`
	Length      int32       `json:"length,omitempty" yaml:"length,omitempty" minimum:"0" doc:"The most characters that a value may have; 0 when there is no limit"`
	Required    bool        `json:"required,omitempty" yaml:"required,omitempty"`
	ReadOnly    bool        `json:"read_only,omitempty" yaml:"read_only,omitempty" doc:"Cannot be changed in its system, so that an erasure must take the whole record"`
	Sensitivity string      `json:"sensitivity,omitempty" yaml:"sensitivity,omitempty" enum:"low,normal,high"`
	Fields      []Field     `json:"fields,omitempty" yaml:"fields,omitempty" maxItems:"500" doc:"The parts of an object, or of the objects in an array"`
}

// Type is the type of a field's values.
type Type string

// The types. A decimal is exact and travels as a string.
const (
	String    Type = "string"
	Integer   Type = "integer"
	Decimal   Type = "decimal"
	Boolean   Type = "boolean"
	Date      Type = "date"
	Timestamp Type = "timestamp"
	Binary    Type = "binary"
	JSON      Type = "json"
	Object    Type = "object"
	Array     Type = "array"
)

var types = []Type{String, Integer, Decimal, Boolean, Date, Timestamp, Binary, JSON, Object, Array}

// Reference says that the values of a field are values of another one.
type Reference struct {
	Dataset    string `json:"dataset,omitempty" yaml:"dataset,omitempty" maxLength:"64" doc:"The same dataset when it is empty"`
	Collection string `json:"collection" yaml:"collection" maxLength:"128"`
	Field      string `json:"field" yaml:"field" maxLength:"500"`
	Direction  string `json:"direction,omitempty" yaml:"direction,omitempty" enum:"to,from" doc:"Which way a search for a person's data may go: to the other collection, or from it to here. Both when it is empty"`
}

// Activity is a processing activity: one purpose, its legal basis and who gets the data (GDPR Art. 30(1)).
type Activity struct {
	Key            string   `json:"key" yaml:"key" maxLength:"64" example:"billing"`
	Name           string   `json:"name,omitempty" yaml:"name,omitempty" maxLength:"200"`
	Purpose        string   `json:"purpose" yaml:"purpose" maxLength:"1000"`
	DataUse        string   `json:"data_use,omitempty" yaml:"data_use,omitempty" maxLength:"200" example:"essential.service.payment_processing" doc:"Fideslang key"`
	LegalBasis     string   `json:"legal_basis" yaml:"legal_basis" enum:"consent,contract,legal_obligation,vital_interests,public_interest,legitimate_interests" doc:"GDPR Art. 6(1)"`
	SpecialBasis   string   `json:"special_category_basis,omitempty" yaml:"special_category_basis,omitempty" maxLength:"200" doc:"GDPR Art. 9(2), where health or other special categories are processed"`
	Recipients     []string `json:"recipients,omitempty" yaml:"recipients,omitempty" maxItems:"50"`
	Transfers      []string `json:"transfers,omitempty" yaml:"transfers,omitempty" maxItems:"50" doc:"Third countries with the safeguard that allows the transfer"`
	Retention      string   `json:"retention,omitempty" yaml:"retention,omitempty" maxLength:"500" doc:"The envisaged time limits for erasure"`
	Security       string   `json:"security,omitempty" yaml:"security,omitempty" maxLength:"2000" doc:"The technical and organisational measures, in general terms"`
	SubjectsOthers []string `json:"data_subjects,omitempty" yaml:"data_subjects,omitempty" maxItems:"50" doc:"Kinds of persons besides the subject types of the collections"`
}

// Place names a field: its dataset, its collection, and the names from the outermost field to it, joined by dots.
type Place struct {
	Dataset    string `json:"dataset"`
	Collection string `json:"collection,omitempty"`
	Field      string `json:"field,omitempty"`
}

// String writes the place as it is shown: dataset.collection.field.
func (p Place) String() string {
	return strings.TrimRight(p.Dataset+"."+p.Collection+"."+p.Field, ".")
}

// Dataset returns the dataset with a key, or nil.
func (m *Map) Dataset(key string) *Dataset {
	if i := slices.IndexFunc(m.Datasets, func(d Dataset) bool { return d.Key == key }); i >= 0 {
		return &m.Datasets[i]
	}
	return nil
}

// Collection returns the collection with a key, or nil.
func (d *Dataset) Collection(key string) *Collection {
	if d == nil {
		return nil
	}
	if i := slices.IndexFunc(d.Collections, func(c Collection) bool { return c.Key == key }); i >= 0 {
		return &d.Collections[i]
	}
	return nil
}

// Field returns the field at a path of names joined by dots, or nil.
func (c *Collection) Field(path string) *Field {
	if c == nil {
		return nil
	}
	fields := c.Fields
	for {
		name, rest, more := strings.Cut(path, ".")
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
		if i < 0 {
			return nil
		}
		if !more {
			return &fields[i]
		}
		path, fields = rest, fields[i].Fields
	}
}

// All yields the fields of a collection with their paths, an object before its parts.
func (c *Collection) All() iter.Seq2[string, *Field] {
	return func(yield func(string, *Field) bool) { each(c.Fields, "", yield) }
}

func each(fields []Field, above string, yield func(string, *Field) bool) bool {
	for i := range fields {
		path := above + fields[i].Name
		if !yield(path, &fields[i]) || !each(fields[i].Fields, path+".", yield) {
			return false
		}
	}
	return true
}

// PrimaryKey returns the paths of the fields that together identify a record.
func (c *Collection) PrimaryKey() []string {
	var key []string
	for path, f := range c.All() {
		if f.PrimaryKey {
			key = append(key, path)
		}
	}
	return key
}

// Effective returns the data categories of a field: its own, or else those of its collection, or else of its dataset.
func Effective(d *Dataset, c *Collection, f *Field) []string {
	switch {
	case len(f.Categories) > 0:
		return f.Categories
	case len(c.Categories) > 0:
		return c.Categories
	}
	return d.Categories
}
