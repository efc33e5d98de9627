package app

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"probity.dev/access/masking"
	"probity.dev/internal/actor"
	"probity.dev/notify/stream"
	"probity.dev/report/export"
)

// as is the viewer with a role and a session.
func (w *canaryWorld) as(role string) *viewer {
	for _, v := range w.viewers {
		if v.role == role && !v.key {
			return v
		}
	}
	w.t.Fatal(role)
	return nil
}

// make does something that has to succeed and returns a member of the answer.
func (w *canaryWorld) make(v *viewer, method, path, body, member string) string {
	w.t.Helper()
	status, b := w.get(v, method, path, body)
	if status >= 300 {
		w.t.Fatalf("%s %s by %s: %d %s", method, path, v, status, b)
	}
	var out map[string]any
	if i := bytes.IndexByte(b, '{'); member == "" || i < 0 || json.Unmarshal(b[i:], &out) != nil || out[member] == nil {
		if member != "" {
			w.t.Fatalf("%s %s: no %s in %s", method, path, member, b)
		}
		return ""
	}
	return fmt.Sprint(out[member])
}

// furnish makes something of everything that people write values into.
func (w *canaryWorld) furnish() {
	t, c := w.t, &w.can
	run, stop := context.WithCancel(context.Background())
	t.Cleanup(func() {
		stop()
		w.notify.Alerts.Close()
		w.notify.Service.Close()
		if err := w.stopJobs(); err != nil {
			t.Error(err)
		}
		w.exports.Service.Close()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.exports.Service.Start(run); err != nil {
		t.Fatal(err)
	}
	if err := w.jobs.Start(run); err != nil {
		t.Fatal(err)
	}
	w.notify.Service.Start(run)
	w.notify.Alerts.Start(run)
	go w.decisions.Run(run)
	owner, auditor := w.as(actor.RoleOwner), w.as(actor.RoleAuditor)
	w.ids["user"] = w.as(actor.RoleReception).p.UserID
	w.ids["channel"] = w.make(owner, "POST", "/api/notify/channels", fmt.Sprintf(`{"name":"Ops %s","kind":"email","settings":{"recipients":[%q]}}`, c.phone("channel name", "user.contact.phone_number"), c.email("recipient", "user.contact.email")), "id")
	w.ids["rule"] = w.make(owner, "POST", "/api/alert-rules", fmt.Sprintf(`{"name":"Watch %s","filter":{"actor":%q,"text":""},"threshold":{"more_than":1,"window_seconds":300,"group_by":"actor"}}`, c.email("rule name", "user.contact.email"), "staff-w"), "id")
	w.make(owner, "POST", "/api/alert-rules", fmt.Sprintf(`{"name":"Another","filter":{"actor":%q,"ip":%q,"text":%q},"enabled":false}`, c.email("rule filter", "user.contact.email"), c.ip4("rule filter", "user.device.ip_address"), c.name("rule filter")), "id")
	for range 3 {
		w.make(owner, "POST", "/api/events", `{"source":"shop","action":"door.open","actor":{"type":"user","id":"staff-w"},"resource":{"type":"door","id":"d-1"}}`, "")
	}
	w.make(owner, "POST", "/api/views", fmt.Sprintf(`{"name":%q,"query":"actor=%s"}`, c.name("view name"), c.email("view query", "user.contact.email")), "id")
	w.ids["export"] = w.make(owner, "POST", "/api/exports", fmt.Sprintf(`{"format":"csv","title":%q,"filter":{"person":[%q],"actor":[%q],"subject":[%q],"ip":[%q],"resource":[%q],"text":%q,"correlation_id":[%q],"field":{"shoe":%q}}}`,
		c.name("export title"), c.email("export person", "user.contact.email"), c.name("export actor"), c.email("export subject", "user.contact.email"), c.ip4("export ip", "user.device.ip_address"), "client/"+c.email("export resource", "user.contact.email"), c.phone("export text", "user.contact.phone_number"),
		c.email("export correlation", "user.contact.email"), c.phone("export field", "user.contact.phone_number")), "id")
	w.ids["schedule"] = w.make(owner, "POST", "/api/schedules", fmt.Sprintf(`{"name":%q,"format":"csv","filter":{"actor":[%q]},"period":"previous_day","timing":{"every":"day","at":"03:00"}}`, c.name("schedule name"), c.email("schedule filter", "user.contact.email")), "id")
	w.make(owner, "PUT", "/api/flags/canary", fmt.Sprintf(`{"description":%q,"owner":%q,"default":true,"percentage":0}`, c.phone("flag", "user.contact.phone_number"), c.name("flag owner")), "")
	w.make(owner, "PUT", "/api/subscriptions", fmt.Sprintf(`{"subject":%q,"status":"active"}`, c.email("subscription", "user.contact.email")), "")
	w.make(owner, "POST", "/api/operations/rbac/assign", fmt.Sprintf(`{"userId":%q,"roleId":"support","reason":%q}`, w.ids["user"], c.text("assignment reason")), "")
	w.ids["review"] = w.make(owner, "POST", "/api/access/reviews", fmt.Sprintf(`{"name":"Review %s","scope":{"kind":"all"},"by":"named","reviewers":[%q],"days":30,"repeat_months":0,"remind_days":0,"auto_revoke":false}`,
		c.phone("review name", "user.contact.phone_number"), w.as(actor.RoleAdmin).p.UserID), "id")
	w.make(owner, "POST", "/api/invitations", fmt.Sprintf(`{"email":%q,"name":%q,"roles":["support"]}`, c.email("invitation", "user.contact.email"), c.name("invitation")), "id")
	w.ids["approval"] = w.make(owner, "POST", "/api/operations/rbac/assign", fmt.Sprintf(`{"userId":%q,"roleId":"compliance_officer","reason":%q}`, w.ids["user"], c.text("approval reason")), "approvalId")
	w.ids["decision"] = w.make(owner, "POST", "/access/v1/evaluation", fmt.Sprintf(`{"subject":{"type":"user","id":%q,"properties":{"phone":%q}},"action":{"name":"ledger.search"},"resource":{"type":"client","id":%q},"context":{"note":%q}}`,
		c.email("decision subject", "user.contact.email"), c.phone("decision property", "user.contact.phone_number"), c.email("decision resource", "user.contact.email"), c.text("decision context")), "")
	w.ids["stream"] = w.make(owner, "POST", "/api/notify/streams", fmt.Sprintf(`{"name":"To %s","kind":"webhook","format":"native","settings":{"url":"https://hooks.probity.invalid/x"}}`, c.phone("stream name", "user.contact.phone_number")), "id")
	from := len(c.list)
	w.ids["elevation"] = w.make(auditor, "POST", "/api/access/elevations", fmt.Sprintf(`{"minutes":30,"purpose":%q,"case":%q}`, c.text("elevation purpose"), c.email("elevation case", "user.contact.email")), "id")
	for _, x := range c.list[from:] { // whoever wrote it reads it
		x.shown = func(v *viewer) bool { return v.role == actor.RoleAuditor && !v.key }
	}
	w.get(w.as(actor.RoleReception), "POST", "/api/users", `{"email":"no@example.com","name":"No","role":"admin","password":"correct horse battery"}`) // a denial
	w.await()
}

// await waits for what is made in the background, and notes its ids.
func (w *canaryWorld) await() {
	owner := w.as(actor.RoleOwner)
	first := func(path, member string) string {
		_, b := w.get(owner, "GET", path, "")
		var page struct{ Items []map[string]any }
		if i := bytes.IndexByte(b, '{'); i < 0 || json.Unmarshal(b[i:], &page) != nil || len(page.Items) == 0 {
			return ""
		}
		return fmt.Sprint(page.Items[0][member])
	}
	deadline := time.Now().Add(20 * time.Second)
	for w.ids["alert"] == "" || w.ids["delivery"] == "" || w.ids["job"] == "" || first("/api/exports", "status") != "done" || len(w.box.take()) == 0 {
		if time.Now().After(deadline) {
			w.t.Fatal("the background is not done", w.ids, first("/api/exports", "status"), len(w.box.take()))
		}
		w.ids["alert"], w.ids["delivery"], w.ids["job"] = first("/api/alerts", "id"), first("/api/notify/deliveries", "id"), first("/api/jobs", "id")
		time.Sleep(20 * time.Millisecond)
	}
	w.make(owner, "POST", "/api/alerts/"+w.ids["alert"]+"/acknowledge", fmt.Sprintf(`{"note":%q}`, w.can.text("alert note")), "")
	w.make(owner, "POST", "/api/exports/"+w.ids["export"]+"/links", `{}`, "id")
	_, b := w.get(owner, "GET", "/api/log", "")
	w.ids["log"] = regexp.MustCompile(`"log_id":"(\w+)"`).FindStringSubmatch(string(b))[1]
	if err := w.reads.flush(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	for _, r := range w.records() {
		switch {
		case r.Action == "client.update":
			w.ids["event"] = fmt.Sprint(r.Seq)
		case r.Action == "access.decision":
			w.ids["decision"] = r.ID
		}
	}
}

// exportAll writes every format as somebody and looks into the files.
func (w *canaryWorld) exportAll(v *viewer, check func(v *viewer, what string, b []byte)) {
	may := v.p.Can(actor.ExportsCreate)
	for _, format := range export.Formats() {
		var b bytes.Buffer
		_, err := w.Export(context.Background(), v.p, export.Request{Format: format}, &b, nil)
		if (err == nil) != may {
			w.t.Errorf("%s exports %s: %v", v, format, err)
			continue
		}
		if err != nil {
			continue
		}
		text := contentOf(w.t, format, b.Bytes())
		if v.role == actor.RoleOwner {
			shown := w.can.found(text)
			for _, x := range w.events {
				// The others have fixed columns, or members for some of what there is.
				if whole := format == "json" || format == "ndjson" || format == "bundle"; whole && !slices.Contains(shown, x) && !strings.HasPrefix(x.category, "user.authorization") {
					w.t.Errorf("not even the owner reads %s (%q) in %s", x.where, x.value, format)
				}
			}
			if !slices.Contains(shown, w.events[1]) {
				w.t.Errorf("the owner does not read %q in %s: nothing is found there", w.events[1].value, format)
			}
		}
		check(v, "an export as "+format, text)
		check(v, "an error of an export as "+format, b.Bytes())
	}
	for _, format := range []string{"csv", "json", "pdf"} {
		status, b := w.get(v, "POST", "/api/export-compliance-logs", fmt.Sprintf(`{"format":%q}`, format))
		if (status == 200) != may {
			w.t.Errorf("%s: compliance log %d %.300s", v, status, b)
		}
		if status == 200 && format == "pdf" {
			b = contentOf(w.t, format, b[bytes.Index(b, []byte("%PDF")):])
		}
		check(v, "a compliance log as "+format, b)
	}
	for _, kind := range []string{"subject", "resource", "action"} {
		body := fmt.Sprintf(`{"subject":{"type":"user","id":%q},"action":{"name":"ledger.search"},"resource":{"type":"client","id":"1"}}`, w.ids["user"])
		_, b := w.get(v, "POST", "/access/v1/search/"+kind, body)
		check(v, "an AuthZEN search for "+kind, b)
	}
}

// contentOf takes the compression and the encoding of a file's texts away.
func contentOf(t *testing.T, format string, b []byte) []byte {
	t.Helper()
	switch format {
	case "parquet":
		f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		rows := parquet.NewReader(f)
		defer rows.Close()
		buf := make([]parquet.Row, 16)
		for {
			n, err := rows.ReadRows(buf)
			for _, r := range buf[:n] {
				for _, v := range r {
					out.WriteString(v.String() + "\n")
				}
			}
			if err != nil {
				return out.Bytes()
			}
		}
	case "bundle":
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(&out, r); err != nil {
				t.Fatal(err)
			}
			out.WriteByte('\n')
		}
		return out.Bytes()
	case "pdf":
		return pdfText(t, b)
	}
	return b
}

var (
	pdfStream = regexp.MustCompile(`(?s)stream\r?\n(.*?)\r?\nendstream`)
	pdfHex    = regexp.MustCompile(`<([0-9A-Fa-f]{4,})>`)
	pdfPair   = regexp.MustCompile(`<([0-9A-Fa-f]{4})> <([0-9A-Fa-f]{4,})>`)
)

// pdfText is the text of a PDF file: what its streams hold, and its strings of glyphs by every font's map to Unicode.
func pdfText(t *testing.T, b []byte) []byte {
	t.Helper()
	var streams []string
	for _, m := range pdfStream.FindAllSubmatch(b, -1) {
		z, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			streams = append(streams, string(m[1]))
			continue
		}
		text, _ := io.ReadAll(z)
		streams = append(streams, string(text))
	}
	var fonts []map[string]string
	for _, s := range streams {
		if !strings.Contains(s, "beginbfchar") && !strings.Contains(s, "beginbfrange") {
			continue
		}
		glyphs := map[string]string{}
		for _, m := range pdfPair.FindAllStringSubmatch(s, -1) {
			glyphs[strings.ToUpper(m[1])] = unicodeOf(m[2])
		}
		fonts = append(fonts, glyphs)
	}
	var out strings.Builder
	out.Write(b)
	for _, s := range streams {
		out.WriteString(s + "\n")
		for _, glyphs := range append(fonts, nil) {
			for _, m := range pdfHex.FindAllStringSubmatch(s, -1) {
				for i := 0; i+4 <= len(m[1]); i += 4 {
					g := strings.ToUpper(m[1][i : i+4])
					if glyphs == nil {
						out.WriteString(unicodeOf(g))
					} else {
						out.WriteString(glyphs[g])
					}
				}
			}
			out.WriteByte('\n')
		}
	}
	return []byte(out.String())
}

func unicodeOf(hex string) string {
	var r rune
	if _, err := fmt.Sscanf(hex, "%x", &r); err != nil {
		return ""
	}
	return string(r)
}

// outside looks at what leaves the server without anybody's asking, and at what is told to whoever asks for nonsense.
func (w *canaryWorld) outside(t *testing.T) {
	policy := masking.Builtin()
	nobody := &viewer{role: "nobody"}
	auditor := &viewer{role: actor.RoleAuditor, key: true, p: actor.Principal{Permissions: []string{actor.LedgerSearch}}}
	none := func(what string, b []byte) {
		t.Helper()
		if len(b) == 0 {
			t.Errorf("%s are empty", what)
		}
		for _, x := range w.can.leaks(nobody, masking.Policy{}, b) {
			t.Errorf("%s hold %s (%q)", what, x.where, x.value)
		}
	}
	for _, format := range []string{stream.Native, stream.OCSF} {
		lines, _, err := streamSource{w.App}.Read(context.Background(), w.tenant, 0, stream.Filter{}, false, format, 10000)
		if err != nil || len(lines) < 10 {
			t.Fatal(err, len(lines))
		}
		for _, l := range lines {
			for _, x := range w.can.leaks(auditor, policy, l.JSON) {
				t.Errorf("a stream sends %s (%q)", x.where, x.value)
			}
		}
	}
	for _, letter := range w.box.take() {
		text := regexp.MustCompile(`(?mi)^to:? .*$`).ReplaceAllString(letter, "")
		for _, x := range w.can.leaks(auditor, policy, []byte(text)) {
			if x.where != "invitation" { // the letter greets whoever it is for
				t.Errorf("a letter says %s (%q): %s", x.where, x.value, letter)
			}
		}
	}
	// What is sent in error comes back neither to whoever sent it nor into a log.
	odd := []string{}
	c := &w.can
	odd = append(odd, c.email("wrong parameter", "user.contact.email"), c.phone("wrong parameter", "user.contact.phone_number"), c.card("wrong parameter", "user.financial"))
	for _, v := range []*viewer{w.as(actor.RoleOwner), w.as(actor.RoleAuditor), w.as(actor.RoleWriter)} {
		for _, x := range odd {
			q := url.QueryEscape(x)
			for _, path := range []string{"/api/events?from=" + q, "/api/events?limit=" + q, "/api/events?nonsense=" + q, "/api/stats?bucket=" + q, "/api/events/" + url.PathEscape(x), "/api/approvals/" + url.PathEscape(x),
				"/api/jobs/" + url.PathEscape(x), "/api/events?person=" + q, "/api/persons?q=" + q, "/api/access/who-can?permission=" + q, "/api/resources/client/" + url.PathEscape(x) + "/history"} {
				status, b := w.get(v, http.MethodGet, path, "")
				if x := w.can.leaks(nobody, masking.Policy{}, b); status >= 400 && len(x) > 0 {
					t.Errorf("%s is told %q by %s", v, x[0].value, path)
				}
			}
			for path, body := range map[string]string{"/api/exports": `{"format":%q}`, "/api/events": `{"source":%q}`, "/api/alert-rules": `{"name":"x","filter":{"outcome":%q}}`, "/api/users": `{"email":"x","name":"x","role":%q,"password":"x"}`} {
				status, b := w.get(v, http.MethodPost, path, fmt.Sprintf(body, x))
				if y := w.can.leaks(nobody, masking.Policy{}, b); status >= 400 && len(y) > 0 {
					t.Errorf("%s is told %q by POST %s: %s", v, y[0].value, path, b)
				}
			}
		}
	}
	_, metrics := w.get(w.as(actor.RoleOwner), "GET", "/metrics", "")
	none("metrics", metrics)
	if err := w.telemetry.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	none("log lines", w.logs.bytes())
	none("spans", w.spans.bytes())
}
