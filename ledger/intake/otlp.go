package intake

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math"
	"mime"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// OTLP reads the body of an OTLP/HTTP logs request (ExportLogsServiceRequest), as protobuf for application/x-protobuf and as JSON for
// application/json. Each log record is an Item; Offset is its position in the request. The error is Unsupported for another content
// type and Invalid when the body cannot be decoded.
//
// The event's name (or the attributes event.name or action) is the action, service.name the source; user.*, enduser.id,
// client.address, user_agent.original and session.id go to their members, all other attributes and the body to data. A record
// without log.record.uid gets an identifier from its content and position, so that a request that is sent again adds nothing.
func OTLP(body []byte, contentType string) ([]*Item, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = contentType
	}
	var req collector.ExportLogsServiceRequest
	switch media {
	case "application/x-protobuf":
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, &req); err != nil {
			return nil, errs.Field("", "syntax", "The body is not an OTLP logs request in protobuf.")
		}
	case "application/json":
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, &req); err != nil {
			return nil, errs.Field("", "syntax", "The body is not an OTLP logs request in JSON.")
		}
		hexIDs(&req)
	default:
		return nil, errs.New(errs.Unsupported, "OTLP logs are sent as application/x-protobuf or application/json.")
	}
	return otlpItems(&req), nil
}

// otlp reads a request from a file.
func (s *state) otlp(raw []byte) []*Item {
	items, err := OTLP(raw, "application/json")
	if err != nil {
		return []*Item{{Err: err}}
	}
	for _, it := range items {
		if it.Event != nil && s.opt.Source != "" {
			it.Event.Source = s.opt.Source
		}
	}
	return items
}

// hexIDs undoes what protobuf's JSON rules do to trace and span ids, which OTLP writes in hex and not in base64.
func hexIDs(req *collector.ExportLogsServiceRequest) {
	fix := func(id []byte) []byte {
		b, err := hex.DecodeString(base64.StdEncoding.EncodeToString(id))
		if err != nil {
			return nil
		}
		return b
	}
	for _, r := range req.GetResourceLogs() {
		for _, s := range r.GetScopeLogs() {
			for _, l := range s.GetLogRecords() {
				if l != nil {
					l.TraceId, l.SpanId = fix(l.TraceId), fix(l.SpanId)
				}
			}
		}
	}
}

func otlpItems(req *collector.ExportLogsServiceRequest) []*Item {
	var items []*Item
	for _, r := range req.GetResourceLogs() {
		var resource object
		far := tooDeep(&logs.LogRecord{Attributes: r.GetResource().GetAttributes()})
		if !far {
			resource = attributes(r.GetResource().GetAttributes())
		}
		for _, s := range r.GetScopeLogs() {
			scope := otlpScope(s.GetScope())
			for _, l := range s.GetLogRecords() {
				n := int64(len(items))
				it := &Item{Raw: otlpRaw(l), Offset: n, Line: 1}
				if far || tooDeep(l) {
					it.Err = errs.Field("", "too_deep", "The values of the log record are nested too deeply.")
				} else {
					it.Event = otlpEvent(l, resource, scope, n)
				}
				items = append(items, it)
			}
		}
	}
	return items
}

// otlpScope describes the instrumentation that wrote a record. Attributes that are nested too deeply are left out.
func otlpScope(s *common.InstrumentationScope) object {
	o := add(add(nil, "name", strings.ToValidUTF8(s.GetName(), "\uFFFD")), "version", s.GetVersion())
	if list := s.GetAttributes(); len(list) > 0 && !tooDeep(&logs.LogRecord{Attributes: list}) {
		o = addValue(o, "attributes", attributes(list).json())
	}
	return o
}

func otlpRaw(l *logs.LogRecord) []byte {
	b, err := protojson.Marshal(l)
	if err != nil {
		return nil
	}
	return b
}

func otlpEvent(l *logs.LogRecord, resource, scope object, n int64) *event.Event {
	o := attributes(l.GetAttributes())
	e := &event.Event{Source: first(clear(resource.text("service.name")), clear(scope.text("name")), "otlp"), Severity: otlpSeverity(int(l.GetSeverityNumber()))}
	name := first(l.GetEventName(), o.text("event.name"), o.text("action"))
	e.Action, e.Activity = "log.record", "other"
	if c := clear(name); c != "" {
		e.Action, e.Activity = c, event.ActivityOf(name)
	}
	if ns := first64(l.GetTimeUnixNano(), l.GetObservedTimeUnixNano()); ns > 0 && ns <= math.MaxInt64 {
		e.OccurredAt = time.Unix(0, int64(ns)).UTC().Truncate(time.Microsecond)
	}
	otlpActor(e, o)
	taken := []string{"event.name", "log.record.uid", "session.id", "user_agent.original"}
	if ip := first(ipOrNothing(o.text("client.address")), ipOrNothing(o.text("source.address"))); ip != "" {
		e.Context.IP = ip
	}
	e.Context.UserAgent, e.Context.SessionID = o.text("user_agent.original"), o.text("session.id")
	e.ID = o.text("log.record.uid")
	if len(l.GetTraceId()) == 16 && len(l.GetSpanId()) == 8 {
		e.Context.Traceparent = "00-" + hex.EncodeToString(l.GetTraceId()) + "-" + hex.EncodeToString(l.GetSpanId()) + "-0" + strconv.Itoa(int(l.GetFlags()&1))
	}
	switch o.text("outcome") {
	case "failure", "denied":
		e.Outcome.Status = o.text("outcome")
	}
	otlpData(e, l, o.without(taken...), resource, scope)
	if e.ID == "" {
		e.ID = contentID(l, resource, n)
	}
	return e
}

func otlpActor(e *event.Event, o object) {
	e.Actor.ID = first(o.scalar("user.id"), o.scalar("enduser.id"), o.text("user.email"), o.text("user.name"))
	e.Actor.Name = first(o.text("user.full_name"), o.text("user.name"))
	e.Actor.Email = o.text("user.email")
	for _, v := range event.Elements(o.get("user.roles")) {
		e.Actor.Roles = append(e.Actor.Roles, event.Text(v))
	}
	if id, typ := o.scalar("resource.id"), clear(o.text("resource.type")); typ != "" {
		e.Resource = event.Resource{Type: typ, ID: id, Name: o.text("resource.name")}
	}
}

// otlpData keeps the body, the attributes and the resource; a body that is a map gives its members.
func otlpData(e *event.Event, l *logs.LogRecord, attrs []event.Member, resource, scope object) {
	e.Data = attrs
	switch body := anyValue(l.GetBody()); {
	case body == nil:
	case body[0] == '{':
		b := newBag(e.Data)
		for _, m := range event.Members(body) {
			b.add(m.Name, m.Value)
		}
		e.Data = b.list
	default:
		e.Data = addValue(e.Data, "body", body)
	}
	if text := l.GetSeverityText(); text != "" {
		e.Data = add(e.Data, "severity_text", text)
	}
	if len(resource) > 0 {
		e.Data = addValue(e.Data, "otlp.resource", resource.json())
	}
	if len(scope) > 0 {
		e.Data = addValue(e.Data, "otlp.scope", scope.json())
	}
}

func otlpSeverity(n int) string {
	switch {
	case n <= 0:
		return "info"
	case n <= 8:
		return "debug"
	case n <= 12:
		return "info"
	case n <= 16:
		return "low"
	case n <= 20:
		return "medium"
	}
	return "critical"
}

func first64(a, b uint64) uint64 {
	if a != 0 {
		return a
	}
	return b
}

// contentID identifies a record by what it says and where in the request it stood.
func contentID(l *logs.LogRecord, resource object, n int64) string {
	h := sha256.New()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(l)
	if err != nil {
		return ""
	}
	h.Write(b)
	h.Write(resource.json())
	h.Write([]byte(strconv.FormatInt(n, 10)))
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// attributes makes an object of key-values; a key that comes twice is numbered.
func attributes(list []*common.KeyValue) object {
	b := newBag(nil)
	for _, kv := range list {
		if v := anyValue(kv.GetValue()); v != nil {
			b.add(strings.ToValidUTF8(kv.GetKey(), "\uFFFD"), v)
		}
	}
	return b.list
}

// tooDeep reports whether a record's values are nested deeper than an event may be.
func tooDeep(l *logs.LogRecord) bool {
	if deep(l.GetBody(), 0) {
		return true
	}
	for _, kv := range l.GetAttributes() {
		if deep(kv.GetValue(), 0) {
			return true
		}
	}
	return false
}

func deep(v *common.AnyValue, depth int) bool {
	if depth > event.MaxDepth-4 {
		return true
	}
	for _, e := range v.GetArrayValue().GetValues() {
		if deep(e, depth+1) {
			return true
		}
	}
	for _, kv := range v.GetKvlistValue().GetValues() {
		if deep(kv.GetValue(), depth+1) {
			return true
		}
	}
	return false
}

// anyValue renders a value as JSON: bytes as base64, NaN and infinities as text. It is nil for a value that is not set.
func anyValue(v *common.AnyValue) jsontext.Value {
	switch x := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return quote(x.StringValue)
	case *common.AnyValue_BoolValue:
		return jsontext.Value(strconv.FormatBool(x.BoolValue))
	case *common.AnyValue_IntValue:
		return jsontext.Value(strconv.FormatInt(x.IntValue, 10))
	case *common.AnyValue_DoubleValue:
		if math.IsNaN(x.DoubleValue) || math.IsInf(x.DoubleValue, 0) {
			return quote(strconv.FormatFloat(x.DoubleValue, 'g', -1, 64))
		}
		return jsontext.Value(strconv.FormatFloat(x.DoubleValue, 'g', -1, 64))
	case *common.AnyValue_BytesValue:
		return quote(base64.StdEncoding.EncodeToString(x.BytesValue))
	case *common.AnyValue_ArrayValue:
		b := []byte{'['}
		for i, e := range x.ArrayValue.GetValues() {
			if i > 0 {
				b = append(b, ',')
			}
			if v := anyValue(e); v != nil {
				b = append(b, v...)
			} else {
				b = append(b, "null"...)
			}
		}
		return append(b, ']')
	case *common.AnyValue_KvlistValue:
		return attributes(x.KvlistValue.GetValues()).json()
	}
	return nil
}
