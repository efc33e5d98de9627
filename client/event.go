package client

import (
	"encoding/json"
	"time"
)

// Event is an audit event to record. Source and Action are required.
type Event struct {
	// ID is the producer's own identifier; (Source, ID) is recorded once. [Client.Append] makes one when it is empty.
	ID string `json:"id,omitempty"`
	// Source is the producing application, such as "booking.api".
	Source string `json:"source"`
	// Action is "resource.verb", such as "invoice.update".
	Action   string `json:"action"`
	Category string `json:"category,omitempty"`
	Activity string `json:"activity,omitempty"`
	// OccurredAt is when it happened; the time of recording when zero.
	OccurredAt    time.Time                  `json:"occurred_at,omitzero"`
	Actor         Actor                      `json:"actor,omitzero"`
	Resource      Resource                   `json:"resource,omitzero"`
	Subject       *Ref                       `json:"subject,omitempty"`
	Changes       []Change                   `json:"changes,omitempty"`
	Context       Context                    `json:"context,omitzero"`
	Outcome       Outcome                    `json:"outcome,omitzero"`
	Severity      string                     `json:"severity,omitempty"`
	Producer      *Producer                  `json:"producer,omitempty"`
	CorrelationID string                     `json:"correlation_id,omitempty"`
	Reason        string                     `json:"reason,omitempty"`
	Custom        map[string]json.RawMessage `json:"custom,omitempty"`
	Data          map[string]json.RawMessage `json:"data,omitempty"`
	// Personal lists JSON pointers of values that are personal whatever the server's classifier thinks.
	Personal []string `json:"personal,omitempty"`
}

// Actor is who did it.
type Actor struct {
	// Type is user, service_account, api_key, system, agent or anonymous.
	Type       string   `json:"type,omitempty"`
	ID         string   `json:"id,omitempty"`
	Name       string   `json:"name,omitempty"`
	Email      string   `json:"email,omitempty"`
	Roles      []string `json:"roles,omitempty"`
	OnBehalfOf []Ref    `json:"on_behalf_of,omitempty"`
	// Handle is the server's number of the person; it is ignored when sent.
	Handle int64 `json:"handle,omitempty"`
}

// Resource is what it was done to.
type Resource struct {
	Type   string `json:"type,omitempty"`
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Handle int64  `json:"handle,omitempty"`
}

// Ref names a person or thing.
type Ref struct {
	Type   string `json:"type,omitempty"`
	ID     string `json:"id,omitempty"`
	Name   string `json:"name,omitempty"`
	Handle int64  `json:"handle,omitempty"`
}

// Change is one value before and after. A nil side is absent, which differs from JSON null.
type Change struct {
	Path   string          `json:"path"`
	Op     string          `json:"op,omitempty"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Context is from where and through what.
type Context struct {
	IP           string          `json:"ip,omitempty"`
	ForwardedFor []string        `json:"forwarded_for,omitempty"`
	UserAgent    string          `json:"user_agent,omitempty"`
	Device       string          `json:"device,omitempty"`
	Geo          json.RawMessage `json:"geo,omitempty"`
	SessionID    string          `json:"session_id,omitempty"`
	RequestID    string          `json:"request_id,omitempty"`
	Traceparent  string          `json:"traceparent,omitempty"`
}

// Outcome says how it ended: success, failure or denied.
type Outcome struct {
	Status string `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Producer numbers the events of one producing process, so that gaps can be seen.
type Producer struct {
	ID   string `json:"id"`
	Boot string `json:"boot,omitempty"`
	Seq  uint64 `json:"seq"`
}

// Record is a recorded event as this caller may see it.
type Record struct {
	Event
	Seq        uint64    `json:"seq"`
	RecordedAt time.Time `json:"recorded_at"`
	// Sentence says in words what happened.
	Sentence string `json:"sentence"`
	// FieldsState names, by JSON pointer, the values that are masked, withheld or erased for this caller.
	FieldsState map[string]string `json:"fields_state"`
	// Raw is the record as the server sent it, byte for byte.
	Raw json.RawMessage `json:"-"`
}

// Value makes the JSON of a [Change]'s side or of a custom field. It panics for what has no JSON form, such as a channel.
func Value(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("client.Value: " + err.Error())
	}
	return b
}
