package export

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/ledger/event"
)

// Anonymisation is what a tenant's settings demand of exports, beyond the masking of the reader's role (mission rows B2, A15).
type Anonymisation string

// The kinds of anonymisation. The zero value is AnonymiseNone.
const (
	// AnonymiseNone leaves what the reader may see.
	AnonymiseNone Anonymisation = "none"
	// AnonymisePseudonymise replaces names and identifiers of persons by a pseudonym that is the same throughout the tenant, and
	// withholds every other personal value.
	AnonymisePseudonymise Anonymisation = "pseudonymise"
	// AnonymiseDrop withholds every personal value and the handles of persons.
	AnonymiseDrop Anonymisation = "drop"
)

// Apply anonymises a record in place.
func (a Anonymisation) Apply(r *event.Record, p *Pseudonyms) {
	if a != AnonymisePseudonymise && a != AnonymiseDrop {
		return
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.Value == nil || !personal(f) {
			continue
		}
		if h := personOf(r, f.Path); a == AnonymisePseudonymise && h != 0 {
			f.Value = jsontext.Value(`"` + p.Person(h) + `"`)
			f.State = event.Masked
			continue
		}
		f.Value, f.State = nil, event.Withheld
	}
	if r.ResourceHandle != 0 {
		r.ResourceID = ""
	}
	if a == AnonymiseDrop {
		r.ActorHandle, r.SubjectHandle, r.ResourceHandle, r.IPHandle = 0, 0, 0, 0
	}
}

// personal reports whether a field is anybody's: it was encrypted, it is masked, or its category says so.
func personal(f *event.Field) bool {
	return f.Owners != 0 || f.State == event.Opened || f.State == event.Masked || strings.HasPrefix(f.Category, "user")
}

// personOf returns the handle of the person that a field names or identifies, 0 for any other field.
func personOf(r *event.Record, path string) int64 {
	switch path {
	case "/actor/id", "/actor/name", "/actor/email":
		return r.ActorHandle
	case "/subject/id", "/subject/name":
		return r.SubjectHandle
	case "/resource/id", "/resource/name":
		return r.ResourceHandle
	case "/context/ip":
		return r.IPHandle
	}
	return 0
}
