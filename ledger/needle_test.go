package ledger

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// TestNeedleFindsWhatContainsFoldFinds holds the quick search against the one that decides.
func TestNeedleFindsWhatContainsFoldFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	letters := []rune(`abcABC kKſsS019.-"[]{},:\u00e9éÉöÖKÅåİiⱥȺtrue`)
	word := func(n int) string {
		out := make([]rune, n)
		for i := range out {
			out[i] = letters[r.IntN(len(letters))]
		}
		return string(out)
	}
	found := 0
	for range 300_000 {
		value := word(r.IntN(24))
		switch r.IntN(3) {
		case 0:
			value = `"` + value + `"`
		case 1:
			value = []string{"true", "false", "null", "12.5e-3", "-70", `["a",1]`, `{"k":"s"}`}[r.IntN(7)]
		}
		text := word(1 + r.IntN(4))
		if v := []rune(value); len(v) > 0 && r.IntN(3) > 0 {
			from := r.IntN(len(v))
			text = string(v[from : from+1+r.IntN(len(v)-from)])
		}
		if text = strings.ToLower(strings.TrimSpace(text)); text == "" {
			continue
		}
		n := newNeedle(text)
		want := containsFold([]byte(value), text)
		if got := n.in([]byte(value)); got != want {
			t.Fatalf("%q in %q: %v", text, value, got)
		}
		if want && jsontext.Value(value).IsValid() && len(value) < n.shortest {
			t.Fatalf("%q is in %q, which is said to be too short", text, value)
		}
		if want {
			found++
		}
	}
	if found < 1000 {
		t.Errorf("only %d hits: the comparison says little", found)
	}
}
