package event

import "github.com/go-json-experiment/json/jsontext"

// Class is a classifier's word on one field.
type Class struct {
	// Category is a Fideslang data category such as "user.contact.email"; "" for operational data.
	Category string
	Kind     Kind
}

// Kind says how a value must be kept.
type Kind uint8

// The kinds of value. The zero value is the safe one: whatever nobody vouches for is encrypted.
const (
	// Unknown text may name anybody: it is committed and encrypted under every person of the event.
	Unknown Kind = iota
	// Operational data says nothing about a person: committed, and kept in clear in the working copy.
	Operational
	// Personal data is encrypted under its owner.
	Personal
)

// Classifier says what a field holds. Implementations MUST be safe for concurrent use and MUST NOT keep value. They are called once
// per field of every event, so an answer should take well under a microsecond.
type Classifier interface {
	// Classify looks at the event's action, the field's JSON pointer and the value's verbatim JSON.
	Classify(action, path string, value []byte) Class
	// ClassifyChange looks at a changed member's value; changePath is the change's own path within the resource, such as "/phone".
	ClassifyChange(action, changePath string, value []byte) Class
	// PersonType reports whether an actor or resource type ("patient", "client", "user") stands for a person.
	PersonType(typ string) bool
	// Suspicious reports whether a string that is to be stored in clear (an action, a source, a resource type) looks personal,
	// for example because it holds an e-mail address or a card number.
	Suspicious(clear string) bool
}

// Rule says what the values in one place of events hold. It MUST be safe for concurrent use and MUST NOT keep value.
type Rule interface {
	// Class gets what the rule was asked for with, the change's own path for a changed member, and the value.
	Class(action, path string, value []byte) Class
}

// Ruler is a Classifier that tells what it makes of a name before it sees a value, so that the name need be looked at once and not for every event.
type Ruler interface {
	Classifier
	// Rule is Classify without the value. Equal rules should be one in memory.
	Rule(action, path string) Rule
	// ChangeRule is ClassifyChange without the value.
	ChangeRule(action, changePath string) Rule
}

// Masker decides what a reader sees of a field. Implementations MUST be safe for concurrent use.
type Masker interface {
	// Mask changes r's fields in place: sets State to Masked with a new Value, or to Withheld with a nil Value.
	Mask(r *Record)
}

// Foreseer is a Masker that looks at each field by itself: what becomes of one depends on its path, category, state and value, on the handle of the person
// for whom its path stands, and on whether the event's resource stands for a person, but on nothing else of the record. A reader of many events saves
// work with it: values that make no difference stay encrypted, and what was made of a person's repeated values is made once.
type Foreseer interface {
	Masker
	// Foresee returns what becomes of an encrypted field whatever its value is, and false when that depends on the value. text says that the value is a
	// JSON string, person that the event's resource stands for a person.
	Foresee(path, category string, text, person bool) (v jsontext.Value, s State, ok bool)
	// Keeps reports whether an encrypted field is shown as it is, whatever its value; person says that the event's resource stands for a person.
	Keeps(path, category string, person bool) bool
	// Shows reports whether a field that was never encrypted is shown as it is, whatever its value.
	Shows(path, category string) bool
	// Makes reports whether a text in lower case may occur in what the reader sees of an encrypted field although it does not occur in the value, regardless of case in both. What
	// becomes of values with escapes it does not say.
	Makes(path, category string, person bool, folded string) bool
	// MaskField does for the ith field of r what Mask does for all of them, and MaskRest what Mask does besides.
	MaskField(r *Record, i int)
	MaskRest(r *Record)
}

// HandleHider is a Masker that may hide the handles of persons and addresses, because they tie together what the reader must not.
type HandleHider interface {
	// HidesHandles reports whether it does.
	HidesHandles() bool
}

// AlwaysText reports whether the value at a path is a JSON string in every event that has it.
func AlwaysText(path string) bool {
	switch path {
	case "/actor/email", "/actor/id", "/actor/name", "/actor/type", "/context/device", "/context/ip", "/context/request_id", "/context/session_id", "/context/traceparent",
		"/context/user_agent", "/correlation_id", "/id", "/outcome/reason", "/reason", "/resource/id", "/resource/name", "/severity", "/subject/id", "/subject/name", "/subject/type":
		return true
	}
	return false
}
