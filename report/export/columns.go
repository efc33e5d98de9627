package export

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

type kind uint8

const (
	kindText   kind = iota // text that somebody else wrote
	kindNumber             // a JSON number
	kindTime
	kindJSON // JSON text; empty when absent
)

// column is one column of a tabular format. Exactly one of field and text is set.
type column struct {
	name   string
	title  string  // heading in documents for people
	weight float64 // share of a page's width
	kind   kind
	field  func(c *cells) *event.Field
	text   func(x *row, dst []byte) []byte
}

// row is the state that columns need to render one record.
type row struct {
	cells
	// The two times of events may lie on different days for long.
	recorded, occurred clock

	pseudonyms *Pseudonyms
	scratch    []byte
}

// row returns the state for rendering the rows of one goroutine.
func (o *Options) row() row {
	x := row{recorded: clock{loc: o.Location}, occurred: clock{loc: o.Location}}
	if o.Pseudonym != nil {
		x.pseudonyms = NewPseudonyms(o.Pseudonym.key)
	}
	return x
}

// ComplianceColumns are the columns of a compliance log (mission row A6).
var ComplianceColumns = []string{"timestamp", "user_id", "action", "resource"}

var defaultColumns = []string{"seq", "recorded_at", "occurred_at", "action", "outcome", "actor_id", "actor_name", "actor_email",
	"resource_type", "resource_id", "resource_name", "subject_id", "ip", "source", "severity", "sentence", "reason", "changes", "data"}

var columns = []column{
	{name: "seq", title: "Seq", weight: 5, kind: kindNumber, text: func(x *row, b []byte) []byte { return strconv.AppendUint(b, x.rec.Seq, 10) }},
	{name: "recorded_at", title: "Recorded", weight: 10.5, kind: kindTime, text: func(x *row, b []byte) []byte { return x.recorded.append(b, x.rec.RecordedAt) }},
	{name: "occurred_at", title: "Occurred", weight: 10.5, kind: kindTime, text: func(x *row, b []byte) []byte { return x.occurred.append(b, x.rec.OccurredAt) }},
	{name: "timestamp", title: "Timestamp", weight: 14, kind: kindTime, text: func(x *row, b []byte) []byte { return x.occurred.append(b, x.rec.OccurredAt) }},
	{name: "id", title: "Event id", weight: 14, text: func(x *row, b []byte) []byte { return fieldOr(b, x.id, x.rec.ID) }},
	{name: "source", title: "Source", weight: 8, text: func(x *row, b []byte) []byte { return append(b, x.rec.Source...) }},
	{name: "action", title: "Action", weight: 12, text: func(x *row, b []byte) []byte { return append(b, x.rec.Action...) }},
	{name: "category", title: "Category", weight: 7, text: func(x *row, b []byte) []byte { return append(b, x.rec.Category...) }},
	{name: "activity", title: "Activity", weight: 7, text: func(x *row, b []byte) []byte { return append(b, x.rec.Activity...) }},
	{name: "outcome", title: "Outcome", weight: 7, text: func(x *row, b []byte) []byte { return append(b, x.rec.Outcome...) }},
	{name: "outcome_reason", title: "Outcome reason", weight: 10, field: func(c *cells) *event.Field { return c.outcomeReason }},
	{name: "severity", title: "Severity", weight: 6, text: func(x *row, b []byte) []byte { return fieldOr(b, x.severity, x.rec.Severity) }},
	{name: "actor_type", title: "Actor type", weight: 7, field: func(c *cells) *event.Field { return c.actorType }},
	{name: "actor_id", title: "Actor id", weight: 10, field: func(c *cells) *event.Field { return c.actorID }},
	{name: "actor_name", title: "Actor name", weight: 11, field: func(c *cells) *event.Field { return c.actorName }},
	{name: "actor_email", title: "Actor e-mail", weight: 13, field: func(c *cells) *event.Field { return c.actorEmail }},
	{name: "actor_roles", title: "Roles", weight: 9, field: func(c *cells) *event.Field { return c.actorRoles }},
	{name: "actor_handle", title: "Actor handle", weight: 11, kind: kindNumber, text: func(x *row, b []byte) []byte { return appendHandle(b, x.rec.ActorHandle) }},
	{name: "actor", title: "Actor", weight: 13, text: appendActor},
	{name: "user_id", title: "User (pseudonym)", weight: 14, text: func(x *row, b []byte) []byte { return append(b, x.pseudonyms.Actor(x.rec)...) }},
	{name: "on_behalf_of", title: "On behalf of", weight: 10, kind: kindJSON, field: func(c *cells) *event.Field { return c.onBehalfOf }},
	{name: "resource_type", title: "Resource type", weight: 9, text: func(x *row, b []byte) []byte { return append(b, x.rec.ResourceType...) }},
	{name: "resource_id", title: "Resource id", weight: 10, text: func(x *row, b []byte) []byte { return fieldOr(b, x.resourceID, x.rec.ResourceID) }},
	{name: "resource_name", title: "Resource name", weight: 11, field: func(c *cells) *event.Field { return c.resourceName }},
	{name: "resource", title: "Resource", weight: 15, text: appendResource},
	{name: "resource_label", title: "Resource", weight: 14, text: appendResourceLabel},
	{name: "subject_type", title: "Subject type", weight: 8, field: func(c *cells) *event.Field { return c.subjectType }},
	{name: "subject_id", title: "Subject id", weight: 10, field: func(c *cells) *event.Field { return c.subjectID }},
	{name: "subject_name", title: "Subject name", weight: 11, field: func(c *cells) *event.Field { return c.subjectName }},
	{name: "subject_handle", title: "Subject handle", weight: 11, kind: kindNumber, text: func(x *row, b []byte) []byte { return appendHandle(b, x.rec.SubjectHandle) }},
	{name: "ip", title: "IP address", weight: 8.5, field: func(c *cells) *event.Field { return c.ip }},
	{name: "forwarded_for", title: "Forwarded for", weight: 10, kind: kindJSON, field: func(c *cells) *event.Field { return c.forwardedFor }},
	{name: "user_agent", title: "User agent", weight: 14, field: func(c *cells) *event.Field { return c.userAgent }},
	{name: "device", title: "Device", weight: 9, field: func(c *cells) *event.Field { return c.device }},
	{name: "geo", title: "Location", weight: 10, kind: kindJSON, field: func(c *cells) *event.Field { return c.geo }},
	{name: "session_id", title: "Session", weight: 10, field: func(c *cells) *event.Field { return c.sessionID }},
	{name: "request_id", title: "Request", weight: 10, field: func(c *cells) *event.Field { return c.requestID }},
	{name: "correlation_id", title: "Correlation", weight: 10, text: func(x *row, b []byte) []byte { return fieldOr(b, x.correlationID, x.rec.CorrelationID) }},
	{name: "sentence", title: "What happened", weight: 34, text: func(x *row, b []byte) []byte { return x.rec.AppendSentence(b) }},
	{name: "reason", title: "Reason", weight: 12, field: func(c *cells) *event.Field { return c.reason }},
	{name: "changes", title: "Changes", weight: 22, kind: kindJSON, text: func(x *row, b []byte) []byte { return x.appendChanges(b) }},
	{name: "custom", title: "Custom fields", weight: 18, kind: kindJSON, text: func(x *row, b []byte) []byte { return appendObject(b, x.custom, "/custom") }},
	{name: "data", title: "Data", weight: 22, kind: kindJSON, text: func(x *row, b []byte) []byte { return appendObject(b, x.data, "/data") }},
	{name: "fields_state", title: "Masking", weight: 12, kind: kindJSON, text: func(x *row, b []byte) []byte { return appendStates(b, x.rec.Fields) }},
	{name: "leaf_hash", title: "Leaf hash", weight: 20, text: func(x *row, b []byte) []byte { return hex.AppendEncode(b, x.rec.LeafHash) }},
}

// Columns returns the names of all columns; custom.NAME and data.NAME exist beside them.
func Columns() []string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return names
}

// pick resolves column names. The error names the position of the wrong one, and what is wrong.
func pick(names []string, o *Options) ([]column, error) {
	if len(names) > 64 {
		return nil, errs.Field("/columns", "too_many", "At most 64 columns can be chosen.")
	}
	list := make([]column, 0, len(names))
	for i, name := range names {
		c, ok := find(name)
		if !ok {
			return nil, errs.Field(fmt.Sprintf("/columns/%d", i), "unknown_column",
				"There is no such column. Columns are %s, and custom.NAME and data.NAME.", strings.Join(Columns(), ", "))
		}
		if o.Pseudonym == nil && (name == "user_id" || name == "resource") {
			return nil, errs.New(errs.Internal, "a pseudonymous column was asked for without a key")
		}
		list = append(list, c)
	}
	return list, nil
}

func find(name string) (column, bool) {
	if i := slices.IndexFunc(columns, func(c column) bool { return c.name == name }); i >= 0 {
		return columns[i], true
	}
	for _, member := range []string{"custom", "data"} {
		if rest, ok := strings.CutPrefix(name, member+"."); ok && rest != "" {
			path := "/" + member + "/" + rest
			return column{name: name, title: rest, weight: 10, field: func(c *cells) *event.Field { return c.at(path) }}, true
		}
	}
	return column{}, false
}

func (c *cells) at(path string) *event.Field {
	fields := c.data
	if strings.HasPrefix(path, "/custom") {
		fields = c.custom
	}
	for i := range fields {
		if fields[i].Path == path {
			return &fields[i]
		}
	}
	return nil
}

// value appends the column's plain text for the loaded record and says what kind of value it is.
func (col *column) value(x *row, dst []byte) ([]byte, kind) {
	if col.text != nil {
		return col.text(x, dst), col.kind
	}
	f := col.field(&x.cells)
	if f == nil {
		return dst, col.kind
	}
	k := kindText
	if len(f.Value) > 0 {
		switch c := f.Value[0]; {
		case c == '-' || c >= '0' && c <= '9':
			k = kindNumber
		case c != '"':
			k = kindJSON
		}
	}
	return appendField(dst, f), k
}

// fieldOr appends a field, or what is known of it without the field.
func fieldOr(dst []byte, f *event.Field, fallback string) []byte {
	if f == nil {
		return append(dst, fallback...)
	}
	return appendField(dst, f)
}

func appendHandle(dst []byte, h int64) []byte {
	if h == 0 {
		return dst
	}
	return strconv.AppendInt(dst, h, 10)
}

// appendActor appends the best name that the reader may see of the actor.
func appendActor(x *row, dst []byte) []byte {
	for _, f := range [...]*event.Field{x.actorName, x.actorEmail, x.actorID} {
		if f != nil && f.Value != nil {
			return appendPlain(dst, f.Value)
		}
	}
	for _, f := range [...]*event.Field{x.actorName, x.actorEmail, x.actorID} {
		if f != nil {
			return append(dst, hidden(f.State)...)
		}
	}
	return dst
}

// appendResource appends "type/id"; a person is named by pseudonym.
func appendResource(x *row, dst []byte) []byte {
	dst = append(dst, x.rec.ResourceType...)
	if x.rec.ResourceHandle == 0 && x.resourceID == nil && x.rec.ResourceID == "" {
		return dst
	}
	if len(x.rec.ResourceType) > 0 {
		dst = append(dst, '/')
	}
	if x.rec.ResourceHandle != 0 {
		return append(dst, x.pseudonyms.Person(x.rec.ResourceHandle)...)
	}
	return fieldOr(dst, x.resourceID, x.rec.ResourceID)
}

// appendResourceLabel appends "type id (name)" for people to read.
func appendResourceLabel(x *row, dst []byte) []byte {
	dst = append(dst, x.rec.ResourceType...)
	if x.resourceID != nil || x.rec.ResourceID != "" {
		dst = fieldOr(append(dst, ' '), x.resourceID, x.rec.ResourceID)
	}
	if x.resourceName != nil && x.resourceName.Value != nil {
		dst = append(appendPlain(append(dst, " ("...), x.resourceName.Value), ')')
	}
	return dst
}

// clock formats times as RFC 3339 with microseconds. Records come in the order of time, so the day is formatted once a day.
type clock struct {
	loc  *time.Location // nil for UTC
	day  int64          // days since 1970 that date is for
	date []byte
}

const microsPerDay = 24 * 60 * 60 * 1_000_000

func (k *clock) append(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	if k.loc != nil && k.loc != time.UTC {
		return t.In(k.loc).AppendFormat(dst, "2006-01-02T15:04:05.000000Z07:00")
	}
	micros := t.UnixMicro()
	day := micros / microsPerDay
	if micros%microsPerDay < 0 {
		day--
	}
	if len(k.date) == 0 || day != k.day {
		k.day, k.date = day, t.UTC().AppendFormat(k.date[:0], "2006-01-02T")
	}
	rest := micros - day*microsPerDay
	sec := rest / 1_000_000
	dst = append(dst, k.date...)
	dst = append2(dst, sec/3600, ':')
	dst = append2(dst, sec/60%60, ':')
	dst = append2(dst, sec%60, '.')
	frac := rest % 1_000_000
	return append(dst, byte('0'+frac/100_000), byte('0'+frac/10_000%10), byte('0'+frac/1000%10),
		byte('0'+frac/100%10), byte('0'+frac/10%10), byte('0'+frac%10), 'Z')
}

func append2(dst []byte, n int64, sep byte) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10), sep)
}
