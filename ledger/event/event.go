package event

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of one event. They are part of the contract; a larger event is refused with an error that names the field.
const (
	MaxBytes   = 256 << 10 // of the event's JSON text
	MaxFields  = 64        // field commitments of an event; deeper JSON is one commitment over its verbatim bytes
	MaxClear   = 128       // bytes of a clear string (source, action, resource type, ...)
	MaxID      = 512       // bytes of an identifier
	MaxText    = 32 << 10  // bytes of a name, user agent or reason
	MaxChanges = 200       // entries of changes[]
	MaxDepth   = 64        // nesting of JSON
)

// Event is an audit event as a producer sends it (snake_case JSON). The zero value of an optional member means "not given".
type Event struct {
	// ID is the producer's own identifier; (Source, ID) is recorded exactly once. When empty, the server makes a UUIDv7.
	ID string
	// Source is the producing application, a clear string such as "booking.api".
	Source string
	// Action is "resource.verb", a clear string such as "invoice.update".
	Action string
	// Category is the class of event, one of Categories; derived from the action when empty.
	Category string
	// Activity is what was done, one of Activities; derived from the action's verb when empty.
	Activity string
	// OccurredAt is the producer's time, with microsecond precision. The server's time when zero.
	OccurredAt time.Time
	// Undated says that OccurredAt is the server's, because the producer gave none.
	Undated  bool
	Actor    Actor
	Resource Resource
	// Subject is the person whose data the event is about; nil when it is nobody or unknown.
	Subject *Ref
	Changes []Change
	Context Context
	Outcome Outcome
	// Severity is one of Severities; "info" when empty.
	Severity string
	Producer *Producer
	// CorrelationID ties events of one operation together.
	CorrelationID string
	// Reason is a person's justification, or a ticket.
	Reason string
	// Custom holds the tenant's typed custom fields by name (validated by the ledger's field definitions).
	Custom []Member
	// Data holds whatever else the producer sent, unknown top-level members included, in the order received.
	Data []Member
	// Personal lists JSON pointers whose values the producer marks as personal, whatever the classifier thinks.
	Personal []string

	text  []byte          // the compact JSON the event was parsed from, never modified; nil for an event built by hand
	spans [slotCount]span // where in text the verbatim spelling of a member lies
}

// Member is one member of a JSON object, kept verbatim.
type Member struct {
	Name  string
	Value jsontext.Value
}

// Actor is who did it.
type Actor struct {
	// Type is user, service_account, api_key, system, agent or anonymous; "user" when an id is given without a type.
	Type  string
	ID    string
	Name  string
	Email string
	Roles []string
	// OnBehalfOf is the delegation chain, nearest first.
	OnBehalfOf []Ref
}

// Resource is what it was done to.
type Resource struct {
	Type string
	ID   string
	Name string
}

// Ref names a person or thing by type and id.
type Ref struct {
	Type string
	ID   string
	Name string
}

// Change is one field's value before and after, as the producer reports it.
type Change struct {
	// Path is a JSON pointer or a dotted name within the resource, for example "/price".
	Path string
	// Op is add, remove or replace; "replace" when empty.
	Op string
	// Before and After are verbatim JSON; nil means absent, which differs from null.
	Before jsontext.Value
	After  jsontext.Value

	pathText jsontext.Value // the verbatim spelling of Path, when it was parsed
}

// Context is from where and through what.
type Context struct {
	IP string
	// ForwardedFor are the further hops, client first, as the producer or the trusted proxies saw them.
	ForwardedFor []string
	UserAgent    string
	Device       string
	Geo          jsontext.Value
	SessionID    string
	RequestID    string
	Traceparent  string
}

// Outcome says how it ended.
type Outcome struct {
	// Status is success, failure or denied; "success" when empty.
	Status string
	Reason string
}

// Producer numbers the events of one producing process, so that gaps can be seen. Gaps are judged per ID and Boot.
type Producer struct {
	ID   string
	Boot string
	Seq  uint64
}

// Categories, Activities, Severities, Outcomes and ActorTypes are the accepted words.
var (
	Categories = []string{"data", "auth", "access", "config", "system", "security", "governance", "other"}
	Activities = []string{"create", "read", "update", "delete", "login", "logout", "export", "import", "share", "grant", "revoke",
		"approve", "deny", "execute", "start", "stop", "enable", "disable", "lock", "unlock", "send", "other"}
	Severities = []string{"debug", "info", "notice", "low", "medium", "high", "critical"}
	Outcomes   = []string{"success", "failure", "denied"}
	ActorTypes = []string{"user", "service_account", "api_key", "system", "agent", "anonymous"}
)
