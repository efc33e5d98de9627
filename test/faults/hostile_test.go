package faults

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/internal/testdata"
	"probity.dev/test/instance"
)

// texts reads the hostile corpora, and some strings that are missing there.
func texts(t *testing.T) (list []string) {
	t.Helper()
	dir := filepath.Join(testdata.Dir(t), "hostile")
	b, err := os.ReadFile(filepath.Join(dir, "naughty-strings/blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"fuzzdb", "csv-injection"} {
		err := filepath.WalkDir(filepath.Join(dir, sub), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == "LICENSE" || strings.Contains(path, "copyright") {
				return err
			}
			b, err := os.ReadFile(path)
			for line := range strings.Lines(string(b)) {
				list = append(list, strings.TrimRight(line, "\r\n"))
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
	for _, first := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "|", "%", ";=", " =", "＝", "\ufeff="} {
		list = append(list, first+`HYPERLINK("http://x.example","y")`)
	}
	return append(list, "\x1b[2J\x1b]0;title\x07", "\u009b31m", "a\u202eb", "\x00", "a\r\nSet-Cookie: x=1", "' OR '1'='1", "'; DROP TABLE hot_working; --", `") OR 1=1 --`, "%' ESCAPE '", "*", "**", "[a-z]", "{{7*7}}", "${jndi:ldap://x}", "<script>alert(1)</script>",
		strings.Repeat("A", 511), strings.Repeat("é", 256), strings.Repeat("𝒳", 128))
}

// places are the members that take a text, with the pointer that a refusal must name. A place whose text must be unique has %d before it.
var places = []struct{ pointer, template string }{
	{"/id", `{"source":"h","action":"a.read","id":%s}`}, {"/source", `{"action":"a.read","source":%s}`}, {"/action", `{"source":"h","action":%s}`},
	{"/category", `{"source":"h","action":"a.read","category":%s}`}, {"/activity", `{"source":"h","action":"a.read","activity":%s}`}, {"/severity", `{"source":"h","action":"a.read","severity":%s}`},
	{"/occurred_at", `{"source":"h","action":"a.read","occurred_at":%s}`}, {"/actor/type", `{"source":"h","action":"a.read","actor":{"type":%s}}`},
	{"/actor/id", `{"source":"h","action":"a.read","actor":{"id":%s}}`}, {"/actor/name", `{"source":"h","action":"a.read","actor":{"name":%s}}`},
	{"/actor/email", `{"source":"h","action":"a.read","actor":{"email":%s}}`}, {"/actor/roles", `{"source":"h","action":"a.read","actor":{"roles":[%s]}}`},
	{"/actor/on_behalf_of", `{"source":"h","action":"a.read","actor":{"on_behalf_of":[{"type":"user","id":%s}]}}`}, {"/resource/type", `{"source":"h","action":"a.read","resource":{"type":%s}}`},
	{"/resource/id", `{"source":"h","action":"a.read","resource":{"type":"t","id":%s}}`}, {"/resource/id", `{"source":"h","action":"a.read","resource":{"type":"patient","id":%s}}`},
	{"/resource/name", `{"source":"h","action":"a.read","resource":{"type":"t","name":%s}}`}, {"/subject/type", `{"source":"h","action":"a.read","subject":{"type":%s,"id":"1"}}`},
	{"/subject/id", `{"source":"h","action":"a.read","subject":{"type":"patient","id":%s}}`}, {"/changes", `{"source":"h","action":"a.read","changes":[{"path":%s}]}`},
	{"/changes/0/op", `{"source":"h","action":"a.read","changes":[{"path":"p","op":%s}]}`}, {"", `{"source":"h","action":"a.read","changes":[{"path":"p","before":%s,"after":"x"}]}`},
	{"/context/ip", `{"source":"h","action":"a.read","context":{"ip":%s}}`}, {"/context/user_agent", `{"source":"h","action":"a.read","context":{"user_agent":%s}}`},
	{"/context/forwarded_for", `{"source":"h","action":"a.read","context":{"forwarded_for":[%s]}}`}, {"/context/session_id", `{"source":"h","action":"a.read","context":{"session_id":%s}}`},
	{"/outcome/status", `{"source":"h","action":"a.read","outcome":{"status":%s}}`}, {"/outcome/reason", `{"source":"h","action":"a.read","outcome":{"status":"failure","reason":%s}}`},
	{"/producer/id", `{"source":"h","action":"a.read","producer":{"id":%s,"seq":1}}`}, {"/correlation_id", `{"source":"h","action":"a.read","correlation_id":%s}`},
	{"/reason", `{"source":"h","action":"a.read","reason":%s}`}, {"", `{"source":"h","action":"a.read","data":{"d":%s}}`}, {"", `{"source":"h","action":"a.read","data":{%s:1,"b":2}}`},
	{"", `{"source":"h","action":"a.read",%s:{"x":1}}`}, {"/personal", `{"source":"h","action":"a.read","personal":[%s]}`},
}

// rendered are the members that are not shown to the letter: words have synonyms, times one spelling, and what is marked as personal and numbered by its producer is not shown.
var rendered = map[string]bool{"/category": true, "/activity": true, "/severity": true, "/outcome/status": true, "/actor/type": true, "/changes/0/op": true, "/occurred_at": true,
	"/producer/id": true, "/personal": true}

// TestHostileTexts puts every text of the corpora into every member that takes one, each between two good events. It is refused by name or survives to the letter; the
// neighbours always survive.
func TestHostileTexts(t *testing.T) { sqldbtest.Each(t, testHostileTexts) }

func testHostileTexts(t *testing.T) {
	s := serve(t)
	list := texts(t)
	accepted, refused, neighbours := 0, 0, 0
	kept := map[uint64]string{} // what the event at a seq must show
	for n, place := range places {
		for from := 0; from < len(list); from += 499 {
			part := list[from:min(from+499, len(list))]
			r := s.Append(interleave(n, from, place.template, part))
			for i, x := range r.Results {
				if i%2 == 0 {
					if x.Status != "accepted" {
						t.Errorf("%s: a good event beside %q is %s: %+v", place.pointer, part[min(i/2, len(part)-1)], x.Status, x.Error)
					}
					neighbours++
					continue
				}
				text := part[i/2]
				switch {
				case x.Status == "accepted":
					accepted++
					if utf8.ValidString(text) && text != "" && !rendered[place.pointer] {
						kept[x.Seq] = text
					}
				case x.Status == "rejected" && x.Error != nil && len(x.Error.Errors) > 0 && strings.HasPrefix(x.Error.Errors[0].Pointer, place.pointer), x.Status == "rejected" && !utf8.ValidString(text):
					refused++
					if len(text) > 12 && strings.Contains(x.Error.Detail, text) {
						t.Errorf("%s: the refusal repeats %q", place.pointer, text)
					}
				case x.Status == "duplicate" && place.pointer == "/id", place.pointer == "/id" && x.Error != nil && x.Error.Code == "conflict":
				case x.Status == "rejected" && place.pointer == "" && x.Error != nil: // a name that is one of ours, with a value that is not
					refused++
				default:
					t.Errorf("%s: %q is %s: %+v", place.pointer, text, x.Status, x.Error)
				}
			}
		}
	}
	if n := s.Count("source=good"); n != neighbours {
		t.Errorf("%d of %d neighbours are found", n, neighbours)
	}
	altered := 0
	s.Walk("source=h", func(v *instance.View) {
		want, ok := kept[v.Seq]
		quoted, _ := jsontext.AppendQuote(nil, want)
		if ok && !holds(v.JSON, want) {
			if altered++; altered > 10 {
				return
			}
			t.Errorf("seq %d should hold %s, and is %s", v.Seq, quoted, v.JSON)
		}
	})
	t.Logf("%d texts in %d places: %d accepted, %d refused, %d neighbours", len(list), len(places), accepted, refused, neighbours)
	exported(t, s)
}

// interleave puts each text, in its place, between two good events.
func interleave(n, from int, template string, part []string) []byte {
	var b bytes.Buffer
	good := func(i int) { fmt.Fprintf(&b, `{"id":"%d.%d.%d","source":"good","action":"a.read"}`, n, from, i) }
	b.WriteByte('[')
	for i, text := range part {
		good(i)
		quoted, err := jsontext.AppendQuote(nil, text)
		if err != nil { // not UTF-8: it goes as it is, between quotes
			quoted = []byte(`"` + strings.ReplaceAll(text, `"`, "") + `"`)
		}
		b.WriteString("," + strings.Replace(template, "%s", string(quoted), 1) + ",")
	}
	good(len(part))
	return append(b.Bytes(), ']')
}

// holds reports whether some string, or name, of a JSON text is s, as it was sent or normalised as clear strings are.
func holds(text []byte, s string) bool {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	clear := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), " ", "_")
	for {
		tok, err := d.ReadToken()
		if err != nil {
			return false
		}
		if tok.Kind() != '"' {
			continue
		}
		if got := tok.String(); got == s || strings.EqualFold(got, clear) || strings.EqualFold(got, strings.TrimSpace(s)) {
			return true
		}
	}
}

// exported looks at what spreadsheets and terminals make of the exports.
func exported(t *testing.T, s *instance.Server) {
	t.Helper()
	_, b := s.Export("csv", map[string]any{"source": "h"})
	rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		t.Fatalf("the CSV does not parse: %v", err)
	}
	bad := 0
	for i, row := range rows {
		for j, cell := range row {
			if _, number := strconv.ParseFloat(cell, 64); cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) && number != nil {
				if bad++; bad < 10 {
					t.Errorf("row %d, column %s: a spreadsheet would take %q for a formula", i, rows[0][j], cell)
				}
			}
		}
	}
	for _, format := range []string{"json", "ndjson", "ocsf", "pdf", "parquet", "bundle"} {
		e, b := s.Export(format, map[string]any{"source": "h"})
		if len(b) == 0 || e.Rows < int64(len(rows)-1) {
			t.Errorf("%s: %d rows in %d bytes, the CSV has %d", format, e.Rows, len(b), len(rows)-1)
		}
		if format == "json" && !json.Valid(b) || bytes.ContainsRune(b, 0x1b) && strings.Contains(format, "json") {
			t.Errorf("%s is not valid", format)
		}
	}
}

// TestHostileQueries asks for every text in every way. An answer may be empty or a refusal; it is never an error of the server's, and an injected condition never matches.
func TestHostileQueries(t *testing.T) { sqldbtest.Each(t, testHostileQueries) }

func testHostileQueries(t *testing.T) {
	s := serve(t)
	list := texts(t)
	s.Append(batch("shop", 0, 50))
	everything := s.State().Size
	params := []string{"actor", "subject", "person", "resource", "action", "source", "ip", "category", "activity", "severity", "correlation_id", "id", "field.c"}
	for i, text := range list {
		q := url.Values{"limit": {"5"}}
		q.Set(params[i%len(params)], text)
		paths := []string{"/api/events?" + q.Encode()}
		switch i % 3 {
		case 0:
			paths = append(paths, "/api/events/"+url.PathEscape(text)+"?")
		case 1:
			paths = append(paths, "/api/resources/"+url.PathEscape("t"+text)+"/"+url.PathEscape(text)+"/history")
		case 2:
			paths = append(paths, "/api/persons?"+url.Values{"q": {text}}.Encode())
		}
		if i%50 == 0 {
			paths = append(paths, "/api/events?limit=5&"+url.Values{"text": {text}}.Encode(), "/api/stats?"+q.Encode(), "/api/events?"+url.Values{"cursor": {text}, "from": {text}}.Encode())
		}
		for _, path := range paths {
			if a := s.Do("GET", path, nil); a.Status >= 500 || bytes.Contains(a.Body, []byte(`"source":"shop"`)) && !found(text) {
				t.Errorf("GET %s: %d %s", path, a.Status, a.Body)
			}
		}
		if i%10 == 0 {
			filter, _ := json.Marshal(map[string]any{"format": "nothing", "title": text, "filter": map[string]any{params[i%len(params)]: text}})
			if a := s.Do("POST", "/api/exports", filter, "Content-Type", "application/json"); a.Status >= 500 || a.Status < 400 {
				t.Errorf("an export in no format: %d %s", a.Status, a.Body)
			}
		}
	}
	if now := s.State().Size; now < everything {
		t.Errorf("the log has %d events, it had %d", now, everything)
	}
	s.As(s.NewKey(list[100][:min(20, len(list[100]))]+" key", "ledger.search")).Get("/api/events?limit=1", new(json.RawMessage))
	s.Post("/api/views", http.StatusCreated, map[string]string{"name": "'; DROP TABLE view; --", "query": list[len(list)-10]}, nil)
}

var plainWord = regexp.MustCompile(`^[\w*\s]*$`)

// found says whether a text is a word, a number, a pattern or empty, and so may rightly find events.
func found(text string) bool {
	return plainWord.MatchString(text) || strings.Contains(text, "*")
}

// TestParserSuite sends every file of a JSON parser's test suite, as an event's data between good lines and alone. What must be refused is refused, what must be accepted is
// accepted, and no file takes a neighbour along.
func TestParserSuite(t *testing.T) {
	s := serve(t)
	f, err := os.Open(filepath.Join(testdata.Dir(t), "hostile/JSONTestSuite/test_parsing.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
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
		if name := filepath.Base(h.Name); h.Typeflag == tar.TypeReg && strings.HasSuffix(name, ".json") {
			parserCase(t, s, name, b)
			files++
		}
	}
	if n := s.Count("source=good"); n != 2*files || files != 318 {
		t.Errorf("%d neighbours of %d files", n, files)
	}
}

func parserCase(t *testing.T, s *instance.Server, name string, b []byte) {
	t.Helper()
	good := func(where string) string {
		return `{"id":"` + where + "-" + name + `","source":"good","action":"a.read"}` + "\n"
	}
	event := `{"id":"` + name + `","source":"suite","action":"a.read","data":{"x":` + string(b) + "}}"
	a := s.Do("POST", "/api/events", []byte(good("before")+event+"\n"+good("after")), "Content-Type", "application/x-ndjson")
	accepted, rejected := 0, 0
	for sc := bufio.NewScanner(bytes.NewReader(a.Body)); sc.Scan(); {
		var sum struct {
			Done               *bool
			Accepted, Rejected int
		}
		if json.Unmarshal(sc.Bytes(), &sum) == nil && sum.Done != nil {
			accepted, rejected = sum.Accepted, sum.Rejected
		}
	}
	oneLine := !bytes.ContainsAny(b, "\r\n")
	strict := strings.Contains(name, "duplicated_key") // RFC 8259 allows a name twice, and nobody should
	switch {
	case a.Status != 200:
		t.Errorf("%s: %d %s", name, a.Status, a.Body)
	case accepted < 2:
		t.Errorf("%s took a neighbour along: %s", name, a.Body)
	case name[0] == 'y' && oneLine && !strict && accepted != 3, name[0] == 'n' && (accepted != 2 || rejected == 0), strict && accepted != 2:
		t.Errorf("%s: %d accepted, %d rejected: %s", name, accepted, rejected, a.Body)
	}
	if alone := s.Do("POST", "/api/events", b, "Content-Type", "application/json"); alone.Status >= 500 || name[0] == 'n' && alone.Status < 300 && bytes.Contains(alone.Body, []byte(`"status":"accepted"`)) {
		t.Errorf("%s alone: %d %s", name, alone.Status, alone.Body)
	}
}
