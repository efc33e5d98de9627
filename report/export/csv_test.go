package export

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"probity.dev/internal/errs"
	"probity.dev/internal/testdata"
	"probity.dev/ledger/event"
)

func parseCSV(t testing.TB, b []byte) [][]string {
	t.Helper()
	r := csv.NewReader(bytes.NewReader(b))
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%v in %q", err, b)
	}
	return rows
}

// withText makes a record whose actor's name, reason and one data member are a text.
func withText(s string) *event.Record {
	v, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(s, "\uFFFD"))
	if err != nil {
		panic(err)
	}
	return &event.Record{Seq: 7, ID: "e-7", RecordedAt: day0, OccurredAt: day0, Source: "s", Action: "a.b", Outcome: "success", Severity: "info",
		Fields: []event.Field{{Path: "/actor/name", Value: v}, {Path: "/data/x", Value: v}, {Path: "/reason", Value: v}}}
}

// check verifies that a text survives CSV, and that no cell can be taken for a formula.
func check(t rapid.TB, delim byte, s string) {
	t.Helper()
	s = strings.ToValidUTF8(s, "\uFFFD")
	var out bytes.Buffer
	e, err := New("csv", &out, Options{Columns: []string{"actor_name", "data", "data.x", "reason", "seq"}, Delimiter: delim})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Begin(Meta{}); err != nil {
		t.Fatal(err)
	}
	if err := e.Write(withText(s)); err != nil {
		t.Fatal(err)
	}
	if err := e.End(Summary{}); err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(bytes.NewReader(out.Bytes()))
	r.Comma = rune(delim)
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("%q: %v in %q", s, err, out.Bytes())
	}
	want := strings.ReplaceAll(s, "\r\n", "\n") // encoding/csv reads a line break within quotes this way
	for _, i := range []int{0, 2, 3} {
		got := rows[1][i]
		if strings.TrimPrefix(got, "'") != want && got != want {
			t.Fatalf("%q came back as %q", s, got)
		}
	}
	var data map[string]string
	if err := json.Unmarshal([]byte(rows[1][1]), &data); err != nil || data["x"] != s {
		t.Fatalf("%q: data came back as %q: %v", s, rows[1][1], err)
	}
	for _, cell := range rows[1] {
		trimmed := strings.TrimLeft(cell, " \u00a0\ufeff\u200b")
		if trimmed != "" && strings.ContainsAny(trimmed[:1], "=+-@\t\r\n") || strings.HasPrefix(trimmed, "＝") || strings.HasPrefix(trimmed, "＋") ||
			strings.HasPrefix(trimmed, "－") || strings.HasPrefix(trimmed, "＠") {
			t.Fatalf("a spreadsheet may run %q", cell)
		}
	}
}

func TestCSVHostile(t *testing.T) {
	dir := testdata.Dir(t)
	payloads, err := os.ReadFile(filepath.Join(dir, "hostile/csv-injection/csv-payload.txt"))
	if err != nil {
		t.Fatal(err)
	}
	blns, err := os.ReadFile(filepath.Join(dir, "hostile/naughty-strings/blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if err := json.Unmarshal(blns, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < 500 {
		t.Fatalf("only %d naughty strings", len(list))
	}
	list = append(list, strings.Split(string(payloads), "\n")...)
	for _, start := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", " =", "\u00a0=", "\ufeff=", "\u200b+", "\x00="} {
		list = append(list, start+"1+1", start, start+`"quoted",cell`)
	}
	for _, s := range list {
		for _, delim := range []byte{',', ';', '\t'} {
			check(t, delim, s)
		}
	}
}

func TestCSVProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("=+-@\t\r\n\"', ;aé＝\x00"))))
		check(t, rapid.SampledFrom([]byte{',', ';', '\t', '|'}).Draw(t, "delimiter"), s.Draw(t, "text"))
	})
}

func TestCSVKeepsNumbers(t *testing.T) {
	r := specimens(t)[0]
	var out bytes.Buffer
	e, err := New("csv", &out, Options{Columns: []string{"custom.weight", "custom.cost_centre", "data.amount", "changes", "reason", "actor_roles", "data.missing"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{e.Begin(Meta{}), e.Write(r), e.End(Summary{})} {
		if step != nil {
			t.Fatal(step)
		}
	}
	got := parseCSV(t, out.Bytes())[1]
	want := []string{"-5", "'-5", "-10.50", `[{"path":"/price","before":50,"after":-10},{"path":"/note","op":"add","after":"say \"hi\", then\nleave"}]`,
		"'=cmd|' /C calc'!A0", `["manager","finance"]`, ""}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("cell %d is %q, not %q", i, got[i], want[i])
		}
	}
}

func TestCSVVariants(t *testing.T) {
	list := specimens(t)
	b := encode(t, "csv", Options{BOM: true, Delimiter: ';', Columns: []string{"seq", "actor"}}, Meta{}, list[:2])
	if want := "\uFEFFseq;actor\r\n1000;Bob Müller\r\n1001;a**@example.com\r\n"; string(b) != want {
		t.Errorf("got %q, not %q", b, want)
	}
	loc := time.FixedZone("", 2*60*60)
	b = encode(t, "csv", Options{Location: loc, Columns: []string{"occurred_at"}}, Meta{}, list[:1])
	if want := "occurred_at\r\n2026-03-14T11:26:50.000000+02:00\r\n"; string(b) != want {
		t.Errorf("got %q, not %q", b, want)
	}
	for _, o := range []Options{{Columns: []string{"seq", "nonsense"}}, {Delimiter: 'x'}, {Columns: make([]string, 65)}} {
		if _, err := New("csv", &bytes.Buffer{}, o); errs.CodeOf(err) != errs.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := New("docx", &bytes.Buffer{}, Options{}); errs.CodeOf(err) != errs.Invalid {
		t.Error(err)
	}
}

// TestClock compares the day-wise formatting of times with the standard library's.
func TestClock(t *testing.T) {
	var k clock
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-62135596800000000, 253402300799999999).Draw(t, "micros")).UTC()
		if at.IsZero() {
			return
		}
		if got, want := string(k.append(nil, at)), at.Format("2006-01-02T15:04:05.000000Z"); got != want {
			t.Fatalf("got %s, not %s", got, want)
		}
	})
}

func TestHiddenValues(t *testing.T) {
	b := encode(t, "csv", Options{Columns: []string{"actor_id", "subject_name", "fields_state"}}, Meta{}, specimens(t)[2:3])
	got := parseCSV(t, b)[1]
	want := []string{"[withheld]", "[erased]", `{"/actor/id":"withheld","/subject/name":"erased"}`}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("cell %d is %q, not %q", i, got[i], want[i])
		}
	}
}

func TestCompliance(t *testing.T) {
	list := specimens(t)
	list[3].ResourceHandle = 42
	b := encode(t, "csv", Options{Columns: ComplianceColumns}, Meta{}, list)
	rows := parseCSV(t, b)
	if got := strings.Join(rows[0], ","); got != "timestamp,user_id,action,resource" {
		t.Fatal(got)
	}
	p := NewPseudonyms(testKey)
	want := []string{"2026-03-14T09:26:50.000000Z", p.Person(list[0].ActorHandle), "invoice.update", "invoice/42"}
	for i := range want {
		if rows[1][i] != want[i] {
			t.Errorf("cell %d is %q, not %q", i, rows[1][i], want[i])
		}
	}
	if got, want := rows[4][3], "policy/"+p.Person(42); got != want {
		t.Errorf("a resource that is a person is %q, not %q", got, want)
	}
	var objects []map[string]any
	if err := json.Unmarshal(encode(t, "json", Options{Columns: ComplianceColumns}, Meta{}, list), &objects); err != nil {
		t.Fatal(err)
	}
	if len(objects) != len(list) || len(objects[0]) != 4 || objects[0]["user_id"] != want[1] || objects[4]["user_id"] != nil {
		t.Errorf("got %v", objects)
	}
	for _, secret := range []string{"u-17", "Bob", "example.com"} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("a compliance log names %s", secret)
		}
	}
}
