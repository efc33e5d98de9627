package intake

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity.dev/internal/testdata"
	"probity.dev/ledger/event"
)

// imports are files with a good record, a record with a hostile text in place of %s (quoted as JSON) or %r (raw), and a good record.
var imports = map[string]string{
	"probity":     ev("good1") + "\n" + `{"source":"s","action":"a.read","id":"x","actor":{"id":%s,"name":%s},"data":{"d":%s}}` + "\n" + ev("good2"),
	"cloudtrail":  `{"Records":[` + trail("good1") + `,{"eventID":"x","eventTime":"2023-07-10T11:42:36Z","eventSource":%s,"eventName":%s,"userIdentity":{"type":"IAMUser","userName":%s},"errorCode":%s,"sourceIPAddress":%s,"requestParameters":{"bucketName":%s}},` + trail("good2") + `]}`,
	"cloudevents": `[{"specversion":"1.0","id":"good1","source":"s","type":"t"},{"specversion":"1.0","id":"x","source":%s,"type":%s,"subject":%s,"data":{"x":%s}},{"specversion":"1.0","id":"good2","source":"s","type":"t"}]`,
	"ocsf":        ocsfWith(`"good1"`) + "\n" + `{"class_uid":3004,"activity_id":1,"time":1767225600000,"metadata":{"uid":"x","product":{"name":%s}},"entity":{"uid":%s,"type":%s,"name":%s},"actor":{"user":{"uid":%s}},"comment":%s}` + "\n" + ocsfWith(`"good2"`),
	"jsonl":       `{"id":"good1","action":"a"}` + "\n" + `{"id":"x","action":%s,"user":%s,"ip":%s,"time":%s,"resource":{"type":%s,"id":%s},"status":%s}` + "\n" + `{"id":"good2","action":"a"}`,
	"otlp":        `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + record("good1") + `,{"attributes":[{"key":%s,"value":{"stringValue":%s}},{"key":"user.id","value":{"stringValue":%s}}],"eventName":%s},` + record("good2") + `]}]}]}`,
	"syslog":      "Mar  1 11:00:00 h good1: x\nMar  1 11:00:00 h sshd[1]: Invalid user %r from 1.2.3.4\nMar  1 11:00:00 %r %r[1]: %r\n%r\nMar  1 11:00:00 h good2: x",
	"splunk-audit": "Audit:[timestamp=10-06-2022 18:11:31.712, user=good1, action=a, info=granted ]\nAudit:[timestamp=10-06-2022 18:11:31.712, user=%r, action=%r, info=granted %r, path=\"%r\"]\n%r\n" +
		"Audit:[timestamp=10-06-2022 18:11:31.712, user=good2, action=a, info=granted ]",
	"csv": "id,action,user\ngood1,a,b\nx,%c,%c\ngood2,a,b\n",
}

func trail(id string) string {
	return `{"eventID":"` + id + `","eventTime":"2023-07-10T11:42:36Z","eventSource":"s3.amazonaws.com","eventName":"GetObject"}`
}

func ocsfWith(id string) string {
	return `{"class_uid":3004,"activity_id":1,"time":1767225600000,"metadata":{"uid":` + id + `}}`
}

func record(id string) string {
	return `{"attributes":[{"key":"log.record.uid","value":{"stringValue":"` + id + `"}}]}`
}

// survive puts a text into a file of each format and demands both neighbours back.
func survive(t *testing.T, text string) {
	t.Helper()
	oneLine := strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
	for format, tpl := range imports {
		in := strings.NewReplacer("%s", string(quote(text)), "%r", oneLine, "%c", `"`+strings.ReplaceAll(text, `"`, `""`)+`"`).Replace(tpl)
		items, _ := readAll(t, strings.NewReader(in), Options{Name: "f", Format: format})
		if missing := neighbours(items); missing != "" {
			t.Errorf("%s: %s is lost beside %q: %s", format, missing, text, summary(items))
		}
	}
}

func neighbours(items []*Item) (missing string) {
	for _, name := range []string{"good1", "good2"} {
		found := count(items, func(e *event.Event) bool {
			return e.ID == name || e.Actor.ID == name
		})
		if found != 1 {
			missing += fmt.Sprintf("%s (%d times) ", name, found)
		}
	}
	return missing
}

func TestHostileTexts(t *testing.T) {
	dir := filepath.Join(testdata.Dir(t), "hostile")
	b, err := os.ReadFile(filepath.Join(dir, "naughty-strings/blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"fuzzdb", "csv-injection"} {
		err := filepath.WalkDir(filepath.Join(dir, sub), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == "LICENSE" || strings.Contains(path, "copyright") {
				return err
			}
			b, err := os.ReadFile(path)
			for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
				list = append(list, s.Text())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(list) < 1000 {
		t.Errorf("only %d texts", len(list))
	}
	for _, text := range list {
		survive(t, text)
	}
}

// TestHostileJSON puts every file of a parser's test suite between two good records, in every JSON format.
func TestHostileJSON(t *testing.T) {
	f, err := os.Open(filepath.Join(testdata.Dir(t), "hostile/JSONTestSuite/test_parsing.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || !strings.HasSuffix(h.Name, ".json") {
			continue
		}
		for format, good := range map[string]func(string) string{"probity": ev, "cloudtrail": trail, "jsonl": func(id string) string { return `{"id":"` + id + `","action":"a"}` }} {
			in := good("good1") + "\n" + string(b) + "\n" + good("good2") + "\n"
			items, _ := readAll(t, strings.NewReader(in), Options{Format: format})
			if missing := neighbours(items); missing != "" {
				t.Errorf("%s: %s beside %s: %s", format, missing, filepath.Base(h.Name), summary(items))
			}
		}
	}
}

// TestMemoryIsBounded reads a stream that is far larger than the reader may become.
func TestMemoryIsBounded(t *testing.T) {
	line := []byte(ev("1") + "\n")
	n := (64 << 20) / len(line)
	src := &repeat{line: line, left: n}
	w := newWindow(src)
	f := frames{w: w}
	for i := range n {
		if fr, err := f.next(); err != nil || fr.err != nil {
			t.Fatalf("record %d: %v %v", i, err, fr.err)
		}
	}
	if _, err := f.next(); err != io.EOF || len(w.buf) > 256<<10 {
		t.Errorf("%v, window of %d bytes", err, len(w.buf))
	}
}

type repeat struct {
	line []byte
	left int
	rest []byte
}

func (r *repeat) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(r.rest) == 0 {
			if r.left == 0 {
				return n, io.EOF
			}
			r.left--
			r.rest = r.line
		}
		k := copy(p[n:], r.rest)
		r.rest = r.rest[k:]
		n += k
	}
	return n, nil
}
