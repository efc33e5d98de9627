package export

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"probity.dev/internal/actor"
	"probity.dev/internal/api/apitest"
	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb/sqldbtest"
)

func server(t *testing.T, w *world) (*httptest.Server, *Service) {
	t.Helper()
	s := w.start()
	a := apitest.Callers{"auditor": auditor, "admin": admin, "writer": {TenantID: tenant, KeyID: "k", Permissions: []string{actor.LedgerAppend}}}.API()
	s.Register(a)
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	return srv, s
}

func call(t *testing.T, srv *httptest.Server, who, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+who)
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func TestHTTPExport(t *testing.T) { sqldbtest.Each(t, testHTTPExport) }

func testHTTPExport(t *testing.T) {
	w := newWorld(t)
	srv, s := server(t, w)
	res, body := call(t, srv, "auditor", "POST", "/api/exports", `{"format":"csv","filter":{"actor":"handle:42","action":["invoice.*"],"field.x":"y"},"columns":["seq","sentence"]}`)
	var e Export
	if err := json.Unmarshal([]byte(body), &e); err != nil || res.StatusCode != http.StatusAccepted || e.ID == "" || res.Header.Get("Location") != "/api/exports/"+e.ID {
		t.Fatal(res.Status, body)
	}
	wait(t, s, e.ID, statusDone)
	res, body = call(t, srv, "auditor", "GET", "/api/exports/"+e.ID, "")
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.DownloadURL == "" || e.SHA256 == "" {
		t.Fatal(res.Status, body)
	}
	res, body = call(t, srv, "auditor", "GET", e.DownloadURL, "")
	if res.StatusCode != 200 || !strings.HasPrefix(body, "seq,sentence\r\n1000,User 'Bob") || res.Header.Get("Content-Disposition") != `attachment; filename="`+e.FileName+`"` ||
		!strings.HasPrefix(res.Header.Get("Content-Type"), "text/csv") || res.ContentLength != e.Bytes {
		t.Error(res.Status, res.Header, body)
	}
	if f := w.filters[0]; f.Actor[0] != "handle:42" || f.Action[0] != "invoice.*" || f.Fields["x"] != "y" {
		t.Errorf("%+v", f)
	}
	res, body = call(t, srv, "auditor", "GET", "/api/exports", "")
	var list struct{ Items []Export }
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Items) != 1 {
		t.Error(res.Status, body)
	}
	if res, body := call(t, srv, "admin", "GET", "/api/openapi.json", ""); res.StatusCode != 200 || !strings.Contains(body, `"/api/export-compliance-logs"`) ||
		!strings.Contains(body, `"correlation_id"`) {
		t.Error(res.Status, body)
	}
	for _, c := range []struct {
		who, method, path, body string
		status                  int
		says                    string
	}{
		{"nobody", "POST", "/api/exports", `{"format":"csv"}`, 401, ""},
		{"writer", "POST", "/api/exports", `{"format":"csv"}`, 403, "exports.create"},
		{"writer", "POST", "/api/export-compliance-logs", `{}`, 403, "exports.create"},
		{"auditor", "POST", "/api/exports", `{"format":"doc"}`, 400, "/format"},
		{"auditor", "POST", "/api/exports", `{"format":"csv","filter":{"colour":"red"}}`, 400, ""},
		{"auditor", "POST", "/api/exports", `{"format":"csv","columns":["x"]}`, 400, "/columns/0"},
		{"auditor", "GET", "/api/exports/none", "", 404, ""},
		{"auditor", "GET", "/api/exports/none/file", "", 404, ""},
		{"auditor", "DELETE", "/api/exports/" + e.ID, "", 204, ""},
		{"auditor", "GET", "/api/exports/" + e.ID + "/file", "", 404, "expired or was deleted"},
	} {
		res, body := call(t, srv, c.who, c.method, c.path, c.body)
		if res.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s %s: %s %s", c.method, c.path, c.body, res.Status, body)
		}
	}
}

func TestHTTPCompliance(t *testing.T) { sqldbtest.Each(t, testHTTPCompliance) }

func testHTTPCompliance(t *testing.T) {
	w := newWorld(t)
	srv, _ := server(t, w)
	const path = "/api/export-compliance-logs"
	for _, body := range []string{`{}`, `{"start_date":"","end_date":"","user_ids":[],"actions":[],"format":"csv"}`, `{"start_date":null,"end_date":null,"user_ids":null,"actions":null}`,
		`{"user_ids":[""],"actions":[""],"format":""}`} {
		res, got := call(t, srv, "auditor", "POST", path, body)
		rows, err := csv.NewReader(strings.NewReader(got)).ReadAll()
		if err != nil || res.StatusCode != 200 || len(rows) != 6 || strings.Join(rows[0], ",") != "timestamp,user_id,action,resource" {
			t.Fatalf("%s: %s %s", body, res.Status, got)
		}
		if f := w.filters[len(w.filters)-1]; f.From != "" || f.To != "" || f.Actor != nil || f.Action != nil || f.Time != "occurred" {
			t.Errorf("%s: %+v", body, f)
		}
	}
	res, got := call(t, srv, "auditor", "POST", path, `{"start_date":"2026-03-14","end_date":"2026-03-15","user_ids":["u-17"],"actions":["invoice.update"],"format":"json"}`)
	var list []map[string]any
	if err := json.Unmarshal([]byte(got), &list); err != nil || res.Header.Get("Content-Type") != "application/json" || len(list) != 5 || len(list[0]) != 4 {
		t.Fatal(res.Status, got)
	}
	f := w.filters[len(w.filters)-1]
	if f.From != "2026-03-14T00:00:00Z" || f.To != "2026-03-16T00:00:00Z" || f.Actor[0] != "u-17" || f.Action[0] != "invoice.update" {
		t.Errorf("%+v", f)
	}
	res, got = call(t, srv, "auditor", "POST", path, `{"format":"pdf"}`)
	if res.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(got, "%PDF") {
		t.Error(res.Status)
	}
	for body, pointer := range map[string]string{`{"format":"xml"}`: "/format", `{"start_date":"yesterday"}`: "/start_date", `{"start_date":"2026-03-15","end_date":"2026-03-14"}`: "/end_date"} {
		res, got := call(t, srv, "auditor", "POST", path, body)
		if res.StatusCode != 400 || !strings.Contains(got, `"`+pointer+`"`) {
			t.Errorf("%s: %s %s", body, res.Status, got)
		}
	}
	if got := w.actions(); got != strings.TrimSpace(strings.Repeat("create:success ", 6)) {
		t.Error(got)
	}
	w.noCanaries()
}

// TestHTTPComplianceLarge asks for more than fits an answer and gets an export instead.
func TestHTTPComplianceLarge(t *testing.T) { sqldbtest.Each(t, testHTTPComplianceLarge) }

func testHTTPComplianceLarge(t *testing.T) {
	w := newWorld(t)
	w.repeat = 60_000
	srv, s := server(t, w)
	res, body := call(t, srv, "auditor", "POST", "/api/export-compliance-logs", `{"format":"csv"}`)
	var e Export
	if err := json.Unmarshal([]byte(body), &e); err != nil || res.StatusCode != http.StatusAccepted || e.Kind != kindCompliance {
		t.Fatal(res.Status, body)
	}
	done := wait(t, s, e.ID, statusDone)
	if done.RowsDone != 300_000 || done.Bytes < MaxInline {
		t.Errorf("%+v", done)
	}
	if b := download(t, s, auditor, e.ID); !strings.HasPrefix(string(b), "timestamp,user_id,action,resource\r\n") || strings.Contains(string(b), "u-17") {
		t.Error("the file is no compliance log")
	}
	if got := w.actions(); got != "create:success complete:success download:success" {
		t.Error(got)
	}
}

func TestComplianceBounds(t *testing.T) { sqldbtest.Each(t, testComplianceBounds) }

func testComplianceBounds(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{
		{"", "", ""},
		{"2026-03-29", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"}, // the day that has 23 hours
		{"2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z"},
		{"2026-01-31T12:00:00.25Z", "2026-01-31T12:00:00.25Z", "2026-01-31T12:00:00.250001Z"},
		{"2026-01-31T12:00:00", "2026-01-31T12:00:00+01:00", "2026-01-31T12:00:01+01:00"},
		{"2026-01-31 12:00", "2026-01-31T12:00:00+01:00", "2026-01-31T12:01:00+01:00"},
		{"2026-01-31T12:00:00+05:30", "2026-01-31T12:00:00+05:30", "2026-01-31T12:00:01+05:30"},
	} {
		from, err := (&ComplianceRequest{StartDate: c[0]}).request(berlin)
		to, err2 := (&ComplianceRequest{EndDate: c[0]}).request(berlin)
		if err != nil || err2 != nil || from.Filter.From != c[1] || to.Filter.To != c[2] {
			t.Errorf("%s: %q %q %v %v", c[0], from.Filter.From, to.Filter.To, err, err2)
		}
	}
	for _, bad := range []string{"2026-02-30", "31.01.2026", "now", "2026-01-31T25:00:00Z", "=1+1"} {
		if _, err := (&ComplianceRequest{EndDate: bad}).request(berlin); errs.CodeOf(err) != errs.Invalid || strings.Contains(err.Error(), bad) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	// The same day as both bounds is that whole day.
	r, err := (&ComplianceRequest{StartDate: "2026-01-31", EndDate: "2026-01-31"}).request(time.UTC)
	if err != nil || r.Filter.From != "2026-01-31T00:00:00Z" || r.Filter.To != "2026-02-01T00:00:00Z" {
		t.Errorf("%+v %v", r.Filter, err)
	}
}
