package export

import (
	"encoding/hex"
	"io"
	"strconv"

	"probity.dev/ledger/event"
)

// OCSFVersion is the version of the Open Cybersecurity Schema Framework that the OCSF format follows and is tested against. It is
// the first with the record_integrity profile, which carries our leaf hashes; all else in a record exists since 1.4.
const OCSFVersion = "1.9.0-dev"

// ocsfForm has one OCSF event a line: API Activity, Entity Management, Authentication or Account Change. What has no place
// in OCSF is kept under unmapped, so that nothing that the reader may see is lost.
type ocsfForm struct {
	tenant string
	origin string
}

func newOCSF(w io.Writer, o Options) (Encoder, error) {
	return newLines(w, &ocsfForm{tenant: o.TenantID}), nil
}

func (f *ocsfForm) head(dst []byte, m *Meta) []byte {
	f.origin = m.Log.Origin
	return dst
}

func (f *ocsfForm) rows() rowWriter { return &ocsfRows{tenant: f.tenant, origin: f.origin} }

func (f *ocsfForm) separator() int { return 0 }

func (f *ocsfForm) tail(dst []byte, _ bool) []byte { return dst }

// ocsfRows writes OCSF events.
type ocsfRows struct {
	tenant string
	origin string
	row    row
	b      []byte
	comma  bool // whether the next member of the current object needs a comma before it
}

func (e *ocsfRows) appendRow(dst []byte, r *event.Record) []byte {
	e.row.load(r)
	e.b = dst
	e.event()
	return append(e.b, '\n')
}

// The writers of JSON members. Each leaves comma set for the next.

func (e *ocsfRows) key(name string) {
	if e.comma {
		e.b = append(e.b, ',')
	}
	e.b = append(append(append(e.b, '"'), name...), '"', ':')
	e.comma = true
}

func (e *ocsfRows) open(name string) {
	e.key(name)
	e.b = append(e.b, '{')
	e.comma = false
}

func (e *ocsfRows) close() {
	e.b = append(e.b, '}')
	e.comma = true
}

func (e *ocsfRows) int(name string, v int64) {
	e.key(name)
	e.b = strconv.AppendInt(e.b, v, 10)
}

func (e *ocsfRows) str(name, v string) {
	if v == "" {
		return
	}
	e.key(name)
	e.b = appendQuoted(e.b, v)
}

// field writes a field's value as a string, and reports whether there was one to write.
func (e *ocsfRows) field(name string, f *event.Field) bool {
	if f == nil || f.Value == nil {
		return false
	}
	e.key(name)
	if f.Value[0] == '"' {
		e.b = append(e.b, f.Value...)
	} else {
		e.b = appendQuoted(e.b, f.Value)
	}
	return true
}

// fieldOr writes a field, or what is known of it without the field.
func (e *ocsfRows) fieldOr(name string, f *event.Field, fallback string) bool {
	if f == nil {
		e.str(name, fallback)
		return fallback != ""
	}
	return e.field(name, f)
}

// raw writes a field's value as it is.
func (e *ocsfRows) raw(name string, f *event.Field) {
	if f != nil && f.Value != nil {
		e.key(name)
		e.b = append(e.b, f.Value...)
	}
}

func (e *ocsfRows) event() {
	r, m := e.row.rec, classify(e.row.rec)
	e.b = append(e.b, '{')
	e.comma = false
	e.int("class_uid", m.class.uid)
	e.str("class_name", m.class.name)
	e.int("category_uid", m.class.category)
	e.str("category_name", m.class.categoryName)
	e.int("activity_id", m.activity)
	e.str("activity_name", m.activityName)
	e.int("type_uid", m.class.uid*100+m.activity)
	e.key("type_name")
	e.b = append(append(append(append(append(e.b, '"'), m.class.name...), ": "...), m.activityName...), '"')
	e.int("time", r.OccurredAt.UnixMilli())
	e.outcome(r)
	e.key("message")
	e.row.scratch = r.AppendSentence(e.row.scratch[:0])
	e.b = appendQuoted(e.b, e.row.scratch)
	e.metadata(r)
	e.actor(r)
	e.endpoint(r)
	e.httpRequest()
	switch m.class {
	case &apiActivity:
		e.open("api")
		e.str("operation", r.Action)
		e.open("service")
		e.str("name", r.Source)
		e.close()
		e.close()
		e.resources(r)
	case &entityManagement:
		e.entity(r)
		e.field("comment", e.row.reason)
	case &authentication:
		e.open("service")
		e.str("name", r.Source)
		e.close()
		e.user("user", e.row.actorID, e.row.actorName, e.row.actorEmail, r.ActorHandle)
		e.session()
	case &accountChange:
		e.account(r)
	}
	e.attestation(r)
	e.unmapped(r, m.class)
	e.b = append(e.b, '}')
}

func (e *ocsfRows) outcome(r *event.Record) {
	id, name := int64(1), "Informational"
	switch r.Severity {
	case "low":
		id, name = 2, "Low"
	case "medium":
		id, name = 3, "Medium"
	case "high":
		id, name = 4, "High"
	case "critical":
		id, name = 5, "Critical"
	}
	e.int("severity_id", id)
	e.str("severity", name)
	switch r.Outcome {
	case "success":
		e.int("status_id", 1)
		e.str("status", "Success")
	case "failure", "denied":
		e.int("status_id", 2)
		e.str("status", "Failure")
		e.str("status_code", r.Outcome)
	default:
		e.int("status_id", 0)
		e.str("status", "Unknown")
	}
	e.field("status_detail", e.row.outcomeReason)
}

func (e *ocsfRows) metadata(r *event.Record) {
	e.open("metadata")
	e.str("version", OCSFVersion)
	e.open("product")
	e.str("name", "Probity")
	e.str("vendor_name", "Probity")
	e.close()
	e.fieldOr("uid", e.row.id, r.ID)
	e.int("sequence", int64(r.Seq))
	e.int("logged_time", r.RecordedAt.UnixMilli())
	e.key("original_time")
	e.b = append(e.row.occurred.append(append(e.b, '"'), r.OccurredAt), '"')
	e.str("event_code", r.Action)
	e.str("log_source", r.Source)
	e.str("log_name", e.origin)
	e.str("tenant_uid", e.tenant)
	e.fieldOr("correlation_uid", e.row.correlationID, r.CorrelationID)
	if len(r.LeafHash) > 0 {
		e.key("profiles")
		e.b = append(e.b, `["record_integrity"]`...)
	}
	e.close()
}

// actor writes who did it. OCSF wants one of several members; the producing application is always known.
func (e *ocsfRows) actor(r *event.Record) {
	e.open("actor")
	if e.row.actorID != nil || e.row.actorName != nil || e.row.actorEmail != nil || r.ActorHandle != 0 {
		e.user("user", e.row.actorID, e.row.actorName, e.row.actorEmail, r.ActorHandle)
	}
	e.session()
	e.str("app_name", r.Source)
	e.close()
}

func (e *ocsfRows) session() {
	if s := e.row.sessionID; s != nil && s.Value != nil {
		e.open("session")
		e.field("uid", s)
		e.close()
	}
}

// user writes a user object that always meets OCSF's rule of at least an id or a name.
func (e *ocsfRows) user(name string, id, full, email *event.Field, handle int64) {
	e.open(name)
	known := e.field("uid", id)
	known = e.field("name", full) || known
	if email != nil && looksLikeEmail(email.Value) {
		e.field("email_addr", email)
	}
	if handle != 0 {
		e.key("uid_alt")
		e.b = append(strconv.AppendInt(append(e.b, '"'), handle, 10), '"')
	}
	if !known {
		e.str("name", "unknown")
	}
	e.userType()
	e.close()
}

func (e *ocsfRows) userType() {
	if e.row.actorType == nil || e.row.actorType.Value == nil {
		return
	}
	e.row.scratch = appendPlain(e.row.scratch[:0], e.row.actorType.Value)
	switch string(e.row.scratch) {
	case "user":
		e.int("type_id", 1)
		e.str("type", "User")
	case "system":
		e.int("type_id", 3)
		e.str("type", "System")
	case "service_account", "api_key":
		e.int("type_id", 4)
		e.str("type", "Service")
	case "anonymous":
		e.int("type_id", 0)
		e.str("type", "Unknown")
	default:
		e.int("type_id", 99)
		e.field("type", e.row.actorType)
	}
}

func (e *ocsfRows) endpoint(r *event.Record) {
	e.open("src_endpoint")
	if f := e.row.ip; f != nil && looksLikeIP(f.Value) {
		e.field("ip", f)
	}
	e.str("svc_name", r.Source)
	e.close()
}

func (e *ocsfRows) httpRequest() {
	agent, id := e.row.userAgent, e.row.requestID
	if (agent == nil || agent.Value == nil) && (id == nil || id.Value == nil) {
		return
	}
	e.open("http_request")
	e.field("user_agent", agent)
	e.field("uid", id)
	e.close()
}

func (e *ocsfRows) resources(r *event.Record) {
	hasResource := r.ResourceType != "" || e.row.resourceID != nil || r.ResourceID != ""
	hasSubject := e.row.subjectID != nil || e.row.subjectName != nil
	if !hasResource && !hasSubject {
		return
	}
	e.key("resources")
	e.b = append(e.b, '[')
	if hasResource {
		e.b = append(e.b, '{')
		e.comma = false
		known := e.fieldOr("uid", e.row.resourceID, r.ResourceID)
		known = e.field("name", e.row.resourceName) || known
		if !known {
			e.str("name", "unknown")
		}
		e.str("type", r.ResourceType)
		e.int("role_id", 1)
		e.str("role", "Target")
		e.close()
	}
	if hasSubject {
		if hasResource {
			e.b = append(e.b, ',')
		}
		e.b = append(e.b, '{')
		e.comma = false
		known := e.field("uid", e.row.subjectID)
		known = e.field("name", e.row.subjectName) || known
		if !known {
			e.str("name", "unknown")
		}
		e.field("type", e.row.subjectType)
		e.int("role_id", 3)
		e.str("role", "Affected")
		e.close()
	}
	e.b = append(e.b, ']')
	e.comma = true
}

func (e *ocsfRows) entity(r *event.Record) {
	e.open("entity")
	known := e.fieldOr("uid", e.row.resourceID, r.ResourceID)
	known = e.field("name", e.row.resourceName) || known
	if !known {
		name := r.ResourceType
		if name == "" {
			name = r.Action
		}
		e.str("name", name)
	}
	e.str("type", r.ResourceType)
	e.int("type_id", 99)
	e.close()
}

// account writes the account that an Account Change is about: the resource, else the data subject.
func (e *ocsfRows) account(r *event.Record) {
	id, name, fallback := e.row.resourceID, e.row.resourceName, r.ResourceID
	if id == nil && name == nil && fallback == "" {
		id, name = e.row.subjectID, e.row.subjectName
	}
	e.open("user")
	known := e.fieldOr("uid", id, fallback)
	known = e.field("name", name) || known
	if !known {
		e.str("name", "unknown")
	}
	e.str("type", r.ResourceType)
	e.int("type_id", 99)
	e.close()
}

// attestation writes the leaf hash: the RFC 6962 hash of the event's leaf, which is the deterministic serialisation that the log's
// signed checkpoints cover.
func (e *ocsfRows) attestation(r *event.Record) {
	if len(r.LeafHash) == 0 {
		return
	}
	e.key("attestation_list")
	e.b = append(e.b, `[{`...)
	e.comma = false
	e.key("uid")
	e.b = append(strconv.AppendUint(append(e.b, '"'), r.Seq, 10), '"')
	e.str("authority_uid", e.origin)
	e.str("chain_uid", e.origin)
	e.open("fingerprint")
	e.str("algorithm", "SHA-256")
	e.int("algorithm_id", 3)
	e.str("encoding", "Hex")
	e.int("encoding_id", 1)
	e.str("serialization", "probity/leaf/v1")
	e.int("serialization_id", 99)
	e.key("value")
	e.b = append(hex.AppendEncode(append(e.b, '"'), r.LeafHash), '"')
	e.close()
	e.b = append(e.b, `}]`...)
	e.comma = true
}

func (e *ocsfRows) unmapped(r *event.Record, class *ocsfClass) {
	e.open("unmapped")
	if class == &authentication && (r.ResourceType != "" || e.row.resourceID != nil) {
		e.open("resource")
		e.str("type", r.ResourceType)
		e.fieldOr("id", e.row.resourceID, r.ResourceID)
		e.field("name", e.row.resourceName)
		e.close()
	}
	if class != &apiActivity && (e.row.subjectID != nil || e.row.subjectName != nil || e.row.subjectType != nil) {
		e.open("subject")
		e.field("type", e.row.subjectType)
		e.field("id", e.row.subjectID)
		e.field("name", e.row.subjectName)
		e.close()
	}
	e.str("category", r.Category)
	e.str("activity", r.Activity)
	e.str("severity", r.Severity)
	if f := e.row.ip; f != nil && !looksLikeIP(f.Value) {
		e.field("ip", f)
	}
	if f := e.row.actorEmail; f != nil && !looksLikeEmail(f.Value) {
		e.field("actor_email", f)
	}
	if class != &entityManagement {
		e.field("reason", e.row.reason)
	}
	e.raw("actor_roles", e.row.actorRoles)
	e.raw("on_behalf_of", e.row.onBehalfOf)
	e.raw("forwarded_for", e.row.forwardedFor)
	e.raw("device", e.row.device)
	e.raw("geo", e.row.geo)
	e.raw("traceparent", e.row.traceparent)
	e.json("changes", e.row.appendChanges(e.row.scratch[:0]))
	e.json("custom", appendObject(e.row.scratch[:0], e.row.custom, "/custom"))
	e.json("data", appendObject(e.row.scratch[:0], e.row.data, "/data"))
	e.json("fields_state", appendStates(e.row.scratch[:0], r.Fields))
	e.close()
}

// json writes JSON text that was made in the row's scratch space, unless it is empty.
func (e *ocsfRows) json(name string, text []byte) {
	e.row.scratch = text
	if len(text) > 0 {
		e.key(name)
		e.b = append(e.b, text...)
	}
}
