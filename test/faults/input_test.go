package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/sqldb/sqldbtest"
	"probity.dev/test/instance"
)

// serve starts a server on a new data directory that is verified when the test is through.
func serve(t *testing.T, flags ...string) *instance.Server {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	founded := instance.Init(t, dir)
	book := instance.NewBook(t, founded.VKey)
	s := instance.Start(t, dir, founded.APIKey, flags...)
	t.Cleanup(func() {
		if s.Alive() {
			s.Stop()
			book.Verify(dir)
		}
	})
	return s
}

// among puts an event between two good ones.
func among(name, bad string) []byte {
	good := `{"id":"%s-%s","source":"neighbour","action":"order.read"}`
	return fmt.Appendf(nil, "["+good+",%s,"+good+"]", name, "before", bad, name, "after")
}

// wide is an event with a text of so many bytes.
func wide(n int) string {
	return `{"id":"wide","source":"s","action":"a.read","data":{"t":"` + strings.Repeat("x", n) + `"}}`
}

func nested(n int) string {
	return `{"id":"deep","source":"s","action":"a.read","data":{"d":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`
}

func at(moment string) string {
	return `{"id":"t","source":"s","action":"a.read","occurred_at":"` + moment + `"}`
}

// TestBadEvents puts wrong events between good ones: each is refused with its reason and its place, and its neighbours are recorded.
func TestBadEvents(t *testing.T) { sqldbtest.Each(t, testBadEvents) }

func testBadEvents(t *testing.T) {
	s := serve(t)
	soon := time.Now().UTC().Add(25 * time.Hour).Format(time.RFC3339)
	cases := map[string]struct{ event, pointer, code string }{
		"name twice":             {`{"id":"d","source":"s","action":"a.read","id":"e"}`, "", "duplicate_member"},
		"name twice below":       {`{"id":"d","source":"s","action":"a.read","data":{"a":1,"a":2}}`, "/data/a", "duplicate_member"},
		"name twice, escaped":    {`{"id":"d","source":"s","action":"a.read","data":{"a":1,"\u0061":2}}`, "/data/a", "duplicate_member"},
		"bytes that are no text": {"{\"id\":\"u\",\"source\":\"s\",\"action\":\"a.read\",\"actor\":{\"name\":\"\xff\xfe\"}}", "/actor/name", "encoding"},
		"half a surrogate":       {`{"id":"u","source":"s","action":"a.read","actor":{"name":"\ud800"}}`, "/actor/name", "encoding"},
		"overlong":               {"{\"id\":\"\xc0\xaf\",\"source\":\"s\",\"action\":\"a.read\"}", "", "encoding"},
		"NUL in an id":           {`{"id":"a\u0000b","source":"s","action":"a.read"}`, "/id", "nul"},
		"NUL in an actor":        {`{"id":"n","source":"s","action":"a.read","actor":{"id":"\u0000"}}`, "/actor/id", "nul"},
		"1e999":                  {`{"id":"n","source":"s","action":"a.read","data":{"n":1e999}}`, "/data/n", "number_range"},
		"-1e999 in a change":     {`{"id":"n","source":"s","action":"a.read","changes":[{"path":"p","after":-1e999}]}`, "/changes/0/after", "number_range"},
		"65 levels":              {nested(65), "", "too_deep"},
		"100,000 levels":         {nested(100_000), "", ""},
		"257 KiB":                {wide(257 << 10), "", "too_large"},
		"in a day and an hour":   {at(soon), "/occurred_at", "too_late"},
		"in the year 9999":       {at("9999-12-31T23:59:59Z"), "/occurred_at", "too_late"},
		"in the year 1":          {at("0001-01-01T00:00:01Z"), "/occurred_at", "too_early"},
		"in 1969":                {at("1969-12-31T23:59:59Z"), "/occurred_at", "too_early"},
		"no time":                {at("yesterday"), "/occurred_at", "time"},
		"day without a zone":     {at("2026-01-31 10:00:00"), "/occurred_at", "time"},
		"actor is a number":      {`{"id":"y","source":"s","action":"a.read","actor":5}`, "/actor", "type"},
		"changes are an object":  {`{"id":"y","source":"s","action":"a.read","changes":{}}`, "/changes", "type"},
		"no action":              {`{"id":"y","source":"s"}`, "/action", "required"},
		"an address as source":   {`{"id":"y","source":"ana@example.com","action":"a.read"}`, "/source", "alphabet"},
		"an action of 129":       {`{"id":"y","source":"s","action":"` + strings.Repeat("a", 129) + `"}`, "/action", "too_long"},
		"an unknown outcome":     {`{"id":"y","source":"s","action":"a.read","outcome":{"status":"perhaps"}}`, "/outcome/status", "word"},
		"an unknown address":     {`{"id":"y","source":"s","action":"a.read","context":{"ip":"300.1.1.1"}}`, "/context/ip", "ip"},
		"201 changes":            {`{"id":"y","source":"s","action":"a.read","changes":[` + strings.Repeat(`{"path":"p"},`, 200) + `{"path":"q"}]}`, "/changes", "too_many"},
		"the product's source":   {`{"id":"y","source":"probity","action":"a.read"}`, "/source", "reserved"},
		"a text":                 {`"event"`, "", "type"},
		"a list":                 {`[{"id":"y","source":"s","action":"a.read"}]`, "", "type"},
		"null":                   {`null`, "", "type"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := s.Append(among(strings.ReplaceAll(name, " ", "_"), c.event))
			if r.Accepted != 2 || r.Rejected != 1 || r.Results[1].Status != "rejected" || r.Results[1].Index != 1 {
				t.Fatalf("%+v", r)
			}
			e := r.Results[1].Error
			if len(e.Errors) == 0 || e.Detail == "" {
				t.Fatalf("refused without a reason: %+v", e)
			}
			f := e.Errors[0]
			if c.code != "" && f.Code != c.code || c.pointer != "" && f.Pointer != c.pointer {
				t.Errorf("refused at %q because of %q (%s), want %q and %q", f.Pointer, f.Code, f.Detail, c.pointer, c.code)
			}
		})
	}
	if n := s.Count("source=neighbour"); n != 2*len(cases) {
		t.Errorf("%d neighbours, want %d", n, 2*len(cases))
	}
	if n := s.Count("source=s"); n != 0 {
		t.Errorf("%d bad events were recorded", n)
	}
}

// TestOneBadEventByItself is a problem when it is the whole request, and a result when it is a list's only element.
func TestOneBadEventByItself(t *testing.T) { sqldbtest.Each(t, testOneBadEventByItself) }

func testOneBadEventByItself(t *testing.T) {
	s := serve(t)
	bad := `{"id":"x","source":"shop","action":"order.update","severity":"dreadful"}`
	var p instance.Problem
	a := s.Do("POST", "/api/events", []byte(" "+bad), "Content-Type", "application/json")
	a.JSON(s, &p)
	if a.Status != 400 || a.Header.Get("Content-Type") != "application/problem+json" || len(p.Errors) != 1 || p.Errors[0].Pointer != "/severity" || p.Errors[0].Code != "word" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	for _, list := range []string{"[" + bad + "]", `{"events":[` + bad + "]}"} {
		var r instance.Receipt
		a := s.Do("POST", "/api/events", []byte(list), "Content-Type", "application/json")
		a.JSON(s, &r)
		if a.Status != http.StatusMultiStatus || r.Rejected != 1 || len(r.Results) != 1 || r.Results[0].Error.Errors[0].Pointer != "/severity" {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	good := strings.Replace(bad, "dreadful", "high", 1)
	s.Append([]byte(good))
	a = s.Do("POST", "/api/events", []byte(strings.Replace(good, "high", "low", 1)), "Content-Type", "application/json")
	if a.Status != 409 || a.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(string(a.Body), `"/id"`) {
		t.Errorf("the same id with other content: %d %s", a.Status, a.Body)
	}
}

// TestOneBadAmongAThousand records 999 events of a thousand.
func TestOneBadAmongAThousand(t *testing.T) { sqldbtest.Each(t, testOneBadAmongAThousand) }

func testOneBadAmongAThousand(t *testing.T) {
	s := serve(t)
	body := bytes.Replace(batch("shop", 0, 1000), []byte(`"id":"e617"`), []byte(`"id":"e617","severity":"dreadful"`), 1)
	a := s.Do("POST", "/api/events", body, "Content-Type", "application/json")
	var r instance.Receipt
	a.JSON(s, &r)
	bad := r.Results[617]
	if a.Status != http.StatusMultiStatus || r.Accepted != 999 || r.Rejected != 1 || bad.Status != "rejected" || bad.Error.Errors[0].Pointer != "/severity" || bad.Error.Errors[0].Code != "word" {
		t.Errorf("%d, %d accepted: %+v", a.Status, r.Accepted, bad)
	}
	if n := s.Count("source=shop"); n != 999 {
		t.Errorf("%d events are found", n)
	}
	a = s.Do("POST", "/api/events?atomic=true", bytes.ReplaceAll(body, []byte(`"source":"shop"`), []byte(`"source":"atomic"`)), "Content-Type", "application/json")
	if a.Status != 400 || !strings.Contains(string(a.Body), "nothing was recorded") || s.Count("source=atomic") != 0 {
		t.Errorf("atomic: %d %s", a.Status, a.Body)
	}
}

// TestUnknownMembers finds everything that the model does not know under data, and borders of what is accepted.
func TestUnknownMembers(t *testing.T) {
	s := serve(t)
	s.Append([]byte(`{"id":"k","source":"s","action":"a.read","colour":"red","actor":{"id":"u","shoe":43},"resource":{"type":"t","id":"1","weight":1.50},"data":{"colour":"blue","deep":{"x":[1,{"y":null}]}}}`))
	var v struct {
		Data map[string]any
	}
	s.Get("/api/events/k", &v)
	want := `map[actor.shoe:43 colour:blue colour_2:red deep:map[x:[1 map[y:<nil>]]] resource.weight:1.5]`
	if got := fmt.Sprint(v.Data); got != want {
		t.Errorf("data is %s, want %s", got, want)
	}
	for name, e := range map[string]string{
		"just under 256 KiB": wide(255 << 10), "63 levels": nested(62), "1e308": `{"id":"big","source":"s","action":"a.read","data":{"n":1e308,"m":123456789012345678901234567890.5}}`,
		"1970": at("1970-01-03T00:00:00Z"), "leap second": `{"id":"leap","source":"s","action":"a.read","occurred_at":"2016-12-31T23:59:60Z"}`,
		"NUL in a text": `{"id":"nultext","source":"s","action":"a.read","reason":"a\u0000b"}`,
	} {
		if r := s.Append([]byte(e)); r.Accepted != 1 {
			t.Errorf("%s: %+v", name, r.Results[0].Error)
		}
	}
	var big struct{ Data map[string]any }
	a := s.Do("GET", "/api/events/big", nil)
	if a.JSON(s, &big); !bytes.Contains(a.Body, []byte("123456789012345678901234567890.5")) {
		t.Errorf("digits were lost: %s", a.Body)
	}
}

func squeezed(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b) // to memory
	_ = w.Close()
	return out.Bytes()
}

// TestBadRequests sends requests that are wrong as a whole. Nothing of them is recorded, and every answer is a problem in the same form.
func TestBadRequests(t *testing.T) { sqldbtest.Each(t, testBadRequests) }

func testBadRequests(t *testing.T) {
	s := serve(t)
	bomb := squeezed(make([]byte, 256<<20))
	good := batch("good", 0, 3)
	const plain = "application/json"
	for name, c := range map[string]struct {
		body   []byte
		header []string
		status int
	}{
		"9 MiB":                     {[]byte("[" + strings.Repeat(" ", 9<<20) + "]"), []string{"Content-Type", plain}, 413},
		"9 MiB of events":           {[]byte("[" + strings.TrimSuffix(strings.Repeat(strings.Replace(wide(9<<10), "wide", "", 1)+",", 1020), ",") + "]"), []string{"Content-Type", plain}, 413},
		"1,001 events":              {batch("many", 0, 1001), []string{"Content-Type", plain}, 413},
		"nothing":                   {nil, []string{"Content-Type", plain}, 400},
		"white space":               {[]byte(" \n"), []string{"Content-Type", plain}, 400},
		"no JSON":                   {[]byte("hello"), []string{"Content-Type", plain}, 400},
		"a list without an end":     {[]byte(`[{"source":"s","action":"a.b"}`), []string{"Content-Type", plain}, 400},
		"a list and more":           {[]byte(`[{"source":"s","action":"a.b"}] x`), []string{"Content-Type", plain}, 400},
		"100,000 open brackets":     {bytes.Repeat([]byte("["), 100_000), []string{"Content-Type", plain}, 400},
		"100,000 open objects":      {bytes.Repeat([]byte(`{"a":`), 100_000), []string{"Content-Type", plain}, 413},
		"plain text":                {good, []string{"Content-Type", "text/plain"}, 415},
		"XML":                       {[]byte("<event/>"), []string{"Content-Type", "application/xml"}, 415},
		"a form":                    {[]byte("a=b"), []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"a media type that is none": {good, []string{"Content-Type", ";;;"}, 201},
		"brotli":                    {good, []string{"Content-Type", plain, "Content-Encoding", "br"}, 415},
		"a gzip bomb":               {bomb, []string{"Content-Type", plain, "Content-Encoding", "gzip"}, 413},
		"a gzip bomb of lines":      {bomb, []string{"Content-Type", "application/x-ndjson", "Content-Encoding", "gzip"}, 200},
		"gzip in gzip":              {squeezed(bomb), []string{"Content-Type", plain, "Content-Encoding", "gzip"}, 400},
		"gzip that is none":         {good, []string{"Content-Type", plain, "Content-Encoding", "gzip"}, 400},
		"half of a gzip":            {squeezed(good)[:60], []string{"Content-Type", plain, "Content-Encoding", "gzip"}, 400},
		"gzip with a wrong sum":     {spoilt(squeezed(good)), []string{"Content-Type", plain, "Content-Encoding", "gzip"}, 400},
		"a large header":            {good, []string{"Content-Type", plain, "X-Large", strings.Repeat("x", 100<<10)}, 431},
		"CloudEvents that are none": {good, []string{"Content-Type", "application/cloudevents+json"}, 207},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := s.Send("POST", "/api/events", bytes.NewReader(c.body), append(c.header, "Connection", "close")...) // a refused body is not read to its end, which ends the connection
			if err != nil && c.status == 431 {
				return // headers are refused before the rest is looked at, and the connection with them
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.Status != c.status {
				t.Fatalf("%d %.300s, want %d", a.Status, a.Body, c.status)
			}
			if a.Status >= 400 && a.Status != 431 {
				var p instance.Problem
				if a.JSON(s, &p); a.Header.Get("Content-Type") != "application/problem+json" || p.Status != a.Status || p.Detail == "" || p.Instance == "" {
					t.Errorf("not a problem: %s", a.Body)
				}
			}
		})
	}
	if n := s.Count("source=many"); n > 0 {
		t.Errorf("%d events of refused requests are recorded", n)
	}
	if peak := peakMemory(t, s); peak > 400<<20 {
		t.Errorf("the server took %d MiB", peak>>20)
	}
}

func spoilt(gz []byte) []byte {
	gz[len(gz)-6] ^= 1
	return gz
}

// TestWrongPlaces asks for what is not there, in ways that are not meant.
func TestWrongPlaces(t *testing.T) { sqldbtest.Each(t, testWrongPlaces) }

func testWrongPlaces(t *testing.T) {
	s := serve(t)
	s.Append(batch("shop", 0, 3))
	log := s.State().LogID
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"PUT", "/api/events", 405}, {"DELETE", "/api/events/1", 405}, {"BREW", "/api/events", 405}, {"GET", "/api/nothing", 404}, {"GET", "/api/events/999999", 404}, {"GET", "/api/events/-1", 404},
		{"GET", "/api/events/18446744073709551616", 404}, {"GET", "/api/events/%00", 404}, {"GET", "/api/events/..%2f..%2fetc%2fpasswd", 404}, {"GET", "/api/exports/..%2f..%2fprobity.db/file", 404},
		{"GET", "/api/log/" + log + "/tile/0/../../../keys/master.key", 0}, {"GET", "/api/log/" + log + "/tile/0/x999", 404}, {"GET", "/api/log/" + log + "/tile/0/000.p/257", 404},
		{"GET", "/api/log/" + log + "/tile/64/000", 404}, {"GET", "/api/log/0000000000000000/checkpoint", 404}, {"GET", "/api/events?limit=0", 400}, {"GET", "/api/events?limit=1001", 400},
		{"GET", "/api/events?cursor=x", 400}, {"GET", "/api/events?from=tomorrow", 400}, {"GET", "/api/events?from=2026-02-01&to=2026-01-01", 400}, {"GET", "/api/events?order=sideways", 400},
		{"GET", "/api/events?outcome=perhaps", 400}, {"GET", "/api/stats?tz=Nowhere/Else", 400}, {"GET", "/api/log/" + log + "/consistency?from=3&to=999999", 0}, {"GET", "/api/log/" + log + "/consistency?from=9&to=2", 0},
		{"POST", "/api/events?dedup=lifetime", 400}, {"GET", "/api/persons?q=", 400}, {"GET", "/api/events?actor=handle:x", 400}, {"GET", "/api/events?actor=handle:-1", 400},
	} {
		a := s.Do(c.method, c.path, nil)
		if c.status == 0 && (a.Status < 300 || a.Status >= 500) || c.status != 0 && a.Status != c.status {
			t.Errorf("%s %s: %d %.200s, want %d", c.method, c.path, a.Status, a.Body, c.status)
		}
		if bytes.Contains(a.Body, []byte("encryptedKeyset")) || bytes.Contains(a.Body, []byte("SQLite format")) {
			t.Errorf("%s %s gave a file away", c.method, c.path)
		}
	}
	for _, key := range []string{"", "pk_", "pk_wrong", s.Key + "x", s.Key[:len(s.Key)-1], strings.ToUpper(s.Key), "' OR 1=1 --"} {
		if a := s.As(key).Do("GET", "/api/events", nil); a.Status != 401 || a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("with the key %q: %d %.200s", key, a.Status, a.Body)
		}
	}
	writer := s.As(s.NewKey("writer", "ledger.append"))
	for _, path := range []string{"/api/events", "/api/events/1", "/api/log", "/api/keys", "/api/users", "/api/settings", "/api/exports", "/metrics", "/api/persons?q=a", "/api/stats", "/api/events/stream"} {
		if a := writer.Do("GET", path, nil); a.Status != 403 {
			t.Errorf("a key that may only write gets %s: %d", path, a.Status)
		}
	}
	if p := new(instance.Problem); true {
		s.Do("GET", "/api/events/999999", nil, "X-Request-Id", "request-of-mine-1").JSON(s, p)
		if p.Instance != "request-of-mine-1" {
			t.Errorf("request id: %+v", p)
		}
	}
}
