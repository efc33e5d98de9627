package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
	"pgregory.net/rapid"

	"probity.dev/internal/errs"
	"probity.dev/internal/testdata"
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

// TestPDFHostile puts hostile text everywhere that text can be.
func TestPDFHostile(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(testdata.Dir(t), "hostile/naughty-strings/blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	list = append(list, strings.Repeat("w", 5000), strings.Repeat("\U0001F600", 300), "\u202Egnp.exe", "{nb}", "\\(", ") Tj ET", "\ufeff\ufffe\uffff", "李小龙 والسلام שלום")
	m := testMeta()
	m.Title, m.Tenant, m.FilterWords, m.Masking, m.RequestedBy = list[20], list[30], list, list[len(list)-1], list[len(list)-2]
	m.Log.Checkpoint, m.Log.VKey, m.Log.Origin = strings.Join(list[:40], "\n"), list[50], list[60]
	records := specimens(t)
	for _, s := range list {
		records = append(records, withText(s))
	}
	for i, r := range records {
		if i%3 == 0 {
			r.Action, r.Outcome = list[i%len(list)], list[(i+1)%len(list)]
		}
	}
	b = encode(t, "pdf", Options{Columns: []string{"seq", "actor", "reason", "data", "outcome", "action"}}, m, records)
	if to := os.Getenv("PROBITY_SAMPLE_PDF"); to != "" {
		if err := os.WriteFile(strings.TrimSuffix(to, ".pdf")+"-hostile.pdf", b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPDFLimits(t *testing.T) {
	e, err := New("pdf", io.Discard, Options{MaxRows: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Begin(testMeta()); err != nil {
		t.Fatal(err)
	}
	var last error
	for _, r := range specimens(t) {
		if last = e.Write(r); last != nil {
			break
		}
	}
	if errs.CodeOf(last) != errs.TooLarge || !strings.Contains(last.Error(), "at most 3 rows") {
		t.Error(last)
	}
	if _, err := New("pdf", io.Discard, Options{Columns: defaultColumns}); errs.CodeOf(err) != errs.Invalid {
		t.Error(err)
	}
	// Nothing selected is a report as well, and a disk that is full is an error.
	if b := encode(t, "pdf", Options{}, Meta{}, nil); !bytes.HasPrefix(b, []byte("%PDF-")) {
		t.Error("an empty report is no PDF")
	}
	full := errors.New("disk full")
	for _, name := range []string{"csv", "json", "ndjson", "ocsf", "parquet", "pdf"} {
		e, _ := New(name, failing{full}, Options{})
		err := e.Begin(testMeta())
		for _, r := range specimens(t) {
			if err == nil {
				err = e.Write(r)
			}
		}
		if err == nil {
			err = e.End(Summary{})
		}
		if !errors.Is(err, full) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestTypesetter checks that lines fit, that nothing is lost unless an ellipsis says so, and that only known glyphs are left.
func TestTypesetter(t *testing.T) {
	pdf := fpdf.New("L", "mm", "A4", "")
	pdf.AddPage()
	ts := newTypesetter(pdf)
	ts.use(&ts.sans, 7)
	rapid.Check(t, func(t *rapid.T) {
		s := ts.clean(rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("abcW  /-.@…é李\n\u200b\U0001F600")))).Draw(t, "text"))
		width := rapid.Float64Range(1, 60).Draw(t, "width")
		limit := rapid.IntRange(1, 5).Draw(t, "lines")
		for _, r := range s {
			if !ts.sans.covers.has(r) {
				t.Fatalf("%q is left in %q", r, s)
			}
		}
		if ts.clean(s) != s {
			t.Fatalf("%q is not clean", s)
		}
		lines := ts.wrap(nil, s, width, limit)
		if len(lines) > limit {
			t.Fatalf("%d lines", len(lines))
		}
		for _, l := range lines {
			if ts.mm(l) > width+0.01 && utf8.RuneCountInString(l) > 1 {
				t.Fatalf("%q is %f wide, not %f", l, ts.mm(l), width)
			}
		}
		if strings.HasSuffix(strings.Join(lines, ""), "…") {
			return
		}
		if got, want := strings.ReplaceAll(strings.Join(lines, ""), " ", ""), strings.ReplaceAll(s, " ", ""); got != want {
			t.Fatalf("%q became %q", s, lines)
		}
		if got := strings.Join(ts.chop(nil, s, width), ""); got != s {
			t.Fatalf("%q was chopped to %q", s, got)
		}
	})
}

func TestVisual(t *testing.T) {
	for in, want := range map[string]string{"": "", "abc (1)": "abc (1)", "Жук": "Жук", "שלום": "םולש", "Dr שלום": "Dr םולש", "שלום (a) עולם": "םלוע (a) םולש"} {
		if got := visual(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.SampledFrom([]rune("ab 12(שלוםس"))).Draw(t, "text")
		if got := visual(s); utf8.RuneCountInString(got) != utf8.RuneCountInString(s) {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

func TestCoverage(t *testing.T) {
	for i, g := range coverage() {
		for _, r := range "aZ09 ÄßéŁΩЖ…□–·€•“”" {
			if !g.has(r) {
				t.Errorf("font %d does not cover %q", i, r)
			}
		}
		for _, r := range []rune{'李', 0x1F600, 0xFFFF, 0x10FFFF, -1} {
			if g.has(r) {
				t.Errorf("font %d covers %U", i, r)
			}
		}
	}
}

func TestNiceScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1<<40).Draw(t, "n")
		top, step := niceScale(n)
		if lines := top / step; top < n || top%step != 0 || lines < 1 || lines > 5 || top > 2*n+5 {
			t.Fatalf("%d: %d by %d", n, top, step)
		}
	})
}

func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
		var days []Day
		var sum int64
		at := start
		for range rapid.IntRange(0, 40).Draw(t, "days") {
			at = at.AddDate(0, 0, rapid.IntRange(1, 60).Draw(t, "gap"))
			days = append(days, Day{Date: at, Count: 3, Failures: 1})
			sum += 3
		}
		list, _ := buckets(days)
		for _, b := range list {
			sum -= b.count
		}
		if len(list) > maxBuckets+1 || sum != 0 {
			t.Fatalf("%d columns, %d events lost", len(list), sum)
		}
	})
	long := []Day{{Date: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), Count: 1}, {Date: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Count: 2}}
	if list, unit := buckets(long); unit != "month" || len(list) != maxBuckets || list[len(list)-1].count != 2 {
		t.Errorf("%d %s", len(list), unit)
	}
}
