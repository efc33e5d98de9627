package intake

import (
	"fmt"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

const (
	cloudTrailSample = `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"P","arn":"arn:aws:iam::1:user/ana","accountId":"1","userName":"ana"},"eventTime":"2023-07-10T11:42:36Z","eventSource":"s3.amazonaws.com","eventName":"DeleteBucket","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.9","userAgent":"aws-cli","requestParameters":{"bucketName":"b"},"responseElements":null,"requestID":"R","eventID":"E1","someNewField":{"a":[1]}}`
	cloudEventSample = `{"specversion":"1.0","id":"1","source":"/shop","type":"com.example.order.created","time":"2026-01-01T00:00:00Z","subject":"order-7","datacontenttype":"application/json","myext":"x","data":{"total":12.50,"myext":1}}`
	ocsfSample       = `{"class_uid":3002,"activity_id":1,"time":1767225600000,"severity_id":3,"status_id":2,"status_detail":"wrong password","metadata":{"uid":"m1","product":{"name":"Directory"},"correlation_uid":"c"},"user":{"uid":"u7","name":"ana","email_addr":"ana@example.com"},"src_endpoint":{"ip":"203.0.113.9"},"unmapped":{"x":1}}`
)

func dataText(e *event.Event) string {
	return string(object(e.Data).json())
}

func TestCloudTrailRecord(t *testing.T) {
	e := only(t, cloudTrailSample, Options{})
	if e.ID != "E1" || e.Source != "aws.cloudtrail" || e.Action != "s3.deletebucket" || e.Activity != "delete" || e.Category != "data" || e.Actor.ID != "arn:aws:iam::1:user/ana" ||
		e.Actor.Name != "ana" || e.Resource != (event.Resource{Type: "s3.bucket", ID: "b"}) || e.Context.IP != "203.0.113.9" || e.Context.UserAgent != "aws-cli" || e.Context.RequestID != "R" {
		t.Errorf("%+v", e)
	}
	for _, kept := range []string{`"eventName":"DeleteBucket"`, `"responseElements":null`, `"someNewField":{"a":[1]}`, `"awsRegion"`, `"userIdentity"`} {
		if !strings.Contains(dataText(e), kept) {
			t.Errorf("%s is lost: %s", kept, dataText(e))
		}
	}
}

func TestCloudTrailLookupEvents(t *testing.T) {
	in := `{"Events":[{"EventId":"E1","CloudTrailEvent":` + string(quote(cloudTrailSample)) + `}]}`
	if e := only(t, in, Options{}); e.Action != "s3.deletebucket" {
		t.Errorf("%+v", e)
	}
}

func TestCloudTrailActors(t *testing.T) {
	for _, c := range []struct{ identity, want string }{
		{`{"type":"Root","arn":"arn:aws:iam::1:root"}`, "user arn:aws:iam::1:root root  []"},
		{`{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/deploy/i-1","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::1:role/deploy","userName":"deploy"}}}`,
			"service_account arn:aws:sts::1:assumed-role/deploy/i-1 deploy/i-1  [{role arn:aws:iam::1:role/deploy deploy}]"},
		{`{"type":"AssumedRole","arn":"arn:aws:sts::1:assumed-role/sso/ana@example.com","sessionContext":{"sessionIssuer":{"type":"Role","arn":"r","userName":"sso"}}}`,
			"user arn:aws:sts::1:assumed-role/sso/ana@example.com ana@example.com ana@example.com [{role r sso}]"},
		{`{"type":"AssumedRole","principalId":"AROA:sess"}`, "service_account AROA:sess sess  []"},
		{`{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}`, "system ec2.amazonaws.com ec2.amazonaws.com  []"},
		{`{"type":"AWSAccount","principalId":"AIDA","accountId":"123"}`, "service_account AIDA 123  []"},
		{`{"type":"AWSAccount","accountId":"ANONYMOUS_PRINCIPAL"}`, "anonymous    []"},
		{`{"type":"FederatedUser","arn":"arn:aws:sts::1:federated-user/bob","sessionContext":{"sessionIssuer":{"type":"IAMUser","arn":"arn:u","userName":"u"}}}`,
			"user arn:aws:sts::1:federated-user/bob bob  [{user arn:u u}]"},
		{`{"type":"WebIdentityUser","principalId":"accounts.google.com:app:1","userName":"1","identityProvider":"accounts.google.com"}`,
			"user accounts.google.com:app:1 1  [{identity_provider accounts.google.com }]"},
		{`{"type":"SAMLUser","principalId":"S:bob","userName":"bob@example.com","identityProvider":"idp"}`, "user S:bob bob@example.com bob@example.com [{identity_provider idp }]"},
		{`{"type":"IdentityCenterUser","accountId":"1","onBehalfOf":{"userId":"u-9","identityStoreArn":"arn:is"}}`, "user u-9   [{identity_store arn:is }]"},
		{`{"type":"Directory","userName":"d"}`, "user d d  []"},
		{`{"accountId":"1","invokedBy":"ec2.amazonaws.com"}`, "system ec2.amazonaws.com ec2.amazonaws.com  []"},
		{`{"type":"Brandnew","accountId":"1"}`, "service_account 1   []"},
		{`null`, "anonymous    []"},
		{`"odd"`, "anonymous    []"},
	} {
		in := strings.Replace(cloudTrailSample, `{"type":"IAMUser","principalId":"P","arn":"arn:aws:iam::1:user/ana","accountId":"1","userName":"ana"}`, c.identity, 1)
		a := only(t, in, Options{}).Actor
		if got := fmt.Sprintf("%s %s %s %s %v", a.Type, a.ID, a.Name, a.Email, a.OnBehalfOf); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.identity, got, c.want)
		}
	}
}

func TestCloudTrailOutcomes(t *testing.T) {
	for _, c := range []struct{ members, status, reason string }{
		{`"errorCode":"AccessDenied","errorMessage":"no"`, "denied", "AccessDenied: no"},
		{`"errorCode":"Client.UnauthorizedOperation"`, "denied", "Client.UnauthorizedOperation"},
		{`"errorCode":"NoSuchBucket"`, "failure", "NoSuchBucket"},
		{`"x":1`, "success", ""},
		{`"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Failure"},"errorMessage":"Failed authentication"`, "failure", "Failed authentication"},
		{`"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Success"}`, "success", ""},
	} {
		in := `{"eventID":"1","eventTime":"2023-07-10T11:42:36Z","eventSource":"signin.amazonaws.com",` + c.members
		if !strings.Contains(c.members, "eventName") {
			in += `,"eventName":"PutThing"`
		}
		if e := only(t, in+"}", Options{Format: "cloudtrail"}); e.Outcome != (event.Outcome{Status: c.status, Reason: c.reason}) {
			t.Errorf("%s: %+v", c.members, e.Outcome)
		}
	}
}

func TestSameIDOtherContent(t *testing.T) {
	items, _ := readAll(t, strings.NewReader(cloudTrailSample+"\n"+strings.Replace(cloudTrailSample, "eu-west-1", "eu-west-2", 1)), Options{})
	if summary(items) != "1:E1 2:E1" {
		t.Error(summary(items))
	}
}

func TestCloudEvents(t *testing.T) {
	e := only(t, cloudEventSample, Options{})
	if e.ID != "1" || e.Source != "/shop" || e.Action != "com.example.order.created" || e.Activity != "create" || e.Resource.ID != "order-7" ||
		dataText(e) != `{"total":12.50,"myext":1,"datacontenttype":"application/json","myext_2":"x"}` {
		t.Errorf("%+v %s", e, dataText(e))
	}
	items, _ := readAll(t, strings.NewReader("["+cloudEventSample+","+strings.Replace(cloudEventSample, `"1.0"`, `"9"`, 1)+`,{"specversion":"1.0"},`+cloudEventSample+"]"), Options{})
	if got := summary(items); got != "1:1 1:!word 1:!required 1:1" {
		t.Error(got)
	}
	e = only(t, `{"specversion":"1.0","id":"1","source":"/s","type":"invoice.pay","traceparent":"00-x","data":{"id":"9","actor":{"type":"user","id":"u1"},"resource":{"type":"invoice","id":"7"},"changes":[{"path":"/paid","after":true}],"note":"n"}}`, Options{})
	if e.Actor.ID != "u1" || e.Resource.ID != "7" || len(e.Changes) != 1 || e.Action != "invoice.pay" || e.Context.Traceparent != "00-x" || dataText(e) != `{"note":"n","data.id":"9"}` {
		t.Errorf("%+v %s", e, dataText(e))
	}
	for data, want := range map[string]string{`"text"`: `{"value":"text"}`, `[1]`: `{"value":[1]}`, `null`: `{"value":null}`} {
		if e := only(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":`+data+`}`, Options{}); dataText(e) != want {
			t.Errorf("%s: %s", data, dataText(e))
		}
	}
	if e := only(t, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"aGk="}`, Options{}); dataText(e) != `{"data_base64":"aGk="}` {
		t.Errorf("%s", dataText(e))
	}
}

func TestOCSF(t *testing.T) {
	e := only(t, ocsfSample, Options{})
	if e.ID != "m1" || e.Source != "directory" || e.Action != "user.login" || e.Activity != "login" || e.Category != "auth" || e.Severity != "medium" || e.Outcome.Status != "failure" ||
		e.Outcome.Reason != "wrong password" || e.Actor.ID != "u7" || e.Actor.Email != "ana@example.com" || e.Context.IP != "203.0.113.9" || e.CorrelationID != "c" ||
		!e.OccurredAt.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) || !strings.Contains(dataText(e), `"unmapped":{"x":1}`) {
		t.Errorf("%+v", e)
	}
	for _, c := range []struct{ in, want string }{
		{`{"class_uid":6003,"activity_id":4,"time":1767225600000,"api":{"operation":"DeleteBucket","service":{"name":"s3.amazonaws.com"},"response":{"error":"AccessDenied"}},"status_id":2,"resources":[{"uid":"b","type":"Bucket"}],"actor":{"user":{"name":"x","type_id":3}}}`,
			"s3.deletebucket delete denied bucket/b system x <nil>"},
		{`{"class_uid":6003,"activity_id":1,"time":1767225600000,"api":{"operation":"invoice.create"},"actor":{"app_name":"cron"}}`, "invoice.create create success / service_account cron <nil>"},
		{`{"class_uid":3004,"activity_id":3,"time":1767225600000,"entity":{"uid":"7","name":"Haircut","type":"Service"},"comment":"why"}`, "service.update update success service/7 anonymous  <nil>"},
		{`{"class_uid":3001,"activity_id":9,"time_dt":"2026-01-01T00:00:00Z","user":{"uid":"u2","name":"Bob"},"actor":{"user":{"uid":"admin"}}}`, "account.lock lock success account/u2 user admin &{user u2 Bob}"},
		{`{"class_uid":3001,"activity_id":99,"activity_name":"Odd Thing","time":1}`, "account.odd_thing other success / anonymous  <nil>"},
	} {
		items, _ := readAll(t, strings.NewReader(c.in), Options{})
		e := items[0].Event
		if got := fmt.Sprintf("%s %s %s %s/%s %s %s %v", e.Action, e.Activity, e.Outcome.Status, e.Resource.Type, e.Resource.ID, e.Actor.Type, e.Actor.ID, e.Subject); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	items, _ := readAll(t, strings.NewReader(`{"class_uid":1001,"time":1}`+"\n"+`{"class_uid":6003}`+"\n"+`{"class_uid":"x"}`), Options{})
	if got := summary(items); got != "1:!word 2:!time 3:!word" {
		t.Error(got)
	}
}

func TestSyslogForms(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"<38>Nov 30 06:39:00 web1 sshd[77]: Accepted publickey for ana from 203.0.113.9 port 4 ssh2: RSA x", "2025-11-30T06:39:00Z web1 ssh.login user/ana 203.0.113.9 success info"},
		{"Nov 30 06:39:00 web1 sshd[77]: Failed password for root from 203.0.113.9 port 4 ssh2", "2025-11-30T06:39:00Z web1 ssh.login user/root 203.0.113.9 failure low"},
		{"Nov 30 06:39:00 web1 sshd[77]: Failed password for invalid user a b from 203.0.113.9 port 4 ssh2", "2025-11-30T06:39:00Z web1 ssh.login anonymous/ 203.0.113.9 failure low"},
		{"Nov 30 06:39:00 web1 sshd[77]: Invalid user  from 203.0.113.9", "2025-11-30T06:39:00Z web1 ssh.invalid_user anonymous/ 203.0.113.9 failure low"},
		{"Nov 30 06:39:00 web1 sudo:   ana : TTY=pts/0 ; PWD=/home/ana ; USER=root ; COMMAND=/bin/cat /etc/shadow", "2025-11-30T06:39:00Z web1 sudo.command user/ana  success notice"},
		{"Nov 30 06:39:00 web1 sudo:   ana : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh", "2025-11-30T06:39:00Z web1 sudo.command user/ana  denied notice"},
		{"2026-01-05T10:00:00.123456+02:00 web1 sshd[77]: Connection closed by 2001:db8::1 port 5 [preauth]", "2026-01-05T08:00:00.123456Z web1 ssh.disconnect anonymous/ 2001:db8::1 success info"},
		{`<34>1 2003-10-11T22:14:15.003Z mail su - ID47 [x@1 a="b\"]"] (to root) bob on /dev/pts/8`, "2003-10-11T22:14:15.003Z mail su.switch user/bob  success notice"},
		{"Mar  1 11:00:00 h kernel: [1.0] oops", "2026-03-01T11:00:00Z h syslog.message system/kernel  success info"},
		{"<3>Mar  1 11:00:00 h no tag here", "2026-03-01T11:00:00Z h syslog.message system/  success medium"},
	} {
		e := only(t, c.in, Options{Format: "syslog"})
		if got := fmt.Sprintf("%s %s %s %s/%s %s %s %s", e.OccurredAt.Format(time.RFC3339Nano), e.Resource.ID, e.Action, e.Actor.Type, e.Actor.ID, e.Context.IP, e.Outcome.Status, e.Severity); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.in, got, c.want)
		}
	}
	items, _ := readAll(t, strings.NewReader("nonsense\n\nNov 31 06:39:00 h x: y\n<999>Nov 30 06:39:00 h x: y\n<34>1 - h\nMar  1 11:00:00 h x: y\n\x00\xff\n"), Options{Format: "syslog"})
	if got := summary(items); got != "1:!syntax 3:!syntax 4:!syntax 5:!syntax 6:~ 7:!syntax" {
		t.Error(got)
	}
}

func TestSyslogYear(t *testing.T) {
	in := "Dec 31 23:59:59 h x: a\nJan  1 00:00:01 h x: b\nJan  1 00:00:00 h x: late\nFeb  2 00:00:00 h x: c\n"
	items, _ := readAll(t, strings.NewReader(in), Options{Format: "syslog", Year: 2019})
	for i, want := range []int{2019, 2020, 2020, 2020} {
		if got := items[i].Event.OccurredAt.Year(); got != want {
			t.Errorf("line %d: %d, want %d", i, got, want)
		}
	}
	tokyo := time.FixedZone("JST", 9*60*60) // needs no time zone database
	e := only(t, "Jan  1 09:00:00 h x: a", Options{Format: "syslog", Location: tokyo})
	if !e.OccurredAt.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error(e.OccurredAt)
	}
}

func TestSplunkCSV(t *testing.T) {
	cell := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	in := "\xef\xbb\xbf\"_time\",\"_raw\",host\r\n" +
		"1," + cell(strings.ReplaceAll(cloudTrailSample, ",", ",\n")) + ",h\r\n" +
		"2," + cell(cloudEventSample) + ",h\n" +
		"3," + cell("{broken") + ",h\n" +
		"4,Nov 30 06:39:00 h sshd[1]: Invalid user x from 1.2.3.4,h\n" +
		"5," + cell("Audit:[timestamp=10-06-2022 18:11:31.712, user=admin, action=login, info=denied ]") + ",h\n" +
		"6,free text,h\n7,,h\n8,a,b,c,d\n9," + cell(ev("9")) + "\n"
	items, format := readAll(t, strings.NewReader(in), Options{})
	if got := summary(items); format != "splunk-csv" || got != "2:E1 19:1 20:!syntax 21:~ 22:~ 23:~ 24:~ 25:!syntax 26:9" {
		t.Errorf("%s: %s", format, got)
	}
	items, _ = readAll(t, strings.NewReader("a,b\n1,\""+strings.Repeat("x", 5<<20)), Options{Format: "csv"})
	if got := summary(items); !strings.HasSuffix(got, "!too_large") {
		t.Errorf("endless quote: %s", got)
	}
}

func TestMapping(t *testing.T) {
	m, err := ParseMapping([]byte(`
list: items
record: log
fields:
  source: {const: Okta}
  action: {template: "okta.{eventType}.{parts[1]}"}
  id: uuid
  occurred_at: {path: at, time: unix_ms}
  actor.id: [actor.missing, actor.id]
  actor.roles: roles
  outcome.status: {path: result, map: {YES: success, NO: failure}, default: denied}
  context.ip: client.ip
  subject.type: {const: patient}
  subject.id: patient
  custom.region: /odd.name
  data.city: geo.city
`))
	if err != nil {
		t.Fatal(err)
	}
	in := `{"items":[{"log":{"eventType":"User Login","uuid":"u1","at":1767225600123,"actor":{"id":7},"roles":["a","b"],"result":"NO","client":{"ip":"n/a"},"patient":"p1","odd.name":"EU","geo":{"city":"Lisbon"},"parts":["x","y"],"rest":[1]}},` +
		`{"log":{"eventType":"x","result":"?","at":"1767225600123"}},{"nolog":1},{"log":{"eventType":{"a":1}}},{"log":{"eventType":"x","uuid":{}}},{"log":{"at":"soon"}}]}`
	items, format := readAll(t, strings.NewReader(in), Options{Mapping: m})
	if got := summary(items); format != "jsonl" || got != "1:u1 1:~ 1:!required 1:~ 1:!type 1:!time" {
		t.Fatal(format, got)
	}
	e := items[0].Event
	if e.Source != "okta" || e.Action != "okta.user_login.y" || e.Actor.ID != "7" || len(e.Actor.Roles) != 2 || e.Outcome.Status != "failure" || e.Context.IP != "" || e.Subject.ID != "p1" ||
		e.OccurredAt.UnixMilli() != 1767225600123 || string(object(e.Custom).json()) != `{"region":"EU"}` {
		t.Errorf("%+v", e)
	}
	for _, kept := range []string{`"city":"Lisbon"`, `"ip":"n/a"`, `"rest":[1]`, `"result":"NO"`} {
		if !strings.Contains(dataText(e), kept) {
			t.Errorf("%s is lost: %s", kept, dataText(e))
		}
	}
	if strings.Contains(dataText(e), `"uuid"`) || items[1].Event.Outcome.Status != "denied" {
		t.Errorf("%s", dataText(e))
	}
	for _, bad := range []string{"", "fields: {}", "fieldz: {id: x}", "fields: {idd: x}", "fields: {id: {pth: x}}", "fields: {id: {map: {a: b}}}", "data: some\nfields: {id: x}", "- x", "\t", "fields: {id: {path: [1]}}"} {
		if _, err := ParseMapping([]byte(bad)); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	csv, format := readAll(t, strings.NewReader("when,who,what\n2026-01-01 10:00:00,ana,view\n"), Options{Mapping: mustMapping(t, "fields: {action: what, actor.id: who, occurred_at: when}")})
	if e := csv[0].Event; format != "csv" || e.Action != "view" || e.Actor.ID != "ana" || e.OccurredAt.Hour() != 10 {
		t.Errorf("%s %+v", format, e)
	}
}

func mustMapping(t *testing.T, s string) *Mapping {
	t.Helper()
	m, err := ParseMapping([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseTimeForms(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, s := range []string{"2026-01-02T03:04:05Z", "2026-01-02 03:04:05", "1767323045", "1767323045000", "1767323045000000", "1767323045000000000", "1767323045.0", "02/Jan/2026:03:04:05 +0000",
		"Fri, 02 Jan 2026 03:04:05 GMT", "2026-01-02T04:04:05+01:00", "2026-01-02T03:04:05", "01/02/2026 03:04:05"} {
		if got, ok := parseTime(s, time.UTC); !ok || !got.Equal(want) {
			t.Errorf("%s: %v %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "now", "NaN", "1e300", "-", strings.Repeat("1", 80)} {
		if got, ok := parseTime(s, time.UTC); ok {
			t.Errorf("%s: %v", s, got)
		}
	}
}

func TestOTLPProtobuf(t *testing.T) {
	str := func(k, v string) *common.KeyValue {
		return &common.KeyValue{Key: k, Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: v}}}
	}
	rec := &logs.LogRecord{TimeUnixNano: 1767225600123456789, SeverityNumber: 17, EventName: "Invoice.Paid", Attributes: []*common.KeyValue{str("user.id", "u1"), str("client.address", "203.0.113.9"), str("k", "1"), str("k", "2"),
		str("resource.type", "Invoice"), str("resource.id", "7"), {Key: "unset"}}, Body: &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte{1}}}}
	req := &collector.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{rec, rec, {}}}}}, nil, {ScopeLogs: []*logs.ScopeLogs{nil}}}}
	body, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	items, err := OTLP(body, "application/x-protobuf")
	if err != nil || len(items) != 3 {
		t.Fatal(len(items), err)
	}
	again, _ := OTLP(body, "application/x-protobuf")
	for i, it := range items {
		check(t, "otlp", it)
		if it.Err != nil || it.Event.ID != again[i].Event.ID {
			t.Errorf("%d: %v %s %s", i, it.Err, it.Event.ID, again[i].Event.ID)
		}
	}
	e := items[0].Event
	if e.Action != "invoice.paid" || e.Actor.ID != "u1" || e.Context.IP != "203.0.113.9" || e.Severity != "medium" || e.Resource != (event.Resource{Type: "invoice", ID: "7"}) || e.ID == items[1].Event.ID ||
		e.OccurredAt.Nanosecond() != 123456000 || !strings.Contains(dataText(e), `"k":"1","k_2":"2"`) || !strings.Contains(dataText(e), `"body":"AQ=="`) {
		t.Errorf("%+v %s", e, dataText(e))
	}
	deepValue := &common.AnyValue{}
	for range 200 {
		deepValue = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{deepValue}}}}
	}
	body, err = proto.Marshal(&collector.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{Body: deepValue}, rec}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if items, err = OTLP(body, "application/x-protobuf"); err != nil || items[0].Err == nil || items[1].Err != nil {
		t.Errorf("deep: %v %+v", err, items)
	}
	for _, c := range []struct{ body, media string }{{"{", "application/json"}, {"\xff", "application/x-protobuf"}, {"{}", "text/plain"}} {
		if _, err := OTLP([]byte(c.body), c.media); err == nil {
			t.Errorf("%s accepted", c.media)
		}
	}
}

func BenchmarkCloudTrail(b *testing.B) {
	s := &state{}
	raw := []byte(cloudTrailSample)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if it := s.cloudTrail(raw); it[0].Err != nil {
			b.Fatal(it[0].Err)
		}
	}
}

func BenchmarkProbityLines(b *testing.B) {
	in := strings.Repeat(ev("1")+"\n", 10_000)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		r, _, err := Open(strings.NewReader(in), Options{})
		for err == nil {
			_, err = r.Next()
		}
	}
}
