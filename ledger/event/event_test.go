package event

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const sample = `{
  "id": "0197f3c2-7d1a-7c3e-9f00-2b1d6a3c5e77", "source": "booking.api", "action": "service.update",
  "occurred_at": "2026-02-28T09:30:00.123456Z",
  "actor": {"type": "user", "id": "u-42", "name": "Bob", "email": "bob@example.com", "roles": ["manager"]},
  "resource": {"type": "service", "id": "svc-7", "name": "Haircut"},
  "changes": [{"path": "/price", "before": 50, "after": 10}],
  "context": {"ip": "203.0.113.9", "user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "request_id": "req-1"},
  "outcome": {"status": "success"}, "correlation_id": "c-1",
  "data": {"currency": "USD", "branch": {"id": 3, "city": "Lisbon"}}
}`

// record stands in for the ledger: everything is kept in clear.
func record(e *Event) *Record {
	return &Record{Seq: 7, ID: e.ID, RecordedAt: now, OccurredAt: e.OccurredAt, Source: e.Source, Action: e.Action, Category: e.Category,
		Activity: e.Activity, Outcome: e.Outcome.Status, Severity: e.Severity, ResourceType: e.Resource.Type, Fields: e.Flatten(nil)}
}

func mustParse(t testing.TB, s string) *Event {
	t.Helper()
	e, err := Parse([]byte(s))
	if err != nil {
		t.Fatalf("Parse(%s): %v", s, err)
	}
	return e
}

func mustNormal(t testing.TB, s string) *Event {
	t.Helper()
	e := mustParse(t, s)
	if err := e.Normalise(now); err != nil {
		t.Fatalf("Normalise(%s): %v", s, err)
	}
	return e
}

func fieldsText(f []Field) string {
	var b strings.Builder
	for _, x := range f {
		b.WriteString(x.Path + "=" + string(x.Value) + "\n")
	}
	return b.String()
}

func TestFlattenSample(t *testing.T) {
	e := mustNormal(t, sample)
	want := `/actor/email="bob@example.com"
/actor/id="u-42"
/actor/name="Bob"
/actor/roles=["manager"]
/actor/type="user"
/changes/0/after=10
/changes/0/before=50
/changes/0/path="/price"
/context/ip="203.0.113.9"
/context/request_id="req-1"
/context/user_agent="Mozilla/5.0 (X11; Linux x86_64)"
/correlation_id="c-1"
/data/branch/city="Lisbon"
/data/branch/id=3
/data/currency="USD"
/id="0197f3c2-7d1a-7c3e-9f00-2b1d6a3c5e77"
/resource/id="svc-7"
/resource/name="Haircut"
/severity="info"
`
	if got := fieldsText(e.Flatten(nil)); got != want {
		t.Errorf("fields:\n%s\nwant:\n%s", got, want)
	}
	if e.Category != "data" || e.Activity != "update" {
		t.Errorf("category %q activity %q", e.Category, e.Activity)
	}
}

func TestVerbatim(t *testing.T) {
	e := mustNormal(t, `{"source":"s","action":"a.read","reason":"caf\u00e9 \/ x","actor":{"id":"\u0041","roles":["\u0062", "c"]},"data":{"n":1.50,"o":[ 1 , 2 ],"e":1E2,"":{},"s":"a  b"}}`)
	got := fieldsText(e.Flatten(nil))
	for _, want := range []string{`/reason="caf\u00e9 \/ x"`, `/actor/id="\u0041"`, `/actor/roles=["\u0062","c"]`, `/data={"n":1.50,"o":[1,2],"e":1E2,"":{},"s":"a  b"}`} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("missing %s in\n%s", want, got)
		}
	}
	e.Reason, e.Actor.Roles[1] = `changed "later"`, "d"
	got = fieldsText(e.Flatten(nil))
	for _, want := range []string{`/reason="changed \"later\""`, `/actor/roles=["b","d"]`} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("after an edit: missing %s in\n%s", want, got)
		}
	}
}

func TestNullAbsentEmptyZeroDiffer(t *testing.T) {
	var seen = map[string]string{}
	for _, data := range []string{`{}`, `{"v":null}`, `{"v":""}`, `{"v":0}`, `{"v":{}}`, `{"v":[]}`, `{"v":false}`, `{"v":-0}`, `{"v":0.0}`} {
		got := fieldsText(mustNormal(t, `{"id":"1","source":"s","action":"a.read","occurred_at":"2026-01-01T00:00:00Z","data":`+data+`}`).Flatten(nil))
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s give the same fields", data, other)
		}
		seen[got] = data
	}
}

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	long := `{"data":{"x":"` + strings.Repeat("a", MaxBytes) + `"}}`
	for _, c := range []struct{ name, in, pointer, code string }{
		{"empty", ``, "", "syntax"},
		{"not an object", `[1]`, "", "type"},
		{"trailing", `{"id":"1"} {}`, "", "syntax"},
		{"duplicate", `{"id":"1","id":"2"}`, "/id", "duplicate_member"},
		{"duplicate by escape", `{"data":{"ab":1,"\u0061b":2}}`, "/data/ab", "duplicate_member"},
		{"bad utf-8", "{\"reason\":\"\xff\"}", "/reason", "encoding"},
		{"lone surrogate", `{"reason":"\ud800"}`, "/reason", "encoding"},
		{"byte order mark", "\xef\xbb\xbf{}", "", "syntax"},
		{"depth", `{"data":{"x":` + deep + `}}`, "/data/x/0/0/0/0/0/0", "too_deep"},
		{"1e999", `{"data":{"list":[1,1e999]}}`, "/data/list/1", "number_range"},
		{"long number", `{"data":{"n":` + strings.Repeat("9", 400) + `}}`, "/data/n", "number_range"},
		{"size", long, "", "too_large"},
		{"nul", `{"id":"a\u0000b"}`, "/id", "nul"},
		{"nul in actor", `{"actor":{"id":"\u0000"}}`, "/actor/id", "nul"},
		{"type string", `{"action":7}`, "/action", "type"},
		{"type object", `{"actor":"bob"}`, "/actor", "type"},
		{"type array", `{"changes":{}}`, "/changes", "type"},
		{"type element", `{"actor":{"roles":["a",1]}}`, "/actor/roles/1", "type"},
		{"change", `{"changes":[{"path":"a"},7]}`, "/changes/1", "type"},
		{"change path", `{"changes":[{"path":1}]}`, "/changes/0/path", "type"},
		{"time", `{"occurred_at":"yesterday"}`, "/occurred_at", "time"},
		{"time number", `{"occurred_at":1700000000}`, "/occurred_at", "type"},
		{"seq", `{"producer":{"id":"p","seq":-1}}`, "/producer/seq", "type"},
		{"seq float", `{"producer":{"id":"p","seq":1.5}}`, "/producer/seq", "type"},
		{"personal name in pointer", `{"data":{"bob@example.com":{"a":1,"a":2}}}`, "/data", "duplicate_member"},
	} {
		_, err := Parse([]byte(c.in))
		var e *errs.Error
		if !errors.As(err, &e) || len(e.Fields) == 0 {
			t.Errorf("%s: got %v", c.name, err)
			continue
		}
		if e.Fields[0].Pointer != c.pointer || e.Fields[0].Code != c.code {
			t.Errorf("%s: got %+v, want %s %s", c.name, e.Fields[0], c.pointer, c.code)
		}
	}
}

func TestParseCollectsErrors(t *testing.T) {
	_, err := Parse([]byte(`{"id":1,"actor":{"name":[]},"context":7,"changes":[3]}`))
	var e *errs.Error
	if !errors.As(err, &e) || len(e.Fields) != 4 {
		t.Fatalf("got %v", err)
	}
}

func TestUnknownMembersAreKept(t *testing.T) {
	e := mustParse(t, `{"a":1,"actor":{"department":"x"},"data":{"a":2,"a_2":3,"actor.department":4},"resource":{"tier":5},"changes":[{"path":"p","by":6}],"producer":{"id":"p","host":7},"outcome":{"code":8},"subject":{"mrn":9},"context":{"os":10}}`)
	want := `{"a_3":1,"actor.department_2":"x","a":2,"a_2":3,"actor.department":4,"resource.tier":5,"changes.0.by":6,"producer.host":7,"outcome.code":8,"subject.mrn":9,"context.os":10}`
	if got := string(appendMembers(e.Data)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if e := mustParse(t, `{"data":[1, 2],"value":3}`); string(appendMembers(e.Data)) != `{"value":[1,2],"value_2":3}` {
		t.Errorf("data that is no object: %s", appendMembers(e.Data))
	}
}

func TestNormaliseDefaults(t *testing.T) {
	e := mustNormal(t, `{"source":"Booking API","action":"Invoice.Create","actor":{"id":"1"}}`)
	if e.Source != "booking_api" || e.Action != "invoice.create" || e.Activity != "create" || e.Category != "data" ||
		e.Outcome.Status != "success" || e.Severity != "info" || e.Actor.Type != "user" || len(e.ID) != 36 || !e.OccurredAt.Equal(now) {
		t.Errorf("%+v", e)
	}
	if e := mustNormal(t, `{"source":"s","action":"x"}`); e.Actor.Type != "anonymous" {
		t.Errorf("actor type %q", e.Actor.Type)
	}
	e = mustNormal(t, `{"source":"s","action":"x","outcome":{"status":"FAILED"},"severity":"Warning","activity":"viewed","category":"authentication","actor":{"type":"Service"}}`)
	if e.Outcome.Status != "failure" || e.Severity != "low" || e.Activity != "read" || e.Category != "auth" || e.Actor.Type != "service_account" {
		t.Errorf("%+v", e)
	}
}

func TestNormaliseRefuses(t *testing.T) {
	for _, c := range []struct{ in, pointer, code string }{
		{`{"action":"a"}`, "/source", "required"},
		{`{"source":"s"}`, "/action", "required"},
		{`{"source":"s","action":"löschen"}`, "/action", "alphabet"},
		{`{"source":"s","action":"` + strings.Repeat("a", 129) + `"}`, "/action", "too_long"},
		{`{"source":"s","action":"a","occurred_at":"1970-01-01T23:59:59Z"}`, "/occurred_at", "too_early"},
		{`{"source":"s","action":"a","occurred_at":"2026-03-02T12:00:01Z"}`, "/occurred_at", "too_late"},
		{`{"source":"s","action":"a","severity":"terrible"}`, "/severity", "word"},
		{`{"source":"s","action":"a","actor":{"type":"wizard","id":"1"}}`, "/actor/type", "word"},
		{`{"source":"s","action":"a","context":{"ip":"1.2.3.4:80"}}`, "/context/ip", "ip"},
		{`{"source":"s","action":"a","resource":{"id":"1"}}`, "/resource/type", "required"},
		{`{"source":"s","action":"a","changes":[{"before":1}]}`, "/changes/0/path", "required"},
		{`{"source":"s","action":"a","changes":[{"path":"p","op":"move"}]}`, "/changes/0/op", "word"},
		{`{"source":"s","action":"a","id":"` + strings.Repeat("x", 513) + `"}`, "/id", "too_long"},
		{`{"source":"s","action":"a","personal":["data.x"]}`, "/personal/0", "pointer"},
	} {
		err := mustParse(t, c.in).Normalise(now)
		var e *errs.Error
		if !errors.As(err, &e) || len(e.Fields) != 1 || e.Fields[0].Pointer != c.pointer || e.Fields[0].Code != c.code {
			t.Errorf("%.60s: got %v, want %s %s", c.in, err, c.pointer, c.code)
		}
	}
	if err := mustParse(t, `{"source":"s","action":"a","occurred_at":"2026-03-02T11:59:59Z"}`).Normalise(now); err != nil {
		t.Errorf("a day ahead: %v", err)
	}
}

func TestNormaliseHandmade(t *testing.T) {
	e := &Event{Source: "s", Action: "a.read", Data: []Member{{Name: "x", Value: jsontext.Value(`{ "a" : [1, 2] }`)}, {Name: "n"}}}
	if err := e.Normalise(now); err != nil {
		t.Fatal(err)
	}
	if got := fieldsText(e.Flatten(nil)); !strings.Contains(got, "/data/n=null\n/data/x/a=[1,2]\n") {
		t.Error(got)
	}
	for _, m := range [][]Member{{{Name: "x", Value: jsontext.Value(`{`)}}, {{Name: "x"}, {Name: "x"}}} {
		if err := (&Event{Source: "s", Action: "a", Data: m}).Normalise(now); err == nil {
			t.Errorf("accepted %v", m)
		}
	}
}

func TestActivityAndCategory(t *testing.T) {
	for action, want := range map[string]string{
		"invoice.create": "create", "invoice.created": "create", "user.login": "login", "user.signed_in": "login", "consent.revoked": "revoke",
		"s3.DeleteBucket": "delete", "dynamodb.BatchGetItem": "read", "order_cancelled": "delete", "file.download": "read", "report.exported": "export",
		"account.locked": "lock", "patient.record.viewed": "read", "x": "other", "google.pubsub.v1.Publisher.CreateTopic": "create", "role.granted": "grant",
		"ec2.RunInstances": "create", "iam.PutUserPolicy": "create", "": "other", ".": "other", "invoice.paid": "update", "user:update": "update", "deny": "deny",
		"service.stopped": "stop", "member.added": "create", "note.edited": "update", "email.sent": "send", "dispute.opened": "create",
	} {
		if got := ActivityOf(action); got != want {
			t.Errorf("ActivityOf(%q) = %q, want %q", action, got, want)
		}
	}
	for action, want := range map[string]string{
		"invoice.create": "data", "user.login": "auth", "role.grant": "access", "consent.revoke": "governance", "settings.update": "config", "fraud.flag": "security",
		"project.grant": "access", "server.start": "system", "signin": "auth",
	} {
		if got := CategoryOf(action, ActivityOf(action)); got != want {
			t.Errorf("CategoryOf(%q) = %q, want %q", action, got, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01-31T09:30:00Z":              "2026-01-31T09:30:00Z",
		"2026-01-31t09:30:00.1234567z":      "2026-01-31T09:30:00.123456Z",
		"2026-01-31T09:30:00+05:30":         "2026-01-31T04:00:00Z",
		"2016-12-31T23:59:60Z":              "2017-01-01T00:00:00Z",
		"2026-01-31 09:30:00":               "",
		"2026-13-31T09:30:00Z":              "",
		"2026-01-31T09:30:60Z":              "",
		strings.Repeat("9", 100):            "",
		"2026-01-31T09:30:00.000000000999Z": "2026-01-31T09:30:00Z",
	} {
		got, ok := ParseTime(in)
		if ok != (want != "") || ok && got.Format(time.RFC3339Nano) != want {
			t.Errorf("ParseTime(%q) = %v %v, want %q", in, got, ok, want)
		}
	}
}

func TestReuse(t *testing.T) {
	var e Event
	if err := ParseInto([]byte(sample), &e); err != nil {
		t.Fatal(err)
	}
	id, name := e.ID, e.Actor.Name
	if err := ParseInto([]byte(`{"action":"x"}`), &e); err != nil {
		t.Fatal(err)
	}
	if e.ID != "" || e.Actor.Name != "" || len(e.Changes)+len(e.Data)+len(e.Actor.Roles) != 0 || e.Subject != nil {
		t.Errorf("left over: %+v", e)
	}
	if id != "0197f3c2-7d1a-7c3e-9f00-2b1d6a3c5e77" || name != "Bob" {
		t.Errorf("an earlier event's strings changed: %q %q", id, name)
	}
}

func BenchmarkParse(b *testing.B) {
	in := []byte(compactJSON(sample))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	var e Event
	for b.Loop() {
		if err := ParseInto(in, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNormalise(b *testing.B) {
	e := mustParse(b, sample)
	b.ReportAllocs()
	for b.Loop() {
		e.Category, e.Activity = "", ""
		if err := e.Normalise(now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFlatten(b *testing.B) {
	e := mustNormal(b, sample)
	b.ReportAllocs()
	var dst []Field
	for b.Loop() {
		dst = e.Flatten(dst)
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	r := record(mustNormal(b, sample))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = r.AppendJSON(dst[:0])
	}
}

func compactJSON(s string) string {
	v := jsontext.Value(s)
	if err := v.Compact(); err != nil {
		panic(err)
	}
	return string(v)
}

func BenchmarkSplit(b *testing.B) {
	one := compactJSON(sample)
	body := []byte("[" + one + strings.Repeat(","+one, 999) + "]")
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if l, err := Split(body); err != nil || len(l) != 1000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}
