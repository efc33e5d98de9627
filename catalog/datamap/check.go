package datamap

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"probity.dev/catalog/field"
	"probity.dev/internal/errs"
)

var (
	datasetKey    = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)
	collectionKey = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	fieldName     = regexp.MustCompile(`^[^\x00-\x1f./\x7f]{1,128}$`)
	word          = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	dataUse       = regexp.MustCompile(`^[a-z][a-z_]*(\.[a-z][a-z_]*)*$`)
	country       = regexp.MustCompile(`^=[A-Z]{2}(-[A-Z0-9]{1,3})?$`)
)

var legalBases = []string{"consent", "contract", "legal_obligation", "vital_interests", "public_interest", "legitimate_interests"}

// maxProblems keeps an answer about a file that is wrong all over readable.
const maxProblems = 50

// checker collects what is wrong with a map.
type checker struct {
	problems            []errs.FieldError
	collections, fields int
}

func (k *checker) say(pointer, code, format string, args ...any) {
	if len(k.problems) < maxProblems {
		k.problems = append(k.problems, errs.FieldError{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
	}
}

// Check says whether a map is well-formed: names, references that lead somewhere, paths that can be followed, limits. The error
// is Invalid and points at up to fifty places; whether the map is any good is [Lint]'s to say.
func (m *Map) Check() error {
	k := &checker{}
	if len(m.Datasets) > maxDatasets {
		k.say("/datasets", "too_many", "A map has at most %d datasets.", maxDatasets)
	}
	activities := map[string]bool{}
	for i := range m.Activities {
		k.activity(fmt.Sprintf("/activities/%d", i), &m.Activities[i], activities)
	}
	seen := map[string]bool{}
	for i := range m.Datasets {
		d, at := &m.Datasets[i], fmt.Sprintf("/datasets/%d", i)
		k.name(at+"/key", d.Key, datasetKey, "A dataset is named by a small letter and up to 63 of a-z, 0-9, _ and -.", seen)
		k.categories(at, d.Categories)
		if d.Connector != "" && !datasetKey.MatchString(d.Connector) {
			k.say(at+"/connector", "wrong_format", "A connector is named by a small letter and up to 63 of a-z, 0-9, _ and -.")
		}
		k.texts(at, text{"name", d.Name, 200}, text{"description", d.Description, 2000})
		inside := map[string]bool{}
		for j := range d.Collections {
			k.collection(fmt.Sprintf("%s/collections/%d", at, j), &d.Collections[j], inside, activities)
		}
	}
	if k.collections > maxCollection {
		k.say("/datasets", "too_many", "A map has at most %d collections.", maxCollection)
	}
	if k.fields > maxFields {
		k.say("/datasets", "too_many", "A map has at most %d fields.", maxFields)
	}
	if len(k.problems) == 0 {
		k.links(m) // names are known to be good now
	}
	if len(k.problems) == 0 {
		return nil
	}
	msg := k.problems[0].Detail
	if n := len(k.problems); n > 1 {
		msg = fmt.Sprintf("%d places of the data map are wrong, the first: %s", n, msg)
	}
	return &errs.Error{Code: errs.Invalid, Message: msg, Fields: k.problems}
}

func (k *checker) name(at, name string, pattern *regexp.Regexp, rule string, seen map[string]bool) {
	switch {
	case !pattern.MatchString(name) || !utf8.ValidString(name):
		k.say(at, "wrong_format", "%s", rule)
	case seen[name]:
		k.say(at, "duplicate", "The name %q is taken already.", name)
	}
	seen[name] = true
}

type text struct {
	name, value string
	most        int
}

func (k *checker) texts(at string, texts ...text) {
	for _, t := range texts {
		switch {
		case !utf8.ValidString(t.value):
			k.say(at+"/"+t.name, "wrong_format", "Texts are UTF-8.")
		case utf8.RuneCountInString(t.value) > t.most:
			k.say(at+"/"+t.name, "too_long", "At most %d characters.", t.most)
		}
	}
}

func (k *checker) categories(at string, categories []string) {
	for i, c := range categories {
		if !field.Known(c) {
			k.say(fmt.Sprintf("%s/data_categories/%d", at, i), "unknown_category", "This is no data category: keys are those of Fideslang below user and system, such as user.contact.email.")
		}
	}
}

func (k *checker) activity(at string, a *Activity, seen map[string]bool) {
	k.name(at+"/key", a.Key, datasetKey, "An activity is named by a small letter and up to 63 of a-z, 0-9, _ and -.", seen)
	k.texts(at, text{"name", a.Name, 200}, text{"purpose", a.Purpose, 1000}, text{"retention", a.Retention, 500}, text{"security", a.Security, 2000}, text{"special_category_basis", a.SpecialBasis, 200})
	if strings.TrimSpace(a.Purpose) == "" {
		k.say(at+"/purpose", "required", "Say what the data is processed for.")
	}
	if !slices.Contains(legalBases, a.LegalBasis) {
		k.say(at+"/legal_basis", "unknown", "The legal basis is one of %s.", strings.Join(legalBases, ", "))
	}
	if a.DataUse != "" && !dataUse.MatchString(a.DataUse) {
		k.say(at+"/data_use", "wrong_format", "A data use is a Fideslang key such as essential.service.")
	}
}

func (k *checker) collection(at string, c *Collection, seen, activities map[string]bool) {
	k.collections++
	k.name(at+"/key", c.Key, collectionKey, "A collection is named by up to 128 letters, digits, _, . and -.", seen)
	k.categories(at, c.Categories)
	k.texts(at, text{"name", c.Name, 200}, text{"description", c.Description, 2000}, text{"unreached", c.Unreached, 500})
	k.word(at+"/subject_type", c.SubjectType)
	k.word(at+"/artifact_type", c.ArtifactType)
	k.sensitivity(at, c.Sensitivity)
	if strings.HasPrefix(c.Jurisdiction, "=") && !country.MatchString(c.Jurisdiction) {
		k.say(at+"/jurisdiction", "wrong_format", "One country for all records is written =IN, a part of one =US-CA.")
	}
	for i, p := range c.Purposes {
		if !activities[p] {
			k.say(fmt.Sprintf("%s/purposes/%d", at, i), "unknown", "There is no activity with this key.")
		}
	}
	k.fieldsOf(at, c.Fields, 1)
}

func (k *checker) word(at, w string) {
	if w != "" && !word.MatchString(w) {
		k.say(at, "wrong_format", "This is a small letter and up to 63 of a-z, 0-9 and _.")
	}
}

func (k *checker) sensitivity(at, s string) {
	if !slices.Contains([]string{"", "low", "normal", "high"}, s) {
		k.say(at+"/sensitivity", "unknown", "The sensitivity is low, normal or high.")
	}
}

func (k *checker) fieldsOf(at string, fields []Field, depth int) {
	if depth > maxDepth {
		k.say(at+"/fields", "too_deep", "Fields lie within one another at most %d deep.", maxDepth)
		return
	}
	seen := map[string]bool{}
	for i := range fields {
		f, at := &fields[i], fmt.Sprintf("%s/fields/%d", at, i)
		k.fields++
		k.name(at+"/name", f.Name, fieldName, "The name of a field has 1 to 128 characters, none of them a dot, a slash or a control character.", seen)
		k.categories(at, f.Categories)
		k.texts(at, text{"description", f.Description, 2000})
		k.word(at+"/identity", f.Identity)
		k.sensitivity(at, f.Sensitivity)
		if f.Type != "" && !slices.Contains(types, f.Type) {
			k.say(at+"/type", "unknown", "This is no type; there are string, integer, decimal, boolean, date, timestamp, binary, json, object and array.")
		}
		if f.Length < 0 {
			k.say(at+"/length", "out_of_range", "A length is 0 or more.")
		}
		if len(f.Fields) > 0 && f.Type != "" && f.Type != Object && f.Type != Array && f.Type != JSON {
			k.say(at+"/fields", "not_allowed", "Only an object or an array has parts.")
		}
		k.fieldsOf(at, f.Fields, depth+1)
	}
}
