package telemetry

import (
	"net/netip"
	"regexp"
	"strings"
)

var (
	emailPattern  = regexp.MustCompile(`(?:[\pL\pN._+'-]|%[0-9A-Fa-f]{2})+(?:@|%40)(?:[\pL\pN.-]|%[0-9A-Fa-f]{2})+\.\pL{2,}`)
	keyPattern    = regexp.MustCompile(`\bpk_[A-Za-z0-9_-]{4,}`)
	schemePattern = regexp.MustCompile(`(?i)\b(bearer|basic)(?:\s|%20|\+)+[A-Za-z0-9+/=_.~-]{6,}`)
	jwtPattern    = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`)
	pairPattern   = regexp.MustCompile(`(?i)\b(password|passwd|secret|token|api[_-]?key|cookie|probity_session)(["']?\s*[=:]\s*["']?)[^\s"'&;,]+`)
	userinfo      = regexp.MustCompile(`(://)[^/@\s]+@`)
	cardPattern   = regexp.MustCompile(`\b\d(?:(?: |-|%20|\+)?\d){12,18}\b`)
	ibanPattern   = regexp.MustCompile(`\b[A-Z]{2}\d{2}(?:(?: |%20|\+)?[A-Z0-9]{4}){2,7}(?:(?: |%20|\+)?[A-Z0-9]{1,3})?\b`)
	ip4Pattern    = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	ip6Pattern    = regexp.MustCompile(`(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\d+\.\d+\.\d+\.\d+)?`)
)

// Scrub replaces, within a text, what looks like an e-mail address, a credential, a card or bank account number or a network address (loopback excepted), also where it
// is percent-encoded as in a URL. Most texts are told to be harmless by a single look at their bytes; a pattern is tried only where it could match.
func Scrub(s string) string {
	t := traitsOf(s)
	if t.at {
		s = userinfo.ReplaceAllString(s, "${1}"+Withheld+"@")
		s = emailPattern.ReplaceAllString(s, "[email]")
	}
	if strings.Contains(s, "pk_") {
		s = keyPattern.ReplaceAllString(s, "[key]")
	}
	if strings.Contains(s, "eyJ") {
		s = jwtPattern.ReplaceAllString(s, "[token]")
	}
	if t.scheme {
		s = schemePattern.ReplaceAllString(s, "$1 "+Withheld)
	}
	if t.word && (t.colons > 0 || t.equals) {
		s = pairPattern.ReplaceAllString(s, "$1$2"+Withheld)
	}
	if t.longestNumber >= 13 {
		s = cardPattern.ReplaceAllStringFunc(s, scrubCard)
	}
	if t.iban {
		s = ibanPattern.ReplaceAllStringFunc(s, scrubIBAN)
	}
	if t.dots >= 3 && t.digits >= 4 {
		s = ip4Pattern.ReplaceAllStringFunc(s, scrubIP)
	}
	if t.colons >= 2 {
		s = ip6Pattern.ReplaceAllStringFunc(s, scrubIP)
	}
	return s
}

// traits say which patterns could match a text at all.
type traits struct {
	digits, dots, colons int
	longestNumber        int  // digits of the longest number, spaces and hyphens within it not counted
	at                   bool // @ or %40
	iban                 bool // two capitals and two digits in a row
	scheme               bool // one of the words of schemePattern
	word                 bool // one of the words of pairPattern
	equals               bool
}

func traitsOf(s string) traits {
	var t traits
	run := 0
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' {
			t.digits++
			run++
			t.longestNumber = max(t.longestNumber, run)
			if i >= 3 && digit(s[i-1]) && capital(s[i-2]) && capital(s[i-3]) {
				t.iban = true
			}
			continue
		}
		switch c {
		case ' ', '-', '+': // may separate the digits of a card
			continue
		case '%':
			if strings.HasPrefix(s[i:], "%20") {
				continue // its digits make the run longer than it is, which costs a look and no more
			}
			if strings.HasPrefix(s[i:], "%40") {
				t.at = true
			}
		case '.':
			t.dots++
		case ':':
			t.colons++
		case '@':
			t.at = true
		case '=':
			t.equals = true
		case 'b', 'B':
			t.scheme = t.scheme || startsWith(s[i:], "bearer") || startsWith(s[i:], "basic")
		case 'p', 'P', 's', 'S', 't', 'T', 'a', 'A', 'c', 'C':
			t.word = t.word || anyWord(s[i:])
		}
		run = 0
	}
	return t
}

func digit(c byte) bool   { return c >= '0' && c <= '9' }
func capital(c byte) bool { return c >= 'A' && c <= 'Z' }

// anyWord reports whether one of the words that stand before a credential and a sign begins here.
func anyWord(s string) bool {
	for _, w := range [...]string{"passw", "secret", "token", "apikey", "api_key", "api-key", "cookie", "probity_session"} {
		if startsWith(s, w) {
			return true
		}
	}
	return false
}

func startsWith(s, w string) bool { return len(s) >= len(w) && strings.EqualFold(s[:len(w)], w) }

// scrubCard hides digit runs that pass the Luhn check; sequence numbers and sizes rarely do.
func scrubCard(s string) string {
	plain := strings.ReplaceAll(s, "%20", "")
	sum, n := 0, 0
	for i := len(plain) - 1; i >= 0; i-- {
		if !digit(plain[i]) {
			continue
		}
		d := int(plain[i] - '0')
		if n%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		n++
	}
	if sum%10 == 0 && plain[0] != '0' { // no card begins with 0; the names of sealed files do
		return "[card]"
	}
	return s
}

// scrubIBAN hides texts that pass ISO 13616's modulo 97.
func scrubIBAN(s string) string {
	t := strings.NewReplacer(" ", "", "%20", "", "+", "").Replace(s)
	if len(t) < 15 || len(t) > 34 {
		return s
	}
	mod := 0
	for _, c := range []byte(t[4:] + t[:4]) {
		if digit(c) {
			mod = (mod*10 + int(c-'0')) % 97
		} else {
			mod = (mod*100 + int(c-'A') + 10) % 97
		}
	}
	if mod == 1 {
		return "[iban]"
	}
	return s
}

func scrubIP(s string) string {
	a, err := netip.ParseAddr(s)
	if err != nil || a.IsLoopback() || a.IsUnspecified() {
		return s
	}
	return "[ip]"
}
