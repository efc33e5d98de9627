package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/test/instance"
)

// TestTerminal prints hostile texts with the command line. What reaches a terminal holds nothing that a terminal obeys.
func TestTerminal(t *testing.T) {
	s := serve(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(s.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	var events []string
	for i, text := range []string{"\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "\u009b31m", "a\rb", "a\nb", "a\tb", "\x00", "a\u202egnp.exe", "\u2066x\u2069", "\x08\x08\x08", "\x7f", "\u200b", "=1+1"} {
		q, err := jsontext.AppendQuote(nil, strings.ToValidUTF8(text, "?"))
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, fmt.Sprintf(`{"id":"t%d","source":"term","action":"a.read","actor":{"name":%[2]s},"resource":{"type":"t","name":%[2]s},"reason":%[2]s,"context":{"user_agent":%[2]s},"data":{%[2]s:%[2]s}}`, i, q))
	}
	if r := s.Append([]byte("[" + strings.Join(events, ",") + "]")); r.Accepted != len(events) {
		t.Fatalf("%+v", r)
	}
	server := []string{"--server", s.URL, "--api-key-file", key}
	runs := [][]string{{"search", "--source", "term", "--output", "table"}, {"search", "--source", "term\x1b[31m"}, {"search", "--source", "term", "--output", "json"}, {"search", "--source", "term", "--output", "ndjson"}}
	for i := range events {
		runs = append(runs, []string{"show", fmt.Sprintf("t%d", i)})
	}
	for _, args := range runs {
		out, errOut, code := instance.Run(t, append(args, server...)...)
		if code > 1 {
			t.Errorf("%q ended with %d: %s", args, code, errOut)
		}
		bad := obeyed
		if slices.Contains(args, "json") || slices.Contains(args, "ndjson") { // for programs: to the letter, as far as JSON leaves it so
			bad = func(r rune) bool { return r < ' ' && r != '\n' }
		}
		if at := strings.IndexFunc(out+errOut, bad); at >= 0 {
			t.Errorf("%q prints %q", args, (out + errOut)[max(0, at-30):min(len(out+errOut), at+30)])
		}
	}
}

// obeyed reports whether a terminal does more with a character than to show it.
func obeyed(r rune) bool {
	return r != '\n' && unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
