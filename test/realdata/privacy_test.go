package realdata

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/parquet-go/parquet-go"

	"probity.dev/internal/tlog"
	"probity.dev/ledger/segment"
	"probity.dev/test/instance"
	"probity.dev/verify"
)

// clean demands that a text holds none of the canaries.
func clean(t *testing.T, what string, text []byte, c *canaries) {
	t.Helper()
	for _, k := range []struct {
		kind string
		hits []string
	}{{"e-mail addresses", c.mail(text)}, {"network addresses", c.networks(text)}, {"access keys", c.accessKeys(text)}, {"names", c.people(text)}} {
		for _, hit := range k.hits[:min(len(k.hits), 3)] {
			at := bytes.Index(text, []byte(hit))
			t.Errorf("%s holds %d %s: %q", what, len(k.hits), k.kind, text[max(0, at-80):min(len(text), at+60)])
		}
	}
	for _, s := range append(credentials, personal...) {
		if at := bytes.Index(text, []byte(s)); at >= 0 {
			t.Errorf("%s holds %q: %q", what, s, text[max(0, at-80):min(len(text), at+60)])
		}
	}
}

// The files have had their credentials taken out, so an event of our own brings some, and kinds of personal value that they lack.
var (
	credentials = []string{"hunter2-Before", "hunter2-After", "FwoGZXIvYXdzEBYaDCanary", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYCANARYKEY"}
	personal    = []string{"Zdenka Canarić", "zdenka.canaric", "2001:db8:7:c::a1", "+385 91 234 5678", "DE89370400440532013000", "Wallaby Lane 42"}
)

func canaryEvent() []byte {
	return fmt.Appendf(nil, `{"id":"canary-1","source":"canary","action":"account.update","actor":{"type":"user","id":%[6]q,"name":%[5]q},"subject":{"type":"patient","id":"p-77","name":%[5]q},`+
		`"context":{"ip":%[7]q},"changes":[{"path":"/password","before":%[1]q,"after":%[2]q},{"path":"/phone","after":%[8]q}],"data":{"sessionToken":%[3]q,"secret_access_key":%[4]q,"iban":%[9]q,"address":%[10]q}}`,
		credentials[0], credentials[1], credentials[2], credentials[3], personal[0], personal[1], personal[2], personal[3], personal[4], personal[5])
}

var formats = []string{"csv", "json", "ndjson", "pdf", "parquet", "ocsf", "bundle"}

// answers leaves personal values wherever a server might keep them, and looks for them in what an auditor is told.
func answers(t *testing.T, b *box) {
	name, mail := personal[0], personal[1]+"@example.org"
	b.Post("/api/users", 201, map[string]string{"email": mail, "name": name, "role": "auditor", "password": credentials[0] + " and more"}, nil)
	b.Post("/api/keys", 201, map[string]any{"name": "key of " + name, "scopes": []string{"ledger.search"}}, nil)
	b.Post("/api/views", 201, map[string]string{"name": name, "query": "actor=" + mail}, nil)
	b.Post("/api/session", 401, map[string]string{"email": mail, "password": credentials[1]}, nil)
	b.Post("/api/session", 200, map[string]string{"email": mail, "password": credentials[0] + " and more"}, nil)
	b.Export("csv", map[string]any{"actor": []string{personal[1]}, "text": personal[5]})
	for range 2 {
		a := b.Do("POST", "/api/events", canaryEvent(), "Content-Type", "application/json", "Idempotency-Key", "canary")
		if a.Status != 201 || !bytes.Contains(a.Body, []byte("duplicate")) {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	for _, q := range []string{"actor=" + personal[1], "ip=" + personal[2], "text=" + personal[5], "actor=" + mail} {
		b.Do("GET", "/api/events?"+url.PathEscape(q), nil)
	}
	b.Do("GET", "/api/events/"+url.PathEscape(name), nil)
	b.Do("GET", "/"+url.PathEscape(mail)+"?token="+credentials[2], nil)
	b.Do("POST", "/api/events", []byte(`{"id":"`+name+`","source":"`+mail+`","action":"`+credentials[3]+`"}`), "Content-Type", "application/json", "X-Request-Id", mail)

	var text bytes.Buffer
	b.auditor.Walk("", func(v *instance.View) { text.Write(v.JSON) })
	for _, path := range []string{"/api/events/canary-1", "/api/events/canary-1/proof", "/api/persons?q=a&limit=50", "/api/persons?q=" + personal[1], "/api/stats", "/api/exports", "/api/settings", "/api/log", "/api/events?source=canary"} {
		a := b.auditor.Do("GET", path, nil)
		if a.Status != 200 {
			t.Errorf("%s: %d %.200s", path, a.Status, a.Body)
		}
		text.Write(a.Body)
	}
	clean(t, "what an auditor is told", text.Bytes(), b.files.canaries())
	for _, path := range []string{"/api/users", "/api/keys", "/metrics"} {
		if a := b.auditor.Do("GET", path, nil); a.Status != 403 {
			t.Errorf("an auditor gets %s: %d", path, a.Status)
		}
	}
	clean(t, "the metrics", b.Do("GET", "/metrics", nil).Body, b.files.canaries())
}

// masked exports everything as an auditor gets it.
func masked(t *testing.T, b *box) {
	c := b.files.canaries()
	if len(c.emails) < 50 || len(c.addresses) < 100 || len(c.keys) < 100 || len(c.names) < 5 {
		t.Errorf("few canaries: %d addresses of e-mail, %d of networks, %d keys, %d names", len(c.emails), len(c.addresses), len(c.keys), len(c.names))
	}
	for _, format := range formats {
		t.Run(format, func(t *testing.T) {
			e, body := b.auditor.Export(format, map[string]any{})
			if e.Rows < int64(b.total) {
				t.Errorf("%d rows of %d events", e.Rows, b.total)
			}
			known := false
			for name, text := range texts(t, format, body) {
				clean(t, format+" "+name, text, c)
				known = known || bytes.Contains(text, []byte("s3.deletebucket"))
			}
			if !known && format != "ocsf" || format == "ocsf" && !bytes.Contains(body, []byte("deletebucket")) {
				t.Error("the export was not understood: it does not seem to hold what it must")
			}
			if format == "bundle" {
				checkBundle(t, b, body)
			}
		})
	}
}

// unmasked exports everything as somebody gets it who may see it. Credentials are nobody's business even so.
func unmasked(t *testing.T, b *box) {
	c := b.files.canaries()
	for _, format := range []string{"ndjson", "csv", "bundle"} {
		_, body := b.Export(format, map[string]any{})
		var all []byte
		for _, text := range texts(t, format, body) {
			all = append(all, text...)
		}
		if mail, ip, names := c.mail(all), c.networks(all), c.people(all); len(mail) < 50 || len(ip) < 100 || len(names) < 5 {
			t.Errorf("%s: %d addresses of e-mail, %d of networks and %d names are there", format, len(mail), len(ip), len(names))
		}
		for _, s := range credentials {
			if at := bytes.Index(all, []byte(s)); at >= 0 {
				t.Errorf("%s holds a credential: %q", format, all[max(0, at-200):min(len(all), at+60)])
			}
		}
		for _, s := range personal {
			if !bytes.Contains(all, []byte(s)) {
				t.Errorf("%s does not hold %q", format, s)
			}
		}
	}
}

// checkBundle verifies a bundle with nothing but the file and the founder's key.
func checkBundle(t *testing.T, b *box, body []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bundle.zip")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := tlog.ParseKeys(b.State().VKey)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Bundle(context.Background(), path, verify.Options{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || r.Bundle.Events < uint64(b.total) || r.Bundle.Completeness != "proven" {
		t.Errorf("%s", r)
	}
}

// texts takes an export apart into the texts that somebody who opens it can read.
func texts(t *testing.T, format string, body []byte) map[string][]byte {
	t.Helper()
	switch format {
	case "pdf":
		return map[string][]byte{"": pdfText(body)}
	case "parquet":
		return map[string][]byte{"": parquetText(t, body)}
	case "bundle":
		z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string][]byte{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			if out[f.Name], err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	return map[string][]byte{"": body}
}

var (
	pdfStream = regexp.MustCompile(`(?s)stream\r?\n(.*?)\r?\nendstream`)
	pdfString = regexp.MustCompile(`(?s)\(((?:[^\\()]|\\.)*)\)\s*Tj`)
)

// pdfText is the text of a PDF whose fonts are encoded as UTF-16, as ours are.
func pdfText(b []byte) (out []byte) {
	unescape := strings.NewReplacer(`\\`, `\`, `\(`, `(`, `\)`, `)`, `\r`, "\r", `\n`, "\n")
	for _, m := range pdfStream.FindAllSubmatch(b, -1) {
		z, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			continue
		}
		page, err := io.ReadAll(z)
		if err != nil {
			continue
		}
		for _, s := range pdfString.FindAllSubmatch(page, -1) {
			raw := unescape.Replace(string(s[1]))
			units := make([]uint16, 0, len(raw)/2)
			for i := 0; i+1 < len(raw); i += 2 {
				units = append(units, uint16(raw[i])<<8|uint16(raw[i+1]))
			}
			out = append(append(out, string(utf16.Decode(units))...), '\n')
		}
	}
	return out
}

// parquetText is every value of a Parquet file.
func parquetText(t *testing.T, body []byte) (out []byte) {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range f.RowGroups() {
		rows := g.Rows()
		buf := make([]parquet.Row, 256)
		for {
			n, err := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				for _, v := range row {
					if v.Kind() == parquet.ByteArray {
						out = append(append(out, v.ByteArray()...), '\n')
					}
				}
			}
			if err != nil {
				break
			}
		}
		rows.Close()
	}
	return out
}

// inTheClear looks for the canaries in every byte of the data directory, and in what the sealed files hold once they are unpacked.
func inTheClear(t *testing.T, b *box) {
	c := b.files.canaries()
	seen := map[string]bool{}
	var unpacked []byte
	err := filepath.WalkDir(b.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen[d.Name()] = true
		clean(t, d.Name(), body, c)
		if strings.HasPrefix(d.Name(), "working-") {
			text := workingText(t, path)
			unpacked = append(unpacked, text...)
			clean(t, d.Name()+", unpacked,", text, c)
		}
		if strings.HasPrefix(d.Name(), "evidence-") {
			clean(t, d.Name()+", unpacked,", evidenceText(t, path), c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(unpacked, []byte("s3.deletebucket")) {
		t.Error("the sealed files were not understood")
	}
	if !seen["probity.db"] || !seen["probity.db-wal"] {
		t.Errorf("what was looked at: %v", seen)
	}
}

func workingText(t *testing.T, path string) (out []byte) {
	t.Helper()
	err := segment.ReadWorking(path, segment.AllColumns, func(r *segment.Row) error {
		out = fmt.Appendf(out, "%s|%s|%s|%s|%s|%s|%s|%s|%s\n", r.Source, r.Action, r.ResourceType, r.ResourceID, r.EventID, r.CorrelationID, r.Shape, r.Clear, r.Sealed)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func evidenceText(t *testing.T, path string) (out []byte) {
	t.Helper()
	err := segment.ReadEvidence(path, func(_ uint64, leaf []byte) error {
		out = append(append(out, leaf...), '\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// inTheLog looks for the canaries in what the server has written to its log.
func inTheLog(t *testing.T, b *box) {
	log := []byte(b.Log())
	if len(log) < 10_000 {
		t.Errorf("the log has %d bytes", len(log))
	}
	clean(t, "the log", bytes.ReplaceAll(log, []byte("127.0.0.1"), nil), b.files.canaries())
}
