package datamap

import (
	"encoding/json"
	"slices"
	"strings"

	"probity.dev/catalog/field"
	"probity.dev/ledger/event"
)

// Column is what a live system says about a field that nobody has classified, with some of its values.
type Column struct {
	Collection string
	Name       string
	Type       Type
	Samples    []string // as text; empty ones say nothing
}

// Suggestion is what a column probably holds. It is for a person to confirm.
type Suggestion struct {
	Category   string   `json:"category,omitempty" example:"user.contact.email" doc:"Empty when nothing tells what the column holds"`
	Confidence float64  `json:"confidence" minimum:"0" maximum:"1" doc:"How sure that is: the share of the values that bear it out, or 0.8 when only the name tells"`
	Basis      string   `json:"basis" enum:"name,values,both,text,table,nothing" doc:"What it rests on. text: personal data was found inside longer texts; table: the other columns"`
	Inside     []string `json:"inside,omitempty" doc:"The categories that were found inside texts"`
}

// Classifier is what [Suggest] asks; package field's is one.
type Classifier interface {
	Classify(action, path string, value []byte) event.Class
	ClassifyChange(action, changePath string, value []byte) event.Class
	PersonType(typ string) bool
}

const (
	mostSamples = 500
	bearsOut    = 0.6  // of the values must be of one category for the values to tell
	byNameAlone = 0.8  // of columns with a telling name hold what it says, in the data that the test measures
	someTexts   = 0.03 // of the texts must hold personal data for a column to count as such
	textLength  = 24   // characters from which on a value with several words is a text
)

// SuggestTable guesses what the columns of one collection hold, each in the light of the others: a state beside a city is a part
// of an address, and what a table of persons holds is about persons unless something says otherwise.
func SuggestTable(c Classifier, collection string, columns []Column) []Suggestion {
	out := make([]Suggestion, len(columns))
	cities := map[string]bool{}
	for i, col := range columns {
		col.Collection = collection
		out[i] = Suggest(c, col)
		if prefix, ok := cutSuffixFold(col.Name, "city"); ok && out[i].Category == field.City {
			cities[prefix] = true
		}
	}
	persons := c.PersonType(collection)
	for i, col := range columns {
		prefix, isState := cutSuffixFold(col.Name, "state")
		switch {
		case isState && cities[prefix]:
			out[i] = Suggestion{Category: field.AddressState, Confidence: byNameAlone, Basis: "table"}
		case persons && out[i].Category == "":
			out[i] = Suggestion{Category: field.User, Confidence: 0.5, Basis: "table"}
		}
	}
	return out
}

func cutSuffixFold(s, suffix string) (string, bool) {
	return strings.CutSuffix(strings.ToLower(s), suffix)
}

// Suggest guesses what a column holds from its name, its type and its values.
func Suggest(c Classifier, col Column) Suggestion {
	action := col.Collection + ".read"
	var byName string
	if class := c.ClassifyChange(action, col.Name, []byte("null")); class.Kind == event.Personal {
		byName = class.Category
	}
	if col.Type == Boolean {
		return Suggestion{Category: "system.operations", Confidence: byNameAlone, Basis: "name"}
	}
	t := tally(c, action, col)
	switch {
	case t.share >= bearsOut && byName != "" && (field.Within(t.category, byName) || field.Within(byName, t.category)):
		return Suggestion{Category: longer(t.category, byName), Confidence: 1 - (1-t.share)*(1-byNameAlone), Basis: "both"}
	case t.share >= bearsOut && byName != "" && t.category == field.Phone && field.Within(byName, field.Contact):
		return Suggestion{Category: byName, Confidence: t.share, Basis: "both"} // a fax number looks like any other
	case t.share >= bearsOut:
		return Suggestion{Category: t.category, Confidence: t.share, Basis: "values"}
	case byName != "":
		return Suggestion{Category: byName, Confidence: byNameAlone, Basis: "name", Inside: t.inside}
	case t.texts >= someTexts:
		return Suggestion{Category: field.PrivateContent, Confidence: 0.5, Basis: "text", Inside: t.inside}
	case t.operational >= 0.95:
		return Suggestion{Category: "system.operations", Confidence: byNameAlone, Basis: "values"}
	}
	return Suggestion{Basis: "nothing"}
}

func longer(a, b string) string {
	if len(a) > len(b) {
		return a
	}
	return b
}

// whole returns the category that most of a value is: of its one span, or address when all its spans are parts of one.
func whole(s string, spans []field.Span) string {
	covered, parts := 0, true
	for _, sp := range spans {
		covered += sp.End - sp.Start
		parts = parts && field.Within(sp.Category, field.Address)
	}
	switch {
	case len(spans) == 1 && covered*10 >= len(s)*8:
		return spans[0].Category
	case len(spans) > 0 && parts && covered*2 >= len(s):
		return field.Address
	}
	return ""
}

// tallied is what the values of a column say.
type tallied struct {
	category    string  // the most frequent
	share       float64 // of the values that are of it
	operational float64 // share of those that are about no person
	texts       float64 // share of those that hold personal data inside
	inside      []string
}

func tally(c Classifier, action string, col Column) (t tallied) {
	votes := map[string]int{}
	seen, impersonal, texts := 0, 0, 0
	for _, s := range col.Samples[:min(len(col.Samples), mostSamples)] {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		seen++
		value, err := json.Marshal(s)
		if col.Type == Integer || col.Type == Decimal {
			value, err = []byte(s), nil
		}
		if err != nil {
			continue
		}
		switch class := c.Classify(action, "/data/value", value); class.Kind {
		case event.Personal:
			votes[class.Category]++
			continue
		case event.Operational:
			impersonal++
		default:
			if c.ClassifyChange(action, col.Name, value).Kind == event.Operational {
				impersonal++ // the name says that such values are about things
			}
		}
		spans := field.Find(s)
		if category := whole(s, spans); category != "" {
			votes[category]++
			continue
		}
		if len(spans) > 0 && len(s) >= textLength && strings.Contains(s, " ") {
			texts++
			for _, sp := range spans {
				t.inside = append(t.inside, sp.Category)
			}
		}
	}
	if seen == 0 {
		return t
	}
	most := 0
	for category, n := range votes {
		if n > most || n == most && category < t.category {
			t.category, most = category, n
		}
	}
	slices.Sort(t.inside)
	t.inside = slices.Compact(t.inside)
	t.share, t.operational, t.texts = float64(most)/float64(seen), float64(impersonal)/float64(seen), float64(texts)/float64(seen)
	return t
}
