package intake

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
	"probity.dev/internal/testdata"
	"probity.dev/ledger/event"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// readAll reads a stream to its end; every event must survive normalising and flattening.
func readAll(t testing.TB, r io.Reader, o Options) (items []*Item, format string) {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = now
	}
	reader, format, err := Open(r, o)
	if err != nil {
		t.Fatalf("%s: %v", o.Name, err)
	}
	for {
		it, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return items, format
		}
		if err != nil {
			t.Fatalf("%s: %v", o.Name, err)
		}
		check(t, o.Name, it)
		items = append(items, it)
	}
}

// check demands that an item is an event that the ledger takes, or an error that explains itself.
func check(t testing.TB, name string, it *Item) {
	t.Helper()
	if (it.Event == nil) == (it.Err == nil) {
		t.Fatalf("%s:%d: event %v, error %v", name, it.Line, it.Event, it.Err)
	}
	if it.Err != nil {
		var e *errs.Error
		if !errors.As(it.Err, &e) || len(e.Fields) == 0 {
			t.Fatalf("%s:%d: %v does not say where", name, it.Line, it.Err)
		}
		return
	}
	if err := it.Event.Normalise(now); err != nil {
		it.Err = err
		return
	}
	f := it.Event.Flatten(nil)
	if len(f) > event.MaxFields {
		t.Fatalf("%s:%d: %d fields", name, it.Line, len(f))
	}
	rebuild(t, name, it, f)
}

// rebuild demands that the fields of an event give the same event back, and the same fields again.
func rebuild(t testing.TB, name string, it *Item, f []event.Field) {
	t.Helper()
	e := it.Event
	r := &event.Record{ID: e.ID, RecordedAt: now, OccurredAt: e.OccurredAt, Source: e.Source, Action: e.Action, Category: e.Category, Activity: e.Activity,
		Outcome: e.Outcome.Status, Severity: e.Severity, ResourceType: e.Resource.Type, Fields: f}
	wire := r.AppendEvent(nil)
	again, err := event.Parse(wire)
	if err == nil {
		err = again.Normalise(now)
	}
	if errs.CodeOf(err) == errs.TooLarge {
		return
	}
	if err != nil {
		t.Fatalf("%s:%d: %v\n%s", name, it.Line, err, wire)
	}
	g := again.Flatten(nil)
	same := len(f) == len(g)
	for i := 0; same && i < len(f); i++ {
		same = f[i].Path == g[i].Path && string(f[i].Value) == string(g[i].Value)
	}
	if !same {
		t.Fatalf("%s:%d: the fields changed\n%v\n%v", name, it.Line, f, g)
	}
	if !jsontext.Value(r.AppendJSON(nil)).IsValid() {
		t.Fatalf("%s:%d: the view is not valid JSON", name, it.Line)
	}
}

func readFile(t testing.TB, path string, o Options) ([]*Item, string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o.Name = filepath.Base(path)
	return readAll(t, f, o)
}

func rejected(items []*Item) (n int, why error) {
	for _, it := range items {
		if it.Err != nil {
			n++
			why = it.Err
		}
	}
	return n, why
}

func count(items []*Item, f func(e *event.Event) bool) (n int) {
	for _, it := range items {
		if it.Err == nil && f(it.Event) {
			n++
		}
	}
	return n
}

func TestCloudTrailData(t *testing.T) {
	root := filepath.Join(testdata.Dir(t), "cloudtrail")
	want := map[string]int{"flaws.cloud-via-umccr": 185, "grycap-sample": 142, "invictus-aws_dataset": 2900, "stratus-red-team": 310, "splunk-s3_bucket_deletion": 12}
	ids := map[string]int{}
	var all []*Item
	for dir, n := range want {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.*"))
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, f := range files {
			items, format := readFile(t, f, Options{})
			if w := map[bool]string{true: "splunk-csv", false: "cloudtrail"}[strings.HasSuffix(f, ".csv")]; format != w && len(items) > 0 {
				t.Errorf("%s: recognised as %s", f, format)
			}
			if n, why := rejected(items); n > 0 {
				t.Errorf("%s: %d rejected: %v", f, n, why)
			}
			got += len(items)
			all = append(all, items...)
		}
		if got != n {
			t.Errorf("%s: %d records, want %d", dir, got, n)
		}
	}
	for _, it := range all {
		ids[it.Event.ID]++
	}
	if len(all) != 3549 || len(ids) != 3545 {
		t.Errorf("%d records with %d ids, want 3549 with 3545", len(all), len(ids))
	}
	for name, c := range map[string]struct {
		want int
		is   func(e *event.Event) bool
	}{
		"errors": {447, func(e *event.Event) bool { return e.Outcome.Status != "success" }},
		"denied": {197, func(e *event.Event) bool { return e.Outcome.Status == "denied" }},
		"console logins": {3, func(e *event.Event) bool {
			return e.Action == "signin.consolelogin" && e.Activity == "login" && e.Category == "auth"
		}},
		"assumed roles": {150, func(e *event.Event) bool { return len(e.Actor.OnBehalfOf) > 0 && e.Actor.OnBehalfOf[0].Type == "role" }},
		"services":      {85, func(e *event.Event) bool { return e.Actor.Type == "system" }},
		"root":          {7, func(e *event.Event) bool { return e.Actor.Name == "root" }},
	} {
		if got := count(all, c.is); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestSSHData(t *testing.T) {
	items, format := readFile(t, filepath.Join(testdata.Dir(t), "logins/ssh-authlog-drillworkshop/auth.log.gz"), Options{Year: 2014})
	if n, _ := rejected(items); format != "syslog" || len(items) != 10567 || n != 1 || items[10566].Err == nil || string(items[10566].Raw) != "Dec  2 13:14:2" {
		t.Fatalf("%s: %d items, %d rejected, last %q", format, len(items), n, items[len(items)-1].Raw)
	}
	ips, ids := map[string]int{}, map[string]bool{}
	for _, it := range items {
		if it.Err != nil {
			continue
		}
		ids[it.Event.ID] = true
		if it.Event.Action == "ssh.invalid_user" {
			ips[it.Event.Context.IP]++
		}
	}
	action := func(a string) int { return count(items, func(e *event.Event) bool { return e.Action == a }) }
	if len(ids) != 10566 || action("ssh.invalid_user") != 1489 || len(ips) != 29 || ips["220.99.93.50"] != 409 || ips["173.192.158.3"] != 303 {
		t.Errorf("%d ids, %d invalid users from %d addresses: %v", len(ids), action("ssh.invalid_user"), len(ips), ips)
	}
	for a, want := range map[string]int{"ssh.reverse_mapping": 88, "pam.session_opened": 58, "pam.session_closed": 59, "ssh.no_identification": 704, "ssh.userauth_request": 1489, "syslog.message": 0, "ssh.disconnect": 6341 + 66 + 35 + 1, "ssh.error": 227 + 4 + 5} {
		if got := action(a); got != want {
			t.Errorf("%s: %d, want %d", a, got, want)
		}
	}
	if e := items[0].Event; !e.OccurredAt.Equal(time.Date(2014, 11, 30, 6, 39, 0, 0, time.UTC)) || e.Resource.ID != "ip-172-31-27-153" || e.Actor.ID != "root" {
		t.Errorf("first line: %+v", e)
	}
	again, _ := readFile(t, filepath.Join(testdata.Dir(t), "logins/ssh-authlog-drillworkshop/auth.log.gz"), Options{Year: 2014})
	for i := range items {
		if items[i].Err == nil && items[i].Event.ID != again[i].Event.ID {
			t.Fatal("a second reading gives other identifiers")
		}
	}
}

func TestAuditTrailData(t *testing.T) {
	items, format := readFile(t, filepath.Join(testdata.Dir(t), "app-audit/splunk-audittrail/audittrail-T1567.log.gz"), Options{})
	if n, why := rejected(items); format != "splunk-audit" || len(items) != 9533 || n != 0 {
		t.Fatalf("%s: %d items, %d rejected: %v", format, len(items), n, why)
	}
	lines, details := 0, 0
	for _, it := range items {
		if bytes.IndexByte(it.Raw, '\n') >= 0 {
			lines++
		}
		if object(it.Event.Data).get("details") != nil {
			details++
		}
	}
	denied := count(items, func(e *event.Event) bool { return e.Outcome.Status == "denied" })
	added := count(items, func(e *event.Event) bool { return e.Action == "splunk.add" && e.Resource.Type == "splunk.file" })
	if denied != 873 || lines != 8 || added != 6847 || details > 10 {
		t.Errorf("%d denied, %d with several lines, %d added, %d not taken apart", denied, lines, added, details)
	}
}

func TestSaaSData(t *testing.T) {
	dir := filepath.Join(testdata.Dir(t), "saas-audit")
	m, err := ParseMapping([]byte(`
record: log
fields:
  source: {const: panther}
  action: {path: /eventName, default: log.record}
  occurred_at: [eventTime, created_at, published, timestamp, p_event_time]
  actor.id: [userIdentity.arn, actor.email_address, actor.id, actor.alternateId, actor.user_id]
  context.ip: [sourceIPAddress, actor.ip_address]
`))
	if err != nil {
		t.Fatal(err)
	}
	items, format := readFile(t, filepath.Join(dir, "panther-analysis-tests/rule-tests.ndjson.gz"), Options{Mapping: m})
	if n, why := rejected(items); format != "jsonl" || len(items) != 1858 || n > 40 {
		t.Errorf("%s: %d items, %d rejected: %v", format, len(items), n, why)
	}
	items, format = readFile(t, filepath.Join(dir, "panther-analysis-tests/rule-tests.ndjson.gz"), Options{})
	if n, why := rejected(items); format != "jsonl" || len(items) != 1858 || n > 0 {
		t.Errorf("without a mapping: %s: %d items, %d rejected: %v", format, len(items), n, why)
	}
	items, format = readFile(t, filepath.Join(dir, "pingid-splunk-attack_data/pingid.log"), Options{})
	if n, why := rejected(items); format != "jsonl" || len(items) != 62 || n > 0 || items[0].Event.Actor.ID != "victim_user" || items[0].Event.OccurredAt.Year() != 2023 {
		t.Errorf("pingid: %s: %d items, %d rejected: %v %+v", format, len(items), n, why, items[0].Event)
	}
	dir = filepath.Join(testdata.Dir(t), "m365-azuread/msticpy")
	for name, want := range map[string]int{"demo_exchange_data.csv.gz": 1334, "host_logons.csv": 14, "aad_signinlogs.ndjson": 86} {
		items, format := readFile(t, filepath.Join(dir, name), Options{})
		if n, why := rejected(items); len(items) != want || n > 0 {
			t.Errorf("%s (%s): %d items, %d rejected: %v", name, format, len(items), n, why)
		}
	}
}

func TestGoogleCloudEventsData(t *testing.T) {
	root := filepath.Join(testdata.Dir(t), "cloudevents/google-cloudevents-testdata/testdata")
	n := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".json") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		in := `{"specversion":"1.0","id":"x","source":"//google/Test?q=1","type":"google.cloud.audit.log.v1.written","time":"2021-11-25T21:56:00.27Z","subject":"s/1","data":` + string(data) + `}`
		items, format := readAll(t, strings.NewReader(in), Options{Name: path})
		if k, why := rejected(items); format != "cloudevents" || len(items) != 1 || k > 0 {
			t.Errorf("%s: %s, %d items: %v", path, format, len(items), why)
			return nil
		}
		e := items[0].Event
		if e.Resource.ID == "" || first(object(e.Data).text("source"), object(e.Data).text("source_2")) != "//google/Test?q=1" || e.Source != "//google/test_q_1" {
			t.Errorf("%s: %+v", path, e)
		}
		if strings.Contains(path, "monitoringCreateTimeSeries") && (e.Action != "monitoring.googleapis.com.google.monitoring.v3.metricservice.createtimeseries" ||
			e.Actor.ID != "robot@test-project.iam.gserviceaccount.com" || e.Activity != "create" || e.Context.IP == "") {
			t.Errorf("%s: %+v", path, e)
		}
		return nil
	})
	if err != nil || n != 19 {
		t.Errorf("%d files: %v", n, err)
	}
}

func TestOTLPData(t *testing.T) {
	trace := "00-5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174-0"
	for name, want := range map[string]string{"logs.json": "log.record", "events.json": "browser.page_view"} {
		b, err := os.ReadFile(filepath.Join(testdata.Dir(t), "otlp", name))
		if err != nil {
			t.Fatal(err)
		}
		items, err := OTLP(b, "application/json; charset=utf-8")
		if err != nil || len(items) != 1 {
			t.Fatalf("%s: %d items, %v", name, len(items), err)
		}
		check(t, name, items[0])
		if name == "events.json" {
			trace = "" // that record has no trace
		}
		e := items[0].Event
		if items[0].Err != nil || e.Source != "my.service" || e.Action != want || !strings.HasPrefix(e.Context.Traceparent, trace) {
			t.Errorf("%s: %v %+v", name, items[0].Err, e)
		}
		fromFile, format := readAll(t, bytes.NewReader(b), Options{Name: name})
		if format != "otlp" || len(fromFile) != 1 || fromFile[0].Event.ID != e.ID {
			t.Errorf("%s from a file: %s, %d items", name, format, len(fromFile))
		}
	}
}
