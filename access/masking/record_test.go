package masking

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"probity.dev/ledger/event"
)

// TestNothingWithheldSurvives makes records whose values are all different and looks for any four characters in a row of a hidden
// value in everything that the masked record holds, for every reader and every mode of export.
func TestNothingWithheldSurvives(t *testing.T) {
	e := New(Builtin(), testKey)
	secret := rapid.StringMatching(`[g-tv-z]{6,20}( [g-tv-z]{4,9}){0,3}`) // no hex digits and no u, which pseudonyms consist of
	hidden := []string{"", "user", "user.name", "user.unique_id", "user.authorization.credentials", "user.health_and_medical", "user.contact.address.street",
		"user.government_id.passport_number", "user.behavior", "user.made_up", "system.credential"}
	paths := []string{"/actor/id", "/actor/name", "/changes/0/after", "/correlation_id", "/custom/x", "/data/x", "/id", "/reason", "/resource/id", "/resource/name", "/subject/id"}
	rapid.Check(t, func(t *rapid.T) {
		r := &event.Record{ActorHandle: rapid.Int64Range(0, 9).Draw(t, "actor"), ResourceHandle: rapid.Int64Range(0, 9).Draw(t, "resource")}
		var values []string
		for _, p := range paths {
			if !rapid.Bool().Draw(t, "has "+p) {
				continue
			}
			s := secret.Draw(t, p)
			v, _ := json.Marshal(s)
			switch rapid.IntRange(0, 3).Draw(t, "form") {
			case 1:
				v = []byte(`["` + s + `"]`)
			case 2:
				v = []byte(`{"a":"` + s + `"}`)
			}
			values = append(values, s)
			r.Fields = append(r.Fields, event.Field{Path: p, Category: rapid.SampledFrom(hidden).Draw(t, "category"), Value: jsontext.Value(v), State: event.Opened})
			switch p {
			case "/id":
				r.ID = s
			case "/resource/id":
				r.ResourceID = s
			case "/correlation_id":
				r.CorrelationID = s
			}
		}
		role := rapid.SampledFrom([]string{"auditor", "writer", "admin", "stranger"}).Draw(t, "role")
		e.Export(role, false, rapid.SampledFrom([]Mode{AsSeen, Pseudonymise, DropNames}).Draw(t, "mode")).Mask(r)
		rest := fmt.Sprint(r.ID, "|", r.ResourceID, "|", r.CorrelationID)
		for _, f := range r.Fields {
			if f.Value != nil && !f.Value.IsValid() {
				t.Fatalf("%s is not JSON: %s", f.Path, f.Value)
			}
			if f.State != event.Withheld && f.State != event.Masked {
				t.Fatalf("%s has state %d", f.Path, f.State)
			}
			rest += "|" + string(f.Value)
		}
		for _, s := range values {
			for i := 0; i+4 <= len(s); i++ {
				if strings.Contains(rest, s[i:i+4]) {
					t.Fatalf("%q of %q survives in %s", s[i:i+4], s, rest)
				}
			}
		}
	})
}

// TestMasksMakeNothingUnforeseen looks for texts in renderings that are not in the values rendered: a mask must have said that it may make them.
func TestMasksMakeNothingUnforeseen(t *testing.T) {
	e := New(Builtin(), testKey, WithFinder(func(text string, yield func(int, int, string)) {
		if i := strings.Index(text, "ana"); i >= 0 {
			yield(i, i+3, "user.name")
		}
	}))
	values := rapid.OneOf(
		rapid.StringMatching(`[a-cA-FÅİK]{1,3}[.]?[a-z]{0,4}@[a-zÅ]{1,5}[.][A-Za-z]{1,8}`), // e-mail addresses
		rapid.StringMatching(`[+]?[0-9]{1,3}[ -/]?[0-9]{3,11}(x[0-9]{2})?`),                // telephone numbers, cards
		rapid.StringMatching(`(19|20)[0-9]{2}-[0-9]{1,2}-[0-9]{1,2}`),
		rapid.StringMatching(`[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}`),
		rapid.StringMatching(`[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}`),
		rapid.StringMatching(`[A-Za-zÅßİ"]{1,8}( [A-ZÅß]?[a-z]{0,5}){0,4}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		value := values.Draw(t, "value")
		v, _ := json.Marshal(value)
		switch rapid.IntRange(0, 4).Draw(t, "form") {
		case 1:
			v = fmt.Appendf(nil, `[%s,null,%s]`, v, v)
		case 2:
			v = []byte(rapid.SampledFrom([]string{"null", "true", "4111111111111111", "-7"}).Draw(t, "literal"))
		}
		mask := Mask(rapid.IntRange(int(Text), int(Redact)).Draw(t, "mask")) // what is dropped is not rendered
		person := int64(0)
		if mask == Pseudonym {
			person = rapid.Int64Range(0, 2).Draw(t, "person")
		}
		shown := []rune(strings.ToLower(string(e.render(mask, person, v))))
		if len(shown) == 0 {
			return
		}
		from := rapid.IntRange(0, len(shown)-1).Draw(t, "from")
		text := string(shown[from:rapid.IntRange(from+1, len(shown)).Draw(t, "to")])
		if !strings.Contains(string(v), `\`) && !strings.Contains(strings.ToLower(string(v)), text) && !mask.makes(text) {
			t.Fatalf("%s made %q of %s, and says that it does not make %q", mask, string(shown), v, text)
		}
	})
	for _, text := range []string{"subrogation", "chrome", "ångström", "471108151234567", "deadbeefdeadbeef"} {
		for mask := Year; mask < maskCount; mask++ {
			if mask.makes(text) {
				t.Errorf("%s may make %q", mask, text)
			}
		}
	}
}
