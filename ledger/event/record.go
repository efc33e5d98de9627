package event

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Field is one committed value of an event.
type Field struct {
	// Path is an RFC 6901 JSON pointer into the event, such as "/actor/email" or "/changes/0/after".
	Path string
	// Value is the verbatim JSON text of the value, exactly the bytes that were committed to. After masking it is the masked
	// text instead, and State says so.
	Value jsontext.Value
	// Category is the field's data category (a Fideslang key such as "user.contact.email"), or "" for operational data.
	Category string
	// Owners is a bit set of whose secret the value depends on.
	Owners Owners
	// State says whether Value can be taken at its word.
	State State
}

// Owners is the set of an event's persons that own a field; zero means the tenant alone.
type Owners uint8

// The persons of an event that may own a field.
const (
	OwnerActor    Owners = 1 << iota // the actor, when a person
	OwnerSubject                     // the data subject
	OwnerResource                    // the resource, when it stands for a person
)

// State is what happened to a field's value between commitment and reader.
type State uint8

// The states of a field.
const (
	// Clear: the value is as committed and was never encrypted.
	Clear State = iota
	// Opened: the value was encrypted and has been decrypted for this reader.
	Opened
	// Masked: Value holds a masked rendering of the committed value (the operator's claim, not provable).
	Masked
	// Withheld: the reader may not see the value; Value is nil.
	Withheld
	// Erased: nobody can see the value any more; Value is nil.
	Erased
)

// Record is one event as it is read back from a ledger. Clear attributes come from the leaf; everything else is in Fields.
type Record struct {
	Seq        uint64
	ID         string
	RecordedAt time.Time
	OccurredAt time.Time
	Source     string
	Action     string
	Category   string
	Activity   string
	Outcome    string
	Severity   string
	// ResourceType and, unless the resource stands for a person, ResourceID.
	ResourceType  string
	ResourceID    string
	CorrelationID string
	// The handles of the event's persons in the tenant's directory; zero when there is none.
	ActorHandle    int64
	SubjectHandle  int64
	ResourceHandle int64
	IPHandle       int64
	// Fields are sorted by path.
	Fields []Field
	// LeafHash is the RFC 6962 leaf hash, when it was asked for.
	LeafHash []byte
}

// Field returns the field at path, and whether the event has one.
func (r *Record) Field(path string) (Field, bool) {
	lo, hi := 0, len(r.Fields)
	for lo < hi {
		mid := (lo + hi) / 2
		if r.Fields[mid].Path < path {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(r.Fields) && r.Fields[lo].Path == path {
		return r.Fields[lo], true
	}
	return Field{}, false
}

// Text returns the field at path as plain text: the content of a JSON string, or the JSON text of any other value. It is ""
// when the event has no such field or the reader may not see it.
func (r *Record) Text(path string) string {
	f, ok := r.Field(path)
	if !ok || f.Value == nil {
		return ""
	}
	return plain(f.Value)
}

func plain(v jsontext.Value) string { return string(plainBytes(v)) }

// plainBytes returns the content of a JSON string, or the JSON text of any other value. The result may alias v.
func plainBytes(v jsontext.Value) []byte {
	if len(v) >= 2 && v[0] == '"' {
		if s := v[1 : len(v)-1]; bytes.IndexByte(s, '\\') < 0 {
			return s
		}
		if b, err := jsontext.AppendUnquote(nil, v); err == nil {
			return b
		}
	}
	return v
}
