package export

import (
	"bytes"
	"os"
	"testing"

	"probity.dev/ledger/event"
)

func encode(t testing.TB, format string, o Options, m Meta, list []*event.Record) []byte {
	t.Helper()
	var out bytes.Buffer
	o.Pseudonym = NewPseudonyms(testKey)
	e, err := New(format, &out, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Begin(m); err != nil {
		t.Fatal(err)
	}
	tally := NewTally(m.Location, NewPseudonyms(testKey))
	for _, r := range list {
		tally.Add(r)
		if err := e.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.End(tally.Summary()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPDF(t *testing.T) {
	b := encode(t, "pdf", Options{}, testMeta(), append(specimens(t), crowd(t, 400, 85)...))
	if !bytes.HasPrefix(b, []byte("%PDF-")) || !bytes.Contains(b[len(b)-32:], []byte("%%EOF")) {
		t.Fatal("not a PDF file")
	}
	if to := os.Getenv("PROBITY_SAMPLE_PDF"); to != "" {
		if err := os.WriteFile(to, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
