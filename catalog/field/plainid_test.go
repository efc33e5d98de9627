package field

import (
	"math/rand/v2"
	"strings"
	"testing"

	"probity.dev/test/bench/load"
)

// searched is personalIn without its shortcut.
func searched(s string) string {
	if secretPrefix(s) {
		return Credentials
	}
	f := finder{s: s, first: true}
	f.formats()
	return f.last.Category
}

func TestPlainIDsHoldNothing(t *testing.T) {
	real := []string{"12345678z", "x1234567l", "qq123456c", "abcde1234f", "gb29nwbk60161331926819", "de89-3704-0044-0532-0130-00", "00-1b-44-11-3a-b7", "ab-cd-ef-01-23-45", "123-45-6789", "4111-1111-1111-1111",
		"4111111111111111", "555-123-4567", "385-91-234-5678", "sk-abcdefghijklmnop", "ghp_abcdefghijklmnopqrst", "xoxb-123456789012", "pk_abcdefghijklmnopqrstuvwx", "whsec_abcdefghijklmnop", "glpat-abcdefghijklmnop",
		"269054958815780", "2a9054958815780", "84051512345", "4111-1111", "1-800-555-0199", "0044-20-7946-0958", "rk_live_abcdefghijklmnop"}
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789012345678901234567890123456789---___"
	rng := rand.New(rand.NewPCG(4, 4))
	harmlessOnes, found := 0, 0
	check := func(s string) {
		if category := searched(s); category != "" {
			found++
			if plainID(s) {
				t.Fatalf("%q is %s", s, category)
			}
		} else if plainID(s) {
			harmlessOnes++
		}
	}
	for _, s := range real {
		check(s)
	}
	for range 400_000 {
		var b strings.Builder
		for range rng.IntN(3) {
			for range rng.IntN(6) {
				b.WriteByte(letters[rng.IntN(len(letters))])
			}
			b.WriteString([...]string{"", "-", "_"}[rng.IntN(3)])
		}
		r := []byte(real[rng.IntN(len(real))])
		if rng.IntN(2) == 0 {
			r[rng.IntN(len(r))] = letters[rng.IntN(len(letters))]
		}
		b.Write(r)
		for range rng.IntN(5) {
			b.WriteByte(letters[rng.IntN(len(letters))])
		}
		check(b.String())
	}
	if found < 20_000 || harmlessOnes < 5_000 {
		t.Errorf("%d with something personal, %d harmless", found, harmlessOnes)
	}
	g := load.New(load.Config{Seed: 1, Events: 1000})
	passed := 0
	for i := range 300 {
		id := g.At(i).ResourceID
		if check(id); plainID(id) {
			passed++
		}
	}
	if passed < 290 {
		t.Errorf("%d of 300 identifiers pass", passed)
	}
}
