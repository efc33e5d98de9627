package event

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/errs"
	"probity.dev/internal/testdata"
)

// textFields are templates with %s for each text member; a clear member may refuse a string, and must then name itself.
var textFields = []string{
	`{"source":"s","action":"a.read","id":%s}`, `{"action":"a.read","source":%s}`, `{"source":"s","action":%s}`,
	`{"source":"s","action":"a.read","category":%s}`, `{"source":"s","action":"a.read","activity":%s}`, `{"source":"s","action":"a.read","severity":%s}`,
	`{"source":"s","action":"a.read","occurred_at":%s}`, `{"source":"s","action":"a.read","actor":{"type":%s}}`,
	`{"source":"s","action":"a.read","actor":{"id":%s}}`, `{"source":"s","action":"a.read","actor":{"name":%s}}`,
	`{"source":"s","action":"a.read","actor":{"email":%s}}`, `{"source":"s","action":"a.read","actor":{"roles":[%s]}}`,
	`{"source":"s","action":"a.read","actor":{"on_behalf_of":[{"type":"user","id":%s}]}}`, `{"source":"s","action":"a.read","resource":{"type":%s}}`,
	`{"source":"s","action":"a.read","resource":{"type":"t","id":%s}}`, `{"source":"s","action":"a.read","resource":{"type":"t","name":%s}}`,
	`{"source":"s","action":"a.read","subject":{"type":%s,"id":"1"}}`, `{"source":"s","action":"a.read","subject":{"type":"p","id":%s}}`,
	`{"source":"s","action":"a.read","changes":[{"path":%s}]}`, `{"source":"s","action":"a.read","changes":[{"path":"p","op":%s}]}`,
	`{"source":"s","action":"a.read","changes":[{"path":"p","before":%s,"after":"x"}]}`, `{"source":"s","action":"a.read","context":{"ip":%s}}`,
	`{"source":"s","action":"a.read","context":{"user_agent":%s}}`, `{"source":"s","action":"a.read","context":{"forwarded_for":[%s]}}`,
	`{"source":"s","action":"a.read","context":{"geo":%s}}`, `{"source":"s","action":"a.read","context":{"session_id":%s,"device":"d"}}`,
	`{"source":"s","action":"a.read","outcome":{"status":%s}}`, `{"source":"s","action":"a.read","outcome":{"status":"failure","reason":%s}}`,
	`{"source":"s","action":"a.read","producer":{"id":%s}}`, `{"source":"s","action":"a.read","correlation_id":%s}`,
	`{"source":"s","action":"a.read","reason":%s}`, `{"source":"s","action":"a.read","custom":{"c":%s}}`, `{"source":"s","action":"a.read","data":{"d":%s}}`,
	`{"source":"s","action":"a.read","data":{%s:1,"b":2}}`, `{"source":"s","action":"a.read",%s:{"x":1}}`, `{"source":"s","action":"a.read","personal":[%s]}`,
}

// feed puts a string through every text field and demands that it is either refused by name or survives unchanged.
func feed(t *testing.T, s string) {
	t.Helper()
	quoted, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, tpl := range textFields {
		in := strings.Replace(tpl, "%s", string(quoted), 1)
		e, err := Parse([]byte(in))
		if err == nil {
			err = e.Normalise(now)
		}
		if err != nil {
			var x *errs.Error
			if !errors.As(err, &x) || len(x.Fields) == 0 || x.Code != errs.Invalid {
				t.Errorf("%s: %v", in, err)
			} else if len(s) > 12 && strings.Contains(err.Error(), s) {
				t.Errorf("the error repeats the value: %v", err)
			}
			continue
		}
		r := record(e)
		wire := r.AppendEvent(nil)
		again, err := Parse(wire)
		if err == nil {
			err = again.Normalise(now)
		}
		if err != nil {
			t.Errorf("%s -> %s: %v", in, wire, err)
			continue
		}
		if a, b := fieldsText(r.Fields), fieldsText(record(again).Fields); a != b {
			t.Errorf("%s changed:\n%s\n%s", in, a, b)
		}
		if !jsontext.Value(r.AppendJSON(nil)).IsValid() {
			t.Errorf("%s: the view is not valid JSON", in)
		}
	}
}

func TestNaughtyStrings(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testdata.Dir(t), "hostile/naughty-strings/blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil || len(list) != 515 {
		t.Fatal(len(list), err)
	}
	for _, s := range list {
		feed(t, s)
	}
}

func TestFuzzDB(t *testing.T) {
	lines := 0
	for _, dir := range []string{"hostile/fuzzdb", "hostile/csv-injection"} {
		err := filepath.WalkDir(filepath.Join(testdata.Dir(t), dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.Contains(path, "copyright") || d.Name() == "LICENSE" {
				return err
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			for s := bufio.NewScanner(f); s.Scan(); lines++ {
				line := strings.ToValidUTF8(s.Text(), "\uFFFD")
				feed(t, line)
				if e, err := Parse(s.Bytes()); err == nil {
					_ = e.Normalise(now)
					e.Flatten(nil)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if lines < 500 {
		t.Errorf("only %d lines", lines)
	}
}

func TestJSONTestSuite(t *testing.T) {
	f, err := os.Open(filepath.Join(testdata.Dir(t), "hostile/JSONTestSuite/test_parsing.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[byte]int{}
	for tr := tar.NewReader(z); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(h.Name)
		if h.Typeflag != tar.TypeReg || !strings.HasSuffix(name, ".json") {
			continue
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		in := append(append([]byte(`{"source":"s","action":"a.read","data":{"x":`), b...), "}}"...)
		e, err := Parse(in)
		if err == nil {
			if err = e.Normalise(now); err == nil {
				e.Flatten(nil)
			}
		}
		counts[name[0]]++
		// Duplicate names are allowed by RFC 8259 and refused here on purpose. A text that closes our own braces is a trick of
		// embedding, so such files are tried alone.
		duplicates := strings.Contains(name, "duplicated_key")
		switch {
		case name[0] == 'y' && err != nil && !duplicates:
			t.Errorf("%s: refused: %v", name, err)
		case name[0] == 'y' && err == nil && duplicates:
			t.Errorf("%s: duplicate names accepted", name)
		case name[0] == 'n' && err == nil:
			t.Errorf("%s: accepted", name)
		}
		if _, err := Parse(b); err == nil && name[0] == 'n' {
			t.Errorf("%s alone: accepted", name)
		}
	}
	if counts['y'] != 95 || counts['n'] != 188 || counts['i'] != 35 {
		t.Errorf("files: %v", counts)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{sample, `{}`, `{"data":{"a":{"b":[1,2,{"c":"\u00e9"}]}}}`, `{"source":"s","action":"a","changes":[{"path":"p","before":null}]}`,
		`{"actor":{"on_behalf_of":[{"type":"role","id":"x","y":1}],"roles":["\u0061"]}}`, `{"a":1,"data":{"a":2}}`, `{"data":7,"custom":{"":{}}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Parse(b)
		if err != nil {
			if errs.CodeOf(err) != errs.Invalid && errs.CodeOf(err) != errs.TooLarge {
				t.Fatalf("code of %v", err)
			}
			return
		}
		if e.Source == "" {
			e.Source = "s"
		}
		if e.Action == "" {
			e.Action = "a"
		}
		if e.Normalise(now) != nil {
			return
		}
		r := record(e)
		if len(r.Fields) > MaxFields {
			t.Fatalf("%d fields", len(r.Fields))
		}
		wire := r.AppendEvent(nil)
		again, err := Parse(wire)
		if err == nil {
			err = again.Normalise(now)
		}
		if err != nil {
			if errs.CodeOf(err) == errs.TooLarge {
				return
			}
			t.Fatalf("%v\n%s", err, wire)
		}
		if a, b := fieldsText(r.Fields), fieldsText(record(again).Fields); a != b {
			t.Fatalf("changed:\n%s\n%s", a, b)
		}
		if !jsontext.Value(r.AppendJSON(nil)).IsValid() {
			t.Fatal("the view is not valid JSON")
		}
	})
}
