package intake

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/ledger/event"
)

// summary writes items in short: identifiers of events, codes of errors.
func summary(items []*Item) string {
	var out []string
	for _, it := range items {
		var e *errs.Error
		switch {
		case it.Err == nil && len(it.Event.ID) > 20:
			out = append(out, fmt.Sprintf("%d:~", it.Line))
		case it.Err == nil:
			out = append(out, fmt.Sprintf("%d:%s", it.Line, it.Event.ID))
		case errors.As(it.Err, &e):
			out = append(out, fmt.Sprintf("%d:!%s", it.Line, e.Fields[0].Code))
		}
	}
	return strings.Join(out, " ")
}

func ev(id string) string { return `{"source":"s","action":"a.read","id":"` + id + `"}` }

func TestFraming(t *testing.T) {
	pretty := "{\n  \"source\": \"s\",\n  \"action\": \"a.read\",\n  \"id\": \"p\",\n  \"data\": {\n    \"x\": [1, {\"y\": 2}]\n  }\n}"
	big := `{"source":"s","action":"a.read","data":{"x":"` + strings.Repeat("a", 3*MaxRecord) + `"}}`
	for _, c := range []struct{ name, in, want string }{
		{"one", ev("1"), "1:1"},
		{"byte order mark", "\xef\xbb\xbf" + ev("1"), "1:1"},
		{"lines", ev("1") + "\n\n" + ev("2") + "\r\n" + ev("3"), "1:1 3:2 4:3"},
		{"pretty", pretty + "\n" + pretty, "1:p 9:p"},
		{"array", "[" + ev("1") + ",\n" + ev("2") + "]", "1:1 2:2"},
		{"array of pretty", "[\n" + pretty + ",\n" + pretty + "\n]", "2:p 10:p"},
		{"events", `{"next":[{"a":1}],"events":[` + ev("1") + "," + ev("2") + `],"more":{"x":["]}"]}}` + "\n" + ev("3"), "1:1 1:2 2:3"},
		{"two lists", `{"events":[` + ev("1") + `]}` + "\n" + `{"events":[` + ev("2") + `]}`, "1:1 2:2"},
		{"empty", "", ""},
		{"empty list", `{"events":[]}`, ""},
		{"blank", " \n\t\n", ""},
		{"no id", `{"source":"s","action":"a.read"}`, "1:~"},
		{"bad line", ev("1") + "\n{bad}\n" + ev("2"), "1:1 2:!syntax 3:2"},
		{"cut line", ev("1") + "\n" + `{"source":"s","act` + "\n" + ev("2"), "1:1 2:!syntax 3:2"},
		{"line that opens", ev("1") + "\n" + `{"source":"s","data":{"x":[` + "\n" + ev("2") + "\n" + ev("3") + "\n", "1:1 2:!syntax 3:2 4:3"},
		{"cut value", ev("1") + "\n" + `{"source":` + "\n" + ev("2") + "\n" + ev("3"), "1:1 2:!syntax 3:2 4:3"},
		{"only openers", "{\n{\n{\n", "1:!syntax 2:!syntax 3:!syntax"},
		{"text", ev("1") + "\nhello\n" + ev("2"), "1:1 2:!syntax 3:2"},
		{"scalar", ev("1") + "\n17\n" + ev("2"), "1:1 2:!syntax 3:2"},
		{"bad in array", "[" + ev("1") + `,{"id":7},{"id":tru},` + ev("2") + ",5,\"x\"," + ev("3") + "]", "1:1 1:!type 1:!syntax 1:2 1:!type 1:!type 1:3"},
		{"duplicate in array", "[" + ev("1") + `,{"id":"1","id":"2"},` + ev("2") + "]", "1:1 1:!duplicate_member 1:2"},
		{"bad utf-8 in array", "[" + ev("1") + ",{\"id\":\"\xff\"}," + ev("2") + "]", "1:1 1:!encoding 1:2"},
		{"unclosed string in array", "[\n" + ev("1") + ",\n{\"id\":\"x},\n" + ev("2") + "\n]", "2:1 3:!syntax 4:2"},
		{"unclosed array", "[" + ev("1") + ",", "1:1 1:!syntax"},
		{"unclosed record", "[" + ev("1") + `,{"id":"2"`, "1:1 1:!syntax"},
		{"stray closers", "]" + ev("1") + "}]\n" + ev("2"), "1:!syntax 2:2"},
		{"too large", ev("1") + "\n" + big + "\n" + ev("2"), "1:1 2:!too_large 3:2"},
		{"too large in array", "[" + ev("1") + "," + big + "," + ev("2") + "]", "1:1 1:!too_large 1:2"},
		{"over 256 KiB", ev("1") + "\n" + `{"source":"s","action":"a","data":"` + strings.Repeat("x", 300<<10) + "\"}\n" + ev("2"), "1:1 2:!too_large 3:2"},
		{"deep", ev("1") + "\n" + strings.Repeat("[", 100000) + "\n" + ev("2"), "1:1 2:!syntax 3:2"},
		{"deep in object", ev("1") + "\n" + `{"data":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}\n" + ev("2"), "1:1 2:!too_deep 3:2"},
	} {
		items, _ := readAll(t, strings.NewReader(c.in), Options{Format: "probity"})
		if got := summary(items); got != c.want && c.name != "deep" {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if c.name == "deep" && count(items, func(*event.Event) bool { return true }) != 2 {
			t.Errorf("deep: neighbours lost")
		}
		if len(c.in) < 4096 {
			bytewise, _ := readAll(t, iotest.OneByteReader(strings.NewReader(c.in)), Options{Format: "probity"})
			if a, b := summary(items), summary(bytewise); a != b {
				t.Errorf("%s: byte by byte it reads %s, not %s", c.name, b, a)
			}
		}
		for _, it := range items {
			if end := int(it.Offset) + len(it.Raw); it.Raw != nil && (end > len(c.in) || c.in[it.Offset:end] != string(it.Raw)) && len(it.Raw) < MaxRecord {
				t.Errorf("%s: offset %d is not where the record is", c.name, it.Offset)
			}
		}
	}
}

// TestManyBrokenLinesAreLinear compares files of which one is eight times as long: a reader that begins anew after each broken line takes 64 times as long for it.
func TestManyBrokenLinesAreLinear(t *testing.T) {
	took := func(line string, lines int) time.Duration {
		start := time.Now()
		items, _ := readAll(t, strings.NewReader(strings.Repeat(line, lines)+ev("last")), Options{Format: "probity"})
		if len(items) == 0 {
			t.Errorf("%q: nothing", line)
		}
		return time.Since(start)
	}
	for _, line := range []string{"{\n", `{"a":[` + "\n", "{\"a\":\n", "[\n", "\"\n", `{"a":"` + "\n", "{}}\n", "{\"a\":[\"]\n"} {
		ratio := 0.0
		for range 3 { // a machine that is busy for a moment is no reader that is slow
			if short, long := took(line, 4_000), took(line, 32_000); long > 100*time.Millisecond {
				ratio = float64(long) / float64(short)
			}
			if ratio < 25 {
				break
			}
		}
		if ratio >= 25 {
			t.Errorf("%q: eight times as many lines take %.0f times as long", line, ratio)
		}
	}
}

func TestDetect(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"", ev("1"), "probity"},
		{"", `{"events":[]}`, "probity"},
		{"", "  \n" + `[{"action":"a","actor":{"id":"1"}}]`, "probity"},
		{"", `{"Records":[]}`, "cloudtrail"},
		{"", `[{"eventSource":"x","eventName":"y"`, "cloudtrail"},
		{"", `{"specversion":"1.0","type":"x"}`, "cloudevents"},
		{"", `{"class_uid":6003}`, "ocsf"},
		{"", `{"resourceLogs":[]}`, "otlp"},
		{"", `{"foo":1}`, "jsonl"},
		{"", "Audit:[timestamp=1", "splunk-audit"},
		{"", "Nov 30 06:39:00 host CRON[1]: x", "syslog"},
		{"", "<34>1 2003-10-11T22:14:15.003Z host app - - - x", "syslog"},
		{"", "2024-01-01T00:00:00.123456+00:00 host sshd[1]: x", "syslog"},
		{"", "a,\"_raw\",b\n1,2,3", "splunk-csv"},
		{"x.csv.gz", "a,b\n1,2", "csv"},
		{"auth.log", "hello", "syslog"},
		{"", "hello", ""},
		{"", "\x00\x01\x02", ""},
		{"", "", "probity"},
	} {
		_, got, err := Open(strings.NewReader(c.in), Options{Name: c.name})
		if got != c.want || (err == nil) != (c.want != "") || err != nil && errs.CodeOf(err) != errs.Unsupported {
			t.Errorf("%.40q: got %s, %v, want %s", c.in, got, err, c.want)
		}
	}
	if _, _, err := Open(strings.NewReader("{}"), Options{Format: "tarot"}); errs.CodeOf(err) != errs.Unsupported {
		t.Errorf("unknown format: %v", err)
	}
	for _, f := range Formats() {
		if _, _, err := Open(strings.NewReader(""), Options{Format: f.Name}); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestGzip(t *testing.T) {
	in := []byte(ev("1") + "\n" + ev("2") + "\n" + `{"source":"s","action":"a.read"}`)
	plain, _ := readAll(t, bytes.NewReader(in), Options{Name: "dir/x.json"})
	packed, _ := readAll(t, bytes.NewReader(append(zipped(t, in[:20]), zipped(t, in[20:])...)), Options{Name: `c:\x.json.gz`})
	if summary(plain) != summary(packed) || plain[2].Event.ID != packed[2].Event.ID {
		t.Errorf("%s and %s", summary(plain), summary(packed))
	}
	drain := func(b []byte, o Options) (n int, err error) {
		r, _, err := Open(bytes.NewReader(b), o)
		if err != nil {
			return 0, err
		}
		for {
			if _, err = r.Next(); err != nil {
				return n, err
			}
			n++
		}
	}
	whole := zipped(t, in)
	if _, err := drain(whole[:len(whole)-12], Options{}); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("cut gzip: %v", err)
	}
	if _, err := drain([]byte{0x1f, 0x8b, 9}, Options{}); errs.CodeOf(err) != errs.Invalid {
		t.Errorf("broken gzip: %v", err)
	}
	if n, err := drain(zipped(t, bytes.Repeat([]byte(ev("1")+"\n"), 100_000)), Options{MaxBytes: 1 << 20}); errs.CodeOf(err) != errs.TooLarge || n == 0 {
		t.Errorf("limit: %d, %v", n, err)
	}
	if _, err := drain(zipped(t, make([]byte, 100<<20)), Options{Format: "probity"}); errs.CodeOf(err) != errs.TooLarge {
		t.Errorf("bomb: %v", err)
	}
	if _, err := drain(zipped(t, bytes.Repeat([]byte(" "), 100<<20)), Options{Format: "probity"}); errs.CodeOf(err) != errs.TooLarge {
		t.Errorf("bomb of spaces: %v", err)
	}
}

func TestReadErrors(t *testing.T) {
	for _, format := range []string{"probity", "syslog", "splunk-audit", "csv"} {
		in := map[string]string{"probity": ev("1") + "\n" + ev("2"), "syslog": "Nov 30 06:39:00 h x: y\nNov 30 06", "splunk-audit": "Audit:[timestamp=1, user=u, action=a]\nAudit:[", "csv": "a,b\n1,2\n3,\"4"}[format]
		r, _, err := Open(io.MultiReader(strings.NewReader(in), iotest.ErrReader(errors.New("disk on fire"))), Options{Format: format})
		for err == nil {
			_, err = r.Next()
		}
		if err.Error() != "disk on fire" {
			t.Errorf("%s: %v", format, err)
		}
	}
}

func only(t *testing.T, in string, o Options) *event.Event {
	t.Helper()
	items, _ := readAll(t, strings.NewReader(in), o)
	if len(items) != 1 || items[0].Err != nil {
		t.Fatalf("%.80s: %s", in, summary(items))
	}
	return items[0].Event
}

func TestSourceOption(t *testing.T) {
	if e := only(t, ev("1"), Options{Source: "backup.import"}); e.Source != "backup.import" {
		t.Errorf("%q", e.Source)
	}
}

func FuzzOpen(f *testing.F) {
	for _, format := range append(formatNames(), "") {
		for _, in := range []string{ev("1") + "\n" + ev("2"), "[" + ev("1") + ",{]", "a,_raw\n1,\"{\"\"eventName\"\":1}\"\n", "Audit:[timestamp=10-06-2022 18:11:31.712, user=n/a, action=add,path=\"/x\", hash=]\n",
			"Nov 30 06:39:00 ip sshd[1]: Invalid user a from 1.2.3.4\n", `<34>1 2003-10-11T22:14:15.003Z h app - - [a b="]"] x`, cloudTrailSample, cloudEventSample, ocsfSample,
			`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`, `{"Records":[{"eventID":"1"}],"x":1}`} {
			f.Add(format, []byte(in))
		}
	}
	m, err := ParseMapping([]byte("record: r\nfields:\n  action: [a, b.c, /d~1e/0]\n  occurred_at: {path: t, time: unix_ms}\n  actor.id: u\n  context.ip: i\n  data.x: {template: \"{a}-{b\"}\n"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, format string, b []byte) {
		for _, mapping := range []*Mapping{nil, m} {
			r, _, err := Open(bytes.NewReader(b), Options{Name: "f", Format: format, Mapping: mapping, Now: now, MaxBytes: 8 << 20})
			if err != nil {
				return
			}
			for range 100_000 {
				it, err := r.Next()
				if err != nil {
					break
				}
				check(t, format, it)
			}
		}
	})
}

func FuzzOTLP(f *testing.F) {
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"5B8EFFF798038103D269B633813FC60C","body":{"kvlistValue":{"values":[{"key":"a","value":{"doubleValue":"NaN"}}]}}}]}]}]}`), true)
	f.Add([]byte("\n\x10\x12\x0e\x12\x0c\t\x01\x02\x03\x04\x05\x06\x07\x08*\x01\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, json bool) {
		items, err := OTLP(b, map[bool]string{true: "application/json", false: "application/x-protobuf"}[json])
		if err != nil {
			return
		}
		for _, it := range items {
			check(t, "otlp", it)
		}
	})
}
