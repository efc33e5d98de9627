package realdata

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/parquet-go/parquet-go"

	"probity.dev/internal/tlog"
	"probity.dev/ledger/segment"
	"probity.dev/verify"
)

// found lists the canaries that a text holds, at most so many.
func found(text []byte, set map[string]bool, pattern *regexp.Regexp, most int) (hits []string) {
	for _, at := range pattern.FindAllIndex(text, -1) {
		s := string(text[at[0]:at[1]])
		if !set[s] || slices.Contains(hits, s) || len(hits) == most {
			continue
		}
		if after := text[at[1]:]; bytes.HasPrefix(after, []byte("/")) && strings.HasSuffix(s, ".0") {
			continue // a masked address is its network
		}
		hits = append(hits, s)
	}
	return hits
}

// clean demands that a text holds none of the canaries.
func clean(t *testing.T, what string, text []byte, c *canaries) {
	t.Helper()
	for _, k := range []struct {
		kind    string
		set     map[string]bool
		pattern *regexp.Regexp
	}{{"e-mail addresses", c.emails, emailPattern}, {"network addresses", c.addresses, addressPattern}, {"access keys", c.keys, keyPattern}} {
		for _, hit := range found(text, k.set, k.pattern, 3) {
			at := bytes.Index(text, []byte(hit))
			t.Errorf("%s holds %s: %q", what, k.kind, text[max(0, at-80):min(len(text), at+60)])
		}
	}
	shown := 0
	for name := range c.names {
		if at := bytes.Index(text, []byte(name)); at >= 0 && shown < 3 {
			t.Errorf("%s holds a name: %q", what, text[max(0, at-80):min(len(text), at+60)])
			shown++
		}
	}
}

var formats = []string{"csv", "json", "ndjson", "pdf", "parquet", "ocsf", "bundle"}

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
			for name, text := range texts(t, format, body) {
				clean(t, format+" "+name, text, c)
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
		if mail, ip := found(all, c.emails, emailPattern, 1000), found(all, c.addresses, addressPattern, 5000); len(mail) < 50 || len(ip) < 100 {
			t.Errorf("%s: %d addresses of e-mail and %d of networks are there", format, len(mail), len(ip))
		}
		if keys := found(all, c.keys, keyPattern, 5); len(keys) > 0 {
			at := bytes.Index(all, []byte(keys[0]))
			t.Errorf("%s holds credentials: %s", format, all[max(0, at-300):min(len(all), at+60)])
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
			clean(t, d.Name()+", unpacked,", workingText(t, path), c)
		}
		if strings.HasPrefix(d.Name(), "evidence-") {
			clean(t, d.Name()+", unpacked,", evidenceText(t, path), c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
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
