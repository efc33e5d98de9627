package terminal

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestCleanLeavesNothingThatMovesTheCursor(t *testing.T) {
	for text, want := range map[string]string{
		"Ana López":                   "Ana López",
		"李雷":                          "李雷",
		"a\x1b[31mred":                `a\u001b[31mred`,
		"two\nlines\tand a tab":       "two lines and a tab",
		"\u202egnp.exe":               `\u202egnp.exe`,
		"bad \xff byte":               `bad \xff byte`,
		"\u009b31m":                   `\u009b31m`,
		"replacement \uFFFD is there": "replacement \uFFFD is there",
	} {
		if got := Clean(text); got != want {
			t.Errorf("Clean(%q) = %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		got := Clean(string(rapid.SliceOf(rapid.Byte()).Draw(t, "text")))
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("%q", got)
		}
	})
}

func TestFitCutsAtTheWidth(t *testing.T) {
	for _, x := range []struct {
		text  string
		width int
		want  string
	}{{"short", 10, "short"}, {"exactly ten", 11, "exactly ten"}, {"exactly ten", 10, "exactly t…"}, {"漢字漢字", 5, "漢字…"}, {"👩‍👩‍👧 family", 4, "👩‍👩‍👧 …"}, {"any", 0, "any"}} {
		if got := Fit(x.text, x.width); got != x.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", x.text, x.width, got, x.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s, w := rapid.String().Draw(t, "text"), rapid.IntRange(1, 40).Draw(t, "width")
		if got := Fit(s, w); columns(got) > w {
			t.Fatalf("%q takes %d columns, not %d", got, columns(got), w)
		}
	})
}

func TestTableFitsTheScreen(t *testing.T) {
	var b bytes.Buffer
	table := NewTable(&Screen{Writer: &b, Width: 40}, Column{Title: "N", Right: true}, Column{Title: "NAME", Shrink: true, Min: 8}, Column{Title: "TEXT", Shrink: true, Min: 8})
	for _, row := range [][]string{{"1", "a name", strings.Repeat("long ", 20)}, {"200", "another", ""}, {"3", "李雷", "x\x1b[2J"}} {
		if err := table.Text(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.End(); err != nil {
		t.Fatal(err)
	}
	want := "  N  NAME     TEXT\n  1  a name   long long long long long …\n200  another\n  3  李雷     x\\u001b[2J\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestLongTablesAreNotHeldBack(t *testing.T) {
	var b bytes.Buffer
	table := NewTable(&Screen{Writer: &b}, Column{Title: "A"}, Column{Title: "B"})
	for range measured {
		_ = table.Text("x", "y")
	}
	if got := strings.Count(b.String(), "\n"); got != measured+1 {
		t.Errorf("%d lines were printed after %d rows", got, measured)
	}
	_ = table.Text("wider than before", "z")
	if err := table.End(); err != nil || !strings.HasSuffix(b.String(), "wider than before  z\n") {
		t.Errorf("%v %q", err, b.String()[len(b.String())-30:])
	}
}

func TestNoColourWithoutATerminal(t *testing.T) {
	s := New(&bytes.Buffer{})
	if s.Terminal || s.Paint(Bad, "x") != "x" {
		t.Error("a buffer is no terminal")
	}
	on := &Screen{colour: true}
	if on.Paint(Bad, "x") != "\x1b[31mx\x1b[0m" || on.Paint(Plain, "x") != "x" || on.Paint(Bad, "") != "" {
		t.Error("painting is wrong")
	}
}

func TestProgressWritesALineNowAndThen(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&Screen{Writer: &b}, "ingest")
	p.Update(State{Done: 500, Total: 1000, Count: 50, Unit: "records"})
	if b.Len() != 0 {
		t.Errorf("a short work is not worth a line: %q", b.String())
	}
	p.mu.Lock()
	p.last, p.start = p.last.Add(-6*time.Second), p.start.Add(-10*time.Second)
	p.mu.Unlock()
	p.Update(State{Done: 750, Total: 1000, Count: 1050, Unit: "records"})
	p.Update(State{Done: 800, Total: 1000, Count: 1100, Unit: "records"})
	p.End()
	if want := regexp.MustCompile(`^ingest: 1,050 records, (99|100)/s, about 10 s left\n$`); !want.MatchString(b.String()) {
		t.Errorf("got %q", b.String())
	}
}

func TestWords(t *testing.T) {
	if got := Count(1234567) + " " + Count(-1000) + " " + Count(999) + " " + Count(uint64(0)); got != "1,234,567 -1,000 999 0" {
		t.Error(got)
	}
	if got := Bytes(999) + "," + Bytes(1500) + "," + Bytes(20_600_000) + "," + Bytes(3_000_000_000_000); got != "999 B,1.5 kB,20.6 MB,3 TB" {
		t.Error(got)
	}
	var list []string
	for _, d := range []time.Duration{4 * time.Millisecond, 1500 * time.Millisecond, 9 * time.Second, 75 * time.Second, 10 * time.Minute, 30 * time.Hour, 100 * time.Hour} {
		list = append(list, Duration(d))
	}
	if got := strings.Join(list, ", "); got != "4 ms, 1.5 s, 9 s, 75 s, 10 min, 30 h, 4 days" {
		t.Error(got)
	}
	if Plural(1, "event", "events")+Plural(0, "event", "events") != "1 event0 events" {
		t.Error("plural")
	}
}
