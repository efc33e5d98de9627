package glob

import (
	"testing"

	"pgregory.net/rapid"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "x", true}, {"a*", "a", true}, {"a*", "ba", false}, {"*a", "ba", true}, {"a*a", "a", false}, {"a*a", "aa", true},
		{"a**b", "ab", true}, {"*b*", "abc", true}, {"*ab*ab*", "abab", true}, {"*ab*ab*", "aba", false}, {"inv*.up*", "invoice.update", true}, {"a", "ab", false},
	} {
		if got := Match(c.pattern, c.s); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
	rapid.Check(t, func(rt *rapid.T) { // a pattern made from a text by replacing parts with stars matches it
		s := rapid.StringOfN(rapid.SampledFrom([]rune("ab.")), 0, 12, -1).Draw(rt, "s")
		p, i := "", 0
		for i < len(s) {
			if rapid.Bool().Draw(rt, "star") {
				p += "*"
				i += rapid.IntRange(0, len(s)-i).Draw(rt, "skip")
			} else {
				p += s[i : i+1]
				i++
			}
		}
		if !Match(p, s) {
			rt.Fatalf("%q does not match %q", p, s)
		}
	})
}
