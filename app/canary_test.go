package app

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"probity.dev/access/masking"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
)

// planted is a personal value that is nowhere but in one place, so that whoever reads it must have been shown that place.
type planted struct {
	where string // for messages
	value string
	// category is the data category that the value must be kept under, or one below it; "unknown" for text that nobody has classified.
	category string
	// shown says who else is shown the value than those to whom the policy shows its category.
	shown func(v *viewer) bool
	forms [][]byte
}

// canaries are all the values of a test.
type canaries struct {
	list []*planted
	n    int

	indexed int // how many are in at
	at      map[string][]place
	may     []bool // hashes of the beginnings of forms
}

// add registers a value and returns it.
func (c *canaries) add(where, category, value string, also ...string) string {
	x := &planted{where: where, value: value, category: category}
	for _, s := range append([]string{value}, also...) {
		x.forms = append(x.forms, formsOf(s)...)
	}
	c.list = append(c.list, x)
	return value
}

// formsOf are the ways in which a text may be written, in lower case.
func formsOf(s string) (out [][]byte) {
	add := func(b []byte) {
		if len(b) >= window {
			out = append(out, foldASCII(b))
		}
	}
	add([]byte(s))
	add([]byte(url.QueryEscape(s)))
	add([]byte(url.PathEscape(s)))
	if b, err := json.Marshal(s); err == nil {
		add(b[1 : len(b)-1])
	}
	add([]byte(strconv.QuoteToASCII(s)[1 : len(strconv.QuoteToASCII(s))-1]))
	add([]byte(hex.EncodeToString([]byte(s))))
	var big, little []byte
	for _, u := range utf16.Encode([]rune(s)) {
		big, little = append(big, byte(u>>8), byte(u)), append(little, byte(u), byte(u>>8))
	}
	add(big)
	add(little)
	add([]byte(hex.EncodeToString(big)))
	// Base64 at each of the three places that a text may begin at, without the characters that its neighbours share.
	for skip := range 3 {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := enc.EncodeToString(append(make([]byte, skip), s...))
			from, to := (skip*8+5)/6, (skip+len(s))*8/6
			add([]byte(text[from:to]))
		}
	}
	slices.SortFunc(out, slices.Compare[[]byte])
	return slices.CompactFunc(out, slices.Equal[[]byte])
}

// foldASCII lowers the letters of ASCII; bytes of other encodings stay.
func foldASCII(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	return out
}

// next numbers values.
func (c *canaries) next() int { c.n++; return c.n }

// syllables make words that are in no dictionary.
var syllables = []string{"zor", "quel", "vim", "dax", "brul", "fex", "gon", "hyt", "jop", "kest", "lurn", "mowz", "nyx", "pral", "rusk", "styv"}

func word(n int) string {
	w := syllables[n%16] + syllables[n/16%16] + syllables[(n*7+3)%16]
	return strings.ToUpper(w[:1]) + w[1:]
}

func (c *canaries) name(where string) string {
	n := c.next()
	first, last := word(n)+"ia", word(n+100)+"ović"
	return c.add(where, "user.name", first+" "+last, last)
}

func (c *canaries) email(where, category string) string {
	n := c.next()
	return c.add(where, category, fmt.Sprintf("%s.%03d@%s.example", strings.ToLower(word(n)), n, strings.ToLower(word(n+50))))
}

func (c *canaries) phone(where, category string) string {
	n := c.next()
	line := fmt.Sprintf("55%05d", 10037+n*631)
	// Seven digits alone would be found by chance among the ids of requests.
	return c.add(where, category, "+1 415 "+line[:3]+" "+line[3:], "1415"+line, "415-"+line[:3]+"-"+line[3:], "415 "+line[:3]+" "+line[3:])
}

func (c *canaries) ip4(where, category string) string {
	return c.add(where, category, fmt.Sprintf("203.0.%d.%d", 113+c.next()/150, 100+c.n%150))
}

func (c *canaries) ip6(where, category string) string {
	return c.add(where, category, fmt.Sprintf("2001:db8:%x:7::beef:%x", 0xa00+c.next(), 0xc00+c.n))
}

func (c *canaries) card(where, category string) string {
	digits := fmt.Sprintf("42424242%07d", 1000003+c.next()*7919)
	for check := range 10 {
		if d := digits + strconv.Itoa(check); luhn(d) {
			return c.add(where, category, d, d[4:12], d[:12])
		}
	}
	panic("no digit makes a card")
}

func luhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func (c *canaries) iban(where, category string) string {
	body := fmt.Sprintf("37040044%010d", 532013000+c.next()*137)
	rest := 0
	for _, d := range body + "131400" {
		rest = (rest*10 + int(d-'0')) % 97
	}
	return c.add(where, category, fmt.Sprintf("DE%02d%s", 98-rest, body), body)
}

// other makes a value of a form of its own.
func (c *canaries) other(where, category, form string) string {
	return c.add(where, category, fmt.Sprintf(form, 100+c.next()))
}

// text is a sentence with personal values in it, none of which anybody is shown by its own category.
func (c *canaries) text(where string) string {
	from := len(c.list)
	text := "Dr. " + c.name(where+", name") + " called from " + c.phone(where+", phone", "") + " about " + c.email(where+", e-mail", "") + " and card " + c.card(where+", card", "") + " from " + c.ip4(where+", address", "")
	for _, x := range c.list[from:] {
		x.category = ledger.CategoryUnknown
	}
	return text
}

// decoded is a text with what hides characters taken away.
func decoded(b []byte) []byte {
	text := foldASCII(b)
	if strings.Contains(string(text), "&#") || strings.Contains(string(text), "&amp;") {
		text = []byte(strings.NewReplacer("&amp;", "&", "&#34;", `"`, "&#43;", "+", "&#64;", "@").Replace(string(text)))
	}
	return text
}

// leaks returns the canaries in a text that a viewer must not be shown.
func (c *canaries) leaks(v *viewer, policy masking.Policy, b []byte) (out []*planted) {
	for _, x := range c.found(b) {
		if !v.sees(policy, x) {
			out = append(out, x)
		}
	}
	return out
}

// window is how much of a form is looked up at once; no form is shorter.
const window = 6

// found returns the canaries in a text, each once.
func (c *canaries) found(b []byte) (out []*planted) {
	if c.indexed != len(c.list) {
		c.at, c.may, c.indexed = map[string][]place{}, make([]bool, 1<<16), len(c.list)
		for _, x := range c.list {
			for _, f := range x.forms {
				c.at[string(f[:window])] = append(c.at[string(f[:window])], place{x, f})
				c.may[hashed(f)] = true
			}
		}
	}
	text := decoded(b)
	for i := 0; i+window <= len(text); i++ {
		if !c.may[hashed(text[i:])] {
			continue
		}
		for _, p := range c.at[string(text[i:i+window])] {
			if bytes.HasPrefix(text[i:], p.form) && !slices.Contains(out, p.of) {
				out = append(out, p.of)
			}
		}
	}
	return out
}

type place struct {
	of   *planted
	form []byte
}

func hashed(b []byte) uint16 {
	return uint16((uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24) * 0x9e3779b1 >> 16)
}

func (x *planted) in(folded string) bool {
	for _, f := range x.forms {
		if strings.Contains(folded, string(f)) {
			return true
		}
	}
	return false
}

// kept looks up the category under which the ledger keeps each canary that is part of an event, and fails when one is kept as no personal value at all.
func (c *canaries) kept(t *testing.T, records []*event.Record, mustBe []*planted) {
	t.Helper()
	for _, x := range mustBe {
		found := false
		for _, r := range records {
			for _, f := range r.Fields {
				if !x.in(string(foldASCII(f.Value))) {
					continue
				}
				category := f.Category
				switch {
				case f.Path == "/resource/id" && r.ResourceHandle != 0:
					category = "user.unique_id"
				case f.Path == "/resource/name" && r.ResourceHandle != 0:
					category = "user.name"
				case category == "":
					t.Errorf("%s: %q is kept in clear in %s of %s", x.where, x.value, f.Path, r.Action)
				}
				if !found {
					x.category = category
				}
				found = true
			}
		}
		if !found {
			t.Errorf("%s: %q is in no event: it cannot leak", x.where, x.value)
		}
	}
}
