package instance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"probity.dev/internal/api"
	"probity.dev/internal/tlog"
)

// Answer is a response that has been read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body into v, which must succeed.
func (a *Answer) JSON(s *Server, v any) {
	s.t.Helper()
	if err := json.Unmarshal(a.Body, v); err != nil {
		s.t.Fatalf("%d %s: %v", a.Status, a.Body[:min(len(a.Body), 500)], err)
	}
}

// Problem is an RFC 9457 error.
type Problem struct {
	Type, Title, Detail, Instance string
	Status                        int
	Errors                        []FieldError
}

// FieldError is one wrong field.
type FieldError struct{ Pointer, Code, Detail string }

// Send makes a request and returns the answer; the error is that of a connection which failed. header holds pairs of name and value. An Authorization header
// replaces the server's key.
func (s *Server) Send(method, path string, body io.Reader, header ...string) (*Answer, error) {
	r, err := http.NewRequest(method, s.URL+path, body)
	if err != nil {
		return nil, err
	}
	if s.Key != "" {
		r.Header.Set("Authorization", "Bearer "+s.Key)
	}
	if s.masked {
		r.Header.Set(api.MaskedHeader, "true")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return &Answer{resp.StatusCode, resp.Header, b}, err
}

// Do is [Server.Send] for requests whose connection must hold.
func (s *Server) Do(method, path string, body []byte, header ...string) *Answer {
	s.t.Helper()
	a, err := s.Send(method, path, bytes.NewReader(body), header...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// Get gets JSON, which must succeed.
func (s *Server) Get(path string, v any) {
	s.t.Helper()
	a := s.Do("GET", path, nil)
	if a.Status != http.StatusOK {
		s.t.Fatalf("GET %s: %d %s", path, a.Status, a.Body)
	}
	a.JSON(s, v)
}

// Post posts JSON and decodes the answer, whose status must be the one given.
func (s *Server) Post(path string, status int, body, v any) {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := s.Do("POST", path, b, "Content-Type", "application/json")
	if a.Status != status {
		s.t.Fatalf("POST %s: %d %s", path, a.Status, a.Body)
	}
	if v != nil {
		a.JSON(s, v)
	}
}

// As returns a view of the same server with another key. It must not be stopped.
func (s *Server) As(key string) *Server {
	c := *s
	c.Key = key
	return &c
}

// Masked returns a view of the same server that is shown personal values masked. That they are shown as they are is an event itself: the log grows under whoever reads it so. It must not be stopped.
func (s *Server) Masked() *Server {
	c := *s
	c.masked = true
	return &c
}

// NewKey makes an API key and returns its secret.
func (s *Server) NewKey(name string, scopes ...string) string {
	s.t.Helper()
	var out struct{ Secret string }
	s.Post("/api/keys", http.StatusCreated, map[string]any{"name": name, "scopes": scopes}, &out)
	return out.Secret
}

// Auditor makes a key that sees what an auditor sees.
func (s *Server) Auditor() *Server {
	return s.As(s.NewKey("auditor", "ledger.search", "exports.create", "ledger.verify"))
}

// Receipt is the answer to an append.
type Receipt struct {
	FirstIndex                               int `json:"first_index"`
	Accepted, Duplicates, Rejected, Disabled int
	FirstSeq                                 uint64 `json:"first_seq"`
	Promise                                  string
	Results                                  []Result
}

// Result is the answer for one event.
type Result struct {
	Index    int
	Status   string
	Seq      uint64
	ID       string
	LeafHash []byte `json:"leaf_hash"`
	Error    *struct {
		Code, Detail string
		Errors       []FieldError
	}
}

// Append posts a body of events, whose status must be 201 or 207.
func (s *Server) Append(body []byte) *Receipt {
	s.t.Helper()
	a := s.Do("POST", "/api/events", body, "Content-Type", "application/json")
	if a.Status != http.StatusCreated && a.Status != http.StatusMultiStatus {
		s.t.Fatalf("append: %d %s", a.Status, a.Body)
	}
	r := new(Receipt)
	a.JSON(s, r)
	return r
}

// View is an event as the API shows it; JSON is its whole text.
type View struct {
	Seq    uint64
	ID     string
	Source string
	Action string
	JSON   json.RawMessage
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *View) UnmarshalJSON(b []byte) error {
	type plain View
	p := (*plain)(v)
	if err := json.Unmarshal(b, p); err != nil {
		return err
	}
	v.JSON = bytes.Clone(b)
	return nil
}

// Walk pages through a search from the oldest event on.
func (s *Server) Walk(query string, yield func(v *View)) {
	s.t.Helper()
	cursor := ""
	for {
		var page struct {
			Items []View
			Next  string `json:"next_cursor"`
			Error json.RawMessage
		}
		s.Get("/api/events?order=asc&limit=1000&"+query+cursor, &page)
		if page.Error != nil {
			s.t.Fatalf("search %s: %s", query, page.Error)
		}
		for i := range page.Items {
			yield(&page.Items[i])
		}
		if page.Next == "" {
			return
		}
		cursor = "&cursor=" + url.QueryEscape(page.Next)
	}
}

// Count is how many events match.
func (s *Server) Count(query string) (n int) {
	s.t.Helper()
	s.Walk(query, func(*View) { n++ })
	return n
}

// LogState is where the caller's log stands.
type LogState struct {
	LogID      string `json:"log_id"`
	Origin     string
	Size       uint64
	VKey       string
	SealedSize uint64 `json:"sealed_size"`
	Segments   int
	Frozen     string
	Checkpoint struct {
		Size uint64
		Root []byte
		Text string
	}
}

// State returns where the caller's log stands.
func (s *Server) State() *LogState {
	s.t.Helper()
	var out struct{ Logs []*LogState }
	s.Get("/api/log", &out)
	if len(out.Logs) != 1 {
		s.t.Fatalf("%d logs", len(out.Logs))
	}
	return out.Logs[0]
}

// Leaves returns the hashes of all leaves, once a checkpoint covers them, from the entry bundles that the log serves to everybody who verifies it.
func (s *Server) Leaves() []tlog.Hash {
	s.t.Helper()
	var st *LogState
	s.Until(10*time.Second, "a checkpoint covered the log", func() bool { st = s.State(); return st.Checkpoint.Size == st.Size })
	var out []tlog.Hash
	for index := uint64(0); index*tlog.TileWidth < st.Size; index++ {
		t := tlog.Tile{Entries: true, Index: index, Width: int(min(tlog.TileWidth, st.Size-index*tlog.TileWidth))}
		a := s.Do("GET", "/api/log/"+st.LogID+"/"+t.Path(), nil)
		if a.Status != http.StatusOK {
			s.t.Fatalf("%s: %d %s", t.Path(), a.Status, a.Body)
		}
		leaves, err := tlog.ParseEntries(a.Body, t.Width)
		if err != nil {
			s.t.Fatalf("%s: %v", t.Path(), err)
		}
		for _, leaf := range leaves {
			out = append(out, tlog.LeafHash(leaf))
		}
	}
	return out
}

// Until waits for a condition, at most for the time given.
func (s *Server) Until(d time.Duration, what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("after %s: not %s", d, what)
		}
		if !s.Alive() {
			s.t.Fatalf("the server ended; waiting for %s\n%s", what, s.Log())
		}
	}
}

// Export is an export as the API shows it.
type Export struct {
	ID, Status, Format, Error string
	Rows                      int64  `json:"rows_done"`
	URL                       string `json:"download_url"`
	SHA256                    string
	Bytes                     int64
}

// Export asks for an export and waits for it; it must succeed.
func (s *Server) Export(format string, filter map[string]any) (*Export, []byte) {
	s.t.Helper()
	e := new(Export)
	s.Post("/api/exports", http.StatusAccepted, map[string]any{"format": format, "filter": filter}, e)
	s.Await(e)
	if e.Status != "done" {
		s.t.Fatalf("export %s: %s %s", format, e.Status, e.Error)
	}
	a := s.Do("GET", e.URL, nil)
	if a.Status != http.StatusOK || strconv.FormatInt(e.Bytes, 10) != a.Header.Get("Content-Length") || int64(len(a.Body)) != e.Bytes {
		s.t.Fatalf("download of %s: %d, %d bytes of %d", format, a.Status, len(a.Body), e.Bytes)
	}
	return e, a.Body
}

// Await waits until an export has ended.
func (s *Server) Await(e *Export) {
	s.t.Helper()
	s.Until(60*time.Second, "an export ended", func() bool {
		s.Get("/api/exports/"+e.ID, e)
		return e.Status != "queued" && e.Status != "running"
	})
}
